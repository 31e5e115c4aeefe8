//! Retention: folds what was settled long ago, now and then, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::context::SyncContext;
use super::pulse;
use crate::domain::brief::brief;

/// Rows folded in one write, so that uploads never wait long for it.
const PORTION: usize = 2_000;
/// Between two portions.
const BREATH: Duration = Duration::from_millis(200);
/// Between two rounds.
const ROUND: Duration = Duration::from_hours(1);

/// Folds until stopped. Not while another task writes a lot: each portion is a short write.
pub async fn run(ctx: Arc<SyncContext>, stop: CancellationToken) {
    loop {
        let before = ctx
            .clock
            .now()
            .saturating_sub(ctx.settings.retention)
            .unwrap_or(Timestamp::MIN);
        let mut folded = 0;
        let pause = loop {
            pulse::beat();
            match ctx.ledger.fold(before, PORTION).await {
                Ok(0) => break ROUND,
                Ok(rows) => folded += rows,
                Err(error) => {
                    warn!(
                        error = brief(&error),
                        "rows settled long ago could not be folded; they stay until the next round"
                    );
                    break ROUND;
                }
            }
            if stopped(&stop, BREATH).await {
                return;
            }
        };
        if folded > 0 {
            info!(rows = folded, %before, "conversions settled before then are kept as totals");
        }
        if stopped(&stop, pause).await {
            return;
        }
    }
}

async fn stopped(stop: &CancellationToken, pause: Duration) -> bool {
    pulse::rest(pause);
    tokio::time::timeout(pause, stop.cancelled()).await.is_ok()
}
