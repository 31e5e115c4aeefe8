//! From contacts to counted conversions.

use serde_json::json;

use super::Stage;
use super::judge::more_polls;
use super::stage::{Counts, ago, condition, reason};

#[test]
fn from_apply_to_a_counted_conversion() {
    let stage = Stage::with("path", &[], &[("attribution-interval", "1s")]);
    let value = json!({"value": {"fixed": {"amount": "250.50", "currency": "EUR"}}, "startTime": ago(86_400 * 30)});
    stage.event("became-customer", "customer", &value);
    stage.condition("adce/became-customer", "Ready", "True", "Succeeded");
    let at = ago(3600);
    stage.contact(
        &[("lead", ago(7200)), ("customer", at.clone())],
        Some("click-1"),
        &json!({"email": "a@example.com"}),
    );
    let event = stage.settled("became-customer", 1);
    assert_eq!(Counts::of(&event).uploaded, 1);
    let id = event["status"]["conversionAction"]["id"]
        .as_str()
        .expect("an action")
        .to_owned();
    let accepted = stage.accepted(&id);
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0]["value"], 250.5);
    assert_eq!(accepted[0]["currency"], "EUR");
    assert_eq!(accepted[0]["clickId"], "click-1");
    assert_eq!(
        accepted[0]["userIdentifiers"], 0,
        "nothing is shared that is not declared"
    );
    let sent: jiff::Timestamp = accepted[0]["eventTimestamp"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("RFC 3339");
    assert_eq!(
        sent,
        at.parse().expect("RFC 3339"),
        "the time of the history, to the millisecond"
    );
    let action = event["status"]["conversionAction"].clone();
    assert_eq!(action["origin"], "Created");
    assert_eq!(action["name"], "became-customer");
    assert_eq!(action["customerId"], "1234567890");
    assert_eq!(event["status"]["trigger"]["label"], "Customer");
    assert!(event["status"]["sync"]["lastUploadTime"].is_string());
    stage.condition("adce/became-customer", "CountedForBidding", "True", "GoalBiddable");
    let attributed = stage.wait("adce/became-customer", "Google's own count", |e| {
        e["status"]["attribution"]["allConversions"] == "1"
    });
    assert_eq!(attributed["status"]["attribution"]["conversions"], "1");
    let table = stage.kubectl(&["get", "adce"]);
    for word in ["READY", "TRIGGER", "UPLOADED", "became-customer", "True", "Customer"] {
        assert!(table.contains(word), "{word} in {table}");
    }
    let metrics = stage.http("/metrics");
    assert!(metrics.contains("adconversion_upstream_requests_total"), "{metrics}");
    assert!(stage.http("/readyz").starts_with("HTTP/1.1 200"));
    for secret in [
        "click-1",
        "a@example.com",
        "pat-na1-sandbox",
        "sandbox-refresh",
        "sandbox-secret",
    ] {
        assert!(!stage.log().contains(secret), "{secret} in the log");
        assert!(!event.to_string().contains(secret), "{secret} in the status");
        let ledger = std::fs::read(stage.ledger()).expect("the ledger");
        assert!(
            !ledger.windows(secret.len()).any(|w| w == secret.as_bytes()),
            "{secret} in the ledger"
        );
    }
}

