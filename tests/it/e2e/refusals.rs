//! What Google refuses for reasons that are no conversion's own: it is said where it belongs, nothing is lost, and what
//! may go goes.

use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::forms;
use super::judge::{action, became, calls, crowd, exactly, settled_within, transactions};
use super::stage::{Counts, ago, condition, reason};

const LONG: Duration = Duration::from_mins(2);
const FAST: [(&str, &str); 5] = [
    ("diagnostics-first-poll", "1s"),
    ("diagnostics-max-poll", "1s"),
    ("stalled-probe-interval", "3s"),
    ("backoff-max", "2s"),
    ("failure-threshold", "6s"),
];

/// A stage with ready accounts, before any event.
fn stage(name: &str) -> Stage {
    let stage = Stage::empty(name, &["--no-rate-limits", "--processing-delay=200ms"], &FAST);
    stage.start_with_accounts();
    stage
}

fn start() -> Value {
    json!({"startTime": ago(86_400 * 30)})
}

fn settings(stage: &Stage, change: &Value) {
    stage.admin_call("PATCH", "/google/settings", Some(change));
}

fn account(stage: &Stage, change: &Value) {
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(change));
}

fn click_uploads(stage: &Stage) {
    let uploads = json!({"spec": {"uploads": {"clickConversions": "GoogleAds"}}});
    stage.patch("gaa/acme", &uploads);
}

/// Every ingest (whose body contains the text) is refused for this reason, until it is disarmed.
fn refuse_ingest(stage: &Stage, reason: &str, field: &str, body_contains: Option<&str>) {
    let body = json!({"error": {"code": 400, "message": "There was a problem with the request.",
        "status": "INVALID_ARGUMENT", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INVALID_ARGUMENT",
         "domain": "datamanager.googleapis.com", "metadata": {"requestId": "r1"}},
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [
            {"field": format!("destinations.destinations[0].{field}"), "description": "x", "reason": reason}]}]}});
    let mut fault = json!({"id": "refused", "service": "dataManager", "path": "ingest", "count": 0,
        "action": {"status": 400, "body": body}});
    if let Some(text) = body_contains {
        fault["bodyContains"] = json!(text);
    }
    stage.post("/faults", &fault);
}

/// The event says that Google refuses, with its code.
fn says_refused(event: &Value, code: &str) -> bool {
    ["Delivering", "Synced"].iter().all(|name| {
        let found = condition(event, name);
        found["status"] == "False" && found["message"].as_str().is_some_and(|text| text.contains(code))
    })
}

#[test]
fn a_destination_that_google_refuses_is_said_with_its_code_and_heals() {
    let stage = stage("refused-destination");
    crowd(&stage, 3);
    let all = transactions(&stage, "customer").into_iter().collect();
    for (i, (code, field, stalls)) in [
        ("OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH", "login_account", true),
        ("INVALID_CONVERSION_ACTION_ID", "product_destination_id", false),
        ("INVALID_CONVERSION_ACTION_TYPE", "product_destination_id", false),
        ("TERMS_AND_CONDITIONS_NOT_SIGNED", "operating_account", false),
        ("PERMISSION_DENIED", "operating_account", true),
        (
            "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED",
            "operating_account",
            false,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, object) = (format!("e{i}"), format!("adce/e{i}"));
        refuse_ingest(&stage, code, field, None);
        stage.event(&name, "customer", &start());
        stage.wait(&object, code, |event| {
            reason(event, "Pending", "AccountNotReady") == 3 && says_refused(event, code)
        });
        if stalls {
            let stalled = stage.condition("gaa/acme", "Stalled", "True", "AccessDenied");
            assert!(
                stalled["message"].as_str().is_some_and(|m| m.contains(code)),
                "{stalled}"
            );
        } else {
            let not_ready = stage.condition(&object, "ConversionActionReady", "False", "Refused");
            assert!(
                not_ready["message"].as_str().is_some_and(|m| m.contains(code)),
                "{not_ready}"
            );
            assert_eq!(condition(&stage.get("gaa/acme"), "Ready")["status"], "True");
        }
        stage.condition(&object, "Ready", "False", "");
        stage.admin_call("DELETE", "/faults", None);
        let event = settled_within(&stage, &name, 3, LONG);
        assert_eq!(Counts::of(&event).uploaded, 3);
        exactly(&stage, &event, &all);
        for (kind, type_) in [
            (object.as_str(), "Delivering"),
            (object.as_str(), "Ready"),
            ("gaa/acme", "Ready"),
        ] {
            stage.condition(kind, type_, "True", "");
        }
    }
}

