//! Deletion: stop the work, leave the action in place (or remove it, if the manifest says so and the operator created
//! it), note it, and remove the finalizer. It works if the Secret or the account object is gone or Google does not
//! answer, unless Google itself must act.

use jiff::Timestamp;

use super::deletion_blocked::{Blocked, Target, block_deletion, gives_way, timed_out};
use super::ownership::other_owner;
use super::pauses::SOON;
use crate::api::reasons::{event as happened, reason};
use crate::api::{ActionOrigin, AdConversionEvent, ConversionActionStatus};
use crate::controller::shared::apply;
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::controller::shared::lookup::Lookup;
use crate::controller::shared::object::Object;
use crate::controller::shared::reconciler::Action;
use crate::controller::shared::recorder::Severity;
use crate::domain::action::{ConversionAction, REMOVED};
use crate::domain::brief::{self, brief};
use crate::domain::declared::Declared;
use crate::domain::ids::CustomerId;
use crate::domain::ownership::named_for;
use crate::ports::ads::GoogleAds;
use crate::ports::ledger::OrphanNote;
use crate::ports::stopping::begin_unfinished_step;
use crate::ports::{Cause, UpstreamError};
use crate::registry::{Account, GoogleAccount, Urgency, Wake};

/// Settles what is outside Kubernetes, then removes our finalizer.
pub async fn clean_up(ctx: &Context, declared: &Declared, event: &AdConversionEvent) -> Result<Action, Error> {
    let key = declared.key.clone();
    ctx.registry.remove_event(&key);
    if !apply::has_finalizer(&event.metadata) {
        // Only now do the caches say so, and somebody else's finalizer may keep the event from going.
        wake_others(ctx, declared);
        return Ok(Action::await_change());
    }
    let action = event
        .status
        .as_ref()
        .and_then(|s| s.conversion_action.clone())
        .unwrap_or_default();
    let account = google_account(ctx, declared);
    if is_unchecked(ctx, declared, account.as_ref()) && !timed_out(ctx, event) {
        return Ok(Action::requeue(SOON));
    }
    let action = found_after_lost_reply(ctx, event, account.as_ref(), action).await;
    if let Some(target) = Target::from_status(&action)
        && action.origin != Some(ActionOrigin::Mapped)
    {
        // Also set for one that an earlier event left behind and that
        // was taken back: its note remembers when it was created.
        let created = action.create_time.as_ref().map(|t| t.0);
        let shared = other_owner(ctx, declared, &target.customer, target.id);
        let mut stays = true;
        if declared.removes_action && created.is_some() && shared.is_none() {
            match remove_action(ctx, declared, event, account.as_ref(), &target).await {
                Ok(()) => stays = false,
                Err(blocked) if gives_way(ctx, event, &blocked).await => {}
                Err(blocked) => return block_deletion(ctx, event, blocked).await,
            }
        }
        let noted = match shared {
            _ if !stays => Ok(()),
            Some(other) => {
                say_shared(ctx, event, &target, &named_for(&declared.key.namespace, &other)).await;
                Ok(())
            }
            None => note_orphan(ctx, declared, event, &target, created).await,
        };
        if let Err(error) = noted {
            if !timed_out(ctx, event) {
                return block_deletion(ctx, event, Blocked::note_failed(&error)).await;
            }
            tracing::error!(event = %key, error = brief(&error), "the note about the conversion action could not be saved");
        }
    }
    ctx.registry.forget_event(&key);
    apply::remove_finalizer(ctx, event).await?;
    wake_others(ctx, declared);
    Ok(Action::await_change())
}

/// The account to ask; none while it is suspended, because nothing is read or changed through it then.
fn google_account(ctx: &Context, declared: &Declared) -> Option<GoogleAccount> {
    let account = ctx.registry.google_account(&declared.google);
    account.filter(|_| !is_suspended(ctx, declared))
}

fn is_suspended(ctx: &Context, declared: &Declared) -> bool {
    ctx.caches.is_suspended(&Account::Google(declared.google.clone())) == Some(true)
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
            let found = find_by_two_reads(clients.ads.as_ref(), &owner, &name).await;
            found.map(|found| found.map(|action| (owner, action)))
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
                "It is not known whether conversion action {name:?} was created ({error}). Look for it in Google Ads. An event with the same eventName adopts it."
            );
            ctx.recorder
                .publish(event, Severity::Warning, happened::EXTERNAL_RESOURCE_ORPHANED, &note)
                .await;
            action
        }
    }
}

/// The action of this name, by two reads that agree: it is noted as ours, and may be removed as such.
async fn find_by_two_reads(
    ads: &dyn GoogleAds,
    owner: &CustomerId,
    name: &str,
) -> Result<Option<ConversionAction>, UpstreamError> {
    let not_removed = |found: Vec<ConversionAction>| found.into_iter().find(|action| action.status != REMOVED);
    let first = not_removed(ads.actions_named(owner, name).await?);
    let second = not_removed(ads.actions_named(owner, name).await?);
    if first.as_ref().map(|action| action.id) != second.as_ref().map(|action| action.id) {
        let message = "two answers about the action differ";
        return Err(UpstreamError::new("Google Ads", Cause::Malformed, message));
    }
    Ok(second)
}

