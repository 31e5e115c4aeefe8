//! One record that HubSpot or Google stumbles over each time, and one that a filter in between drops: all others go on.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, became, crowd, exactly, settled_within, transactions};
use super::meddler::{Asked, Meddling, Reply};
use super::stage::{Counts, ago};

const LONG: Duration = Duration::from_mins(2);
const POISON: &str = "click-poison";

fn start() -> Value {
    json!({"startTime": ago(86_400 * 30)})
}

/// So many conversions are uploaded, and Google has counted as many.
fn uploaded(stage: &Stage, count: usize) {
    stage.wait("adce/won", "all others uploaded", |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        counts.uploaded == count as u64
    });
    assert_eq!(stage.accepted(&action(&stage.get("adce/won"))).len(), count);
}

#[test]
fn one_conversion_that_every_request_fails_with_holds_up_no_other() {
    for (name, reply) in [
        (
            "poison-500",
            Some(Reply::json(
                500,
                &json!({"error": {"code": 500, "message": "x", "status": "INTERNAL"}}),
            )),
        ),
        ("poison-403", Some(Reply::new(403, "text/html", "<html>blocked</html>"))),
        ("poison-lost", None),
    ] {
        let mut stage = Stage::empty(
            name,
            &["--no-rate-limits", "--processing-delay=200ms"],
            &[("backoff-max", "1s")],
        );
        let meddler = stage.meddled();
        crowd(&stage, 20);
        stage.post("/hubspot/contacts", &json!([became(7, POISON)]));
        let has_it = |call: &Asked| call.path.contains("events:ingest") && call.says(POISON);
        let meddling = reply.map_or(Meddling::Drop, Meddling::Instead);
        let rule = meddler.always(has_it, meddling);
        stage.start_with_accounts();
        stage.event("won", "customer", &start());
        uploaded(&stage, 20);
        // What comes later does not wait either.
        stage.contact(&[("customer", ago(0))], Some("click-later"), &json!({}));
        uploaded(&stage, 21);
        meddler.lift(rule);
        let event = settled_within(&stage, "won", 22, LONG);
        let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
        exactly(&stage, &event, &all);
    }
}

#[test]
fn one_contact_that_every_read_fails_with_holds_up_no_other() {
    for (name, reply) in [
        ("unread-500", Some(Reply::json(500, &json!({})))),
        ("unread-lost", None),
    ] {
        let mut stage = Stage::empty(
            name,
            &["--no-rate-limits", "--processing-delay=200ms"],
            &[("backoff-max", "1s")],
        );
        let meddler = stage.meddled();
        crowd(&stage, 20);
        let made = stage.post("/hubspot/contacts", &json!([became(7, POISON)]));
        let id = made["ids"][0].as_u64().map_or_else(
            || made["ids"][0].as_str().expect("an id").to_owned(),
            |id| id.to_string(),
        );
        let has_it = move |call: &Asked| {
            let reads = call.path.contains("/contacts/batch/read") && !call.path.contains("associations");
            reads && call.says(&format!("\"{id}\""))
        };
        let meddling = reply.map_or(Meddling::Drop, Meddling::Instead);
        let rule = meddler.always(has_it, meddling);
        stage.start_with_accounts();
        stage.event("won", "customer", &start());
        uploaded(&stage, 20);
        let event = stage.get("adce/won");
        assert!(
            event["status"]["sync"]["lastErrors"]
                .to_string()
                .contains("UnreadableRecord"),
            "{event:#}"
        );
        stage.contact(&[("customer", ago(0))], Some("click-later"), &json!({}));
        uploaded(&stage, 21);
        meddler.lift(rule);
        let event = settled_within(&stage, "won", 22, LONG);
        let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
        exactly(&stage, &event, &all);
    }
}
