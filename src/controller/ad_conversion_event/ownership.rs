//! Which other events, in any namespace, want the same conversion action.

use super::stall::Stall;
use super::trigger;
use crate::api::AdConversionEventStatus;
use crate::api::reasons::reason;
use crate::controller::shared::context::Context;
use crate::controller::shared::lookup::{self, ActionOwner, ClaimedAction, Lookup, conversion_owner};
use crate::controller::shared::object::Object;
use crate::domain::declared::Declared;
use crate::domain::ids::{ActionId, CustomerId, ObjectKey, PortalId};
use crate::domain::ownership::{Claim, named_for, older_claim};
use crate::domain::trigger::Trigger;

/// The event is not the one that may have its action.
pub(crate) fn lost_ownership(
    ctx: &Context,
    declared: &Declared,
    status: Option<&AdConversionEventStatus>,
    trigger: &Trigger,
    portal: Option<PortalId>,
) -> Option<Stall> {
    let mine = claim_of(ctx, declared, status, trigger, portal)?;
    let rivals = rival_claims(ctx, &mine);
    older_rival(&mine, &rivals)
}

/// Said of the event that has what another one wants.
pub const OLDER: &str = ", which is older. Delete one of the two events";

/// An older event among these has the action that this one claims.
pub(super) fn older_rival(mine: &Claim, rivals: &[Claim]) -> Option<Stall> {
    older_claim(mine, rivals).map(|winner| {
        (
            reason::OWNERSHIP_CONFLICT,
            format!(
                "This conversion action with this trigger belongs to {}{OLDER}, or give this one another spec.eventName.",
                named_for(&mine.event.namespace, &winner.event)
            ),
        )
    })
}

/// What the other events claim that want the same action, or one of the same name, in the same account.
fn rival_claims(ctx: &Context, mine: &Claim) -> Vec<Claim> {
    let mut keys = Vec::new();
    for lookup in claim_lookups(mine, &accounts_owned_by(ctx, &mine.customer)) {
        keys.extend(ctx.caches.events.keys_of(&lookup));
    }
    keys.sort();
    keys.dedup();
    let others = keys.iter().filter_map(|key| ctx.caches.events.get(key));
    others
        .filter(|other| other.id() != mine.uid)
        .filter_map(|other| {
            let (declared, status) = (Declared::from_manifest(&other), other.status.as_ref());
            let trigger = trigger::claimed_trigger(&declared.trigger, status);
            claim_of(ctx, &declared, status, &trigger, None)
        })
        .collect()
}

/// Under what a claim to the same is found: events say themselves
/// whose action they have, or name one of these `accounts`.
fn claim_lookups(mine: &Claim, accounts: &[ObjectKey]) -> Vec<Lookup> {
    let action = mine.action.map(ClaimedAction::Id);
    let name = mine.creates.clone().map(ClaimedAction::Name);
    let mut owners = vec![ActionOwner::Customer(mine.customer.clone())];
    owners.extend(accounts.iter().cloned().map(ActionOwner::OwnerOf));
    let of = |claim: ClaimedAction| {
        owners
            .iter()
            .map(move |owner| Lookup::Claims(owner.clone(), claim.clone()))
    };
    action.into_iter().chain(name).flat_map(of).collect()
}

/// The account objects whose conversions this account owns, as Google has shown in this process or in one before.
fn accounts_owned_by(ctx: &Context, customer: &CustomerId) -> Vec<ObjectKey> {
    let mut accounts = ctx.registry.accounts_owned_by(customer);
    accounts.extend(ctx.caches.google.keys_of(&Lookup::OwnedBy(customer.clone())));
    accounts.sort();
    accounts.dedup();
    accounts
}

/// What an event lays claim to. None if Google has not let its account in: anybody can write down a customer id. None
/// either if its account is of another customer by now than the action that it once had: it will never have it again.
fn claim_of(
    ctx: &Context,
    declared: &Declared,
    status: Option<&AdConversionEventStatus>,
    trigger: &Trigger,
    portal: Option<PortalId>,
) -> Option<Claim> {
    let owner = let_in(ctx, &declared.google)?;
    let portal = portal.or_else(|| ctx.registry.hubspot_account(&declared.hubspot)?.portal.map(|p| p.id));
    let claim = claim_through(declared, status, owner.clone(), trigger.in_portal(portal));
    (claim.customer == owner).then_some(claim)
}

/// The claim of an event through an account whose conversions `owner` owns.
pub(super) fn claim_through(
    declared: &Declared,
    status: Option<&AdConversionEventStatus>,
    owner: CustomerId,
    trigger: String,
) -> Claim {
    let claimed = lookup::claimed_by(declared, status.and_then(|s| s.conversion_action.as_ref()));
    Claim {
        uid: declared.uid.clone(),
        created: declared.created,
        customer: claimed.owner.unwrap_or(owner),
        action: claimed.action,
        creates: claimed.creates,
        trigger,
        event: declared.key.clone(),
    }
}

/// The account that owns the conversions of this one, if Google has shown it to the account's own credentials: in this
/// process, or in one before, which has written it into the status. A token that is refused later takes nothing away.
fn let_in(ctx: &Context, account: &ObjectKey) -> Option<CustomerId> {
    let seen = ctx.registry.google_account(account).and_then(|google| google.snapshot);
    seen.map(|snapshot| snapshot.customer.conversion_customer.clone())
        .or_else(|| conversion_owner(ctx.caches.google.get(account)?.as_ref()))
}

/// The other event that has this action, and whose account Google lets to it.
pub(super) fn rightful_owner(
    ctx: &Context,
    declared: &Declared,
    customer: &CustomerId,
    action: ActionId,
) -> Option<ObjectKey> {
    let rightful = |account: &ObjectKey| let_in(ctx, account).as_ref() == Some(customer);
    owner_among(ctx, declared, customer, action, rightful)
}

/// Any other event that has this action, whether its account is let to it or not: who removes the action has to ask.
pub(crate) fn other_owner(
    ctx: &Context,
    declared: &Declared,
    customer: &CustomerId,
    action: ActionId,
) -> Option<ObjectKey> {
    owner_among(ctx, declared, customer, action, |_| true)
}

/// Another event that has this action, through an account of which this holds.
fn owner_among(
    ctx: &Context,
    declared: &Declared,
    customer: &CustomerId,
    action: ActionId,
    holds: impl Fn(&ObjectKey) -> bool,
) -> Option<ObjectKey> {
    let owners = ctx.caches.events.find_by(&Lookup::Has(customer.clone(), action));
    let mut others = owners.iter().filter(|other| other.id() != declared.uid);
    let other = others.find(|other| holds(&Declared::from_manifest(other).google));
    other.map(|other| other.key())
}

#[cfg(test)]
#[path = "ownership_tests.rs"]
mod tests;
