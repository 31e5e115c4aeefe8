//! What is probed of a Google account.

use super::hubspot::suspended;
use super::report::Probe;
use crate::api::GoogleAdsAccount as Manifest;
use crate::api::reasons::reason;
use crate::cli::offline::{NotDone, Obstacle, Offline, reach_data_manager};
use crate::controller::google_ads_account::once::ReadAccount;
use crate::controller::shared::account::fault::{CredentialUse, account_fault};
use crate::domain::account_health::FaultKind;
use crate::ports::ads::Customer;
use crate::ports::{Cause, UpstreamError};
use crate::registry::GoogleAccount;

/// The service behind the probes of the account, as errors name it.
const ADS: &str = "Google Ads";

const CREDENTIALS: &str = "credentials";
const TOKEN: &str = "token";
const ADS_API: &str = "Google Ads API";
const DATA_MANAGER_API: &str = "Data Manager API";
const CUSTOMER: &str = "customer";
const TRACKING: &str = "conversion tracking";
const TERMS: &str = "customer data terms";
const ENHANCED: &str = "enhanced conversions";
const TIER: &str = "project tier";
const GOALS: &str = "account goals";

/// What comes behind the customer: not probed without it.
const OF_CUSTOMER: [&str; 4] = [TRACKING, TERMS, ENHANCED, TIER];

/// Google's code where a project has the access level Test only.
const TEST_PROJECT: &str = "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION";

/// Reads the account, and judges what was read. The account as the events see it, if it can be used. `shares`: an event
/// of it shares data, which takes the customer data terms.
pub(super) async fn check_google(
    offline: &Offline,
    object: &Manifest,
    shares: bool,
) -> (Vec<Probe>, Option<GoogleAccount>) {
    let secret = object.spec.credentials_secret_ref.as_ref().map(|r| r.name.as_str());
    let clients = match offline.google_clients(object).await {
        Ok(clients) => clients,
        Err(obstacle) => return (without_credentials(&obstacle), None),
    };
    let read = offline.read_google(object).await;
    let refused = matches!(&read, Err(Obstacle::Fault(fault, _)) if fault.kind == FaultKind::Credentials);
    let data_manager = if refused {
        Probe::skipped(DATA_MANAGER_API, "Not probed without a token that Google accepts.")
    } else {
        judge_data_manager(reach_data_manager(clients.sink.as_ref()).await, secret)
    };
    let mut probes = vec![credentials(secret)];
    probes.extend(judge(read.as_ref(), data_manager, shares));
    if object.spec.suspend {
        probes.push(suspended());
    }
    (probes, read.ok().map(|read| read.account))
}

fn credentials(secret: Option<&str>) -> Probe {
    match secret {
        Some(secret) => Probe::fine(CREDENTIALS, format!("The Secret {secret} holds credentials.")),
        None => Probe::skipped(
            CREDENTIALS,
            "spec.credentialsSecretRef is missing, so that the operator uses its own identity (--ambient-credentials-namespaces). \
             What follows was probed with the Google credentials of this machine instead.",
        ),
    }
}

fn without_credentials(obstacle: &Obstacle) -> Vec<Probe> {
    let mut probes = vec![Probe::obstacle(CREDENTIALS, obstacle)];
    let rest = [TOKEN, ADS_API, DATA_MANAGER_API, CUSTOMER]
        .into_iter()
        .chain(OF_CUSTOMER);
    probes.extend(rest.map(|probe| Probe::skipped(probe, "Not probed without credentials.")));
    probes
}

fn judge_data_manager(answer: Result<(), UpstreamError>, secret: Option<&str>) -> Probe {
    let error = match answer {
        Ok(()) => return Probe::fine(DATA_MANAGER_API, "It is switched on in the Cloud project."),
        Err(error) => error,
    };
    let used = CredentialUse { secret, proven: false };
    let fault = account_fault(&error, used);
    if error.is_transient() {
        return Probe::not_done(DATA_MANAGER_API, &NotDone::of_fault(&fault));
    }
    Probe::finding(DATA_MANAGER_API, &fault.reason, &fault.message)
}

