//! Deletion in every state.

use serde_json::{Value, json};

use super::Stage;
use super::stage::condition;
use super::words::events;

fn status_of(stage: &Stage, id: &str) -> Value {
    let is = |a: &Value| a["id"].as_str().map_or_else(|| a["id"].to_string(), str::to_owned) == id;
    stage
        .actions()
        .into_iter()
        .find(is)
        .map_or(Value::Null, |a| a["status"].clone())
}

fn ready(stage: &Stage, name: &str) -> String {
    let event = stage.wait(&format!("adce/{name}"), "Ready", |e| {
        condition(e, "Ready")["status"] == "True"
    });
    event["status"]["conversionAction"]["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

/// The event in the ledger's only note about an action that was left behind.
fn former_event(stage: &Stage) -> String {
    use sqlx::Connection;
    let url = format!("sqlite://{}", stage.ledger().display());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut ledger = sqlx::SqliteConnection::connect(&url).await.expect("the ledger");
        let notes = sqlx::query_scalar("SELECT former_event FROM orphans");
        notes.fetch_one(&mut ledger).await.expect("one note")
    })
}

#[test]
fn the_action_stays_is_noted_and_adopted_again() {
    let stage = Stage::start("orphan");
    stage.event("first", "customer", &json!({"eventName": "Kept"}));
    let id = ready(&stage, "first");
    stage.kubectl(&["delete", "adce/first", "--timeout=30s"]);
    assert_eq!(status_of(&stage, &id), "ENABLED");
    let account = stage.wait("gaa/acme", "the note", |o| {
        o["status"]["orphanedConversionActions"]
            .as_array()
            .is_some_and(|a| a.len() == 1)
    });
    let note = &account["status"]["orphanedConversionActions"][0];
    assert_eq!(note["id"], id.as_str());
    assert_eq!(note["name"], "Kept");
    assert_eq!(note["formerEvent"], format!("{}/first", stage.namespace));
    stage.event(
        "second",
        "customer",
        &json!({"eventName": "Kept", "deletionPolicy": "Delete"}),
    );
    assert_eq!(ready(&stage, "second"), id);
    let event = stage.get("adce/second");
    assert_eq!(event["status"]["conversionAction"]["origin"], "Adopted");
    stage.wait("gaa/acme", "no note", |o| {
        o["status"]["orphanedConversionActions"]
            .as_array()
            .is_none_or(Vec::is_empty)
    });
    stage.kubectl(&["delete", "adce/second", "--timeout=30s"]);
    assert_eq!(status_of(&stage, &id), "REMOVED", "ours, though adopted in between");
}

#[test]
fn delete_removes_only_what_we_created() {
    let stage = Stage::start("remove");
    let action =
        json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": "Strangers", "category": "CONVERTED_LEAD"});
    stage.post("/google/actions", &action);
    stage.event(
        "ours",
        "customer",
        &json!({"eventName": "Ours", "deletionPolicy": "Delete"}),
    );
    stage.event(
        "theirs",
        "customer",
        &json!({"eventName": "Strangers", "deletionPolicy": "Delete"}),
    );
    let (ours, theirs) = (ready(&stage, "ours"), ready(&stage, "theirs"));
    stage.kubectl(&["delete", "adce/ours", "adce/theirs", "--timeout=30s"]);
    assert_eq!(status_of(&stage, &ours), "REMOVED");
    assert_eq!(status_of(&stage, &theirs), "ENABLED");
}

#[test]
fn works_with_secrets_accounts_and_google_gone() {
    let stage = Stage::start("gone");
    stage.event("gone", "customer", &json!({}));
    ready(&stage, "gone");
    let broken = json!({"service": "googleAds", "count": 0, "action": {"status": 503}});
    stage.post("/faults", &broken);
    stage.kubectl(&["delete", "secret", "google-ads", "hubspot"]);
    stage.kubectl(&["delete", "adce/gone", "--timeout=30s"]);
    stage.kubectl(&["delete", "gaa/acme", "hsa/acme", "--timeout=30s"]);
}

