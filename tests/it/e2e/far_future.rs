//! Records and answers that claim a time which is still to come hide nobody who comes later.

use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, FORM};
use super::judge::{action, became, crowd, exactly, transactions};
use super::meddler::Meddling;
use super::stage::{Counts, ago};
use super::words::published;

const FAR: &str = "9999-12-30T00:00:00Z";

fn start() -> Value {
    json!({"startTime": ago(86_400 * 30)})
}

/// One more contact that became a customer just now; a moment later than all before.
fn later(stage: &Stage, click: &str) {
    stage.contact(&[("customer", ago(1))], Some(click), &json!({}));
}

/// Waits until all occurrences of the portal, and nothing else, are counted by Google.
fn all_arrive(stage: &Stage, name: &str) {
    let all = transactions(stage, "customer");
    let event = stage.settled(name, all.len() as u64);
    assert_eq!(Counts::of(&event).uploaded, all.len() as u64, "{event:#}");
    exactly(stage, &event, &all.into_iter().collect());
}

/// Makes the search claim the far future of this contact.
fn claim(stage: &Stage, contact: &str) {
    let far = json!({"/updatedAt": FAR, "/properties/lastmodifieddate": FAR,
        "/properties/hs_v2_date_entered_customer": FAR});
    stage.post("/hubspot/odd", &json!([{"object": "found", "id": contact, "set": far}]));
}

/// Portals with and without times of entry into a stage are read in different ways.
fn stage(name: &str, dated: bool) -> Stage {
    let stage = Stage::empty(name, &["--no-rate-limits"], &[]);
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&json!({"dateEntered": dated})));
    crowd(&stage, 6);
    let created = stage.post("/hubspot/contacts", &json!([became(100, "click-far")]));
    let id = created["ids"][0].as_str().expect("an id").to_owned();
    claim(&stage, &id);
    stage
}

#[test]
fn contacts_that_come_after_one_of_the_year_9999_are_seen() {
    for dated in [true, false] {
        let stage = stage("far", dated);
        stage.start_operator();
        stage.apply(include_str!("accounts.yaml"));
        stage.event("far", "customer", &start());
        all_arrive(&stage, "far");
        later(&stage, "click-later");
        all_arrive(&stage, "far");
        assert!(!stage.log().contains("ahead of HubSpot's clock"), "{}", stage.log());
    }
}

/// A `Date` that lies makes the record believed: the cursor goes along, and comes back.
fn led_ahead_and_pulled_back(restarts: bool) {
    let mut stage = stage("ahead", restarts);
    let meddler = stage.meddled();
    let lie = Meddling::rewrite(|_, reply| reply.header("date", "Thu, 30 Dec 9999 00:00:00 GMT"));
    let lie = meddler.always(|asked| asked.path.contains("/contacts/search"), lie);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("ahead", "customer", &start());
    all_arrive(&stage, "ahead");
    let told = meddler.fired(lie);
    stage.wait_for("two more polls", || {
        let now = meddler.fired(lie);
        if now >= told + 2 { Ok(()) } else { Err(json!(now)) }
    });
    if restarts {
        stage.kill_operator();
    }
    meddler.lift(lie);
    stage.admin_call("DELETE", "/hubspot/odd", None);
    if restarts {
        stage.start_operator();
    }
    later(&stage, "click-later");
    all_arrive(&stage, "ahead");
    let told = published(&stage, "ahead", "CursorPulledBack");
    let told: Vec<_> = told.iter().filter(|e| e["reason"] == "CursorPulledBack").collect();
    let note = told[0]["note"].as_str().unwrap_or_default();
    assert!(note.contains("9999-12-"), "{note}");
    assert_eq!((told.len(), &told[0]["type"]), (1, &json!("Warning")), "{told:#?}");
    let accepted = stage.accepted(&action(&stage.get("adce/ahead")));
    assert!(
        accepted.iter().all(|c| c["acceptedCount"] == 1),
        "what was read again was not sent again"
    );
}

#[test]
fn a_cursor_that_a_wrong_date_has_led_ahead_is_pulled_back_after_a_restart() {
    led_ahead_and_pulled_back(true);
}

#[test]
fn a_cursor_that_a_wrong_date_has_led_ahead_is_pulled_back_once_the_date_is_right() {
    led_ahead_and_pulled_back(false);
}

#[test]
fn submissions_that_come_after_one_of_the_year_9999_are_seen() {
    let stage = forms::stage("far-forms", &[]);
    forms::submit(&stage, &forms::consenting("first"));
    forms::submit(&stage, &forms::consenting("far"));
    let far = json!({"/submittedAt": 253_402_128_000_000_u64});
    stage.post(
        "/hubspot/odd",
        &json!([{"object": "submission", "id": "far", "set": far}]),
    );
    forms::event(&stage, "far", FORM, &json!({"startTime": ago(3600)}));
    stage.wait("adce/far", "the first", |e| Counts::of(e).uploaded == 1);
    forms::submit(&stage, &forms::consenting("later"));
    let event = stage.wait("adce/far", "the later one", |e| {
        let counts = Counts::of(e);
        counts.conserved(e);
        counts.uploaded == 2
    });
    assert_eq!(forms::ids(&stage, &event), ["first", "later"], "{event:#}");
    assert_eq!(Counts::of(&event).observed, 2, "{event:#}");
    let errors = event["status"]["sync"]["lastErrors"].to_string();
    assert!(errors.contains("is in the future"), "not before its time: {errors}");
    assert!(!stage.log().contains("ahead of HubSpot's clock"), "{}", stage.log());
}
