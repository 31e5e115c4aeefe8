//! Before anything is applied, `plan` comes to what the operator comes to,
//! however often it takes a look, and says what would hold the conversions back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::Stage;
use super::super::judge::crowd;
use super::{ACCOUNTS, DAY, ago, event, of, plan, run};

const KEY: &str = "key-na1-service";
/// Longest time of a plan over a few contacts whose accounts answer.
const LIMIT: Duration = Duration::from_secs(15);

fn won() -> Value {
    event(
        "won",
        &json!({"trigger": {"lifecycleStage": {"stage": "customer"}}, "startTime": ago(DAY * 5)}),
    )
}

/// Accounts and an event in a file; `edit`: what of the accounts is otherwise.
fn file(stage: &Stage, edit: (&str, &str)) -> String {
    assert!(ACCOUNTS.contains(edit.0));
    let accounts = ACCOUNTS.replace(edit.0, edit.1);
    stage.file("planned.yaml", &format!("{accounts}\n---\n{}", won()))
}

/// HubSpot says of a service key neither which portal it opens
/// nor what it may do: the portal is believed after two looks.
#[test]
fn a_service_key_is_believed_after_two_looks() {
    let stage = Stage::empty("plan-key", &[], &[]);
    crowd(&stage, 3);
    let file = file(&stage, ("pat-na1-sandbox", KEY));
    let key = |scopes: &[&str]| {
        let token = json!({"tokens": [{"accessToken": KEY, "kind": "serviceKey", "scopes": scopes}]});
        stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&token));
    };
    key(&["crm.objects.contacts.read", "crm.objects.deals.read", "forms"]);
    let begun = Instant::now();
    let planned = plan(&stage, &["-f", &file], 0);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    let won = of(&planned, "won");
    assert_eq!(
        (&won["ready"], &won["conversions"]["wouldBeSent"]),
        (&json!("True"), &json!(3)),
        "{won:#}"
    );
    key(&[]);
    let planned = plan(&stage, &["-f", &file], 1);
    let message = of(&planned, "won")["message"].as_str().expect("a message");
    assert!(message.contains("MissingScope"), "{message}");
}

#[test]
fn an_account_that_cannot_be_one_is_told_at_once() {
    let stage = Stage::empty("plan-id", &[], &[]);
    let file = file(&stage, ("123-456-7890", "\"12-3\""));
    let begun = Instant::now();
    let planned = plan(&stage, &["-f", &file], 1);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    let message = of(&planned, "won")["message"].as_str().expect("a message");
    assert!(
        message.contains("\"12-3\" is not a Google Ads customer id"),
        "{message}"
    );
}

#[test]
fn an_api_that_is_switched_off_holds_the_conversions_back() {
    let stage = Stage::empty("plan-off", &[], &[]);
    crowd(&stage, 3);
    let file = file(&stage, ("pat-na1-sandbox", "pat-na1-sandbox"));
    stage.admin_call("PATCH", "/google/settings", Some(&json!({"dataManagerDisabled": true})));
    let planned = plan(&stage, &["-f", &file], 1);
    let won = of(&planned, "won");
    let message = won["message"].as_str().expect("a message");
    assert!(message.contains("Enable the Data Manager API"), "{message}");
    assert_eq!(
        (&won["conversions"]["wouldBeSent"], &won["conversions"]["pending"]),
        (&json!(0), &json!(3)),
        "{won:#}"
    );
    stage.admin_call(
        "PATCH",
        "/google/settings",
        Some(&json!({"dataManagerDisabled": false})),
    );
    let outage = json!({"service": "dataManager", "count": 0, "action": {"status": 503}});
    stage.post("/faults", &outage);
    let planned = plan(&stage, &["-f", &file], 2);
    assert_eq!(
        of(&planned, "won")["unread"][0]["what"],
        "the Data Manager API",
        "{planned:#}"
    );
}

#[test]
fn an_account_that_is_no_good_in_its_file_is_said_to_be_so() {
    let stage = Stage::empty("plan-refused", &[], &[]);
    let file = file(&stage, ("customerId: 123-456-7890", "customerId: 1234567890"));
    let said = run(&stage, &["-f", &file], 1);
    assert!(
        said.contains("spec.customerId must be") && said.contains("GoogleAdsAccount plan-refused"),
        "{said}"
    );
    assert!(
        said.contains("which it names, cannot be used") && !said.contains("in none of the files"),
        "{said}"
    );
}
