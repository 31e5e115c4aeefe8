//! One answer of HubSpot's would leave a conversion out, count it twice or give it the default value for good; the
//! answers before and after it are right. What can't be taken back takes two answers that agree.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, FORM};
use super::judge::{became, exactly, transactions};
use super::meddler::{Asked, Meddler, Meddling, Rule};
use super::rows_of::accepted;
use super::stage::{Counts, ago, reason};

const CLICK: &str = "hs_google_click_id";

fn reads_contacts(call: &Asked) -> bool {
    call.path.contains("/contacts/batch/read") && !call.path.contains("associations")
}

fn reads_deals(call: &Asked) -> bool {
    call.path.contains("/deals/batch/read")
}

/// In the next read these properties of contacts, found by their clicks, have these values.
fn once(meddler: &Meddler, odd: Vec<(&'static str, Value)>) -> Rule {
    let lie = Meddling::change(move |answer| {
        for record in answer["results"].as_array_mut().into_iter().flatten() {
            let of_record = |(click, _): &&(&str, Value)| record["properties"][CLICK] == **click;
            let Some((_, values)) = odd.iter().find(of_record) else {
                continue;
            };
            for (name, value) in values.as_object().into_iter().flatten() {
                record["properties"][name] = value.clone();
                if record["propertiesWithHistory"][name].is_array() {
                    record["propertiesWithHistory"][name] = json!([]);
                }
            }
        }
    });
    meddler.times(1, reads_contacts, lie)
}

fn all_uploaded(stage: &Stage, count: usize) {
    let event = stage.settled("won", count as u64);
    assert_eq!(Counts::of(&event).uploaded, count as u64, "{:#}", event["status"]);
    exactly(stage, &event, &transactions(stage, "customer").into_iter().collect());
}

/// A consenting contact that became a customer so many seconds ago.
fn consenting(number: u32, click: &str, age: i64) -> Value {
    let mut contact = became(number, click);
    contact["properties"] = json!({"ads_consent": "true"});
    contact["history"]["lifecyclestage"][0]["timestamp"] = json!(ago(age));
    contact
}

/// Of entries that have long settled, and of one that has just been made and settles first.
#[test]
fn a_consent_or_a_click_that_one_read_does_not_show_skips_nothing() {
    let mut stage = Stage::empty("second-look", &["--no-rate-limits"], &[("click-grace", "1m")]);
    let meddler = stage.meddled();
    let old = ["click-0", "click-1", "click-2"];
    let contacts = (0..).zip(old).map(|(number, click)| consenting(number, click, 1800));
    stage.post("/hubspot/contacts", &contacts.collect());
    let odd = vec![
        ("click-0", json!({"ads_consent": null})),
        ("click-1", json!({"ads_consent": "false"})),
        ("click-2", json!({CLICK: null})),
    ];
    let rule = once(&meddler, odd);
    stage.start_operator();
    stage.accounts();
    let consent = json!({"property": "ads_consent", "grantedValues": ["true"]});
    stage.event(
        "won",
        "customer",
        &json!({"startTime": ago(86_400 * 30), "consent": consent}),
    );
    all_uploaded(&stage, 3);
    assert_eq!(meddler.fired(rule), 1);
    let rule = once(&meddler, vec![("click-3", json!({"ads_consent": ""}))]);
    stage.post("/hubspot/contacts", &json!([consenting(3, "click-3", 1)]));
    all_uploaded(&stage, 4);
    assert_eq!(meddler.fired(rule), 1);
    // Who does not consent indeed is skipped, whatever one read says.
    let wanted: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    let mut contact = consenting(4, "click-4", 1);
    contact["properties"] = json!({"ads_consent": "false"});
    let rule = once(&meddler, vec![("click-4", json!({"ads_consent": "true"}))]);
    stage.post("/hubspot/contacts", &json!([contact]));
    let event = stage.settled("won", 5);
    assert_eq!(meddler.fired(rule), 1);
    assert_eq!(reason(&event, "Skipped", "NoConsent"), 1, "{event:#}");
    exactly(&stage, &event, &wanted);
}

/// Cut off, in another time zone, or of another moment: the search tells of the right one, the next read shows it.
#[test]
fn an_entry_that_one_read_shows_at_another_time_counts_once() {
    let mut stage = Stage::empty("other-time", &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    stage.condition("adce/won", "Ready", "True", "");
    for (number, earlier) in [10, 60, 3600].into_iter().enumerate() {
        let click = format!("click-{number}");
        let mut contact = became(u32::try_from(number).unwrap(), &click);
        let entered = jiff::Timestamp::now().as_second() - 7200;
        let iso = |second: i64| jiff::Timestamp::from_second(second).unwrap().to_string();
        contact["history"]["lifecyclestage"][0]["timestamp"] = json!(iso(entered));
        let wrong = json!(iso(entered - earlier));
        let lie = Meddling::change(move |answer| {
            for record in answer["results"].as_array_mut().into_iter().flatten() {
                if record["properties"][CLICK] == *click {
                    record["propertiesWithHistory"]["lifecyclestage"][0]["timestamp"] = wrong.clone();
                }
            }
        });
        let rule = meddler.times(1, reads_contacts, lie);
        let made = stage.post("/hubspot/contacts", &json!([contact]));
        stage.settled("won", number as u64 + 1);
        assert_eq!(meddler.fired(rule), 1);
        // It is read again, as everybody who changes is.
        let id = &made["ids"][0];
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let before = reads_of(&stage, &id);
        let change = json!({"properties": {"firstname": "Changed"}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&change));
        stage.kill_operator();
        stage.start_operator();
        stage.wait_for("another read", || {
            let now = reads_of(&stage, &id);
            if now > before { Ok(()) } else { Err(json!(now)) }
        });
    }
    let event = stage.settled("won", 3);
    let counts = Counts::of(&event);
    assert_eq!((counts.observed, counts.uploaded), (3, 3), "{:#}", event["status"]);
    let rows = accepted(&stage, &event);
    assert_eq!(rows.len(), 3, "{rows:#?}");
}

/// Requests that read this contact's history, by the sandbox's log.
fn reads_of(stage: &Stage, id: &str) -> usize {
    let log = stage.admin("/requests?since=0&service=hubspot");
    let all = log["requests"]
        .as_array()
        .or_else(|| log.as_array())
        .cloned()
        .unwrap_or_default();
    let reads = |r: &&Value| {
        r["path"]
            .as_str()
            .is_some_and(|path| path.contains("/contacts/batch/read"))
            && r.to_string().contains(id)
    };
    all.iter().filter(reads).count()
}

/// By one answer there are no deals, or the deal is lost, or its amount is none.
#[test]
fn the_default_value_takes_two_answers_where_there_are_deals() {
    let mut stage = Stage::empty("second-deal", &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    let value = json!({"dealAmount": {"default": {"amount": "7", "currency": "EUR"}}});
    stage.event("won", "customer", &json!({"startTime": ago(86_400), "value": value}));
    stage.condition("adce/won", "Ready", "True", "");
    let deal = |name: &'static str, value: Value| {
        let lie = Meddling::change(move |answer| {
            for record in answer["results"].as_array_mut().into_iter().flatten() {
                record["properties"][name] = value.clone();
            }
        });
        meddler.times(1, reads_deals, lie)
    };
    let cases = [
        ("hs_is_closed_lost", json!("true")),
        ("hs_projected_amount", json!("1.200,50")),
        ("hs_projected_amount", json!(null)),
        ("deal_currency_code", json!("eur")),
        ("", json!(null)),
    ];
    for (number, (name, odd)) in cases.into_iter().enumerate() {
        let rule = if name.is_empty() {
            without_deals(&meddler)
        } else {
            deal(name, odd)
        };
        let click = format!("click-{number}");
        let id = stage.contact(&[("lead", ago(86_400 * 9))], Some(&click), &json!({}));
        let deal = json!([{"properties": {"amount": "50", "dealstage": "closedwon"}, "contactIds": [id]}]);
        stage.post("/hubspot/deals", &deal);
        let becomes = json!({"properties": {"lifecyclestage": "customer"}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&becomes));
        let event = stage.settled("won", number as u64 + 1);
        assert_eq!(meddler.fired(rule), 1, "{name}");
        for row in accepted(&stage, &event).values() {
            assert_eq!(row["value"], 50.0, "{name}: {row:#}");
        }
    }
}

/// Consent takes two answers, and so does the default value.
#[test]
fn who_consents_and_has_lost_deals_only_is_sent_with_the_default_value() {
    let stage = Stage::empty("second-both", &["--no-rate-limits"], &[]);
    stage.start_operator();
    stage.accounts();
    let more = json!({"startTime": ago(86_400),
        "value": {"dealAmount": {"default": {"amount": "7", "currency": "EUR"}}},
        "consent": {"property": "ads_consent", "grantedValues": ["true"]}});
    stage.event("won", "customer", &more);
    stage.condition("adce/won", "Ready", "True", "");
    for number in 0..2 {
        let click = format!("click-{number}");
        let consents = json!({"ads_consent": "true"});
        let id = stage.contact(&[("lead", ago(86_400 * 9))], Some(&click), &consents);
        let lost = json!([{"properties": {"amount": "50", "dealstage": "closedlost"}, "contactIds": [id]}]);
        stage.post("/hubspot/deals", &lost);
        let becomes = json!({"properties": {"lifecyclestage": "customer"}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&becomes));
    }
    let event = stage.settled("won", 2);
    assert_eq!(Counts::of(&event).uploaded, 2, "{event:#}");
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    assert!(accepted(&stage, &event).values().all(|row| row["value"] == 7.0));
}

/// HubSpot says once that there are no deals of the contacts that were asked about.
fn without_deals(meddler: &Meddler) -> Rule {
    let asks = |call: &Asked| call.path.contains("associations") && call.path.contains("deals");
    let lie = Meddling::change(|answer| {
        let found = answer["results"].as_array().cloned().unwrap_or_default();
        let none = |one: &Value| {
            json!({"status": "error", "category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                   "message": "No deal is associated with contact", "context": {"fromObjectId": [one["from"]["id"]]}})
        };
        answer["errors"] = found.iter().map(none).collect();
        answer["numErrors"] = json!(found.len());
        answer["results"] = json!([]);
    });
    meddler.times(1, asks, lie)
}

/// The list of a form's submissions shows one without its address, once.
#[test]
fn a_submission_whose_address_one_list_does_not_show_is_sent() {
    let mut stage = Stage::empty("second-list", &[], &[]);
    let meddler = stage.meddled();
    forms::start(&stage);
    forms::event(&stage, "demo", FORM, &json!({}));
    stage.condition("adce/demo", "Ready", "True", "");
    let lists = |call: &Asked| call.path.contains("/submissions/forms/");
    let shows_any = |answer: &mut Value| {
        for one in answer["results"].as_array_mut().into_iter().flatten() {
            one["values"] = json!([]);
        }
    };
    forms::submit(&stage, &forms::consenting("5f1d7b5e-0000-4000-8000-000000000001"));
    let event = stage.settled("demo", 1);
    assert_eq!(Counts::of(&event).uploaded, 1, "{event:#}");
    let rule = meddler.times(1, lists, Meddling::change(shows_any));
    forms::submit(&stage, &forms::consenting("5f1d7b5e-0000-4000-8000-000000000002"));
    let event = stage.settled("demo", 2);
    assert_eq!(Counts::of(&event).uploaded, 2, "{event:#}");
    assert_eq!(meddler.fired(rule), 1);
    // Who names nobody indeed is skipped.
    forms::submit(
        &stage,
        &json!({"conversionId": "5f1d7b5e-0000-4000-8000-000000000003", "properties": {}}),
    );
    // The list is read when HubSpot shows that somebody has submitted something.
    forms::submit(&stage, &forms::consenting("5f1d7b5e-0000-4000-8000-000000000004"));
    let event = stage.settled("demo", 4);
    assert_eq!(reason(&event, "Skipped", "NoSharedData"), 1, "{event:#}");
}

/// The search tells of the last entry only; a real one beside it is shown by the next read too.
#[test]
fn a_second_entry_that_only_one_read_shows_counts_for_nobody() {
    let mut stage = Stage::empty("second-entry", &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    let twice = json!({"createdAt": ago(86_400 * 10), "history": {
        "hs_google_click_id": [{"value": "click-2", "timestamp": ago(86_400 * 9), "sourceType": "FORM"}],
        "lifecyclestage": [{"value": "customer", "timestamp": ago(86_400 * 3), "sourceType": "CRM_UI"},
            {"value": "lead", "timestamp": ago(86_400 * 2), "sourceType": "CRM_UI"},
            {"value": "customer", "timestamp": ago(7_200), "sourceType": "CRM_UI"}]}});
    stage.post(
        "/hubspot/contacts",
        &json!([became(0, "click-0"), became(1, "click-1"), twice]),
    );
    let add = |click: &'static str| {
        Meddling::change(move |answer| {
            let entry = |value: &str, days: i64| json!({"value": value, "timestamp": ago(86_400 * days), "sourceType": "CRM_UI"});
            for record in answer["results"].as_array_mut().into_iter().flatten() {
                if record["properties"][CLICK] == click {
                    let rows = record["propertiesWithHistory"]["lifecyclestage"]
                        .as_array_mut()
                        .expect("rows");
                    // Newest first.
                    rows.extend([entry("lead", 4), entry("customer", 5)]);
                }
            }
        })
    };
    let rule = meddler.times(1, reads_contacts, add("click-0"));
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    all_uploaded(&stage, 4);
    assert_eq!(meddler.fired(rule), 1);
    let rule = meddler.times(1, reads_contacts, add("click-3"));
    stage.post("/hubspot/contacts", &json!([became(3, "click-3")]));
    all_uploaded(&stage, 5);
    assert_eq!(meddler.fired(rule), 1);
}
