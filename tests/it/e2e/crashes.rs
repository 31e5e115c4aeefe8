//! Killed at any moment, started again: the same counts, nothing twice.

use serde_json::json;

use super::Stage;
use super::stage::{Counts, ago};
use super::words::published;

const CONTACTS: u64 = 40;

/// Kills the operator when the n-th request of a service is
/// about to be applied, or has just been; then starts it again.
fn kill_at(stage: &Stage, service: &str, mutating: bool, number: u64, when: &str) -> bool {
    let gate = json!({"service": service, "mutating": mutating, "number": number, "when": when});
    stage.post("/gate", &gate);
    stage.event(
        "crash",
        "customer",
        &json!({"startTime": ago(86_400 * 10),
        "value": {"dealAmount": {"default": {"amount": "10", "currency": "EUR"}}}}),
    );
    let start = std::time::Instant::now();
    let reached = loop {
        let armed = stage.admin("/gate");
        if armed["reached"] == true {
            break true;
        }
        if start.elapsed().as_secs() > 12 {
            break false;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    stage.kill_operator();
    stage.admin_call("DELETE", "/gate", None);
    stage.start_operator();
    reached
}

fn prepared() -> Stage {
    let stage = Stage::empty("crash", &[], &[]);
    let at = |i: u64| ago(3600 + i64::try_from(i).expect("small"));
    for i in 0..CONTACTS {
        stage.contact(&[("customer", at(i))], Some(&format!("click-{i}")), &json!({}));
    }
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.condition("gaa/acme", "Ready", "True", "");
    stage.condition("hsa/acme", "Ready", "True", "");
    stage
}

fn judge(stage: &Stage, what: &str) {
    let event = stage.settled("crash", CONTACTS);
    assert_eq!(Counts::of(&event).uploaded, CONTACTS, "{what}: {event:#}");
    let id = event["status"]["conversionAction"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let accepted = stage.accepted(&id);
    assert_eq!(accepted.len() as u64, CONTACTS, "{what}");
    assert!(
        accepted.iter().all(|c| c["adjusted"] == 0),
        "{what}: a value was changed"
    );
    let ours = stage
        .actions()
        .iter()
        .filter(|a| a["name"] == "crash" && a["status"] != "REMOVED")
        .count();
    assert_eq!(ours, 1, "{what}: one conversion action");
}

#[test]
fn around_the_create_of_the_action() {
    for when in ["before", "after"] {
        let stage = prepared();
        assert!(kill_at(&stage, "googleAds", true, 1, when), "the create was reached");
        judge(&stage, &format!("create, {when}"));
    }
}

#[test]
fn around_the_upload() {
    for when in ["before", "after"] {
        let stage = prepared();
        assert!(kill_at(&stage, "dataManager", true, 1, when), "the upload was reached");
        judge(&stage, &format!("upload, {when}"));
    }
}

#[test]
fn around_the_reads() {
    for number in [1, 2, 3] {
        let stage = prepared();
        kill_at(&stage, "hubspot", false, number, "after");
        judge(&stage, &format!("HubSpot request {number}"));
    }
}

#[test]
fn an_upload_whose_answer_is_lost_is_repeated_with_the_same_ids_and_values() {
    for fault in [
        json!({"dropAfter": true}),
        json!({"truncate": 5}),
        json!({"status": 503}),
        json!({"html": true}),
    ] {
        let stage = prepared();
        stage.post(
            "/faults",
            &json!({"service": "dataManager", "path": "ingest", "action": fault}),
        );
        stage.event("crash", "customer", &json!({"startTime": ago(86_400 * 10)}));
        judge(&stage, &fault.to_string());
    }
}

#[test]
fn a_lost_ledger_is_rebuilt_and_nothing_counts_twice() {
    let stage = prepared();
    stage.event("crash", "customer", &json!({"startTime": ago(86_400 * 10)}));
    judge(&stage, "before");
    let before = stage.get("adce/crash")["status"]["sync"]["ledgerId"].clone();
    stage.stop_operator();
    stage.lose_ledger();
    stage.start_operator();
    stage.wait("adce/crash", "a new ledger", |e| {
        let id = &e["status"]["sync"]["ledgerId"];
        id.is_string() && *id != before
    });
    judge(&stage, "after the ledger was lost");
    // A ledger of another operator looks the same from here: what is reported names both.
    let events = published(&stage, "crash", "LedgerRebuilt");
    let rebuilt = events.iter().find(|event| event["reason"] == "LedgerRebuilt");
    let note = rebuilt.and_then(|event| event["note"].as_str()).expect("a note");
    assert!(
        note.contains("If that one was lost") && note.contains("another operator"),
        "{note}"
    );
}

#[test]
fn a_plain_kill_and_a_graceful_stop() {
    let stage = prepared();
    stage.event("crash", "customer", &json!({"startTime": ago(86_400 * 10)}));
    stage.kill_operator();
    stage.start_operator();
    judge(&stage, "after a plain kill");
    let state = stage.stop_operator();
    assert!(
        format!("{state:?}").contains("exit status: 0"),
        "graceful stop: {state:?}\n{}",
        stage.log()
    );
}
