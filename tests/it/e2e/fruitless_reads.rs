//! Reads of contacts fail for everybody whom HubSpot would show, or
//! show nobody, and an answer for nobody is good: people are told.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::absent::not_found;
use super::judge::{crowd, exactly, settled_within, transactions};
use super::meddler::{Asked, Meddling, Reply};
use super::stage::{ago, condition};

/// An id that no record has.
const NOBODY: &str = "9007199254740991";
/// More than a read is cut down for.
const MANY: u32 = 30;

fn of_somebody(call: &Asked) -> bool {
    call.path.contains("/contacts/batch/read") && !call.says(NOBODY)
}

fn names_it(event: &Value) -> bool {
    let errors = event["status"]["sync"]["lastErrors"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let says = |error: &Value| {
        error["message"]
            .to_string()
            .contains("HubSpot has shown no contact by id since")
    };
    errors.iter().any(says)
}

#[test]
fn contacts_that_all_fail_are_told_and_heal() {
    let denied = |category: &str| json!({"status": "error", "message": "x", "category": category});
    let page = Reply::new(403, "text/html", "<html>blocked</html>");
    let empty = Reply::json(200, &json!({"status": "COMPLETE", "results": []}));
    for (name, meddling) in [
        (
            "fruitless-500",
            Meddling::Instead(Reply::json(500, &denied("INTERNAL_ERROR"))),
        ),
        (
            "fruitless-scope",
            Meddling::Instead(Reply::json(403, &denied("MISSING_SCOPES"))),
        ),
        ("fruitless-page", Meddling::Instead(page)),
        ("fruitless-empty", Meddling::Instead(empty)),
        ("fruitless-named", not_found()),
    ] {
        let flags = [("failure-threshold", "4s"), ("backoff-max", "1s")];
        let mut stage = Stage::empty(name, &["--no-rate-limits", "--processing-delay=200ms"], &flags);
        let meddler = stage.meddled();
        let rule = meddler.always(of_somebody, meddling);
        crowd(&stage, MANY);
        stage.start_with_accounts();
        stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
        let told = stage.condition("adce/won", "Synced", "False", "SourceUnavailable");
        assert!(told["message"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
        stage.wait("adce/won", "a report of fruitless reads", names_it);
        // It lasts as long as they fail.
        let fired = meddler.fired(rule);
        stage.wait_for("more reads that fail", || {
            let synced = condition(&stage.get("adce/won"), "Synced");
            assert_eq!(synced["status"], "False", "{name}: {synced}");
            let more = meddler.fired(rule) - fired;
            if more > 2 { Ok(()) } else { Err(json!(more)) }
        });
        meddler.lift(rule);
        let event = settled_within(&stage, "won", MANY as usize, Duration::from_mins(2));
        exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
        stage.condition("adce/won", "Synced", "True", "");
    }
}

/// HubSpot names this contact in its answer and does not give it.
fn without(id: &str) -> Meddling {
    let id = id.to_owned();
    Meddling::change(move |answer| {
        let rows = answer["results"].as_array().cloned().unwrap_or_default();
        let others: Vec<Value> = rows.into_iter().filter(|row| row["id"] != id.as_str()).collect();
        answer["results"] = json!(others);
        answer["errors"] =
            json!([{"status": "error", "category": "INTERNAL_ERROR", "message": "x", "context": {"ids": [id]}}]);
    })
}

/// In a portal in which nothing else happens.
#[test]
fn one_contact_that_fails_each_time_is_no_matter_of_all() {
    let flags = [("failure-threshold", "3s"), ("backoff-max", "1s")];
    let mut stage = Stage::empty(
        "fruitless-one",
        &["--no-rate-limits", "--processing-delay=200ms"],
        &flags,
    );
    let meddler = stage.meddled();
    stage.start_with_accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    crowd(&stage, 1);
    settled_within(&stage, "won", 1, Duration::from_mins(2));
    for (number, by_item) in [(2, false), (3, true)] {
        let id = stage.contact(&[("lead", ago(86_400))], Some(&format!("bad-{number}")), &json!({}));
        let named = format!("\"{id}\"");
        let reads = move |call: &Asked| call.path.contains("/contacts/batch/read") && call.says(&named);
        let failed = Meddling::Instead(Reply::json(500, &json!({"category": "INTERNAL_ERROR"})));
        let rule = meddler.always(reads, if by_item { without(&id) } else { failed });
        let becomes = json!({"properties": {"lifecyclestage": "customer"}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&becomes));
        let begun = Cell::new(None);
        // For longer than the threshold.
        stage.wait_for("reads that fail for long", || {
            let fired = meddler.fired(rule);
            if fired > 0 && begun.get().is_none() {
                begun.set(Some(Instant::now()));
            }
            let event = stage.get("adce/won");
            assert!(!names_it(&event), "{by_item}: {:#}", event["status"]["sync"]);
            let long = begun
                .get()
                .is_some_and(|begun: Instant| begun.elapsed() > Duration::from_secs(8));
            if fired > 5 && long { Ok(()) } else { Err(json!(fired)) }
        });
        stage.condition("adce/won", "Synced", "True", "");
        meddler.lift(rule);
        let event = settled_within(&stage, "won", number, Duration::from_mins(2));
        exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    }
}
