//! An event that was away while somebody else's pass read what had been put aside: its conversion is not lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{exactly, transactions};
use super::meddler::{Asked, Meddler, Meddling};
use super::stage::ago;

const DAY: i64 = 86_400;

/// The history of a contact cannot be read while this is on.
fn spoil(meddler: &Meddler, contact: String) -> Arc<AtomicBool> {
    let on = Arc::new(AtomicBool::new(true));
    let is_on = on.clone();
    let change = move |batch: &mut Value| {
        let results = batch["results"].as_array_mut().into_iter().flatten();
        let of_contact = results.filter(|found| is_on.load(Ordering::Relaxed) && found["id"] == contact.as_str());
        for found in of_contact {
            let rows = found["propertiesWithHistory"]["lifecyclestage"].as_array_mut();
            for row in rows.into_iter().flatten() {
                row["timestamp"] = json!("no time");
            }
        }
    };
    let reads = |asked: &Asked| asked.path.contains("/contacts/batch/read");
    meddler.always(reads, Meddling::change(change));
    on
}

#[test]
fn what_others_have_noted_while_an_event_was_away_is_noted_for_it_too() {
    let mut stage = Stage::empty("returned", &["--no-rate-limits"], &[("settle-delay", "500ms")]);
    let rows = [("opportunity", ago(DAY * 6 + 60)), ("customer", ago(DAY * 6))];
    let contact = stage.contact(&rows, Some("click-1"), &json!({}));
    let meddler = stage.meddled();
    let unreadable = spoil(&meddler, contact);
    stage.start_operator();
    stage.accounts();
    for (name, of) in [("won", "customer"), ("opp", "opportunity")] {
        stage.event(name, of, &json!({"startTime": ago(DAY * 20)}));
    }
    stage.contact(
        &[("opportunity", ago(600)), ("customer", ago(300))],
        Some("click-2"),
        &json!({}),
    );
    stage.settled("won", 1);
    stage.settled("opp", 1);
    let property = |name: &str| json!({"spec": {"clickIds": {"gclidProperty": name}}});
    stage.patch("adce/won", &property("no_such_property"));
    stage.condition("adce/won", "Stalled", "True", "PropertyNotFound");
    unreadable.store(false, Ordering::Relaxed);
    stage.settled("opp", 2);
    stage.patch("adce/won", &property("hs_google_click_id"));
    let event = stage.settled("won", 2);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    stage.stop_operator();
}
