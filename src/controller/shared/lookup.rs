//! What cached objects are looked up by, so that no code goes through all of them.

use std::collections::BTreeSet;

use kube::ResourceExt;

use crate::api::reasons::{condition, reason};
use crate::api::{AdConversionEvent, ConversionActionStatus, FINALIZER, GoogleAdsAccount};
use crate::domain::declared::{Declared, DeclaredAction};
use crate::domain::ids::{ActionId, CustomerId, ObjectKey};
use crate::registry::Account;

/// Whose conversion action an event claims.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActionOwner {
    /// That of the account which its status says owns the action.
    Customer(CustomerId),
    /// That of whichever account owns the conversions of this account object.
    OwnerOf(ObjectKey),
}

/// Which conversion action an event claims.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimedAction {
    /// The one with this id.
    Id(ActionId),
    /// One of its own under this name.
    Name(String),
}

/// What an object is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookup {
    /// Events that name this account, those being deleted too until that is settled.
    Uses(Account),
    /// Events of this HubSpot account that name a form.
    Forms(ObjectKey),
    /// Events of this HubSpot account that take their values from deals.
    Deals(ObjectKey),
    /// Events that claim this action.
    Claims(ActionOwner, ClaimedAction),
    /// Events that have this action, as their status says.
    Has(CustomerId, ActionId),
    /// Events that have an action of this account, as their status says, but for those being deleted.
    HasAny(CustomerId),
    /// Events whose action belongs to an older event.
    LostOwnership,
    /// Google accounts whose conversions belong to this account, as their status says.
    OwnedBy(CustomerId),
}

/// What an event is looked up by.
pub fn of_event(event: &AdConversionEvent) -> BTreeSet<Lookup> {
    let declared = Declared::from_manifest(event);
    // What we had to do for it is done: somebody else's finalizer may keep it for ever, and it keeps nothing of ours.
    if declared.deleting && !event.finalizers().iter().any(|f| f == FINALIZER) {
        return BTreeSet::new();
    }
    let status = event.status.as_ref();
    let action = status.and_then(|s| s.conversion_action.as_ref());
    let mut found = BTreeSet::from([
        Lookup::Uses(Account::Google(declared.google.clone())),
        Lookup::Uses(Account::HubSpot(declared.hubspot.clone())),
    ]);
    let claimed = claimed_by(&declared, action);
    let claims = [
        claimed.action.map(ClaimedAction::Id),
        claimed.creates.map(ClaimedAction::Name),
    ];
    let owner = claimed
        .owner
        .map_or_else(|| ActionOwner::OwnerOf(declared.google.clone()), ActionOwner::Customer);
    found.extend(
        claims
            .into_iter()
            .flatten()
            .map(|claim| Lookup::Claims(owner.clone(), claim)),
    );
    if let (Some(customer), Some(id)) = (customer_of(action), id_of(action)) {
        found.insert(Lookup::Has(customer.clone(), id));
        found.extend((!declared.deleting).then_some(Lookup::HasAny(customer)));
    }
    if !declared.deleting {
        found.extend(declared.is_form().then(|| Lookup::Forms(declared.hubspot.clone())));
        found.extend(declared.needs_deals().then(|| Lookup::Deals(declared.hubspot.clone())));
    }
    let lost = |c: &crate::api::Condition| c.type_ == condition::STALLED && c.reason == reason::OWNERSHIP_CONFLICT;
    let lost = status.is_some_and(|s| s.conditions.iter().any(lost));
    found.extend(lost.then_some(Lookup::LostOwnership));
    found
}

/// What a Google account is looked up by.
pub fn of_google(account: &GoogleAdsAccount) -> BTreeSet<Lookup> {
    conversion_owner(account).map(Lookup::OwnedBy).into_iter().collect()
}

/// The account that owns the conversions of this one, as its status says.
pub fn conversion_owner(account: &GoogleAdsAccount) -> Option<CustomerId> {
    account.status.as_ref()?.conversion_customer_id.as_ref()?.parse().ok()
}

/// What an event claims.
pub struct Claimed {
    /// The account that its status says owns the action.
    pub owner: Option<CustomerId>,
    /// The action that it has, or names by id.
    pub action: Option<ActionId>,
    /// The name of an action to be its own.
    pub creates: Option<String>,
}

/// What an event claims whose status shows this action.
pub fn claimed_by(declared: &Declared, has: Option<&ConversionActionStatus>) -> Claimed {
    let (named, creates) = match &declared.action {
        DeclaredAction::Id(id) => (Some(*id), None),
        DeclaredAction::Name(_) => (None, None),
        DeclaredAction::Create => (None, Some(declared.action_name().to_owned())),
    };
    Claimed {
        owner: customer_of(has),
        action: id_of(has).or(named),
        creates,
    }
}

/// The account that owns an action.
fn customer_of(action: Option<&ConversionActionStatus>) -> Option<CustomerId> {
    action?.customer_id.as_deref()?.parse().ok()
}

/// The id of an action.
pub fn id_of(action: Option<&ConversionActionStatus>) -> Option<ActionId> {
    action?.id.as_deref()?.parse().ok()
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
