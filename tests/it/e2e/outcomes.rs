//! What Google says about rows, in every way it may say it: each row ends where it belongs, and what Google counted is
//! exactly what should be counted.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, became, calls, crowd, exactly, occurrences, settled_within, transactions};
use super::stage::{Counts, ago, condition, reason};

const FULL: u32 = 2000;
const LONG: Duration = Duration::from_secs(150);

/// Results within a second instead of five.
const FAST: [(&str, &str); 2] = [("diagnostics-first-poll", "1s"), ("diagnostics-max-poll", "1s")];

fn start() -> Value {
    json!({"startTime": ago(86_400 * 30)})
}

fn settings(stage: &Stage, change: &Value) {
    stage.admin_call("PATCH", "/google/settings", Some(change));
}

/// A stage with ready accounts and these contacts, before any event.
fn stage(name: &str, contacts: u32, options: &[&str], flags: &[(&str, &str)]) -> Stage {
    let options = [&["--no-rate-limits", "--processing-delay=500ms"], options].concat();
    let flags = [&FAST, flags].concat();
    let stage = Stage::empty(name, &options, &flags);
    crowd(&stage, contacts);
    stage.start_with_accounts();
    stage
}

fn picked(all: &[String], places: &[usize]) -> Vec<String> {
    places.iter().map(|i| all[*i].clone()).collect()
}

fn without(all: &[String], bad: &[&[String]]) -> BTreeSet<String> {
    let bad: BTreeSet<&String> = bad.iter().copied().flatten().collect();
    all.iter().filter(|t| !bad.contains(t)).cloned().collect()
}

#[test]
fn a_full_batch_that_fails_fast_is_cut_down_to_its_bad_rows() {
    let stage = stage("fast", FULL, &[], &[]);
    let all = transactions(&stage, "customer");
    let named = picked(&all, &[0, 1, 700, 1234, 1998]);
    let silent = picked(&all, &[2, 1999]);
    let bad = |ids: &[String], named: bool, reason: &str| {
        stage.post(
            "/google/bad-rows",
            &json!({"transactionIds": ids, "named": named, "reason": reason}),
        );
    };
    bad(&named, true, "INVALID_EVENT");
    bad(&silent, false, "INVALID_EVENT");
    // Two of the five at a time.
    settings(&stage, &json!({"maxViolations": 2}));
    stage.event("fast", "customer", &start());
    let event = settled_within(&stage, "fast", all.len(), LONG);
    let counts = Counts::of(&event);
    assert_eq!((counts.uploaded, counts.rejected), (1993, 7), "{:#}", event["status"]);
    assert_eq!(reason(&event, "Rejected", "InvalidEvent"), 5);
    assert_eq!(
        reason(&event, "Rejected", "InvalidArgument"),
        2,
        "singled out by halving"
    );
    exactly(&stage, &event, &without(&all, &[&named, &silent]));
    let sent = calls(&stage, "events:ingest").len();
    assert!(
        sent < 80,
        "{sent} requests: named rows go at once, each other row costs two a halving"
    );
}

#[test]
fn a_full_batch_with_late_failures_is_attributed_by_index() {
    let stage = stage("late", FULL, &[], &[]);
    let all = transactions(&stage, "customer");
    let arm = |places: &[usize], reason: &str, times: Option<u32>| {
        let ids = picked(&all, places);
        let body = json!({"transactionIds": ids, "reason": reason, "times": times});
        stage.post("/google/outcomes", &body);
        ids
    };
    let refused = arm(&[0, 999, 1999], "EVENT_TOO_OLD", None);
    let unknown = arm(&[3, 4], "A_REASON_OF_2027", None);
    let account = arm(
        &[1500],
        "PROCESSING_ERROR_OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER",
        None,
    );
    let delivered = arm(&[7, 8], "DUPLICATE_TRANSACTION_ID", None);
    arm(&[20, 21, 22], "INTERNAL_ERROR", Some(2));
    arm(&[30, 31], "TOO_RECENT_CLICK", Some(1));
    arm(&[40], "DESTINATION_TOO_RECENTLY_CREATED", Some(1));
    stage.event("late", "customer", &start());
    let event = settled_within(&stage, "late", all.len(), LONG);
    let counts = Counts::of(&event);
    assert_eq!((counts.uploaded, counts.rejected), (1994, 6), "{:#}", event["status"]);
    assert_eq!(reason(&event, "Rejected", "EventTooOld"), 3);
    assert_eq!(reason(&event, "Rejected", "AReasonOf2027"), 2);
    assert_eq!(reason(&event, "Rejected", "OperatingAccountMismatchForAdIdentifier"), 1);
    assert!(event.to_string().contains("A_REASON_OF_2027"), "verbatim");
    // What Google calls a duplicate it has from somebody else: nothing of ours was counted for it.
    exactly(
        &stage,
        &event,
        &without(&all, &[&refused, &unknown, &account, &delivered]),
    );
}

