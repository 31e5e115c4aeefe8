//! Form events: submissions become enhancements of what the web tag reported, each once, on consent and in time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{Monotone, action};
use super::rows_of::sha256;
use super::stage::{Counts, ago, reason};

pub const FORM: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";
pub const OTHER: &str = "11111111-ebdd-44c0-bd94-15c012bbbfbf";

/// Sandbox with a form, operator, accounts.
pub fn stage(name: &str, flags: &[(&str, &str)]) -> Stage {
    let stage = Stage::empty(name, &[], flags);
    start(&stage);
    stage
}

/// Forms, operator, accounts.
pub fn start(stage: &Stage) {
    let forms =
        json!([{"id": FORM, "name": "Demo request"}, {"id": OTHER, "name": "Newsletter", "formType": "captured"}]);
    stage.post("/hubspot/forms", &forms);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
}

/// Applies a form event; `more` is merged into its spec.
pub fn event(stage: &Stage, name: &str, form: &str, more: &Value) {
    let mut spec = json!({
        "trigger": {"formSubmission": {"formId": form}},
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
        "shareData": ["Email"],
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    let mut whole = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": name},
        "spec": {"googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"}},
    });
    whole["spec"]
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    stage.apply(&whole.to_string());
}

pub fn submit(stage: &Stage, submission: &Value) -> Value {
    let mut body = json!({"formId": FORM});
    body.as_object_mut()
        .unwrap()
        .extend(submission.as_object().unwrap().clone());
    stage.post("/hubspot/submissions", &json!([body]))["submissions"][0].clone()
}

pub fn consenting(id: &str) -> Value {
    json!({"conversionId": id, "email": format!("{id}@example.com"), "properties": {"ads_consent": "true"}})
}

pub fn with(submission: &Value, more: &Value) -> Value {
    let mut all = submission.clone();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// Enhancements of the event's action, by order id.
fn enhancements(stage: &Stage, event: &Value) -> BTreeMap<String, Value> {
    let tally = stage.admin(&format!("/google/tally?actionId={}", action(event)));
    let all = tally["enhancements"].as_array().cloned().unwrap_or_default();
    all.into_iter()
        .map(|e| (e["orderId"].as_str().unwrap().to_owned(), e))
        .collect()
}

pub fn ids(stage: &Stage, event: &Value) -> Vec<String> {
    enhancements(stage, event).into_keys().collect()
}

/// Waits for so many observed submissions in this state; the counts add up all the while.
pub fn counted(stage: &Stage, name: &str, observed: u64, uploaded: u64, pending: u64) -> Value {
    let what = format!("{observed} observed, {uploaded} uploaded, {pending} pending of {name}");
    stage.wait(&format!("adce/{name}"), &what, |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        (counts.observed, counts.uploaded, counts.pending) == (observed, uploaded, pending)
    })
}

/// Requests for a path so far.
pub fn calls(stage: &Stage, path: &str) -> usize {
    let log = stage.admin("/requests?since=0");
    let all = log["requests"].as_array().or_else(|| log.as_array()).cloned().unwrap();
    all.iter()
        .filter(|r| r["path"].as_str().is_some_and(|p| p.contains(path)))
        .count()
}

