//! What is probed of a HubSpot account.

use super::report::Probe;
use crate::api::HubSpotAccount as Manifest;
use crate::api::reasons::reason;
use crate::cli::offline::{Obstacle, Offline};
use crate::controller::hubspot_account::once::Needs;
use crate::domain::account_health::FaultKind;
use crate::ports::crm::Quota;
use crate::registry::{DealAccess, Forms, HubSpotAccount};

const CREDENTIALS: &str = "credentials";
const TOKEN: &str = "token";
const PORTAL: &str = "portal";
const LIMITS: &str = "limits";
const CONTACTS: &str = "crm.objects.contacts.read";
const DEALS: &str = "crm.objects.deals.read";
const FORMS: &str = "forms";

/// Reads the account, and judges what was read. The account as the events see it, if it can be used.
pub(super) async fn check_hubspot(
    offline: &Offline,
    object: &Manifest,
    needs: Needs,
) -> (Vec<Probe>, Option<HubSpotAccount>) {
    let client = match offline.hubspot_client(object).await {
        Ok(client) => client,
        Err(obstacle) => return (without_credentials(&obstacle, needs), None),
    };
    let read = offline.read_hubspot(object, needs).await;
    // Each scope has its line, even if the first missing one ends the read.
    let scopes = match &read {
        Err(Obstacle::Fault(fault, _)) if fault.reason != reason::MISSING_SCOPE => None,
        Err(Obstacle::NotDone(_) | Obstacle::Outage(..)) => None,
        Ok(_) | Err(_) => client.token_info().await.ok().and_then(|token| token.scopes),
    };
    let known = PortalFacts {
        secret: &object.spec.credentials_secret_ref.name,
        needs,
        scopes: scopes.as_deref(),
        quota: client.daily_quota(),
    };
    let mut probes = judge(&known, read.as_ref());
    if object.spec.suspend {
        probes.push(suspended());
    }
    (probes, read.ok())
}

/// What a suspended account means.
pub(super) fn suspended() -> Probe {
    Probe::skipped(
        "suspend",
        "spec.suspend is true: the operator leaves the account alone until it is false.",
    )
}

/// What is known beside the account itself.
struct PortalFacts<'a> {
    secret: &'a str,
    needs: Needs,
    /// The token's scopes, if HubSpot tells them.
    scopes: Option<&'a [String]>,
    quota: Option<Quota>,
}

fn scopes_of(needs: Needs) -> Vec<&'static str> {
    let optional = [(needs.deals, DEALS), (needs.forms, FORMS)];
    let optional = optional
        .into_iter()
        .filter(|(needed, _)| *needed)
        .map(|(_, scope)| scope);
    std::iter::once(CONTACTS).chain(optional).collect()
}

fn scope_name(scope: &str) -> String {
    format!("scope {scope}")
}

fn without_credentials(obstacle: &Obstacle, needs: Needs) -> Vec<Probe> {
    let mut probes = vec![Probe::obstacle(CREDENTIALS, obstacle)];
    let rest = [TOKEN.to_owned(), PORTAL.to_owned()]
        .into_iter()
        .chain(scopes_of(needs).into_iter().map(scope_name));
    probes.extend(rest.map(|probe| Probe::skipped(&probe, "Not probed without credentials.")));
    probes
}

fn judge(known: &PortalFacts<'_>, read: Result<&HubSpotAccount, &Obstacle>) -> Vec<Probe> {
    let mut probes = vec![Probe::fine(
        CREDENTIALS,
        format!("The Secret {} holds credentials.", known.secret),
    )];
    match read {
        Ok(account) => {
            probes.push(Probe::fine(TOKEN, "HubSpot accepts it."));
            probes.push(Probe::fine(PORTAL, portal_words(account)));
            probes.extend(
                scopes_of(known.needs)
                    .into_iter()
                    .map(|scope| judge_scope(known, scope, Some(account))),
            );
            probes.push(judge_limits(known.quota));
        }
        Err(obstacle) => probes.extend(judge_obstacle(known, obstacle)),
    }
    probes
}

