#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::test_support::at;

const TEN: Duration = Duration::from_mins(10);
const FIVE: Duration = Duration::from_mins(5);

fn fault(kind: FaultKind) -> AccountFault {
    AccountFault::new(kind, "Reason", "Message")
}

#[test]
fn transient_failures_in_a_row_count_from_the_first() {
    let mut health = AccountHealth::default();
    health.check_failed(fault(FaultKind::Unavailable), at(0));
    health.check_failed(fault(FaultKind::Limited), at(1));
    health.check_failed(fault(FaultKind::Unavailable), at(3));
    assert_eq!(health.failing_since(), Some(at(0)));
    assert_eq!(health.next_check(TEN, FIVE), Some(at(7)));
    health.check_failed(fault(FaultKind::Denied), at(9));
    assert_eq!(health.failing_since(), Some(at(9)));
    assert_eq!(health.next_check(TEN, FIVE), Some(at(14)));
    health.check_succeeded();
    assert_eq!((health.failing_since(), health.next_check(TEN, FIVE)), (None, None));
}

#[test]
fn nothing_is_asked_before_the_service_allows_it() {
    let mut health = AccountHealth::default();
    let limited = AccountFault {
        retry_after: Some(SignedDuration::from_secs(3600)),
        ..fault(FaultKind::Limited)
    };
    health.check_failed(limited, at(0));
    assert_eq!(health.next_check(TEN, FIVE), Some(at(3600)));
}

#[test]
fn a_reported_fault_is_tried_again_and_healed_by_a_success() {
    let mut health = AccountHealth::default();
    health.record_sync_failure(fault(FaultKind::Denied), at(0), TEN);
    health.tick(at(4), TEN, Some(at(-5)));
    assert!(!health.is_retrying() && health.fault_to_show().is_some());
    assert_eq!(health.next_tick(TEN), Some(at(5)));
    health.tick(at(5), TEN, Some(at(-5)));
    assert_eq!(health.next_tick(TEN), Some(at(605)), "or nothing was sent");
    assert!(health.is_retrying(), "the uploader may try");
    assert!(
        health.fault_to_show().is_some(),
        "and the account is still shown as stalled"
    );
    health.tick(at(10), TEN, Some(at(5)));
    assert!(health.fault_to_show().is_some(), "the success was before the trial");
    health.tick(at(15), TEN, Some(at(10)));
    assert_eq!(health, AccountHealth::default());
}

#[test]
fn a_reported_fault_that_comes_back_stays_without_a_gap() {
    let mut health = AccountHealth::default();
    for round in 0..5 {
        health.record_sync_failure(fault(FaultKind::Denied), at(round * 605), TEN);
        health.tick(at(round * 605 + 600), TEN, None);
        assert!(health.fault_to_show().is_some() && health.is_retrying());
    }
}

#[test]
fn what_the_check_finds_is_looked_at_soon_and_then_seldom() {
    let waits = |other: FaultKind| {
        let mut health = AccountHealth::default();
        health.check_failed(fault(FaultKind::Credentials), at(0));
        let mut waits = Vec::new();
        let mut now = at(0);
        for _ in 0..9 {
            let next = health.next_check(TEN, FIVE).unwrap();
            waits.push(next.duration_since(now).as_secs());
            now = next;
            health.check_failed(fault(other), now);
        }
        waits
    };
    let grow = [5, 10, 20, 40, 80, 160, 320, 600, 600];
    for kind in [STALLS.as_slice(), &PASSING].concat() {
        assert_eq!(waits(kind), grow, "{kind:?}");
    }
    let mut health = AccountHealth::default();
    health.check_failed(fault(FaultKind::Denied), at(0));
    // Somebody acts, and the next check decides: what was refused so far says nothing of what is new.
    health.check_failed(fault(FaultKind::Denied), at(600));
    health.account_replaced(at(700));
    health.check_failed(fault(FaultKind::Denied), at(701));
    assert_eq!(health.next_check(TEN, FIVE), Some(at(706)));
    let probe = Duration::from_secs(3);
    assert_eq!(
        health.next_check(probe, FIVE),
        Some(at(704)),
        "at the latest once per interval"
    );
}

