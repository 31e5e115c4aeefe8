//! Codes, reasons and ids that hold a megabyte and personal data, and numbers that nobody can mean: none of it comes
//! out, the status stays writable, and no conversion is lost or counted wrongly.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, became, crowd, exactly, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::stage::{Counts, ago, reason};
use super::words::events;

const ADDRESS: &str = "anna.maier@example.com";
const PHONE: &str = "+49-30-7319028";
/// Longest text that a status may hold in one piece.
const LONG: usize = 2_000;

fn person(bytes: usize) -> String {
    let one = format!("{ADDRESS}_{PHONE}_Hauptstrasse_");
    one.repeat(bytes / one.len() + 1)
}

fn picks(path: &'static str) -> impl Fn(&Asked) -> bool + Send + Sync {
    move |asked| asked.path.contains(path)
}

/// The longest text anywhere inside.
fn longest(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(longest).max().unwrap_or_default(),
        Value::Object(map) => map.values().map(longest).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Neither status, Events, log, metrics nor ledger hold anything of the person.
fn clean(stage: &Stage, event: &str) {
    let objects: Vec<Value> = [&format!("adce/{event}"), "gaa/acme", "hsa/acme"]
        .iter()
        .map(|o| stage.get(o))
        .collect();
    for object in &objects {
        assert!(
            longest(&object["status"]) < LONG,
            "{:.4000}",
            object["status"].to_string()
        );
    }
    let told = [events(stage, event), events(stage, "acme")].concat();
    let ledger = stage.ledger();
    let file = |end: &str| std::fs::read(format!("{}{end}", ledger.display())).unwrap_or_default();
    let files = [file(""), file("-wal")].concat();
    let everything = [
        (
            "status",
            json!(objects.iter().map(|o| &o["status"]).collect::<Vec<_>>()).to_string(),
        ),
        ("Events", json!(told).to_string()),
        ("log", stage.log()),
        ("metrics", stage.http("/metrics")),
        ("ledger", String::from_utf8_lossy(&files).into_owned()),
    ];
    for (place, text) in everything {
        assert!(!text.is_empty(), "{place}");
        for part in ["anna.maier", "7319028", "Hauptstrasse"] {
            let found = text
                .find(part)
                .map(|at| text[at.saturating_sub(300)..].chars().take(600).collect::<String>());
            assert_eq!(found, None, "{part} in {place}");
        }
    }
}

/// A refusal of HubSpot's: what is read of an error is 256 KiB.
fn hubspot(code: u16) -> Reply {
    let long = person(25_000);
    let body = json!({"status": long, "category": long, "subCategory": long, "message": long, "correlationId": long,
        "policyName": long, "errors": [{"context": {"requiredScopes": [long]}}]});
    Reply::json(code, &body).header("x-hubspot-correlation-id", &person(20_000))
}

/// Refusals of each service, all of their texts much of a person, and no more together than is read of an answer.
fn refusals(meddler: &Meddler) -> Vec<Rule> {
    let long = person(200_000);
    let status = |code: u16, details: Value| {
        let all = json!({"error": {"code": code, "status": long, "message": long, "details": details}});
        Meddling::Instead(Reply::json(code, &all).header("request-id", &person(20_000)))
    };
    let failure = json!([{"@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure", "requestId": long,
        "errors": [{"errorCode": {"internalError": long}, "message": long, "trigger": {"stringValue": long}}]}]);
    let violation = json!([
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": long, "domain": long, "metadata": {"requestId": long}},
        {"@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": long, "description": long, "reason": long}]},
    ]);
    let hubspot = |code| Meddling::Instead(hubspot(code));
    vec![
        meddler.times(2, picks("/contacts/search"), hubspot(502)),
        meddler.times(2, picks("/contacts/batch/read"), hubspot(500)),
        meddler.times(2, picks("googleAds:search"), status(500, failure.clone())),
        meddler.times(1, picks("conversionActions:mutate"), status(503, failure)),
        meddler.times(1, picks("/events:ingest"), status(503, violation.clone())),
        meddler.times(2, picks("/requestStatus:retrieve"), status(500, violation)),
    ]
}

