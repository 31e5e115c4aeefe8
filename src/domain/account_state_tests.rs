//! Tables of what is said about accounts.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::test_support::{at, shown};
use crate::domain::transitions::announcements;

#[path = "account_stall_tests.rs"]
mod stalls;

fn fault(kind: FaultKind) -> AccountFault {
    let reason = match kind {
        FaultKind::Credentials => reason::TOKEN_REVOKED,
        FaultKind::Unreadable | FaultKind::Denied => reason::ACCESS_DENIED,
        FaultKind::Limited => reason::RATE_LIMITED,
        FaultKind::Unavailable => reason::UPSTREAM_UNAVAILABLE,
    };
    AccountFault::new(kind, reason, "What happened.")
}

fn failed(kind: FaultKind, since: i64) -> AccountHealth {
    let mut health = AccountHealth::default();
    health.check_failed(fault(kind), at(since));
    health
}

struct Case<'a> {
    previous: &'a [Condition],
    now: i64,
    suspended: bool,
    known: bool,
    health: AccountHealth,
}

const AT_START: Case<'static> = Case {
    previous: &[],
    now: 0,
    suspended: false,
    known: false,
    health: AccountHealth::NONE,
};

fn run(case: &Case<'_>) -> Vec<Condition> {
    whole(&AccountObservation {
        what: "HubSpot portal 62515",
        previous: case.previous,
        generation: Some(1),
        now: at(case.now),
        suspended: case.suspended,
        deleting: false,
        users: &[],
        known: case.known,
        health: &case.health,
        threshold: Duration::from_mins(15),
        remark: None,
    })
}

fn kept(observed: &AccountObservation<'_>) -> Vec<Condition> {
    conditions_for(observed).into_sorted()
}

fn ready_of(conditions: &[Condition]) -> &Condition {
    find_condition(conditions, condition::READY).unwrap()
}

fn said_of(condition: &Condition) -> (&str, &str) {
    (condition.status.as_str(), condition.reason.as_str())
}

fn whole(observed: &AccountObservation<'_>) -> Vec<Condition> {
    let mut conditions = conditions_for(observed);
    add_deletion(&mut conditions, observed);
    conditions.into_sorted()
}

fn was_ready() -> Vec<Condition> {
    run(&Case {
        known: true,
        now: -10,
        ..AT_START
    })
}

fn was_stalled() -> Vec<Condition> {
    run(&Case {
        health: failed(FaultKind::Credentials, -10),
        now: -10,
        ..AT_START
    })
}

#[rstest]
#[case::not_read_yet(
    &[], false, AccountHealth::NONE, 0,
    "Ready=False/Progressing Reconciling=True/Progressing CredentialsValid=Unknown/Progressing \
     QuotaAvailable=Unknown/Progressing"
)]
#[case::read(
    &[], true, AccountHealth::NONE, 0,
    "Ready=True/Succeeded CredentialsValid=True/TokenRefreshed QuotaAvailable=True/WithinQuota"
)]
#[case::token_refused(
    &was_ready(), true, failed(FaultKind::Credentials, 0), 0,
    "Ready=False/TokenRevoked Stalled=True/TokenRevoked CredentialsValid=False/TokenRevoked \
     QuotaAvailable=True/WithinQuota"
)]
#[case::secret_unreadable(
    &[], false, failed(FaultKind::Unreadable, 0), 0,
    "Ready=False/AccessDenied Stalled=True/AccessDenied CredentialsValid=Unknown/AccessDenied \
     QuotaAvailable=Unknown/Progressing"
)]
#[case::api_off(
    &was_ready(), true, failed(FaultKind::Denied, 0), 0,
    "Ready=False/AccessDenied Stalled=True/AccessDenied CredentialsValid=True/TokenRefreshed \
     QuotaAvailable=True/WithinQuota"
)]
#[case::api_off_from_the_first_call(
    &[], false, failed(FaultKind::Denied, 0), 0,
    "Ready=False/AccessDenied Stalled=True/AccessDenied CredentialsValid=True/TokenRefreshed \
     QuotaAvailable=Unknown/Progressing"
)]
#[case::blip(
    &was_ready(), true, failed(FaultKind::Unavailable, 0), 899,
    "Ready=True/Succeeded CredentialsValid=True/TokenRefreshed QuotaAvailable=True/WithinQuota"
)]
#[case::blip_after_a_restart(
    &was_ready(), false, failed(FaultKind::Unavailable, 0), 5,
    "Ready=True/Succeeded CredentialsValid=True/TokenRefreshed QuotaAvailable=True/WithinQuota"
)]
#[case::down_past_the_threshold(
    &was_ready(), true, failed(FaultKind::Unavailable, 0), 900,
    "Ready=False/UpstreamUnavailable Reconciling=True/ProgressingWithRetry CredentialsValid=True/TokenRefreshed \
     QuotaAvailable=True/WithinQuota"
)]
#[case::down_from_the_start(
    &[], false, failed(FaultKind::Unavailable, 0), 5,
    "Ready=False/Progressing Reconciling=True/ProgressingWithRetry CredentialsValid=Unknown/Progressing \
     QuotaAvailable=Unknown/Progressing"
)]
#[case::limited(
    &was_ready(), true, failed(FaultKind::Limited, 0), 86_400,
    "Ready=True/Succeeded CredentialsValid=True/TokenRefreshed QuotaAvailable=False/RateLimited"
)]
#[case::limited_before_anything_was_read(
    &[], false, failed(FaultKind::Limited, 0), 900,
    "Ready=False/RateLimited Reconciling=True/ProgressingWithRetry CredentialsValid=True/TokenRefreshed \
     QuotaAvailable=False/RateLimited"
)]
#[case::limited_after_a_restart(
    &was_ready(), false, failed(FaultKind::Limited, 0), 899,
    "Ready=True/Succeeded CredentialsValid=True/TokenRefreshed QuotaAvailable=False/RateLimited"
)]
#[case::limited_after_a_restart_past_the_threshold(
    &was_ready(), false, failed(FaultKind::Limited, 0), 900,
    "Ready=False/RateLimited Reconciling=True/ProgressingWithRetry CredentialsValid=True/TokenRefreshed \
     QuotaAvailable=False/RateLimited"
)]
#[case::healed(
    &was_stalled(), true, AccountHealth::NONE, 0,
    "Ready=True/Succeeded CredentialsValid=True/TokenRefreshed QuotaAvailable=True/WithinQuota"
)]
fn conditions(
    #[case] previous: &[Condition],
    #[case] known: bool,
    #[case] health: AccountHealth,
    #[case] now: i64,
    #[case] wanted: &str,
) {
    assert_eq!(
        shown(&run(&Case {
            previous,
            now,
            known,
            health,
            ..AT_START
        })),
        wanted
    );
}