fn judge(read: Result<&ReadAccount, &Obstacle>, data_manager: Probe, shares: bool) -> Vec<Probe> {
    let skip = |probe: &str| Probe::skipped(probe, "Not probed, see above.");
    let accepted = || Probe::fine(TOKEN, "Google accepts it.");
    let on = || Probe::fine(ADS_API, "It is switched on in the Cloud project.");
    let mut probes = match read {
        Ok(read) => match &read.account.snapshot {
            Some(snapshot) => {
                let mut probes = vec![accepted(), on(), data_manager];
                probes.extend(judge_customer(&snapshot.customer, shares));
                probes.extend(read.unread_goals.as_deref().map(unread_goals));
                return probes;
            }
            None => vec![accepted(), on(), data_manager, skip(CUSTOMER)],
        },
        Err(obstacle) => match failed_at(obstacle) {
            TOKEN => vec![
                Probe::obstacle(TOKEN, obstacle),
                skip(ADS_API),
                data_manager,
                skip(CUSTOMER),
            ],
            ADS_API => vec![
                accepted(),
                Probe::obstacle(ADS_API, obstacle),
                data_manager,
                skip(CUSTOMER),
            ],
            _ => vec![accepted(), on(), data_manager, Probe::obstacle(CUSTOMER, obstacle)],
        },
    };
    let is_test_project =
        |obstacle: &&Obstacle| matches!(obstacle, Obstacle::Fault(fault, _) if fault.message.contains(TEST_PROJECT));
    let tier = read.err().filter(is_test_project).map(|_| {
        Probe::finding(
            TIER,
            reason::ACCESS_DENIED,
            "The Cloud project of the credentials has the access level Test, which reaches test accounts only. Apply for Explorer \
             or Basic access in the Google Cloud console (Google Ads API > Access level).",
        )
    });
    probes.extend([TRACKING, TERMS, ENHANCED].map(skip));
    probes.push(tier.unwrap_or_else(|| skip(TIER)));
    probes
}

/// The probe that fails for it.
fn failed_at(obstacle: &Obstacle) -> &'static str {
    match obstacle {
        // The token was issued; what failed is what was asked with it.
        Obstacle::Outage(_, Some(ADS)) => ADS_API,
        Obstacle::NotDone(_) | Obstacle::Outage(..) => TOKEN,
        Obstacle::Fault(fault, cause) => match (fault.kind, cause) {
            (FaultKind::Credentials | FaultKind::Unreadable, _) => TOKEN,
            (_, Some(Cause::ServiceDisabled | Cause::MissingScope | Cause::UnsupportedVersion)) => ADS_API,
            _ => CUSTOMER,
        },
    }
}

/// The operator goes on without goals, and nobody knows whether Google bids by the conversions.
fn unread_goals(why: &str) -> Probe {
    let says = format!(
        "They could not be read ({why}), so it is not known whether Google bids by the conversions. Try again later."
    );
    Probe::not_done(GOALS, &NotDone(says))
}

fn judge_customer(customer: &Customer, shares: bool) -> Vec<Probe> {
    let facts = [
        customer.currency_code.as_deref(),
        customer.time_zone.as_deref(),
        customer.test_account.then_some("test account"),
    ];
    let facts: Vec<_> = facts.into_iter().flatten().collect();
    let name = customer.descriptive_name.as_deref().unwrap_or("without a name");
    let known = Probe::fine(CUSTOMER, format!("{} {name:?} ({}).", customer.id, facts.join(", ")));
    let tier = if customer.test_account {
        Probe::skipped(
            TIER,
            "This is a test account, which Cloud projects of every access level reach.",
        )
    } else {
        Probe::fine(
            TIER,
            "The Cloud project reaches production accounts. Google does not report its daily limit: with Explorer access it is 2,880 \
             operations, which is enough for a few accounts; the operator keeps within it.",
        )
    };
    vec![
        known,
        judge_tracking(customer),
        judge_terms(customer, shares),
        judge_enhanced(customer),
        tier,
    ]
}

fn judge_tracking(customer: &Customer) -> Probe {
    let (id, owner) = (&customer.id, &customer.conversion_customer);
    if customer.manager {
        return Probe::skipped(
            TRACKING,
            format!("Account {id} is a manager account: events with formSubmission cannot use it."),
        );
    }
    if owner != id {
        return Probe::skipped(
            TRACKING,
            format!(
                "Account {owner} owns the conversion actions (cross-account tracking): they are kept there, and events with \
                 formSubmission cannot use this account."
            ),
        );
    }
    Probe::fine(TRACKING, "The account owns its conversion actions.")
}

fn judge_terms(customer: &Customer, shares: bool) -> Probe {
    match (customer.accepted_customer_data_terms, shares) {
        (true, _) => Probe::fine(TERMS, "They are accepted."),
        (false, true) => Probe::finding(
            TERMS,
            reason::TERMS_NOT_ACCEPTED,
            "They are not accepted, and spec.shareData of an event needs them. Accept them in Google Ads (Goals > Settings > \
             Customer data terms).",
        ),
        (false, false) => Probe::skipped(
            TERMS,
            "They are not accepted. Only events with spec.shareData need them.",
        ),
    }
}

fn judge_enhanced(customer: &Customer) -> Probe {
    match customer.enablement.as_deref() {
        Some("ON") => Probe::fine(ENHANCED, "They are switched on."),
        Some(setting) => Probe::skipped(
            ENHANCED,
            format!("The setting is {setting}. Nothing to do: the first upload of shared data switches them on."),
        ),
        None => Probe::skipped(ENHANCED, "Google does not say."),
    }
}

#[cfg(test)]
#[path = "google_tests.rs"]
mod tests;
