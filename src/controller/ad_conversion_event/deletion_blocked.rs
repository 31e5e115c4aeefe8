//! A deletion that waits: what its object says meanwhile.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::reasons::{condition, reason};
use crate::api::{AdConversionEvent, AdConversionEventStatus, ConversionActionStatus};
use crate::controller::ad_conversion_event::transition_events;
use crate::controller::shared::apply;
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::controller::shared::object::Object;
use crate::controller::shared::reconciler::Action;
use crate::domain::brief::brief;
use crate::domain::conditions::{Conditions, Status, Summary};
use crate::domain::ids::{ActionId, CustomerId};
use crate::domain::time::to_signed;

/// Pause between two tries.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// The action as the status names it.
pub(crate) struct Target {
    pub customer: CustomerId,
    pub id: ActionId,
    pub name: String,
}

impl Target {
    pub fn from_status(action: &ConversionActionStatus) -> Option<Self> {
        Some(Self {
            customer: action.customer_id.as_deref()?.parse().ok()?,
            id: action.id.as_deref()?.parse().ok()?,
            name: action.name.clone().unwrap_or_default(),
        })
    }
}

/// What keeps a deletion: condition reason, what happened and what a person can do.
pub(crate) struct Blocked {
    /// Reason of the conditions.
    pub why: &'static str,
    /// Without the last full stop.
    pub happened: String,
    /// Without the last full stop.
    pub way_out: &'static str,
    /// Google was not asked, and will not be unless somebody changes something in the namespace.
    pub unasked: bool,
}

impl Blocked {
    /// Google does not remove the action.
    pub fn removal_failed(why: &'static str, target: &Target, cause: &str) -> Self {
        Self {
            why,
            happened: format!(
                "Conversion action {} {:?} cannot be removed from Google Ads: {}",
                target.id,
                target.name,
                cause.trim_end_matches('.')
            ),
            way_out: "Repair the account, or set spec.deletionPolicy to Orphan to leave the action in Google Ads",
            unasked: false,
        }
    }

    /// There is nothing to ask Google with.
    pub fn no_credentials(target: &Target) -> Self {
        let cause = "the GoogleAdsAccount is missing or has no usable credentials";
        Self {
            unasked: true,
            ..Self::removal_failed(reason::ACCOUNT_NOT_READY, target, cause)
        }
    }

    /// Nothing is changed in Google through a suspended account.
    pub fn account_suspended(target: &Target) -> Self {
        Self {
            way_out: "Set spec.suspend of the account to false, or set spec.deletionPolicy of the event to Orphan to leave the \
                      action in Google Ads",
            unasked: true,
            ..Self::removal_failed(reason::SUSPENDED, target, "the GoogleAdsAccount is suspended")
        }
    }

    /// The ledger does not keep the note about the action that stays.
    pub fn note_failed(error: &Error) -> Self {
        Self {
            why: reason::LEDGER_UNAVAILABLE,
            happened: format!("The note that the conversion action is left in Google Ads cannot be saved: {error}"),
            way_out: "Repair the ledger",
            unasked: false,
        }
    }
}

/// The deletion has been waiting for as long as it may without a word.
pub(crate) fn timed_out(ctx: &Context, event: &AdConversionEvent) -> bool {
    let limit = to_signed(ctx.settings.deletion_timeout);
    let since = event
        .metadata
        .deletion_timestamp
        .as_ref()
        .map_or(ctx.clock.now(), |t| t.0);
    ctx.clock.now().duration_since(since) >= limit
}

/// The namespace is being deleted, and this stands in its way: nobody can put a Secret or an account back there, and
/// whoever wanted the namespace gone is not waiting for Google.
pub(crate) async fn gives_way(ctx: &Context, event: &AdConversionEvent, blocked: &Blocked) -> bool {
    let key = event.key();
    let hopeless = blocked.unasked || timed_out(ctx, event);
    let gives_way = hopeless && ctx.recorder.namespace_ends(&key.namespace).await;
    if gives_way {
        tracing::warn!(
            event = %key,
            reason = blocked.why,
            "the namespace is being deleted, so the conversion action is left in Google Ads: {}",
            brief(&blocked.happened)
        );
    }
    gives_way
}

/// The deletion goes on trying, and says so from the first failed try on.
pub(crate) async fn block_deletion(
    ctx: &Context,
    event: &AdConversionEvent,
    blocked: Blocked,
) -> Result<Action, Error> {
    tracing::warn!(event = %event.key(), reason = blocked.why, "the deletion waits: {}", brief(&blocked.happened));
    let status = blocked_status(event, &blocked, ctx.clock.now(), timed_out(ctx, event));
    if apply::apply_status(ctx, event, &status).await?.is_some() {
        transition_events::publish_transitions(ctx, event, &status).await;
    }
    let backoff = ctx.backoff.record_failure("Deletion", &event.key());
    Ok(Action::requeue(backoff.min(TRY_AGAIN)))
}

