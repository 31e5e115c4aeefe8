//! The conditions of an account, made from plain observations.

use std::time::Duration;

use jiff::Timestamp;

use super::account_health::{AccountFault, AccountHealth, FaultKind};
use super::conditions::{Conditions, Status, Summary, find_condition, is_true};
use super::time::later;
use crate::api::Condition;
use crate::api::reasons::{condition, reason};

/// Users a message names; the rest is counted.
const NAMED_USERS: usize = 5;

/// A suspended account is not checked: these conditions keep what was last known.
const KEPT_WHILE_SUSPENDED: [&str; 4] = [
    condition::CREDENTIALS_VALID,
    condition::QUOTA_AVAILABLE,
    condition::CUSTOMER_DATA_TERMS_ACCEPTED,
    condition::ENHANCED_CONVERSIONS_ENABLED,
];

/// Everything that decides the conditions both kinds of accounts have.
#[derive(Debug, Clone)]
pub struct AccountObservation<'a> {
    /// The account in words, with its service: `Google Ads account 1234567890`.
    pub what: &'a str,
    /// Conditions as they are.
    pub previous: &'a [Condition],
    /// `metadata.generation`.
    pub generation: Option<i64>,
    pub now: Timestamp,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Somebody asked for its deletion.
    pub deleting: bool,
    /// Names of the events that use it, sorted.
    pub users: &'a [String],
    /// The account has been read completely since this process began.
    pub known: bool,
    /// What is wrong.
    pub health: &'a AccountHealth,
    /// How long failures may last before Ready follows.
    pub threshold: Duration,
    /// Something else worth saying while Ready.
    pub remark: Option<&'a str>,
}

/// The conditions both kinds of accounts have. The caller adds those of its kind.
pub fn conditions_for(observed: &AccountObservation<'_>) -> Conditions {
    let mut conditions = Conditions::new(observed.previous, observed.generation, observed.now);
    if observed.suspended {
        for type_ in KEPT_WHILE_SUSPENDED {
            conditions.restate(type_);
        }
        let message = format!(
            "Suspended by spec.suspend: nothing is read from or sent to {}. Set spec.suspend to false to continue.",
            observed.what
        );
        conditions.summarize(&Summary::Suspended { message });
        return conditions;
    }
    set_credentials(&mut conditions, observed);
    set_quota(&mut conditions, observed);
    conditions.summarize(&summary_of(observed));
    conditions
}

/// Adds to what [`conditions_for`] says that a sync loop of the account ended unexpectedly: then the account is not
/// Ready, although its other loops go on. Changes nothing if something else is wrong.
pub fn add_broken_loop(conditions: &mut Conditions, message: &str) {
    if conditions.is_true(condition::READY) {
        let (reason, message) = (reason::INTERNAL_ERROR.to_owned(), message.to_owned());
        conditions.summarize(&Summary::Failing { reason, message });
    }
}

/// Adds to what [`conditions_for`] says that a deletion waits: an account that is being deleted is not Ready, although
/// the events that still name it go on using it.
pub fn add_deletion(conditions: &mut Conditions, observed: &AccountObservation<'_>) {
    if !observed.deleting || observed.users.is_empty() {
        conditions.remove(condition::DELETION_BLOCKED);
        return;
    }
    let message = format!(
        "The deletion waits because AdConversionEvents use this account: {}. Delete them first.",
        join_users(observed.users)
    );
    conditions.set(condition::DELETION_BLOCKED, Status::True, reason::IN_USE, &message);
    conditions.set(condition::READY, Status::False, reason::IN_USE, &message);
}

