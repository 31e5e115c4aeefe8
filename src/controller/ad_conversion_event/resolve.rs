//! What the manifest names: its accounts, its stage, its properties; and who else wants the same action.

use std::sync::Arc;

use super::Stall;
use super::ownership::lost_ownership;
use super::trigger::{Subject, subject, trigger_status};
use crate::api::reasons::reason;
use crate::api::{AdConversionEvent, CREATE_AGAIN, TriggerStatus};
use crate::controller::Object;
use crate::controller::shared::context::Context;
use crate::domain::action::ConversionAction;
use crate::domain::ids::{ActionId, ObjectKey, PortalId};
use crate::domain::spec;
use crate::registry::{DealAccess, GoogleAccount, GoogleSnapshot, HubSpotAccount, Readiness};

/// State of an event's two accounts, for the condition `AccountsReady`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// Both can be used.
    Ready,
    /// One is suspended.
    Suspended(String),
    /// One is missing, not ready, or (reason `Progressing`) not looked at yet: reason and message.
    NotReady(&'static str, String),
}

/// What the manifest names, looked up.
pub struct Resolved {
    /// The Google account object.
    pub google_key: ObjectKey,
    /// The HubSpot account object.
    pub hubspot_key: ObjectKey,
    /// The Google account, once its controller has seen it.
    pub google: Option<GoogleAccount>,
    /// State of both.
    pub accounts: Accounts,
    /// HubSpot is read for the account.
    pub hubspot_read: bool,
    /// An account exists but has not been looked at since the process started.
    pub undecided: bool,
    /// The portal, once known.
    pub portal: Option<PortalId>,
    /// The stage or form, once known.
    pub subject: Option<Subject>,
    /// HubSpot has said which contact properties there are.
    pub properties_known: bool,
    /// For the status.
    pub trigger: Option<TriggerStatus>,
    /// A person must act.
    pub stall: Option<Stall>,
}

impl Resolved {
    /// The snapshot of the Google account.
    pub fn snapshot(&self) -> Option<Arc<GoogleSnapshot>> {
        self.google.as_ref()?.snapshot.clone()
    }

    /// An action, as the snapshot has it.
    pub fn known_action(&self, id: ActionId) -> Option<ConversionAction> {
        self.snapshot()?.actions.iter().find(|a| a.id == id).cloned()
    }
}

/// Looks up what the manifest names. Calls nobody: accounts and their configuration are in the registry.
pub fn resolve(ctx: &Context, event: &AdConversionEvent) -> Resolved {
    let key = event.key();
    let google_name = event
        .spec
        .google_ads_account_ref
        .as_ref()
        .map(|r| r.name.clone())
        .unwrap_or_default();
    let google_key = ObjectKey::new(&key.namespace, google_name);
    let hubspot_key = ObjectKey::new(&key.namespace, &event.spec.hub_spot_account_ref.name);
    let google = ctx.registry.google(&google_key);
    let hubspot = ctx.registry.hubspot(&hubspot_key);
    let google_suspended = ctx.caches.google.get(&google_key).map(|a| a.spec.suspend);
    let hubspot_suspended = ctx.caches.hubspot.get(&hubspot_key).map(|a| a.spec.suspend);
    let accounts = combined(&[
        account(
            "GoogleAdsAccount",
            &google_key,
            google_suspended,
            ctx.registry.google_shown(&google_key).as_ref(),
        ),
        account(
            "HubSpotAccount",
            &hubspot_key,
            hubspot_suspended,
            ctx.registry.hubspot_shown(&hubspot_key).as_ref(),
        ),
    ]);
    let undecided =
        (google_suspended.is_some() && google.is_none()) || (hubspot_suspended.is_some() && hubspot.is_none());
    // As people are shown it: an account that is only being tried again is not read yet.
    let hubspot_read = ctx.registry.hubspot_shown(&hubspot_key) == Some(Readiness::Ready);
    let mut resolved = Resolved {
        google_key,
        hubspot_key,
        google,
        accounts,
        hubspot_read,
        undecided,
        portal: hubspot.as_ref().and_then(|h| h.portal.as_ref()).map(|p| p.id),
        subject: None,
        properties_known: hubspot.as_ref().is_some_and(|h| !h.properties.is_empty()),
        trigger: None,
        stall: None,
    };
    match subject(event, hubspot.as_ref()) {
        // Until the token was asked whether it may read deals nobody knows what the manifest is worth.
        Ok(subject) => resolved.subject = subject.filter(|_| !deals_unasked(event, hubspot.as_ref())),
        Err(stall) => resolved.stall = Some(stall),
    }
    resolved.trigger = trigger_status(event, resolved.subject.as_ref());
    let first = resolved.stall.take();
    resolved.stall = first
        .or_else(|| terms_not_accepted(event, resolved.snapshot().as_deref()))
        .or_else(|| unprintable_name(event))
        .or_else(|| future_start(ctx, event))
        .or_else(|| unknown_property(event, hubspot.as_ref()))
        .or_else(|| deals_denied(event, hubspot.as_ref()))
        .or_else(|| lost_ownership(ctx, event, resolved.portal));
    resolved
}

