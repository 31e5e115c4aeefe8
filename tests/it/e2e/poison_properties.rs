//! A contact property that one event names, and with which each read of HubSpot fails: only that event waits, in words,
//! and nothing is decided from what was not read.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, FORM, OTHER, consenting, with};
use super::judge::{crowd, exactly, occurrences, settled_within, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::stage::{Counts, ago, condition, reason};

const LONG: Duration = Duration::from_mins(2);
const BAD: &str = "bad_prop";

fn stage(name: &str) -> (Stage, Meddler) {
    let flags = [
        ("backoff-max", "2s"),
        ("failure-threshold", "2s"),
        ("settle-delay", "1s"),
    ];
    let mut stage = Stage::empty(name, &["--no-rate-limits", "--processing-delay=200ms"], &flags);
    let meddler = stage.meddled();
    let properties = json!({"properties": [{"name": BAD, "type": "string"}]});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&properties));
    (stage, meddler)
}

/// Whatever asks for contacts with this property is answered so.
fn refuse(meddler: &Meddler, name: &'static str, meddling: Meddling) -> Rule {
    let asks = move |call: &Asked| call.path.contains("/crm/objects/") && call.says(&format!("\"{name}\""));
    meddler.always(asks, meddling)
}

fn refusal(status: u16, category: &str, scopes: &[&str]) -> Meddling {
    let errors = json!([{"message": "x", "context": {"requiredScopes": scopes}}]);
    let body = json!({"status": "error", "message": "no", "category": category, "errors": errors});
    Meddling::Instead(Reply::json(status, &body))
}

/// Since when the account is ready.
fn ready_since(stage: &Stage) -> Value {
    stage.condition("hsa/acme", "Ready", "True", "")["lastTransitionTime"].clone()
}

fn all_go(stage: &Stage, name: &str, lifecycle: &str) {
    let all: BTreeSet<String> = transactions(stage, lifecycle).into_iter().collect();
    let event = settled_within(stage, name, all.len(), LONG);
    exactly(stage, &event, &all);
}

/// The event is not synced and says for which property; its conversions wait, all of them.
fn waits_for(stage: &Stage, name: &str, count: u64, field: &str) {
    let event = stage.wait(&format!("adce/{name}"), "the property it waits for", |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        let message = condition(event, "Synced")["message"].to_string();
        (counts.observed, counts.pending) == (count, count) && message.contains(BAD)
    });
    let synced = condition(&event, "Synced");
    let words = synced["message"].to_string();
    assert_eq!(
        (&synced["status"], &synced["reason"]),
        (&json!("False"), &json!("SourceUnavailable"))
    );
    assert!(words.contains(field) && words.contains("other events go on"), "{words}");
    stage.condition(&format!("adce/{name}"), "Ready", "False", "SyncFailing");
}

#[rstest::rstest]
#[case::scope("property-403", refusal(403, "MISSING_SCOPES", &["crm.objects.contacts.sensitive.read"]))]
#[case::refused("property-400", refusal(400, "VALIDATION_ERROR", &[]))]
#[case::broken("property-500", refusal(500, "INTERNAL_ERROR", &[]))]
#[case::lost("property-lost", Meddling::Drop)]
fn a_consent_property_that_is_not_given_holds_up_no_other_event(#[case] name: &str, #[case] meddling: Meddling) {
    let (stage, meddler) = stage(name);
    crowd(&stage, 12);
    let entered = [("opportunity", ago(3600))];
    let consents = |value: &str| stage.contact(&entered, Some("click-q"), &json!({BAD: value}));
    let (granting, _) = (
        consents("true"),
        [consents("false"), stage.contact(&entered, Some("click-o"), &json!({}))],
    );
    let refused = refuse(&meddler, BAD, meddling);
    stage.start_with_accounts();
    let ready = ready_since(&stage);
    let since = json!({"startTime": ago(86_400 * 30)});
    let consent = json!({"startTime": ago(86_400 * 30), "consent": {"property": BAD, "grantedValues": ["true"]}});
    stage.event("won", "customer", &since);
    stage.event("opened", "opportunity", &consent);
    all_go(&stage, "won", "customer");
    waits_for(&stage, "opened", 3, "spec.consent.property");
    // Known by now: others cost no more calls than usual, and go at once.
    stage.contact(&[("customer", ago(60))], Some("click-later"), &json!({}));
    all_go(&stage, "won", "customer");
    assert_eq!(Counts::of(&stage.get("adce/opened")).pending, 3);
    assert_eq!(ready_since(&stage), ready, "the account has been ready all the while");
    meddler.lift(refused);
    let event = stage.settled("opened", 3);
    assert_eq!(reason(&event, "Skipped", "NoConsent"), 2, "{:#}", event["status"]);
    let sent = occurrences(&stage, "opportunity").into_iter();
    let sent: BTreeSet<String> = sent.filter(|(id, _)| *id == granting).map(|(_, sent)| sent).collect();
    exactly(&stage, &event, &sent);
    stage.condition("adce/opened", "Synced", "True", "");
    stage.condition("adce/opened", "Ready", "True", "");
}