fn after_lost_reply(
    action: &ConversionActionStatus,
    owner: &CustomerId,
    found: &ConversionAction,
) -> ConversionActionStatus {
    ConversionActionStatus {
        customer_id: Some(owner.to_string()),
        id: Some(found.id.to_string()),
        name: Some(brief::brief_name(&found.name)),
        origin: Some(ActionOrigin::Created),
        create_time: action.creation.as_ref().map(|c| c.started_at.clone()),
        ..action.clone()
    }
}

/// Says that the action stays because another event uses it.
async fn say_shared(ctx: &Context, event: &AdConversionEvent, target: &Target, user: &str) {
    let note = format!(
        "Conversion action {} {:?} stays in Google Ads because {user} uses it.",
        target.id, target.name
    );
    ctx.recorder
        .publish(event, Severity::Normal, happened::EXTERNAL_RESOURCE_ORPHANED, &note)
        .await;
}

/// Notes that the action stays, and says so. `created`: when this operator created it, if it did.
async fn note_orphan(
    ctx: &Context,
    declared: &Declared,
    event: &AdConversionEvent,
    target: &Target,
    created: Option<Timestamp>,
) -> Result<(), Error> {
    let note = OrphanNote {
        action: target.customer.action_key(target.id),
        name: target.name.clone(),
        // The type never changes at Google, and no event has an action of another one.
        kind: declared.action_kind().to_owned(),
        former_event: declared.key.to_string(),
        created_at: created,
        at: ctx.clock.now(),
    };
    ctx.ledger.note_orphan(&note).await?;
    let text = format!(
        "Conversion action {} {:?} stays in Google Ads account {}. An event with the same eventName and category adopts it.",
        target.id, target.name, target.customer
    );
    ctx.recorder
        .publish(event, Severity::Normal, happened::EXTERNAL_RESOURCE_ORPHANED, &text)
        .await;
    Ok(())
}

async fn remove_action(
    ctx: &Context,
    declared: &Declared,
    event: &AdConversionEvent,
    account: Option<&GoogleAccount>,
    target: &Target,
) -> Result<(), Blocked> {
    let Some(clients) = account.and_then(|a| a.clients.as_ref()) else {
        if is_suspended(ctx, declared) {
            return Err(Blocked::account_suspended(target));
        }
        return Err(Blocked::no_credentials(target));
    };
    let removed = clients.ads.remove_action(&target.customer, target.id).await;
    let _step = begin_unfinished_step();
    // What the answer says is one thing, what the account lists another: with the event goes the last who would look.
    let looked = match removed {
        Err(error) if !is_gone(&error) => Err(error),
        _ => clients.ads.actions_named(&target.customer, &target.name).await,
    };
    let there = looked.map_err(|error| {
        let why = if error.needs_a_person() {
            reason::ACCESS_DENIED
        } else {
            reason::UPSTREAM_UNREACHABLE
        };
        Blocked::removal_failed(why, target, &error.without_request_id())
    })?;
    if there
        .iter()
        .any(|action| action.id == target.id && action.status != REMOVED)
    {
        let listed = "Google Ads answered the request, and still lists the action";
        return Err(Blocked::removal_failed(reason::UPSTREAM_UNREACHABLE, target, listed));
    }
    let note = format!(
        "Removed conversion action {} {:?} in Google Ads account {}.",
        target.id, target.name, target.customer
    );
    ctx.recorder
        .publish(event, Severity::Normal, happened::EXTERNAL_RESOURCE_DELETED, &note)
        .await;
    Ok(())
}

/// Removing what is removed already is no failure.
fn is_gone(error: &UpstreamError) -> bool {
    error.cause == Cause::NotFound
}

/// The account is there, and the process has just started: nothing is wrong, it is about to be looked at.
fn is_unchecked(ctx: &Context, declared: &Declared, account: Option<&GoogleAccount>) -> bool {
    let exists = ctx.caches.google.get(&declared.google).is_some();
    exists && declared.removes_action && account.is_none() && !is_suspended(ctx, declared)
}

/// Events that lost the action to this one may have it now, and the accounts count their users again.
fn wake_others(ctx: &Context, declared: &Declared) {
    let blocked = ctx.caches.events.find_by(&Lookup::LostOwnership);
    for other in blocked.iter().filter(|other| other.id() != declared.uid) {
        ctx.registry.wake(Wake::Event {
            key: other.key(),
            urgency: Urgency::Now,
        });
    }
    ctx.registry.wake(Wake::Google(declared.google.clone()));
    ctx.registry.wake(Wake::HubSpot(declared.hubspot.clone()));
}
