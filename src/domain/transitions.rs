//! From one set of conditions to the next: what is worth a Kubernetes Event. One rule for all kinds: the reason of the
//! Event is the reason of the condition that changed, and each change of a reason is one Event.

use super::conditions::find_condition;
use crate::api::Condition;
use crate::api::reasons::{condition, event, reason};

/// Something that is reported once, by a Kubernetes Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// True if a person should look.
    pub warning: bool,
    /// CamelCase.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// Conditions that Kubernetes Events are about, and the status that is bad news. Details come before what sums them up:
/// of two that say the same, the first is published.
pub const WATCHED: [(&str, &str); 11] = [
    (condition::DELETION_BLOCKED, "True"),
    (condition::STALLED, "True"),
    (condition::CREDENTIALS_VALID, "False"),
    (condition::QUOTA_AVAILABLE, "False"),
    (condition::CUSTOMER_DATA_TERMS_ACCEPTED, "False"),
    (condition::ACCOUNTS_READY, "False"),
    (condition::CONVERSION_ACTION_READY, "False"),
    (condition::SYNCED, "False"),
    (condition::DELIVERING, "False"),
    (condition::COUNTED_FOR_BIDDING, "False"),
    (condition::READY, "False"),
];

/// Reasons under which a condition is False and that need no attention.
const NO_ALARM: [&str; 3] = [reason::PROGRESSING, reason::SUSPENDED, reason::SECONDARY_ACTION];

/// What to publish about the change from one set of conditions to the next. Nothing if no reason changed.
pub fn announcements(before: &[Condition], after: &[Condition]) -> Vec<Announcement> {
    let mut all: Vec<Announcement> = suspension_change(before, after).into_iter().collect();
    for (type_, bad) in WATCHED {
        let Some(announcement) = condition_change(type_, bad, before, after) else {
            continue;
        };
        let said = |a: &Announcement| {
            a.warning == announcement.warning && (a.reason == announcement.reason || a.message == announcement.message)
        };
        if !all.iter().any(said) {
            all.push(announcement);
        }
    }
    all
}

fn condition_change(type_: &str, bad: &str, before: &[Condition], after: &[Condition]) -> Option<Announcement> {
    let (was, now) = (find_condition(before, type_), find_condition(after, type_)?);
    let always = type_ == condition::DELETION_BLOCKED;
    let alarm = |c: &Condition| c.status == bad && (always || !NO_ALARM.contains(&c.reason.as_str()));
    if alarm(now) {
        // Stalled reports what stalls, even if Ready has said something else in between.
        let summed_up = type_ == condition::READY && find_condition(after, condition::STALLED).is_some();
        let same = was.is_some_and(|was| was.status == now.status && was.reason == now.reason);
        return (!same && !summed_up).then(|| new_announcement(true, &now.reason, &now.message));
    }
    let good = if bad == "True" { "False" } else { "True" };
    if now.status != good || now.reason == reason::SUSPENDED || was.is_some_and(|was| was.status == good) {
        return None;
    }
    // That all is well from the start is said once, by the conditions that sum it up.
    let first = [condition::READY, condition::SYNCED].contains(&type_);
    let name = match type_ {
        condition::CREDENTIALS_VALID => event::CREDENTIALS_RECOVERED,
        condition::SYNCED => event::SYNC_COMPLETED,
        _ => now.reason.as_str(),
    };
    (first || was.is_some_and(alarm)).then(|| new_announcement(false, name, &now.message))
}

fn suspension_change(before: &[Condition], after: &[Condition]) -> Option<Announcement> {
    // A deletion that a suspended account holds up has an Event of its own.
    let suspended = |list| {
        find_condition(list, condition::READY).is_some_and(|c| c.reason == reason::SUSPENDED)
            && find_condition(list, condition::DELETION_BLOCKED).is_none()
    };
    let ready = find_condition(after, condition::READY);
    let message = ready.map_or("", |c| c.message.as_str());
    match (suspended(before), suspended(after)) {
        (false, true) => Some(new_announcement(false, event::SUSPENDED, message)),
        (true, false) if ready.is_none_or(|c| c.reason != reason::SUSPENDED) => {
            let message = format!("No longer suspended. {message}");
            Some(new_announcement(false, event::RESUMED, &message))
        }
        _ => None,
    }
}

