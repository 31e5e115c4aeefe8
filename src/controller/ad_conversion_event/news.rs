//! An event that somebody asked about, or has just changed, is judged by what HubSpot and Google say now, not by what was
//! read some time ago.

use super::action::ActionOutcome;
use super::resolve::Resolved;
use super::trigger;
use crate::api::AdConversionEvent;
use crate::controller::Object;
use crate::controller::shared::context::Context;
use crate::controller::shared::references;
use crate::controller::shared::rereads::{Account, Topic, healed_by};

/// True while the event waits for its accounts to be read again because of a reconcile request.
pub fn requested(ctx: &Context, event: &AdConversionEvent) -> bool {
    let Some(request) = event.open_request() else {
        return false;
    };
    let place = (&event.key(), Topic::Request);
    let accounts = readable(ctx, event);
    ctx.rereads.waits(&ctx.registry, place, request, accounts)
}

/// True while the event waits for a read that confirms what a name stands for that resolves for the first time: it may
/// have come to stand for something else since the last one.
pub fn named_for_the_first_time(ctx: &Context, event: &AdConversionEvent, resolved: &Resolved) -> bool {
    let found = resolved.subject.as_ref();
    let first = found.is_some_and(|found| trigger::is_first_by_name(event, found));
    first && waits_for_manifest(ctx, event, &Account::HubSpot(resolved.hubspot_key.clone()))
}

/// True while the event waits for a read that may show that what stalls a new or changed manifest is there by now.
pub fn for_a_changed_manifest(
    ctx: &Context,
    event: &AdConversionEvent,
    resolved: &Resolved,
    outcome: &ActionOutcome,
) -> bool {
    let seen = event.status.as_ref().and_then(|s| s.observed_generation);
    let account = stalled_for(resolved, outcome).filter(|_| seen != event.metadata.generation);
    account.is_some_and(|account| waits_for_manifest(ctx, event, &account))
}

fn waits_for_manifest(ctx: &Context, event: &AdConversionEvent, account: &Account) -> bool {
    let topic = match account {
        Account::Google(_) => Topic::AtGoogle,
        Account::HubSpot(_) => Topic::AtHubSpot,
    };
    // Another event of this name is another cause.
    let cause = format!("{}/{}", event.id(), event.metadata.generation.unwrap_or_default());
    let accounts = readable(ctx, event).into_iter().filter(|a| a == account);
    ctx.rereads
        .waits(&ctx.registry, (&event.key(), topic), &cause, accounts.collect())
}

/// Has the account that may heal the event read sooner than usual, as long as it is stalled.
pub fn note_stall(ctx: &Context, event: &AdConversionEvent, resolved: &Resolved, outcome: &ActionOutcome) {
    ctx.rereads
        .stalled(&ctx.registry, &event.key(), stalled_for(resolved, outcome));
}

fn stalled_for(resolved: &Resolved, outcome: &ActionOutcome) -> Option<Account> {
    let (why, _) = resolved.stall.as_ref().or(outcome.stall.as_ref())?;
    healed_by(why, &resolved.google_key, &resolved.hubspot_key)
}

/// The accounts of the event that exist and are not suspended: the others are not read, whoever waits.
fn readable(ctx: &Context, event: &AdConversionEvent) -> Vec<Account> {
    let google = references::google(event).filter(|key| ctx.caches.google.get(key).is_some_and(|a| !a.spec.suspend));
    let hubspot = references::hubspot(event);
    let hubspot = Some(hubspot).filter(|key| ctx.caches.hubspot.get(key).is_some_and(|a| !a.spec.suspend));
    let google = google.map(Account::Google);
    google.into_iter().chain(hubspot.map(Account::HubSpot)).collect()
}
