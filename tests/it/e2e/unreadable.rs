//! Records that HubSpot refuses, or gives in a way that cannot be understood: each is its own matter, everything else
//! goes on, and it follows once it can be read.

use serde_json::{Value, json};

use super::Stage;
use super::judge::action;
use super::meddler::Meddling;
use super::rows_of::{Rows, compare, ms, row};
use super::stage::{Counts, ago, condition, reason};
use super::{forms, forms::FORM};

const DAY: i64 = 86_400;

/// Contacts that became lead and customer; ids of all.
fn crowd(stage: &Stage, from: u32, count: u32) -> Vec<String> {
    let contact = |n: u32| {
        let at = |days: i64| ago(DAY * days + i64::from(n));
        json!({"createdAt": at(10), "properties": {"email": format!("c{n}@example.com")}, "history": {
            "hs_google_click_id": [{"value": format!("click-{n}"), "timestamp": at(9), "sourceType": "FORM"}],
            "lifecyclestage": [{"value": "lead", "timestamp": at(3), "sourceType": "IMPORT"},
                               {"value": "customer", "timestamp": at(2), "sourceType": "CRM_UI"}]}})
    };
    let all: Vec<Value> = (from..from + count).map(contact).collect();
    let created = stage.post("/hubspot/contacts", &json!(all));
    let ids = created["ids"].as_array().expect("ids").iter();
    ids.map(|id| id.as_str().expect("an id").to_owned()).collect()
}

fn odd(stage: &Stage, object: &str, id: &str, how: &Value) {
    let mut body = json!({"object": object, "id": id});
    body.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
    stage.post("/hubspot/odd", &json!([body]));
}

fn heal(stage: &Stage) {
    stage.admin_call("DELETE", "/hubspot/odd", None);
}

/// Contacts named in an event's `lastErrors`.
fn named(event: &Value) -> Vec<String> {
    let errors = event.pointer("/status/sync/lastErrors").and_then(Value::as_array);
    let of = |error: &Value| {
        (error["reason"] == "UnreadableRecord").then(|| error["contactId"].as_str().map(str::to_owned))?
    };
    let mut ids: Vec<_> = errors.into_iter().flatten().filter_map(of).collect();
    ids.sort();
    ids
}

fn lifecycle_row(place: usize) -> String {
    format!("/propertiesWithHistory/lifecyclestage/{place}/timestamp")
}

/// Waits until so many are uploaded, with every odd one named and waiting.
fn goes_on(stage: &Stage, name: &str, uploaded: u64, waiting: u64, ids: &[String]) -> Value {
    let mut ids = ids.to_vec();
    ids.sort();
    let what = format!("{uploaded} uploaded, {waiting} waiting and {} named", ids.len());
    let event = stage.wait(&format!("adce/{name}"), &what, |e| {
        let counts = Counts::of(e);
        counts.conserved(e);
        counts.uploaded == uploaded && reason(e, "Pending", "UnreadableRecord") == waiting && named(e) == ids
    });
    assert_eq!(Counts::of(&event).observed, uploaded + waiting, "{event:#}");
    assert_eq!(condition(&event, "Ready")["status"], "True", "{event:#}");
    assert_eq!(condition(&event, "Synced")["status"], "True", "{event:#}");
    event
}

#[test]
fn contacts_that_cannot_be_read_hold_up_nobody_and_follow() {
    for dated in [true, false] {
        let stage = Stage::empty("unreadable", &["--no-rate-limits"], &[]);
        stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&json!({"dateEntered": dated})));
        crowd(&stage, 0, 49);
        let ids = crowd(&stage, 100, 5);
        let dates = json!({"/updatedAt": null, "/properties/lastmodifieddate": null});
        let ways = [
            // Newest first: the older row, into lead, has no time.
            json!({"set": {lifecycle_row(1): null}}),
            json!({"remove": [lifecycle_row(1)]}),
            json!({"set": dates}),
            json!({"set": {"/id": "not-a-number", "/properties/hs_object_id": null}}),
            json!({"error": "FORBIDDEN"}),
        ];
        for (id, how) in ids.iter().zip(&ways) {
            odd(&stage, "contact", id, how);
        }
        stage.start_operator();
        stage.apply(include_str!("accounts.yaml"));
        stage.event("customers", "customer", &json!({"startTime": ago(DAY * 20)}));
        stage.event("leads", "lead", &json!({"startTime": ago(DAY * 20)}));
        // What can be read of the first three counts as observed: they became customers.
        goes_on(&stage, "customers", 49, 3, &ids);
        goes_on(&stage, "leads", 49, 1, &ids);
        assert_eq!(
            stage.get("hsa/acme")["status"]["changeDetection"],
            if dated { "DateEntered" } else { "LastModified" }
        );
        // The feed goes on, and a process that ends forgets nobody.
        stage.contact(&[("customer", ago(1))], Some("click-new"), &json!({}));
        goes_on(&stage, "customers", 50, 3, &ids);
        stage.kill_operator();
        heal(&stage);
        stage.start_operator();
        for (name, all) in [("customers", 55), ("leads", 54)] {
            let event = stage.settled(name, all);
            assert_eq!(Counts::of(&event).uploaded, all, "{event:#}");
            assert_eq!(stage.accepted(&action(&event)).len() as u64, all);
        }
        stage.condition("hsa/acme", "Ready", "True", "Succeeded");
    }
}