#[test]
fn failures_without_indices_are_told_apart_in_halves() {
    for (name, change) in [
        ("omitted", json!({"omitIndices": true})),
        ("short", json!({"maxIndices": 1})),
    ] {
        let stage = stage(name, 90, &[], &[]);
        settings(&stage, &change);
        let all = transactions(&stage, "customer");
        let bad = picked(&all, &[5, 60, 61]);
        let account = picked(&all, &[88]);
        stage.post(
            "/google/outcomes",
            &json!({"transactionIds": bad, "reason": "INVALID_GCLID"}),
        );
        // Its neighbours go through, so it is no matter of the account.
        stage.post(
            "/google/outcomes",
            &json!({"transactionIds": account, "reason": "INVALID_OPERATING_ACCOUNT_FOR_CLICK"}),
        );
        stage.event(name, "customer", &start());
        let event = settled_within(&stage, name, all.len(), LONG);
        let counts = Counts::of(&event);
        assert_eq!((counts.uploaded, counts.rejected), (86, 4), "{:#}", event["status"]);
        assert_eq!(reason(&event, "Rejected", "InvalidGclid"), 3);
        assert_eq!(reason(&event, "Rejected", "InvalidOperatingAccountForClick"), 1);
        exactly(&stage, &event, &without(&all, &[&bad, &account]));
    }
}

#[test]
fn results_that_do_not_come_and_requests_google_forgets() {
    let stage = stage("never", 30, &[], &[]);
    settings(&stage, &json!({"neverFinish": true}));
    let all = transactions(&stage, "customer");
    stage.event("never", "customer", &start());
    let object = "adce/never";
    stage.wait(object, "all processing", |e| {
        reason(e, "Processing", "AwaitingResult") == 30
    });
    let asked = calls(&stage, "requestStatus").len();
    stage.wait_for("three more looks", || {
        let now = calls(&stage, "requestStatus").len();
        if now >= asked + 3 { Ok(()) } else { Err(json!(now)) }
    });
    settings(&stage, &json!({"statusUnknown": true}));
    let asked = calls(&stage, "requestStatus").len();
    stage.wait_for("two more looks", || {
        let now = calls(&stage, "requestStatus").len();
        if now >= asked + 2 { Ok(()) } else { Err(json!(now)) }
    });
    assert_eq!(
        calls(&stage, "events:ingest").len(),
        1,
        "nothing is sent again meanwhile"
    );
    assert_eq!(Counts::of(&stage.get(object)).processing, 30);
    settings(&stage, &json!({"statusUnknown": false}));
    stage.post("/google/requests/forget", &json!({}));
    stage.wait_for("the rows again, in two halves", || {
        let now = calls(&stage, "events:ingest").len();
        if now == 3 { Ok(()) } else { Err(json!(now)) }
    });
    settings(&stage, &json!({"neverFinish": false}));
    let event = settled_within(&stage, "never", 30, LONG);
    assert_eq!(Counts::of(&event).uploaded, 30);
    exactly(&stage, &event, &all.into_iter().collect());
}

#[test]
fn actions_and_clicks_that_are_too_young_wait_and_go() {
    for (name, fails_fast) in [("young", false), ("young-fast", true)] {
        let stage = stage(name, 4, &["--new-action-age=8s", "--min-click-age=20s"], &[]);
        settings(&stage, &json!({"newActionFastFail": fails_fast}));
        let click = json!([{"createdAt": ago(86_400), "history": {
            "hs_google_click_id": [{"value": "fresh", "timestamp": ago(4), "sourceType": "FORM"}],
            "lifecyclestage": [{"value": "customer", "timestamp": ago(1), "sourceType": "CRM_UI"}]}}]);
        stage.post("/hubspot/contacts", &click);
        stage.event(name, "customer", &start());
        let object = format!("adce/{name}");
        stage.wait(&object, "too new", |e| reason(e, "Pending", "ActionTooNew") > 0);
        stage.wait(&object, "too recent", |e| reason(e, "Pending", "ClickTooRecent") == 1);
        let event = settled_within(&stage, name, 5, LONG);
        assert_eq!(Counts::of(&event).uploaded, 5, "{:#}", event["status"]);
        exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    }
}

