//! A stream of contacts with which each read fails: those that can be read go on beside it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::judge::{became, exactly, settled_within, transactions};
use super::meddler::{Asked, Meddling, Reply};
use super::stage::{Counts, ago};
use super::{Stage, poison};

/// So many good ones with each bad one.
const GOOD: usize = 4;
const ROUNDS: usize = 10;

#[test]
fn a_stream_of_contacts_that_cannot_be_read_holds_up_no_other() {
    let flags = [("backoff-max", "20s"), ("settle-delay", "1s")];
    let mut stage = Stage::empty(
        "poison-stream",
        &["--no-rate-limits", "--processing-delay=200ms"],
        &flags,
    );
    let meddler = stage.meddled();
    let bad = Arc::new(Mutex::new(Vec::<String>::new()));
    let known = Arc::clone(&bad);
    let reads = move |call: &Asked| {
        let is_bad = |id: &String| call.says(&format!("\"{id}\""));
        call.path.contains("/contacts/batch/read") && known.lock().expect("a list").iter().any(is_bad)
    };
    let refused = Meddling::Instead(Reply::json(500, &json!({"category": "INTERNAL_ERROR"})));
    let rule = meddler.always(reads, refused);
    stage.start_with_accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    stage.condition("adce/won", "Ready", "True", "");
    for round in 0..ROUNDS {
        let id = stage.contact(&[("lead", ago(86_400))], Some("click-bad"), &json!({}));
        bad.lock().expect("a list").push(id.clone());
        let before = meddler.fired(rule);
        for i in 0..GOOD {
            stage.contact(&[("customer", ago(1))], Some(&format!("click-{round}-{i}")), &json!({}));
        }
        let change = json!({"properties": {"lifecyclestage": "customer"}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&change));
        // As fast as the feed can meet them.
        stage.wait_for("a read that fails", || {
            let fired = meddler.fired(rule) - before;
            if fired > 0 { Ok(()) } else { Err(json!(fired)) }
        });
    }
    let good = (GOOD * ROUNDS) as u64;
    stage.wait_within(
        Duration::from_secs(15),
        "the good ones, while the others can't be read",
        || {
            let event = stage.get("adce/won");
            let counts = Counts::of(&event);
            counts.conserved(&event);
            if counts.uploaded >= good {
                Ok(())
            } else {
                Err(event["status"]["sync"].clone())
            }
        },
    );
    meddler.lift(rule);
    let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    let event = settled_within(&stage, "won", all.len(), Duration::from_mins(2));
    exactly(&stage, &event, &all);
}

/// So many customers, and whether a call reads one of them.
pub(super) fn reads_of_crowd(stage: &Stage, count: u32) -> impl Fn(&Asked) -> bool + Send + Sync + 'static {
    let made: Vec<_> = (0..count).map(|i| became(i, &format!("bad-{i}"))).collect();
    let ids = stage.post("/hubspot/contacts", &json!(made))["ids"].clone();
    let bad: Vec<String> = ids
        .as_array()
        .expect("ids")
        .iter()
        .map(|id| format!("\"{}\"", id.as_str().expect("an id")))
        .collect();
    move |call: &Asked| call.path.contains("/contacts/batch/read") && bad.iter().any(|id| call.says(id))
}

/// More than two batches hold.
const BURST: u32 = 120;

#[test]
fn a_burst_of_contacts_that_are_refused_holds_up_no_other() {
    let (stage, meddler) = poison::stage("poison-burst");
    let reads = reads_of_crowd(&stage, BURST);
    let denied = json!({"status": "error", "category": "MISSING_SCOPES", "message": "x"});
    let rule = meddler.always(reads, Meddling::Instead(Reply::json(403, &denied)));
    stage.contact(&[("opportunity", ago(3600))], Some("click-o"), &json!({}));
    stage.start_with_accounts();
    for (name, lifecycle) in [("won", "customer"), ("opened", "opportunity")] {
        stage.event(name, lifecycle, &json!({"startTime": ago(86_400 * 30)}));
    }
    stage.settled("opened", 1);
    let fired = meddler.fired(rule);
    assert!(fired < 2 * BURST as usize, "{fired} refused calls before others went");
    stage.condition("hsa/acme", "Ready", "True", "");
    meddler.lift(rule);
    let event = settled_within(&stage, "won", BURST as usize, Duration::from_mins(2));
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}
