//! From what becomes of a row to what the ledger notes.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use crate::domain::backoff::backoff;
use crate::domain::batch::RowResult;
use crate::domain::outcome::{Outcome, PROCESSED, reason};
use crate::domain::time::later;
use crate::ports::ledger::{BatchId, OpenRow, Row, RowId, RowUpdate};
use crate::sync::context::SyncContext;

/// What a result needs to know of a row.
#[derive(Debug, Clone, Copy)]
pub struct RowRef {
    row: RowId,
    attempts: u32,
    isolation_group: i64,
}

impl From<&Row> for RowRef {
    fn from(row: &Row) -> Self {
        Self {
            row: row.id,
            attempts: row.attempts,
            isolation_group: row.isolation_group,
        }
    }
}

impl From<&OpenRow> for RowRef {
    fn from(row: &OpenRow) -> Self {
        Self {
            row: row.row,
            attempts: row.attempts,
            isolation_group: row.isolation_group,
        }
    }
}

/// The update that carries out a result.
pub fn row_result_update(ctx: &SyncContext, row: RowRef, row_result: &RowResult, now: Timestamp) -> RowUpdate {
    let update = |outcome, reason: Cow<'static, str>, due| RowUpdate {
        row: row.row,
        outcome,
        reason,
        detail: String::new(),
        due,
        failed_try: false,
        isolation_group: row.isolation_group,
    };
    let waits = |reason: &'static str| {
        let wait = wait_of(ctx, reason, row.attempts);
        let due = later(now, wait);
        // A row that was isolated stays isolated, so that it does not fail others again.
        RowUpdate {
            failed_try: true,
            ..update(Outcome::Pending, reason.into(), due)
        }
    };
    match row_result {
        RowResult::Uploaded => update(Outcome::Uploaded, PROCESSED.into(), now),
        RowResult::Rejected(reason, code) => RowUpdate {
            detail: code.clone(),
            ..update(Outcome::Rejected, reason.clone().into(), now)
        },
        RowResult::Wait(reason, _) => waits(reason),
        RowResult::Blocked(_) => waits(reason::ACCOUNT_NOT_READY),
        RowResult::Unknown(_) => RowUpdate {
            failed_try: true,
            ..update(
                Outcome::Processing,
                reason::OUTCOME_UNKNOWN.into(),
                unknown_due(row.attempts, now),
            )
        },
    }
}

/// A number that rows of no other request, destination or part have ([`Row::isolation_group`]). A request has at most
/// 16 destinations and is cut into at most four parts at a time.
pub fn isolation_group_of(batch: BatchId, destination: usize, part: u8) -> i64 {
    let destination = i64::try_from(destination).unwrap_or(0);
    (batch.0 * 16 + destination) * 4 + i64::from(part) + 1
}

/// Rows of unknown outcome are sent again at once the first
/// times, in halves; if that does not help, after growing pauses.
fn unknown_due(attempts: u32, now: Timestamp) -> Timestamp {
    let pause = backoff(attempts, LONGEST_UNKNOWN, 0);
    let pause = if attempts == 0 { SignedDuration::ZERO } else { pause };
    later(now, pause)
}

/// Longest pause before rows of unknown outcome go again: results come no faster (docs/reference/google.md 6.6).
const LONGEST_UNKNOWN: SignedDuration = SignedDuration::from_hours(1);

/// How long a row waits after the ad network asked to: the hours that it names, else the backoff.
fn wait_of(ctx: &SyncContext, why: &str, attempts: u32) -> SignedDuration {
    let pause = backoff(attempts, ctx.settings.backoff_max, 0);
    match why {
        reason::CLICK_TOO_RECENT => ctx.settings.waits.too_recent.max(pause),
        reason::ACTION_TOO_NEW => ctx.settings.new_action_hold.max(pause),
        _ => pause,
    }
}

#[cfg(test)]
#[path = "row_updates_tests.rs"]
mod tests;