#[test]
fn down_stays_down_across_a_restart() {
    let down = run(&Case {
        previous: &was_ready(),
        health: failed(FaultKind::Unavailable, -900),
        known: true,
        ..AT_START
    });
    let after = run(&Case {
        previous: &down,
        health: failed(FaultKind::Unavailable, 10),
        now: 10,
        ..AT_START
    });
    assert_eq!(after, down);
}

#[rstest]
#[case::ready(
    was_ready(),
    "Ready=True/Suspended CredentialsValid=True/TokenRefreshed QuotaAvailable=True/WithinQuota"
)]
#[case::stalled(
    was_stalled(),
    "Ready=False/Suspended Stalled=True/TokenRevoked CredentialsValid=False/TokenRevoked QuotaAvailable=Unknown/Progressing"
)]
#[case::new(Vec::new(), "Ready=True/Suspended")]
fn suspended_keeps_ready(#[case] previous: Vec<Condition>, #[case] wanted: &str) {
    let after = run(&Case {
        previous: &previous,
        suspended: true,
        ..AT_START
    });
    assert_eq!(shown(&after), wanted);
    assert!(after[0].message.contains("Suspended by spec.suspend"));
}

#[test]
fn a_deletion_in_use_names_five_users() {
    let users: Vec<_> = (1..=7).map(|n| format!("event-{n}")).collect();
    let health = AccountHealth::default();
    let mut observed = AccountObservation {
        what: "HubSpot portal 62515",
        previous: &[],
        generation: Some(1),
        now: at(0),
        suspended: false,
        deleting: true,
        users: &users,
        known: true,
        health: &health,
        threshold: Duration::from_mins(15),
        remark: None,
    };
    let blocked = whole(&observed);
    let condition = find_condition(&blocked, "DeletionBlocked").unwrap();
    assert_eq!(said_of(condition), ("True", "InUse"));
    let named = "event-1, event-2, event-3, event-4, event-5 and 2 more";
    assert!(condition.message.contains(named), "{condition:?}");
    // Who waits for the deletion sees it; the events that use the account go on.
    assert_eq!(said_of(ready_of(&blocked)), ("False", "InUse"));
    assert!(is_true(&kept(&observed), "Ready"));
    observed.previous = &blocked;
    let blip = failed(FaultKind::Unavailable, 0);
    observed.health = &blip;
    assert!(is_true(&kept(&observed), "Ready"), "a blip stops nothing");
    observed.users = &[];
    assert!(find_condition(&whole(&observed), "DeletionBlocked").is_none());
}

#[test]
fn terms_name_the_page() {
    let mut conditions = Conditions::new(&[], Some(1), at(0));
    add_google_conditions(&mut conditions, false, Some("OFF"));
    let terms = conditions.get("CustomerDataTermsAccepted").unwrap();
    assert_eq!(said_of(terms), ("False", "TermsNotAccepted"));
    assert!(terms.message.contains("Goals > Settings > Customer data terms"));
    assert_eq!(
        conditions.get("EnhancedConversionsEnabled").unwrap().reason,
        "NotEnabled"
    );
    add_google_conditions(&mut conditions, true, Some("ON"));
    assert_eq!(
        conditions.get("CustomerDataTermsAccepted").unwrap().reason,
        "TermsAccepted"
    );
    assert_eq!(conditions.get("EnhancedConversionsEnabled").unwrap().reason, "Enabled");
}