fn judge_obstacle(known: &PortalFacts<'_>, obstacle: &Obstacle) -> Vec<Probe> {
    let scopes = |words: &str| {
        let skip = |scope| Probe::skipped(&scope_name(scope), words);
        scopes_of(known.needs).into_iter().map(skip).collect::<Vec<_>>()
    };
    if let Obstacle::Outage(..) = obstacle {
        let mut probes = vec![
            Probe::skipped(TOKEN, "Not known while HubSpot does not answer."),
            Probe::obstacle(PORTAL, obstacle),
        ];
        probes.extend(scopes("Not probed."));
        return probes;
    }
    let Obstacle::Fault(fault, _) = obstacle else {
        let mut probes = vec![Probe::obstacle(TOKEN, obstacle), Probe::skipped(PORTAL, "Not probed.")];
        probes.extend(scopes("Not probed."));
        return probes;
    };
    if fault.kind == FaultKind::Credentials {
        let mut probes = vec![
            Probe::obstacle(TOKEN, obstacle),
            Probe::skipped(PORTAL, "Not probed without a token that HubSpot accepts."),
        ];
        probes.extend(scopes("Not probed without a token that HubSpot accepts."));
        return probes;
    }
    let accepted = Probe::fine(TOKEN, "HubSpot accepts it.");
    if fault.reason == reason::MISSING_SCOPE {
        let mut probes = vec![accepted, Probe::skipped(PORTAL, "Read once no scope is missing.")];
        let judged = scopes_of(known.needs)
            .into_iter()
            .map(|scope| match (scope, known.scopes) {
                (CONTACTS, _) => Probe::obstacle(&scope_name(scope), obstacle),
                (scope, Some(_)) => judge_scope(known, scope, None),
                (scope, None) => Probe::skipped(&scope_name(scope), "HubSpot does not list the token's scopes."),
            });
        probes.extend(judged);
        return probes;
    }
    let mut probes = vec![accepted, Probe::obstacle(PORTAL, obstacle)];
    probes.extend(scopes("Not probed while the portal is wrong."));
    probes
}

fn portal_words(account: &HubSpotAccount) -> String {
    let Some(portal) = &account.portal else {
        return "It was read.".to_owned();
    };
    let facts = [&portal.time_zone, &portal.company_currency, &portal.ui_domain];
    let facts: Vec<_> = facts
        .into_iter()
        .filter(|fact| !fact.is_empty())
        .map(String::as_str)
        .collect();
    format!("Portal {} ({}).", portal.id, facts.join(", "))
}

/// A scope: by the list of them, and by what HubSpot said when something was read that takes it.
fn judge_scope(known: &PortalFacts<'_>, scope: &'static str, account: Option<&HubSpotAccount>) -> Probe {
    let denied = match (scope, account) {
        (DEALS, Some(account)) => match &account.deals {
            DealAccess::Denied(why) => Some(why.as_str()),
            DealAccess::Granted | DealAccess::Unasked => None,
        },
        (FORMS, Some(account)) => match &account.forms {
            Forms::Denied(why) => Some(why.as_str()),
            Forms::Listed(_) | Forms::Unread | Forms::Failed(_) => None,
        },
        _ => None,
    };
    let unlisted = known
        .scopes
        .is_some_and(|granted| !granted.iter().any(|known| known == scope));
    if denied.is_none() && !unlisted {
        return Probe::fine(&scope_name(scope), "The token has it.");
    }
    let needed_by = match scope {
        DEALS => ", which spec.value.dealAmount needs",
        FORMS => ", which spec.trigger.formSubmission needs",
        _ => "",
    };
    let why = denied.map(|why| format!(" ({why})")).unwrap_or_default();
    let message = format!(
        "The HubSpot token lacks the scope {scope}{needed_by}{why}. Add it to the app or service key and put its token into the \
         Secret {}.",
        known.secret
    );
    Probe::finding(&scope_name(scope), reason::MISSING_SCOPE, message)
}

/// Calls a day of private apps and service keys, by subscription (docs/reference/hubspot.md 8.1).
const TIERS: [(u64, &str); 4] = [
    (250_000, "Free or Starter"),
    (625_000, "Professional"),
    (650_000, "Professional"),
    (1_000_000, "Enterprise"),
];

fn judge_limits(quota: Option<Quota>) -> Probe {
    let Some(Quota { left, of }) = quota else {
        return Probe::skipped(LIMITS, "HubSpot names no daily limit for this token.");
    };
    let tier = TIERS.iter().find(|(calls, _)| *calls == of);
    let tier = tier
        .map(|(_, name)| format!(" (the limit of {name})"))
        .unwrap_or_default();
    if left == 0 {
        let message = format!(
            "All of the {of} calls that HubSpot allows a day{tier} are used up. They count for all apps of the portal: see which \
             one makes so many (HubSpot: Development > Monitoring), or wait until midnight in the portal's time zone."
        );
        return Probe::finding(LIMITS, reason::RATE_LIMITED, message);
    }
    Probe::fine(LIMITS, format!("{left} of {of} calls a day are left{tier}."))
}

#[cfg(test)]
#[path = "hubspot_tests.rs"]
mod tests;
