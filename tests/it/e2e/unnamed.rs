//! Requests that Google, or something on the way to it, refuses without saying which conversion it is about: none is
//! rejected because of what may be about all, one that alone is refused among others is, and nobody waits for it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, became, calls, crowd, exactly, settled_within, transactions};
use super::stage::{Counts, ago, condition, reason};

const LONG: Duration = Duration::from_mins(2);

fn stage(name: &str, contacts: u32) -> Stage {
    let flags = [
        ("diagnostics-first-poll", "1s"),
        ("diagnostics-max-poll", "1s"),
        ("backoff-max", "2s"),
    ];
    let stage = Stage::empty(name, &["--no-rate-limits", "--processing-delay=200ms"], &flags);
    crowd(&stage, contacts);
    stage.start_with_accounts();
    stage
}

fn start() -> Value {
    json!({"startTime": ago(86_400 * 30)})
}

fn status_error(status: &str, details: &Value) -> Value {
    json!({"error": {"code": 400, "message": "x", "status": status, "details": details}})
}

fn ads_error(error: &Value) -> Value {
    let failure =
        json!([{"@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure", "errors": [error]}]);
    status_error("INVALID_ARGUMENT", &failure)
}

/// Every upload by this path (whose body contains the text) is refused with this body, until it is disarmed.
fn refuse(stage: &Stage, (service, path): (&str, &str), body: &Value, text: Option<&str>) {
    let mut fault = json!({"id": "unnamed", "service": service, "path": path, "count": 0,
        "action": {"status": 400, "body": body}});
    if let Some(text) = text {
        fault["bodyContains"] = json!(text);
    }
    stage.post("/faults", &fault);
}

fn heal(stage: &Stage) {
    stage.admin_call("DELETE", "/faults", None);
}

/// Sends the crowd to an event of this name while all of it is refused, and then no longer.
fn all_refused_and_then_taken(stage: &Stage, name: &str, way: (&str, &str), body: &Value, all: &BTreeSet<String>) {
    let object = format!("adce/{name}");
    refuse(stage, way, body, None);
    stage.event(name, "customer", &start());
    let refused = stage.condition(&object, "Delivering", "False", "Refused");
    let message = refused["message"].as_str().unwrap_or_default();
    assert!(message.contains("names no conversion"), "{message}");
    // Also after further tries.
    let before = calls(stage, "events:ingest").len();
    let observed = all.len() as u64;
    if way.0 == "dataManager" {
        stage.wait_for("more tries", || {
            let now = calls(stage, "events:ingest").len();
            if now >= before + 40 { Ok(()) } else { Err(json!(now)) }
        });
    }
    let event = stage.wait(&object, "conversions that wait", |event| {
        reason(event, "Pending", "UpstreamUnavailable") == observed
    });
    let counts = Counts::of(&event);
    assert_eq!(
        (counts.observed, counts.rejected, counts.pending),
        (observed, 0, observed),
        "{:#}",
        event["status"]
    );
    heal(stage);
    let event = settled_within(stage, name, all.len(), LONG);
    assert_eq!(Counts::of(&event).uploaded, observed, "{:#}", event["status"]);
    exactly(stage, &event, all);
    stage.condition(&object, "Delivering", "True", "");
    stage.condition(&object, "Ready", "True", "");
}

#[test]
fn no_conversion_is_rejected_while_data_manager_refuses_every_request() {
    let stage = stage("unnamed-all", 30);
    let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    let info = |reason: &str| json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}]);
    let outside = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [
        {"field": "events.events[99].transaction_id", "reason": "INVALID_EVENT"}]}]);
    let field = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [
        {"field": "encoding", "reason": "REQUIRED_FIELD_MISSING"}]}]);
    for (name, body) in [
        ("bare", status_error("INVALID_ARGUMENT", &json!([]))),
        ("precondition", status_error("FAILED_PRECONDITION", &json!([]))),
        ("unknown", status_error("INVALID_ARGUMENT", &info("SOMETHING_NEW"))),
        ("outside", status_error("INVALID_ARGUMENT", &outside)),
        ("field", status_error("INVALID_ARGUMENT", &field)),
    ] {
        all_refused_and_then_taken(&stage, name, ("dataManager", "ingest"), &body, &all);
    }
}

