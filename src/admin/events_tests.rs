#![allow(clippy::unwrap_used)]

use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher;

use super::super::objects::EventStores;
use super::super::test_support::source_of;
use super::*;
use crate::ledger::SqlLedger;

fn as_condition(name: &str, status: &str, reason: &str) -> serde_json::Value {
    serde_json::json!({"type": name, "status": status, "reason": reason, "message": "M",
        "lastTransitionTime": "2026-11-28T00:00:00Z"})
}

/// Of ten events one is stalled, one not ready, and one was never looked at.
fn conditions(number: usize) -> serde_json::Value {
    let condition = |name: &str, status: &str| as_condition(name, status, "R");
    match number % 10 {
        0 => serde_json::json!([condition("Ready", "False"), condition("Stalled", "True")]),
        1 => serde_json::json!([condition("Ready", "False")]),
        2 => serde_json::json!([]),
        _ => serde_json::json!([condition("Ready", "True")]),
    }
}

/// So many events in namespaces `a` and `a-b` in turn.
async fn source(events: usize) -> Source {
    let mut writer = Writer::<AdConversionEvent>::new(());
    for number in 0..events {
        let namespace = if number % 2 == 0 { "a" } else { "a-b" };
        let manifest = serde_json::json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
            "metadata": {"name": format!("event-{number}"), "namespace": namespace},
            "spec": {"googleAdsAccountRef": {"name": "g"}, "hubSpotAccountRef": {"name": "h"}, "suspend": number % 50 == 7,
                     "trigger": {"lifecycleStage": {"stage": "customer"}}},
            "status": {"conditions": conditions(number)},
        });
        writer.apply_watcher_event(&watcher::Event::Apply(serde_json::from_value(manifest).unwrap()));
    }
    let ledger = SqlLedger::open("sqlite::memory:").await.unwrap();
    source_of(EventStores::new(vec![writer.as_reader()]), Arc::new(ledger))
}

fn all_pages(source: &Source, namespace: Option<&str>, limit: usize) -> (Vec<String>, usize) {
    pages_in(source, namespace, None, limit)
}

fn pages_in(source: &Source, namespace: Option<&str>, state: Option<&str>, limit: usize) -> (Vec<String>, usize) {
    let mut parameters = ListParameters {
        namespace: namespace.map(str::to_owned),
        state: state.map(str::to_owned),
        after: None,
        limit: Some(limit.to_string()),
    };
    let (mut names, mut pages) = (Vec::new(), 0);
    loop {
        let page = page_of(source, &parameters).unwrap();
        pages += 1;
        assert!(page.events.len() <= limit);
        names.extend(
            page.events
                .iter()
                .map(|event| format!("{}/{}", event.namespace, event.name)),
        );
        match page.next {
            Some(next) => parameters.after = Some(next),
            None => return (names, pages),
        }
    }
}

#[tokio::test]
async fn ten_thousand_events_are_listed_once_each() {
    let source = source(10_000).await;
    let (names, pages) = all_pages(&source, None, 100);
    assert_eq!((names.len(), pages), (10_000, 100));
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), 10_000);
    let (of_one, _) = all_pages(&source, Some("a-b"), 500);
    assert_eq!(of_one.len(), 5_000);
    assert!(of_one.iter().all(|name| name.starts_with("a-b/")));
    assert_eq!(all_pages(&source, Some("nobody"), 500), (Vec::new(), 1));
}

#[tokio::test]
async fn names_that_hold_each_other_s_beginning_lose_nobody() {
    let source = source(23).await;
    for limit in 1..=23 {
        assert_eq!(all_pages(&source, None, limit).0.len(), 23, "pages of {limit}");
    }
}

#[rstest::rstest]
#[case("Ready", 7_000)]
#[case("NotReady", 2_000)]
#[case("Stalled", 1_000)]
#[case("Unknown", 1_000)]
#[case("Suspended", 200)]
#[tokio::test]
async fn of_ten_thousand_events_those_in_a_state_are_listed(#[case] state: &str, #[case] count: usize) {
    let source = source(10_000).await;
    let (names, pages) = pages_in(&source, None, Some(state), 100);
    assert_eq!((names.len(), pages), (count, count / 100));
    let first = ListParameters {
        state: Some(state.to_owned()),
        limit: Some("1".to_owned()),
        ..ListParameters::default()
    };
    assert_eq!(page_of(&source, &first).unwrap().total, count);
}

#[tokio::test]
async fn a_state_that_is_none_is_refused() {
    let odd = ListParameters {
        state: Some("ready".to_owned()),
        ..ListParameters::default()
    };
    let refused = page_of(&source(1).await, &odd).unwrap_err().message();
    assert!(refused.contains("Ready, NotReady, Stalled"), "{refused}");
}

#[rstest::rstest]
#[case::fine("True", "Succeeded", "True", false, false)]
#[case::nothing_delivered("True", "Succeeded", "False", true, false)]
#[case::account_suspended("True", "Suspended", "True", true, true)]
#[case::not_ready("False", "TokenRevoked", "True", true, false)]
fn what_keeps_conversions_back_is_shown_of_a_ready_event(
    #[case] ready: &str,
    #[case] why: &str,
    #[case] delivering: &str,
    #[case] news: bool,
    #[case] suspended: bool,
) {
    let manifest = serde_json::json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": "won", "namespace": "a"},
        "spec": {"googleAdsAccountRef": {"name": "g"}, "hubSpotAccountRef": {"name": "h"},
                 "trigger": {"lifecycleStage": {"stage": "customer"}}},
        "status": {"conditions": [as_condition("Ready", ready, why), as_condition("Delivering", delivering, "R")]},
    });
    let event = serde_json::from_value(manifest).unwrap();
    let summary = summarize(&ObjectKey::new("a", "won"), &event);
    assert_eq!((summary.has_news, summary.suspended), (news, suspended));
}