fn join_users(users: &[String]) -> String {
    let named = users
        .iter()
        .take(NAMED_USERS)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match users.len().saturating_sub(NAMED_USERS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn set_credentials(conditions: &mut Conditions, observed: &AccountObservation<'_>) {
    let type_ = condition::CREDENTIALS_VALID;
    let works = "The credentials work.";
    match observed.health.fault_to_show() {
        Some(f) if f.kind == FaultKind::Credentials => conditions.set(type_, Status::False, &f.reason, &f.message),
        Some(f) if f.kind == FaultKind::Unreadable => conditions.set(type_, Status::Unknown, &f.reason, &f.message),
        Some(f) if f.kind == FaultKind::Unavailable => match conditions.get(type_) {
            Some(_) => conditions.restate(type_),
            None => conditions.set(
                type_,
                Status::Unknown,
                reason::PROGRESSING,
                "The credentials have not been checked yet, because the service has not given a usable answer.",
            ),
        },
        // The service has answered with a fault of another kind, so it has accepted the token.
        Some(_) => conditions.set(type_, Status::True, reason::TOKEN_REFRESHED, works),
        None if observed.known => conditions.set(type_, Status::True, reason::TOKEN_REFRESHED, works),
        None => set_unknown(conditions, type_),
    }
}

fn set_quota(conditions: &mut Conditions, observed: &AccountObservation<'_>) {
    let type_ = condition::QUOTA_AVAILABLE;
    match observed.health.quota_limit() {
        Some(why) => conditions.set(type_, Status::False, reason::RATE_LIMITED, why),
        None if observed.known => {
            conditions.set(
                type_,
                Status::True,
                reason::WITHIN_QUOTA,
                "No quota holds requests back.",
            );
        }
        None => set_unknown(conditions, type_),
    }
}

fn set_unknown(conditions: &mut Conditions, type_: &str) {
    if conditions.get(type_).is_some() {
        conditions.restate(type_);
    } else {
        conditions.set(type_, Status::Unknown, reason::PROGRESSING, "Not known yet.");
    }
}

fn summary_of(observed: &AccountObservation<'_>) -> Summary {
    // While a deletion waits or a loop is broken, Ready says that, and hides whether the account was usable.
    let hides = [reason::IN_USE, reason::INTERNAL_ERROR];
    let hidden =
        find_condition(observed.previous, condition::READY).is_some_and(|c| hides.contains(&c.reason.as_str()));
    let proven = !observed.health.is_unproven();
    let was_ready = proven && (is_true(observed.previous, condition::READY) || (hidden && observed.known));
    match observed.health.fault_to_show() {
        Some(fault) if fault.kind.stalls() => Summary::Stalled {
            reason: fault.reason.clone(),
            message: stalled_message(observed.health, fault),
        },
        // A quota stops the checks, not what is known: with that, conversions go on.
        Some(fault) if fault.kind == FaultKind::Limited && observed.known && proven => {
            ready_summary(observed, Some(&fault.message))
        }
        Some(fault) => failing_summary(observed, fault, was_ready),
        None if observed.known => ready_summary(observed, None),
        None => Summary::Progressing {
            message: format!("Reading {}.", observed.what),
        },
    }
}

/// Why the account is stalled, and what keeps the checks from finding out whether that is over.
fn stalled_message(health: &AccountHealth, fault: &AccountFault) -> String {
    match health.check_obstacle() {
        Some(untold) => format!(
            "{} The last check failed and will be retried: {}",
            fault.message, untold.message
        ),
        None => fault.message.clone(),
    }
}

fn failing_summary(observed: &AccountObservation<'_>, fault: &AccountFault, was_ready: bool) -> Summary {
    let since = observed.health.failing_since().unwrap_or(observed.now);
    let for_long = later(since, observed.threshold) <= observed.now;
    if was_ready && !for_long {
        return ready_summary(observed, Some(&fault.message));
    }
    let said_before = find_condition(observed.previous, condition::READY).is_some_and(|c| c.reason == fault.reason);
    let reason = if for_long || said_before {
        fault.reason.clone()
    } else {
        reason::PROGRESSING.to_owned()
    };
    Summary::Failing {
        reason,
        message: fault.message.clone(),
    }
}

fn ready_summary(observed: &AccountObservation<'_>, failure: Option<&str>) -> Summary {
    let mut message = format!("{} is ready.", observed.what);
    if let Some(failure) = failure {
        message = format!("{message} The last check failed and will be retried: {failure}");
    }
    if let Some(remark) = observed.remark {
        message = format!("{message} {remark}");
    }
    Summary::Ready {
        reason: reason::SUCCEEDED.to_owned(),
        message,
    }
}

/// Adds the conditions only a Google account has. `enablement` is Google's setting of enhanced conversions.
pub fn add_google_conditions(conditions: &mut Conditions, terms_accepted: bool, enablement: Option<&str>) {
    if terms_accepted {
        let message = "The customer data terms are accepted.";
        conditions.set(
            condition::CUSTOMER_DATA_TERMS_ACCEPTED,
            Status::True,
            reason::TERMS_ACCEPTED,
            message,
        );
    } else {
        let message = "Google accepts no contact data for this account until its customer data terms are accepted. Accept \
                       them in Google Ads under Goals > Settings > Customer data terms. Conversions with a click id alone \
                       are not affected.";
        conditions.set(
            condition::CUSTOMER_DATA_TERMS_ACCEPTED,
            Status::False,
            reason::TERMS_NOT_ACCEPTED,
            message,
        );
    }
    if enablement == Some("ON") {
        let message = "Enhanced conversions are switched on.";
        conditions.set(
            condition::ENHANCED_CONVERSIONS_ENABLED,
            Status::True,
            reason::ENABLED,
            message,
        );
    } else {
        let message = "Enhanced conversions are not switched on. Nothing to do: the first upload switches them on. The \
                       setting is in Google Ads under Goals > Settings > Enhanced conversions.";
        conditions.set(
            condition::ENHANCED_CONVERSIONS_ENABLED,
            Status::False,
            reason::NOT_ENABLED,
            message,
        );
    }
}

#[cfg(test)]
#[path = "account_state_tests.rs"]
mod tests;
