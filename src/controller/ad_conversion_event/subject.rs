//! What an event is about, once HubSpot has said which stage or form that is.

use crate::domain::trigger::Trigger;

/// The stage or form an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What makes an occurrence.
    pub trigger: Trigger,
    /// What people call it.
    pub label: String,
}
