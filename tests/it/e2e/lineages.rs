//! What a record says of the contacts that were merged into it: believed only where HubSpot itself does not contradict
//! it, as the ledger joins contacts for good, for all events of the portal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, exactly, transactions};
use super::meddler::{Asked, Meddler, Meddling};
use super::rows_of::{accepted, ms, transaction};
use super::stage::{Counts, ago};

const DAY: i64 = 86_400;
const NAMED: &str = "/properties/hs_merged_object_ids";

fn reads_contacts(asked: &Asked) -> bool {
    asked.path.contains("/contacts/batch/read") && !asked.path.contains("associations")
}

/// A read that asks who is who: without histories.
fn confirms(asked: &Asked) -> bool {
    reads_contacts(asked) && asked.says("\"propertiesWithHistory\":[]")
}

fn stage(name: &str) -> (Stage, Meddler) {
    let mut stage = Stage::empty(name, &["--no-rate-limits"], &[("click-grace", "3s")]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    stage.event(name, "customer", &json!({"startTime": ago(DAY * 20)}));
    stage.condition(&format!("adce/{name}"), "Ready", "True", "");
    (stage, meddler)
}

fn customer(stage: &Stage, at: &str, click: &str) -> String {
    stage.contact(&[("customer", at.to_owned())], Some(click), &json!({}))
}

/// A record that cannot be believed is named and waits.
fn waits(stage: &Stage, name: &str, contact: &str, why: &str) -> Value {
    stage.wait(&format!("adce/{name}"), "it waits", |event| {
        Counts::of(event).conserved(event);
        let errors = event["status"]["sync"]["lastErrors"].as_array().cloned();
        errors.into_iter().flatten().any(|error| {
            let message = error["message"].as_str().expect("a message");
            error["reason"] == "UnreadableRecord" && error["contactId"] == contact && message.contains(why)
        })
    })
}

fn all_arrive(stage: &Stage, name: &str) {
    let wanted = transactions(stage, "customer").into_iter().collect();
    let event = stage.wait(&format!("adce/{name}"), "all of them", |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        counts.uploaded == transactions(stage, "customer").len() as u64
    });
    exactly(stage, &event, &wanted);
}

/// Both became customers in one millisecond, as after an import: taken as one contact's, they would be one conversion.
#[test]
fn a_living_contact_that_another_names_as_merged_keeps_its_conversion() {
    // The one that names it has the smaller id, or the greater; the one named was met before, or comes later.
    for (first_names, met_before) in [(true, false), (false, false), (true, true), (false, true)] {
        let (stage, _meddler) = stage("alive");
        let at = ago(0);
        let early = stage.contact(&[("lead", ago(DAY * 2))], Some("click-one"), &json!({}));
        let late = stage.contact(&[("lead", ago(DAY * 2))], Some("click-two"), &json!({}));
        let (naming, named) = if first_names { (&early, &late) } else { (&late, &early) };
        let become_customer = |id: &String| {
            let change = json!({"properties": {"lifecyclestage": "customer"}, "at": at});
            stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&change));
        };
        let odd = json!([{"object": "contact", "id": naming, "set": {NAMED: named}}]);
        stage.post("/hubspot/odd", &odd);
        if met_before {
            become_customer(named);
            stage.settled("alive", 1);
        }
        become_customer(naming);
        waits(&stage, "alive", naming, "a contact of its own");
        if !met_before {
            become_customer(named);
        }
        let event = stage.settled("alive", 1);
        let known = accepted(&stage, &event);
        assert_eq!(
            known.keys().collect::<Vec<_>>(),
            [&transaction(named, "customer", ms(&at))]
        );
        stage.admin_call("DELETE", "/hubspot/odd", None);
        all_arrive(&stage, "alive");
    }
}