/// `suspended`: what the manifest says, `None` where there is none. An account that is suspended from its birth need not
/// be looked at to know that.
fn account(kind: &str, key: &ObjectKey, suspended: Option<bool>, readiness: Option<&Readiness>) -> Accounts {
    let name = &key.name;
    let readiness = match suspended {
        Some(true) => Some(&Readiness::Suspended),
        _ => readiness,
    };
    match readiness {
        _ if suspended.is_none() => Accounts::NotReady(
            reason::ACCOUNT_NOT_FOUND,
            format!(
                "{kind} {name:?} does not exist in namespace {}. Create it. If the name is a mistake, {CREATE_AGAIN}.",
                key.namespace
            ),
        ),
        None => Accounts::NotReady(
            reason::PROGRESSING,
            format!("{kind} {name:?} has not been checked yet."),
        ),
        Some(Readiness::Ready) => Accounts::Ready,
        Some(Readiness::Suspended) => Accounts::Suspended(format!(
            "{kind} {name:?} is suspended. Conversions wait until its spec.suspend is false."
        )),
        Some(Readiness::NotReady { reason, message }) if reason == reason::PROGRESSING => Accounts::NotReady(
            reason::PROGRESSING,
            format!("{kind} {name:?} is being checked: {message}"),
        ),
        Some(Readiness::NotReady { reason, message }) => Accounts::NotReady(
            reason::ACCOUNT_NOT_READY,
            format!("{kind} {name:?} is not ready ({reason}): {message}"),
        ),
    }
}

/// Both accounts in one: missing before not ready before suspended before ready, with the messages of all that are not.
fn combined(accounts: &[Accounts]) -> Accounts {
    let mut messages: Vec<&str> = Vec::new();
    let mut reasons: Vec<&'static str> = Vec::new();
    for account in accounts {
        match account {
            Accounts::Ready => {}
            Accounts::Suspended(message) => messages.push(message),
            Accounts::NotReady(why, message) => {
                reasons.push(why);
                messages.push(message);
            }
        }
    }
    let message = messages.join(" ");
    let worst_first = [
        reason::ACCOUNT_NOT_FOUND,
        reason::ACCOUNT_NOT_READY,
        reason::PROGRESSING,
    ];
    match worst_first.into_iter().find(|why| reasons.contains(why)) {
        Some(why) => Accounts::NotReady(why, message),
        None if messages.is_empty() => Accounts::Ready,
        None => Accounts::Suspended(message),
    }
}

/// Shared data needs the customer data terms; click ids alone do not.
fn terms_not_accepted(event: &AdConversionEvent, snapshot: Option<&GoogleSnapshot>) -> Option<Stall> {
    let missing = !event.spec.share_data.is_empty() && !snapshot?.customer.accepted_customer_data_terms;
    missing.then(|| {
        let form = event.spec.trigger.form_submission.is_some();
        let other_way = if form { "" } else { ", or remove spec.shareData" };
        (
            reason::TERMS_NOT_ACCEPTED,
            format!(
                "spec.shareData needs Google's customer data terms. Accept them in Google Ads (Goals > Settings > Customer data terms){other_way}."
            ),
        )
    })
}

