//! An event that somebody asked about, or has just changed, is judged by
//! what HubSpot and Google say now, not by what was read some time ago.

use super::resolve::Resolved;
use super::stall::Stall;
use crate::api::AdConversionEvent;
use crate::controller::shared::context::Context;
use crate::controller::shared::object::Object;
use crate::controller::shared::rereads::{Topic, healed_by};
use crate::domain::declared::Declared;
use crate::registry::Account;

/// True while the event waits for its accounts to be read again because of a reconcile request.
pub fn awaits_requested_read(ctx: &Context, event: &AdConversionEvent, declared: &Declared) -> bool {
    let Some(request) = event.open_request() else {
        return false;
    };
    let place = (&declared.key, Topic::Request);
    ctx.rereads
        .must_wait(&ctx.registry, place, request, readable_accounts(ctx, declared))
}

/// True while the event waits for a read that confirms what a name stands for that resolves for the first time: it may
/// have come to stand for something else since the last one.
pub fn named_for_the_first_time(ctx: &Context, resolved: &Resolved) -> bool {
    let declared = &resolved.declared;
    resolved.first_by_name && waits_for_manifest(ctx, declared, &Account::HubSpot(declared.hubspot.clone()))
}

/// True while the event waits for a read that may show that what stalls a new or changed manifest is there by now; else
/// the account that may heal the event is read sooner than usual, as long
/// as it is stalled. `seen` is the manifest that the status is about.
pub fn waits_to_heal(ctx: &Context, declared: &Declared, seen: Option<i64>, stall: Option<&Stall>) -> bool {
    let healer = stall.and_then(|(why, _)| healed_by(why, &declared.google, &declared.hubspot));
    let changed = healer.as_ref().filter(|_| seen != declared.generation);
    if changed.is_some_and(|account| waits_for_manifest(ctx, declared, account)) {
        return true;
    }
    ctx.rereads.record_stall(&ctx.registry, &declared.key, healer);
    false
}

fn waits_for_manifest(ctx: &Context, declared: &Declared, account: &Account) -> bool {
    let topic = match account {
        Account::Google(_) => Topic::AtGoogle,
        Account::HubSpot(_) => Topic::AtHubSpot,
    };
    // Another event of this name is another cause.
    let cause = format!("{}/{}", declared.uid, declared.generation.unwrap_or_default());
    let accounts = readable_accounts(ctx, declared).into_iter().filter(|a| a == account);
    ctx.rereads
        .must_wait(&ctx.registry, (&declared.key, topic), &cause, accounts.collect())
}

/// The accounts of the event that exist and are not suspended: the others are not read, whoever waits.
fn readable_accounts(ctx: &Context, declared: &Declared) -> Vec<Account> {
    let (google, hubspot) = (declared.google.clone(), declared.hubspot.clone());
    let accounts = [Account::Google(google), Account::HubSpot(hubspot)].into_iter();
    accounts
        .filter(|account| ctx.caches.is_suspended(account) == Some(false))
        .collect()
}