#[test]
fn submissions_become_enhancements_to_the_letter() {
    let stage = stage("forms", &[]);
    let more = json!({
        "eventName": "HubSpot - Demo",
        "value": {"fixed": {"amount": "40.50", "currency": "EUR"}},
        "shareData": ["Email", "Phone", "Address"],
    });
    event(&stage, "demo", "Demo request", &more);
    stage.condition("adce/demo", "Ready", "True", "");
    let person = json!({"ads_consent": "true", "phone": "030 1234567", "firstname": "Ada", "lastname": "Lovelace",
        "zip": "10115", "country": "Germany", "address": "Unter den Linden 1", "city": "Berlin"});
    let full = with(
        &consenting("c-1"),
        &json!({"properties": person, "pageUrl": "https://www.example.com/demo?x=1&gclid=Cj0-page"}),
    );
    let made = submit(&stage, &full);
    submit(&stage, &consenting("c-2"));
    submit(&stage, &json!({"conversionId": "c-3"}));
    submit(&stage, &with(&consenting("c-other"), &json!({"formId": OTHER})));
    let event = counted(&stage, "demo", 3, 2, 0);
    assert_eq!(reason(&event, "Skipped", "NoSharedData"), 1);
    assert_eq!(
        event["status"]["trigger"],
        json!({"type": "FormSubmission", "formId": FORM, "label": "Demo request"})
    );
    let found = enhancements(&stage, &event);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["c-1", "c-2"]);
    let at = jiff::Timestamp::from_millisecond(made["submittedAt"].as_i64().unwrap()).unwrap();
    let first = &found["c-1"];
    assert_eq!(
        first["conversionDateTime"],
        at.strftime("%Y-%m-%d %H:%M:%S+00:00").to_string()
    );
    assert_eq!(
        (&first["gclid"], &first["value"], &first["currency"]),
        (&json!("Cj0-page"), &json!(40.5), &json!("EUR"))
    );
    let names = format!("{}|{}|DE|10115", sha256("ada"), sha256("lovelace"));
    assert_eq!(
        first["identifiers"],
        json!([sha256("c-1@example.com"), sha256("+49301234567"), names])
    );
    assert_eq!(found["c-2"]["gclid"], Value::Null);
    let shown = stage.admin("/google/actions");
    let ours = shown["actions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|a| a["name"] == "HubSpot - Demo")
        .unwrap()
        .clone();
    assert_eq!(
        (&ours["type"], &ours["category"]),
        (&json!("WEBPAGE"), &json!("SUBMIT_LEAD_FORM")),
        "{ours}"
    );
    let send_to = event["status"]["conversionAction"]["sendTo"]
        .as_str()
        .unwrap()
        .to_owned();
    let map = stage.get("configmap/demo-google-tag");
    let html = map["data"]["google-tag.html"].as_str().unwrap();
    assert!(
        send_to.starts_with("AW-") && html.contains(&send_to) && html.contains(FORM),
        "{html}"
    );
    assert_eq!(map["metadata"]["ownerReferences"][0]["uid"], event["metadata"]["uid"]);
    stage.kubectl(&["delete", "configmap/demo-google-tag"]);
    stage.wait_within(Duration::from_secs(15), "the ConfigMap again", || {
        let there = stage.kubectl(&["get", "configmap", "--output", "name"]);
        let again = there.contains("demo-google-tag");
        if again { Ok(()) } else { Err(json!(there)) }
    });
    assert_eq!(stage.get("configmap/demo-google-tag")["data"], map["data"]);
    let log = stage.log();
    for secret in ["@example.com", "Cj0-page", "Lovelace", &sha256("c-1@example.com")] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn what_waits_for_consent_or_the_web_tag_goes_later() {
    let stage = stage("waiting", &[]);
    event(&stage, "demo", FORM, &json!({}));
    stage.condition("adce/demo", "Ready", "True", "");
    let silent = json!({"conversionId": "c-1", "email": "ada@example.com"});
    let contact = submit(&stage, &silent)["contactId"].as_str().unwrap().to_owned();
    submit(&stage, &with(&consenting("c-2"), &json!({"webConversion": false})));
    submit(&stage, &consenting("c-3"));
    let waiting = counted(&stage, "demo", 3, 1, 2);
    assert_eq!(reason(&waiting, "Pending", "AwaitingConsent"), 1);
    stage.wait("adce/demo", "a look for the web conversion", |e| {
        reason(e, "Pending", "AwaitingWebConversion") == 1
    });
    let change = json!({"properties": {"ads_consent": "true"}});
    stage.admin_call("PATCH", &format!("/hubspot/contacts/{contact}"), Some(&change));
    stage.post(
        "/google/web-conversions",
        &json!({"conversions": [{"transactionId": "c-2"}]}),
    );
    let event = counted(&stage, "demo", 3, 3, 0);
    assert_eq!(ids(&stage, &event), ["c-1", "c-2", "c-3"]);
}

#[test]
fn after_the_deadline_nothing_is_sent() {
    let stage = stage("deadline", &[("enhancement-deadline", "12s")]);
    event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    submit(
        &stage,
        &json!({"conversionId": "old", "email": "old@example.com", "submittedAt": ago(60), "properties": {"ads_consent": "true"}}),
    );
    submit(
        &stage,
        &json!({"conversionId": "silent", "email": "silent@example.com"}),
    );
    submit(&stage, &with(&consenting("no-tag"), &json!({"webConversion": false})));
    submit(
        &stage,
        &with(&consenting("no-id"), &json!({"missingConversionId": true})),
    );
    submit(&stage, &consenting("good"));
    let event = stage.settled("demo", 5);
    assert_eq!(reason(&event, "Skipped", "DeadlineMissed"), 3, "{:#}", event["status"]);
    assert_eq!(reason(&event, "Skipped", "NoConsent"), 1, "{:#}", event["status"]);
    assert_eq!(ids(&stage, &event), ["good"]);
}

/// Pages of fifty that shift, late rows, kill -9 in between, answers that get lost: exactly the consenting ones.
#[test]
fn many_submissions_through_faults_and_crashes() {
    let stage = stage("many", &[]);
    let plan = |seed: u64, count: u32| json!({"formId": FORM, "count": count, "seed": seed, "spanMinutes": 50, "consentShare": 0.8, "gclidShare": 0.5});
    stage.post("/hubspot/submissions/generate", &plan(1, 230));
    let drop = |service: &str, path: &str, skip: u32| {
        stage.post(
            "/faults",
            &json!({"service": service, "path": path, "skip": skip, "action": {"dropAfter": true}}),
        );
    };
    drop("googleAds", "uploadConversionAdjustments", 0);
    drop("hubspot", "/form-integrations/", 2);
    drop("hubspot", "batch/read", 1);
    event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    stage.wait("adce/demo", "the first ones", |e| Counts::of(e).observed > 0);
    stage.kill_operator();
    stage.post("/hubspot/submissions/generate", &plan(2, 60));
    stage.start_operator();
    submit(
        &stage,
        &with(
            &consenting("late"),
            &json!({"visibleLagMs": 6_000, "submittedAt": ago(30)}),
        ),
    );
    let wanted = |stage: &Stage| -> Vec<String> {
        let all = stage.admin("/hubspot/expected-submissions");
        let granted = all.as_array().unwrap().iter().filter(|s| s["consent"] == "true");
        let mut ids: Vec<_> = granted
            .map(|s| s["conversionId"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    let wanted = wanted(&stage);
    let seen = std::cell::RefCell::new(Monotone::default());
    let event = stage.wait_for("all of them", || {
        let event = stage.get("adce/demo");
        seen.borrow_mut().look(&event);
        let counts = Counts::of(&event);
        let done = counts.observed == 291 && counts.uploaded == wanted.len() as u64;
        if done {
            Ok(event)
        } else {
            Err(event["status"]["sync"].clone())
        }
    });
    assert_eq!(ids(&stage, &event), wanted);
    assert_eq!(reason(&event, "Pending", "AwaitingConsent"), 291 - wanted.len() as u64);
}

#[test]
fn quiet_forms_cost_one_search_a_poll() {
    let stage = stage("quiet", &[]);
    event(&stage, "demo", FORM, &json!({}));
    stage.condition("adce/demo", "Ready", "True", "");
    submit(&stage, &consenting("c-1"));
    counted(&stage, "demo", 1, 1, 0);
    let (reads, searches) = (calls(&stage, "/form-integrations/"), calls(&stage, "contacts/search"));
    stage.wait_for("ten more polls", || {
        let more = calls(&stage, "contacts/search") - searches;
        if more >= 10 { Ok(()) } else { Err(json!(more)) }
    });
    assert_eq!(calls(&stage, "/form-integrations/"), reads, "nobody submitted anything");
}

#[test]
fn enhancements_through_data_manager() {
    let stage = stage("multi", &[]);
    stage.patch(
        "gaa/acme",
        &json!({"spec": {"uploads": {"enhancements": "DataManager"}}}),
    );
    event(
        &stage,
        "demo",
        FORM,
        &json!({"value": {"fixed": {"amount": "7", "currency": "EUR"}}}),
    );
    stage.condition("adce/demo", "Ready", "True", "");
    submit(&stage, &consenting("c-1"));
    let event = counted(&stage, "demo", 1, 1, 0);
    let accepted = stage.accepted(&action(&event));
    assert_eq!(accepted.len(), 1);
    assert_eq!(
        (&accepted[0]["transactionId"], &accepted[0]["value"]),
        (&json!("c-1"), &json!(7.0))
    );
    assert_eq!(accepted[0]["identifiers"], json!([sha256("c-1@example.com")]));
    assert_eq!(calls(&stage, "uploadConversionAdjustments"), 0);
}

#[test]
fn forms_that_cannot_be_told_stall_with_the_candidates() {
    let stage = stage("which", &[]);
    event(&stage, "unknown", "Demo", &json!({}));
    let stalled = stage.condition("adce/unknown", "Stalled", "True", "FormNotFound");
    assert!(
        stalled["message"].as_str().unwrap().contains("Demo request"),
        "{stalled}"
    );
    stage.post(
        "/hubspot/forms",
        &json!([{"id": "22222222-ebdd-44c0-bd94-15c012bbbfbf", "name": "Newsletter"}]),
    );
    event(&stage, "twice", "Newsletter", &json!({}));
    let stalled = stage.condition("adce/twice", "Stalled", "True", "FormNotFound");
    assert!(stalled["message"].as_str().unwrap().contains(OTHER), "{stalled}");
    let scopes = json!({"scopes": {"pat-na1-sandbox": ["crm.objects.contacts.read", "crm.objects.deals.read"]}});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&scopes));
    stage.event("customers", "customer", &json!({}));
    stage.condition("adce/twice", "Stalled", "True", "MissingScope");
    stage.condition("adce/customers", "Ready", "True", "");
}

#[test]
fn a_manager_account_gets_the_action_and_no_form_data() {
    let stage = stage("manager", &[]);
    let cross = json!({"conversionCustomer": "9876543210", "crossAccountConversionTrackingId": 5, "conversionTrackingStatus": "CONVERSION_TRACKING_MANAGED_BY_ANOTHER_MANAGER"});
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&cross));
    stage.patch(
        "gaa/acme",
        &json!({"spec": {"suspend": false, "loginCustomerId": "9876543210"}}),
    );
    event(&stage, "demo", FORM, &json!({}));
    let stalled = stage.condition("adce/demo", "Stalled", "True", "ManagerAccount");
    assert!(
        stalled["message"].as_str().unwrap().contains("cross-account"),
        "{stalled}"
    );
    let event = stage.get("adce/demo");
    assert!(
        event["status"]["conversionAction"]["id"].is_string(),
        "{:#}",
        event["status"]
    );
    submit(&stage, &consenting("c-1"));
    stage.event("customers", "customer", &json!({}));
    stage.condition("adce/customers", "Ready", "True", "");
    assert_eq!(calls(&stage, "uploadConversionAdjustments"), 0);
}
