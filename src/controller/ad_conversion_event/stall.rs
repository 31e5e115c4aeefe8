//! Whether and why an event is stalled: nothing is done for it until a person acts. Everything that can stall one is
//! here, in the order in which the status reports them, except what its trigger (see [`super::trigger`]) and its
//! conversion action (see [`super::action`]) decide themselves.

use jiff::Timestamp;

use super::subject::Subject;
use crate::api::ConversionActionStatus;
use crate::api::reasons::reason;
use crate::domain::action_plan::NEW_ACTION;
use crate::domain::declared::{Declared, DeclaredAction};
use crate::domain::ids::CustomerId;
use crate::registry::{DealAccess, GoogleSnapshot, HubSpotAccount};

/// A reason why a person must act: condition reason and message.
pub type Stall = (&'static str, String);

/// What speaks for or against a stall.
pub(crate) struct Grounds<'a> {
    pub declared: &'a Declared,
    /// The conversion action as the status has it.
    pub recorded: Option<&'a ConversionActionStatus>,
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
        recorded,
        now,
        snapshot,
        hubspot,
    } = grounds;
    action_elsewhere(*recorded, *snapshot)
        .or_else(|| terms_not_accepted(declared, *snapshot))
        .or_else(|| unprintable_name(declared))
        .or_else(|| future_start(declared, *now))
        .or_else(|| unknown_property(declared, *hubspot))
        .or_else(|| deals_denied(declared, *hubspot))
        .or_else(rival)
}

/// Why the event is stalled once its action was looked at: for what came `before`, for what the `action` says of
/// itself, or because nothing may be sent to it.
pub(crate) fn after_the_action(
    before: Option<&Stall>,
    action: Option<&Stall>,
    subject: Option<&Subject>,
    snapshot: Option<&GoogleSnapshot>,
) -> Option<Stall> {
    let said = before.or(action).cloned();
    said.or_else(|| manager_account(subject, snapshot))
}

/// The action is in another account than the one that Google names for conversions now. That one may be anybody's whom
/// the credentials open, so nothing more is sent to it.
pub(super) fn action_elsewhere(
    recorded: Option<&ConversionActionStatus>,
    snapshot: Option<&GoogleSnapshot>,
) -> Option<Stall> {
    let id = recorded?.id.as_ref()?;
    let recorded: CustomerId = recorded?.customer_id.as_ref()?.parse().ok()?;
    let (customer, owner) = (&snapshot?.customer.id, &snapshot?.customer.conversion_customer);
    (recorded != *owner).then(|| {
        (
            reason::EXTERNAL_RESOURCE_NOT_FOUND,
            format!(
                "Conversion action {id} of this event is in Google Ads account {recorded}, but Google names account {owner} for the conversions of account {customer} now, so nothing is sent. If that is a mistake, correct it in Google Ads (Goals > Settings > Conversion tracking). To send to account {owner}: {NEW_ACTION}."
            ),
        )
    })
}

/// Shared data needs the customer data terms; click ids alone do not.
pub(super) fn terms_not_accepted(declared: &Declared, snapshot: Option<&GoogleSnapshot>) -> Option<Stall> {
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

/// Google takes no form data through a manager's conversion tracking. The action itself is created all the same.
pub(super) fn manager_account(subject: Option<&Subject>, snapshot: Option<&GoogleSnapshot>) -> Option<Stall> {
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
pub(super) fn unprintable_name(declared: &Declared) -> Option<Stall> {
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

pub(super) fn future_start(declared: &Declared, now: Timestamp) -> Option<Stall> {
    let start = declared.start;
    (start > now).then(|| {
        let why = if start == declared.created {
            format!(
                "metadata.creationTimestamp {start} is in the future: the clock of the API server is ahead, or that of \
                 this operator's node is behind. Correct it, or set spec.startTime to the time from which conversions \
                 count; until then nothing counts."
            )
        } else {
            format!("spec.startTime {start} is in the future. Move it to now or earlier; until then nothing counts.")
        };
        (reason::INVALID_SPEC, why)
    })
}

pub(super) fn unknown_property(declared: &Declared, hubspot: Option<&HubSpotAccount>) -> Option<Stall> {
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
pub(super) fn deals_denied(declared: &Declared, hubspot: Option<&HubSpotAccount>) -> Option<Stall> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::registry::test_support::{customer, snapshot};

    #[rstest]
    #[case::here(Some("700"), Some("1234567890"), false)]
    #[case::elsewhere(Some("700"), Some("2222222222"), true)]
    #[case::none_yet(None, Some("2222222222"), false)]
    #[case::of_nobody(Some("700"), None, false)]
    #[case::no_customer(Some("700"), Some("none"), false)]
    fn an_action_of_another_account_stalls(#[case] id: Option<&str>, #[case] of: Option<&str>, #[case] stalls: bool) {
        let recorded = ConversionActionStatus {
            id: id.map(str::to_owned),
            customer_id: of.map(str::to_owned),
            ..ConversionActionStatus::default()
        };
        let snapshot = snapshot(customer());
        let stall = action_elsewhere(Some(&recorded), Some(&snapshot));
        assert_eq!(stall.is_some(), stalls);
        if let Some((why, message)) = stall {
            assert_eq!(why, "ExternalResourceNotFound");
            let named = ["700", "account 2222222222", "account 1234567890", "create it again"];
            assert!(named.iter().all(|name| message.contains(name)), "{message}");
        }
        assert_eq!(action_elsewhere(Some(&recorded), None), None, "not read yet");
        assert_eq!(action_elsewhere(None, Some(&snapshot)), None);
    }
}
