//! Actions of the wanted name or id that are a stranger's, or record nothing.

use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, calls};
use super::judge::action;
use super::stage::{ago, condition, reason};

const MANAGER: &str = "9876543210";

fn seed(stage: &Stage, id: u64, fields: &Value) {
    let mut made = json!({"id": id, "customerId": "1234567890", "type": "UPLOAD_CLICKS", "category": "CONVERTED_LEAD",
        "createdAt": ago(86_400 * 30)});
    made.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    stage.post("/google/actions", &made);
}

fn existing(reference: &Value) -> Value {
    json!({"startTime": ago(86_400), "conversionAction": {"existing": reference}})
}

#[test]
fn a_managers_action_of_the_same_name_is_a_strangers() {
    let stage = Stage::empty("stranger", &[], &[]);
    seed(&stage, 7_001, &json!({"customerId": MANAGER, "name": "Qualified"}));
    seed(&stage, 7_002, &json!({"customerId": MANAGER, "name": "Group customer"}));
    seed(&stage, 700_000_100, &json!({"name": "Qualified"}));
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("by-name", "customer", &existing(&json!({"name": "Qualified"})));
    stage.event("by-id", "lead", &existing(&json!({"id": "7001"})));
    stage.event("made", "customer", &json!({"eventName": "Group customer"}));
    stage.condition("adce/by-name", "ConversionActionReady", "True", "Mapped");
    assert_eq!(action(&stage.get("adce/by-name")), "700000100");
    stage.condition("adce/made", "ConversionActionReady", "True", "Created");
    let made = action(&stage.get("adce/made"));
    assert!(!["7001", "7002"].contains(&made.as_str()), "{made}");
    let stalled = stage.condition("adce/by-id", "Stalled", "True", "ExternalResourceNotFound");
    assert!(stalled["message"].as_str().unwrap().contains("manager"), "{stalled}");
}

#[test]
fn an_action_that_records_nothing_stalls_until_it_does() {
    let stage = Stage::empty("records-nothing", &[], &[]);
    seed(&stage, 700_000_101, &json!({"name": "Hidden one", "status": "HIDDEN"}));
    seed(
        &stage,
        700_000_102,
        &json!({"name": "Site form", "type": "WEBPAGE", "category": "SUBMIT_LEAD_FORM"}),
    );
    seed(&stage, 700_000_103, &json!({"name": "Gone", "status": "REMOVED"}));
    seed(
        &stage,
        700_000_104,
        &json!({"name": "Elsewhere", "attributionModel": "EXTERNAL"}),
    );
    seed(&stage, 700_000_105, &json!({"name": "Visits", "type": "STORE_VISITS"}));
    seed(&stage, 700_000_106, &json!({"name": "Fine"}));
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    let cases = [
        ("hidden", "700000101", "InvalidSpec", "HIDDEN"),
        ("web", "700000102", "InvalidSpec", "WEBPAGE"),
        ("removed", "700000103", "ExternalResourceRemoved", "removed"),
        ("external", "700000104", "InvalidSpec", "EXTERNAL"),
        ("visits", "700000105", "InvalidSpec", "STORE_VISITS"),
    ];
    for (name, id, ..) in cases {
        stage.event(name, "customer", &existing(&json!({"id": id})));
    }
    stage.event("fine", "customer", &existing(&json!({"id": "700000106"})));
    stage.contact(&[("customer", ago(3600))], Some("click-1"), &json!({}));
    for (name, id, why, word) in cases {
        let stalled = stage.condition(&format!("adce/{name}"), "Stalled", "True", why);
        let message = stalled["message"].as_str().unwrap();
        assert!(message.contains(id) && message.contains(word), "{stalled}");
        stage.condition(&format!("adce/{name}"), "ConversionActionReady", "False", why);
    }
    stage.settled("fine", 1);
    assert_eq!(
        calls(&stage, "events:ingest"),
        1,
        "none of the others spoils its request"
    );
    // Each heals by what a person does in Google Ads.
    for (id, cure) in [
        ("700000101", json!({"status": "ENABLED"})),
        ("700000103", json!({"status": "ENABLED"})),
        ("700000104", json!({"attributionModel": "GOOGLE_ADS_LAST_CLICK"})),
    ] {
        stage.admin_call("PATCH", &format!("/google/actions/{id}"), Some(&cure));
    }
    for name in ["hidden", "removed", "external"] {
        let event = stage.settled(name, 1);
        assert_eq!(event["status"]["sync"]["uploaded"], 1, "{:#}", event["status"]);
    }
    assert_eq!(calls(&stage, ":mutate"), 0, "a mapped action is never changed");
}

