//! A person mends something at HubSpot or Google: at once where they ask, else within `--stalled-probe-interval`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::stage::condition;

/// Everything is read rarely.
const RARELY: [(&str, &str); 3] = [
    ("account-check-interval", "10m"),
    ("stalled-probe-interval", "10m"),
    ("google-refresh-interval", "10m"),
];
const FORM: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";
const ANNOTATIONS: [&str; 2] = [
    "adconversion.dev/reconcile-requested-at",
    "reconcile.fluxcd.io/requestedAt",
];

/// One event for each thing that may be missing, with the reason it is stalled for.
fn stalled(stage: &Stage) -> [(&'static str, &'static str); 5] {
    let customers = json!({"acceptedCustomerDataTerms": false});
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&customers));
    let consent = json!({"property": "agreed", "grantedValues": ["yes"]});
    stage.event("stage", "trial", &json!({}));
    stage.event("property", "customer", &json!({"consent": consent}));
    let form = json!({"trigger": {"formSubmission": {"formId": FORM}}, "shareData": ["Email"], "consent":
        {"property": "ads_consent", "grantedValues": ["true"]}});
    stage.event("form", "", &form);
    stage.event(
        "action",
        "customer",
        &json!({"conversionAction": {"existing": {"name": "Later"}}}),
    );
    stage.event(
        "terms",
        "customer",
        &json!({"eventName": "Terms", "shareData": ["Email"]}),
    );
    let all = [
        ("stage", "StageNotFound"),
        ("property", "PropertyNotFound"),
        ("action", "ExternalResourceNotFound"),
        ("terms", "TermsNotAccepted"),
        // A form needs the terms as well: it comes after them.
        ("form", "FormNotFound"),
    ];
    for (name, why) in all {
        stage.condition(&format!("adce/{name}"), "Stalled", "True", why);
    }
    all
}

/// Puts right what stalls the event of this name.
fn mend(stage: &Stage, name: &str) {
    let portal = |change: &Value| stage.admin_call("PATCH", "/hubspot/portals/62515", Some(change));
    match name {
        "stage" => portal(&json!({"customStages": [{"value": "trial", "label": "Trial"}]})),
        "property" => portal(&json!({"properties": [{"name": "agreed", "type": "string"}]})),
        "form" => stage.post("/hubspot/forms", &json!([{"id": FORM, "name": "Demo"}])),
        "action" => stage.post(
            "/google/actions",
            &json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": "Later", "category": "CONVERTED_LEAD"}),
        ),
        _ => stage.admin_call(
            "PATCH",
            "/google/accounts/1234567890",
            Some(&json!({"acceptedCustomerDataTerms": true})),
        ),
    };
}

fn heals(stage: &Stage, name: &str) -> Value {
    stage.wait(&format!("adce/{name}"), "no stall", |e| {
        condition(e, "Stalled").is_null() && !condition(e, "Ready").is_null()
    })
}

/// Reads of the portal's lifecycle stages so far.
fn reads(stage: &Stage) -> usize {
    let log = stage.admin("/requests?since=0&service=hubspot");
    let all = log["requests"].as_array().or_else(|| log.as_array()).cloned();
    let all = all.expect("a log");
    let of_stages = |r: &&Value| r["path"].as_str().is_some_and(|p| p.contains("lifecyclestage"));
    all.iter().filter(of_stages).count()
}

#[test]
fn a_request_has_everything_read_before_the_event_is_judged() {
    let stage = Stage::with("asked", &[], &RARELY);
    let all = stalled(&stage);
    for (index, (name, why)) in all.into_iter().enumerate() {
        mend(&stage, name);
        let event = stage.get(&format!("adce/{name}"));
        assert_eq!(condition(&event, "Stalled")["reason"], why, "nobody has asked yet");
        let request = format!("{}=2026-11-26T10:00:0{index}Z", ANNOTATIONS[index % 2]);
        stage.kubectl(&["annotate", &format!("adce/{name}"), &request]);
        let event = stage.wait(&format!("adce/{name}"), "the answer", |e| {
            e["status"]["lastHandledReconcileAt"] == request.split_once('=').expect("a value").1
        });
        assert!(
            condition(&event, "Stalled").is_null(),
            "judged by what was read before: {:#}",
            event["status"]
        );
    }
}

#[test]
fn many_requests_share_a_read() {
    let stage = Stage::with("shared", &[], &RARELY);
    for n in 0..5 {
        stage.event(&format!("e{n}"), "customer", &json!({"eventName": format!("E{n}")}));
    }
    for n in 0..5 {
        stage.condition(&format!("adce/e{n}"), "Ready", "True", "");
    }
    let (before, begun) = (reads(&stage), Instant::now());
    for round in 0..4 {
        for n in 0..5 {
            let request = format!("{}=2026-11-26T10:00:{round}{n}Z", ANNOTATIONS[n % 2]);
            stage.kubectl(&["annotate", "--overwrite", &format!("adce/e{n}"), &request]);
        }
    }
    for n in 0..5 {
        let wanted = format!("2026-11-26T10:00:3{n}Z");
        stage.wait(&format!("adce/e{n}"), "the answer", |e| {
            e["status"]["lastHandledReconcileAt"] == wanted.as_str()
        });
    }
    let allowed = usize::try_from(begun.elapsed().as_secs() / 3).expect("small") + 2;
    let asked = reads(&stage) - before;
    assert!((1..=allowed).contains(&asked), "{asked} reads in {:?}", begun.elapsed());
}

#[test]
fn what_is_mended_upstream_heals_within_the_probe_interval() {
    let flags = [
        ("account-check-interval", "60s"),
        ("google-refresh-interval", "10m"),
        ("stalled-probe-interval", "4s"),
    ];
    let stage = Stage::with("probed", &[], &flags);
    let all = stalled(&stage);
    for (name, _) in all {
        mend(&stage, name);
    }
    let mended = Instant::now();
    for (name, _) in all {
        heals(&stage, name);
    }
    assert!(mended.elapsed() < Duration::from_secs(30), "{:?}", mended.elapsed());
}
