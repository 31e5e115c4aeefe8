//! Scopes of the HubSpot token: each is asked for by the events that need it, and only they wait for it.

use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, FORM};
use super::stage::{Counts, ago, reason};

const CONTACTS: &str = "crm.objects.contacts.read";
const DEALS: &str = "crm.objects.deals.read";

fn grant(stage: &Stage, scopes: &[&str]) {
    let scopes = json!({"scopes": {"pat-na1-sandbox": scopes}});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&scopes));
}

fn with_deals() -> Value {
    json!({"startTime": ago(86_400), "value": {"dealAmount": {"default": {"amount": "10", "currency": "EUR"}}}})
}

#[test]
fn only_events_with_deal_values_wait_for_the_scope_of_deals() {
    // HubSpot names the token's scopes, or it does not and the calls show.
    for told in [true, false] {
        let stage = Stage::empty("few-scopes", &[], &[]);
        if !told {
            let silent =
                json!({"service": "hubspot", "path": "access-token-info", "count": 0, "action": {"status": 404}});
            stage.post("/faults", &silent);
        }
        grant(&stage, &[CONTACTS]);
        stage.start_operator();
        stage.apply(include_str!("accounts.yaml"));
        stage.event("simple", "customer", &json!({"startTime": ago(86_400)}));
        stage.event("deals", "lead", &with_deals());
        let stalled = stage.condition("adce/deals", "Stalled", "True", "MissingScope");
        let message = stalled["message"].as_str().expect("a message");
        assert!(message.contains(DEALS) && message.contains("HubSpot"), "{message}");
        assert!(
            !message.contains("Google") && !message.contains("loginCustomerId"),
            "{message}"
        );
        stage.contact(
            &[("lead", ago(700)), ("customer", ago(600))],
            Some("click-1"),
            &json!({}),
        );
        assert_eq!(Counts::of(&stage.settled("simple", 1)).uploaded, 1);
        stage.condition("hsa/acme", "Ready", "True", "Succeeded");
        let names: Vec<_> = stage.actions().iter().map(|a| a["name"].clone()).collect();
        assert_eq!(names, ["simple"], "nothing is created for an event that cannot work");
        // Granted in HubSpot, it heals by itself.
        grant(&stage, &[CONTACTS, DEALS]);
        stage.condition("adce/deals", "Ready", "True", "Succeeded");
        assert_eq!(Counts::of(&stage.settled("deals", 1)).uploaded, 1);
    }
}

#[test]
fn a_scope_that_is_taken_away_stalls_only_who_needs_it() {
    let stage = Stage::start("lost-scope");
    stage.event("simple", "customer", &json!({"startTime": ago(86_400)}));
    stage.event("deals", "customer", &with_deals());
    stage.condition("adce/simple", "Ready", "True", "");
    stage.condition("adce/deals", "Ready", "True", "");
    grant(&stage, &[CONTACTS]);
    let contact = stage.contact(&[("customer", ago(600))], Some("click-1"), &json!({}));
    stage.post(
        "/hubspot/deals",
        &json!([{"properties": {"amount": "50", "dealstage": "closedwon"}, "contactIds": [contact]}]),
    );
    stage.condition("adce/deals", "Stalled", "True", "MissingScope");
    stage.wait("adce/deals", "the row to wait", |e| {
        reason(e, "Pending", "AccountNotReady") == 1
    });
    assert_eq!(Counts::of(&stage.settled("simple", 1)).uploaded, 1);
    stage.condition("hsa/acme", "Ready", "True", "Succeeded");
    grant(&stage, &[CONTACTS, DEALS]);
    assert_eq!(Counts::of(&stage.settled("deals", 1)).uploaded, 1);
}

#[test]
fn the_scope_of_forms_taken_away_stalls_form_events_alone() {
    let stage = forms::stage("lost-forms", &[]);
    forms::event(&stage, "demo", FORM, &json!({}));
    stage.event("simple", "customer", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/demo", "Ready", "True", "");
    stage.condition("adce/simple", "Ready", "True", "");
    grant(&stage, &[CONTACTS]);
    forms::submit(&stage, &forms::consenting("c-1"));
    let stalled = stage.condition("adce/demo", "Stalled", "True", "MissingScope");
    assert!(
        stalled["message"].as_str().is_some_and(|m| m.contains("forms")),
        "{stalled}"
    );
    stage.contact(&[("customer", ago(1))], Some("click-1"), &json!({}));
    assert_eq!(Counts::of(&stage.settled("simple", 1)).uploaded, 1);
    stage.condition("hsa/acme", "Ready", "True", "Succeeded");
    grant(&stage, &[CONTACTS, "forms"]);
    assert_eq!(Counts::of(&stage.settled("demo", 1)).uploaded, 1);
}

#[test]
fn submissions_that_hubspot_refuses_to_show_stall_nobody_else_after_a_restart() {
    let stage = forms::stage("lost-pages", &[]);
    forms::event(&stage, "demo", FORM, &json!({}));
    stage.event("simple", "customer", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/demo", "Ready", "True", "");
    // It waits for its tag, and with each try for the click of its page, which the ledger does not hold.
    let tagless = forms::with(&forms::consenting("tagless"), &json!({"webConversion": false}));
    forms::submit(&stage, &tagless);
    stage.wait("adce/demo", "one that waits for its tag", |e| {
        reason(e, "Pending", "AwaitingWebConversion") == 1
    });
    stage.kill_operator();
    let body = json!({"status": "error", "category": "FORBIDDEN", "message": "No."});
    let refused = json!({"service": "hubspot", "path": "/submissions/forms/", "count": 0,
        "action": {"status": 403, "body": body}});
    stage.post("/faults", &refused);
    stage.start_operator();
    stage.wait("adce/demo", "the submission to wait", |e| {
        reason(e, "Pending", "AccountNotReady") == 1
    });
    for n in 1..=2 {
        stage.contact(&[("customer", ago(1))], Some(&format!("click-{n}")), &json!({}));
        assert_eq!(Counts::of(&stage.settled("simple", n)).uploaded, n);
        stage.condition("hsa/acme", "Ready", "True", "Succeeded");
    }
    stage.condition("adce/demo", "Synced", "False", "");
    stage.admin_call("DELETE", "/faults", None);
    stage.post(
        "/google/web-conversions",
        &json!({"conversions": [{"transactionId": "tagless"}]}),
    );
    assert_eq!(Counts::of(&stage.settled("demo", 1)).uploaded, 1);
}