#[test]
fn what_loops_met_is_tried_soon_and_then_seldom() {
    let mut health = AccountHealth::default();
    let (mut now, mut waits) = (at(0), Vec::new());
    for _ in 0..9 {
        health.record_sync_failure(fault(FaultKind::Denied), now, TEN);
        // Another one that was under way meanwhile.
        health.record_sync_failure(fault(FaultKind::Denied), now, TEN);
        let next = health.next_tick(TEN).unwrap();
        health.tick(next, TEN, None);
        assert!(health.is_retrying() && health.fault_to_show().is_some());
        waits.push(next.duration_since(now).as_secs());
        now = next;
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
}

#[test]
fn a_reported_fault_is_forgotten_when_nothing_was_sent() {
    let mut health = AccountHealth::default();
    health.record_sync_failure(fault(FaultKind::Denied), at(0), TEN);
    health.tick(at(5), TEN, None);
    health.tick(at(604), TEN, None);
    assert!(health.fault_to_show().is_some());
    health.tick(at(605), TEN, None);
    assert_eq!(health, AccountHealth::default());
}

#[test]
fn what_the_check_finds_needs_a_person_first() {
    let mut health = AccountHealth::default();
    health.record_sync_failure(AccountFault::new(FaultKind::Denied, "AccessDenied", ""), at(0), TEN);
    health.check_failed(fault(FaultKind::Unavailable), at(1));
    assert_eq!(health.fault_to_show().unwrap().reason, "AccessDenied");
    health.check_failed(AccountFault::new(FaultKind::Credentials, "TokenRevoked", ""), at(2));
    assert_eq!(health.fault_to_show().unwrap().reason, "TokenRevoked");
    health.tick(at(700), TEN, None);
    assert!(!health.is_retrying(), "nothing is tried with a dead token");
    health.user_changed();
    health.check_succeeded();
    assert_eq!(health, AccountHealth::default());
}

#[test]
fn a_reported_limit_ends_by_itself() {
    let mut health = AccountHealth::default();
    health.record_sync_failure(fault(FaultKind::Limited), at(0), TEN);
    assert_eq!((health.quota_limit(), health.fault_to_show()), (Some("Message"), None));
    health.tick(at(600), TEN, None);
    assert_eq!(health.quota_limit(), None);
}

const STALLS: [FaultKind; 3] = [FaultKind::Credentials, FaultKind::Unreadable, FaultKind::Denied];
const PASSING: [FaultKind; 2] = [FaultKind::Limited, FaultKind::Unavailable];

/// Each stall, and each fault that the next check meets.
#[test]
fn a_stall_ends_with_a_proof_only() {
    for stall in STALLS {
        let mut stalled = AccountHealth::default();
        stalled.check_failed(AccountFault::new(stall, "Stall", "Broken."), at(0));
        for next in PASSING {
            let mut health = stalled.clone();
            let asked = AccountFault {
                retry_after: Some(SignedDuration::from_hours(1)),
                ..AccountFault::new(next, "Next", "Wait.")
            };
            health.check_failed(asked, at(600));
            assert_eq!(health.fault_to_show(), stalled.fault_to_show(), "{stall:?} {next:?}");
            assert_eq!(health.failing_since(), Some(at(0)));
            assert_eq!(health.check_obstacle().unwrap().kind, next);
            assert_eq!(health.quota_limit(), (next == FaultKind::Limited).then_some("Wait."));
            assert_eq!(
                health.next_check(TEN, FIVE),
                Some(at(4200)),
                "the service asked to wait"
            );
            health.check_failed(AccountFault::new(stall, "Again", "Broken."), at(4200));
            assert_eq!(
                (health.fault_to_show().unwrap().reason.as_str(), health.check_obstacle()),
                ("Again", None)
            );
            health.check_failed(AccountFault::new(next, "Next", "Wait."), at(4800));
            health.check_succeeded();
            assert_eq!(health, AccountHealth::default());
        }
        for next in STALLS {
            let mut health = stalled.clone();
            health.check_failed(AccountFault::new(next, "Next", "Other."), at(600));
            assert_eq!(health.fault_to_show().unwrap().reason, "Next", "another proven fault");
        }
    }
}

#[test]
fn who_acted_on_a_stall_waits_for_a_proof() {
    for next in PASSING {
        let mut health = AccountHealth::default();
        health.account_replaced(at(0));
        assert_eq!(health, AccountHealth::default(), "nothing was wrong");
        health.check_failed(fault(FaultKind::Denied), at(0));
        health.account_replaced(at(60));
        assert!(health.is_unproven() && !health.fault_to_show().unwrap().kind.stalls());
        for minute in 1..5 {
            health.check_failed(fault(next), at(60 * minute));
            assert!(health.is_unproven(), "{next:?}");
            assert_eq!(
                (health.fault_to_show().unwrap().kind, health.failing_since()),
                (next, Some(at(60)))
            );
        }
        let mut denied = health.clone();
        denied.check_failed(fault(FaultKind::Denied), at(600));
        assert!(!denied.is_unproven() && denied.fault_to_show().unwrap().kind.stalls());
        health.check_succeeded();
        assert!(!health.is_unproven());
    }
}

#[rstest]
#[case::limit(FaultKind::Limited)]
#[case::outage(FaultKind::Unavailable)]
fn a_trial_that_could_not_try_is_repeated(#[case] kind: FaultKind) {
    let mut health = AccountHealth::default();
    health.record_sync_failure(fault(FaultKind::Denied), at(0), TEN);
    health.tick(at(600), TEN, None);
    health.record_sync_failure(fault(kind), at(700), TEN);
    health.tick(at(1200), TEN, None);
    assert!(
        health.fault_to_show().is_some() && health.is_retrying(),
        "nothing was found out"
    );
    health.tick(at(1799), TEN, None);
    assert!(health.fault_to_show().is_some());
    let mut healed = health.clone();
    healed.tick(at(1799), TEN, Some(at(1700)));
    assert_eq!(healed.fault_to_show(), None);
    health.tick(at(1800), TEN, None);
    assert_eq!(health.fault_to_show(), None, "quiet");
}

#[test]
fn a_limit_from_before_a_trial_that_lasts_through_it_proves_nothing() {
    let mut health = AccountHealth::default();
    health.record_sync_failure(fault(FaultKind::Denied), at(0), TEN);
    let limited = AccountFault {
        retry_after: Some(SignedDuration::from_secs(700)),
        ..fault(FaultKind::Limited)
    };
    health.record_sync_failure(limited, at(590), TEN);
    health.tick(at(600), TEN, None);
    health.tick(at(1200), TEN, None);
    assert!(health.fault_to_show().is_some() && health.is_retrying());
    health.tick(at(1800), TEN, None);
    assert_eq!(health.fault_to_show(), None, "quiet");
}

#[test]
fn who_acts_takes_back_nothing_that_a_check_has_found() {
    for kind in [STALLS.as_slice(), &PASSING].concat() {
        let mut health = AccountHealth::default();
        health.check_failed(fault(kind), at(0));
        let before = health.clone();
        health.user_changed();
        assert_eq!(health, before, "{kind:?}");
        health.account_replaced(at(60));
        assert_eq!(
            health == before,
            !kind.stalls(),
            "{kind:?}: an outage is none of the manifest's"
        );
    }
}

fn kind() -> impl Strategy<Value = FaultKind> {
    prop::sample::select([STALLS.as_slice(), &PASSING].concat())
}

proptest! {
    /// Whatever a check meets, in any order: a stall is over only
    /// after a success, and then the last stall met is shown.
    #[test]
    fn a_stall_stays_through_limits_and_outages(steps in prop::collection::vec(prop::option::of(kind()), 1..30)) {
        let (mut health, mut stalled) = (AccountHealth::default(), None);
        for (now, step) in (0_i64..).zip(steps) {
            if let Some(kind) = step {
                if kind.stalls() {
                    stalled = Some(now);
                }
                health.check_failed(AccountFault::new(kind, &now.to_string(), ""), at(now));
            } else {
                stalled = None;
                health.check_succeeded();
            }
            let shown = health.fault_to_show().filter(|fault| fault.kind.stalls()).map(|fault| fault.reason.clone());
            prop_assert_eq!(shown, stalled.map(|at| at.to_string()));
        }
    }
}

#[test]
fn a_clock_that_was_ahead_lengthens_no_wait() {
    let now = Timestamp::from_second(1_790_000_000).unwrap();
    let ahead = now + SignedDuration::from_hours(72);
    let (probe, longest) = (Duration::from_mins(10), Duration::from_mins(5));
    let mut health = AccountHealth::default();
    let fault = |kind| AccountFault::new(kind, "AccessDenied", "no");
    health.check_failed(fault(FaultKind::Denied), ahead);
    health.record_sync_failure(fault(FaultKind::Denied), ahead, probe);
    health.tick(now, probe, None);
    assert_eq!(health.next_check(probe, longest), Some(now + FIRST_LOOK));
    assert_eq!(health.next_tick(probe), Some(now + FIRST_LOOK));
}