/// A process that has just started has not been refused anything
/// yet; that is no reason to say that conversions are sent.
#[test]
fn a_refusal_stands_over_a_restart_until_google_takes_something() {
    let stage = stage("refused-restart");
    crowd(&stage, 3);
    let code = "INVALID_CONVERSION_ACTION_ID";
    refuse_ingest(&stage, code, "product_destination_id", None);
    stage.event("refused", "customer", &start());
    stage.condition("adce/refused", "Ready", "False", "SyncFailing");
    stage.kill_operator();
    let tries = calls(&stage, "events:ingest").len();
    stage.start_operator();
    stage.wait_for("two more tries, and nothing but the refusal meanwhile", || {
        let event = stage.get("adce/refused");
        for name in ["Ready", "ConversionActionReady", "Synced", "Delivering"] {
            let found = condition(&event, name);
            assert_eq!(found["status"], "False", "{found}");
            assert!(found["message"].as_str().is_some_and(|m| m.contains(code)), "{found}");
        }
        let now = calls(&stage, "events:ingest").len();
        if now >= tries + 2 { Ok(()) } else { Err(json!(now)) }
    });
    stage.admin_call("DELETE", "/faults", None);
    let event = settled_within(&stage, "refused", 3, LONG);
    assert_eq!(Counts::of(&event).uploaded, 3);
    stage.condition("adce/refused", "Ready", "True", "Succeeded");
}

#[test]
fn what_google_refuses_of_one_action_holds_up_no_other() {
    let stage = stage("refused-one");
    // The first in the request by its name: the complaint is about the first destination.
    for name in ["a-refused", "healthy"] {
        stage.event(name, "customer", &start());
        stage.condition(&format!("adce/{name}"), "Ready", "True", "");
    }
    let refused = action(&stage.get("adce/a-refused"));
    let code = "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH";
    refuse_ingest(&stage, code, "login_account", Some(&refused));
    crowd(&stage, 3);
    let event = settled_within(&stage, "healthy", 3, LONG);
    assert_eq!(Counts::of(&event).uploaded, 3);
    stage.wait("adce/a-refused", "the refusal", |event| {
        reason(event, "Pending", "AccountNotReady") == 3 && says_refused(event, code)
    });
    // Also once the refused ones are tried again by themselves.
    let more = json!([became(10, "click-10")]);
    let tries = calls(&stage, "events:ingest").len();
    stage.wait_for("two more tries", || {
        let now = calls(&stage, "events:ingest").len();
        if now >= tries + 2 { Ok(()) } else { Err(json!(now)) }
    });
    stage.post("/hubspot/contacts", &more);
    settled_within(&stage, "healthy", 4, LONG);
    assert_eq!(condition(&stage.get("gaa/acme"), "Ready")["status"], "True");
    stage.admin_call("DELETE", "/faults", None);
    settled_within(&stage, "a-refused", 4, LONG);
    let all = transactions(&stage, "customer").into_iter().collect();
    exactly(&stage, &stage.get("adce/a-refused"), &all);
    exactly(&stage, &stage.get("adce/healthy"), &all);
}

