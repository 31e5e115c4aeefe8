//! Whether and why an event is stalled: nothing is done for it until a person acts. Everything that can stall one is here,
//! in the order in which the status reports them, except what its trigger (see [`super::trigger`]) and its conversion
//! action (see [`super::action`]) decide themselves.

use jiff::Timestamp;

use super::subject::Subject;
use crate::api::reasons::reason;
use crate::domain::declared::{Declared, DeclaredAction};
use crate::registry::{DealAccess, GoogleSnapshot, HubSpotAccount};

/// A reason why a person must act: condition reason and message.
pub type Stall = (&'static str, String);

/// What speaks for or against a stall.
pub(crate) struct Grounds<'a> {
    /// The manifest.
    pub declared: &'a Declared,
    pub now: Timestamp,
    /// What the Google account shows.
    pub snapshot: Option<&'a GoogleSnapshot>,
    /// What the portal shows.
    pub hubspot: Option<&'a HubSpotAccount>,
}

/// Why the event is stalled before its action is looked at. `rival` finds an older event that has its action.
pub(crate) fn before_the_action(grounds: &Grounds<'_>, rival: impl FnOnce() -> Option<Stall>) -> Option<Stall> {
    let Grounds {
        declared,
        now,
        snapshot,
        hubspot,
    } = grounds;
    terms_not_accepted(declared, *snapshot)
        .or_else(|| unprintable_name(declared))
        .or_else(|| future_start(declared, *now))
        .or_else(|| unknown_property(declared, *hubspot))
        .or_else(|| deals_denied(declared, *hubspot))
        .or_else(rival)
}

/// Why the event is stalled once its action was looked at: for what came `before`, for what the `action` says of itself, or
/// because nothing may be sent to it.
pub(crate) fn after_the_action(
    before: Option<&Stall>,
    action: Option<&Stall>,
    subject: Option<&Subject>,
    snapshot: Option<&GoogleSnapshot>,
) -> Option<Stall> {
    let said = before.or(action).cloned();
    said.or_else(|| manager_account(subject, snapshot))
}

/// Shared data needs the customer data terms; click ids alone do not.
fn terms_not_accepted(declared: &Declared, snapshot: Option<&GoogleSnapshot>) -> Option<Stall> {
    let missing = !declared.rules.share.is_empty() && !snapshot?.customer.accepted_customer_data_terms;
    missing.then(|| {
        let other_way = if declared.is_form() { "" } else { ", or remove spec.shareData" };
        (
            reason::TERMS_NOT_ACCEPTED,
            format!(
                "spec.shareData needs Google's customer data terms. Accept them in Google Ads (Goals > Settings > Customer data terms){other_way}."
            ),
        )
    })
}

/// Google takes no form data through a manager's conversion tracking (DESIGN 3.2). The action itself is created all the same.
fn manager_account(subject: Option<&Subject>, snapshot: Option<&GoogleSnapshot>) -> Option<Stall> {
    subject?.trigger.form()?;
    let customer = &snapshot?.customer;
    let (id, owner) = (&customer.id, &customer.conversion_customer);
    let what = if customer.manager {
        format!("Google Ads account {id} is a manager account")
    } else if owner != id {
        format!("Google Ads account {id} uses cross-account conversion tracking of account {owner}")
    } else {
        return None;
    };
    Some((
        reason::MANAGER_ACCOUNT,
        format!(
            "{what}. Form conversions cannot be uploaded to this account, so nothing is sent. Create a new event that uses a GoogleAdsAccount with its own conversion tracking (Google Ads: Goals > Settings > Conversion tracking)."
        ),
    ))
}

/// The schema refuses such names; this is for objects older than the rule: Google takes none, and says so for ever.
fn unprintable_name(declared: &Declared) -> Option<Stall> {
    let (field, name) = match &declared.action {
        DeclaredAction::Name(name) => ("spec.conversionAction.existing.name", name.as_str()),
        DeclaredAction::Id(_) | DeclaredAction::Create => ("spec.eventName", declared.action_name()),
    };
    name.contains(char::is_control).then(|| {
        (
            reason::INVALID_SPEC,
            format!("{field} {name:?} holds a control character, such as a line break or a tab. Remove it."),
        )
    })
}

fn future_start(declared: &Declared, now: Timestamp) -> Option<Stall> {
    let start = declared.start;
    (start > now).then(|| {
        (
            reason::INVALID_SPEC,
            format!("spec.startTime {start} is in the future. Move it to now or earlier; until then nothing counts."),
        )
    })
}

fn unknown_property(declared: &Declared, hubspot: Option<&HubSpotAccount>) -> Option<Stall> {
    let properties = hubspot.map(|h| h.properties.clone()).filter(|p| !p.is_empty())?;
    let missing: Vec<_> = declared
        .named_properties()
        .into_iter()
        .filter(|(_, name)| properties.binary_search_by(|p| p.as_str().cmp(name)).is_err())
        .map(|(field, name)| format!("{name:?} (spec.{field})"))
        .collect();
    (!missing.is_empty()).then(|| {
        (
            reason::PROPERTY_NOT_FOUND,
            format!(
                "HubSpot has no contact property {}. Use the property's internal name, or create it in HubSpot.",
                missing.join(" and no ")
            ),
        )
    })
}

/// Values from deals take a scope of their own, which nothing else waits for.
fn deals_denied(declared: &Declared, hubspot: Option<&HubSpotAccount>) -> Option<Stall> {
    let DealAccess::Denied(why) = &hubspot?.deals else {
        return None;
    };
    declared.needs_deals().then(|| {
        (
            reason::MISSING_SCOPE,
            format!(
                "spec.value.dealAmount needs the scope crm.objects.deals.read, which the HubSpot token does not have ({why}). Add the scope to the app or service key and put its token into the Secret, or use spec.value.fixed."
            ),
        )
    })
}
