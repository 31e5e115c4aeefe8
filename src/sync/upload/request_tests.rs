#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::api::AdNetwork;
use crate::domain::conversion::{ClickId, UserIdentifier};
use crate::domain::ids::OrderId;
use crate::domain::trigger::TriggerKind;
use crate::ports::sink::Route;
use crate::ports::test_support::at;
use crate::sync::test_support::{Unused, prepared_row, route_info, row};

/// For stages: three rows and two actions, of any accounts. For forms: two rows of one account.
fn routes() -> Routes {
    let stages = RouteInfo {
        rows: 3,
        destinations: 2,
        ..route_info("stages")
    };
    let forms = RouteInfo {
        name: "forms",
        rows: 2,
        one_account: true,
        ..stages
    };
    Routes {
        stages: Route::Polled(Arc::new(Unused(stages))),
        forms: Route::AtOnce(Arc::new(Unused(forms))),
        results: Arc::new(Unused(stages)),
    }
}

/// What of a row decides which request it goes into.
#[derive(Clone, Copy)]
struct Given {
    trigger_kind: TriggerKind,
    account: &'static str,
    action: &'static str,
    isolation_group: i64,
    attempts: u32,
}

/// A stage's row of the account "a".
const fn to(action: &'static str) -> Given {
    Given {
        trigger_kind: TriggerKind::Stage,
        account: "a",
        action,
        isolation_group: 0,
        attempts: 0,
    }
}

const fn form(account: &'static str, action: &'static str) -> Given {
    Given {
        trigger_kind: TriggerKind::Form,
        account,
        ..to(action)
    }
}

const fn apart(isolation_group: i64, attempts: u32) -> Given {
    Given {
        isolation_group,
        attempts,
        ..to("1")
    }
}

fn action_of(given: Given) -> ActionKey {
    ActionKey {
        account: AdAccountKey {
            network: AdNetwork::Google,
            id: given.account.to_owned(),
        },
        id: given.action.to_owned(),
    }
}

/// The rows 1, 2, 3, …
fn rows_of(given: &[Given]) -> Vec<PreparedRow> {
    let numbered = (1..).zip(given);
    let of = |(id, given): (i64, &Given)| {
        let mut prepared = prepared_row(row(id));
        (prepared.trigger_kind, prepared.action) = (given.trigger_kind, action_of(*given));
        (prepared.row.isolation_group, prepared.row.attempts) = (given.isolation_group, given.attempts);
        prepared
    };
    numbered.map(of).collect()
}

fn stages(rows: &[i64]) -> (&'static str, Vec<i64>) {
    ("stages", rows.to_vec())
}

fn forms(rows: &[i64]) -> (&'static str, Vec<i64>) {
    ("forms", rows.to_vec())
}

