//! When nothing is written to Google: counted at the sandbox, by what reached it.

use serde_json::{Value, json};

use super::Stage;
use super::forms;
use super::judge::action;
use super::stage::condition;

/// Requests that change something in Google's configuration, whatever came of them.
fn writes(stage: &Stage) -> usize {
    forms::calls(stage, ":mutate")
}

/// A conversion action as Google has it.
fn in_google(stage: &Stage, id: &str) -> Value {
    let is = |a: &Value| a["id"].to_string().trim_matches('"') == id;
    stage.actions().into_iter().find(is).unwrap_or_default()
}

fn request(stage: &Stage, object: &str, token: &str) {
    let annotation = format!("adconversion.dev/reconcile-requested-at={token}");
    stage.kubectl(&["annotate", object, "--overwrite", &annotation]);
    stage.wait(object, "the request to be handled", |o| {
        o["status"]["lastHandledReconcileAt"] == token
    });
}

fn terms(stage: &Stage, accepted: bool) {
    let patch = json!({"acceptedCustomerDataTerms": accepted});
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&patch));
}

/// What a person does to an action and its goal in Google's pages.
fn tamper(stage: &Stage, id: &str) {
    let edit = json!({"name": "Renamed", "primaryForGoal": false, "countingType": "MANY_PER_CLICK"});
    stage.admin_call("PATCH", &format!("/google/actions/{id}"), Some(&edit));
    let goal =
        json!({"customerId": "1234567890", "category": "CONVERTED_LEAD", "origin": "WEBSITE", "biddable": false});
    stage.admin_call("PATCH", "/google/goals", Some(&goal));
}

/// An event that declares every field which is enforced.
fn declaring(name: &str) -> Value {
    json!({"eventName": name, "includeInConversions": true,
        "conversionAction": {"create": {"category": "ConvertedLead", "countingType": "OnePerClick"}}})
}

fn changed(name: &str) -> Value {
    json!({"spec": {"eventName": name, "conversionAction": {"create": {"category": "QualifiedLead",
        "clickThroughLookbackWindowDays": 60, "viewThroughLookbackWindowDays": 2}}}})
}

#[test]
fn before_the_manifest_makes_sense_nothing_is_created() {
    let stage = Stage::empty("typos", &[], &[]);
    stage.post("/hubspot/forms", &json!([{"id": forms::FORM, "name": "Demo request"}]));
    terms(&stage, false);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("stage", "custommer", &json!({}));
    stage.event(
        "property",
        "customer",
        &json!({"clickIds": {"gclidProperty": "gclidd"}}),
    );
    let consent = json!({"consent": {"property": "ads_consnet", "grantedValues": ["true"]}});
    stage.event("consent", "lead", &consent);
    stage.event("future", "lead", &json!({"startTime": "2099-01-01T00:00:00Z"}));
    stage.event("terms", "opportunity", &json!({"shareData": ["Email"]}));
    forms::event(&stage, "form-name", "Demo", &json!({}));
    forms::event(&stage, "form-id", forms::OTHER, &json!({}));
    forms::event(&stage, "form-terms", forms::FORM, &json!({}));
    for (event, why) in [
        ("stage", "StageNotFound"),
        ("property", "PropertyNotFound"),
        ("consent", "PropertyNotFound"),
        ("future", "InvalidSpec"),
        ("terms", "TermsNotAccepted"),
        ("form-name", "FormNotFound"),
        ("form-id", "FormNotFound"),
        ("form-terms", "TermsNotAccepted"),
    ] {
        stage.condition(&format!("adce/{event}"), "Stalled", "True", why);
    }
    let unknown = stage.get("adce/form-id");
    assert!(unknown["status"]["trigger"].is_null(), "{:#}", unknown["status"]);
    assert_eq!(writes(&stage), 0, "{:#?}", stage.actions());
    terms(&stage, true);
    request(&stage, "gaa/acme", "1");
    for event in ["terms", "form-terms"] {
        stage.condition(&format!("adce/{event}"), "ConversionActionReady", "True", "Created");
    }
    assert_eq!(writes(&stage), 2);
}