#[test]
fn texts_of_persons_and_a_megabyte_of_them_come_out_nowhere() {
    let mut stage = Stage::empty("persons", &["--no-rate-limits", "--processing-delay=500ms"], &[]);
    let meddler = stage.meddled();
    crowd(&stage, 5);
    let token = json!({"error": person(10_000), "error_description": person(10_000)});
    let token = meddler.always(picks("/token"), Meddling::Instead(Reply::json(400, &token)));
    let portal = meddler.always(picks("/account-info/"), Meddling::Instead(hubspot(500)));
    stage.start_operator();
    stage.accounts();
    stage.condition("gaa/acme", "Ready", "False", "");
    stage.condition("hsa/acme", "Ready", "False", "");
    assert!(meddler.fired(token) > 0 && meddler.fired(portal) > 0);
    meddler.lift_all();
    let rules = refusals(&meddler);
    stage.event("person", "customer", &json!({"startTime": ago(86_400 * 30)}));
    let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    let event = stage.settled("person", all.len() as u64);
    exactly(&stage, &event, &all);
    stage.wait_for("all refusals", || {
        let fired: Vec<usize> = rules.iter().map(|rule| meddler.fired(*rule)).collect();
        if fired.iter().all(|fired| *fired > 0) {
            Ok(())
        } else {
            Err(json!(fired))
        }
    });
    // One row that Google cannot count, for a reason that is a
    // person's: that is none. And of another the id of its request.
    let reasons = Meddling::change(|answer| {
        for status in answer["requestStatusPerDestination"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            for count in status["errorInfo"]["errorCounts"].as_array_mut().into_iter().flatten() {
                count["reason"] = json!(person(1 << 20));
            }
        }
    });
    let failing = meddler.always(picks("/requestStatus:retrieve"), reasons);
    stage.contact(&[("customer", ago(2))], Some("click-failing"), &json!({}));
    let failed: Vec<String> = transactions(&stage, "customer")
        .into_iter()
        .filter(|t| !all.contains(t))
        .collect();
    stage.post(
        "/google/outcomes",
        &json!({"transactionIds": failed, "reason": "EVENT_TOO_OLD"}),
    );
    let event = stage.wait("adce/person", "a row of which the answer tells nothing", |e| {
        let counts = Counts::of(e);
        counts.conserved(e);
        counts.observed == 6 && reason(e, "Processing", "OutcomeUnknown") == 1
    });
    assert!(
        event["status"]["sync"]["lastErrors"].to_string().len() < LONG,
        "{event:#}"
    );
    exactly(&stage, &event, &all);
    meddler.lift(failing);
    let ids = Meddling::change(|answer| answer["requestId"] = json!(person(1 << 20)));
    let id = meddler.times(1, picks("/events:ingest"), ids);
    stage.contact(&[("customer", ago(2))], Some("click-id"), &json!({}));
    let all: BTreeSet<String> = transactions(&stage, "customer")
        .into_iter()
        .filter(|t| !failed.contains(t))
        .collect();
    let event = stage.settled("person", 7);
    assert_eq!(reason(&event, "Rejected", "EventTooOld"), 1, "{event:#}");
    assert_eq!((Counts::of(&event).uploaded, meddler.fired(id)), (6, 1), "{event:#}");
    exactly(&stage, &event, &all);
    clean(&stage, "person");
}

/// Windows, amounts and counts of actions, by the action's name.
fn absurd(answer: &mut Value) {
    for row in answer["results"].as_array_mut().into_iter().flatten() {
        if let Some(metrics) = row.get_mut("metrics") {
            *metrics = json!({"allConversions": 1e18, "conversions": -1e308});
        }
        let action = &mut row["conversionAction"];
        let window = match action["name"].as_str() {
            Some("w-large") => json!("2147483648"),
            Some("w-negative") => json!("-9223372036854775808"),
            Some("w-huge") => json!(1e30),
            Some("w-none") => json!(0),
            _ => continue,
        };
        action["clickThroughLookbackWindowDays"] = window.clone();
        action["viewThroughLookbackWindowDays"] = window;
        action["valueSettings"] = json!({"defaultValue": 1e18, "alwaysUseDefaultValue": false});
    }
}

#[test]
fn windows_and_sums_that_nobody_can_mean_lose_no_conversion() {
    let mut stage = Stage::empty("absurd", &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    let contacts: Vec<Value> = (0..3).map(|i| became(i, &format!("click-{i}"))).collect();
    let created = stage.post("/hubspot/contacts", &json!(contacts));
    let deal = |id: &Value| json!({"properties": {"amount": "10", "dealstage": "closedwon"}, "contactIds": [id]});
    let deals: Vec<Value> = created["ids"].as_array().expect("ids").iter().map(deal).collect();
    stage.post("/hubspot/deals", &json!(deals));
    let windows = meddler.always(picks("googleAds:search"), Meddling::change(absurd));
    let amounts = meddler.always(
        picks("/deals/batch/read"),
        Meddling::change(|answer| {
            let amounts = [json!("1e400"), json!("-1000000000000000000"), json!("NaN")];
            for (row, amount) in answer["results"].as_array_mut().into_iter().flatten().zip(amounts) {
                row["properties"]["hs_projected_amount"] = amount;
            }
        }),
    );
    stage.start_operator();
    stage.accounts();
    let names = ["w-large", "w-negative", "w-huge", "w-none"];
    let value = json!({"dealAmount": {"default": {"amount": "7", "currency": "EUR"}}});
    for name in names {
        let more = json!({"startTime": ago(86_400 * 30), "eventName": name, "value": value});
        stage.event(name, "customer", &more);
    }
    let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    for name in names {
        let event = stage.settled(name, all.len() as u64);
        assert_eq!(Counts::of(&event).uploaded, all.len() as u64, "{event:#}");
        exactly(&stage, &event, &all);
        let sent = stage.accepted(&action(&event));
        assert!(sent.iter().all(|row| row["value"] == 7.0), "{sent:#?}");
    }
    assert!(meddler.fired(windows) > 0 && meddler.fired(amounts) > 0);
    assert!(!stage.log().contains("panicked"), "{}", stage.log());
    meddler.lift_all();
    stage.contact(&[("customer", ago(60))], Some("click-after"), &json!({}));
    for name in names {
        let event = stage.settled(name, all.len() as u64 + 1);
        exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    }
}
