//! What a route's answer means for the rows of the request.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::batch::{Fate, partial};
use crate::domain::enhancement::next_look;
use crate::domain::outcome::reason;
use crate::ports::ledger::RowUpdate;
use crate::ports::sink::UploadAnswer;
use crate::sync::context::SyncContext;
use crate::sync::prepare::Ready;
use crate::sync::upload::row_updates::fate_update;

/// What an answer row by row means for the rows of the request. Rows of which Google said nothing have no fate.
pub fn fates(answer: &UploadAnswer) -> BTreeMap<usize, Fate> {
    partial(&answer.evidence, &answer.errors)
}

/// The updates that carry out fates. Nothing that waits goes before `not_before`.
pub fn updates(
    ctx: &SyncContext,
    ready: &[Ready],
    fates: &BTreeMap<usize, Fate>,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Vec<RowUpdate> {
    let of = |(index, fate): (&usize, &Fate)| {
        let row = &ready.get(*index)?.row;
        let mut update = fate_update(ctx, row.into(), fate, now);
        if matches!(fate, Fate::Wait(reason::AWAITING_WEB_CONVERSION, _)) {
            update.due = next_look(row.occurred_at, &ctx.settings.enhancement_limits(), now);
        }
        update.due = not_before.map_or(update.due, |time| update.due.max(time));
        Some(update)
    };
    fates.iter().filter_map(of).collect()
}