/// One answer in all says so: at once the record is believed no more than before.
#[test]
fn one_answer_that_names_a_living_contact_joins_nobody() {
    let (stage, meddler) = stage("once");
    let at = ago(0);
    let named = stage.contact(&[("lead", ago(DAY * 2))], Some("click-one"), &json!({}));
    let name = named.clone();
    let rule = meddler.times(
        1,
        |asked| reads_contacts(asked) && !confirms(asked),
        Meddling::change(move |batch| batch["results"][0]["properties"]["hs_merged_object_ids"] = json!(name)),
    );
    let naming = customer(&stage, &at, "click-two");
    stage.wait_for("the answer", || match meddler.fired(rule) {
        1 => Ok(()),
        fired => Err(json!(fired)),
    });
    waits(&stage, "once", &naming, "a contact of its own");
    let change = json!({"properties": {"lifecyclestage": "customer"}, "at": at});
    stage.admin_call("PATCH", &format!("/hubspot/contacts/{named}"), Some(&change));
    all_arrive(&stage, "once");
}

/// HubSpot still shows a contact by itself for some time after
/// it was merged: the new record waits, and is the old one then.
#[test]
fn a_contact_that_was_merged_this_moment_heals() {
    let (stage, meddler) = stage("race");
    let (at, later) = (ago(DAY * 3), ago(DAY * 2));
    let (one, two) = (customer(&stage, &at, "one"), customer(&stage, &later, "two"));
    stage.settled("race", 2);
    let lags = Arc::new(AtomicBool::new(true));
    let (still, old) = (lags.clone(), two.clone());
    let rule = meddler.always(
        confirms,
        Meddling::change(move |batch| {
            if still.load(Ordering::Relaxed) {
                let record = json!({"id": old, "properties": {"hs_merged_object_ids": null}, "archived": false});
                batch["results"].as_array_mut().expect("results").push(record);
            }
        }),
    );
    let merged = stage.post("/hubspot/merge", &json!({"ids": [two, one]}));
    let merged = merged["id"].as_str().expect("an id").to_owned();
    for value in ["", "customer"] {
        let change = json!({"properties": {"lifecyclestage": value}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{merged}"), Some(&change));
    }
    waits(&stage, "race", &merged, "a contact of its own");
    assert_eq!(Counts::of(&stage.get("adce/race")).observed, 2);
    lags.store(false, Ordering::Relaxed);
    let event = stage.settled("race", 3);
    let mut found = accepted(&stage, &event);
    for (id, at) in [(&one, &at), (&two, &later)] {
        assert!(
            found.remove(&transaction(id, "customer", ms(at))).is_some(),
            "{id} stays"
        );
    }
    let (id, third) = found.pop_first().expect("the third");
    assert_eq!(
        id,
        transaction(&one, "customer", third["time"].as_i64().expect("a time"))
    );
    // Known as one, or confirmed before: nobody is asked again.
    let asked = meddler.fired(rule);
    for value in ["", "customer"] {
        let change = json!({"properties": {"lifecyclestage": value}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{merged}"), Some(&change));
    }
    stage.settled("race", 4);
    assert_eq!(meddler.fired(rule), asked);
}

/// Ids that lead nowhere contradict nothing, however many a contact may have; more are no lineage.
#[test]
fn many_merged_ids_cost_one_read_for_each_hundred() {
    let (stage, meddler) = stage("many");
    let counted = meddler.always(confirms, Meddling::change(|_| {}));
    let list = |count: u64| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(";");
    let ids = ["usual", "absurd"].map(|click| stage.contact(&[("lead", ago(DAY * 2))], Some(click), &json!({})));
    let odd = [(&ids[0], 490), (&ids[1], 900)];
    let odd = odd.map(|(id, count)| json!({"object": "contact", "id": id, "set": {NAMED: list(count)}}));
    stage.post("/hubspot/odd", &json!(odd));
    for id in &ids {
        let change = json!({"properties": {"lifecyclestage": "customer"}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&change));
    }
    waits(&stage, "many", &ids[1], "or too many");
    stage.settled("many", 1);
    assert_eq!(meddler.fired(counted), 5, "99 beside the contact itself");
    stage.admin_call("DELETE", "/hubspot/odd", None);
    let event = stage.settled("many", 2);
    assert_eq!(stage.accepted(&action(&event)).len(), 2);
}