#[test]
fn every_class_of_rows_is_counted_and_explained() {
    let stage = Stage::with("classes", &[], &[("click-grace", "2s")]);
    let more = json!({
        "startTime": ago(86_400 * 80),
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
        "conversionAction": {"create": {"clickThroughLookbackWindowDays": 30}},
    });
    stage.event("classes", "customer", &more);
    let yes = json!({"ads_consent": "true"});
    let became = |seconds| [("customer", ago(seconds))];
    stage.contact(&became(3600), Some("good-1"), &yes);
    stage.contact(&became(3601), Some("good-2"), &yes);
    stage.contact(&became(3602), Some("no-consent"), &json!({}));
    stage.contact(&became(3603), None, &yes);
    stage.contact(&became(3604), Some("invalid-click"), &yes);
    let gone = stage.contact(&became(3605), Some("deleted"), &yes);
    stage.admin_call("DELETE", &format!("/hubspot/contacts/{gone}"), None);
    let old = json!([{"createdAt": ago(86_400 * 70), "properties": {"ads_consent": "true"}, "history": {
        "hs_google_click_id": [{"value": "old-click", "timestamp": ago(86_400 * 60), "sourceType": "FORM"}],
        "lifecyclestage": [{"value": "customer", "timestamp": ago(3606), "sourceType": "CRM_UI"}]}}]);
    stage.post("/hubspot/contacts", &old);
    let event = stage.wait("adce/classes", "all classes settled", |e| {
        let counts = Counts::of(e);
        counts.conserved(e);
        counts.observed >= 6 && counts.pending == 0 && counts.processing == 0
    });
    let counts = Counts::of(&event);
    assert_eq!((counts.uploaded, counts.rejected), (2, 1), "{event:#}");
    assert_eq!(reason(&event, "Skipped", "NoConsent"), 1);
    assert_eq!(reason(&event, "Skipped", "NoClickId"), 1);
    assert_eq!(reason(&event, "Skipped", "OutsideClickWindow"), 1);
    assert_eq!(reason(&event, "Rejected", "InvalidGclid"), 1);
    let id = event["status"]["conversionAction"]["id"]
        .as_str()
        .expect("an action")
        .to_owned();
    let mut clicks: Vec<_> = stage
        .accepted(&id)
        .iter()
        .map(|c| c["clickId"].as_str().expect("a click").to_owned())
        .collect();
    clicks.sort();
    assert_eq!(clicks, ["good-1", "good-2"]);
    let messages = stage.kubectl(&["describe", "adce", "classes"]);
    assert!(messages.contains("consent property does not hold"), "{messages}");
    assert!(messages.contains("INVALID_GCLID"), "{messages}");
    assert_eq!(
        condition(&event, "Ready")["status"],
        "True",
        "single rows never turn it"
    );
}

#[test]
fn many_contacts_over_a_flaky_network_in_both_detection_modes() {
    for (dated, mode) in [(true, "DateEntered"), (false, "LastModified")] {
        let stage = Stage::empty("many", &["--flaky=3", "--index-lag=500ms"], &[]);
        stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&json!({"dateEntered": dated})));
        let plan = json!({"count": 700, "seed": 11, "spanDays": 20, "clickIdShare": 0.8, "dealShare": 0.5,
            "stages": ["lead", "marketingqualifiedlead", "customer"]});
        stage.post("/hubspot/generate", &plan);
        stage.start_operator();
        stage.apply(include_str!("accounts.yaml"));
        let start = json!({"startTime": ago(86_400 * 25)});
        stage.event("mql", "marketingqualifiedlead", &start);
        let deal = json!({"startTime": ago(86_400 * 25),
            "value": {"dealAmount": {"default": {"amount": "10", "currency": "EUR"}}}});
        stage.event("customer", "customer", &deal);
        for (name, lifecycle) in [("mql", "marketingqualifiedlead"), ("customer", "customer")] {
            let event = stage.wait(&format!("adce/{name}"), "a start time", |e| {
                e["status"]["sync"]["startTime"].is_string()
            });
            let since = event["status"]["sync"]["startTime"]
                .as_str()
                .expect("a time")
                .to_owned();
            let expected = stage.admin(&format!("/hubspot/expected?stage={lifecycle}&since={since}"));
            let expected = expected.as_array().expect("a list").len() as u64;
            assert!(expected > 100, "enough to matter: {expected}");
            let event = stage.settled(name, expected);
            let id = event["status"]["conversionAction"]["id"]
                .as_str()
                .expect("an action")
                .to_owned();
            let accepted = stage.accepted(&id);
            assert_eq!(accepted.len() as u64, Counts::of(&event).uploaded);
            assert!(
                accepted.iter().all(|c| c["adjusted"] == 0),
                "no value was changed by a repeat"
            );
        }
        assert_eq!(stage.get("hsa/acme")["status"]["changeDetection"], mode);
    }
}