/// The status of an event whose deletion waits: not Ready, nothing is read or sent any more. `DeletionBlocked` once a
/// person must act: at once if that is certain, else when the limit has passed.
fn blocked_status(
    event: &AdConversionEvent,
    blocked: &Blocked,
    now: Timestamp,
    timed_out: bool,
) -> AdConversionEventStatus {
    let mut status = event.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&status.conditions, event.metadata.generation, now);
    let text = format!(
        "The deletion waits. {}. The operator tries again. {}.",
        blocked.happened, blocked.way_out
    );
    conditions.summarize(&Summary::Failing {
        reason: blocked.why.to_owned(),
        message: text.clone(),
    });
    if timed_out || [reason::ACCESS_DENIED, reason::SUSPENDED].contains(&blocked.why) {
        conditions.set(condition::DELETION_BLOCKED, Status::True, blocked.why, &text);
    }
    let message = "The event is being deleted: nothing is read or sent for it any more.";
    conditions.set(condition::SYNCED, Status::Unknown, reason::PROGRESSING, message);
    status.observed_generation = event.metadata.generation;
    status.conditions = conditions.into_sorted();
    status
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::conditions::find_condition;

    fn event(ready: &str) -> AdConversionEvent {
        serde_json::from_value(json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
            "metadata": {"name": "won", "namespace": "m", "generation": 7},
            "spec": {"googleAdsAccountRef": {"name": "a"}, "hubSpotAccountRef": {"name": "a"},
                "trigger": {"lifecycleStage": {"stage": "customer"}}},
            "status": {"observedGeneration": 6, "conditions": [{"type": "Ready", "status": ready, "reason": "Succeeded",
                "message": "", "lastTransitionTime": "2026-11-01T00:00:00Z"}]},
        }))
        .unwrap()
    }

    fn shown(why: &'static str, timed_out: bool) -> String {
        let blocked = Blocked {
            why,
            happened: "It failed".into(),
            way_out: "Mend it",
            unasked: false,
        };
        let status = blocked_status(&event("True"), &blocked, Timestamp::UNIX_EPOCH, timed_out);
        assert_eq!(status.observed_generation, Some(7));
        let message = &find_condition(&status.conditions, "Ready").unwrap().message;
        assert_eq!(
            message,
            "The deletion waits. It failed. The operator tries again. Mend it."
        );
        let parts: Vec<_> = status
            .conditions
            .iter()
            .map(|c| format!("{}={}/{}", c.type_, c.status, c.reason))
            .collect();
        parts.join(" ")
    }

    #[test]
    fn a_reason_of_a_deletion_that_waits_says_who_is_the_obstacle() {
        let target = Target {
            customer: "1234567890".parse().unwrap(),
            id: ActionId(7),
            name: "Won".into(),
        };
        let blocked = [Blocked::no_credentials(&target), Blocked::account_suspended(&target)];
        assert_eq!(
            blocked.each_ref().map(|blocked| blocked.why),
            ["AccountNotReady", "Suspended"]
        );
        // Where a reason stands is what the documentation says of it.
        for blocked in blocked {
            let explained = reason::ALL
                .iter()
                .find(|explained| explained.name == blocked.why)
                .unwrap();
            for place in [condition::READY, condition::DELETION_BLOCKED] {
                assert!(explained.of.contains(&place), "{} in {place}", blocked.why);
            }
        }
    }

    #[test]
    fn an_event_whose_deletion_waits_is_not_ready_from_the_first_failed_try_on() {
        let waiting = "Ready=False/UpstreamUnreachable Reconciling=True/ProgressingWithRetry";
        let (blocked, synced) = ("DeletionBlocked=True", "Synced=Unknown/Progressing");
        assert_eq!(shown("UpstreamUnreachable", false), format!("{waiting} {synced}"));
        assert_eq!(
            shown("UpstreamUnreachable", true),
            format!("{waiting} {blocked}/UpstreamUnreachable {synced}")
        );
        assert_eq!(
            shown("Suspended", false),
            format!("Ready=False/Suspended Reconciling=True/ProgressingWithRetry {blocked}/Suspended {synced}")
        );
        assert_eq!(
            shown("AccessDenied", false),
            format!("Ready=False/AccessDenied Reconciling=True/ProgressingWithRetry {blocked}/AccessDenied {synced}")
        );
    }
}
