//! What one pass of the feed works on.

use std::sync::Arc;

use jiff::Timestamp;

use super::bounds::Tracked;
use crate::domain::ids::ObjectKey;
use crate::domain::trigger::Trigger;
use crate::registry::{Event, HubSpotAccount};

/// What makes a pass necessary before its time: who takes part, and since when.
pub(super) type Member = (ObjectKey, String, Trigger, Timestamp);

/// The part of an event that decides it.
pub(super) fn member_of(event: &Event) -> Member {
    (event.key.clone(), event.uid.clone(), event.trigger.clone(), event.start)
}

/// One account at the moment of a pass: usable, with events.
pub(super) struct Pass {
    pub(super) account: HubSpotAccount,
    pub(super) crm: Arc<dyn crate::ports::crm::Crm>,
    pub(super) portal: crate::ports::crm::Portal,
    /// Lifecycle events.
    pub(super) events: Vec<Tracked>,
    /// Form events.
    pub(super) forms: Vec<Tracked>,
}