#[test]
fn a_removal_google_refuses_is_blocked_with_a_way_out() {
    let stage = Stage::with("blocked", &[], &[("deletion-timeout", "2s")]);
    stage.event("blocked", "customer", &json!({"deletionPolicy": "Delete"}));
    let id = ready(&stage, "blocked");
    let broken = json!({"service": "googleAds", "count": 0, "path": "mutate", "action": {"status": 503}});
    stage.post("/faults", &broken);
    stage.kubectl(&["delete", "adce/blocked", "--wait=false"]);
    // Whoever looks sees it from the first failed try on, and that nothing is Ready.
    stage.wait_for("a Kubernetes Event about the first try", || {
        let all = events(&stage, "blocked");
        let told = all
            .iter()
            .any(|e| e["reason"] == "UpstreamUnreachable" && e["type"] == "Warning");
        if told { Ok(()) } else { Err(json!(all)) }
    });
    let ready = stage.condition("adce/blocked", "Ready", "False", "UpstreamUnreachable");
    assert!(ready["message"].as_str().expect("a message").contains(&id), "{ready}");
    let c = stage.condition("adce/blocked", "DeletionBlocked", "True", "");
    assert!(
        c["message"].as_str().expect("a message").contains("deletionPolicy"),
        "{c}"
    );
    assert_eq!(condition(&stage.get("adce/blocked"), "Ready")["status"], "False");
    stage.patch("adce/blocked", &json!({"spec": {"deletionPolicy": "Orphan"}}));
    stage.wait("adce/blocked", "to be gone", Value::is_null);
    assert_eq!(status_of(&stage, &id), "ENABLED");
}

#[test]
fn a_namespace_goes_with_everything_in_it() {
    let stage = Stage::start("namespace");
    stage.event("inside", "customer", &json!({}));
    let id = ready(&stage, "inside");
    stage.kubectl(&["delete", "namespace", &stage.namespace, "--timeout=50s"]);
    assert_eq!(status_of(&stage, &id), "ENABLED");
}

/// What goes first in a namespace is Kubernetes' choice: here the Secret is gone before the event's turn comes.
#[test]
fn a_namespace_goes_although_the_action_can_no_longer_be_removed() {
    let stage = Stage::start("goes");
    stage.event("inside", "customer", &json!({"deletionPolicy": "Delete"}));
    let id = ready(&stage, "inside");
    stage.kubectl(&["delete", "secret", "google-ads"]);
    stage.condition("gaa/acme", "Ready", "False", "SecretNotFound");
    // Alone the event waits for somebody to repair the account.
    stage.kubectl(&["delete", "adce/inside", "--wait=false"]);
    // Before its deletion it was not Ready for the same reason.
    stage.wait("adce/inside", "what the deletion waits for", |event| {
        let ready = condition(event, "Ready");
        let message = ready["message"].as_str().unwrap_or_default();
        ready["reason"] == "AccountNotReady" && message.contains("missing or has no usable credentials")
    });
    stage.kubectl(&["delete", "namespace", &stage.namespace, "--timeout=50s"]);
    assert_eq!(status_of(&stage, &id), "ENABLED");
    let note = former_event(&stage);
    assert_eq!(note, format!("{}/inside", stage.namespace));
}

#[test]
fn suspended_and_stalled_events_can_be_deleted() {
    let stage = Stage::start("states");
    stage.event("suspended", "customer", &json!({"suspend": true}));
    stage.event("stalled", "no-such-stage", &json!({}));
    stage.condition("adce/suspended", "ConversionActionReady", "False", "Suspended");
    stage.condition("adce/stalled", "Stalled", "True", "");
    stage.kubectl(&["delete", "adce/suspended", "adce/stalled", "--timeout=30s"]);
}
