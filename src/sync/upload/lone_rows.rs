//! Rows that were refused alone, by an answer that names none: it may be about anything, also about all that goes to this
//! action or this way. It is held against the row only if others of the same action were accepted between two refused
//! requests that it was in, all within one round (docs/reference/google.md 6.5). Else the row waits, and the next round
//! looks again.

use std::collections::{BTreeMap, BTreeSet};

use super::Uploader;
use super::round_queue::{Part, RoundQueue, Suspect};
use crate::domain::batch::{Refusal, RowResult};
use crate::domain::codes::{Class, Code};
use crate::domain::delivering::suspect_message;
use crate::domain::ids::{ContactId, ObjectKey};
use crate::domain::outcome::reason;
use crate::ports::UpstreamError;
use crate::ports::ledger::{ActionKey, LedgerError, Row, RowUpdate};
use crate::ports::sink::RouteInfo;
use crate::registry::{ErrorNote, Notice, RefusedAt};
use crate::sync::delivery::{self, Delivery};
use crate::sync::prepare::{PreparedRow, retry_later};

/// A conversion action by one route.
type Way = (&'static str, ActionKey);

/// So many rows of a way are refused alone in one round, with nothing accepted since, before its other rows wait too: a way
/// that refuses everything is not asked about each of them.
const MOST_IN_VAIN: u32 = 4;
/// So many rounds in which a way took nothing are worth an alarm: before, it may be one row and no other to compare.
const ALARMING_ROUNDS: u32 = 3;

/// What is known of a way.
#[derive(Default)]
struct Standing {
    /// The last answer of this round that took something.
    accepted: Option<u64>,
    /// Rows refused alone in this round since.
    in_vain: u32,
    /// What its other rows wait for, once it is closed for this round.
    closed: Option<UpstreamError>,
    /// Rounds in which nothing was accepted and a row was refused alone.
    rounds: u32,
}

/// What an uploader remembers of refusals that name no row. A process that has just started knows nothing, and has to see a
/// row refused and others accepted once more.
#[derive(Default)]
pub(crate) struct LoneRows {
    /// Counts answers: the time of this file.
    answers: u64,
    ways: BTreeMap<Way, Standing>,
}

impl LoneRows {
    /// What was seen in the round before proves nothing now: the way may have failed since.
    pub(crate) fn begin_round(&mut self) {
        self.ways.retain(|_, standing| standing.rounds > 0);
        for standing in self.ways.values_mut() {
            (standing.accepted, standing.in_vain, standing.closed) = (None, 0, None);
        }
    }

    /// Something was accepted this way.
    fn record_accepted(&mut self, way: Way) {
        self.answers += 1;
        let standing = self.ways.entry(way).or_default();
        (standing.accepted, standing.in_vain, standing.rounds) = (Some(self.answers), 0, 0);
    }

    /// A request was refused without a name; returns its place among the answers.
    pub(crate) fn record_refused(&mut self) -> u64 {
        self.answers += 1;
        self.answers
    }

    /// A row was refused alone that was in a refused request before, if so. True if others were accepted between.
    fn is_singled_out(&self, way: &Way, refused: Option<u64>) -> bool {
        let accepted = self.ways.get(way).and_then(|standing| standing.accepted);
        accepted > refused && refused.is_some()
    }

    /// A row was refused alone, and nothing is known yet.
    fn record_in_vain(&mut self, way: Way, error: &UpstreamError) {
        let standing = self.ways.entry(way).or_default();
        standing.in_vain += 1;
        if standing.in_vain >= MOST_IN_VAIN {
            standing.closed.get_or_insert_with(|| error.clone());
        }
    }

    /// Why nothing more goes this way in this round, if so.
    fn why_closed(&self, way: &Way) -> Option<&UpstreamError> {
        self.ways.get(way)?.closed.as_ref()
    }

    /// The round ends with rows of this way that were refused alone. True if the way is worth an alarm.
    fn end_round(&mut self, way: Way) -> bool {
        let standing = self.ways.entry(way).or_default();
        if standing.accepted.is_some() {
            return false;
        }
        standing.rounds = standing.rounds.saturating_add(1);
        standing.closed.is_some() || standing.rounds >= ALARMING_ROUNDS
    }

    /// Which half of a refused request goes first: no order of rows may hide those that would be accepted for ever.
    pub(crate) const fn is_right_first(&self) -> bool {
        // Any mix of the bits does that follows no pattern from one answer to the next (here the end of SplitMix64).
        let mut mixed = self.answers.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed >> 63 == 1
    }
}

fn way_of(route: RouteInfo, row: &PreparedRow) -> Way {
    (route.name, row.action.clone())
}

/// True for what Google says of a row only if it looked at it.
fn is_judgement(row_result: &RowResult) -> bool {
    matches!(
        row_result,
        RowResult::Uploaded
            | RowResult::Rejected(..)
            | RowResult::Wait(reason::AWAITING_WEB_CONVERSION | reason::CLICK_TOO_RECENT, _)
    )
}

impl Uploader {
    /// A request was taken; `row_results`: what was said of its rows at once. What was refused alone on the ways of those that
    /// Google looked at goes again now, before these can fail.
    pub(super) fn note_accepted(
        &mut self,
        part: &Part,
        row_results: Option<&BTreeMap<usize, RowResult>>,
        queue: &mut RoundQueue,
    ) {
        let is_taken = |index| row_results.is_none_or(|results| results.get(&index).is_some_and(is_judgement));
        let taken = part.rows.iter().enumerate().filter(|(index, _)| is_taken(*index));
        let ways: BTreeSet<_> = taken.map(|(_, row)| way_of(part.route, row)).collect();
        for way in ways {
            self.lone_rows.record_accepted(way.clone());
            queue.send_suspects_again(|part| part.rows.iter().all(|row| way_of(part.route, row) == way));
        }
    }

    /// Whether the refusal of a request that names none of its rows is held against its only row.
    pub(super) fn is_singled_out(&self, part: &Part) -> bool {
        let row = part.rows.first();
        row.is_some_and(|row| self.lone_rows.is_singled_out(&way_of(part.route, row), part.refused))
    }

    /// A row was refused alone, for what may be anything: it waits, and goes again in this round if others are accepted.
    pub(super) fn suspect_row(
        &mut self,
        part: Part,
        plan: &Refusal,
        error: &UpstreamError,
        queue: &mut RoundQueue,
    ) -> Vec<RowUpdate> {
        let rows: Vec<Row> = part.rows.iter().map(|ready| ready.row.clone()).collect();
        for ready in &part.rows {
            self.lone_rows.record_in_vain(way_of(part.route, ready), error);
        }
        let refused = Some(self.lone_rows.record_refused());
        queue.put_aside(Suspect {
            part: Part { refused, ..part },
            code: unnamed_code(plan),
        });
        retry_later(&self.ctx, &rows, error)
    }

    /// Rows of ways that refuse everything wait too; returns the others.
    pub(super) async fn defer_closed(
        &self,
        route: RouteInfo,
        rows: Vec<PreparedRow>,
    ) -> Result<Vec<PreparedRow>, LedgerError> {
        let mut open = Vec::with_capacity(rows.len());
        let mut updates = Vec::new();
        for ready in rows {
            match self.lone_rows.why_closed(&way_of(route, &ready)) {
                Some(error) => updates.extend(retry_later(&self.ctx, std::slice::from_ref(&ready.row), error)),
                None => open.push(ready),
            }
        }
        if !updates.is_empty() {
            self.ctx.ledger.apply_updates(&updates, self.ctx.clock.now()).await?;
        }
        Ok(open)
    }

    /// Says at the end of a round which conversions wait because they were refused alone, and which events get nothing
    /// through.
    pub(super) fn report_suspects(&mut self, suspects: &[Suspect]) {
        let now = self.ctx.clock.now();
        let mut alarms: BTreeMap<Way, bool> = BTreeMap::new();
        for Suspect { part, code } in suspects {
            for ready in &part.rows {
                let way = way_of(part.route, ready);
                let alarm = *alarms
                    .entry(way.clone())
                    .or_insert_with(|| self.lone_rows.end_round(way));
                for (event, _) in self.events_of(std::slice::from_ref(ready)) {
                    if alarm {
                        let place = (RefusedAt::Upload, part.route.service);
                        let refused = Delivery::Refused(code.clone());
                        delivery::report_delivery(&self.ctx.registry, &event, place, &refused, now);
                    } else {
                        self.note_suspect(&event, ready, code);
                    }
                }
            }
        }
    }

    fn note_suspect(&self, event: &ObjectKey, ready: &PreparedRow, code: &Code) {
        let note = ErrorNote {
            time: self.ctx.clock.now(),
            reason: reason::UPSTREAM_UNAVAILABLE.to_owned(),
            message: suspect_message(code),
            contact: Some(ready.row.contact)
                .filter(|contact| *contact != ContactId::UNKNOWN)
                .map(|contact| contact.0),
        };
        self.ctx.registry.update_report(event, |report| {
            report.push_error(note);
            Notice::Soon
        });
    }
}

/// The code of a refusal that names no row.
fn unnamed_code(plan: &Refusal) -> Code {
    let found = plan.row_results.get(&0);
    let (why, name) = match found {
        Some(RowResult::Rejected(why, name)) if !name.is_empty() => (why.as_str(), name.as_str()),
        _ => (reason::INVALID_ARGUMENT, reason::INVALID_ARGUMENT),
    };
    Code {
        name: name.to_owned(),
        reason: why.to_owned(),
        class: Class::Unknown,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "lone_rows_tests.rs"]
mod tests;
