//! What a pass has found and done, before it is handed over and reported.

use super::action::outcome::ActionOutcome;
use super::resolve::Resolved;
use super::stall::{self, Stall};

/// An event whose manifest is resolved and whose conversion action is as it can be now.
pub struct ReconciledEvent {
    /// What the manifest names.
    pub resolved: Resolved,
    /// The conversion action.
    pub outcome: ActionOutcome,
    /// Why a person must act.
    pub stall: Option<Stall>,
}

impl ReconciledEvent {
    /// Decides whether the event is stalled, now that all is known that can stall it.
    pub fn new(resolved: Resolved, outcome: ActionOutcome) -> Self {
        let snapshot = resolved.google_snapshot();
        let stall = stall::after_the_action(
            resolved.stall.as_ref(),
            outcome.stall.as_ref(),
            resolved.subject.as_ref(),
            snapshot.as_deref(),
        );
        Self {
            resolved,
            outcome,
            stall,
        }
    }
}
