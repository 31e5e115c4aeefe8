//! Everything known about an event at the end of a pass: what its status is composed of.

use std::time::Duration;

use jiff::Timestamp;

use super::action::outcome::ActionOutcome;
use super::resolve::{AccountsReadiness, Resolved};
use super::stall::Stall;
use crate::api::AdConversionEventStatus;
use crate::domain::counts::EventGates;
use crate::domain::declared::Declared;
use crate::ports::ledger::{RowCounts, StreamId};
use crate::registry::{EventReport, HeldBack};

/// The counts of an event's stream.
pub struct CountedRows {
    /// The stream that was counted.
    pub stream: StreamId,
    /// Classes and times.
    pub counts: RowCounts,
    /// Identity of the database.
    pub ledger_id: String,
}

/// Everything known about an event at the end of a pass.
pub struct EventFacts<'a> {
    /// The status that the object has.
    pub before: AdConversionEventStatus,
    /// The last reconcile request, see [`crate::controller::shared::object::Object::requested_at`].
    pub requested: Option<&'a str>,
    /// What the manifest names.
    pub resolved: &'a Resolved,
    /// The conversion action.
    pub outcome: &'a ActionOutcome,
    /// Why a person must act.
    pub stall: Option<&'a Stall>,
    /// What the sync loops say.
    pub report: EventReport,
    /// Counts; `None` if they can't be had.
    pub counted: Option<CountedRows>,
    /// What holds up the conversions of a usable action.
    pub held: Option<HeldBack>,
    pub now: Timestamp,
    /// How long failures may last before Ready follows.
    pub failure_threshold: Duration,
}

impl EventFacts<'_> {
    pub(crate) const fn declared(&self) -> &Declared {
        &self.resolved.declared
    }

    /// What holds up the whole event.
    pub(crate) fn closed_gates(&self) -> EventGates {
        let suspended = self.declared().suspended || matches!(self.resolved.accounts, AccountsReadiness::Suspended(_));
        let not_ready = matches!(self.resolved.accounts, AccountsReadiness::NotReady(..));
        EventGates {
            suspended,
            account_not_ready: not_ready || self.stall.is_some() || !self.outcome.usable,
            action_too_new: self.held.is_some(),
        }
    }
}
