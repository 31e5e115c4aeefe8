//! What conditions and Kubernetes Events say: reasons, and sentences that are so.

use serde_json::{Value, json};

use super::Stage;
use super::stage::{Counts, ago, condition};

/// The Kubernetes Events about objects of this name.
pub fn events(stage: &Stage, name: &str) -> Vec<Value> {
    let text = stage.kubectl(&["get", "events.events.k8s.io", "--output", "json"]);
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let items = all["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().filter(|e| e["regarding"]["name"] == name).collect()
}

/// Waits for a Kubernetes Event with this reason; all there are by then.
pub fn published(stage: &Stage, name: &str, reason: &str) -> Vec<Value> {
    stage.wait_for(&format!("the Kubernetes Event {reason} about {name}"), || {
        let all = events(stage, name);
        if all.iter().any(|e| e["reason"] == reason) {
            Ok(all)
        } else {
            Err(json!(all))
        }
    })
}

fn message(object: &Value, type_: &str) -> String {
    condition(object, type_)["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_stall_is_published_under_its_own_reason() {
    let stage = Stage::start("stalls");
    stage.event("stalled", "no-such-stage", &json!({}));
    let synced = stage.condition("adce/stalled", "Synced", "False", "StageNotFound");
    assert!(!synced.to_string().contains("are sent"), "{synced}");
    let all = published(&stage, "stalled", "StageNotFound");
    assert!(
        all.iter()
            .all(|e| !["SyncFailed", "SyncCompleted", "Succeeded"].contains(&e["reason"].as_str().unwrap_or_default())),
        "{all:#?}"
    );
    assert_eq!(
        all.iter().filter(|e| e["reason"] == "StageNotFound").count(),
        1,
        "{all:#?}"
    );
}

#[test]
fn synced_says_that_nothing_is_sent_where_nothing_is() {
    let stage = Stage::start("honest");
    stage.event("honest", "customer", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/honest", "Ready", "True", "Succeeded");
    let all = published(&stage, "honest", "SyncCompleted");
    assert!(all.iter().any(|e| e["reason"] == "ConversionActionCreated"), "{all:#?}");
    stage.patch("adce/honest", &json!({"spec": {"suspend": true}}));
    let says = |words: &'static str| move |o: &Value| message(o, "Synced").contains(words);
    stage.wait(
        "adce/honest",
        "Synced of a suspended event",
        says("while the event is suspended"),
    );
    stage.patch("adce/honest", &json!({"spec": {"suspend": false}}));
    stage.wait("adce/honest", "Synced as before", says("due conversions are sent"));
    stage.patch("gaa/acme", &json!({"spec": {"suspend": true}}));
    stage.wait(
        "adce/honest",
        "Synced under a suspended account",
        says("while an account is suspended"),
    );
    stage.patch("gaa/acme", &json!({"spec": {"suspend": false}}));
    published(&stage, "honest", "Resumed");
    stage.contact(&[("customer", ago(60))], Some("after-all"), &json!({}));
    assert_eq!(Counts::of(&stage.settled("honest", 1)).uploaded, 1);
}

#[test]
fn objects_with_the_longest_names_have_kubernetes_events() {
    let stage = Stage::start("long");
    let name = format!("{}.{}", "a".repeat(200), "b".repeat(52));
    stage.event(&name, "no-such-stage", &json!({"eventName": "Long"}));
    let all = published(&stage, &name, "StageNotFound");
    let object = stage.get(&format!("adce/{name}"));
    for event in &all {
        assert_eq!(event["regarding"]["uid"], object["metadata"]["uid"], "{event}");
    }
    let described = stage.kubectl(&["describe", &format!("adce/{name}")]);
    assert!(
        described.contains("Events:") && described.matches("StageNotFound").count() >= 3,
        "{described}"
    );
}

#[test]
fn a_header_that_google_names_is_named() {
    let stage = Stage::start("header");
    stage.condition("gaa/acme", "Ready", "True", "");
    let said = "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's \
                customer id must be set in the 'login-customer-id' header.";
    let body = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "x", "details": [{
        "@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure",
        "errors": [{"errorCode": {"authorizationError": "USER_PERMISSION_DENIED"}, "message": said}]}]}});
    stage.post(
        "/faults",
        &json!({"service": "googleAds", "count": 0, "action": {"status": 403, "body": body}}),
    );
    stage.kubectl(&["annotate", "gaa/acme", "adconversion.dev/reconcile-requested-at=1"]);
    let c = stage.condition("gaa/acme", "Stalled", "True", "AccessDenied");
    let message = c["message"].as_str().expect("a message");
    assert!(
        message.contains("must be set in the login-customer-id header."),
        "{message}"
    );
    assert_eq!(message.matches("spec.loginCustomerId").count(), 1, "{message}");
}