#[test]
fn a_suspended_event_leaves_google_alone() {
    let stage = Stage::start("hands-off");
    stage.patch("gaa/acme", &json!({"spec": {"manageAccountGoals": true}}));
    stage.event("made", "customer", &declaring("Made"));
    let event = stage.wait("adce/made", "Ready", |e| condition(e, "Ready")["status"] == "True");
    let id = action(&event);
    assert_eq!(writes(&stage), 1);
    stage.patch("adce/made", &json!({"spec": {"suspend": true}}));
    stage.condition("adce/made", "Ready", "True", "Suspended");
    stage.event("born", "lead", &json!({"suspend": true, "eventName": "Born"}));
    let waits = stage.condition("adce/born", "ConversionActionReady", "False", "Suspended");
    assert!(waits["message"].as_str().unwrap().contains("spec.suspend"), "{waits}");
    // Every way to provoke a write: a new name, category and windows in the manifest; name, primary, counting type and
    // goal changed in Google; a request to look at it now.
    stage.patch("adce/made", &changed("Made otherwise"));
    tamper(&stage, &id);
    request(&stage, "gaa/acme", "1");
    let seen = stage.wait("adce/made", "the change in Google to be seen", |e| {
        condition(e, "ConversionActionReady")["message"]
            .as_str()
            .is_some_and(|m| m.contains("Renamed"))
    });
    let differs = condition(&seen, "ConversionActionReady");
    assert_eq!(
        (&differs["status"], &differs["reason"]),
        (&json!("False"), &json!("Suspended"))
    );
    assert_eq!(condition(&seen, "Ready")["status"], "True", "{:#}", seen["status"]);
    request(&stage, "adce/made", "2");
    request(&stage, "adce/born", "2");
    assert_eq!(writes(&stage), 1, "{:#?}", stage.actions());
    assert_eq!(in_google(&stage, &id)["name"], "Renamed");

    for event in ["made", "born"] {
        stage.patch(&format!("adce/{event}"), &json!({"spec": {"suspend": false}}));
        stage.condition(&format!("adce/{event}"), "ConversionActionReady", "True", "Created");
    }
    let now = in_google(&stage, &id);
    let wanted = json!({"name": "Made otherwise", "category": "QUALIFIED_LEAD", "primaryForGoal": true,
        "countingType": "ONE_PER_CLICK", "clickThroughLookbackWindowDays": 60, "viewThroughLookbackWindowDays": 2});
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(&now[field], value, "{field} in {now:#}");
    }
    stage.condition("adce/born", "Ready", "True", "Succeeded");
}

#[test]
fn what_would_be_mapped_or_taken_over_is_while_suspended() {
    let stage = Stage::start("hands-off-map");
    for (name, category) in [("Mine", "CONVERTED_LEAD"), ("Yours", "DEFAULT")] {
        let made = json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": name, "category": category});
        stage.post("/google/actions", &made);
    }
    request(&stage, "gaa/acme", "1");
    stage.event("adopts", "customer", &json!({"suspend": true, "eventName": "Mine"}));
    let existing = json!({"suspend": true, "conversionAction": {"existing": {"name": "Yours"}}});
    stage.event("maps", "customer", &existing);
    stage.condition("adce/adopts", "ConversionActionReady", "True", "Adopted");
    stage.condition("adce/maps", "ConversionActionReady", "True", "Mapped");
    assert_eq!(writes(&stage), 0);
}

#[test]
fn a_suspended_account_leaves_google_alone() {
    let stage = Stage::with("hands-off-account", &[], &[("deletion-timeout", "1s")]);
    stage.patch("gaa/acme", &json!({"spec": {"manageAccountGoals": true}}));
    stage.event("made", "customer", &declaring("Made"));
    let event = stage.wait("adce/made", "Ready", |e| condition(e, "Ready")["status"] == "True");
    let id = action(&event);
    stage.event(
        "goes",
        "lead",
        &json!({"eventName": "Goes", "deletionPolicy": "Delete"}),
    );
    let going = action(&stage.wait("adce/goes", "Ready", |e| condition(e, "Ready")["status"] == "True"));
    stage.patch("gaa/acme", &json!({"spec": {"suspend": true}}));
    stage.condition("adce/made", "AccountsReady", "False", "Suspended");
    let before = writes(&stage);
    assert_eq!(before, 2);
    let calls = forms::calls(&stage, "googleAds:search");
    stage.patch("adce/made", &changed("Made otherwise"));
    tamper(&stage, &id);
    stage.event("new", "opportunity", &json!({"eventName": "New"}));
    stage.condition("adce/new", "AccountsReady", "False", "Suspended");
    request(&stage, "gaa/acme", "1");
    request(&stage, "adce/made", "1");
    request(&stage, "adce/new", "1");
    stage.kubectl(&["delete", "adce/goes", "--wait=false"]);
    let held = stage.condition("adce/goes", "DeletionBlocked", "True", "Suspended");
    assert!(held["message"].as_str().unwrap().contains("spec.suspend"), "{held}");
    assert_eq!(writes(&stage), before, "{:#?}", stage.actions());
    assert_eq!(
        forms::calls(&stage, "googleAds:search"),
        calls,
        "nothing is read either"
    );

    stage.patch("gaa/acme", &json!({"spec": {"suspend": false}}));
    stage.wait("adce/goes", "to be gone", Value::is_null);
    assert_eq!(in_google(&stage, &going)["status"], "REMOVED");
    stage.condition("adce/new", "ConversionActionReady", "True", "Created");
    stage.wait_for("the action to be as declared", || {
        let now = in_google(&stage, &id);
        let right =
            now["name"] == "Made otherwise" && now["category"] == "QUALIFIED_LEAD" && now["primaryForGoal"] == true;
        if right { Ok(()) } else { Err(now) }
    });
}
