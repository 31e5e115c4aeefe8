//! Requests that Google has accepted and then will not tell about:
//! each is its own matter, the outcomes of all others come.

use std::collections::BTreeSet;

use serde_json::json;

use super::Stage;
use super::judge::{exactly, transactions};
use super::stage::{Counts, ago, condition};

/// Ids of the requests that Google has accepted so far, as the log names them.
fn accepted_requests(stage: &Stage) -> Vec<String> {
    let log = stage.log();
    let ids = log.lines().filter(|line| line.contains("uploaded event"));
    ids.filter_map(|line| Some(line.split_once("request=\"")?.1.split_once('"')?.0.to_owned()))
        .collect()
}

/// One more contact, in a request of its own; the request's id.
fn one_more(stage: &Stage, click: &str) -> String {
    let before = accepted_requests(stage).len();
    stage.contact(&[("customer", ago(1))], Some(click), &json!({}));
    stage.wait_for("its request", || {
        let all = accepted_requests(stage);
        if all.len() > before {
            Ok(all[before].clone())
        } else {
            Err(json!(all))
        }
    })
}

fn stage(name: &str, flags: &[(&str, &str)]) -> Stage {
    let stage = Stage::with(name, &["--no-rate-limits"], flags);
    stage.event(name, "customer", &json!({"startTime": ago(86_400)}));
    stage.condition(&format!("adce/{name}"), "Ready", "True", "");
    stage
}

/// It was sent under other credentials, or so it seems.
#[test]
fn a_request_whose_status_is_denied_holds_up_no_other() {
    let stage = stage("denied", &[("diagnostics-max-poll", "3s")]);
    let id = one_more(&stage, "click-1");
    let fault = json!({"service": "dataManager", "path": id, "count": 0, "action": {"status": 403}});
    stage.post("/faults", &fault);
    // Asked about alone, it says nothing about the account.
    stage.wait_for("questions in vain", || {
        let fired = stage.admin("/faults")[0]["fired"].as_u64();
        if fired >= Some(2) { Ok(()) } else { Err(json!(fired)) }
    });
    for (n, click) in ["click-2", "click-3"].into_iter().enumerate() {
        stage.contact(&[("customer", ago(1))], Some(click), &json!({}));
        stage.wait("adce/denied", "the others' outcomes", |event| {
            Counts::of(event).uploaded == n as u64 + 1
        });
    }
    assert_eq!(condition(&stage.get("gaa/acme"), "Ready")["status"], "True");
    stage.admin_call("DELETE", "/faults", None);
    assert_eq!(Counts::of(&stage.settled("denied", 3)).uploaded, 3);
}

/// The first two fail for as long as it lasts, and are said to; what Google has forgotten goes again by itself.
#[test]
fn requests_whose_status_fails_keep_no_other_processing_and_synced_says_so() {
    let stage = stage(
        "untold",
        &[("diagnostics-first-poll", "1s"), ("diagnostics-max-poll", "2s")],
    );
    // Nothing is told of any request before it is decided what is told of each.
    let untold =
        json!({"id": "all", "service": "dataManager", "path": "requestStatus", "count": 0, "action": {"status": 503}});
    stage.post("/faults", &untold);
    let requests = ["click-1", "click-2", "click-3", "click-4"].map(|click| one_more(&stage, click));
    let answers = [
        json!({"status": 500}),
        json!({"status": 200, "body": {"requestStatusPerDestination": {"requestStatus": 7}}}),
        // Google's own, not that of a path that is gone.
        json!({"status": 404, "body": {"error": {"code": 404, "status": "NOT_FOUND", "message": "x", "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INVALID_REQUEST_ID",
             "domain": "datamanager.googleapis.com"}]}}}),
    ];
    for (id, answer) in requests.iter().zip(&answers) {
        let fault = json!({"service": "dataManager", "path": id, "count": 0, "action": answer});
        stage.post("/faults", &fault);
    }
    stage.admin_call("DELETE", "/faults?id=all", None);
    let said = stage.condition("adce/untold", "Synced", "False", "UpstreamUnavailable");
    let message = said["message"].as_str().unwrap_or_default();
    assert!(message.contains("stay Processing"), "{message}");
    let event = stage.wait("adce/untold", "the other two", |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        (counts.uploaded, counts.processing) == (2, 2)
    });
    assert_eq!(condition(&event, "Synced")["status"], "False", "{event:#}");
    stage.admin_call("DELETE", "/faults", None);
    let event = stage.settled("untold", 4);
    assert_eq!(Counts::of(&event).uploaded, 4, "{event:#}");
    let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    exactly(&stage, &event, &all);
    stage.condition("adce/untold", "Synced", "True", "");
}