#[test]
fn no_conversion_is_rejected_while_the_google_ads_api_refuses_every_request() {
    let stage = stage("unnamed-clicks", 30);
    let allowed = json!({"clickUploadsAllowed": true});
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&allowed));
    let uploads = json!({"spec": {"uploads": {"clickConversions": "GoogleAds"}}});
    stage.patch("gaa/acme", &uploads);
    let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    for (name, body) in [
        ("bare", status_error("INVALID_ARGUMENT", &json!([]))),
        (
            "request",
            ads_error(&json!({"errorCode": {"requestError": "UNKNOWN"}, "message": "x"})),
        ),
        (
            "field",
            ads_error(&json!({"errorCode": {"fieldError": "REQUIRED"}, "message": "x"})),
        ),
    ] {
        let way = ("googleAds", "uploadClickConversions");
        all_refused_and_then_taken(&stage, name, way, &body, &all);
    }
}

#[test]
fn an_action_for_which_all_is_refused_holds_up_no_other_and_loses_nothing() {
    let stage = stage("unnamed-action", 0);
    for name in ["broken", "healthy"] {
        stage.event(name, "customer", &start());
        stage.condition(&format!("adce/{name}"), "Ready", "True", "");
    }
    let broken = action(&stage.get("adce/broken"));
    let body = status_error("INVALID_ARGUMENT", &json!([]));
    refuse(&stage, ("dataManager", "ingest"), &body, Some(&broken));
    for round in 0..4_u32 {
        let contacts: Vec<Value> = (0..5)
            .map(|i| became(round * 10 + i, &format!("click-{round}-{i}")))
            .collect();
        stage.post("/hubspot/contacts", &json!(contacts));
        settled_within(&stage, "healthy", 5 * (round + 1) as usize, LONG);
    }
    stage.condition("adce/broken", "Delivering", "False", "Refused");
    let event = stage.get("adce/broken");
    assert_eq!(Counts::of(&event).rejected, 0, "{:#}", event["status"]);
    heal(&stage);
    let all = transactions(&stage, "customer").into_iter().collect();
    for name in ["broken", "healthy"] {
        let event = settled_within(&stage, name, 20, LONG);
        assert_eq!(Counts::of(&event).uploaded, 20, "{:#}", event["status"]);
        exactly(&stage, &event, &all);
    }
}

#[test]
fn a_conversion_that_alone_is_refused_waits_for_others_and_is_rejected_among_them() {
    let stage = stage("unnamed-one", 1);
    let poison = transactions(&stage, "customer");
    stage.post(
        "/google/bad-rows",
        &json!({"transactionIds": poison, "named": false, "reason": "INVALID_EVENT"}),
    );
    stage.event("one", "customer", &start());
    // Nothing to compare with: it waits, and says so.
    stage.condition("adce/one", "Delivering", "False", "Refused");
    let event = stage.wait("adce/one", "a conversion that waits", |event| {
        reason(event, "Pending", "UpstreamUnavailable") == 1
    });
    let errors = event["status"]["sync"]["lastErrors"].to_string();
    assert!(
        errors.contains("contactId") && errors.contains("is sent again"),
        "{errors}"
    );
    let good = Cell::new(0);
    let event = stage.wait_within(LONG, "the conversion to be rejected among others", || {
        let sent = good.get() + 1;
        good.set(sent);
        let contact = became(u32::try_from(sent).expect("few"), &format!("click-{sent}"));
        stage.post("/hubspot/contacts", &json!([contact]));
        let event = settled_or_not(&stage, sent);
        if Counts::of(&event).rejected == 1 {
            Ok(event)
        } else {
            Err(event["status"].clone())
        }
    });
    let sent = good.get();
    assert_eq!(
        reason(&event, "Rejected", "InvalidArgument"),
        1,
        "{:#}",
        event["status"]
    );
    let event = settled_within(&stage, "one", sent + 1, LONG);
    let mut good: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    good.remove(&poison[0]);
    exactly(&stage, &event, &good);
    stage.condition("adce/one", "Delivering", "True", "");
    assert_eq!(condition(&stage.get("adce/one"), "Ready")["status"], "True");
}

/// The event once so many conversions are uploaded.
fn settled_or_not(stage: &Stage, uploaded: usize) -> Value {
    stage.wait("adce/one", "the good conversions uploaded", |event| {
        Counts::of(event).uploaded == uploaded as u64
    })
}
