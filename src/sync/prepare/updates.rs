//! What the ledger notes of rows that are decided, or that wait after a failed call.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::domain::backoff::backoff;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::time::later;
use crate::ports::ledger::{Row, RowUpdate};
use crate::ports::{Cause, UpstreamError};
use crate::registry::sync_error::SyncError;
use crate::sync::context::SyncContext;

/// An update that moves a row to this outcome, keeping its isolation group.
pub fn row_update(row: &Row, outcome: Outcome, reason: impl Into<Cow<'static, str>>, due: Timestamp) -> RowUpdate {
    RowUpdate {
        row: row.id,
        outcome,
        reason: reason.into(),
        detail: String::new(),
        due,
        failed_try: false,
        isolation_group: row.isolation_group,
    }
}

/// The pending reason for rows whose upload or read failed this way.
pub const fn pending_reason(cause: Cause) -> &'static str {
    match cause {
        Cause::RateLimited | Cause::QuotaExhausted => reason::QUOTA_EXHAUSTED,
        Cause::CredentialsRejected
        | Cause::MissingScope
        | Cause::AccessDenied
        | Cause::ServiceDisabled
        | Cause::NotAllowlisted
        | Cause::UnsupportedVersion => reason::ACCOUNT_NOT_READY,
        Cause::Unavailable
        | Cause::Malformed
        | Cause::TooLarge
        | Cause::Refused
        | Cause::NotFound
        | Cause::NameTaken => reason::UPSTREAM_UNAVAILABLE,
    }
}

/// As [`pending_reason`]; an answer that the service does not explain says nothing of the account.
fn reason_for(error: &UpstreamError) -> &'static str {
    match pending_reason(error.cause) {
        reason::ACCOUNT_NOT_READY if error.may_concern_a_part() => reason::UPSTREAM_UNAVAILABLE,
        known => known,
    }
}

/// Rows wait for the next try after a failed call.
pub fn retry_later(ctx: &SyncContext, rows: &[Row], error: &UpstreamError) -> Vec<RowUpdate> {
    let now = ctx.clock.now();
    let attempts = rows.iter().map(|r| r.attempts).max().unwrap_or(0);
    let wait = backoff(attempts, ctx.settings.backoff_max, 0).max(error.retry_after.unwrap_or_default());
    let due = later(now, wait);
    rows.iter()
        .map(|row| {
            let outcome = if row.outcome == Outcome::Processing {
                Outcome::Processing
            } else {
                Outcome::Pending
            };
            let reason = if outcome == Outcome::Processing {
                Cow::Owned(row.reason.clone())
            } else {
                reason_for(error).into()
            };
            RowUpdate {
                failed_try: true,
                ..row_update(row, outcome, reason, due)
            }
        })
        .collect()
}

/// As [`retry_later`], noted at once; what failed.
pub(super) async fn postpone_rows(ctx: &SyncContext, rows: &[Row], error: UpstreamError) -> SyncError {
    match ctx
        .ledger
        .apply_updates(&retry_later(ctx, rows, &error), ctx.clock.now())
        .await
    {
        Ok(()) => error.into(),
        Err(ledger) => ledger.into(),
    }
}

#[cfg(test)]
#[path = "updates_tests.rs"]
mod tests;