/// Google takes no form data through a manager's conversion tracking (DESIGN 3.2). The action itself is created all the same.
pub fn manager_account(resolved: &Resolved) -> Option<Stall> {
    resolved.subject.as_ref()?.trigger.form()?;
    let customer = &resolved.snapshot()?.customer;
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
fn unprintable_name(event: &AdConversionEvent) -> Option<Stall> {
    let existing = event
        .spec
        .existing_action()
        .and_then(|existing| existing.name.as_deref());
    let (field, name) = match existing {
        Some(name) => ("spec.conversionAction.existing.name", name),
        None => ("spec.eventName", event.action_name()),
    };
    name.contains(char::is_control).then(|| {
        (
            reason::INVALID_SPEC,
            format!("{field} {name:?} holds a control character, such as a line break or a tab. Remove it."),
        )
    })
}

fn future_start(ctx: &Context, event: &AdConversionEvent) -> Option<Stall> {
    let start = spec::effective_start(event, super::created(event));
    (start > ctx.clock.now()).then(|| {
        (
            reason::INVALID_SPEC,
            format!("spec.startTime {start} is in the future. Move it to now or earlier; until then nothing counts."),
        )
    })
}

fn unknown_property(event: &AdConversionEvent, hubspot: Option<&HubSpotAccount>) -> Option<Stall> {
    let properties = hubspot.map(|h| h.properties.clone()).filter(|p| !p.is_empty())?;
    let rules = spec::rules(&event.spec);
    let missing: Vec<_> = spec::named_properties(&rules)
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

fn deals_unasked(event: &AdConversionEvent, hubspot: Option<&HubSpotAccount>) -> bool {
    spec::needs_deals(&event.spec) && hubspot.is_some_and(|h| h.deals == DealAccess::Unasked)
}

/// Values from deals take a scope of their own, which nothing else waits for.
fn deals_denied(event: &AdConversionEvent, hubspot: Option<&HubSpotAccount>) -> Option<Stall> {
    let DealAccess::Denied(why) = &hubspot?.deals else {
        return None;
    };
    spec::needs_deals(&event.spec).then(|| {
        (
            reason::MISSING_SCOPE,
            format!(
                "spec.value.dealAmount needs the scope crm.objects.deals.read, which the HubSpot token does not have ({why}). Add the scope to the app or service key and put its token into the Secret, or use spec.value.fixed."
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn missing(name: &str) -> Accounts {
        Accounts::NotReady(reason::ACCOUNT_NOT_FOUND, format!("{name} is missing."))
    }
    fn unready(name: &str) -> Accounts {
        Accounts::NotReady(reason::ACCOUNT_NOT_READY, format!("{name} is not ready."))
    }
    fn unchecked(name: &str) -> Accounts {
        Accounts::NotReady(reason::PROGRESSING, format!("{name} is new."))
    }
    fn suspended(name: &str) -> Accounts {
        Accounts::Suspended(format!("{name} is suspended."))
    }

    #[rstest]
    #[case::both_ready(Accounts::Ready, Accounts::Ready, "")]
    #[case::both_missing(missing("g"), missing("h"), "AccountNotFound: g is missing. h is missing.")]
    #[case::one_missing(unready("g"), missing("h"), "AccountNotFound: g is not ready. h is missing.")]
    #[case::one_ready(unready("g"), Accounts::Ready, "AccountNotReady: g is not ready.")]
    #[case::one_new(unchecked("g"), Accounts::Ready, "Progressing: g is new.")]
    #[case::one_new_one_unready(unchecked("g"), unready("h"), "AccountNotReady: g is new. h is not ready.")]
    #[case::one_suspended(suspended("g"), unready("h"), "AccountNotReady: g is suspended. h is not ready.")]
    #[case::both_suspended(suspended("g"), suspended("h"), "Suspended: g is suspended. h is suspended.")]
    fn all_accounts_that_are_not_ready_are_named(
        #[case] google: Accounts,
        #[case] hubspot: Accounts,
        #[case] wanted: &str,
    ) {
        let shown = match combined(&[google, hubspot]) {
            Accounts::Ready => String::new(),
            Accounts::Suspended(message) => format!("Suspended: {message}"),
            Accounts::NotReady(why, message) => format!("{why}: {message}"),
        };
        assert_eq!(shown, wanted);
    }
}
