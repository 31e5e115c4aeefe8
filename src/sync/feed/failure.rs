//! What follows a pass that failed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tracing::warn;

use crate::domain::backoff::backoff;
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::ports::{Cause, UpstreamError};
use crate::registry::sync_error::{SyncError, error_note};
use crate::registry::{Event, Side};
use crate::sync::context::SyncContext;
use crate::sync::feed::bounds::Tracked;

/// Reports to these events, or to all of the account if none are given, that their read failed.
pub(in crate::sync) fn report_failure(ctx: &SyncContext, account: &ObjectKey, fault: &SyncError, events: &[&Tracked]) {
    warn!(%account, error = brief(fault), "poll failed");
    if let SyncError::Upstream(error) = fault {
        if concerns_forms_only(error, events) {
            ctx.registry.scope_refused(account);
        } else {
            ctx.registry.hubspot_fault(account, error);
        }
    }
    let now = ctx.clock.now();
    let all = ctx.registry.events_of_hubspot(account);
    let given: BTreeSet<&ObjectKey> = events.iter().map(|t| &t.event.key).collect();
    let concerned = |event: &&Arc<Event>| given.is_empty() || given.contains(&event.key);
    for event in all.iter().filter(concerned) {
        ctx.registry.update_report(&event.key, |report| {
            report.record_failure(fault.side(Side::Feed), error_note(fault, now))
        });
    }
}

/// The pause after so many failed passes in a row and another one.
pub(super) fn failure_pause(
    failures: u32,
    longest: SignedDuration,
    faults: &[SyncError],
    interval: Duration,
) -> Duration {
    let wait = backoff(failures, longest, u64::from(failures) * 37);
    let asked = faults
        .iter()
        .filter_map(SyncError::retry_after)
        .max()
        .unwrap_or_default();
    Duration::try_from(wait.max(asked)).unwrap_or(interval)
}

/// A missing scope for forms, or a form that is gone, does not concern the account's lifecycle events.
fn concerns_forms_only(error: &UpstreamError, events: &[&Tracked]) -> bool {
    let of_forms = !events.is_empty() && events.iter().all(|t| t.event.trigger.form().is_some());
    of_forms
        && matches!(
            error.cause,
            Cause::MissingScope | Cause::AccessDenied | Cause::NotFound | Cause::Refused
        )
}
