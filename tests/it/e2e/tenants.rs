//! Two tenants of one operator: what one of them declares does not stop, delay or show anything of the other's.

use serde_json::{Value, json};

use super::Stage;
use super::forms;
use super::stage::{Counts, ago, condition};
use super::words::events;

fn created(object: &Value) -> jiff::Timestamp {
    let text = object["metadata"]["creationTimestamp"].as_str().expect("a time");
    text.parse().expect("a time")
}

/// Waits until an object made now is younger than this one by Kubernetes' clock of seconds.
fn a_second_after(stage: &Stage, object: &Value) {
    let born = created(object);
    stage.wait_for("another second", || {
        let age = jiff::Timestamp::now().duration_since(born);
        if age.as_secs() >= 1 { Ok(()) } else { Err(Value::Null) }
    });
}

#[test]
fn an_account_that_google_has_not_let_in_owns_nothing() {
    let (stage, hostile) = Stage::with_neighbour("squat", &[]);
    stage.start_operator();
    let hostile = stage.neighbour(hostile);
    hostile.apply(&include_str!("accounts.yaml").replace("sandbox-refresh", "made-up"));
    hostile.event("older", "customer", &json!({"eventName": "Won"}));
    hostile.condition("gaa/acme", "Ready", "False", "");
    hostile.condition("adce/older", "AccountsReady", "False", "AccountNotReady");
    a_second_after(&stage, &hostile.get("adce/older"));
    stage.accounts();
    stage.event("victim", "customer", &json!({"eventName": "Won"}));
    stage.condition("adce/victim", "Ready", "True", "");
    // A restart changes nothing: what the status says of the accounts is all there is then.
    stage.kill_operator();
    stage.start_operator();
    stage.patch(
        "adce/victim",
        &json!({"spec": {"value": {"fixed": {"amount": "5", "currency": "EUR"}}}}),
    );
    let generation = stage.get("adce/victim")["metadata"]["generation"].clone();
    let victim = stage.wait("adce/victim", "the change", |e| {
        e["status"]["observedGeneration"] == generation
    });
    assert_eq!(condition(&victim, "Ready")["status"], "True", "{:#}", victim["status"]);
}

#[test]
fn whose_the_action_is_stays_with_its_namespace() {
    let (stage, other) = Stage::with_neighbour("whose", &[]);
    stage.start_operator();
    let other = stage.neighbour(other);
    other.accounts();
    other.event("payroll-leads", "customer", &json!({"eventName": "Won"}));
    other.condition("adce/payroll-leads", "Ready", "True", "");
    a_second_after(&stage, &other.get("adce/payroll-leads"));
    stage.accounts();
    stage.event("mine", "customer", &json!({"eventName": "Won"}));
    let stalled = stage.condition("adce/mine", "Stalled", "True", "OwnershipConflict");
    let message = stalled["message"].as_str().expect("a message");
    assert!(message.contains("an event in another namespace"), "{message}");
    // The owner goes and its action stays: the note about it is on both accounts, each in its own words.
    other.kubectl(&["delete", "adce/payroll-leads", "--timeout=30s"]);
    stage.condition("adce/mine", "Ready", "True", "");
    other.event("payroll-leads", "lead", &json!({"eventName": "Lost"}));
    other.condition("adce/payroll-leads", "Ready", "True", "");
    other.kubectl(&["delete", "adce/payroll-leads", "--timeout=30s"]);
    let noted = |account: &Value| account["status"]["orphanedConversionActions"][0]["formerEvent"].clone();
    let account = stage.wait("gaa/acme", "the note", |a| noted(a).is_string());
    assert_eq!(noted(&account), "another namespace");
    let all = [
        stage.get("adce/mine"),
        account,
        json!(events(&stage, "mine")),
        json!(events(&stage, "acme")),
    ];
    let seen = json!(all).to_string();
    assert!(
        !seen.contains("payroll-leads") && !seen.contains(&other.namespace),
        "{seen}"
    );
}

/// Who is no longer let to the customer, or has left it, holds nothing of it.
#[test]
fn whose_account_has_left_the_customer_no_longer_has_its_action() {
    for leaves in [true, false] {
        let name = if leaves { "left" } else { "another-customer" };
        let (stage, other) = Stage::with_neighbour(name, &[]);
        stage.start_operator();
        let other = stage.neighbour(other);
        other.accounts();
        other.event("older", "customer", &json!({"eventName": "Won"}));
        other.condition("adce/older", "Ready", "True", "");
        a_second_after(&stage, &other.get("adce/older"));
        stage.accounts();
        stage.event("mine", "customer", &json!({"eventName": "Won"}));
        stage.condition("adce/mine", "Stalled", "True", "OwnershipConflict");
        other.kubectl(&["delete", "gaa/acme", "--wait=false"]);
        // Somebody is in a hurry.
        other.kubectl(&[
            "patch",
            "gaa/acme",
            "--type=merge",
            "--patch",
            r#"{"metadata":{"finalizers":null}}"#,
        ]);
        if !leaves {
            other.apply(&include_str!("accounts.yaml").replace("123-456-7890", "987-654-3210"));
            other.condition("gaa/acme", "Ready", "True", "");
        }
        stage.condition("adce/mine", "Ready", "True", "");
        stage.contact(&[("customer", ago(0))], Some("click-1"), &json!({}));
        let event = stage.settled("mine", 1);
        assert_eq!(Counts::of(&event).uploaded, 1, "{:#}", event["status"]);
        assert_eq!(condition(&other.get("adce/older"), "Ready")["status"], "False");
    }
}

