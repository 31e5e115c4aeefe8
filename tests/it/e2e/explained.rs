//! `adconversion explain` when the contact has changed since the decision, and when HubSpot fails.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::questions::{ask, raw};
use super::stage::ago;
use crate::support::documents::section_names_fields;

const DAY: i64 = 86_400;

/// An event that asks for consent, and a contact that was skipped for want of it.
fn skipped(stage: &Stage) -> String {
    let more = json!({
        "startTime": ago(DAY * 20),
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
        "shareData": ["Email"],
    });
    stage.event("asked", "customer", &more);
    let contact = stage.contact(
        &[("customer", ago(DAY * 2))],
        Some("click-refused"),
        &json!({"ads_consent": "false", "email": "ada@example.com"}),
    );
    stage.settled("asked", 1);
    contact
}

/// The answer for programs has the form that the page says, in JSON and in YAML.
fn for_programs(stage: &Stage, contact: &str) {
    let asked = |form: &str, code: i32, contact: &str| {
        ask(stage, &["explain", "asked", "--contact", contact, "-o", form], code)
    };
    let answer: Value = serde_json::from_str(&asked("json", 0, contact)).expect("JSON");
    let yaml: Value = serde_yaml::from_str(&asked("yaml", 0, contact)).expect("YAML");
    assert_eq!(answer, yaml);
    section_names_fields("docs/admin-api.md", "The forms of an explanation", &answer);
    assert_eq!(answer["contactId"], contact);
    assert!(answer["notes"].is_array(), "{answer:#}");
    let [entry] = answer["entries"].as_array().expect("entries").as_slice() else {
        panic!("not one entry: {answer:#}");
    };
    let conversion = &entry["conversion"];
    assert_eq!(
        (
            &conversion["outcome"],
            &conversion["reason"],
            &conversion["contactId"],
            &conversion["time"]
        ),
        (&json!("Skipped"), &json!("NoConsent"), &json!(contact), &entry["time"])
    );
    let lines = entry["lines"].as_array().expect("lines");
    assert!(lines.iter().all(|line| line["says"].is_string()), "{lines:#?}");
    let about: Vec<_> = lines.iter().filter_map(|line| line["about"].as_str()).collect();
    for wanted in ["click id", "consent", "shared data", "value"] {
        assert!(about.contains(&wanted), "no {wanted:?} in {about:?}");
    }
    let listed = ask(stage, &["conversions", "asked", "-o", "json"], 0);
    let listed: Value = serde_json::from_str(&listed).expect("one line of JSON");
    section_names_fields("docs/admin-api.md", "The forms of conversions", &listed);
    assert_eq!(&listed, conversion, "the same conversion has the same form");
    // What is no conversion is a finding in every form, and an answer all the same.
    let other: Value = serde_json::from_str(&asked("json", 1, "nobody@example.com")).expect("JSON");
    assert_eq!(other["entries"], json!([]), "{other:#}");
    assert!(other.get("contactId").is_none(), "{other:#}");
}

