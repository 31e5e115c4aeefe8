//! Deletion: stop the work, leave the action in place (or remove it, if told so and it is ours), note it, let go. Works
//! with Secret, account object or Google gone, unless Google itself must act.

use super::SOON;
use super::deletion::{Blocked, gives_way, hold, timed_out};
use crate::api::reasons::{condition, event as happened, reason};
use crate::api::{ActionOrigin, AdConversionEvent, ConversionActionStatus, DeletionPolicy};
use crate::controller::shared::apply;
use crate::controller::shared::context::Context;
use crate::controller::shared::recorder::Severity;
use crate::controller::{Action, Error, Object};
use crate::domain::action::{ConversionAction, REMOVED};
use crate::domain::brief::brief;
use crate::domain::ids::{ActionId, CustomerId, ObjectKey};
use crate::domain::ownership::named_for;
use crate::domain::spec;
use crate::ports::ledger::OrphanNote;
use crate::ports::{Cause, UpstreamError};
use crate::registry::{GoogleAccount, Wake};

/// Settles what is outside Kubernetes, then removes our finalizer.
pub async fn cleanup(ctx: &Context, event: &AdConversionEvent) -> Result<Action, Error> {
    let key = event.key();
    ctx.registry.remove_event(&key);
    if !apply::has_finalizer(event) {
        return Ok(Action::await_change());
    }
    let action = event
        .status
        .as_ref()
        .and_then(|s| s.conversion_action.clone())
        .unwrap_or_default();
    let account = google_account(ctx, event);
    if unchecked(ctx, event, account.as_ref()) && !timed_out(ctx, event) {
        return Ok(Action::requeue(SOON));
    }
    let action = found_after_lost_reply(ctx, event, account.as_ref(), action).await;
    if let Some(target) = Target::of(&action)
        && action.origin != Some(ActionOrigin::Mapped)
    {
        // Also one that was left behind by an earlier event and taken back: its note remembers when it was created.
        let ours = action.create_time.is_some();
        let shared = used_by_another(ctx, event, &target);
        let mut stays = true;
        if event.spec.deletion_policy == DeletionPolicy::Delete && ours && shared.is_none() {
            match remove(ctx, event, account.as_ref(), &target).await {
                Ok(()) => stays = false,
                Err(blocked) if gives_way(ctx, event, &blocked).await => {}
                Err(blocked) => return hold(ctx, event, blocked).await,
            }
        }
        if stays && let Err(error) = orphan(ctx, event, &action, &target, shared).await {
            if !timed_out(ctx, event) {
                return hold(ctx, event, Blocked::unnoted(&error)).await;
            }
            tracing::error!(event = %key, error = brief(&error), "the note about the conversion action could not be kept");
        }
    }
    ctx.registry.forget_event(&key);
    apply::remove_finalizer(ctx, event).await?;
    wake_others(ctx, event);
    Ok(Action::await_change())
}

/// The action as the status names it.
pub(crate) struct Target {
    pub customer: CustomerId,
    pub id: ActionId,
    pub name: String,
}

impl Target {
    fn of(action: &ConversionActionStatus) -> Option<Self> {
        Some(Self {
            customer: action.customer_id.as_deref()?.parse().ok()?,
            id: action.id.as_deref()?.parse().ok()?,
            name: action.name.clone().unwrap_or_default(),
        })
    }
}

fn google_key(event: &AdConversionEvent) -> Option<ObjectKey> {
    let name = &event.spec.google_ads_account_ref.as_ref()?.name;
    Some(ObjectKey::new(event.key().namespace, name))
}

/// The account to ask; none while it is suspended, because nothing is read or changed through it then.
fn google_account(ctx: &Context, event: &AdConversionEvent) -> Option<GoogleAccount> {
    ctx.registry
        .google(&google_key(event)?)
        .filter(|_| !suspended(ctx, event))
}

fn suspended(ctx: &Context, event: &AdConversionEvent) -> bool {
    google_key(event)
        .and_then(|key| ctx.caches.google.get(&key))
        .is_some_and(|account| account.spec.suspend)
}

/// A create whose reply was lost may have left an action: it is looked for once, so that it can be noted.
async fn found_after_lost_reply(
    ctx: &Context,
    event: &AdConversionEvent,
    account: Option<&GoogleAccount>,
    action: ConversionActionStatus,
) -> ConversionActionStatus {
    let (None, Some(attempt)) = (&action.id, &action.creation) else {
        return action;
    };
    let name = attempt.name.clone();
    let found = match account.and_then(|a| Some((a.clients.clone()?, a.snapshot.clone()?))) {
        Some((clients, snapshot)) => {
            let owner = snapshot.customer.conversion_customer.clone();
            clients.ads.actions_named(&owner, &name).await.map(|found| {
                let live = found.into_iter().find(|a| a.status != REMOVED);
                live.map(|a| (owner, a))
            })
        }
        None => Err(UpstreamError::new(
            "Google Ads",
            Cause::Unavailable,
            "the account is not ready",
        )),
    };
    match found {
        Ok(Some((owner, found))) => after_lost_reply(&action, &owner, &found),
        Ok(None) => action,
        Err(error) => {
            let note = format!(
                "Whether conversion action {name:?} was created is not known ({error}). Look for it in Google Ads. An event with the same eventName adopts it."
            );
            ctx.events
                .publish(event, Severity::Warning, happened::EXTERNAL_RESOURCE_ORPHANED, &note)
                .await;
            action
        }
    }
}

