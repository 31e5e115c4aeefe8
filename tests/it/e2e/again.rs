//! Mistakes in a manifest, and the way out that a refusal names: nothing is lost, nothing doubled, counts stay.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, crowd, exactly, transactions};
use super::stage::{Counts, LIMIT, ago, condition};

/// What a refused change says.
const WAY_OUT: &str = "delete the event and create it again; set spec.startTime to what status.sync.startTime says now to keep its counts";

/// `kubectl patch` of an event that must be refused; what it says.
fn refusal(stage: &Stage, event: &str, spec: &Value) -> String {
    let patch = json!({ "spec": spec }).to_string();
    let arguments = [
        "--namespace",
        &stage.namespace,
        "patch",
        event,
        "--type=merge",
        "--patch",
        &patch,
    ];
    let output = crate::support::cluster::cluster()
        .client()
        .run_with(&arguments, None, LIMIT)
        .expect("kubectl");
    output.ok().expect_err("a refusal").to_string()
}

fn start_of(event: &Value) -> String {
    event["status"]["sync"]["startTime"]
        .as_str()
        .expect("a start")
        .to_owned()
}

#[test]
fn a_typo_in_a_stage_is_corrected_and_what_came_meanwhile_counts() {
    let stage = Stage::start("typo");
    stage.event("won", "custmer", &json!({}));
    let c = stage.condition("adce/won", "Stalled", "True", "StageNotFound");
    let message = c["message"].as_str().expect("a message");
    assert!(
        message.contains("Set spec.trigger.lifecycleStage.stage to one that exists"),
        "{message}"
    );
    assert!(!message.contains("delete the event"), "{message}");
    let event = stage.get("adce/won");
    assert!(event["status"]["trigger"].is_null(), "{:#}", event["status"]);
    let start = start_of(&event);
    assert!(stage.actions().iter().all(|a| a["name"] != "won"), "nothing is created");
    stage.wait_for("a second that the event is old", || {
        if ago(1) > start { Ok(()) } else { Err(json!(start)) }
    });
    stage.contact(&[("customer", ago(0))], Some("meanwhile"), &json!({}));
    stage.patch(
        "adce/won",
        &json!({"spec": {"trigger": {"lifecycleStage": {"stage": "customer"}}}}),
    );
    let event = stage.settled("won", 1);
    assert_eq!(Counts::of(&event).uploaded, 1);
    assert_eq!(start_of(&event), start);
    assert_eq!(event["status"]["trigger"]["stage"], "customer");

    let said = refusal(
        &stage,
        "adce/won",
        &json!({"trigger": {"lifecycleStage": {"stage": "lead"}}}),
    );
    assert!(
        said.contains("spec.trigger.lifecycleStage.stage") && said.contains(WAY_OUT),
        "{said}"
    );
}

#[test]
fn a_typo_in_a_form_is_corrected() {
    let stage = Stage::start("typo-form");
    let id = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";
    stage.post("/hubspot/forms", &json!([{"id": id, "name": "Demo request"}]));
    let trigger = |form: &str| json!({"lifecycleStage": null, "formSubmission": {"formId": form}});
    stage.event(
        "demo",
        "",
        &json!({"trigger": {"formSubmission": {"formId": "Demo reqest"}}, "shareData": ["Email"],
            "consent": {"property": "ads_consent", "grantedValues": ["true"]}}),
    );
    stage.condition("adce/demo", "Stalled", "True", "FormNotFound");
    assert!(stage.get("adce/demo")["status"]["trigger"].is_null());
    stage.patch("adce/demo", &json!({"spec": {"trigger": trigger("Demo request")}}));
    let event = stage.wait("adce/demo", "the form", |e| e["status"]["trigger"]["formId"] == id);
    assert_eq!(event["status"]["trigger"]["label"], "Demo request");
    let said = refusal(&stage, "adce/demo", &json!({"trigger": trigger(id)}));
    assert!(
        said.contains("spec.trigger.formSubmission.formId") && said.contains(WAY_OUT),
        "{said}"
    );
}

