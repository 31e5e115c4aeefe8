//! What the manifest names: its accounts, its stage or form, its properties.

use std::sync::Arc;

use super::ownership::lost_ownership;
use super::stall::{self, Grounds, Stall};
use super::subject::Subject;
use super::trigger;
use crate::api::reasons::reason;
use crate::api::{AdConversionEventStatus, CREATE_AGAIN, TriggerStatus};
use crate::controller::shared::context::Context;
use crate::domain::declared::Declared;
use crate::domain::ids::{ObjectKey, PortalId};
use crate::registry::{Account, DealAccess, Forms, GoogleAccount, GoogleSnapshot, HubSpotAccount, Readiness};

/// State of an event's two accounts, for the condition `AccountsReady`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountsReadiness {
    /// Both can be used.
    Ready,
    Suspended(String),
    /// One is missing, not ready, or (reason `Progressing`) not looked at yet: reason and message.
    NotReady(&'static str, String),
}

/// What the manifest names, looked up.
pub struct Resolved {
    pub declared: Declared,
    /// The Google account, once its controller has seen it.
    pub google: Option<GoogleAccount>,
    /// State of both.
    pub accounts: AccountsReadiness,
    /// HubSpot is read for the account.
    pub hubspot_read: bool,
    /// An account exists but has not been looked at since the process started.
    pub undecided: bool,
    /// The portal, once known.
    pub portal: Option<PortalId>,
    /// The stage or form, once known.
    pub subject: Option<Subject>,
    /// The manifest names it by label or name, and that stands for this one for the first time.
    pub first_by_name: bool,
    /// HubSpot has said which contact properties there are.
    pub properties_known: bool,
    /// For the status.
    pub trigger: Option<TriggerStatus>,
    /// A person must act.
    pub stall: Option<Stall>,
}

impl Resolved {
    /// The snapshot of the Google account.
    pub fn google_snapshot(&self) -> Option<Arc<GoogleSnapshot>> {
        self.google.as_ref()?.snapshot.clone()
    }
}

/// Looks up what the manifest names; `status` is what earlier passes found.
/// Calls nobody: accounts and their configuration are in the registry.
pub fn resolve_event(ctx: &Context, declared: Declared, status: Option<&AdConversionEventStatus>) -> Resolved {
    let google = ctx.registry.google_account(&declared.google);
    let hubspot = ctx.registry.hubspot_account(&declared.hubspot);
    let of_google = ShownAccount::find(ctx, &Account::Google(declared.google.clone()));
    let of_hubspot = ShownAccount::find(ctx, &Account::HubSpot(declared.hubspot.clone()));
    let portal = hubspot.as_ref().and_then(|h| h.portal.as_ref()).map(|p| p.id);
    // Until the token was asked whether it may read deals nobody knows what the manifest is worth.
    let counts = !deals_unasked(&declared, hubspot.as_ref());
    let found = trigger::resolve_trigger(&declared.trigger, status, hubspot.as_ref(), counts);
    let accounts = combine_accounts(&[
        of_google.readiness_of("GoogleAdsAccount", &declared.google),
        of_hubspot.readiness_of("HubSpotAccount", &declared.hubspot),
        unlisted_form(found.subject.is_some(), &declared, hubspot.as_ref()),
        unlisted_stage(found.subject.is_some(), &declared, hubspot.as_ref()),
    ]);
    let grounds = Grounds {
        declared: &declared,
        recorded: status.and_then(|status| status.conversion_action.as_ref()),
        now: ctx.clock.now(),
        snapshot: google.as_ref().and_then(|google| google.snapshot.as_deref()),
        hubspot: hubspot.as_ref(),
    };
    let rival = || lost_ownership(ctx, &declared, status, &found.claimed, portal);
    let stall = found.stall.or_else(|| stall::before_the_action(&grounds, rival));
    Resolved {
        accounts,
        // As people are shown it: an account that is only being tried again is not read yet.
        hubspot_read: of_hubspot.shown == Some(Readiness::Ready),
        undecided: of_google.is_undecided() || of_hubspot.is_undecided(),
        portal,
        first_by_name: found.first_by_name,
        properties_known: hubspot.as_ref().is_some_and(|h| !h.properties.is_empty()),
        trigger: found.shown,
        subject: found.subject,
        stall,
        google,
        declared,
    }
}

/// An account as people are shown it.
struct ShownAccount {
    /// What its manifest says; `None` if there is none.
    suspended: Option<bool>,
    /// `None` before it was looked at.
    shown: Option<Readiness>,
}

impl ShownAccount {
    fn find(ctx: &Context, account: &Account) -> Self {
        Self {
            suspended: ctx.caches.is_suspended(account),
            shown: ctx.registry.shown_readiness(account),
        }
    }

    /// It exists, and has not been looked at.
    const fn is_undecided(&self) -> bool {
        self.suspended.is_some() && self.shown.is_none()
    }

