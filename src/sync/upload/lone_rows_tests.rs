use std::collections::BTreeSet;

use super::*;
use crate::domain::codes::{Class, Code};
use crate::domain::ids::{ActionId, CustomerId};
use crate::ports::Cause;
use crate::ports::sink::RouteInfo;
use crate::sync::upload::round_queue::{QueuedRequest, RoundQueue, Suspect};

fn way(action: u64) -> ActionRoute {
    let owner: CustomerId = "1234567890".parse().unwrap();
    ("a route", owner.action_key(ActionId(action)))
}

fn refusal() -> UpstreamError {
    UpstreamError::new("Data Manager", Cause::Refused, "no")
}

#[test]
fn a_row_is_singled_out_by_what_is_accepted_of_its_action_between_two_refusals() {
    let mut rows = LoneRows::default();
    rows.record_accepted(way(1));
    assert!(!rows.is_singled_out(&way(1), None), "refused for the first time");
    let refused = Some(rows.record_refused());
    assert!(!rows.is_singled_out(&way(1), refused), "accepted before both");
    rows.record_accepted(way(2));
    assert!(!rows.is_singled_out(&way(1), refused), "another action");
    rows.record_accepted(way(1));
    assert!(rows.is_singled_out(&way(1), refused));
    rows.begin_round();
    assert!(!rows.is_singled_out(&way(1), refused), "an earlier round");
}

#[test]
fn a_way_that_takes_nothing_is_closed_for_a_round() {
    let mut rows = LoneRows::default();
    for row in 0..10 {
        assert_eq!(rows.why_closed(&way(1)).is_some(), row >= MOST_FRUITLESS);
        rows.record_fruitless(way(1), &refusal());
    }
    assert!(rows.why_closed(&way(2)).is_none());
    rows.begin_round();
    assert!(rows.why_closed(&way(1)).is_none());
    for _ in 0..10 {
        rows.record_fruitless(way(1), &refusal());
        rows.record_accepted(way(1));
    }
    assert!(rows.why_closed(&way(1)).is_none());
}

#[test]
fn an_alarm_is_raised_once_nothing_gets_through() {
    let mut rows = LoneRows::default();
    let mut round = |accepted: bool, fruitless: u32| {
        rows.begin_round();
        if accepted {
            rows.record_accepted(way(1));
        }
        for _ in 0..fruitless {
            rows.record_fruitless(way(1), &refusal());
        }
        rows.end_round(way(1))
    };
    assert!(round(false, MOST_FRUITLESS));
    assert!(!round(true, 1));
    // One row, and no other to compare.
    assert_eq!([(); 4].map(|()| round(false, 1)), [false, false, true, true]);
    assert!(!round(true, 1));
    assert!(!round(false, 1));
}

#[test]
fn either_half_goes_first_now_and_then() {
    let mut rows = LoneRows::default();
    let mut right = 0;
    for _ in 0..100 {
        rows.record_refused();
        right += u32::from(rows.is_right_first());
    }
    assert!((30..70).contains(&right), "{right}");
}

/// What came of a round.
#[derive(Default)]
struct Ended {
    requests: usize,
    accepted: BTreeSet<usize>,
    rejected: BTreeSet<usize>,
}

/// Sends these rows of one action as the uploader does; `takes` is what Google thinks of a request.
fn run_round(rows: &mut LoneRows, due: Vec<usize>, mut takes: impl FnMut(&[usize]) -> bool) -> Ended {
    rows.begin_round();
    let route = RouteInfo {
        network: "Google",
        name: way(1).0,
        service: "Data Manager",
        rows: 2000,
        destinations: 10,
        one_account: false,
        addresses: true,
    };
    let mut queue = RoundQueue::new(vec![(route, due)]);
    let mut ended = Ended::default();
    while let Some(queued) = queue.next_request() {
        if rows.why_closed(&way(1)).is_some() {
            continue;
        }
        ended.requests += 1;
        if takes(&queued.rows) {
            rows.record_accepted(way(1));
            queue.send_suspects_again(|_| true);
            ended.accepted.extend(queued.rows);
            continue;
        }
        queue.clear_other_half(queued.refused);
        if queued.rows.len() > 1 {
            let refused = Some(rows.record_refused());
            let (left, right) = queued.rows.split_at(queued.rows.len() / 2);
            let mut requests = [left, right].map(|rows| QueuedRequest {
                route,
                rows: rows.to_vec(),
                refused,
            });
            if rows.is_right_first() {
                requests.reverse();
            }
            queue.push_cut_down(requests.into());
        } else if rows.is_singled_out(&way(1), queued.refused) {
            ended.rejected.extend(queued.rows);
        } else {
            rows.record_fruitless(way(1), &refusal());
            let refused = Some(rows.record_refused());
            queue.put_aside(Suspect {
                queued: QueuedRequest { refused, ..queued },
                code: Code::test("NO", Class::Unknown),
            });
        }
    }
    ended
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn bad_rows_among_good_ones_are_rejected_and_hold_up_no_other(
        size in 2_usize..300,
        bad in proptest::collection::btree_set(0_usize..300, 0..12),
        first in 0_usize..20,
    ) {
        // Some stand together at the beginning, as those of one list would.
        let bad: BTreeSet<usize> = bad.into_iter().chain(0..first).filter(|row| row % size != size / 2 && *row < size).collect();
        let mut rows = LoneRows::default();
        let mut left: BTreeSet<usize> = (0..size).collect();
        let mut rejected = BTreeSet::new();
        for round in 0..600 {
            // New ones come in each round.
            let due: Vec<usize> = left.iter().copied().chain([1000 + round]).collect();
            let ended = run_round(&mut rows, due, |sent| sent.iter().all(|row| !bad.contains(row)));
            left.retain(|row| !ended.accepted.contains(row) && !ended.rejected.contains(row));
            rejected.extend(ended.rejected);
            if left.is_empty() {
                break;
            }
        }
        proptest::prop_assert_eq!(&rejected, &bad);
        proptest::prop_assert!(left.is_empty(), "{:?}", left);
    }

    #[test]
    fn no_row_is_rejected_while_each_request_is_refused_or_by_an_outage_that_begins_or_ends(
        size in 1_usize..300,
        bad in proptest::collection::btree_set(0_usize..300, 0..12),
        from in 0_usize..60,
        until in 0_usize..120,
    ) {
        let mut rows = LoneRows::default();
        let mut asked = 0;
        let ended = run_round(&mut rows, (0..size).collect(), |sent| {
            asked += 1;
            !(from..until).contains(&asked) && sent.iter().all(|row| !bad.contains(row))
        });
        proptest::prop_assert!(ended.rejected.is_subset(&bad), "{:?}", ended.rejected);
        let refused = run_round(&mut rows, (0..size).collect(), |_| false);
        proptest::prop_assert!(refused.rejected.is_empty() && refused.requests < 50, "{}", refused.requests);
    }
}
