//! What `plan` could not read it does not know, whatever the cluster says of an event that works.

use serde_json::{Value, json};

use super::super::Stage;
use super::super::forms::{self, FORM};
use super::super::judge::crowd;
use super::{DAY, ago, plan};

/// Calls that fail, and what is not read then.
struct Hole {
    fault: Value,
    service: &'static str,
    what: &'static str,
}

fn holes() -> Vec<Hole> {
    let hubspot = |path: &str, what| Hole {
        fault: json!({"service": "hubspot", "path": path, "count": 0, "action": {"status": 503}}),
        service: "HubSpot",
        what,
    };
    let google = |query: &str, what| Hole {
        fault: json!({"service": "googleAds", "bodyContains": query, "count": 0, "action": {"status": 503}}),
        service: "Google Ads",
        what,
    };
    vec![
        hubspot("/account-info/", "the portal"),
        hubspot("/contacts/lifecyclestage", "lifecycle stages"),
        hubspot("/contacts/search", "contacts that changed"),
        hubspot("/contacts/batch/read", "contacts"),
        hubspot("/contacts/deals/batch/read", "deals of contacts"),
        hubspot("/objects/2026-09/deals/batch/read", "deals"),
        hubspot("/marketing/v3/forms", "forms"),
        hubspot("/submissions/forms", "form submissions"),
        google("effective_enablement_setting FROM customer", "the customer"),
        google("FROM conversion_action", "conversion actions"),
        google("FROM customer_conversion_goal", "account goals"),
    ]
}

fn unread(event: &Value) -> Vec<(&str, &str)> {
    let list = event["unread"].as_array().into_iter().flatten();
    list.filter_map(|unread| Some((unread["service"].as_str()?, unread["what"].as_str()?)))
        .collect()
}

/// The plan for people, where one of the services is nowhere.
fn without(stage: &Stage, service: &str) -> String {
    let nowhere = |flag: String| {
        if flag.starts_with(service) {
            format!("{service}=http://127.0.0.1:1")
        } else {
            flag
        }
    };
    let endpoints: Vec<_> = stage.endpoints().into_iter().map(nowhere).collect();
    let mut all = vec!["plan", "won", "--namespace", &stage.namespace];
    all.extend(endpoints.iter().map(String::as_str));
    let done = stage.command(&all);
    assert_eq!(done.status.code(), Some(2), "{}{}", done.stdout, done.stderr);
    done.stdout
}

#[test]
fn what_cannot_be_read_of_an_event_that_works_is_unknown() {
    let stage = forms::stage("plan-unread", &[]);
    crowd(&stage, 3);
    let contact = stage.contact(&[("customer", ago(DAY * 2))], Some("click"), &json!({}));
    let deal = json!([{"createdAt": ago(DAY * 5), "contactIds": [contact], "properties": {"amount": "70"}}]);
    stage.post("/hubspot/deals", &deal);
    let value = json!({"dealAmount": {"default": {"amount": "12.50", "currency": "EUR"}}});
    stage.event("won", "customer", &json!({"startTime": ago(DAY * 5), "value": value}));
    forms::event(&stage, "demo", FORM, &json!({"startTime": ago(3_600)}));
    forms::submit(&stage, &forms::consenting("s1"));
    stage.settled("won", 4);
    forms::counted(&stage, "demo", 1, 1, 0);
    stage.stop_operator();
    // What an operator that is gone has sent is not known either.
    let whole = plan(&stage, &["won", "demo"], 2);
    for event in whole["events"].as_array().expect("events") {
        assert!(event["unread"].is_null() && event["ready"] == "True", "{event:#}");
        assert_ne!(event["conversions"]["observed"], 0, "{event:#}");
    }
    for hole in holes() {
        stage.post("/faults", &hole.fault);
        let said = plan(&stage, &["won", "demo"], 2);
        for event in said["events"].as_array().expect("events") {
            assert!(
                unread(event).contains(&(hole.service, hole.what)),
                "{}: {event:#}",
                hole.fault
            );
            assert_eq!(event["ready"], "Unknown", "{}: {event:#}", hole.fault);
        }
        stage.admin_call("DELETE", "/faults", None);
    }
    let text = without(&stage, "--hubspot-endpoint");
    assert!(text.contains("not read     the portal of HubSpot"), "{text}");
    assert!(text.contains("Which conversions there are is not known"), "{text}");
    let text = without(&stage, "--google-ads-endpoint");
    assert!(text.contains("as Google Ads could not be read"), "{text}");
}
