//! Pages of a search that show less than the search counts, or rows that lead past everybody: nobody is passed over.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, exactly, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply};
use super::stage::{Counts, ago, condition};

const DAY: i64 = 86_400;
const HUGE: &str = "9223372036854775806";

fn searches(asked: &Asked) -> bool {
    asked.path.contains("/contacts/search")
}

/// A portal without entry times, so that nothing but the search itself says who is there.
fn stage(name: &str, contacts: u32) -> (Stage, Meddler) {
    let mut stage = Stage::empty(name, &["--no-rate-limits"], &[]);
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&json!({"dateEntered": false})));
    let contact = |n: u32| {
        // Not modified since: no later poll finds whom the first read passes over.
        let at = ago(DAY * 5 + i64::from(n));
        json!({"createdAt": ago(DAY * 10), "updatedAt": at, "history": {
            "hs_google_click_id": [{"value": format!("click-{n}"), "timestamp": ago(DAY * 9), "sourceType": "FORM"}],
            "lifecyclestage": [{"value": "customer", "timestamp": at, "sourceType": "CRM_UI"}]}})
    };
    stage.post(
        "/hubspot/contacts",
        &json!((0..contacts).map(contact).collect::<Vec<_>>()),
    );
    let meddler = stage.meddled();
    (stage, meddler)
}

fn begin(stage: &Stage, name: &str) {
    stage.start_operator();
    stage.accounts();
    stage.event(name, "customer", &json!({"startTime": ago(DAY * 20)}));
}

fn all_arrive(stage: &Stage, name: &str) {
    let wanted: std::collections::BTreeSet<_> = transactions(stage, "customer").into_iter().collect();
    let event = stage.settled(name, wanted.len() as u64);
    exactly(stage, &event, &wanted);
}

/// The first of its rows, and one with an id beyond all others.
fn astray(batch: &mut Value, keep: usize) {
    let rows = batch["results"].as_array_mut().expect("results");
    if let Some(mut last) = rows.first().cloned() {
        last["id"] = json!(HUGE);
        last["properties"]["hs_object_id"] = json!(HUGE);
        rows.truncate(keep);
        rows.push(last);
    }
}

/// The answer to the search of this number, counted among those that show anybody.
fn at(number: usize, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Meddling {
    let shown = AtomicUsize::new(0);
    Meddling::rewrite(move |_, reply| {
        let mut body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let anybody = body["results"].as_array().is_some_and(|rows| rows.len() > 1);
        if !anybody || shown.fetch_add(1, Ordering::Relaxed) != number {
            return reply;
        }
        change(&mut body);
        Reply::json(200, &body)
    })
}

/// A short page with an id that leads past all others; a full
/// one; a page that counts nobody behind it; one without a row.
#[test]
fn one_wrong_page_passes_nobody_over() {
    let short = || at(0, |page| astray(page, 1));
    let full = || at(0, |page| astray(page, 199));
    let nobody = || {
        at(1, |page| {
            page["results"].as_array_mut().expect("results").truncate(1);
            page["total"] = json!(1);
            page.as_object_mut().expect("an object").remove("paging");
        })
    };
    let empty = || at(0, |page| page["results"] = json!([]));
    for (name, wrong) in [
        ("short", short()),
        ("full", full()),
        ("nobody", nobody()),
        ("empty", empty()),
    ] {
        let (stage, meddler) = stage(name, 450);
        meddler.always(searches, wrong);
        begin(&stage, name);
        all_arrive(&stage, name);
    }
}

/// As long as pages are short the pass fails and says so; whom
/// they show is sent, and once they are whole nobody is missing.
#[test]
fn a_search_that_stays_incomplete_is_said_and_made_up_for() {
    let (stage, meddler) = stage("stays", 12);
    let rule = meddler.always(searches, Meddling::change(|page| astray(page, 5)));
    begin(&stage, "stays");
    let event = stage.wait("adce/stays", "it says so", |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        let synced = condition(event, "Synced");
        let message = synced["message"].as_str().unwrap_or_default();
        counts.uploaded == 5 && synced["status"] == "False" && message.contains("incomplete")
    });
    assert_eq!(stage.accepted(&action(&event)).len(), 5);
    meddler.lift(rule);
    all_arrive(&stage, "stays");
}

/// Deleted contacts that are counted for a moment longer, as pages are read: nothing is held up for long.
#[test]
fn contacts_that_are_deleted_meanwhile_hold_nobody_up() {
    let (stage, meddler) = stage("motion", 450);
    let ghosts = Meddling::rewrite(|_, reply| {
        let mut body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let total = body["total"].as_u64().expect("a total");
        body["total"] = json!(total + 2);
        Reply::json(200, &body)
    });
    meddler.times(3, searches, ghosts);
    begin(&stage, "motion");
    all_arrive(&stage, "motion");
}
