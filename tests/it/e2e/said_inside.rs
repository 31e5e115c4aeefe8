//! What Google says of an account inside an answer that is good otherwise, of one conversion, of one action or of one
//! destination: that one waits and its event says so, and all others of the account go on.

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, exactly, settled_within, transactions};
use super::poison::LONG;
use super::stage::{Counts, ago, condition, reason};
use super::unproven::by_google_ads;

/// A refusal of the account would hold everything for longer than a test waits.
fn stage(name: &str) -> Stage {
    let flags = [
        ("diagnostics-first-poll", "1s"),
        ("diagnostics-max-poll", "1s"),
        ("backoff-max", "1s"),
        ("stalled-probe-interval", "10m"),
    ];
    let stage = Stage::empty(name, &["--no-rate-limits", "--processing-delay=200ms"], &flags);
    stage.start_with_accounts();
    stage
}

/// Events by their names, of these stages, with their actions.
fn events(stage: &Stage, all: &[(&str, &str)]) {
    for (name, lifecycle) in all {
        stage.event(name, lifecycle, &json!({"startTime": ago(86_400 * 30)}));
        stage.condition(&format!("adce/{name}"), "Ready", "True", "");
    }
}

fn is_uploaded(event: &Value, count: u64) -> bool {
    let counts = Counts::of(event);
    counts.conserved(event);
    counts.uploaded == count
}

/// The event says that Google refuses, with its code.
fn says(event: &Value, code: &str) -> bool {
    let delivering = condition(event, "Delivering");
    let message = delivering["message"].as_str().unwrap_or_default();
    delivering["status"] == "False" && message.contains(code)
}

fn is_ready(stage: &Stage) {
    let account = stage.get("gaa/acme");
    assert_eq!(condition(&account, "Ready")["status"], "True", "{account:#}");
}

/// Calls of uploads so far, also of such that are only judged.
fn tries(stage: &Stage, path: &str) -> usize {
    let log = stage.admin("/requests?since=0");
    let all = log["requests"].as_array().or_else(|| log.as_array()).cloned();
    let is_one = |call: &&Value| call["path"].as_str().is_some_and(|found| found.contains(path));
    all.expect("a log").iter().filter(is_one).count()
}

/// Conversions of these events go, one after the other, while what is refused is tried again and again by calls of this
/// path.
fn others_go(stage: &Stage, path: &str, others: &[(&str, &str)], before: u64) {
    for more in 1..=3 {
        let before_these = tries(stage, path);
        stage.wait_for("three more tries", || {
            let now = tries(stage, path);
            if now >= before_these + 3 {
                Ok(())
            } else {
                Err(json!(now))
            }
        });
        is_ready(stage);
        for (name, lifecycle) in others {
            let click = format!("click-{name}-{before}-{more}");
            stage.contact(&[(*lifecycle, ago(60))], Some(&click), &json!({}));
            stage.wait(&format!("adce/{name}"), "all others uploaded", |event| {
                is_uploaded(event, before + more)
            });
        }
    }
    is_ready(stage);
}

#[test]
fn one_conversion_that_is_refused_in_the_words_for_an_account_holds_up_no_other() {
    let stage = stage("inside-row");
    by_google_ads(&stage);
    stage.contact(&[("customer", ago(3600))], Some("click-refused"), &json!({}));
    let one = transactions(&stage, "customer");
    let path = "uploadClickConversions";
    let all = [("won", "customer"), ("asked", "lead")];
    events(&stage, &all[1..]);
    for (round, code) in [
        "notAllowlistedError.CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
        "authorizationError.USER_PERMISSION_DENIED",
    ]
    .into_iter()
    .enumerate()
    {
        stage.post("/google/outcomes", &json!({"transactionIds": one, "reason": code}));
        if round == 0 {
            events(&stage, &all[..1]);
        }
        others_go(&stage, path, &all, 3 * round as u64);
        let event = stage.get("adce/won");
        assert_eq!(reason(&event, "Pending", "AccountNotReady"), 1, "{event:#}");
    }
    stage.admin_call("DELETE", "/google/outcomes", None);
    let event = settled_within(&stage, "won", 7, LONG);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}

/// In the status of its requests, and by a refusal of every request that goes there, also of those that are only
/// judged.
#[test]
fn one_action_that_is_refused_in_the_words_for_an_account_holds_up_no_other() {
    let code = "REQUIRED_PREREQUISITE_LINK_MISSING";
    let stage = stage("inside-action");
    // The first in a request by its name: the complaint is about the first destination.
    events(&stage, &[("a-refused", "lead"), ("won", "customer")]);
    stage.contact(&[("lead", ago(3600))], Some("click-refused"), &json!({}));
    let ids = transactions(&stage, "lead");
    stage.post("/google/outcomes", &json!({"transactionIds": ids, "reason": code}));
    let refused = |before| {
        let is_said = |event: &Value| says(event, code) && Counts::of(event).rejected == 0;
        stage.wait("adce/a-refused", "the refusal", is_said);
        others_go(&stage, "events:ingest", &[("won", "customer")], before);
        let event = stage.get("adce/a-refused");
        assert!(says(&event, code), "{event:#}");
    };
    refused(0);
    stage.admin_call("DELETE", "/google/outcomes", None);
    let event = settled_within(&stage, "a-refused", 1, LONG);
    let violation = json!({"field": "destinations.destinations[0]", "description": "x", "reason": code});
    let details = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]);
    let body = json!({"error": {"code": 400, "message": "x", "status": "INVALID_ARGUMENT", "details": details}});
    let fault = json!({"service": "dataManager", "path": "ingest", "count": 0, "bodyContains": action(&event),
        "action": {"status": 400, "body": body}});
    stage.post("/faults", &fault);
    stage.contact(&[("lead", ago(60))], Some("click-more"), &json!({}));
    refused(3);
    stage.admin_call("DELETE", "/faults", None);
    let event = settled_within(&stage, "a-refused", 2, LONG);
    exactly(&stage, &event, &transactions(&stage, "lead").into_iter().collect());
    let won = settled_within(&stage, "won", 6, LONG);
    exactly(&stage, &won, &transactions(&stage, "customer").into_iter().collect());
}