#[test]
fn an_adopted_action_that_a_person_hides_stays_hidden() {
    let stage = Stage::start("hidden-later");
    seed(&stage, 700_000_101, &json!({"name": "Same"}));
    stage.event("same", "customer", &json!({"eventName": "Same"}));
    stage.condition("adce/same", "ConversionActionReady", "True", "Adopted");
    let set = |status: &str| {
        let patch = json!({"status": status});
        stage.admin_call("PATCH", "/google/actions/700000101", Some(&patch));
    };
    set("HIDDEN");
    stage.condition("adce/same", "Stalled", "True", "InvalidSpec");
    assert_eq!(calls(&stage, ":mutate"), 0);
    set("ENABLED");
    stage.condition("adce/same", "Ready", "True", "Succeeded");
}

#[test]
fn what_somebody_else_created_in_between_is_adopted_and_stays_on_deletion() {
    let stage = Stage::start("race");
    stage.condition("gaa/acme", "Ready", "True", "");
    let gate = json!({"service": "googleAds", "path": "conversionActions:mutate", "number": 1, "when": "before"});
    stage.post("/gate", &gate);
    stage.event(
        "race",
        "customer",
        &json!({"eventName": "Race", "deletionPolicy": "Delete"}),
    );
    stage.at_the_gate();
    seed(&stage, 700_000_101, &json!({"name": "Race"}));
    stage.admin_call("DELETE", "/gate", None);
    stage.condition("adce/race", "ConversionActionReady", "True", "Adopted");
    assert_eq!(action(&stage.get("adce/race")), "700000101");
    stage.kubectl(&["delete", "adce/race", "--timeout=30s"]);
    let left = stage.actions();
    assert_eq!((left.len(), &left[0]["status"]), (1, &json!("ENABLED")), "{left:#?}");
}

/// The reply to the first create is lost and Google's reads lag behind, so that the second one meets the first.
#[test]
fn a_create_that_meets_an_earlier_one_of_ours_has_created_the_action() {
    let stage = Stage::start("lag");
    stage.condition("gaa/acme", "Ready", "True", "");
    let lag = json!({"service": "googleAds", "path": "googleAds:search", "bodyContains": "FROM conversion_action",
        "count": 0, "action": {"status": 200, "body": {}}});
    stage.post("/faults", &lag);
    let lost = json!({"service": "googleAds", "path": "conversionActions:mutate", "action": {"dropAfter": true}});
    stage.post("/faults", &lost);
    stage.event("lag", "customer", &json!({"eventName": "Lag"}));
    stage.wait_for("the second create to meet the first", || {
        let writes = calls(&stage, ":mutate");
        if writes >= 2 { Ok(()) } else { Err(json!(writes)) }
    });
    stage.admin_call("DELETE", "/faults", None);
    let event = stage.wait("adce/lag", "Ready", |e| condition(e, "Ready")["status"] == "True");
    assert_eq!(event["status"]["conversionAction"]["origin"], "Created");
    assert!(event["status"]["conversionAction"]["createTime"].is_string());
    assert_eq!(stage.actions().len(), 1, "{:#?}", stage.actions());
}

#[test]
fn a_create_that_google_refuses_says_so() {
    let stage = Stage::start("refused-create");
    stage.condition("gaa/acme", "Ready", "True", "");
    let refused = json!({"error": {"code": 400, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure", "errors": [
            {"errorCode": {"conversionActionError": "CREATION_NOT_SUPPORTED"}, "message": "No."}]}]}});
    let fault = json!({"service": "googleAds", "path": "conversionActions:mutate", "count": 0,
        "action": {"status": 400, "body": refused}});
    stage.post("/faults", &fault);
    stage.event("refused", "customer", &json!({}));
    let stalled = stage.condition("adce/refused", "Stalled", "True", "InvalidSpec");
    assert!(
        stalled["message"].as_str().unwrap().contains("CREATION_NOT_SUPPORTED"),
        "{stalled}"
    );
    assert!(stage.get("adce/refused")["status"]["conversionAction"].is_null());
}