#[test]
fn long_annotations_are_not_repeated_in_full() {
    let stage = Stage::start("echo");
    stage.condition("gaa/acme", "Ready", "True", "");
    let long = "9".repeat(100_000);
    for object in ["gaa/acme", "hsa/acme"] {
        let patch = json!({"metadata": {"annotations": {"adconversion.dev/reconcile-requested-at": long}}});
        stage.patch(object, &patch);
        let handled = |o: &Value| o["status"]["lastHandledReconcileAt"].as_str().map(str::len);
        stage.wait(object, "the echo", |o| handled(o) == Some(256));
    }
}

#[test]
fn annotations_labels_and_finalizers_of_others_stay() {
    let stage = Stage::start("others");
    let others = json!({"metadata": {
        "annotations": {"example.com/note": "mine"}, "labels": {"team": "a"}, "finalizers": ["example.com/mine"],
    }});
    let stay = |object: &Value| {
        let meta = &object["metadata"];
        let finalizers = meta["finalizers"].as_array().map(Vec::as_slice).unwrap_or_default();
        meta["annotations"]["example.com/note"] == "mine"
            && meta["labels"]["team"] == "a"
            && finalizers.contains(&json!("example.com/mine"))
    };
    stage.patch("gaa/acme", &others);
    stage.event("won", "customer", &json!({}));
    stage.patch("adce/won", &others);
    let ours = "adconversion.dev/finalizer";
    for object in ["gaa/acme", "adce/won"] {
        stage.kubectl(&["annotate", object, "adconversion.dev/reconcile-requested-at=1"]);
        // The status is written after both: by then the finalizer is there.
        let written = stage.wait(object, "its status and the finalizer", |o| {
            o["status"]["lastHandledReconcileAt"] == "1" && o["metadata"]["finalizers"].to_string().contains(ours)
        });
        assert!(stay(&written), "{written}");
    }
    stage.kubectl(&["delete", "adce/won", "--wait=false"]);
    let left = stage.wait("adce/won", "the end of our finalizer", |o| {
        !o["metadata"]["finalizers"].to_string().contains(ours)
    });
    assert!(stay(&left), "{left}");
    for object in ["gaa/acme", "adce/won"] {
        stage.patch(object, &json!({"metadata": {"finalizers": null}}));
    }
}

/// So many accounts of both kinds whose credentials hang, each its own.
fn hanging(number: usize) -> String {
    let secret = |index: usize| {
        let keys = json!({"clientId": "hanging-client", "clientSecret": "x", "refreshToken": format!("x-{index}")});
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("hangs-{index}")}, "stringData": keys})
    };
    let account = |kind: &str, index: usize, mut spec: Value| {
        let name = format!("hangs-{index}");
        spec["credentialsSecretRef"] = json!({"name": name});
        json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
    };
    let customer = |index: usize| json!({"customerId": (2_000_000_000 + index).to_string()});
    let all = (0..number).flat_map(|index| {
        [
            secret(index),
            account("GoogleAdsAccount", index, customer(index)),
            account("HubSpotAccount", index, json!({})),
        ]
    });
    json!({"apiVersion": "v1", "kind": "List", "items": all.collect::<Vec<Value>>()}).to_string()
}

/// How often armed faults have fired, by their id.
fn fired(stage: &Stage, id: &str) -> u64 {
    let listed = stage.admin("/faults");
    let faults = listed["faults"]
        .as_array()
        .or_else(|| listed.as_array())
        .cloned()
        .unwrap_or_default();
    let found = faults.iter().find(|fault| fault["id"] == id);
    found.and_then(|fault| fault["fired"].as_u64()).unwrap_or_default()
}

