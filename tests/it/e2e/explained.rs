//! `adconversion explain` when the contact has changed since the decision, and when HubSpot fails.

use serde_json::{Value, json};

use super::Stage;
use super::questions::ask;
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
        "by what HubSpot showed then. It stays skipped",
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
