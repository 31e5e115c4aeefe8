//! What a route's answer means for the rows of the request.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::batch::{RowResult, row_by_row_results};
use crate::domain::enhancement::next_look;
use crate::domain::outcome::reason;
use crate::ports::ledger::RowUpdate;
use crate::ports::sink::UploadAnswer;
use crate::sync::context::SyncContext;
use crate::sync::prepare::PreparedRow;
use crate::sync::upload::row_updates::row_result_update;

/// What an answer row by row means for the rows of the request. Rows of which Google said nothing have no result.
pub fn row_results_of(answer: &UploadAnswer) -> BTreeMap<usize, RowResult> {
    row_by_row_results(&answer.evidence, &answer.errors)
}

/// The updates that carry out results. Nothing that waits goes before `not_before`.
pub fn row_updates(
    ctx: &SyncContext,
    ready: &[PreparedRow],
    row_results: &BTreeMap<usize, RowResult>,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Vec<RowUpdate> {
    let of = |(index, row_result): (&usize, &RowResult)| {
        let row = &ready.get(*index)?.row;
        let mut update = row_result_update(ctx, row.into(), row_result, now);
        if matches!(row_result, RowResult::Wait(reason::AWAITING_WEB_CONVERSION, _)) {
            update.due = next_look(row.occurred_at, &ctx.settings.enhancement_limits(), now);
        }
        update.due = not_before.map_or(update.due, |time| update.due.max(time));
        Some(update)
    };
    row_results.iter().filter_map(of).collect()
}
