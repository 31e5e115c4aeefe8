//! The states that people look for in a list of events.

use crate::api::AdConversionEvent;
use crate::api::reasons::{condition, reason};
use crate::domain::conditions::{find_condition, ready_label};

/// A state that events may be in; some are in two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventState {
    Ready,
    /// The condition Ready is False, for whatever reason.
    NotReady,
    /// Broken until a person acts.
    Stalled,
    /// spec.suspend is true: its own, or that of one of its accounts.
    Suspended,
    /// No operator has judged it yet.
    Unknown,
}

impl EventState {
    pub(super) const ALL: [Self; 5] = [
        Self::Ready,
        Self::NotReady,
        Self::Stalled,
        Self::Suspended,
        Self::Unknown,
    ];

    /// As addresses have it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::NotReady => "NotReady",
            Self::Stalled => "Stalled",
            Self::Suspended => "Suspended",
            Self::Unknown => "Unknown",
        }
    }

    /// For people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::NotReady => "Not ready",
            other => other.name(),
        }
    }

    /// The state of this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// True if the event is in this state.
    pub(super) fn is_of(self, event: &AdConversionEvent) -> bool {
        let conditions = event.status.as_ref().map_or(&[][..], |status| &status.conditions);
        match self {
            Self::Ready => ready_label(conditions) == "True",
            Self::NotReady => ready_label(conditions) == "False",
            Self::Stalled => find_condition(conditions, condition::STALLED).is_some_and(|found| found.status == "True"),
            Self::Suspended => {
                let ready = find_condition(conditions, condition::READY);
                event.spec.suspend || ready.is_some_and(|ready| ready.reason == reason::SUSPENDED)
            }
            Self::Unknown => ready_label(conditions) == "Unknown",
        }
    }
}