fn new_announcement(warning: bool, reason: &str, message: &str) -> Announcement {
    Announcement {
        warning,
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::*;
    use crate::api::Time;

    /// `Ready=False/Progressing Synced=True/RunSucceeded`; the message of a condition is its type.
    fn conditions(text: &str) -> Vec<Condition> {
        let one = |part: &str| {
            let (type_, rest) = part.split_once('=').unwrap();
            let (status, reason) = rest.split_once('/').unwrap();
            Condition {
                type_: type_.into(),
                status: status.into(),
                reason: reason.into(),
                message: type_.into(),
                observed_generation: None,
                last_transition_time: Time(Timestamp::UNIX_EPOCH),
            }
        };
        text.split_whitespace().map(one).collect()
    }

    fn published(before: &str, after: &str) -> String {
        let all = announcements(&conditions(before), &conditions(after));
        let parts: Vec<_> = all
            .iter()
            .map(|a| format!("{}/{}", if a.warning { "W" } else { "N" }, a.reason))
            .collect();
        parts.join(" ")
    }

    #[rstest]
    #[case::nothing_new("Ready=True/Succeeded", "Ready=True/Succeeded", "")]
    #[case::first_look("", "Ready=False/Progressing Synced=Unknown/Progressing", "")]
    #[case::all_well(
        "Ready=False/Progressing Synced=Unknown/Progressing",
        "Ready=True/Succeeded AccountsReady=True/AccountsReady Synced=True/RunSucceeded",
        "N/SyncCompleted N/Succeeded"
    )]
    #[case::unknown_stage(
        "Ready=False/Progressing",
        "Ready=False/StageNotFound Stalled=True/StageNotFound Synced=False/StageNotFound",
        "W/StageNotFound"
    )]
    #[case::another_stall(
        "Ready=False/StageNotFound Stalled=True/StageNotFound",
        "Ready=False/TermsNotAccepted Stalled=True/TermsNotAccepted",
        "W/TermsNotAccepted"
    )]
    #[case::stall_seen_again_after_a_pause(
        "Ready=False/Suspended Stalled=True/FormNotFound",
        "Ready=False/FormNotFound Stalled=True/FormNotFound",
        "N/Resumed"
    )]
    #[case::hubspot_down(
        "Ready=True/Succeeded Synced=True/RunSucceeded",
        "Ready=True/Succeeded Synced=False/SourceUnavailable",
        "W/SourceUnavailable"
    )]
    #[case::then_google_down(
        "Synced=False/SourceUnavailable",
        "Synced=False/UpstreamUnavailable",
        "W/UpstreamUnavailable"
    )]
    #[case::for_long(
        "Ready=True/Succeeded Synced=False/SourceUnavailable",
        "Ready=False/SyncFailing Synced=False/SourceUnavailable",
        "W/SyncFailing"
    )]
    #[case::back(
        "Ready=False/SyncFailing Synced=False/SourceUnavailable",
        "Ready=True/Succeeded Synced=True/RunSucceeded",
        "N/SyncCompleted N/Succeeded"
    )]
    #[case::no_secret(
        "",
        "Ready=False/SecretNotFound Stalled=True/SecretNotFound CredentialsValid=False/SecretNotFound",
        "W/SecretNotFound"
    )]
    #[case::then_a_wrong_secret(
        "Ready=False/SecretNotFound Stalled=True/SecretNotFound CredentialsValid=False/SecretNotFound",
        "Ready=False/SecretInvalid Stalled=True/SecretInvalid CredentialsValid=False/SecretInvalid",
        "W/SecretInvalid"
    )]
    #[case::then_a_right_one(
        "Ready=False/SecretInvalid Stalled=True/SecretInvalid CredentialsValid=False/SecretInvalid",
        "Ready=True/Succeeded CredentialsValid=True/TokenRefreshed",
        "N/CredentialsRecovered N/Succeeded"
    )]
    #[case::an_account_went(
        "Ready=True/Succeeded AccountsReady=True/AccountsReady",
        "Ready=False/AccountNotFound AccountsReady=False/AccountNotFound",
        "W/AccountNotFound"
    )]
    #[case::suspended(
        "Ready=True/Succeeded AccountsReady=True/AccountsReady",
        "Ready=True/Suspended AccountsReady=False/Suspended",
        "N/Suspended"
    )]
    #[case::resumed("Ready=True/Suspended", "Ready=True/Succeeded", "N/Resumed")]
    #[case::born_suspended("", "Ready=True/Suspended", "N/Suspended")]
    #[case::declared_secondary("", "CountedForBidding=False/SecondaryAction", "")]
    #[case::goal_off(
        "CountedForBidding=True/GoalBiddable",
        "CountedForBidding=False/GoalNotBiddable",
        "W/GoalNotBiddable"
    )]
    #[case::google_refuses(
        "Ready=True/Succeeded Delivering=True/Delivering",
        "Ready=True/Succeeded Delivering=False/Refused",
        "W/Refused"
    )]
    #[case::then_rejects("Delivering=False/Refused", "Delivering=False/MostRejected", "W/MostRejected")]
    #[case::delivers_again("Delivering=False/MostRejected", "Delivering=True/Delivering", "N/Delivering")]
    #[case::delivers_from_the_start("", "Delivering=True/Delivering", "")]
    #[case::deletion_tried("Ready=True/Succeeded", "Ready=False/UpstreamUnreachable", "W/UpstreamUnreachable")]
    #[case::deletion_blocked(
        "Ready=False/UpstreamUnreachable",
        "Ready=False/UpstreamUnreachable DeletionBlocked=True/UpstreamUnreachable",
        "W/UpstreamUnreachable"
    )]
    #[case::deletion_held_up_by_a_suspended_account(
        "Ready=True/Succeeded",
        "Ready=False/Suspended DeletionBlocked=True/Suspended",
        "W/Suspended"
    )]
    #[case::deletion_of_one_that_was_suspended_before(
        "Ready=True/Suspended",
        "Ready=False/Suspended DeletionBlocked=True/Suspended",
        "W/Suspended"
    )]
    fn each_change_of_a_reason_is_one_event(#[case] before: &str, #[case] after: &str, #[case] wanted: &str) {
        assert_eq!(published(before, after), wanted);
    }

    #[test]
    fn one_cause_with_two_reasons_is_reported_once() {
        let mut after = conditions("Ready=False/ProvisioningFailed ConversionActionReady=False/CreateFailed");
        for c in &mut after {
            c.message = "Google Ads: INTERNAL".into();
        }
        let reasons: Vec<_> = announcements(&[], &after).into_iter().map(|a| a.reason).collect();
        assert_eq!(reasons, ["CreateFailed"]);
    }
}
