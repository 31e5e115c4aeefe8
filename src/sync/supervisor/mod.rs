//! Starts and stops the loops as accounts come and go: a feed for each HubSpot account, an uploader and a poller for
//! each Google account. A loop that ends unexpectedly is started again, alone and after a growing pause; the others,
//! also those of the same account, go on.

mod loops;

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::loops::Loops;
use super::context::SyncContext;
use super::retention;
use crate::domain::brief::brief;
use crate::ports::pulse;
use crate::ports::stopping::run_until_stopped;

/// How long loops may take to finish what they are at when the process stops.
const STOP_LIMIT: Duration = Duration::from_secs(25);
/// Pause before another look at a ledger that fails at start.
const RECOVER_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause before the next look whether accounts came or went.
const TICK: Duration = Duration::from_secs(30);

/// Name of this loop among the signs of life.
const SUPERVISOR: &str = "supervisor of the sync loops";
const RETENTION: &str = "retention";

/// Runs the loops until `stop`; then waits for them, within limits. Where the supervisor itself ends unexpectedly, its
/// loops end with it, and all are started again.
pub async fn run(ctx: Arc<SyncContext>, stop: CancellationToken) {
    let begin = |_| {
        let (ctx, stop) = (ctx.clone(), stop.clone());
        async move {
            let work = supervise(ctx.clone(), stop);
            ctx.run_watched(SUPERVISOR.to_owned(), work).await;
            ControlFlow::Continue(())
        }
    };
    let restarts = ctx.restarts_for("supervisor", SUPERVISOR);
    restarts.run_until_done(stop.clone(), begin).await;
}

async fn supervise(ctx: Arc<SyncContext>, stop: CancellationToken) {
    if !recover_batches(&ctx, &stop).await {
        return;
    }
    let own = stop.child_token();
    let mut loops = Loops::default();
    let retention = tokio::spawn(run_retention(ctx.clone(), own.clone()));
    let ended = AssertUnwindSafe(look_after(&ctx, &mut loops, &own))
        .catch_unwind()
        .await;
    own.cancel();
    pulse::rest(STOP_LIMIT);
    let drained = tokio::time::timeout(STOP_LIMIT, loops.wait_for_all()).await;
    // Its result says nothing: it catches its own panics.
    let _ = retention.await;
    if drained.is_err() {
        warn!("sync loops did not stop in time; what was in flight is settled at the next start");
    }
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// Looks after the loops until `stop`.
async fn look_after(ctx: &Arc<SyncContext>, loops: &mut Loops, stop: &CancellationToken) {
    let mut changes = ctx.registry.subscribe();
    loop {
        pulse::rest(TICK);
        changes.mark_unchanged();
        let next = loops.start_and_stop(ctx, stop);
        let pause = next.map_or(TICK, |at| TICK.min(at.saturating_duration_since(Instant::now())));
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {}
            () = loops.next_end(ctx) => {}
        }
    }
}

/// Retention, started again if it ends unexpectedly.
async fn run_retention(ctx: Arc<SyncContext>, stop: CancellationToken) {
    let begin = |_| {
        let (ctx, stop) = (ctx.clone(), stop.clone());
        async move {
            let work = retention::run_retention(ctx.clone(), stop.clone());
            let work = async { run_until_stopped(&stop, work).await };
            ctx.run_watched(RETENTION.to_owned(), work).await;
            ControlFlow::Continue(())
        }
    };
    let restarts = ctx.restarts_for(RETENTION, RETENTION);
    restarts.run_until_done(stop.clone(), begin).await;
}

/// Batches that were on their way when the process died become sendable again, before anything else is sent.
async fn recover_batches(ctx: &SyncContext, stop: &CancellationToken) -> bool {
    loop {
        pulse::rest(RECOVER_PAUSE);
        match ctx.ledger.recover_batches(None, ctx.clock.now()).await {
            Ok(0) => return true,
            Ok(rows) => {
                info!(
                    rows,
                    "conversions were in flight when the process ended; they go again with the same ids and values"
                );
                return true;
            }
            Err(error) => error!(error = brief(&error), "the ledger cannot be used, so nothing is sent"),
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(RECOVER_PAUSE) => {}
        }
    }
}
