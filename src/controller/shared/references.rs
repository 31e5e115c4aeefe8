//! Which events use an account.

use super::context::Context;
use crate::api::AdConversionEvent;
use crate::controller::Object;
use crate::domain::ids::ObjectKey;
use crate::domain::spec;

/// Names of the events that name this Google account, those being deleted too, sorted.
pub fn of_google(ctx: &Context, account: &ObjectKey) -> Vec<String> {
    names(ctx, account, |event| google(event).as_ref() == Some(account))
}

/// Names of the events that name this HubSpot account, those being deleted too, sorted.
pub fn of_hubspot(ctx: &Context, account: &ObjectKey) -> Vec<String> {
    names(ctx, account, |event| hubspot(event) == *account)
}

fn names(ctx: &Context, account: &ObjectKey, uses: impl Fn(&AdConversionEvent) -> bool) -> Vec<String> {
    let events = ctx.caches.events.in_namespace(&account.namespace);
    let mut names: Vec<_> = events.iter().filter(|e| uses(e)).map(|e| e.key().name).collect();
    names.sort();
    names
}

/// The Google account an event names.
pub fn google(event: &AdConversionEvent) -> Option<ObjectKey> {
    let reference = event.spec.google_ads_account_ref.as_ref()?;
    Some(ObjectKey::new(event.key().namespace, reference.name.as_str()))
}

/// The HubSpot account an event names.
pub fn hubspot(event: &AdConversionEvent) -> ObjectKey {
    ObjectKey::new(event.key().namespace, event.spec.hub_spot_account_ref.name.as_str())
}

/// True where an event names a form of this HubSpot account.
pub fn names_a_form(ctx: &Context, account: &ObjectKey) -> bool {
    let events = ctx.caches.events.in_namespace(&account.namespace);
    let of = |event: &AdConversionEvent| {
        event.spec.trigger.form_submission.is_some() && !event.deleting() && hubspot(event) == *account
    };
    events.iter().any(|event| of(event))
}

/// Whether an event of this HubSpot account takes its values from deals.
pub fn deals_of_hubspot(ctx: &Context, account: &ObjectKey) -> bool {
    let events = ctx.caches.events.in_namespace(&account.namespace);
    let of_account = |event: &AdConversionEvent| !event.deleting() && hubspot(event) == *account;
    events
        .iter()
        .any(|event| of_account(event) && spec::needs_deals(&event.spec))
}
