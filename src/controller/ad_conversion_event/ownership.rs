//! Who else wants the same conversion action, in whatever namespace.

use super::Stall;
use super::trigger::trigger_of;
use crate::api::AdConversionEvent;
use crate::api::reasons::reason;
use crate::controller::Object;
use crate::controller::shared::context::Context;
use crate::domain::ids::{ActionId, CustomerId, ObjectKey, PortalId};
use crate::domain::ownership::{Claim, named_for, winner};

/// The event is not the one that may have its action.
pub(crate) fn lost_ownership(ctx: &Context, event: &AdConversionEvent, portal: Option<PortalId>) -> Option<Stall> {
    let mine = claim(ctx, event, portal)?;
    let all: Vec<_> = ctx
        .caches
        .events
        .all()
        .iter()
        .filter(|e| e.id() != event.id())
        .filter_map(|e| claim(ctx, e, None))
        .collect();
    winner(&mine, &all).map(|winner| {
        (
            reason::OWNERSHIP_CONFLICT,
            format!(
                "This conversion action with this trigger belongs to {}, which is older. Delete one of the two events, or give this one another spec.eventName.",
                named_for(&mine.event.namespace, &winner.event)
            ),
        )
    })
}

/// What an event lays claim to. None where Google has not let its account in: anybody can write down a customer id.
fn claim(ctx: &Context, event: &AdConversionEvent, portal: Option<PortalId>) -> Option<Claim> {
    let key = event.key();
    let account = ObjectKey::new(&key.namespace, &event.spec.google_ads_account_ref.as_ref()?.name);
    let status = event.status.as_ref().and_then(|s| s.conversion_action.as_ref());
    let owner = let_in(ctx, &account)?;
    let customer = status
        .and_then(|s| s.customer_id.as_deref())
        .and_then(|id| id.parse::<CustomerId>().ok())
        .unwrap_or(owner);
    let existing = event.spec.existing_action();
    let action = status
        .and_then(|s| s.id.as_deref())
        .or_else(|| existing.and_then(|e| e.id.as_deref()))
        .and_then(|id| id.parse().ok());
    let portal = portal.or_else(|| {
        let hubspot = ObjectKey::new(&key.namespace, &event.spec.hub_spot_account_ref.name);
        ctx.registry.hubspot(&hubspot)?.portal.map(|p| p.id)
    });
    Some(Claim {
        uid: event.id(),
        created: super::created(event),
        customer,
        action,
        creates: existing.is_none().then(|| event.action_name().to_owned()),
        trigger: trigger_of(event).in_portal(portal),
        event: key,
    })
}

/// The account that owns the conversions of this one, where Google has shown it to the account's own credentials: in this
/// process, or in one before, which has written it into the status. A token that is refused later takes nothing away.
fn let_in(ctx: &Context, account: &ObjectKey) -> Option<CustomerId> {
    let seen = ctx.registry.google(account).and_then(|google| google.snapshot);
    seen.map(|snapshot| snapshot.customer.conversion_customer.clone())
        .or_else(|| {
            let object = ctx.caches.google.get(account)?;
            object.status.as_ref()?.conversion_customer_id.as_ref()?.parse().ok()
        })
}

/// Actions that belong to other events of the same account, with the event.
pub(crate) fn owned_by_others(
    ctx: &Context,
    event: &AdConversionEvent,
    customer: &CustomerId,
) -> Vec<(ActionId, ObjectKey)> {
    ctx.caches
        .events
        .all()
        .iter()
        .filter(|other| other.id() != event.id())
        .filter_map(|other| {
            let action = other.status.as_ref()?.conversion_action.as_ref()?;
            let same = action.customer_id.as_deref() == Some(customer.as_str());
            let id = action.id.as_deref()?.parse().ok()?;
            same.then(|| (id, other.key()))
        })
        .collect()
}