/// The advice, literally: with another Google account object the action and the trigger
/// stay the same, so all is counted on; with another stage the new trigger counts from
/// the old start, and the old conversions stay at Google as they are.
#[test]
fn who_follows_the_advice_of_a_refusal_keeps_counts_and_loses_nothing() {
    let stage = Stage::start("advice");
    crowd(&stage, 20);
    let more = json!({"startTime": ago(86_400 * 10), "eventName": "Won"});
    stage.event("won", "customer", &more);
    let event = stage.settled("won", 20);
    assert_eq!(Counts::of(&event).uploaded, 20);
    let (id, ledger) = (action(&event), event["status"]["sync"]["ledgerId"].clone());

    let said = refusal(&stage, "adce/won", &json!({"googleAdsAccountRef": {"name": "acme-2"}}));
    assert!(
        said.contains("spec.googleAdsAccountRef") && said.contains(WAY_OUT),
        "{said}"
    );
    let second = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "GoogleAdsAccount", "metadata": {"name": "acme-2"},
        "spec": {"customerId": "1234567890", "credentialsSecretRef": {"name": "google-ads"}}});
    stage.apply(&second.to_string());
    stage.kubectl(&["delete", "adce/won", "--timeout=30s"]);
    stage.contact(&[("customer", ago(30))], Some("in-between"), &json!({}));
    let more = json!({"startTime": start_of(&event), "eventName": "Won", "googleAdsAccountRef": {"name": "acme-2"}});
    stage.event("won", "customer", &more);
    let event = stage.settled("won", 21);
    assert_eq!(Counts::of(&event).uploaded, 21);
    assert_eq!(
        (action(&event), &event["status"]["sync"]["ledgerId"]),
        (id.clone(), &ledger)
    );
    let customers: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    assert_eq!(customers.len(), 21);
    exactly(&stage, &event, &customers);

    let said = refusal(
        &stage,
        "adce/won",
        &json!({"trigger": {"lifecycleStage": {"stage": "evangelist"}}}),
    );
    assert!(said.contains(WAY_OUT), "{said}");
    stage.kubectl(&["delete", "adce/won", "--timeout=30s"]);
    stage.contact(&[("evangelist", ago(20))], Some("fan"), &json!({}));
    let more = json!({"startTime": start_of(&event), "eventName": "Won", "googleAdsAccountRef": {"name": "acme-2"}});
    stage.event("won", "evangelist", &more);
    let event = stage.settled("won", 1);
    assert_eq!((action(&event), Counts::of(&event).uploaded), (id, 1));
    let fans = transactions(&stage, "evangelist");
    exactly(&stage, &event, &customers.into_iter().chain(fans).collect());
}

#[test]
fn a_start_that_is_not_the_declared_one_is_shown_and_never_moves_later() {
    let stage = Stage::start("starts");
    let far = ago(86_400 * 200);
    stage.event("clamped", "customer", &json!({"startTime": far}));
    let event = stage.wait("adce/clamped", "Ready", |e| condition(e, "Ready")["status"] == "True");
    let message = condition(&event, "Ready")["message"].to_string();
    let start = start_of(&event);
    assert!(
        message.contains("more than 90 days") && message.contains(&start),
        "{message}"
    );
    assert!(start < ago(86_400 * 90 - 120) && start > ago(86_400 * 91), "{start}");

    stage.event("later", "customer", &json!({"eventName": "Later"}));
    let event = stage.wait("adce/later", "Ready", |e| condition(e, "Ready")["status"] == "True");
    let start = start_of(&event);
    for added in ["2099-01-01T00:00:00Z", "2098-01-01T00:00:00Z"] {
        stage.patch("adce/later", &json!({"spec": {"startTime": added}}));
        let event = stage.wait("adce/later", "the note", |e| {
            condition(e, "Ready")["message"].to_string().contains(added)
        });
        assert_eq!(start_of(&event), start, "it changes nothing");
        assert_eq!(condition(&event, "Ready")["status"], "True");
    }
    let said = refusal(&stage, "adce/later", &json!({"startTime": null}));
    assert!(said.contains("startTime cannot be removed"), "{said}");

    stage.event(
        "future",
        "customer",
        &json!({"eventName": "Future", "startTime": "2099-01-01T00:00:00Z"}),
    );
    stage.condition("adce/future", "Stalled", "True", "InvalidSpec");
    let soon = ago(-4);
    stage.patch("adce/future", &json!({"spec": {"startTime": soon}}));
    let event = stage.wait("adce/future", "Ready", |e| condition(e, "Ready")["status"] == "True");
    assert_eq!(start_of(&event)[..19], soon[..19]);
}

#[test]
fn what_is_born_suspended_is_ready_and_says_so() {
    let stage = Stage::start("born");
    stage.condition("hsa/acme", "Ready", "True", "");
    stage.event("born", "customer", &json!({"suspend": true}));
    let event = stage.wait("adce/born", "Ready", |e| condition(e, "Ready")["status"] == "True");
    assert_eq!(condition(&event, "Ready")["reason"], "Suspended");
    assert_eq!(event["status"]["observedGeneration"], event["metadata"]["generation"]);

    let account = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "GoogleAdsAccount", "metadata": {"name": "off"},
        "spec": {"customerId": "1234567890", "suspend": true}});
    stage.apply(&account.to_string());
    stage.condition("gaa/off", "Ready", "True", "Suspended");
    stage.event(
        "waits",
        "customer",
        &json!({"eventName": "Waits", "googleAdsAccountRef": {"name": "off"}}),
    );
    stage.condition("adce/waits", "AccountsReady", "False", "Suspended");
    stage.condition("adce/waits", "Ready", "True", "Suspended");
}
