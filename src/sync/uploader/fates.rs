//! From what becomes of a row to what the ledger notes.

use jiff::{SignedDuration, Timestamp};

use crate::domain::backoff::backoff;
use crate::domain::batch::Fate;
use crate::domain::outcome::{Outcome, PROCESSED, reason};
use crate::sync::context::SyncContext;
use crate::sync::event_loop::update;
use crate::sync::ports::ledger::{Row, RowUpdate};

/// The update that carries out a fate.
pub fn fate_update(ctx: &SyncContext, row: &Row, fate: &Fate, now: Timestamp) -> RowUpdate {
    match fate {
        Fate::Uploaded => update(row, Outcome::Uploaded, PROCESSED, now),
        Fate::Rejected(reason, code) => RowUpdate {
            detail: code.clone(),
            ..update(row, Outcome::Rejected, reason, now)
        },
        Fate::Wait(reason) => {
            let wait = wait_of(ctx, reason, row.attempts);
            let due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
            // A row that was told apart from others stays apart, so that it does not fail them again.
            RowUpdate {
                failed_try: true,
                ..update(row, Outcome::Pending, reason, due)
            }
        }
        Fate::Unknown(_) => update(row, Outcome::Processing, reason::OUTCOME_UNKNOWN, now),
    }
}

/// How long a row waits after Google asked to: the hours Google names, else the backoff.
fn wait_of(ctx: &SyncContext, why: &str, attempts: u32) -> SignedDuration {
    let pause = backoff(attempts, ctx.settings.backoff_max, 0);
    match why {
        reason::CLICK_TOO_RECENT | reason::ACTION_TOO_NEW => ctx.settings.waits.too_recent.max(pause),
        _ => pause,
    }
}
