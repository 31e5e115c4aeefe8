//! Rows that were refused alone, by an answer that names none: it may be about anything, also
//! about all that goes to this action or by this route. It is held against the row only if others
//! of the same action were accepted between two refused requests that it was in, all within one
//! round (docs/reference/google.md 6.5). Else the row waits, and the next round looks again.

use std::collections::BTreeMap;

use crate::ports::UpstreamError;
use crate::ports::ledger::ActionKey;

/// A conversion action and the route that its rows go by.
pub(crate) type ActionRoute = (&'static str, ActionKey);

/// After so many rows refused alone in one round, with nothing accepted since, the other rows of the action wait too:
/// where everything is refused, the ad network is not asked about each of them.
const MOST_FRUITLESS: u32 = 4;
/// So many rounds in which nothing was accepted are worth an alarm: before, it may be one row with no other to compare.
const ALARMING_ROUNDS: u32 = 3;

/// What is known of an action by a route.
#[derive(Default)]
struct ActionRouteState {
    /// The last answer of this round that took something.
    accepted: Option<u64>,
    /// Rows refused alone in this round since then.
    fruitless: u32,
    /// What its other rows wait for, once it is closed for this round.
    closed: Option<UpstreamError>,
    /// Rounds in which nothing was accepted and a row was refused alone.
    rounds: u32,
}

/// What an uploader remembers of refusals that name no row. A process that has just started knows nothing, and has to
/// see a row refused and others accepted once more.
#[derive(Default)]
pub(crate) struct LoneRows {
    /// Counts answers: the time of this file.
    answers: u64,
    states: BTreeMap<ActionRoute, ActionRouteState>,
}

impl LoneRows {
    /// What was seen in the round before proves nothing now: the route may have failed since.
    pub(crate) fn begin_round(&mut self) {
        self.states.retain(|_, state| state.rounds > 0);
        for state in self.states.values_mut() {
            (state.accepted, state.fruitless, state.closed) = (None, 0, None);
        }
    }

    /// Something was accepted for the action.
    pub(crate) fn record_accepted(&mut self, route: ActionRoute) {
        self.answers += 1;
        let state = self.states.entry(route).or_default();
        (state.accepted, state.fruitless, state.rounds) = (Some(self.answers), 0, 0);
    }

    /// A request was refused without a name; returns its place among the answers.
    pub(crate) fn record_refused(&mut self) -> u64 {
        self.answers += 1;
        self.answers
    }

    /// A row was refused alone that was in a refused request before, if so. True if others were accepted between.
    pub(crate) fn is_singled_out(&self, route: &ActionRoute, refused: Option<u64>) -> bool {
        let accepted = self.states.get(route).and_then(|state| state.accepted);
        accepted > refused && refused.is_some()
    }

    /// A row was refused alone, and nothing is known yet.
    pub(crate) fn record_fruitless(&mut self, route: ActionRoute, error: &UpstreamError) {
        let state = self.states.entry(route).or_default();
        state.fruitless += 1;
        if state.fruitless >= MOST_FRUITLESS {
            state.closed.get_or_insert_with(|| error.clone());
        }
    }

    /// Why nothing more goes there in this round, if so.
    pub(crate) fn why_closed(&self, route: &ActionRoute) -> Option<&UpstreamError> {
        self.states.get(route)?.closed.as_ref()
    }

    /// The round ends with rows of the action that were refused alone. True if that is worth an alarm.
    pub(crate) fn end_round(&mut self, route: ActionRoute) -> bool {
        let state = self.states.entry(route).or_default();
        if state.accepted.is_some() {
            return false;
        }
        state.rounds = state.rounds.saturating_add(1);
        state.closed.is_some() || state.rounds >= ALARMING_ROUNDS
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
