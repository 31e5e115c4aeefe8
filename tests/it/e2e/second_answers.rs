//! One answer of Google's about a request, or one list of HubSpot's stages, is odd, and what follows from it would be
//! for good: it takes a second one that says the same.

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, exactly, transactions};
use super::meddler::{Asked, Meddling, Reply};
use super::stage::{Counts, ago};

fn asks_status(call: &Asked) -> bool {
    call.path.contains("requestStatus")
}

/// Says of a finished request that its only row failed.
fn failed(answer: &mut Value) {
    for status in answer["requestStatusPerDestination"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        status["requestStatus"] = json!("FAILED");
        status["eventsIngestionStatus"] = json!({"recordCount": "1"});
        let count =
            json!({"reason": "PROCESSING_ERROR_REASON_INVALID_GCLID", "recordCount": "1", "recordIndices": [0]});
        status["errorInfo"] = json!({"errorCounts": [count]});
    }
}

fn succeeded(answer: &mut Value) {
    for status in answer["requestStatusPerDestination"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        status["requestStatus"] = json!("SUCCESS");
        status["eventsIngestionStatus"] = json!({"recordCount": "1"});
        status.as_object_mut().expect("an object").remove("errorInfo");
    }
}

#[test]
fn one_odd_status_settles_no_row() {
    let flags = [("diagnostics-first-poll", "1s"), ("diagnostics-max-poll", "1s")];
    let mut stage = Stage::empty("odd-status", &["--no-rate-limits"], &flags);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/won", "Ready", "True", "");
    // Once it is finished, one answer calls it failed.
    let odd = meddler.times(1, asks_status, Meddling::change(failed));
    stage.contact(&[("customer", ago(1))], Some("click-0"), &json!({}));
    let event = stage.settled("won", 1);
    assert_eq!(meddler.fired(odd), 1);
    assert_eq!(Counts::of(&event).uploaded, 1, "{:#}", event["status"]);
    let good = transactions(&stage, "customer").into_iter().collect();
    exactly(&stage, &event, &good);
    // One that fails indeed is called taken by one answer.
    let odd = meddler.times(1, asks_status, Meddling::change(succeeded));
    stage.contact(&[("customer", ago(1))], Some("invalid-click"), &json!({}));
    let event = stage.settled("won", 2);
    assert_eq!(meddler.fired(odd), 1);
    let counts = Counts::of(&event);
    assert_eq!((counts.uploaded, counts.rejected), (1, 1), "{:#}", event["status"]);
    exactly(&stage, &event, &good);
}

#[test]
fn an_event_is_not_tied_to_the_stage_that_one_odd_list_names() {
    let mut stage = Stage::empty("odd-stages", &[], &[]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    stage.condition("hsa/acme", "Ready", "True", "");
    let lists = |call: &Asked| call.path.contains("/contacts/lifecyclestage");
    let exchange = |answer: &mut Value| {
        for option in answer["options"].as_array_mut().into_iter().flatten() {
            let label = match option["label"].as_str() {
                Some("Customer") => "Lead",
                Some("Lead") => "Customer",
                _ => continue,
            };
            option["label"] = json!(label);
        }
    };
    for name in ["first", "second"] {
        let odd = meddler.times(1, lists, Meddling::change(exchange));
        stage.event(name, "Customer", &json!({}));
        let event = stage.wait(&format!("adce/{name}"), "its stage", |event| {
            !event["status"]["trigger"]["stage"].is_null()
        });
        assert_eq!(event["status"]["trigger"]["stage"], "customer", "{event:#}");
        // Where the list was read for it at all.
        assert!(meddler.fired(odd) <= 1);
        meddler.lift(odd);
    }
    // By the first lists of a process as well.
    stage.kill_operator();
    let odd = meddler.times(1, lists, Meddling::change(exchange));
    stage.event("third", "Customer", &json!({}));
    stage.start_operator();
    let event = stage.wait("adce/third", "its stage", |event| {
        !event["status"]["trigger"]["stage"].is_null()
    });
    assert_eq!(
        (meddler.fired(odd), &event["status"]["trigger"]["stage"]),
        (1, &json!("customer")),
        "{event:#}"
    );
}

/// Google confirms an update of an action, and shows the old name all the same.
#[test]
fn an_update_that_google_confirms_and_does_not_keep_is_made_again() {
    let mut stage = Stage::empty("unkept", &[], &[("google-refresh-interval", "3s")]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"eventName": "Old"}));
    stage.condition("adce/won", "CountedForBidding", "True", "");
    let id = action(&stage.get("adce/won"));
    let updates = |call: &Asked| call.path.contains("conversionActions:mutate");
    let resource = json!({"results": [{"resourceName": format!("customers/1234567890/conversionActions/{id}")}]});
    let ignored = meddler.times(1, updates, Meddling::Instead(Reply::json(200, &resource)));
    stage.patch("adce/won", &json!({"spec": {"eventName": "New"}}));
    stage.wait_for("the name at Google", || {
        let found = stage.actions();
        if found.iter().any(|action| action["name"] == "New") {
            Ok(())
        } else {
            Err(json!(found))
        }
    });
    assert_eq!(meddler.fired(ignored), 1);
    stage.condition("adce/won", "Ready", "True", "");
}
