use super::*;
use crate::domain::ids::{ActionId, CustomerId};

const LONGEST: SignedDuration = SignedDuration::from_mins(5);
const QUICK: Duration = Duration::from_millis(300);

fn action(id: u64) -> ActionKey {
    let owner: CustomerId = "1234567890".parse().unwrap();
    owner.action_key(ActionId(id))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn fail(state: &mut RouteState, id: u64, took: Duration, known: bool) {
    let failure = RequestFailure {
        actions: &[action(id)],
        took,
        known_to_fail: known,
        retry_after: None,
    };
    state.record_failed(&failure, LONGEST, at(100));
}

fn answer(state: &mut RouteState, id: u64) {
    state.record_answered(&[action(id)], QUICK, at(100));
}

/// A route that has failed three times in a row, at the begin of a round.
fn troubled() -> RouteState {
    let mut state = RouteState::default();
    for pause in [1, 2, 4] {
        assert!(!state.is_troubled(at(100)));
        assert_eq!(state.hold(None, LONGEST, at(100)), at(100 + pause));
    }
    assert!(state.is_troubled(at(100)) && !state.is_troubled(at(100 + 600)));
    state.begin_round(at(104));
    state
}

/// What happens in a round: the failing action and whether that was known, or an answer.
enum Does {
    Fail,
    FailAsKnown,
    Answer,
}

#[rstest::rstest]
#[case::nothing(&[], Some(4), 8)]
#[case::all_fail(&[Does::Fail, Does::Fail], Some(8), 16)]
#[case::only_what_is_known_to(&[Does::FailAsKnown], Some(8), 8)]
#[case::one_is_answered_first(&[Does::Answer, Does::Fail, Does::FailAsKnown], None, 1)]
#[case::one_is_answered_last(&[Does::Fail, Does::Fail, Does::Answer], None, 1)]
fn a_round_with_an_answer_holds_nothing(#[case] round: &[Does], #[case] waits: Option<i64>, #[case] next_pause: i64) {
    let mut state = troubled();
    for does in round {
        match does {
            Does::Fail => fail(&mut state, 1, QUICK, false),
            Does::FailAsKnown => fail(&mut state, 1, QUICK, true),
            Does::Answer => answer(&mut state, 2),
        }
    }
    state.end_round(LONGEST, at(100));
    let due = |seconds: i64| state.is_deferred(at(100 + seconds - 1)) && !state.is_deferred(at(100 + seconds));
    match waits {
        Some(seconds) => assert!(due(seconds), "{:?}", state.until),
        None => assert!(!state.is_deferred(at(100))),
    }
    assert!(state.is_troubled(at(101)), "the next conversion may be as bad");
    assert_eq!(state.hold(None, LONGEST, at(200)), at(200 + next_pause));
}

#[test]
fn a_round_has_so_many_failures_and_so_much_time_for_them() {
    let mut state = troubled();
    for _ in 0..MOST_FAILING {
        assert!(!state.is_exhausted());
        fail(&mut state, 1, QUICK, false);
    }
    assert!(state.is_exhausted());
    state.begin_round(at(110));
    assert!(!state.is_exhausted());
    fail(&mut state, 1, FAILING_TIME, false);
    assert!(state.is_exhausted());
}

#[test]
fn what_will_hardly_be_answered_gets_the_time_that_is_left() {
    let mut state = troubled();
    assert_eq!(state.time_limit(at(100)), None, "nobody knows how long an answer takes");
    answer(&mut state, 2);
    assert_eq!(state.time_limit(at(100)), Some(FAILING_TIME));
    fail(&mut state, 1, Duration::from_secs(7), false);
    assert_eq!(state.time_limit(at(100)), Some(Duration::from_secs(3)));
    state.record_answered(&[action(2)], Duration::from_secs(20), at(100));
    assert_eq!(state.time_limit(at(100)), Some(Duration::from_secs(80)), "it is slow");
    assert_eq!(state.time_limit(at(100 + 601)), None, "an old answer");
}

#[test]
fn actions_are_told_apart_by_what_failed_last() {
    let mut state = troubled();
    fail(&mut state, 1, QUICK, false);
    fail(&mut state, 2, QUICK, false);
    fail(&mut state, 1, QUICK, false);
    assert!(state.last_failure(&action(1)) > state.last_failure(&action(2)));
    assert_eq!(state.last_failure(&action(3)), None);
    answer(&mut state, 1);
    assert_eq!(state.last_failure(&action(1)), None);
    state.begin_round(at(100 + 3600));
    assert_eq!(state.last_failure(&action(2)), None, "long ago");
}

#[test]
fn a_row_known_to_fail_is_trouble_enough() {
    let mut state = RouteState::default();
    fail(&mut state, 1, QUICK, false);
    assert!(!state.is_troubled(at(100)));
    fail(&mut state, 1, QUICK, true);
    assert!(state.is_troubled(at(100)));
}

#[test]
fn rows_that_fail_each_time_are_tried_one_by_one() {
    let mut state = troubled();
    assert!(state.may_try_failing_row(at(100)));
    fail(&mut state, 1, QUICK, false);
    assert!(state.may_try_failing_row(at(100)), "it was none");
    fail(&mut state, 1, QUICK, true);
    assert!(!state.may_try_failing_row(at(159)) && state.may_try_failing_row(at(160)));
    answer(&mut state, 1);
    assert!(!state.may_try_failing_row(at(159)), "another was answered");
}