/// A click id is read with its history. Its event shares no data: without the property each contact has no click.
#[test]
fn a_click_property_that_is_not_given_leaves_out_no_conversion() {
    let (stage, meddler) = stage("property-click");
    crowd(&stage, 6);
    for i in 0..3 {
        let row = |value: &str, days: i64| json!([{"value": value, "timestamp": ago(86_400 * days + i), "sourceType": "FORM"}]);
        let click = row(&format!("click-bad-{i}"), 9);
        // Google knows the click by HubSpot's own property, which this event does not name.
        let history = json!({BAD: click, "hs_google_click_id": click, "lifecyclestage": row("opportunity", 3)});
        stage.post(
            "/hubspot/contacts",
            &json!([{"createdAt": ago(86_400 * 10), "history": history}]),
        );
    }
    let refused = refuse(&meddler, BAD, refusal(500, "INTERNAL_ERROR", &[]));
    stage.start_with_accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    let clicks = json!({"startTime": ago(86_400 * 30), "clickIds": {"gclidProperty": BAD}});
    stage.event("opened", "opportunity", &clicks);
    all_go(&stage, "won", "customer");
    waits_for(&stage, "opened", 3, "spec.clickIds.gclidProperty");
    // A process that begins finds it out for itself.
    stage.stop_operator();
    stage.start_operator();
    stage.contact(&[("customer", ago(60))], Some("click-later"), &json!({}));
    all_go(&stage, "won", "customer");
    waits_for(&stage, "opened", 3, "spec.clickIds.gclidProperty");
    meddler.lift(refused);
    all_go(&stage, "opened", "opportunity");
    stage.condition("adce/opened", "Synced", "True", "");
}

/// Searches for one stage fail, which one search asks for together with the others.
#[rstest::rstest]
#[case::scope("stage-403", refusal(403, "MISSING_SCOPES", &["crm.objects.contacts.sensitive.read"]))]
#[case::broken("stage-500", refusal(500, "INTERNAL_ERROR", &[]))]
fn a_stage_whose_searches_fail_holds_up_no_other(#[case] name: &str, #[case] meddling: Meddling) {
    let (stage, meddler) = stage(name);
    crowd(&stage, 6);
    stage.contact(&[("opportunity", ago(3600))], Some("click-o"), &json!({}));
    let entered = "hs_v2_date_entered_opportunity";
    let searches = move |call: &Asked| call.path.contains("/contacts/search") && call.says(entered);
    let refused = meddler.always(searches, meddling);
    stage.start_with_accounts();
    let ready = ready_since(&stage);
    for (name, lifecycle) in [("won", "customer"), ("opened", "opportunity")] {
        stage.event(name, lifecycle, &json!({"startTime": ago(86_400 * 30)}));
    }
    all_go(&stage, "won", "customer");
    let says = |event: &Value| condition(event, "Synced")["message"].to_string().contains(entered);
    stage.wait("adce/opened", "the property that can't be searched", says);
    stage.contact(&[("customer", ago(60))], Some("click-later"), &json!({}));
    all_go(&stage, "won", "customer");
    assert_eq!(Counts::of(&stage.get("adce/opened")).observed, 0);
    assert_eq!(ready_since(&stage), ready, "the account has been ready all the while");
    meddler.lift(refused);
    all_go(&stage, "opened", "opportunity");
    stage.condition("adce/opened", "Synced", "True", "");
}

#[test]
fn a_property_of_one_form_event_holds_up_no_other() {
    let (stage, meddler) = stage("property-form");
    forms::start(&stage);
    let refused = refuse(
        &meddler,
        BAD,
        refusal(403, "MISSING_SCOPES", &["crm.objects.contacts.sensitive.read"]),
    );
    forms::event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    let consent = json!({"startTime": ago(3600), "consent": {"property": BAD, "grantedValues": ["true"]}});
    forms::event(&stage, "letter", OTHER, &consent);
    forms::submit(&stage, &consenting("c-1"));
    let other = json!({"formId": OTHER, "properties": {BAD: "true"}});
    forms::submit(&stage, &with(&consenting("c-2"), &other));
    forms::counted(&stage, "demo", 1, 1, 0);
    waits_for(&stage, "letter", 1, "spec.consent.property");
    forms::submit(&stage, &consenting("c-3"));
    forms::counted(&stage, "demo", 2, 2, 0);
    meddler.lift(refused);
    let event = forms::counted(&stage, "letter", 1, 1, 0);
    assert_eq!(forms::ids(&stage, &event), ["c-2"]);
    stage.condition("adce/letter", "Synced", "True", "");
}
