use std::collections::BTreeSet;

use super::*;
use crate::domain::codes::{Class, Code, Matter};
use crate::ports::test_support::at;
use crate::sync::test_support::{context, row, settings};

const HOUR: i64 = 3600;

fn wait(reason: &'static str) -> RowResult {
    RowResult::Wait(reason, "A_CODE".to_owned())
}

fn blocked() -> RowResult {
    RowResult::Blocked(Code::test("A_CODE", Class::Blocked(Matter::Account)))
}

fn rejected() -> RowResult {
    RowResult::Rejected("ClickTooOld".to_owned(), "CLICK_TOO_OLD".to_owned())
}

/// Outcome and reason, whether it counts as a failed try, and after how many seconds it is due.
type Expected = (Outcome, &'static str, bool, i64);

#[rstest::rstest]
#[case::taken(RowResult::Uploaded, 3, (Outcome::Uploaded, PROCESSED, false, 0))]
#[case::refused_for_good(rejected(), 3, (Outcome::Rejected, "ClickTooOld", false, 0))]
#[case::first_wait(wait(reason::UPSTREAM_UNAVAILABLE), 0, (Outcome::Pending, reason::UPSTREAM_UNAVAILABLE, true, 1))]
#[case::growing_wait(wait(reason::UPSTREAM_UNAVAILABLE), 3, (Outcome::Pending, reason::UPSTREAM_UNAVAILABLE, true, 8))]
#[case::longest_wait(wait(reason::UPSTREAM_UNAVAILABLE), 99, (Outcome::Pending, reason::UPSTREAM_UNAVAILABLE, true, 300))]
#[case::click_too_recent(wait(reason::CLICK_TOO_RECENT), 99, (Outcome::Pending, reason::CLICK_TOO_RECENT, true, 6 * HOUR))]
#[case::action_too_new(wait(reason::ACTION_TOO_NEW), 99, (Outcome::Pending, reason::ACTION_TOO_NEW, true, 7 * HOUR))]
#[case::a_matter_of_the_account(blocked(), 2, (Outcome::Pending, reason::ACCOUNT_NOT_READY, true, 4))]
#[case::not_known_goes_again_at_once(RowResult::Unknown(0), 0, (Outcome::Processing, reason::OUTCOME_UNKNOWN, true, 0))]
#[case::not_known_then_later(RowResult::Unknown(1), 1, (Outcome::Processing, reason::OUTCOME_UNKNOWN, true, 2))]
#[case::not_known_for_long(RowResult::Unknown(1), 99, (Outcome::Processing, reason::OUTCOME_UNKNOWN, true, HOUR))]
#[tokio::test]
async fn what_becomes_of_a_row(#[case] result: RowResult, #[case] attempts: u32, #[case] expected: Expected) {
    let (ctx, _) = context().await;
    let row = Row {
        attempts,
        isolation_group: 77,
        ..row(5)
    };
    let update = row_result_update(&ctx, RowRef::from(&row), &result, at(0));
    let (outcome, reason, failed_try, due) = expected;
    let detail = if outcome == Outcome::Rejected {
        "CLICK_TOO_OLD"
    } else {
        ""
    };
    let expected = RowUpdate {
        row: row.id,
        outcome,
        reason: reason.into(),
        detail: detail.to_owned(),
        due: at(due),
        failed_try,
        isolation_group: 77,
    };
    assert_eq!(update, expected);
    let open = OpenRow {
        row: row.id,
        destination: 3,
        attempts,
        isolation_group: 77,
    };
    assert_eq!(
        row_result_update(&ctx, RowRef::from(&open), &result, at(0)),
        update,
        "of an open request"
    );
}

#[tokio::test]
async fn a_named_wait_is_no_shorter_than_the_pause_after_so_many_tries() {
    let (mut ctx, _) = context().await;
    ctx.settings.waits.too_recent = SignedDuration::from_secs(10);
    ctx.settings.new_action_hold = SignedDuration::from_secs(20);
    let row = row(5);
    let due = |reason, attempts| {
        let row = Row {
            attempts,
            ..row.clone()
        };
        let update = row_result_update(&ctx, RowRef::from(&row), &wait(reason), at(0));
        update.due.duration_since(at(0)).as_secs()
    };
    assert_eq!([0, 99].map(|tries| due(reason::CLICK_TOO_RECENT, tries)), [10, 300]);
    assert_eq!([0, 99].map(|tries| due(reason::ACTION_TOO_NEW, tries)), [20, 300]);
    assert_eq!(settings().backoff_max.as_secs(), 300);
}

#[test]
fn rows_are_set_apart_by_numbers_that_no_others_have() {
    let mut numbers = BTreeSet::from([0]);
    for batch in 0..40 {
        for (destination, part) in (0..16).flat_map(|destination| (0..4).map(move |part| (destination, part))) {
            let number = isolation_group_of(BatchId(batch), destination, part);
            assert!(numbers.insert(number), "{batch} {destination} {part}: {number}");
        }
    }
}
