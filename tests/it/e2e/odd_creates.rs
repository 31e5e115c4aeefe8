//! Google's answer to a create names an action that the create did not make: it is not taken for ours, and not removed with the
//! event.

use serde_json::json;

use super::Stage;
use super::judge::{action, exactly, transactions};
use super::meddler::Meddling;
use super::stage::ago;

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
