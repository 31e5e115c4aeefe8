//! What one pass of the feed works on.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;

use super::bounds::Tracked;
use crate::domain::ids::{ActionKey, ObjectKey};
use crate::domain::trigger::Trigger;
use crate::registry::{Event, HubSpotAccount};

/// An event as it takes part in passes. Two are the same while nothing has changed that makes a pass necessary before
/// its time: who takes part, and since when.
#[derive(Clone)]
pub(in crate::sync) struct Member(Arc<Event>);

impl Member {
    /// The event that takes part.
    pub(in crate::sync) fn new(event: &Arc<Event>) -> Self {
        Self(Arc::clone(event))
    }

    /// Its action, once that is known.
    pub(in crate::sync) fn action(&self) -> Option<&ActionKey> {
        self.0.action.as_ref().map(|action| &action.key)
    }

    /// True if what the event had noted before is on the same stream now: rows and mark move to the stream of its first
    /// action, not to that of another one.
    pub(in crate::sync) fn keeps_stream_of(&self, before: &Self) -> bool {
        before.action().is_none() || before.action() == self.action()
    }

    /// What decides.
    fn part(&self) -> (&ObjectKey, &str, &Trigger, Timestamp) {
        let event = &self.0;
        (&event.key, &event.uid, &event.trigger, event.start)
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.part() == other.part()
    }
}

impl Eq for Member {}

impl PartialOrd for Member {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Member {
    fn cmp(&self, other: &Self) -> Ordering {
        self.part().cmp(&other.part())
    }
}

/// One account at the moment of a pass: usable, with events.
pub(in crate::sync) struct Pass {
    pub(in crate::sync) account: HubSpotAccount,
    pub(in crate::sync) crm: Arc<dyn crate::ports::crm::Crm>,
    pub(in crate::sync) portal: crate::ports::crm::Portal,
    /// Lifecycle events.
    pub(in crate::sync) events: Vec<Tracked>,
    /// Form events.
    pub(in crate::sync) forms: Vec<Tracked>,
}
