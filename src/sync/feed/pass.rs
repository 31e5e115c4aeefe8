//! What one pass of the feed works on.

use std::sync::Arc;

use jiff::Timestamp;

use super::bounds::Tracked;
use crate::domain::ids::ObjectKey;
use crate::domain::trigger::Trigger;
use crate::registry::{Event, HubSpotAccount};

/// What makes a pass necessary before its time: who takes part, and since when.
pub(in crate::sync) type Member = (ObjectKey, String, Trigger, Timestamp);

/// The part of an event that decides it.
pub(in crate::sync) fn member_of(event: &Event) -> Member {
    (event.key.clone(), event.uid.clone(), event.trigger.clone(), event.start)
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