#[rstest]
#[case::first_ready(&[], &was_ready(), "N/Succeeded")]
#[case::nothing_new(&was_ready(), &was_ready(), "")]
#[case::token_refused(&was_ready(), &was_stalled(), "W/TokenRevoked")]
#[case::healed(&was_stalled(), &was_ready(), "N/CredentialsRecovered N/Succeeded")]
#[case::denied(
    &was_ready(), &run(&Case { previous: &was_ready(), known: true, health: failed(FaultKind::Denied, 0), ..AT_START }),
    "W/AccessDenied"
)]
#[case::limited(
    &was_ready(), &run(&Case { previous: &was_ready(), known: true, health: failed(FaultKind::Limited, 0), ..AT_START }),
    "W/RateLimited"
)]
#[case::down(
    &was_ready(),
    &run(&Case { previous: &was_ready(), health: failed(FaultKind::Unavailable, -900), ..AT_START }),
    "W/UpstreamUnavailable"
)]
#[case::suspended(
    &was_ready(), &run(&Case { previous: &was_ready(), suspended: true, ..AT_START }), "N/Suspended"
)]
#[case::resumed(
    &run(&Case { previous: &was_ready(), suspended: true, ..AT_START }), &was_ready(), "N/Resumed"
)]
fn announcements_on_transitions_only(#[case] before: &[Condition], #[case] after: &[Condition], #[case] wanted: &str) {
    let told: Vec<_> = announcements(before, after)
        .into_iter()
        .map(|n| format!("{}/{}", if n.warning { "W" } else { "N" }, n.reason))
        .collect();
    assert_eq!(told.join(" "), wanted);
}

fn kind() -> impl Strategy<Value = Option<FaultKind>> {
    prop::option::of(prop_oneof![
        Just(FaultKind::Credentials),
        Just(FaultKind::Unreadable),
        Just(FaultKind::Denied),
        Just(FaultKind::Limited),
        Just(FaultKind::Unavailable),
    ])
}

proptest! {
    /// Whatever happens to an account: the rules of kstatus hold, and a stalled account is never Ready.
    #[test]
    fn kstatus_rules_hold(
        steps in prop::collection::vec((kind(), kind(), any::<bool>(), 1_i64..2000), 1..25)
    ) {
        let probe = Duration::from_mins(10);
        let mut health = AccountHealth::default();
        let mut previous: Vec<Condition> = Vec::new();
        let (mut now, mut known) = (0, false);
        for (own, reported, suspended, elapsed) in steps {
            now += elapsed;
            if let Some(kind) = own {
                health.check_failed(fault(kind), at(now));
            } else {
                health.check_succeeded();
                known = true;
            }
            if let Some(kind) = reported {
                health.record_sync_failure(fault(kind), at(now), probe);
            }
            health.tick(at(now), probe, None);
            let after = run(&Case { previous: &previous, now, suspended, known, health: health.clone() });
            let stalled = is_true(&after, "Stalled");
            prop_assert!(find_condition(&after, "Ready").is_some());
            prop_assert!(!(is_true(&after, "Reconciling") && stalled));
            prop_assert!(!(is_true(&after, "Ready") && stalled));
            for c in &after {
                let kept = find_condition(&previous, &c.type_).filter(|before| before.status == c.status);
                prop_assert_eq!(c.last_transition_time.0, kept.map_or(at(now), |b| b.last_transition_time.0));
            }
            previous = after;
        }
    }
}

/// While a loop is broken Ready says so, once, whatever it said before; afterwards all is as it was.
#[test]
fn a_broken_loop_is_shown_and_hides_nothing_worse() {
    let none = AccountHealth::NONE;
    let observed = |previous, health, now| AccountObservation {
        what: "HubSpot portal 62515",
        previous,
        generation: Some(1),
        now: at(now),
        suspended: false,
        deleting: false,
        users: &[],
        known: true,
        health,
        threshold: Duration::from_mins(15),
        remark: None,
    };
    let told = |observed: &AccountObservation<'_>| {
        let mut conditions = conditions_for(observed);
        add_broken_loop(&mut conditions, "Sending has ended unexpectedly.");
        conditions.into_sorted()
    };
    let before = was_ready();
    let first = told(&observed(&before, &none, 10));
    assert_eq!(said_of(ready_of(&first)), ("False", "InternalError"));
    assert_eq!(ready_of(&first).message, "Sending has ended unexpectedly.");
    assert_eq!(announcements(&before, &first).len(), 1, "said once");
    let second = told(&observed(&first, &none, 20));
    assert_eq!(ready_of(&second).last_transition_time.0, at(10));
    assert!(announcements(&first, &second).is_empty());
    let health = failed(FaultKind::Credentials, 15);
    let worse = told(&observed(&second, &health, 30));
    assert_eq!(ready_of(&worse).reason, reason::TOKEN_REVOKED);
    let after = kept(&observed(&second, &none, 40));
    assert!(is_true(&after, condition::READY));
    assert!(find_condition(&after, condition::STALLED).is_none_or(|c| c.status == "False"));
}
