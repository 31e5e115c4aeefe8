//! What follows a turn that failed.

use tracing::warn;

use super::Feed;
use crate::domain::backoff::backoff;
use crate::domain::brief::brief;
use crate::ports::{Cause, UpstreamError};
use crate::registry::sync_error::{SyncError, error_note};
use crate::registry::{Event, Notice};
use crate::sync::feed::bounds::Tracked;

impl Feed {
    /// Tells these events, or all of the account where none are given, that their read failed.
    pub(super) fn tell_failure(&self, fault: &SyncError, events: &[&Tracked]) {
        warn!(account = %self.key, error = brief(fault), "poll failed");
        if let SyncError::Upstream(error) = fault {
            if concerns_forms_only(error, events) {
                self.ctx.registry.scope_refused(&self.key);
            } else {
                self.ctx.registry.hubspot_fault(&self.key, error);
            }
        }
        let now = self.ctx.clock.now();
        let all = self.ctx.registry.events_of_hubspot(&self.key);
        let told = |event: &&Event| events.is_empty() || events.iter().any(|t| t.event.key == event.key);
        for event in all.iter().filter(told) {
            self.ctx.registry.update_report(&event.key, |report| {
                let note = error_note(fault, now);
                report.push_error(note.clone());
                let flips = match fault {
                    SyncError::Ledger(_) => report.ledger.record_failure(note),
                    SyncError::Upstream(_) => report.feed.record_failure(note),
                };
                Notice::Soon.or_now(flips)
            });
        }
    }

    /// The pause after a failed turn.
    pub(super) fn failure_pause(&mut self, faults: &[SyncError], interval: std::time::Duration) -> std::time::Duration {
        let wait = backoff(
            self.failures,
            self.ctx.settings.backoff_max,
            u64::from(self.failures) * 37,
        );
        self.failures = self.failures.saturating_add(1);
        let asked = faults
            .iter()
            .filter_map(SyncError::retry_after)
            .max()
            .unwrap_or_default();
        std::time::Duration::try_from(wait.max(asked)).unwrap_or(interval)
    }
}

/// A scope for forms that is missing, or a form that is gone, is no matter of the account's lifecycle events.
fn concerns_forms_only(error: &UpstreamError, events: &[&Tracked]) -> bool {
    let of_forms = !events.is_empty() && events.iter().all(|t| t.event.trigger.form().is_some());
    of_forms
        && matches!(
            error.cause,
            Cause::MissingScope | Cause::AccessDenied | Cause::NotFound | Cause::Refused
        )
}
