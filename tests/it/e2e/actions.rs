//! The conversion action: create, adopt, map, correct, conflicts, lost replies.

use serde_json::{Value, json};

use super::Stage;
use super::stage::condition;

fn named<'a>(actions: &'a [Value], name: &str) -> Vec<&'a Value> {
    actions.iter().filter(|a| a["name"] == name).collect()
}

/// Numbers and texts alike: int64 travels as text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn creates(stage: &Stage) -> usize {
    let log = stage.admin("/requests?since=0");
    let all = log["requests"]
        .as_array()
        .or_else(|| log.as_array())
        .cloned()
        .unwrap_or_default();
    let create = |r: &Value| {
        r["path"]
            .as_str()
            .is_some_and(|p| p.contains("conversionActions:mutate"))
            && r.to_string().contains("\"create\"")
    };
    all.iter().filter(|r| create(r)).count()
}

#[test]
fn created_with_the_defaults_and_corrected_where_declared() {
    let stage = Stage::start("create");
    let more = json!({"eventName": "HubSpot - Customer",
        "conversionAction": {"create": {"category": "ConvertedLead", "countingType": "ManyPerClick"}},
        "value": {"fixed": {"amount": "99.5", "currency": "EUR"}}});
    stage.event("create", "customer", &more);
    stage.condition("adce/create", "ConversionActionReady", "True", "Created");
    let all = stage.actions();
    let action = named(&all, "HubSpot - Customer")[0].clone();
    let expected = json!({"type": "UPLOAD_CLICKS", "category": "CONVERTED_LEAD", "countingType": "MANY_PER_CLICK",
        "clickThroughLookbackWindowDays": "90", "primaryForGoal": true});
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&text(&action[field]), &text(value), "{field} in {action:#}");
    }
    let id = text(&action["id"]);
    // A person renames it and changes what nobody declared.
    let edit = json!({"name": "Renamed", "clickThroughLookbackWindowDays": 45});
    stage.admin_call("PATCH", &format!("/google/actions/{id}"), Some(&edit));
    stage.wait_for("the name to be corrected", || {
        let all = stage.actions();
        match named(&all, "HubSpot - Customer").first() {
            Some(a) if a["clickThroughLookbackWindowDays"].to_string().contains("45") => Ok(()),
            _ => Err(json!(all)),
        }
    });
    stage.wait_for("the Kubernetes Events", || {
        let events = stage.kubectl(&[
            "get",
            "events.events.k8s.io",
            "--output",
            "name",
            "--output=jsonpath={.items[*].reason}",
        ]);
        let all = ["ConversionActionCreated", "DriftDetected", "DriftCorrected"];
        if all.iter().all(|e| events.contains(e)) {
            Ok(())
        } else {
            Err(json!(events))
        }
    });
    // A change of the manifest renames it.
    stage.patch("adce/create", &json!({"spec": {"eventName": "HubSpot - Buyer"}}));
    stage.wait("adce/create", "the new name", |e| {
        e["status"]["conversionAction"]["name"] == "HubSpot - Buyer"
    });
    assert_eq!(creates(&stage), 1);
}

#[test]
fn the_same_action_is_adopted_another_of_the_name_is_a_conflict() {
    let stage = Stage::start("adopt");
    let base = json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS"});
    let make = |name: &str, category: &str| {
        let mut action = base.clone();
        action["name"] = json!(name);
        action["category"] = json!(category);
        stage.post("/google/actions", &action);
    };
    make("Same", "CONVERTED_LEAD");
    make("Other", "PURCHASE");
    stage.event("same", "customer", &json!({"eventName": "Same"}));
    stage.event("other", "customer", &json!({"eventName": "Other"}));
    stage.condition("adce/same", "ConversionActionReady", "True", "Adopted");
    let stalled = stage.condition("adce/other", "Stalled", "True", "NameConflict");
    assert!(stalled["message"].as_str().expect("a message").contains("eventName"));
    assert_eq!(creates(&stage), 0);
    // The way out works: another name.
    stage.patch("adce/other", &json!({"spec": {"eventName": "Free"}}));
    stage.condition("adce/other", "Ready", "True", "");
    assert_eq!(creates(&stage), 1);
}

#[test]
fn mapping_by_id_and_by_name_never_changes_the_action() {
    let stage = Stage::start("map");
    let action =
        json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": "Demo request", "category": "DEFAULT"});
    stage.post("/google/actions", &action);
    let all = stage.actions();
    let before = named(&all, "Demo request")[0].clone();
    let id = before["id"]
        .as_str()
        .map_or_else(|| before["id"].to_string(), str::to_owned);
    stage.event(
        "by-name",
        "customer",
        &json!({"conversionAction": {"existing": {"name": "Demo request"}}}),
    );
    stage.event("by-id", "lead", &json!({"conversionAction": {"existing": {"id": id}}}));
    stage.event(
        "nowhere",
        "lead",
        &json!({"conversionAction": {"existing": {"name": "No such"}}}),
    );
    for name in ["by-name", "by-id"] {
        let event = stage.wait(&format!("adce/{name}"), "Ready", |e| {
            condition(e, "Ready")["status"] == "True"
        });
        assert_eq!(event["status"]["conversionAction"]["origin"], "Mapped");
        assert_eq!(event["status"]["conversionAction"]["id"], id.as_str());
    }
    stage.condition("adce/nowhere", "Stalled", "True", "ExternalResourceNotFound");
    // It heals without touching Kubernetes once somebody makes the action.
    let made = json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": "No such", "category": "DEFAULT"});
    stage.post("/google/actions", &made);
    stage.condition("adce/nowhere", "Ready", "True", "");
    let all = stage.actions();
    assert_eq!(
        named(&all, "Demo request")[0],
        &before,
        "a mapped action is never changed"
    );
}

