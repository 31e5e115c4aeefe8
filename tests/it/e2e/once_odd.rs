//! One answer of Google's about an account is odd, the next is right again: nothing that
//! can't be taken back follows from it. No conversion is skipped, no stranger's action is
//! taken, no note is forgotten, nothing is created elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, became, exactly, more_requests, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply};
use super::stage::{Counts, ago, reason};

const BY_HAND: &str = "700000101";
const OWNER: &str = "1234567890";

/// A read of all conversion actions.
fn reads_all(call: &Asked) -> bool {
    call.says("FROM conversion_action") && !reads_by_name(call)
}

/// A look for the actions of one name.
fn reads_by_name(call: &Asked) -> bool {
    call.says("WHERE conversion_action.name")
}

/// Changes what an answer says of the actions.
fn lie(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Meddling {
    Meddling::change(move |answer| {
        let rows = answer["results"].as_array_mut();
        rows.into_iter()
            .flatten()
            .for_each(|row| change(&mut row["conversionAction"]));
    })
}

fn is_called(action: &Value, name: &str) -> bool {
    action["name"] == name
}

fn call_by(action: &mut Value, id: &str) {
    action["id"] = json!(id);
    action["resourceName"] = json!(format!("customers/{OWNER}/conversionActions/{id}"));
}

fn wait_fired(stage: &Stage, meddler: &Meddler, rule: super::meddler::Rule) {
    stage.wait_for("the odd answer", || match meddler.fired(rule) {
        0 => Err(json!("not yet")),
        _ => Ok(()),
    });
}

fn made(stage: &Stage, id: &str, name: &str, category: &str, days: u64) {
    let fields = json!({"customerId": OWNER, "id": id.parse::<u64>().expect("a number"), "type": "UPLOAD_CLICKS",
        "name": name, "category": category, "createdAt": ago(86_400 * 30), "clickThroughLookbackWindowDays": days});
    stage.post("/google/actions", &fields);
}

fn wanted(stage: &Stage) -> BTreeSet<String> {
    transactions(stage, "customer").into_iter().collect()
}

/// The window of the action is one day in the next read of all actions, and the read after that takes so many seconds.
fn one_odd_window(meddler: &Meddler, name: &'static str, late: u64) -> super::meddler::Rule {
    let narrow = lie(move |action| {
        if is_called(action, name) {
            action["clickThroughLookbackWindowDays"] = json!("1");
        }
    });
    let rule = meddler.times(1, reads_all, narrow);
    meddler.times(1, reads_all, Meddling::Late(Duration::from_secs(late)));
    rule
}

#[test]
fn conversions_outside_one_odd_click_window_wait_and_go() {
    let mut stage = Stage::empty(
        "odd-window",
        &["--no-rate-limits"],
        &[("google-refresh-interval", "2s")],
    );
    let meddler = stage.meddled();
    made(&stage, BY_HAND, "Won", "CONVERTED_LEAD", 30);
    // The first read of all is the odd one: nothing is known but what it says.
    let rule = one_odd_window(&meddler, "Won", 6);
    stage.post(
        "/hubspot/contacts",
        &json!([became(0, "click-0"), became(1, "click-1")]),
    );
    stage.start_operator();
    stage.accounts();
    let mapped = json!({"startTime": ago(86_400 * 30), "conversionAction": {"existing": {"id": BY_HAND}}});
    stage.event("won", "customer", &mapped);
    stage.wait("adce/won", "both wait", |event| reason(event, "Pending", "NotDue") == 2);
    assert_eq!(meddler.fired(rule), 1);
    stage.settled("won", 2);

    // The window is known by now. A contact is found within 20 seconds, and looked at twice after that.
    let rule = one_odd_window(&meddler, "Won", 30);
    wait_fired(&stage, &meddler, rule);
    stage.post("/hubspot/contacts", &json!([became(2, "click-2")]));
    stage.wait("adce/won", "one waits", |event| reason(event, "Pending", "NotDue") == 1);
    let event = stage.settled("won", 3);
    assert_eq!(Counts::of(&event).uploaded, 3, "{:#}", event["status"]);
    exactly(&stage, &event, &wanted(&stage));

    // It is a day indeed.
    let went = wanted(&stage);
    let narrow = json!({"clickThroughLookbackWindowDays": 1});
    stage.admin_call("PATCH", &format!("/google/actions/{BY_HAND}"), Some(&narrow));
    let reads = meddler.always(reads_all, lie(|_| ()));
    stage.wait_for("two reads", || match meddler.fired(reads) {
        0..=2 => Err(json!("not yet")),
        _ => Ok(()),
    });
    stage.post("/hubspot/contacts", &json!([became(3, "click-3")]));
    let event = stage.settled("won", 4);
    assert_eq!(
        reason(&event, "Skipped", "OutsideClickWindow"),
        1,
        "{:#}",
        event["status"]
    );
    exactly(&stage, &event, &went);
}

/// Uploads go to the event's own action alone, and the one made by hand is as it was.
fn by_hand_is_untouched(stage: &Stage, ours: &str) {
    stage.post("/hubspot/contacts", &json!([became(0, "click-0")]));
    let event = stage.settled("won", 1);
    assert_eq!(action(&event), ours, "{:#}", event["status"]);
    exactly(stage, &event, &wanted(stage));
    assert!(stage.accepted(BY_HAND).is_empty());
    let actions = stage.actions();
    let by_hand = actions.iter().find(|a| a["name"] == "Purchases (by hand)");
    let by_hand = by_hand.unwrap_or_else(|| panic!("renamed: {actions:#?}"));
    assert_eq!(by_hand["status"], "ENABLED");
    assert_eq!(actions.iter().filter(|a| a["name"] == "Customer").count(), 1);
}

#[test]
fn an_action_is_not_taken_by_one_odd_list() {
    let mut stage = Stage::empty("odd-list", &[], &[]);
    let meddler = stage.meddled();
    made(&stage, BY_HAND, "Purchases (by hand)", "PURCHASE", 30);
    made(&stage, "700000102", "Customer", "CONVERTED_LEAD", 30);
    let swapped = lie(|action| {
        let id = if is_called(action, "Customer") {
            BY_HAND
        } else {
            "700000102"
        };
        call_by(action, id);
    });
    let rule = meddler.times(1, reads_all, swapped);
    stage.start_operator();
    stage.accounts();
    let more = json!({"eventName": "Customer", "deletionPolicy": "Delete", "startTime": ago(86_400)});
    stage.event("won", "customer", &more);
    stage.condition("adce/won", "Ready", "True", "");
    assert_eq!(meddler.fired(rule), 1);
    by_hand_is_untouched(&stage, "700000102");
}

#[test]
fn an_action_is_not_taken_by_one_odd_look_after_a_lost_reply() {
    let mut stage = Stage::empty("odd-look", &[], &[]);
    let meddler = stage.meddled();
    made(&stage, BY_HAND, "Purchases (by hand)", "PURCHASE", 30);
    let lost = meddler.times(
        1,
        |call| call.path.contains("conversionActions:mutate") && call.says("\"create\""),
        Meddling::rewrite(|_, _| Reply::new(502, "text/html", "<html>Bad gateway</html>")),
    );
    // Before the create the name is free: there is nothing to lie about.
    let odd = meddler.times(2, reads_by_name, lie(|action| call_by(action, BY_HAND)));
    stage.start_operator();
    stage.accounts();
    let more = json!({"eventName": "Customer", "deletionPolicy": "Delete", "startTime": ago(86_400)});
    stage.event("won", "customer", &more);
    let event = stage.wait("adce/won", "an action", |event| {
        event["status"]["conversionAction"]["id"].is_string()
    });
    assert_eq!(
        (meddler.fired(lost), meddler.fired(odd)),
        (1, 2),
        "{:#}",
        event["status"]
    );
    stage.condition("adce/won", "Ready", "True", "");
    let actions = stage.actions();
    let ours = actions.iter().find(|a| a["name"] == "Customer").expect("the action");
    let ours = ours["id"].to_string().trim_matches('"').to_owned();
    by_hand_is_untouched(&stage, &ours);
}

#[test]
fn what_was_left_behind_is_not_forgotten_by_one_odd_list() {
    let mut stage = Stage::empty("odd-orphan", &[], &[("google-refresh-interval", "2s")]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    let more = |policy: &str| json!({"eventName": "Customer", "deletionPolicy": policy});
    stage.event("won", "customer", &more("Orphan"));
    stage.condition("adce/won", "Ready", "True", "");
    stage.kubectl(&["delete", "adce/won", "--timeout=30s"]);
    let listed = |account: &Value| {
        let orphans = account["status"]["orphanedConversionActions"].as_array();
        orphans.is_some_and(|orphans| orphans.iter().any(|orphan| orphan["name"] == "Customer"))
    };
    stage.wait("gaa/acme", "the action left behind", listed);
    let gone = lie(|action| {
        if is_called(action, "Customer") {
            action["status"] = json!("REMOVED");
        }
    });
    let rule = meddler.times(1, reads_all, gone);
    wait_fired(&stage, &meddler, rule);
    let later = meddler.always(reads_all, lie(|_| ()));
    wait_fired(&stage, &meddler, later);
    assert!(listed(&stage.get("gaa/acme")));
    // It is still known to be ours.
    stage.event("again", "customer", &more("Delete"));
    stage.condition("adce/again", "ConversionActionReady", "True", "Adopted");
    stage.kubectl(&["delete", "adce/again", "--timeout=30s"]);
    let actions = stage.actions();
    let ours = actions.iter().find(|a| a["name"] == "Customer").expect("the action");
    assert_eq!(ours["status"], "REMOVED");
}

#[test]
fn nothing_is_created_in_the_account_that_one_odd_answer_names() {
    let mut stage = Stage::empty("odd-owner", &[], &[]);
    let meddler = stage.meddled();
    let other = Meddling::change(|answer| {
        let tracking = &mut answer["results"][0]["customer"]["conversionTrackingSetting"];
        tracking["googleAdsConversionCustomer"] = json!("customers/9876543210");
    });
    let rule = meddler.times(1, |call| call.says("effective_enablement_setting"), other);
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/won", "Ready", "True", "");
    assert_eq!(meddler.fired(rule), 1);
    let account = stage.get("gaa/acme");
    assert_eq!(account["status"]["conversionCustomerId"], OWNER);
    let actions = stage.actions();
    let ours: Vec<_> = actions.iter().filter(|a| a["name"] == "won").collect();
    assert_eq!(ours.len(), 1, "{actions:#?}");
    assert_eq!(ours[0]["customerId"], OWNER, "{actions:#?}");
}

const OTHER: &str = "2222222222";

/// Says that another account owns the conversions.
fn owned_by_other() -> Meddling {
    Meddling::change(|answer| {
        let tracking = &mut answer["results"][0]["customer"]["conversionTrackingSetting"];
        tracking["googleAdsConversionCustomer"] = json!(format!("customers/{OTHER}"));
    })
}

fn reads_customer(call: &Asked) -> bool {
    call.says("effective_enablement_setting")
}

/// The credentials open another account too, as those of an agency do.
fn stage_of_agency(name: &str) -> Stage {
    let stage = Stage::empty(
        name,
        &["--no-rate-limits"],
        &[("google-refresh-interval", "1s"), ("stalled-probe-interval", "2s")],
    );
    let other = json!({"customerId": OTHER, "manager": false, "currencyCode": "EUR", "timeZone": "UTC",
        "conversionTrackingStatus": "CONVERSION_TRACKING_MANAGED_BY_SELF", "access": [{"identity": "user@sandbox.test"}]});
    stage.post("/google/accounts", &other);
    stage
}

/// Has the account checked once more.
fn check(stage: &Stage, number: u32) {
    let value = format!("adconversion.dev/reconcile-requested-at={number}");
    stage.kubectl(&["annotate", "--overwrite", "gaa/acme", &value]);
}

/// The event says that its action is in one account and the conversions' account another; what happens now is sent to
/// neither.
fn stops(stage: &Stage, of_action: &str, of_account: &str) {
    let stalled = stage.condition("adce/won", "Stalled", "True", "ExternalResourceNotFound");
    let message = stalled["message"].as_str().unwrap_or_default();
    let says = [
        format!("is in Google Ads account {of_action}"),
        format!("names account {of_account}"),
        "create it again".to_owned(),
    ];
    assert!(says.iter().all(|part| message.contains(part)), "{message}");
    let sent = || {
        stage.admin("/google/tally")["conversions"]
            .as_array()
            .map_or(0, Vec::len)
    };
    // What was on its way arrives first.
    stage.wait("adce/won", "nothing on its way", |event| {
        Counts::of(event).processing == 0 && reason(event, "Pending", "InFlight") == 0
    });
    let before = sent();
    stage.post("/hubspot/contacts", &json!([became(8, "click-8")]));
    // For a stalled event HubSpot is not read. The account is, each second: longer than a conversion takes to be sent.
    more_requests(stage, "googleAds", "googleAds:search", 6);
    assert_eq!(sent(), before, "{:#}", stage.admin("/google/tally"));
}

/// Two answers in a row are odd: the action is made elsewhere, and the event stops as soon as the truth is known.
#[test]
fn an_event_stops_whose_action_two_odd_answers_put_elsewhere() {
    let mut stage = stage_of_agency("odd-elsewhere");
    let meddler = stage.meddled();
    let rule = meddler.times(2, reads_customer, owned_by_other());
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.wait("adce/won", "an action", |event| {
        event["status"]["conversionAction"]["customerId"] == OTHER
    });
    assert_eq!(meddler.fired(rule), 2);
    stage.post("/hubspot/contacts", &json!([became(0, "click-0")]));
    check(&stage, 1);
    stage.wait("gaa/acme", "the truth", |account| {
        account["status"]["conversionCustomerId"] == OWNER
    });
    stops(&stage, OTHER, OWNER);
    // The way out that the message names.
    stage.kubectl(&["delete", "adce/won", "--timeout=30s"]);
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    let event = stage.settled("won", 2);
    assert_eq!(event["status"]["conversionAction"]["customerId"], OWNER);
    exactly(&stage, &event, &wanted(&stage));
}

/// The account's conversions are another account's from now on: the event stops, and goes on once that is put back.
#[test]
fn an_event_stops_while_another_account_owns_the_conversions() {
    let mut stage = stage_of_agency("real-elsewhere");
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.post("/hubspot/contacts", &json!([became(0, "click-0")]));
    stage.settled("won", 1);
    // One answer changes nothing.
    let rule = meddler.times(1, reads_customer, owned_by_other());
    wait_fired(&stage, &meddler, rule);
    stage.post("/hubspot/contacts", &json!([became(1, "click-1")]));
    let event = stage.settled("won", 2);
    exactly(&stage, &event, &wanted(&stage));
    assert!(!stage.log().contains("names account"), "{}", stage.log());
    let real = meddler.always(reads_customer, owned_by_other());
    stops(&stage, OWNER, OTHER);
    meddler.lift(real);
    let event = stage.settled("won", 3);
    exactly(&stage, &event, &wanted(&stage));
    stage.condition("adce/won", "Ready", "True", "");
}