/// No call to Data Manager between a refusal and the end of the wait it asks for.
fn quiet_after_429(stage: &Stage, wait: i64) {
    let calls = calls(stage, "/v1/");
    let at = calls
        .iter()
        .position(|(_, status)| *status == 429)
        .expect("the refusal");
    let until = calls[at].0 + jiff::SignedDuration::from_secs(wait);
    // What was under way already may still arrive.
    let grace = calls[at].0 + jiff::SignedDuration::from_millis(300);
    let early: Vec<_> = calls[at + 1..]
        .iter()
        .filter(|(t, _)| *t > grace && *t < until)
        .collect();
    assert!(early.is_empty(), "calls inside the window: {early:?} of {calls:?}");
    assert!(calls.len() > at + 1, "and then it goes on");
}

#[test]
fn a_wait_that_google_asks_for_is_kept_by_uploads_and_by_status_looks() {
    let stage = stage("limits", 20, &[], &[]);
    settings(&stage, &json!({"neverFinish": true}));
    stage.event("limits", "customer", &start());
    stage.wait("adce/limits", "a request that is looked at", |e| {
        reason(e, "Processing", "AwaitingResult") == 20
    });
    // Longer than a call sits out by itself; a daily quota by its name.
    let body = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED",
         "domain": "googleapis.com", "metadata": {"quota_limit": "WritesPerDayPerProject"}},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}]}});
    let fault = json!({"service": "dataManager", "path": "ingest",
        "action": {"status": 429, "headers": {"retry-after": "17"}, "body": body}});
    stage.post("/faults", &fault);
    let more: Vec<Value> = (100..110).map(|i| became(i, &format!("click-{i}"))).collect();
    stage.post("/hubspot/contacts", &json!(more));
    stage.wait("adce/limits", "the quota in the reasons", |e| {
        reason(e, "Pending", "QuotaExhausted") == 10
    });
    settings(&stage, &json!({"neverFinish": false}));
    let event = settled_within(&stage, "limits", 30, LONG);
    assert_eq!(Counts::of(&event).uploaded, 30);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    quiet_after_429(&stage, 17);
    assert_eq!(condition(&event, "Ready")["status"], "True");
}

#[test]
fn twelve_events_a_lost_token_and_an_action_removed_under_way() {
    // The actions are not read again before the conversions are sent.
    let stage = stage("twelve", 0, &[], &[("google-refresh-interval", "60s")]);
    for i in 0..12 {
        stage.event(&format!("e{i}"), "customer", &start());
    }
    for i in 0..12 {
        stage.condition(&format!("adce/e{i}"), "Ready", "True", "");
    }
    let removed = action(&stage.get("adce/e3"));
    stage.admin_call("DELETE", &format!("/google/actions/{removed}"), None);
    stage.post("/google/credentials/forget-access-tokens", &json!({}));
    crowd(&stage, 3);
    let all: BTreeSet<String> = occurrences(&stage, "customer").into_iter().map(|(_, t)| t).collect();
    for i in (0..12).filter(|i| *i != 3) {
        let event = settled_within(&stage, &format!("e{i}"), 3, LONG);
        assert_eq!(Counts::of(&event).uploaded, 3);
        exactly(&stage, &event, &all);
    }
    stage.wait("adce/e3", "the rows of the removed action", |e| {
        reason(e, "Pending", "AccountNotReady") == 3
    });
    stage.condition("adce/e3", "Ready", "False", "");
    let back = json!({"status": "ENABLED"});
    stage.admin_call("PATCH", &format!("/google/actions/{removed}"), Some(&back));
    let event = settled_within(&stage, "e3", 3, LONG);
    assert_eq!(action(&event), removed, "the same action");
    exactly(&stage, &event, &all);
}