#[test]
fn suspend_observes_and_resume_catches_up_or_skips() {
    let stage = Stage::start("suspend");
    for (name, policy) in [("catch-up", "CatchUp"), ("skip", "SkipMissed")] {
        let more = json!({"suspend": true, "resumePolicy": policy, "startTime": ago(86_400)});
        stage.event(name, "customer", &more);
    }
    stage.contact(&[("customer", ago(600))], Some("while-suspended"), &json!({}));
    for name in ["catch-up", "skip"] {
        stage.wait(&format!("adce/{name}"), "one waiting", |e| {
            reason(e, "Pending", "Suspended") == 1 && condition(e, "Ready")["reason"] == "Suspended"
        });
    }
    for name in ["catch-up", "skip"] {
        stage.patch(&format!("adce/{name}"), &json!({"spec": {"suspend": false}}));
    }
    let caught = stage.settled("catch-up", 1);
    assert_eq!(Counts::of(&caught).uploaded, 1);
    let skipped = stage.settled("skip", 1);
    assert_eq!(reason(&skipped, "Skipped", "MissedWhileSuspended"), 1);
    stage.contact(&[("customer", ago(500))], Some("after-resume"), &json!({}));
    let event = stage.settled("skip", 2);
    assert_eq!(Counts::of(&event).uploaded, 1, "what comes after the resume is sent");
}

#[test]
fn what_a_long_pass_notes_after_the_suspension_is_missed() {
    let stage = Stage::start("long-pass");
    stage.event(
        "skip",
        "customer",
        &json!({"resumePolicy": "SkipMissed", "startTime": ago(86_400)}),
    );
    stage.condition("adce/skip", "Ready", "True", "Succeeded");
    let gate = json!({"service": "hubspot", "path": "/contacts/batch/read", "number": 1, "when": "before"});
    stage.post("/gate", &gate);
    stage.contact(&[("customer", ago(600))], Some("in-between"), &json!({}));
    stage.at_the_gate();
    stage.patch("adce/skip", &json!({"spec": {"suspend": true}}));
    stage.condition("adce/skip", "Ready", "True", "Suspended");
    stage.admin_call("DELETE", "/gate", None);
    stage.wait("adce/skip", "one waiting", |e| reason(e, "Pending", "Suspended") == 1);
    stage.patch("adce/skip", &json!({"spec": {"suspend": false}}));
    let skipped = stage.settled("skip", 1);
    assert_eq!(reason(&skipped, "Skipped", "MissedWhileSuspended"), 1, "{skipped:#}");
}

#[test]
fn start_time_reaches_back_and_may_move_earlier() {
    let stage = Stage::start("start");
    stage.contact(&[("customer", ago(86_400 * 5))], Some("five-days"), &json!({}));
    stage.contact(&[("customer", ago(86_400))], Some("one-day"), &json!({}));
    stage.event("start", "customer", &json!({"startTime": ago(86_400 * 2)}));
    stage.settled("start", 1);
    stage.patch("adce/start", &json!({"spec": {"startTime": ago(86_400 * 10)}}));
    let event = stage.settled("start", 2);
    assert_eq!(Counts::of(&event).uploaded, 2);
}

#[test]
fn a_reconcile_request_is_echoed() {
    let stage = Stage::start("echo");
    stage.event("echo", "customer", &json!({}));
    stage.condition("adce/echo", "Ready", "True", "");
    stage.kubectl(&["annotate", "adce/echo", "adconversion.dev/reconcile-requested-at=now-1"]);
    stage.wait("adce/echo", "the echo", |e| {
        e["status"]["lastHandledReconcileAt"] == "now-1"
    });
    stage.kubectl(&["annotate", "gaa/acme", "reconcile.fluxcd.io/requestedAt=now-2"]);
    stage.wait("gaa/acme", "the echo", |e| {
        e["status"]["lastHandledReconcileAt"] == "now-2"
    });
}

#[test]
fn at_rest_nothing_is_written_and_only_polls_go_out() {
    let stage = Stage::start("rest");
    stage.event("rest", "customer", &json!({}));
    stage.contact(&[("customer", ago(-1))], Some("soon"), &json!({}));
    stage.condition("adce/rest", "Ready", "True", "");
    stage.settled("rest", 1);
    stage.condition("adce/rest", "CountedForBidding", "True", "");
    let versions =
        || ["adce/rest", "hsa/acme", "gaa/acme"].map(|o| stage.get(o)["metadata"]["resourceVersion"].clone());
    let before = versions();
    more_polls(&stage, 6);
    assert_eq!(before, versions(), "no write to Kubernetes at rest");
}
