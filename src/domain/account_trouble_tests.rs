#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const TEN: Duration = Duration::from_mins(10);
const FIVE: Duration = Duration::from_mins(5);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "Reason", "Message")
}

#[test]
fn transient_failures_in_a_row_count_from_the_first() {
    let mut trouble = Trouble::default();
    trouble.failed(fault(FaultKind::Unavailable), at(0));
    trouble.failed(fault(FaultKind::Limited), at(1));
    trouble.failed(fault(FaultKind::Unavailable), at(3));
    assert_eq!(trouble.since(), Some(at(0)));
    assert_eq!(trouble.next_check(TEN, FIVE), Some(at(7)));
    trouble.failed(fault(FaultKind::Denied), at(9));
    assert_eq!(trouble.since(), Some(at(9)));
    assert_eq!(trouble.next_check(TEN, FIVE), Some(at(609)));
    trouble.succeeded();
    assert_eq!((trouble.since(), trouble.next_check(TEN, FIVE)), (None, None));
}

#[test]
fn nothing_is_asked_before_the_service_allows_it() {
    let mut trouble = Trouble::default();
    let limited = Fault {
        retry_after: Some(SignedDuration::from_secs(3600)),
        ..fault(FaultKind::Limited)
    };
    trouble.failed(limited, at(0));
    assert_eq!(trouble.next_check(TEN, FIVE), Some(at(3600)));
}

#[test]
fn a_reported_fault_is_tried_again_and_healed_by_a_success() {
    let mut trouble = Trouble::default();
    trouble.report(fault(FaultKind::Denied), at(0), TEN);
    trouble.turn(at(599), TEN, Some(at(-5)));
    assert!(!trouble.trying() && trouble.fault().is_some());
    assert_eq!(trouble.next_turn(TEN), Some(at(600)));
    trouble.turn(at(600), TEN, Some(at(-5)));
    assert!(trouble.trying(), "the uploader may try");
    assert!(trouble.fault().is_some(), "and the account is still shown as stalled");
    trouble.turn(at(610), TEN, Some(at(605)));
    assert_eq!(trouble, Trouble::default());
}

#[test]
fn a_reported_fault_that_comes_back_stays_without_a_gap() {
    let mut trouble = Trouble::default();
    for round in 0..5 {
        trouble.report(fault(FaultKind::Denied), at(round * 605), TEN);
        trouble.turn(at(round * 605 + 600), TEN, None);
        assert!(trouble.fault().is_some() && trouble.trying());
    }
}

#[test]
fn a_reported_fault_is_forgotten_when_nothing_was_sent() {
    let mut trouble = Trouble::default();
    trouble.report(fault(FaultKind::Denied), at(0), TEN);
    trouble.turn(at(600), TEN, None);
    trouble.turn(at(1199), TEN, None);
    assert!(trouble.fault().is_some());
    trouble.turn(at(1200), TEN, None);
    assert_eq!(trouble, Trouble::default());
}

#[test]
fn what_the_check_finds_needs_a_person_first() {
    let mut trouble = Trouble::default();
    trouble.report(Fault::new(FaultKind::Denied, "AccessDenied", ""), at(0), TEN);
    trouble.failed(fault(FaultKind::Unavailable), at(1));
    assert_eq!(trouble.fault().unwrap().reason, "AccessDenied");
    trouble.failed(Fault::new(FaultKind::Credentials, "TokenRevoked", ""), at(2));
    assert_eq!(trouble.fault().unwrap().reason, "TokenRevoked");
    trouble.turn(at(700), TEN, None);
    assert!(!trouble.trying(), "nothing is tried with a dead token");
    trouble.acted();
    trouble.succeeded();
    assert_eq!(trouble, Trouble::default());
}

#[test]
fn a_reported_limit_ends_by_itself() {
    let mut trouble = Trouble::default();
    trouble.report(fault(FaultKind::Limited), at(0), TEN);
    assert_eq!((trouble.limit(), trouble.fault()), (Some("Message"), None));
    trouble.turn(at(600), TEN, None);
    assert_eq!(trouble.limit(), None);
}

const STALLS: [FaultKind; 3] = [FaultKind::Credentials, FaultKind::Unreadable, FaultKind::Denied];
const PASSING: [FaultKind; 2] = [FaultKind::Limited, FaultKind::Unavailable];

