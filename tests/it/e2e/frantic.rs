//! A tenant that creates, changes and deletes as fast as it can, or lets others' finalizers keep objects: all ends as
//! declared, each conversion once, and nothing goes round in circles.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{Monotone, action, crowd, exactly, settled_within, transactions};
use super::stage::{ago, condition};

const DAY: i64 = 86_400;
/// A finalizer of somebody else's.
const FOREIGN: &str = "example.com/x";
/// How much of one processor an operator may take that has
/// nothing to do but to poll. Debug builds take more than others.
const AT_REST: f64 = 0.5;

/// Waits until the operator takes little processor time for two seconds on end.
fn at_rest(stage: &Stage) {
    let (mut begun, mut taken) = (Instant::now(), stage.processor_time());
    let window = Duration::from_secs(2);
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        if begun.elapsed() >= window {
            let share = (stage.processor_time() - taken) / begun.elapsed().as_secs_f64();
            if share < AT_REST {
                return;
            }
            assert!(Instant::now() < limit, "{share:.2} of a processor");
            (begun, taken) = (Instant::now(), stage.processor_time());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A manifest of ours.
fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn all_gone(stage: &Stage) {
    stage.wait_for("all to be gone", || {
        let left = stage.kubectl(&["get", "adce,hsa,gaa", "--output", "name"]);
        if left.trim().is_empty() {
            Ok(())
        } else {
            Err(json!(left))
        }
    });
}

/// Twenty events and five pairs of accounts, created and deleted at once, again and again.
#[test]
fn creating_and_deleting_in_a_loop_leaves_nothing_and_loses_nothing() {
    let stage = Stage::empty("frantic", &[], &[]);
    crowd(&stage, 3);
    stage.start_operator();
    stage.accounts();
    stage.kubectl(&["delete", "gaa/acme", "hsa/acme", "--timeout=30s"]);
    let accounts = (0..5).flat_map(|n| {
        let name = format!("pair-{n}");
        let google = json!({"customerId": "123-456-7890", "credentialsSecretRef": {"name": "google-ads"}});
        let hubspot = json!({"credentialsSecretRef": {"name": "hubspot"}, "interval": "500ms"});
        [
            object("GoogleAdsAccount", &name, &google),
            object("HubSpotAccount", &name, &hubspot),
        ]
    });
    let events = (0..20).map(|n| {
        let pair = format!("pair-{}", n % 5);
        let spec = json!({"googleAdsAccountRef": {"name": pair}, "hubSpotAccountRef": {"name": pair},
            "trigger": {"lifecycleStage": {"stage": "customer"}}, "startTime": ago(DAY)});
        object("AdConversionEvent", &format!("event-{n}"), &spec)
    });
    let items: Vec<Value> = accounts.chain(events).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    for _ in 0..4 {
        stage.apply(&list);
        stage.kubectl(&["delete", "adce,hsa,gaa", "--all", "--wait=false"]);
        all_gone(&stage);
    }
    at_rest(&stage);
    stage.apply(&list);
    let wanted: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    for n in [0, 7, 19] {
        let event = stage.settled(&format!("event-{n}"), 3);
        exactly(&stage, &event, &wanted);
    }
    let names: Vec<Value> = stage.actions().iter().map(|a| a["name"].clone()).collect();
    let different: BTreeSet<String> = names.iter().map(Value::to_string).collect();
    assert_eq!(
        names.len(),
        different.len(),
        "one action for each event, taken up again: {names:?}"
    );
    stage.kubectl(&["delete", "adce,hsa,gaa", "--all", "--wait=false"]);
    all_gone(&stage);
    at_rest(&stage);
}

/// Ten changes a second, of whatever may be changed, while contacts become customers.
#[test]
fn a_spec_that_flips_all_the_time_ends_as_declared() {
    let stage = Stage::start("flips");
    stage.event(
        "flips",
        "customer",
        &json!({"startTime": ago(DAY), "eventName": "Flip 0"}),
    );
    stage.condition("adce/flips", "Ready", "True", "");
    let mut seen = Monotone::default();
    let begun = Instant::now();
    let mut step = 0_usize;
    // A busy machine takes longer for as many changes.
    while begun.elapsed() < Duration::from_secs(20) || (step <= 60 && begun.elapsed() < Duration::from_mins(1)) {
        let odd = step % 2 == 1;
        match step % 4 {
            0 => stage.patch("adce/flips", &json!({"spec": {"suspend": step.is_multiple_of(8)}})),
            1 => stage.patch(
                "adce/flips",
                &json!({"spec": {"eventName": format!("Flip {}", step % 5)}}),
            ),
            2 => stage.patch("hsa/acme", &json!({"spec": {"suspend": step % 8 == 2}})),
            _ => stage.patch("gaa/acme", &json!({"spec": {"suspend": step % 8 == 3}})),
        }
        if step.is_multiple_of(10) {
            crowd(&stage, 1);
        }
        if odd {
            seen.look(&stage.get("adce/flips"));
        }
        step += 1;
        thread::sleep(Duration::from_millis(40));
    }
    assert!(step > 60, "{step} changes");
    let contacts = step.div_ceil(10);
    stage.patch("hsa/acme", &json!({"spec": {"suspend": false}}));
    stage.patch("gaa/acme", &json!({"spec": {"suspend": false}}));
    stage.patch(
        "adce/flips",
        &json!({"spec": {"suspend": false, "eventName": "At last"}}),
    );
    let event = settled_within(&stage, "flips", contacts, Duration::from_mins(1));
    let wanted: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    exactly(&stage, &event, &wanted);
    let event = stage.wait("adce/flips", "its last name", |e| {
        e["status"]["conversionAction"]["name"] == "At last" && condition(e, "Ready")["status"] == "True"
    });
    let actions = stage.actions();
    assert_eq!(actions.len(), 1, "renamed, never created again: {actions:#?}");
    assert_eq!(
        (&actions[0]["name"], action(&event)),
        (&json!("At last"), id(&actions[0]))
    );
    at_rest(&stage);
}

fn id(action: &Value) -> String {
    action["id"]
        .as_str()
        .map_or_else(|| action["id"].to_string(), str::to_owned)
}

/// What somebody else's finalizer keeps keeps nothing of ours: neither the account of a deleted event, nor its action.
#[test]
fn finalizers_of_others_hold_up_only_what_they_are_on() {
    let stage = Stage::start("foreign");
    crowd(&stage, 2);
    let spec = json!({"startTime": ago(DAY), "eventName": "Kept"});
    stage.event("old", "customer", &spec);
    let old = stage.settled("old", 2);
    let wanted: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    for object in ["adce/old", "gaa/acme", "hsa/acme"] {
        let add = json!([{"op": "add", "path": "/metadata/finalizers/-", "value": FOREIGN}]);
        stage.kubectl(&["patch", object, "--type", "json", "--patch", &add.to_string()]);
    }
    stage.event("new", "customer", &spec);
    stage.condition("adce/new", "Stalled", "True", "OwnershipConflict");
    stage.kubectl(&["delete", "adce/old", "--wait=false"]);
    // The new one has the action, although the old one is still there.
    stage.condition("adce/new", "Ready", "True", "");
    let finalizers = |object: &Value| object["metadata"]["finalizers"].clone();
    assert_eq!(finalizers(&stage.get("adce/old")), json!([FOREIGN]));
    let new = stage.settled("new", 2);
    assert_eq!(action(&new), action(&old));
    exactly(&stage, &new, &wanted);
    // Accounts wait for the new one, then go as far as they may; the old event is no user any more.
    stage.kubectl(&["delete", "gaa/acme", "hsa/acme", "--wait=false"]);
    for account in ["gaa/acme", "hsa/acme"] {
        let blocked = stage.condition(account, "DeletionBlocked", "True", "InUse");
        let message = blocked["message"].as_str().expect("a message");
        assert!(message.contains("new") && !message.contains("old"), "{message}");
    }
    crowd(&stage, 1);
    stage.settled("new", 3);
    stage.kubectl(&["delete", "adce/new", "--timeout=30s"]);
    for account in ["gaa/acme", "hsa/acme"] {
        stage.wait(account, "our finalizer to go", |o| finalizers(o) == json!([FOREIGN]));
    }
    at_rest(&stage);
    for object in ["adce/old", "gaa/acme", "hsa/acme"] {
        stage.patch(object, &json!({"metadata": {"finalizers": null}}));
    }
    all_gone(&stage);
}