#[test]
fn consent_that_came_too_late_does_not_contradict_the_skip() {
    let stage = Stage::start("explained-late");
    let contact = skipped(&stage);
    let consent = json!({"properties": {"ads_consent": "true"}});
    stage.admin_call("PATCH", &format!("/hubspot/contacts/{contact}"), Some(&consent));
    for_programs(&stage, &contact);
    let told = ask(&stage, &["explain", "asked", "--contact", &contact], 0);
    for part in [
        "Skipped, NoConsent",
        "Granted: ads_consent",
        "by what HubSpot showed and the event declared then. It stays skipped",
        "Usable: Email (hashed if it is sent).",
        "Nothing was sent to Google.",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[test]
fn what_the_ledger_has_is_told_while_hubspot_fails() {
    let stage = Stage::start("explained-down");
    let contact = skipped(&stage);
    let outage = json!({"service": "hubspot", "count": 0, "action": {"status": 503}});
    stage.post("/faults", &outage);
    let told = ask(&stage, &["explain", "asked", "--contact", &contact], 0);
    for part in [
        "What follows is from the ledger alone",
        "Skipped, NoConsent",
        "transaction id",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    let told = ask(&stage, &["explain", "asked", "--contact", "ada@example.com"], 2);
    assert!(
        told.contains("Ask with the contact's id") && !told.contains("ada@"),
        "{told}"
    );
}

#[test]
fn what_the_ledger_has_is_told_while_hubspot_hangs() {
    let stage = Stage::start("explained-hangs");
    let contact = skipped(&stage);
    let hang = json!({"service": "hubspot", "path": "/contacts/", "count": 0, "action": {"hangBefore": true}});
    stage.post("/faults", &hang);
    let begun = Instant::now();
    let told = ask(&stage, &["explain", "asked", "--contact", &contact], 0);
    for part in [
        "no good answer within 20 s. What follows is from the ledger alone",
        "Skipped, NoConsent",
        "transaction id",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    // By an address first, as whoever asks is advised.
    let told = ask(&stage, &["explain", "asked", "--contact", "ada@example.com"], 2);
    assert!(told.contains("Ask with the contact's id"), "{told}");
    let path = format!("/events/{}/asked/explain", stage.namespace);
    let body = format!("contact={contact}");
    let page = raw(
        &stage,
        &format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: \
             application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("NoConsent"), "{page}");
    assert!(begun.elapsed() < Duration::from_secs(85), "{:?}", begun.elapsed());
}

#[test]
fn a_conversion_that_waits_for_a_deleted_contact_is_not_promised() {
    let stage = Stage::start("explained-gone");
    // What a suspended event has waits for as long as the test takes.
    stage.event(
        "asked",
        "customer",
        &json!({"startTime": ago(DAY * 20), "suspend": true}),
    );
    let contact = stage.contact(&[("customer", ago(60))], Some("click"), &json!({}));
    stage.wait("adce/asked", "one that waits", |event| {
        event["status"]["sync"]["pending"] == 1
    });
    stage.admin_call("DELETE", &format!("/hubspot/contacts/{contact}"), None);
    let told = ask(&stage, &["explain", "asked", "--contact", &contact], 0);
    for part in [
        "Pending",
        "it was deleted or never existed",
        "it is skipped as ContactDeleted and not sent",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

/// An event whose contact was sent, and then takes its consent back; the event declares another value meanwhile.
#[test]
fn what_was_sent_was_not_decided_by_what_is_true_today() {
    let stage = Stage::start("explained-sent");
    let more = json!({
        "startTime": ago(DAY * 20),
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
        "value": {"fixed": {"amount": "250.00", "currency": "EUR"}},
    });
    stage.event("asked", "customer", &more);
    let granted = json!({"ads_consent": "true"});
    let contact = |days: i64, click: &str| stage.contact(&[("customer", ago(DAY * days))], Some(click), &granted);
    let sent = contact(2, "click-sent");
    stage.settled("asked", 1);
    let value = json!({"spec": {"value": {"fixed": {"amount": "99.50"}}}});
    stage.patch("adce/asked", &value);
    let refused = json!({"properties": {"ads_consent": "false"}});
    stage.admin_call("PATCH", &format!("/hubspot/contacts/{sent}"), Some(&refused));
    stage.condition("adce/asked", "Ready", "True", "");
    stage.wait("adce/asked", "the other value", |event| {
        event["status"]["observedGeneration"] == event["metadata"]["generation"]
    });
    let told = ask(&stage, &["explain", "asked", "--contact", &sent], 0);
    for part in [
        "Uploaded, with value 250 EUR",
        "Decided by what HubSpot showed and the event declared before it was sent.",
        "250 EUR is kept since it was first sent. The event declares 99.5 EUR now.",
        "Not granted: ads_consent",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    let place = |part: &str| told.find(part).unwrap_or_else(|| panic!("no {part:?} in {told}"));
    assert!(place("Decided by") < place("Not granted"), "{told}");
}