/// Who has a stage has entered it, also where an answer leaves the history out.
#[test]
fn contacts_whose_history_is_left_out_are_no_contacts_that_never_entered() {
    let stage = Stage::empty("left-out", &["--no-rate-limits"], &[]);
    crowd(&stage, 0, 5);
    let ids = crowd(&stage, 100, 2);
    odd(
        &stage,
        "contact",
        &ids[0],
        &json!({"remove": ["/propertiesWithHistory"]}),
    );
    let empty = json!({"set": {"/propertiesWithHistory/lifecyclestage": []}});
    odd(&stage, "contact", &ids[1], &empty);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("customers", "customer", &json!({"startTime": ago(DAY * 20)}));
    stage.event("leads", "lead", &json!({"startTime": ago(DAY * 20)}));
    for name in ["customers", "leads"] {
        goes_on(&stage, name, 5, 0, &ids);
    }
    heal(&stage);
    for name in ["customers", "leads"] {
        assert_eq!(Counts::of(&stage.settled(name, 7)).uploaded, 7);
    }
}

#[test]
fn contacts_that_are_odd_among_the_results_of_a_search_hold_up_nobody() {
    let stage = Stage::empty("found", &["--no-rate-limits"], &[]);
    let ids = crowd(&stage, 0, 12);
    odd(
        &stage,
        "found",
        &ids[3],
        &json!({"set": {"/updatedAt": null, "/properties/lastmodifieddate": null}}),
    );
    odd(&stage, "found", &ids[4], &json!({"set": {"/id": "not-a-number"}}));
    odd(&stage, "found", &ids[5], &json!({"set": {"/properties": "none"}}));
    // Of this one nothing says who it is.
    odd(
        &stage,
        "found",
        &ids[6],
        &json!({"set": {"/id": null, "/properties": {}}}),
    );
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("customers", "customer", &json!({"startTime": ago(DAY * 20)}));
    stage.wait("adce/customers", "all but one", |e| Counts::of(e).uploaded == 11);
    stage.kill_operator();
    heal(&stage);
    stage.start_operator();
    assert_eq!(Counts::of(&stage.settled("customers", 12)).uploaded, 12);
}

#[test]
fn a_contact_that_refuses_its_whole_batch_is_singled_out() {
    let stage = Stage::empty("refuses", &["--no-rate-limits"], &[]);
    crowd(&stage, 0, 20);
    let ids = crowd(&stage, 100, 1);
    odd(&stage, "contact", &ids[0], &json!({"refuse": 403}));
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("customers", "customer", &json!({"startTime": ago(DAY * 20)}));
    goes_on(&stage, "customers", 20, 0, &ids);
    stage.condition("hsa/acme", "Ready", "True", "Succeeded");
    heal(&stage);
    assert_eq!(Counts::of(&stage.settled("customers", 21)).uploaded, 21);
}

#[test]
fn deals_that_cannot_be_read_are_a_matter_of_their_rows() {
    let stage = Stage::empty("odd-deals", &["--no-rate-limits"], &[("click-grace", "1h")]);
    let mut expected = Rows::new();
    let mut deals = Vec::new();
    let mut contacts = Vec::new();
    for n in 0..5_i64 {
        let at = ago(DAY * 2 + n);
        let click = format!("deal-{n}");
        let id = stage.contact(&[("customer", at.clone())], Some(&click), &json!({}));
        let deal = json!([{"createdAt": ago(DAY * 5), "contactIds": [id],
            "properties": {"amount": "100", "dealstage": "closedwon"}}]);
        let created = stage.post("/hubspot/deals", &deal);
        deals.push(created["ids"][0].as_str().unwrap().to_owned());
        let more = json!({"click": click, "value": 100.0, "currency": "EUR"});
        expected.extend([row(&id, "customer", ms(&at), &more)]);
        contacts.push(id);
    }
    odd(
        &stage,
        "deal",
        &deals[1],
        &json!({"set": {"/properties/createdate": null, "/createdAt": null}}),
    );
    odd(&stage, "deal", &deals[2], &json!({"error": "FORBIDDEN"}));
    odd(&stage, "deal", &deals[3], &json!({"refuse": 403}));
    odd(&stage, "association", &contacts[4], &json!({"error": "INTERNAL_ERROR"}));
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    let value = json!({"dealAmount": {"default": {"amount": "1.00", "currency": "EUR"}}});
    stage.event(
        "deals",
        "customer",
        &json!({"startTime": ago(DAY * 40), "value": value}),
    );
    let event = goes_on(&stage, "deals", 1, 4, &contacts[1..]);
    let text = event["status"].to_string();
    assert!(text.contains(&format!("its deal {} can't be read", deals[2])), "{text}");
    assert!(!text.contains("loginCustomerId"), "{text}");
    stage.condition("hsa/acme", "Ready", "True", "Succeeded");
    heal(&stage);
    compare(&stage, "deals", &expected);
}

