//! What follows from the facts about an event for more than one of its conditions, worked out once.

use std::ops::Deref;

use jiff::Timestamp;

use super::facts::EventFacts;
use super::refusal::CurrentRefusal;
use crate::api::reasons::{condition, reason};
use crate::domain::conditions::{find_condition, is_true};
use crate::registry::{ErrorNote, EventReport, Side};

/// The facts, and what follows from them.
pub struct EventAssessment<'a> {
    facts: &'a EventFacts<'a>,
    /// Google takes no conversion of the event.
    pub refusal: Option<CurrentRefusal>,
    /// The failing side of the sync, and since when it fails.
    pub failing: Option<(&'a ErrorNote, Timestamp)>,
    /// The feed has made a pass for this event, in this life of the process or before.
    pub made_a_pass: bool,
}

impl<'a> EventAssessment<'a> {
    /// What follows from these facts.
    pub fn from_facts(facts: &'a EventFacts<'a>) -> Self {
        Self {
            facts,
            refusal: facts.current_refusal(),
            failing: worst_failure(&facts.report),
            made_a_pass: made_a_pass(facts),
        }
    }
}

impl<'a> Deref for EventAssessment<'a> {
    type Target = EventFacts<'a>;

    fn deref(&self) -> &EventFacts<'a> {
        self.facts
    }
}

/// The worst comes first.
fn worst_failure(report: &EventReport) -> Option<(&ErrorNote, Timestamp)> {
    let mut sides = Side::ALL.iter().map(|side| report.side(*side));
    sides.find_map(|health| Some((health.error.as_deref()?, health.failing_since?)))
}

fn made_a_pass(facts: &EventFacts<'_>) -> bool {
    let before = &facts.before.conditions;
    let synced = find_condition(before, condition::SYNCED);
    let read_before = is_true(before, condition::SYNCED) || synced.is_some_and(|c| c.reason == reason::REFUSED);
    facts.report.feed.last_success.is_some() || read_before
}