#[test]
fn a_project_that_is_not_allowlisted_stalls_the_account_and_loses_no_row_whichever_way_it_is_said() {
    for (name, change) in [
        ("allowlist-rows", json!({"refusalsWithoutRows": false})),
        ("allowlist-whole", json!({"refusalsWithoutRows": true})),
    ] {
        let stage = stage(name);
        settings(&stage, &change);
        crowd(&stage, 60);
        click_uploads(&stage);
        stage.event("clicks", "customer", &start());
        stage.condition("gaa/acme", "Stalled", "True", "NotAllowlisted");
        let event = stage.wait("adce/clicks", "rows that wait", |event| {
            reason(event, "Pending", "AccountNotReady") == 60
        });
        assert_eq!(Counts::of(&event).rejected, 0, "{:#}", event["status"]);
        account(&stage, &json!({"clickUploadsAllowed": true}));
        let event = settled_within(&stage, "clicks", 60, LONG);
        assert_eq!(Counts::of(&event).uploaded, 60);
        stage.condition("gaa/acme", "Ready", "True", "");
        exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    }
}

#[test]
fn terms_withdrawn_row_by_row_hold_what_is_shared_and_nothing_else() {
    let stage = stage("refused-terms");
    account(&stage, &json!({"clickUploadsAllowed": true}));
    click_uploads(&stage);
    let mut shared = start();
    shared["shareData"] = json!(["Email"]);
    stage.event("shared", "customer", &shared);
    stage.event("clicks", "customer", &start());
    for name in ["adce/shared", "adce/clicks"] {
        stage.condition(name, "Ready", "True", "");
    }
    account(&stage, &json!({"acceptedCustomerDataTerms": false}));
    let mut contact = became(1, "click-1");
    contact["properties"] = json!({"email": "ada@example.com"});
    stage.post("/hubspot/contacts", &json!([contact]));
    settled_within(&stage, "clicks", 1, LONG);
    stage.condition("gaa/acme", "CustomerDataTermsAccepted", "False", "");
    stage.condition("adce/shared", "Stalled", "True", "TermsNotAccepted");
    let event = stage.wait("adce/shared", "a row that waits", |event| {
        reason(event, "Pending", "AccountNotReady") == 1
    });
    assert_eq!(Counts::of(&event).rejected, 0, "{:#}", event["status"]);
    account(&stage, &json!({"acceptedCustomerDataTerms": true}));
    let event = settled_within(&stage, "shared", 1, LONG);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}

#[test]
fn rows_that_google_asks_to_send_again_are_sent_again() {
    let stage = stage("refused-again");
    account(&stage, &json!({"clickUploadsAllowed": true}));
    click_uploads(&stage);
    crowd(&stage, 40);
    let all = transactions(&stage, "customer");
    for (places, reason) in [
        (0..6, "internalError.TRANSIENT_ERROR"),
        (6..12, "internalError.INTERNAL_ERROR"),
        (12..18, "databaseError.CONCURRENT_MODIFICATION"),
        (18..22, "quotaError.RESOURCE_TEMPORARILY_EXHAUSTED"),
    ] {
        let body = json!({"transactionIds": &all[places], "reason": reason, "times": 2});
        stage.post("/google/outcomes", &body);
    }
    // Google takes the first request, and its answer is lost: what it has meets these codes too.
    let lost =
        json!({"service": "googleAds", "path": "uploadClickConversions", "count": 1, "action": {"dropAfter": true}});
    stage.post("/faults", &lost);
    stage.event("again", "customer", &start());
    let event = settled_within(&stage, "again", 40, LONG);
    assert_eq!(Counts::of(&event).uploaded, 40, "{:#}", event["status"]);
    exactly(&stage, &event, &all.into_iter().collect());
}