fn after_lost_reply(
    action: &ConversionActionStatus,
    owner: &CustomerId,
    found: &ConversionAction,
) -> ConversionActionStatus {
    ConversionActionStatus {
        customer_id: Some(owner.to_string()),
        id: Some(found.id.to_string()),
        name: Some(found.name.clone()),
        origin: Some(ActionOrigin::Created),
        create_time: action.creation.as_ref().map(|c| c.started_at.clone()),
        ..action.clone()
    }
}

/// Another event that uses the same action: then it is never removed.
fn used_by_another(ctx: &Context, event: &AdConversionEvent, target: &Target) -> Option<ObjectKey> {
    super::ownership::owned_by_others(ctx, event, &target.customer)
        .into_iter()
        .find(|(id, _)| *id == target.id)
        .map(|(_, other)| other)
}

async fn orphan(
    ctx: &Context,
    event: &AdConversionEvent,
    action: &ConversionActionStatus,
    target: &Target,
    shared: Option<ObjectKey>,
) -> Result<(), Error> {
    if let Some(other) = shared {
        let note = format!(
            "Conversion action {} {:?} stays in Google Ads because {} uses it.",
            target.id,
            target.name,
            named_for(&event.key().namespace, &other)
        );
        ctx.events
            .publish(event, Severity::Normal, happened::EXTERNAL_RESOURCE_ORPHANED, &note)
            .await;
        return Ok(());
    }
    // The type never changes at Google, and no event has an action of another one.
    let kind = spec::action_kind(event.spec.trigger.form_submission.is_some());
    let note = OrphanNote {
        customer: target.customer.clone(),
        action: target.id,
        name: target.name.clone(),
        kind: kind.to_owned(),
        former_event: event.key().to_string(),
        created_at: action.create_time.as_ref().map(|t| t.0),
        at: ctx.clock.now(),
    };
    ctx.ledger.note_orphan(&note).await?;
    let text = format!(
        "Conversion action {} {:?} stays in Google Ads account {}. An event with the same eventName and category adopts it.",
        target.id, target.name, target.customer
    );
    ctx.events
        .publish(event, Severity::Normal, happened::EXTERNAL_RESOURCE_ORPHANED, &text)
        .await;
    Ok(())
}

async fn remove(
    ctx: &Context,
    event: &AdConversionEvent,
    account: Option<&GoogleAccount>,
    target: &Target,
) -> Result<(), Blocked> {
    let Some(clients) = account.and_then(|a| a.clients.as_ref()) else {
        if suspended(ctx, event) {
            return Err(Blocked::suspended(target));
        }
        return Err(Blocked::no_credentials(target));
    };
    match clients.ads.remove_action(&target.customer, target.id).await {
        Ok(()) => {}
        Err(error) if gone(&error) => {}
        Err(error) => {
            let why = if error.needs_a_person() {
                reason::ACCESS_DENIED
            } else {
                reason::UPSTREAM_UNREACHABLE
            };
            return Err(Blocked::removal(why, target, &error.without_request_id()));
        }
    }
    let note = format!(
        "Removed conversion action {} {:?} in Google Ads account {}.",
        target.id, target.name, target.customer
    );
    ctx.events
        .publish(event, Severity::Normal, happened::EXTERNAL_RESOURCE_DELETED, &note)
        .await;
    Ok(())
}

/// Removing what is removed already is no failure.
fn gone(error: &UpstreamError) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    error.cause == Cause::NotFound
        || matches!(
            code,
            "RESOURCE_NOT_FOUND" | "OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE"
        )
}

/// The account is there, and the process has just started: nothing is wrong, it is about to be looked at.
fn unchecked(ctx: &Context, event: &AdConversionEvent, account: Option<&GoogleAccount>) -> bool {
    let exists = google_key(event).is_some_and(|key| ctx.caches.google.get(&key).is_some());
    exists && event.spec.deletion_policy == DeletionPolicy::Delete && account.is_none() && !suspended(ctx, event)
}

/// Events that lost the action to this one may have it now, and the accounts count their users again.
fn wake_others(ctx: &Context, event: &AdConversionEvent) {
    let blocked = |e: &AdConversionEvent| {
        e.conditions()
            .iter()
            .any(|c| c.type_ == condition::STALLED && c.reason == reason::OWNERSHIP_CONFLICT)
    };
    for other in ctx.caches.events.all() {
        if other.id() != event.id() && blocked(&other) {
            ctx.registry.wake(Wake::Event(other.key(), true));
        }
    }
    if let Some(google) = google_key(event) {
        ctx.registry.wake(Wake::Google(google));
    }
    let hubspot = ObjectKey::new(event.key().namespace, &event.spec.hub_spot_account_ref.name);
    ctx.registry.wake(Wake::HubSpot(hubspot));
}
