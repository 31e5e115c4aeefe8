//! Everything known about an event at the end of a pass: what its status is composed of.

use std::time::Duration;

use jiff::Timestamp;

use super::action::outcome::ActionOutcome;
use super::resolve::Resolved;
use super::stall::Stall;
use crate::api::AdConversionEventStatus;
use crate::api::reasons::{condition, reason};
use crate::domain::conditions::{find, is_true};
use crate::domain::declared::Declared;
use crate::ports::ledger::Tally;
use crate::registry::{ErrorNote, EventReport};

/// The counts of an event's track.
pub struct Counted {
    /// Classes and times.
    pub tally: Tally,
    /// Identity of the database.
    pub ledger_id: String,
}

/// Everything known about an event at the end of a pass.
pub struct Facts<'a> {
    /// The status that the object has.
    pub before: AdConversionEventStatus,
    /// What somebody asked for last, see [`crate::controller::shared::object::Object::requested_at`].
    pub requested: Option<&'a str>,
    /// What the manifest names.
    pub resolved: &'a Resolved,
    /// The conversion action.
    pub outcome: &'a ActionOutcome,
    /// Why a person must act.
    pub stall: Option<&'a Stall>,
    /// What the sync loops say.
    pub report: EventReport,
    /// Counts; `None` where they can't be had.
    pub tally: Option<Counted>,
    /// Nothing is sent before.
    pub hold_until: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
    /// How long failures may last before Ready follows.
    pub failure_threshold: Duration,
}

impl Facts<'_> {
    /// The manifest.
    pub(crate) const fn declared(&self) -> &Declared {
        &self.resolved.declared
    }

    /// The feed has made a pass for this event, in this life of the process or before.
    pub(crate) fn made_a_pass(&self) -> bool {
        let before = &self.before.conditions;
        let synced = find(before, condition::SYNCED);
        let read_before = is_true(before, condition::SYNCED) || synced.is_some_and(|c| c.reason == reason::REFUSED);
        self.report.feed.last_success.is_some() || read_before
    }
}

/// The failing side of the sync, worst first.
pub(crate) fn failing(report: &EventReport) -> Option<(&ErrorNote, Timestamp)> {
    [&report.ledger, &report.feed, &report.upload, &report.poll]
        .into_iter()
        .find_map(|health| Some((health.error.as_ref()?, health.failing_since?)))
}
