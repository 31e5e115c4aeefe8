//! `adconversion explain` when the contact has changed since the decision, and when HubSpot fails.

use serde_json::json;

use super::Stage;
use super::questions::ask;
use super::stage::ago;

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

#[test]
fn consent_that_came_too_late_does_not_contradict_the_skip() {
    let stage = Stage::start("explained-late");
    let contact = skipped(&stage);
    let consent = json!({"properties": {"ads_consent": "true"}});
    stage.admin_call("PATCH", &format!("/hubspot/contacts/{contact}"), Some(&consent));
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