#[test]
fn enhancements_that_google_asks_to_send_again_are_sent_again() {
    let stage = forms::stage("refused-forms", &FAST);
    forms::event(&stage, "demo", forms::FORM, &json!({}));
    stage.condition("adce/demo", "Ready", "True", "");
    let codes = [
        "internalError.TRANSIENT_ERROR",
        "internalError.INTERNAL_ERROR",
        "databaseError.CONCURRENT_MODIFICATION",
        "quotaError.RESOURCE_TEMPORARILY_EXHAUSTED",
    ];
    for (i, code) in codes.iter().enumerate() {
        let armed = json!({"transactionIds": [format!("c-{i}")], "reason": code, "times": 2});
        stage.post("/google/outcomes", &armed);
    }
    for i in 0..=codes.len() {
        forms::submit(&stage, &forms::consenting(&format!("c-{i}")));
    }
    let event = forms::counted(&stage, "demo", 5, 5, 0);
    assert_eq!(forms::ids(&stage, &event), ["c-0", "c-1", "c-2", "c-3", "c-4"]);
}

#[test]
fn less_evidence_than_google_gives_is_no_upload() {
    for (name, wrong, right) in [
        (
            "evidence-more",
            json!({"recordCountOff": 1}),
            json!({"recordCountOff": 0}),
        ),
        (
            "evidence-less",
            json!({"recordCountOff": -1}),
            json!({"recordCountOff": 0}),
        ),
        (
            "evidence-other",
            json!({"misnamedDestinations": true}),
            json!({"misnamedDestinations": false}),
        ),
        (
            "evidence-twice",
            json!({"doubledEntries": true}),
            json!({"doubledEntries": false}),
        ),
    ] {
        let stage = stage(name);
        settings(&stage, &wrong);
        crowd(&stage, 6);
        stage.event("evidence", "customer", &start());
        let unknown = |event: &Value| reason(event, "Processing", "OutcomeUnknown") > 0;
        let event = stage.wait("adce/evidence", "an unknown outcome", unknown);
        assert_eq!(Counts::of(&event).uploaded, 0, "{name}: {:#}", event["status"]);
        // Sent again, under the same ids: nothing counts twice.
        stage.wait_for("the rows again", || {
            let sent = calls(&stage, "events:ingest").len();
            if sent > 1 { Ok(()) } else { Err(json!(sent)) }
        });
        settings(&stage, &right);
        let event = settled_within(&stage, "evidence", 6, LONG);
        assert_eq!(Counts::of(&event).uploaded, 6, "{name}");
        exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    }
}

#[test]
fn most_rejected_is_said_with_contacts_and_does_not_make_the_event_unready() {
    let stage = stage("most-rejected");
    let contacts: Vec<Value> = (0..30).map(|i| became(i, &format!("invalid-{i}"))).collect();
    stage.post("/hubspot/contacts", &json!(contacts));
    stage.event("bad", "customer", &start());
    let event = settled_within(&stage, "bad", 30, LONG);
    assert_eq!(Counts::of(&event).rejected, 30);
    let delivering = stage.condition("adce/bad", "Delivering", "False", "MostRejected");
    let message = delivering["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("30 of 30") && message.contains("InvalidGclid"),
        "{message}"
    );
    let event = stage.get("adce/bad");
    let ready = condition(&event, "Ready");
    assert_eq!((&ready["status"], &ready["message"]), (&json!("True"), &json!(message)));
    let errors = event["status"]["sync"]["lastErrors"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert_eq!(errors.len(), 5, "{errors:?}");
    let known: Vec<String> = super::judge::occurrences(&stage, "customer")
        .into_iter()
        .map(|(c, _)| c)
        .collect();
    for error in &errors {
        assert_eq!(error["reason"], "InvalidGclid");
        assert!(
            error["contactId"]
                .as_str()
                .is_some_and(|id| known.iter().any(|k| k == id)),
            "{error}"
        );
    }
    assert!(!event.to_string().contains("invalid-1"), "no click id in the status");
    // Good ones outweigh them.
    let good: Vec<Value> = (30..70).map(|i| became(i, &format!("click-{i}"))).collect();
    stage.post("/hubspot/contacts", &json!(good));
    settled_within(&stage, "bad", 70, LONG);
    let delivering = stage.condition("adce/bad", "Delivering", "True", "Delivering");
    assert!(
        delivering["message"].as_str().is_some_and(|m| m.contains("40 ")),
        "{delivering}"
    );
}
