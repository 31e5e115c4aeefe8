//! Odd answers around the create of a conversion action. One names an action that the
//! create did not make: it is not taken for ours, and not removed with the event. Lists
//! do not show the new action yet: nothing is sent that may be outside its window.

use std::collections::BTreeSet;

use serde_json::json;

use super::Stage;
use super::judge::{action, became, exactly, transactions};
use super::meddler::Meddling;
use super::stage::{Counts, ago, reason};

const BY_HAND: u64 = 700_000_101;

#[test]
fn an_answer_to_a_create_that_names_another_action_is_not_believed() {
    let by_hand = format!("customers/1234567890/conversionActions/{BY_HAND}");
    for odd in [by_hand.as_str(), "customers/9999999999/conversionActions/700000101"] {
        let mut stage = Stage::empty("odd-create", &[], &[]);
        let meddler = stage.meddled();
        let purchases = json!({"customerId": "1234567890", "id": BY_HAND, "type": "UPLOAD_CLICKS",
            "name": "Purchases (by hand)", "category": "PURCHASE"});
        stage.post("/google/actions", &purchases);
        let told = odd.to_owned();
        let lie = Meddling::change(move |answer| answer["results"][0]["resourceName"] = json!(told));
        let lie = meddler.times(
            1,
            |call| call.path.contains("conversionActions:mutate") && call.says("\"create\""),
            lie,
        );
        stage.start_operator();
        stage.accounts();
        let more = json!({"eventName": "Customer", "deletionPolicy": "Delete", "startTime": ago(86_400)});
        stage.event("won", "customer", &more);
        stage.contact(&[("customer", ago(600))], Some("click-1"), &json!({}));
        let event = stage.settled("won", 1);
        assert_eq!(meddler.fired(lie), 1, "{odd}");
        let ours = action(&event);
        assert_ne!(ours, BY_HAND.to_string(), "{odd}: {:#}", event["status"]);
        assert_eq!(event["status"]["conversionAction"]["origin"], "Created", "{odd}");
        let wanted = transactions(&stage, "customer").into_iter().collect();
        exactly(&stage, &event, &wanted);
        assert!(stage.accepted(&BY_HAND.to_string()).is_empty(), "{odd}");
        stage.kubectl(&["delete", "adce/won", "--timeout=30s"]);
        let state = |name: &str| {
            let actions = stage.actions();
            let found: Vec<_> = actions.iter().filter(|a| a["name"] == name).collect();
            assert_eq!(found.len(), 1, "{odd}: {actions:#?}");
            found[0]["status"].clone()
        };
        assert_eq!(state("Purchases (by hand)"), "ENABLED", "{odd}");
        assert_eq!(state("Customer"), "REMOVED", "{odd}");
    }
}

/// Google's lists lag behind a create, and the flags ask for no hold.
#[test]
fn nothing_is_sent_to_a_new_action_before_its_click_window_is_known() {
    let mut stage = Stage::empty(
        "new-window",
        &["--no-rate-limits"],
        &[
            ("new-action-hold", "0s"),
            ("create-settle", "1m"),
            ("google-refresh-interval", "3s"),
        ],
    );
    let meddler = stage.meddled();
    let unlisted = Meddling::change(|answer| answer["results"] = json!([]));
    let lag = meddler.always(|call| call.says("FROM conversion_action"), unlisted);
    let later = json!({"createdAt": ago(86_400 * 3), "history": {
        "hs_google_click_id": [{"value": "click-1", "timestamp": ago(86_400), "sourceType": "FORM"}],
        "lifecyclestage": [{"value": "customer", "timestamp": ago(3600), "sourceType": "CRM_UI"}]}});
    // Nine days after the click, and one day.
    stage.post("/hubspot/contacts", &json!([became(1, "click-0"), later]));
    stage.start_operator();
    stage.accounts();
    let narrow =
        json!({"startTime": ago(86_400 * 5), "conversionAction": {"create": {"clickThroughLookbackWindowDays": 5}}});
    stage.event("won", "customer", &narrow);
    let event = stage.wait("adce/won", "both wait", |event| {
        reason(event, "Pending", "ActionTooNew") == 2
    });
    let synced = stage.condition("adce/won", "Synced", "True", "RunSucceeded");
    assert!(
        synced["message"].as_str().expect("a text").contains("click window"),
        "{synced}"
    );
    let seen = meddler.fired(lag);
    stage.wait_for("looks for it", || match meddler.fired(lag) - seen {
        0..=2 => Err(json!("not yet")),
        _ => Ok(()),
    });
    stage.condition("adce/won", "Ready", "True", "Succeeded");
    assert!(stage.accepted(&action(&event)).is_empty());

    meddler.lift(lag);
    let event = stage.settled("won", 2);
    let counts = Counts::of(&event);
    assert_eq!((counts.uploaded, counts.rejected), (1, 0), "{:#}", event["status"]);
    assert_eq!(reason(&event, "Skipped", "OutsideClickWindow"), 1);
    let inside = transactions(&stage, "customer").pop().expect("two");
    exactly(&stage, &event, &BTreeSet::from([inside]));
}
