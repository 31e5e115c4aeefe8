//! Rows that were refused alone, by an answer that names none: it may be about anything, also about all that goes to this
//! action or this way. It is held against the row only if others of the same action were accepted between two refused
//! requests that it was in, all within one round (docs/reference/google.md 6.5). Else the row waits, and the next round
//! looks again.

use std::collections::BTreeMap;

use crate::ports::UpstreamError;
use crate::ports::ledger::ActionKey;

/// A conversion action by one route.
pub(crate) type Way = (&'static str, ActionKey);

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
    pub(crate) fn record_accepted(&mut self, way: Way) {
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
    pub(crate) fn is_singled_out(&self, way: &Way, refused: Option<u64>) -> bool {
        let accepted = self.ways.get(way).and_then(|standing| standing.accepted);
        accepted > refused && refused.is_some()
    }

    /// A row was refused alone, and nothing is known yet.
    pub(crate) fn record_in_vain(&mut self, way: Way, error: &UpstreamError) {
        let standing = self.ways.entry(way).or_default();
        standing.in_vain += 1;
        if standing.in_vain >= MOST_IN_VAIN {
            standing.closed.get_or_insert_with(|| error.clone());
        }
    }

    /// Why nothing more goes this way in this round, if so.
    pub(crate) fn why_closed(&self, way: &Way) -> Option<&UpstreamError> {
        self.ways.get(way)?.closed.as_ref()
    }

    /// The round ends with rows of this way that were refused alone. True if the way is worth an alarm.
    pub(crate) fn end_round(&mut self, way: Way) -> bool {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "lone_rows_tests.rs"]
mod tests;