    /// An account that is suspended from its birth need not be looked at to know that.
    fn readiness_of(&self, kind: &str, key: &ObjectKey) -> AccountsReadiness {
        let name = &key.name;
        let shown = match self.suspended {
            Some(true) => Some(&Readiness::Suspended),
            _ => self.shown.as_ref(),
        };
        match shown {
            _ if self.suspended.is_none() => AccountsReadiness::NotReady(
                reason::ACCOUNT_NOT_FOUND,
                format!(
                    "{kind} {name:?} does not exist in namespace {}. Create it. If the name is a mistake, {CREATE_AGAIN}.",
                    key.namespace
                ),
            ),
            None => AccountsReadiness::NotReady(
                reason::PROGRESSING,
                format!("{kind} {name:?} has not been checked yet."),
            ),
            Some(Readiness::Ready) => AccountsReadiness::Ready,
            Some(Readiness::Suspended) => AccountsReadiness::Suspended(format!(
                "{kind} {name:?} is suspended. Conversions wait until its spec.suspend is false."
            )),
            Some(Readiness::NotReady { reason, message }) if reason == reason::PROGRESSING => {
                AccountsReadiness::NotReady(
                    reason::PROGRESSING,
                    format!("{kind} {name:?} is being checked: {message}"),
                )
            }
            Some(Readiness::NotReady { reason, message }) => AccountsReadiness::NotReady(
                reason::ACCOUNT_NOT_READY,
                format!("{kind} {name:?} is not ready ({reason}): {message}"),
            ),
        }
    }
}

/// Both accounts in one: missing before not ready before suspended before ready, with the messages of all that are not.
fn combine_accounts(accounts: &[AccountsReadiness]) -> AccountsReadiness {
    let mut messages: Vec<&str> = Vec::new();
    let mut reasons: Vec<&'static str> = Vec::new();
    for account in accounts {
        match account {
            AccountsReadiness::Ready => {}
            AccountsReadiness::Suspended(message) => messages.push(message),
            AccountsReadiness::NotReady(why, message) => {
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
        Some(why) => AccountsReadiness::NotReady(why, message),
        None if messages.is_empty() => AccountsReadiness::Ready,
        None => AccountsReadiness::Suspended(message),
    }
}

/// While the list of forms can't be read, an event whose form is not known yet waits for it, and no other.
fn unlisted_form(is_known: bool, declared: &Declared, hubspot: Option<&HubSpotAccount>) -> AccountsReadiness {
    match hubspot.map(|hubspot| &hubspot.forms) {
        Some(Forms::Failed(why)) if declared.is_form() && !is_known => AccountsReadiness::NotReady(
            reason::ACCOUNT_NOT_READY,
            format!(
                "HubSpot's list of forms can't be read, and the form of this event is not known yet: {why}. The operator keeps asking; no other event waits for it."
            ),
        ),
        _ => AccountsReadiness::Ready,
    }
}

/// While a process knows no stages, as their list can't be read, an
/// event whose stage was never looked up waits for it, and no other.
fn unlisted_stage(is_known: bool, declared: &Declared, hubspot: Option<&HubSpotAccount>) -> AccountsReadiness {
    let unlisted = |hubspot: &HubSpotAccount| hubspot.portal.is_some() && hubspot.stages.is_empty();
    if declared.is_form() || is_known || !hubspot.is_some_and(unlisted) {
        return AccountsReadiness::Ready;
    }
    let message = "HubSpot's list of lifecycle stages has not been read, and the stage of this event is not known yet. See what the \
                   HubSpotAccount says of it. The operator keeps asking; no other event waits for it.";
    AccountsReadiness::NotReady(reason::ACCOUNT_NOT_READY, message.to_owned())
}

fn deals_unasked(declared: &Declared, hubspot: Option<&HubSpotAccount>) -> bool {
    declared.needs_deals() && hubspot.is_some_and(|h| h.deals == DealAccess::Unasked)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn missing(name: &str) -> AccountsReadiness {
        AccountsReadiness::NotReady(reason::ACCOUNT_NOT_FOUND, format!("{name} is missing."))
    }
    fn unready(name: &str) -> AccountsReadiness {
        AccountsReadiness::NotReady(reason::ACCOUNT_NOT_READY, format!("{name} is not ready."))
    }
    fn unchecked(name: &str) -> AccountsReadiness {
        AccountsReadiness::NotReady(reason::PROGRESSING, format!("{name} is new."))
    }
    fn suspended(name: &str) -> AccountsReadiness {
        AccountsReadiness::Suspended(format!("{name} is suspended."))
    }

    #[rstest]
    #[case::both_ready(AccountsReadiness::Ready, AccountsReadiness::Ready, "")]
    #[case::both_missing(missing("g"), missing("h"), "AccountNotFound: g is missing. h is missing.")]
    #[case::one_missing(unready("g"), missing("h"), "AccountNotFound: g is not ready. h is missing.")]
    #[case::one_ready(unready("g"), AccountsReadiness::Ready, "AccountNotReady: g is not ready.")]
    #[case::one_new(unchecked("g"), AccountsReadiness::Ready, "Progressing: g is new.")]
    #[case::one_new_one_unready(unchecked("g"), unready("h"), "AccountNotReady: g is new. h is not ready.")]
    #[case::one_suspended(suspended("g"), unready("h"), "AccountNotReady: g is suspended. h is not ready.")]
    #[case::both_suspended(suspended("g"), suspended("h"), "Suspended: g is suspended. h is suspended.")]
    fn all_accounts_that_are_not_ready_are_named(
        #[case] google: AccountsReadiness,
        #[case] hubspot: AccountsReadiness,
        #[case] wanted: &str,
    ) {
        let shown = match combine_accounts(&[google, hubspot]) {
            AccountsReadiness::Ready => String::new(),
            AccountsReadiness::Suspended(message) => format!("Suspended: {message}"),
            AccountsReadiness::NotReady(why, message) => format!("{why}: {message}"),
        };
        assert_eq!(shown, wanted);
    }
}