#[test]
fn submissions_that_cannot_be_read_hold_up_nobody_and_follow() {
    let stage = forms::stage("odd-forms", &[]);
    for n in 0..3 {
        forms::submit(&stage, &forms::consenting(&format!("good-{n}")));
    }
    let malformed = json!({"conversionId": "malformed", "email": "bad..one@example.com", "createContact": false});
    forms::submit(&stage, &malformed);
    let forbidden = forms::submit(&stage, &forms::consenting("forbidden"));
    forms::submit(&stage, &forms::consenting("timeless"));
    odd(
        &stage,
        "submission",
        "timeless",
        &json!({"set": {"/submittedAt": null}}),
    );
    let contact = forbidden["contactId"].as_str().unwrap().to_owned();
    odd(&stage, "contact", &contact, &json!({"error": "FORBIDDEN"}));
    forms::event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    let event = stage.wait("adce/demo", "the good ones, and the others settled or waiting", |e| {
        let counts = Counts::of(e);
        counts.conserved(e);
        counts.uploaded == 3
            && reason(e, "Pending", "UnreadableRecord") == 1
            && reason(e, "Skipped", "ContactDeleted") == 1
    });
    assert_eq!(Counts::of(&event).observed, 5, "{event:#}");
    assert_eq!(condition(&event, "Synced")["status"], "True", "{event:#}");
    let errors = event["status"]["sync"]["lastErrors"].to_string();
    assert!(
        errors.contains("(timeless) can't be read") && errors.contains("(forbidden) can't be read"),
        "{errors}"
    );
    assert!(!event.to_string().contains("@example.com"), "{event:#}");
    heal(&stage);
    // The gate of the forms opens for whoever submits next.
    forms::submit(&stage, &forms::consenting("later"));
    let event = stage.wait("adce/demo", "those that can be read now", |e| {
        Counts::of(e).uploaded == 6
    });
    assert_eq!(Counts::of(&event).observed, 7, "{event:#}");
}

/// Somebody writes more into a form than is read of an answer. HubSpot gives it with the submission for ever.
#[test]
fn a_submission_that_is_too_large_by_itself_does_not_hold_up_its_form() {
    let mut stage = Stage::empty("huge-form", &[], &[]);
    let meddler = stage.meddled();
    let enlarge = Meddling::change(|answer| {
        for row in answer["results"].as_array_mut().into_iter().flatten() {
            if row["conversionId"] == "huge" {
                let field = json!({"name": "message", "value": "x".repeat(9 << 20), "objectTypeId": "0-1"});
                row["values"].as_array_mut().expect("values").push(field);
            }
        }
    });
    let enlarged = meddler.always(|asked| asked.path.contains("/form-integrations/"), enlarge);
    forms::start(&stage);
    for id in ["older", "huge", "newer"] {
        forms::submit(&stage, &forms::consenting(id));
    }
    forms::event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    let event = stage.wait("adce/demo", "those beside the huge one", |e| {
        Counts::of(e).uploaded == 2 && condition(e, "Synced")["status"] == "True"
    });
    assert_eq!(Counts::of(&event).observed, 2, "{event:#}");
    let errors = event["status"]["sync"]["lastErrors"].to_string();
    assert!(
        errors.contains(
            "A submission of the form (huge) can't be read: HubSpot's answer for it alone is larger than 8192 KiB"
        ),
        "{errors}"
    );
    meddler.lift(enlarged);
    // The gate of the forms opens for whoever submits next.
    forms::submit(&stage, &forms::consenting("later"));
    stage.wait("adce/demo", "the huge one too, once it is shorter", |e| {
        Counts::of(e).uploaded == 4
    });
}