/// Each stall, and each fault that the next check meets.
#[test]
fn a_stall_ends_with_a_proof_only() {
    for stall in STALLS {
        let mut stalled = Trouble::default();
        stalled.failed(Fault::new(stall, "Stall", "Broken."), at(0));
        for next in PASSING {
            let mut trouble = stalled.clone();
            let asked = Fault {
                retry_after: Some(SignedDuration::from_hours(1)),
                ..Fault::new(next, "Next", "Wait.")
            };
            trouble.failed(asked, at(600));
            assert_eq!(trouble.fault(), stalled.fault(), "{stall:?} {next:?}");
            assert_eq!(trouble.since(), Some(at(0)));
            assert_eq!(trouble.untold().unwrap().kind, next);
            assert_eq!(trouble.limit(), (next == FaultKind::Limited).then_some("Wait."));
            assert_eq!(
                trouble.next_check(TEN, FIVE),
                Some(at(4200)),
                "the service asked to wait"
            );
            trouble.failed(Fault::new(stall, "Again", "Broken."), at(4200));
            assert_eq!(
                (trouble.fault().unwrap().reason.as_str(), trouble.untold()),
                ("Again", None)
            );
            trouble.failed(Fault::new(next, "Next", "Wait."), at(4800));
            trouble.succeeded();
            assert_eq!(trouble, Trouble::default());
        }
        for next in STALLS {
            let mut trouble = stalled.clone();
            trouble.failed(Fault::new(next, "Next", "Other."), at(600));
            assert_eq!(trouble.fault().unwrap().reason, "Next", "another proven fault");
        }
    }
}

#[test]
fn who_acted_on_a_stall_waits_for_a_proof() {
    for next in PASSING {
        let mut trouble = Trouble::default();
        trouble.replaced(at(0));
        assert_eq!(trouble, Trouble::default(), "nothing was wrong");
        trouble.failed(fault(FaultKind::Denied), at(0));
        trouble.replaced(at(60));
        assert!(trouble.unproven() && !trouble.fault().unwrap().kind.stalls());
        for minute in 1..5 {
            trouble.failed(fault(next), at(60 * minute));
            assert!(trouble.unproven(), "{next:?}");
            assert_eq!((trouble.fault().unwrap().kind, trouble.since()), (next, Some(at(60))));
        }
        let mut denied = trouble.clone();
        denied.failed(fault(FaultKind::Denied), at(600));
        assert!(!denied.unproven() && denied.fault().unwrap().kind.stalls());
        trouble.succeeded();
        assert!(!trouble.unproven());
    }
}

#[rstest]
#[case::limit(FaultKind::Limited)]
#[case::outage(FaultKind::Unavailable)]
fn a_trial_that_could_not_try_is_repeated(#[case] kind: FaultKind) {
    let mut trouble = Trouble::default();
    trouble.report(fault(FaultKind::Denied), at(0), TEN);
    trouble.turn(at(600), TEN, None);
    trouble.report(fault(kind), at(700), TEN);
    trouble.turn(at(1200), TEN, None);
    assert!(trouble.fault().is_some() && trouble.trying(), "nothing was found out");
    trouble.turn(at(1799), TEN, None);
    assert!(trouble.fault().is_some());
    let mut healed = trouble.clone();
    healed.turn(at(1799), TEN, Some(at(1700)));
    assert_eq!(healed.fault(), None);
    trouble.turn(at(1800), TEN, None);
    assert_eq!(trouble.fault(), None, "quiet");
}

fn kind() -> impl Strategy<Value = FaultKind> {
    prop::sample::select([STALLS.as_slice(), &PASSING].concat())
}

proptest! {
    /// Whatever a check meets, in any order: a stall is over only after a success, and then the last stall met is shown.
    #[test]
    fn a_stall_stays_through_limits_and_outages(steps in prop::collection::vec(prop::option::of(kind()), 1..30)) {
        let (mut trouble, mut stalled) = (Trouble::default(), None);
        for (now, step) in (0_i64..).zip(steps) {
            if let Some(kind) = step {
                if kind.stalls() {
                    stalled = Some(now);
                }
                trouble.failed(Fault::new(kind, &now.to_string(), ""), at(now));
            } else {
                stalled = None;
                trouble.succeeded();
            }
            let shown = trouble.fault().filter(|fault| fault.kind.stalls()).map(|fault| fault.reason.clone());
            prop_assert_eq!(shown, stalled.map(|at| at.to_string()));
        }
    }
}