#[rstest::rstest]
#[case::none(&[], &[])]
#[case::as_many_as_the_route_takes(&[to("1"), to("1"), to("1")], &[stages(&[1, 2, 3])])]
#[case::one_more(&[to("1"), to("1"), to("1"), to("1")], &[stages(&[1, 2, 3]), stages(&[4])])]
#[case::one_action_more(&[to("1"), to("2"), to("3")], &[stages(&[1, 2]), stages(&[3])])]
#[case::an_action_counts_once(&[to("1"), to("2"), to("1")], &[stages(&[1, 2, 3])])]
#[case::each_request_counts_its_own_actions(
    &[to("1"), to("2"), to("3"), to("1")],
    &[stages(&[1, 2]), stages(&[3, 4])],
)]
#[case::each_route_apart(&[to("1"), form("a", "1"), to("1")], &[forms(&[2]), stages(&[1, 3])])]
#[case::one_account_a_request(
    &[form("a", "1"), form("b", "1"), form("a", "2")],
    &[forms(&[1, 3]), forms(&[2])],
)]
#[case::any_accounts(&[to("1"), Given { account: "b", ..to("1") }], &[stages(&[1, 2])])]
#[case::an_action_of_another_account_is_another(
    &[to("1"), Given { account: "b", ..to("1") }, Given { account: "c", ..to("1") }],
    &[stages(&[1, 2]), stages(&[3])],
)]
#[case::rows_set_apart_stay_among_themselves(
    &[apart(5, 0), to("1"), apart(5, 0), apart(6, 0)],
    &[stages(&[2]), stages(&[1, 3]), stages(&[4])],
)]
#[case::what_failed_most_goes_last(
    &[apart(1, 3), apart(2, 1), apart(3, 2)],
    &[stages(&[2]), stages(&[3]), stages(&[1])],
)]
#[case::by_the_row_that_failed_least(
    &[apart(1, 3), apart(2, 1), apart(1, 0)],
    &[stages(&[1, 3]), stages(&[2])],
)]
fn rows_become_requests(#[case] given: &[Given], #[case] expected: &[(&str, Vec<i64>)]) {
    let requests = requests_in_turns(rows_of(given), &routes(), |_| false, |_| None);
    let found: Vec<(&str, Vec<i64>)> = requests
        .iter()
        .map(|(route, rows)| (route.name, rows.iter().map(|row| row.row.id.0).collect()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn by_a_route_in_trouble_each_action_goes_by_itself() {
    let given = [to("1"), to("2"), form("a", "1"), form("a", "2"), to("1")];
    let failed = |actions: &[ActionKey]| actions.iter().any(|action| action.id == "1").then_some(7);
    let requests = requests_in_turns(rows_of(&given), &routes(), |route| route == "stages", failed);
    let found: Vec<(&str, Vec<i64>)> = requests
        .iter()
        .map(|(route, rows)| (route.name, rows.iter().map(|row| row.row.id.0).collect()))
        .collect();
    assert_eq!(found, [stages(&[2]), forms(&[3, 4]), stages(&[1, 5])]);
}

#[test]
fn rows_point_at_their_destination() {
    let rows = rows_of(&[
        to("2"),
        to("1"),
        to("2"),
        Given {
            account: "b",
            ..to("2")
        },
    ]);
    let destinations = destinations_of(&rows);
    let named: Vec<_> = destinations
        .iter()
        .map(|action| (action.account.id.as_str(), action.id.as_str()))
        .collect();
    assert_eq!(named, [("a", "2"), ("a", "1"), ("b", "2")], "in order of first use");
    let places: Vec<_> = rows.iter().map(|row| destination_of(&destinations, row)).collect();
    assert_eq!(places, [0, 1, 0, 2]);
}

#[test]
fn a_row_is_sent_as_it_was_decided() {
    let mut prepared = prepared_row(row(3));
    prepared.row.occurred_at = at(42);
    prepared.value = Some(("12.50".parse().unwrap(), "EUR".to_owned()));
    prepared.prepared.click = Some(ClickId::Gclid("click-3".to_owned()));
    prepared.prepared.identifiers = vec![UserIdentifier::Email("hash".to_owned())];
    prepared.prepared.consent_granted = true;
    let sent = to_conversion(&prepared, 1);
    assert_eq!((sent.destination, sent.at, sent.consent_granted), (1, at(42), true));
    assert_eq!(sent.value, prepared.value);
    assert!(sent.click == prepared.prepared.click && sent.identifiers == prepared.prepared.identifiers);
    assert_eq!(sent.order, OrderId::Lifecycle(prepared.row.transaction));
    prepared.row.submission = Some("a-submission".to_owned());
    let order = to_conversion(&prepared, 0).order;
    assert_eq!(
        order,
        OrderId::Submission("a-submission".to_owned()),
        "as the web tag names it"
    );
}

fn fresh(attempts: u32, last_failure: Option<u64>) -> Prospects {
    Prospects {
        attempts,
        group: 0,
        known_to_fail: false,
        last_failure,
    }
}

fn cut(group: i64, known: bool) -> Prospects {
    Prospects {
        attempts: 5,
        group,
        known_to_fail: known,
        last_failure: Some(1),
    }
}

#[rstest::rstest]
#[case::by_tries(&[fresh(2, None), fresh(0, None)], &[1, 0])]
#[case::failing_actions_last(&[fresh(0, Some(7)), fresh(1, None), fresh(0, Some(3))], &[1, 2, 0])]
#[case::in_turns(&[fresh(0, Some(7)), fresh(0, Some(3)), cut(9, false), cut(4, false), cut(2, false)], &[1, 4, 0, 3, 2])]
#[case::more_whole_ones(&[fresh(0, Some(1)), fresh(0, Some(2)), cut(4, false)], &[0, 2, 1])]
#[case::known_ones_after_all(&[cut(3, true), cut(1, true), cut(8, false), fresh(0, None)], &[3, 2, 1, 0])]
fn requests_take_turns(#[case] requests: &[Prospects], #[case] order: &[usize]) {
    let requests = requests.iter().copied().zip(0..).collect();
    assert_eq!(in_turns(requests), order);
}