#[test]
fn accounts_whose_credentials_hang_keep_only_their_own_namespace_waiting() {
    let (stage, hostile) = Stage::with_neighbour("hang", &[]);
    for service in ["token", "hubspot"] {
        let hang = json!({"id": service, "service": service, "bodyContains": "hanging-client", "count": 0, "action": {"hangBefore": true}});
        stage.post("/faults", &hang);
    }
    stage.start_operator();
    let hostile = stage.neighbour(hostile);
    hostile.apply(&hanging(60));
    stage.wait_for("accounts that hang", || {
        let all = [fired(&stage, "token"), fired(&stage, "hubspot")];
        if all.iter().all(|fired| *fired >= 8) {
            Ok(())
        } else {
            Err(json!(all))
        }
    });
    let begin = std::time::Instant::now();
    stage.accounts();
    stage.condition("gaa/acme", "Ready", "True", "");
    stage.condition("hsa/acme", "Ready", "True", "");
    stage.event("victim", "customer", &json!({}));
    stage.condition("adce/victim", "Ready", "True", "");
    let took = begin.elapsed();
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn a_portal_that_answers_slowly_keeps_no_other_portals_conversions_waiting() {
    let stage = Stage::empty("slow", &[], &[]);
    stage.contact(
        &[("lead", ago(3))],
        Some("slow-click"),
        &json!({"slow_consent": "true"}),
    );
    stage.start_operator();
    stage.accounts();
    let account = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount", "metadata": {"name": "slow"},
        "spec": {"credentialsSecretRef": {"name": "hubspot"}, "interval": "500ms"},
    });
    stage.apply(&account.to_string());
    let consent = json!({"property": "slow_consent", "grantedValues": ["true"]});
    let more = json!({
        "hubSpotAccountRef": {"name": "slow"}, "consent": consent, "suspend": true, "startTime": ago(3600),
    });
    stage.event("slow", "lead", &more);
    stage.event("fast", "customer", &json!({}));
    stage.condition("adce/fast", "Ready", "True", "");
    stage.wait("adce/slow", "the row", |e| Counts::of(e).observed == 1);
    // Two accounts poll twice a second: what the feed has read is too old to go without another read then.
    let searches = forms::calls(&stage, "/search");
    stage.wait_for("polls of two seconds", || {
        let more = forms::calls(&stage, "/search") - searches;
        if more >= 8 { Ok(()) } else { Err(json!(more)) }
    });
    let delay = json!({
        "id": "slow", "service": "hubspot", "path": "/batch/read", "bodyContains": "slow_consent", "count": 0,
        "action": {"delayMs": 25_000},
    });
    stage.post("/faults", &delay);
    stage.patch("adce/slow", &json!({"spec": {"suspend": false}}));
    stage.wait_for("a read of the slow portal", || {
        let fired = fired(&stage, "slow");
        if fired > 0 { Ok(()) } else { Err(json!(fired)) }
    });
    let begin = std::time::Instant::now();
    stage.contact(&[("customer", ago(0))], Some("fast-click"), &json!({}));
    stage.wait("adce/fast", "an upload", |e| {
        let counts = Counts::of(e);
        counts.processing + counts.uploaded == 1
    });
    let took = begin.elapsed();
    assert!(took.as_secs() < 15, "{took:?}");
    // The slow one comes too, and once.
    stage.wait_within(
        std::time::Duration::from_secs(90),
        "the slow portal's conversion",
        || {
            let event = stage.get("adce/slow");
            let counts = Counts::of(&event);
            if counts.processing + counts.uploaded == 1 {
                Ok(())
            } else {
                Err(event["status"].clone())
            }
        },
    );
}

#[test]
fn a_long_list_of_submissions_lets_the_rest_of_the_portal_come_to_its_turn() {
    const SUBMISSIONS: usize = 5_200;
    let stage = forms::stage("long", &[]);
    stage.condition("hsa/acme", "Ready", "True", "");
    let submission = |number: usize| {
        json!({
            "formId": forms::FORM, "conversionId": format!("s-{number}"), "email": "one@example.com",
            "submittedAt": ago(40_000 - i64::try_from(number).expect("few")),
        })
    };
    let numbers: Vec<usize> = (0..SUBMISSIONS).collect();
    for chunk in numbers.chunks(400) {
        let all: Vec<Value> = chunk.iter().map(|number| submission(*number)).collect();
        stage.post("/hubspot/submissions", &json!(all));
    }
    forms::event(&stage, "long", forms::FORM, &json!({"startTime": ago(86_400)}));
    stage.event("beside", "customer", &json!({}));
    stage.wait("adce/long", "all of them", |e| {
        Counts::of(e).observed == SUBMISSIONS as u64
    });
    let log = stage.admin("/requests?since=0");
    let all = log["requests"]
        .as_array()
        .or_else(|| log.as_array())
        .cloned()
        .expect("a log");
    let paths: Vec<&str> = all.iter().filter_map(|r| r["path"].as_str()).collect();
    let page = |wanted: &str| {
        paths
            .iter()
            .position(|path| path.contains("/submissions/forms/") && path.contains(wanted))
    };
    let (first, last) = (
        page("limit=50").expect("the first page"),
        page("after=p5150").expect("the last page"),
    );
    let between = &paths[first..last];
    assert!(
        between.iter().any(|path| path.contains("/contacts/search")),
        "read without a break"
    );
}
