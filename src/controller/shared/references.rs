//! Which events use an account, and what for.

use super::context::Context;
use super::lookup::Lookup;
use crate::domain::ids::ObjectKey;
use crate::registry::Account;

/// Names of the events that name this account, those being deleted too until that is settled, sorted.
pub fn events_using(ctx: &Context, account: &Account) -> Vec<String> {
    let users = ctx.caches.events.keys_of(&Lookup::Uses(account.clone()));
    users.into_iter().map(|event| event.name).collect()
}

/// True if an event names a form of this HubSpot account.
pub fn needs_forms(ctx: &Context, account: &ObjectKey) -> bool {
    ctx.caches.events.has_any(&Lookup::Forms(account.clone()))
}

/// True if an event of this HubSpot account takes its values from deals.
pub fn needs_deals(ctx: &Context, account: &ObjectKey) -> bool {
    ctx.caches.events.has_any(&Lookup::Deals(account.clone()))
}