/// Under a manager's conversion tracking the actions are the
/// manager's; the numbers are those of the account with the ads.
#[test]
fn attributed_conversions_are_asked_of_the_account_with_the_ads() {
    let stage = Stage::with("cross-account", &[], &[("attribution-interval", "1s")]);
    let cross = json!({"conversionCustomer": MANAGER, "crossAccountConversionTrackingId": 5,
        "conversionTrackingStatus": "CONVERSION_TRACKING_MANAGED_BY_ANOTHER_MANAGER"});
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&cross));
    stage.patch("gaa/acme", &json!({"spec": {"loginCustomerId": MANAGER}}));
    stage.event("customers", "customer", &json!({"startTime": ago(86_400)}));
    stage.contact(&[("customer", ago(3600))], Some("click-1"), &json!({}));
    let event = stage.settled("customers", 1);
    assert_eq!(event["status"]["conversionAction"]["customerId"], MANAGER);
    stage.wait("adce/customers", "the attributed conversion", |e| {
        e["status"]["attribution"]["allConversions"] == "1"
    });
    let log = stage.admin("/requests?since=0");
    let asked = |r: &&Value| r.to_string().contains("metrics.all_conversions");
    let asked: Vec<_> = log["requests"]
        .as_array()
        .or_else(|| log.as_array())
        .unwrap()
        .iter()
        .filter(asked)
        .collect();
    assert!(!asked.is_empty());
    for request in asked {
        assert_eq!(request["status"], 200, "{request}");
        assert!(request["path"].as_str().unwrap().contains("1234567890"), "{request}");
    }
}

#[test]
fn what_a_form_event_leaves_behind_is_noted_with_its_type() {
    let stage = forms::stage("web-orphan", &[]);
    forms::event(&stage, "demo", forms::FORM, &json!({"eventName": "Demo"}));
    stage.event("customers", "customer", &json!({"eventName": "Customers"}));
    for event in ["demo", "customers"] {
        stage.wait(&format!("adce/{event}"), "Ready", |e| {
            condition(e, "Ready")["status"] == "True"
        });
    }
    stage.kubectl(&["delete", "adce/demo", "adce/customers", "--timeout=30s"]);
    let account = stage.wait("gaa/acme", "the notes", |o| {
        o["status"]["orphanedConversionActions"]
            .as_array()
            .is_some_and(|a| a.len() == 2)
    });
    let mut notes: Vec<(&str, &str)> = account["status"]["orphanedConversionActions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| (note["name"].as_str().unwrap(), note["type"].as_str().unwrap()))
        .collect();
    notes.sort_unstable();
    assert_eq!(notes, [("Customers", "UPLOAD_CLICKS"), ("Demo", "WEBPAGE")]);
}

#[test]
fn a_submission_without_consent_is_no_missing_tag() {
    let stage = forms::stage("no-consent", &[("enhancement-deadline", "12s")]);
    forms::event(&stage, "demo", forms::FORM, &json!({"startTime": ago(3600)}));
    stage.condition("adce/demo", "Ready", "True", "");
    let silent = json!({"conversionId": "silent", "email": "silent@example.com"});
    forms::submit(&stage, &silent);
    let old = json!({"conversionId": "old", "email": "old@example.com", "submittedAt": ago(600)});
    forms::submit(&stage, &old);
    let tagless = forms::with(&forms::consenting("tagless"), &json!({"webConversion": false}));
    forms::submit(&stage, &tagless);
    let event = stage.settled("demo", 3);
    let skipped = ["NoConsent", "DeadlineMissed"].map(|why| reason(&event, "Skipped", why));
    assert_eq!(skipped, [1, 2], "{:#}", event["status"]["sync"]);
}
