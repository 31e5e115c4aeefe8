//! HubSpot names another portal than the token's in one answer:
//! nothing is counted under it, and nobody is stalled for it.

use serde_json::{Value, json};

use super::Stage;
use super::judge::{exactly, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::stage::{ago, condition};

const DETAILS: &str = "/account-info/";
const TOKEN: &str = "access-token-info";
const ODD: u64 = 99_887_766;

fn lie(meddler: &Meddler, times: usize, path: &'static str, field: &'static str) -> Rule {
    let lie = Meddling::change(move |answer| answer[field] = json!(ODD));
    meddler.times(times, move |call: &Asked| call.path.contains(path), lie)
}

fn message(object: &Value, type_: &str) -> String {
    condition(object, type_)["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn wait_until_fired(stage: &Stage, meddler: &Meddler, rule: Rule, times: usize) {
    stage.wait_for("the odd answers", || {
        let fired = meddler.fired(rule);
        if fired >= times { Ok(()) } else { Err(json!(fired)) }
    });
}

/// Starts with odd answers armed, sends one conversion, and holds Google's count of it to the right portal's.
fn one_conversion(stage: &Stage) {
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.contact(&[("customer", ago(600))], Some("click-1"), &json!({}));
    let event = stage.settled("won", 1);
    let wanted = transactions(stage, "customer").into_iter().collect();
    exactly(stage, &event, &wanted);
    let account = stage.get("hsa/acme");
    assert_eq!(account["status"]["portalId"], 62515, "{account:#}");
    stage.condition("hsa/acme", "Ready", "True", "");
}

#[test]
fn the_first_odd_answer_about_the_portal_pins_nothing() {
    let mut stage = Stage::empty("odd-portal", &[], &[]);
    let meddler = stage.meddled();
    let odd = lie(&meddler, 3, DETAILS, "portalId");
    stage.start_operator();
    stage.accounts();
    stage.wait("hsa/acme", "both portals in the message", |account| {
        let said = message(account, "Ready");
        said.contains(&ODD.to_string()) && said.contains("62515") && said.contains("asked again")
    });
    let account = stage.get("hsa/acme");
    assert!(account["status"]["portalId"].is_null(), "{account:#}");
    assert!(condition(&account, "Stalled").is_null(), "{account:#}");
    one_conversion(&stage);
    assert_eq!(meddler.fired(odd), 3);
}

/// Of a service key HubSpot may say nothing: then the account details are the only witness, and asked twice.
#[test]
fn where_hubspot_says_nothing_of_the_token_the_portal_is_asked_for_twice() {
    let mut stage = Stage::empty("silent-token", &[], &[]);
    let meddler = stage.meddled();
    let not_found = json!({"status": "error", "message": "No private app has this token."});
    let silent = Meddling::Instead(Reply::json(404, &not_found));
    meddler.always(|call| call.path.contains(TOKEN), silent);
    let odd = lie(&meddler, 1, DETAILS, "portalId");
    stage.start_operator();
    stage.accounts();
    one_conversion(&stage);
    assert_eq!(meddler.fired(odd), 1);
}

/// Of a portal that is known, too: one odd answer stalls nobody, neither with a declared portal nor with a pinned one.
#[test]
fn an_odd_answer_about_a_known_portal_stalls_nobody() {
    let mut stage = Stage::empty("known-portal", &[], &[]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    one_conversion(&stage);
    let check = |number: u32| {
        let value = format!("adconversion.dev/reconcile-requested-at={number}");
        stage.kubectl(&["annotate", "--overwrite", "hsa/acme", &value]);
    };
    for (number, told) in [true, false].into_iter().enumerate() {
        if !told {
            let silent = Meddling::Instead(Reply::json(404, &json!({"status": "error", "message": "Not found."})));
            meddler.always(|call| call.path.contains(TOKEN), silent);
            stage.patch("hsa/acme", &json!({"spec": {"portalId": 62515}}));
        }
        let odd = lie(&meddler, 1, DETAILS, "portalId");
        check(u32::try_from(number).expect("few"));
        wait_until_fired(&stage, &meddler, odd, 1);
        stage.wait("hsa/acme", "a check that went well", |account| {
            let ready = condition(account, "Ready");
            ready["status"] == "True" && !message(account, "Ready").contains("The last check failed")
        });
        stage.condition("adce/won", "Ready", "True", "");
    }
    let told = stage.kubectl(&["get", "events.events.k8s.io", "--output", "json"]);
    assert!(!told.contains("PortalMismatch"), "{told}");
    assert!(!stage.log().contains("PortalMismatch"), "{}", stage.log());
    // A real one is found all the same, by two answers of the only witness.
    let other = json!({"portalId": 777, "tokens": [{"accessToken": "pat-other", "kind": "privateApp",
        "scopes": ["crm.objects.contacts.read"]}]});
    stage.post("/hubspot/portals", &other);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hubspot"},
        "stringData": {"accessToken": "pat-other"}});
    stage.apply(&secret.to_string());
    stage.condition("hsa/acme", "Stalled", "True", "PortalMismatch");
}

/// Somebody takes the account away from under its events and makes one of the same name that opens another portal.
#[test]
fn an_account_that_is_made_again_keeps_the_portal_of_its_events() {
    let stage = Stage::start("made-again");
    one_conversion(&stage);
    let account = stage.get("hsa/acme")["spec"].clone();
    let make = |token: &str| {
        stage.patch("hsa/acme", &json!({"metadata": {"finalizers": null}}));
        stage.kubectl(&["delete", "hsa/acme", "--wait=false"]);
        // The operator may have put its finalizer back meanwhile.
        stage.wait_for("the account to go", || {
            let left = stage.kubectl(&["get", "hsa", "--output", "name"]);
            if left.trim().is_empty() {
                return Ok(());
            }
            stage.patch("hsa/acme", &json!({"metadata": {"finalizers": null}}));
            Err(json!(left))
        });
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hubspot"},
            "stringData": {"accessToken": token}});
        let made = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount",
            "metadata": {"name": "acme"}, "spec": account});
        stage.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [secret, made]}).to_string());
    };
    let other = json!({"portalId": 777, "tokens": [{"accessToken": "pat-other", "kind": "privateApp",
        "scopes": ["crm.objects.contacts.read"]}]});
    stage.post("/hubspot/portals", &other);
    let stranger = json!([{"createdAt": ago(86_400), "history": {
        "hs_google_click_id": [{"value": "click-9", "timestamp": ago(80_000), "sourceType": "FORM"}],
        "lifecyclestage": [{"value": "customer", "timestamp": ago(300), "sourceType": "CRM_UI"}]}}]);
    stage.post("/hubspot/contacts?portalId=777", &stranger);
    make("pat-other");
    let stalled = stage.condition("hsa/acme", "Stalled", "True", "PortalMismatch");
    let said = stalled["message"].as_str().expect("a text");
    assert!(said.contains("portal 777") && said.contains("portal 62515"), "{said}");
    let event = stage.condition("adce/won", "AccountsReady", "False", "AccountNotReady");
    assert!(
        event["message"]
            .as_str()
            .is_some_and(|text| text.contains("PortalMismatch")),
        "{event}"
    );
    let account = stage.get("hsa/acme");
    assert!(account["status"]["portalId"].is_null(), "{account:#}");

    make("pat-na1-sandbox");
    stage.condition("hsa/acme", "Ready", "True", "");
    stage.contact(&[("customer", ago(60))], Some("click-2"), &json!({}));
    let event = stage.settled("won", 2);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());

    // New events have nothing of the old portal's.
    stage.kubectl(&["delete", "adce/won"]);
    make("pat-other");
    stage.condition("hsa/acme", "Ready", "True", "");
    assert_eq!(stage.get("hsa/acme")["status"]["portalId"], 777);
}
