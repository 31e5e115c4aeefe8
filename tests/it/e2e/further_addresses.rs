//! Reads and searches by address are refused, fail, or leave somebody out: who
//! submitted with that address is not given up by it, and nobody else waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};

use super::Stage;
use super::forms::{FORM, consenting, counted, event, start, submit, with};
use super::meddler::{Asked, Meddler, Meddling, Reply};
use super::stage::{Counts, ago, reason};

fn stage(name: &str) -> (Stage, Meddler) {
    let flags = [("click-grace", "3s"), ("backoff-max", "1s")];
    let mut stage = Stage::empty(name, &["--no-rate-limits"], &flags);
    let meddler = stage.meddled();
    start(&stage);
    event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    stage.condition("adce/demo", "Ready", "True", "");
    submit(&stage, &consenting("first"));
    counted(&stage, "demo", 1, 1, 0);
    (stage, meddler)
}

/// One waits, for longer than `--click-grace`, and `uploaded` others go.
fn waits(stage: &Stage, uploaded: u64) -> Value {
    let begun = Instant::now();
    stage.wait("adce/demo", "that the one waits and the others go", |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        assert_eq!(counts.skipped, 0, "nobody is deleted: {event:#}");
        begun.elapsed() > Duration::from_secs(10) && (counts.uploaded, counts.pending) == (uploaded, 1)
    })
}

fn search_of_further(call: &Asked) -> bool {
    call.path.ends_with("/contacts/search") && call.says("hs_additional_emails") && call.says("CONTAINS_TOKEN")
}

#[rstest]
#[case::a_filter_blocks_it("further-blocked", Reply::new(403, "text/html", "<html>Blocked by filter</html>"))]
#[case::it_fails("further-failing", Reply::json(500, &json!({"status": "error", "message": "m"})))]
fn a_further_address_that_no_search_may_name_waits(#[case] name: &str, #[case] refusal: Reply) {
    let (stage, meddler) = stage(name);
    let rule = meddler.always(search_of_further, Meddling::Instead(refusal));
    let addresses =
        json!({"email": "ada@example.com", "hs_additional_emails": "further@example.com", "ads_consent": "true"});
    let contact = json!([{"createdAt": ago(86_400), "properties": addresses, "history": {}}]);
    stage.post("/hubspot/contacts", &contact);
    submit(&stage, &with(&consenting("further"), &json!({"createContact": false})));
    submit(&stage, &consenting("second"));
    waits(&stage, 2);
    meddler.lift(rule);
    counted(&stage, "demo", 3, 3, 0);
}

const FAILS: u8 = 0;
const LEFT_OUT_ONCE: u8 = 1;
const SHOWN: u8 = 2;

/// The contact with this address, as the state says.
fn answer(state: &AtomicU8, mut reply: Reply) -> Reply {
    let now = state.load(Ordering::Acquire);
    if now == SHOWN {
        return reply;
    }
    let mut body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let results = body["results"].as_array_mut().expect("results");
    results.retain(|record| record["properties"]["email"] != "late@example.com");
    if now == FAILS {
        body["numErrors"] = json!(1);
        body["errors"] =
            json!([{"status": "error", "category": "INTERNAL_ERROR", "context": {"ids": ["late@example.com"]}}]);
    } else {
        state.store(SHOWN, Ordering::Release);
    }
    reply.body = body.to_string().into();
    reply
}

#[test]
fn one_answer_that_leaves_somebody_out_after_a_bad_hour_proves_nothing() {
    let (stage, meddler) = stage("one-answer");
    let state = Arc::new(AtomicU8::new(FAILS));
    let of_rule = state.clone();
    let by_address = |call: &Asked| call.path.contains("/contacts/batch/read") && call.says("late@example.com");
    meddler.always(by_address, Meddling::rewrite(move |_, reply| answer(&of_rule, reply)));
    submit(&stage, &consenting("late"));
    let event = waits(&stage, 1);
    assert_eq!(reason(&event, "Pending", "UnreadableRecord"), 1, "{event:#}");
    state.store(LEFT_OUT_ONCE, Ordering::Release);
    stage.wait_for("the one odd answer", || {
        let now = state.load(Ordering::Acquire);
        if now == SHOWN { Ok(()) } else { Err(json!(now)) }
    });
    counted(&stage, "demo", 2, 2, 0);
}