#[test]
fn two_events_for_one_action_the_oldest_wins() {
    let stage = Stage::start("owner");
    stage.event("first", "customer", &json!({"eventName": "Shared"}));
    stage.condition("adce/first", "Ready", "True", "");
    stage.wait_for("another second", || {
        let created = stage.get("adce/first")["metadata"]["creationTimestamp"]
            .as_str()
            .expect("a time")
            .to_owned();
        let age = jiff::Timestamp::now().duration_since(created.parse().expect("a time"));
        if age.as_secs() >= 1 { Ok(()) } else { Err(Value::Null) }
    });
    stage.event("second", "lead", &json!({"eventName": "Shared"}));
    let stalled = stage.condition("adce/second", "Stalled", "True", "OwnershipConflict");
    assert!(stalled["message"].as_str().expect("a message").contains("first"));
    stage.kubectl(&["delete", "adce/first", "--timeout=30s"]);
    // The name is free for the other one now, whose category differs: the way out is in the message.
    stage.condition("adce/second", "Stalled", "True", "NameConflict");
}

#[test]
fn a_create_whose_reply_is_lost_makes_one_action() {
    for fault in [
        json!({"dropAfter": true}),
        json!({"dropBefore": true}),
        json!({"truncate": 10}),
        json!({"html": true}),
    ] {
        let stage = Stage::start("lost");
        stage.condition("gaa/acme", "Ready", "True", "");
        let armed = json!({"service": "googleAds", "path": "conversionActions:mutate", "action": fault});
        stage.post("/faults", &armed);
        stage.event("lost", "customer", &json!({"eventName": "Lost reply"}));
        let event = stage.wait("adce/lost", "Ready", |e| condition(e, "Ready")["status"] == "True");
        let all = stage.actions();
        assert_eq!(named(&all, "Lost reply").len(), 1, "{fault}: {all:#?}");
        assert_eq!(event["status"]["conversionAction"]["origin"], "Created", "{fault}");
        assert!(event["status"]["conversionAction"]["creation"].is_null(), "{fault}");
    }
}

#[test]
fn the_account_goal_is_managed_where_asked() {
    let stage = Stage::start("goal");
    stage.event("goal", "customer", &json!({}));
    stage.condition("adce/goal", "CountedForBidding", "True", "GoalBiddable");
    let off = json!({"customerId": "1234567890", "category": "CONVERTED_LEAD", "origin": "WEBSITE", "biddable": false});
    stage.admin_call("PATCH", "/google/goals", Some(&off));
    stage.patch("gaa/acme", &json!({"spec": {"manageAccountGoals": true}}));
    stage.wait_for("the goal to be biddable", || {
        let log = stage.admin("/requests?since=0").to_string();
        if log.contains("customerConversionGoals:mutate") {
            Ok(())
        } else {
            Err(Value::Null)
        }
    });
    stage.condition("adce/goal", "CountedForBidding", "True", "GoalBiddable");
}

#[test]
fn shared_data_waits_for_the_terms() {
    let stage = Stage::start("terms");
    let terms = |accepted: bool| {
        let patch = json!({"acceptedCustomerDataTerms": accepted});
        stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&patch));
    };
    terms(false);
    stage.kubectl(&["annotate", "gaa/acme", "adconversion.dev/reconcile-requested-at=1"]);
    stage.condition("gaa/acme", "CustomerDataTermsAccepted", "False", "TermsNotAccepted");
    stage.event("shares", "customer", &json!({"shareData": ["Email"]}));
    stage.event("clicks", "lead", &json!({}));
    stage.condition("adce/shares", "Stalled", "True", "TermsNotAccepted");
    stage.condition("adce/clicks", "Ready", "True", "");
    terms(true);
    stage.kubectl(&[
        "annotate",
        "gaa/acme",
        "adconversion.dev/reconcile-requested-at=2",
        "--overwrite",
    ]);
    stage.condition("adce/shares", "Ready", "True", "");
}

#[test]
fn a_removed_action_needs_a_person() {
    let stage = Stage::start("removed");
    stage.event("removed", "customer", &json!({}));
    let event = stage.wait("adce/removed", "Ready", |e| condition(e, "Ready")["status"] == "True");
    let id = event["status"]["conversionAction"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    stage.admin_call("DELETE", &format!("/google/actions/{id}"), None);
    stage.condition("adce/removed", "Stalled", "True", "ExternalResourceRemoved");
    assert_eq!(creates(&stage), 1);
}
