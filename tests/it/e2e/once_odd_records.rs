//! One answer of HubSpot's about a contact, a deal or the portal is odd, the others are right: no conversion is skipped
//! for it, and none goes with a value that nobody meant.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{became, exactly, transactions};
use super::meddler::{Asked, Meddling};
use super::rows_of::accepted;
use super::stage::{Counts, ago, reason};

const CLICK: &str = "hs_google_click_id";

fn reads_contacts(call: &Asked) -> bool {
    call.path.contains("/contacts/batch/read") && call.says("propertiesWithHistory")
}

fn reads_details(call: &Asked) -> bool {
    call.path.contains("/account-info/")
}

/// In this answer the contact whose click this is has another time in every row of this history.
fn tell_time(answer: &mut Value, click: &str, history: &str, time: &Value) {
    for record in answer["results"].as_array_mut().into_iter().flatten() {
        if record["properties"][CLICK] == click {
            let rows = record["propertiesWithHistory"][history].as_array_mut();
            rows.into_iter()
                .flatten()
                .for_each(|row| row["timestamp"] = time.clone());
        }
    }
}

fn all_uploaded(stage: &Stage, count: u64) {
    let event = stage.settled("won", count);
    assert_eq!(Counts::of(&event).uploaded, count, "{:#}", event["status"]);
    let wanted = transactions(stage, "customer").into_iter().collect();
    exactly(stage, &event, &wanted);
}

#[test]
fn no_conversion_is_skipped_for_an_impossible_time_in_one_read() {
    let mut stage = Stage::empty("odd-click", &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    let nine_days_ago = jiff::Timestamp::now().as_second() - 9 * 86_400;
    let times = [
        (CLICK, json!("1970-01-01T00:00:00Z")),
        (CLICK, json!(0)),
        (CLICK, json!("0001-01-01T00:00:00Z")),
        (CLICK, json!("1999-01-01T00:00:00Z")),
        (CLICK, json!(nine_days_ago)),
        (CLICK, json!("2099-01-01T00:00:00Z")),
        ("lifecyclestage", json!("1970-01-01T00:00:00Z")),
        ("lifecyclestage", json!("2099-01-01T00:00:00Z")),
    ];
    let contacts: Vec<Value> = (0..8).map(|i| became(i, &format!("click-{i}"))).collect();
    stage.post("/hubspot/contacts", &json!(contacts));
    let lie = Meddling::change(move |answer| {
        for (number, (history, time)) in times.iter().enumerate() {
            tell_time(answer, &format!("click-{number}"), history, time);
        }
    });
    let odd = meddler.times(1, reads_contacts, lie);
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    all_uploaded(&stage, 8);
    // They wait for a moment only.
    let told = stage.get("adce/won")["status"]["sync"]["lastErrors"].to_string();
    assert!(told.contains("UnreadableRecord"), "{told}");
    assert_eq!(meddler.fired(odd), 1);
}

/// A time that can be, and is not: it takes two reads that agree on it to leave the conversion out for good.
#[test]
fn it_takes_two_reads_of_the_click_to_skip_a_conversion() {
    let mut stage = Stage::empty("old-click", &["--no-rate-limits"], &[("settle-delay", "4s")]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    stage.condition("adce/won", "Ready", "True", "");
    // In the first read of the contact, and in the one that decides about what the first one has found.
    for (number, first, time) in [
        (0, true, "2020-05-01T00:00:00Z"),
        (1, false, "2020-05-01T00:00:00Z"),
        (2, false, "1970-01-01T00:00:00Z"),
    ] {
        let click = format!("click-{number}");
        let mut contact = became(number, &click);
        if !first {
            contact["history"]["lifecyclestage"][0]["timestamp"] = json!(ago(1));
            meddler.times(1, reads_contacts, Meddling::change(|_| ()));
        }
        let lie = Meddling::change(move |answer| tell_time(answer, &click, CLICK, &json!(time)));
        let odd = meddler.times(1, reads_contacts, lie);
        stage.post("/hubspot/contacts", &json!([contact]));
        all_uploaded(&stage, u64::from(number) + 1);
        assert_eq!(meddler.fired(odd), 1, "{number}");
    }
    // It is so old indeed.
    let mut old = became(3, "click-3");
    old["history"][CLICK][0]["timestamp"] = json!(ago(86_400 * 200));
    old["history"]["lifecyclestage"][0]["timestamp"] = json!(ago(1));
    let wanted = transactions(&stage, "customer").into_iter().collect();
    stage.post("/hubspot/contacts", &json!([old]));
    let event = stage.settled("won", 4);
    assert_eq!(reason(&event, "Skipped", "OutsideClickWindow"), 1, "{event:#}");
    exactly(&stage, &event, &wanted);
}

/// A lead that becomes a customer, with a deal of these properties;
/// of 50 in the company's currency if they say nothing else.
fn with_deal(stage: &Stage, click: &str, more: &Value) {
    let id = stage.contact(&[("lead", ago(86_400 * 9))], Some(click), &json!({}));
    let mut properties = json!({"amount": "50", "dealstage": "closedwon"});
    for (name, value) in more.as_object().into_iter().flatten() {
        properties[name] = value.clone();
    }
    stage.post(
        "/hubspot/deals",
        &json!([{"properties": properties, "contactIds": [id]}]),
    );
    let becomes = json!({"properties": {"lifecyclestage": "customer"}});
    stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&becomes));
}

/// What Google has: value and currency by click.
fn values(stage: &Stage, event: &Value) -> BTreeMap<String, String> {
    let rows = accepted(stage, event);
    let shape = |row: &Value| {
        let value = format!("{} {}", row["value"], row["currency"].as_str().unwrap_or_default());
        (row["click"].as_str().unwrap_or_default().to_owned(), value)
    };
    rows.values().map(shape).collect()
}

fn by_deal() -> Value {
    json!({"startTime": ago(86_400), "value": {"dealAmount": {"default": {"amount": "7", "currency": "EUR"}}}})
}

#[test]
fn amounts_and_currencies_that_no_manifest_could_name_give_the_default_value() {
    let stage = Stage::empty("odd-deals", &["--no-rate-limits"], &[]);
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &by_deal());
    stage.condition("adce/won", "Ready", "True", "");
    let cases = [
        ("plain", json!({}), "50.0 EUR"),
        ("most", json!({"amount": "999999999999.5"}), "999999999999.5 EUR"),
        ("more", json!({"amount": "1000000000000"}), "7.0 EUR"),
        ("far-more", json!({"amount": "999999999999999999999999"}), "7.0 EUR"),
        ("other", json!({"deal_currency_code": "CHF"}), "50.0 CHF"),
        ("no-code", json!({"deal_currency_code": "XXQ"}), "7.0 EUR"),
        ("metal", json!({"deal_currency_code": "XAU"}), "7.0 EUR"),
    ];
    let mut wanted = BTreeMap::new();
    for (click, more, value) in cases {
        with_deal(&stage, click, &more);
        wanted.insert(click.to_owned(), value.to_owned());
    }
    let event = stage.settled("won", wanted.len() as u64);
    assert_eq!(values(&stage, &event), wanted, "{:#}", event["status"]);
}

/// Has the portal read once more, and waits until it was.
fn check(stage: &Stage, number: usize) {
    let value = format!("adconversion.dev/reconcile-requested-at={number}");
    stage.kubectl(&["annotate", "--overwrite", "hsa/acme", &value]);
    stage.wait("hsa/acme", "a check", |account| {
        account["status"]["lastHandledReconcileAt"] == json!(number.to_string())
    });
}

fn currency(is: Value) -> Meddling {
    Meddling::change(move |answer| answer["companyCurrency"] = is.clone())
}

#[test]
fn the_currency_of_the_company_is_not_changed_by_one_odd_answer() {
    let mut stage = Stage::empty("odd-currency", &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    // The first answer of all is odd, then one in the middle.
    let first = meddler.times(1, reads_details, currency(json!("JPY")));
    stage.start_operator();
    // An event that comes later would have the portal read again.
    stage.event("won", "customer", &by_deal());
    stage.accounts();
    stage.condition("adce/won", "Ready", "True", "");
    assert_eq!(meddler.fired(first), 1);
    let mut wanted = BTreeMap::new();
    let mut one = |stage: &Stage, click: &str, value: &str| {
        with_deal(stage, click, &json!({}));
        wanted.insert(click.to_owned(), value.to_owned());
        let event = stage.settled("won", wanted.len() as u64);
        assert_eq!(values(stage, &event), wanted, "{:#}", event["status"]);
    };
    one(&stage, "first", "50.0 EUR");
    for (number, odd) in [json!("JPY"), json!("xxx"), json!("EURO")].into_iter().enumerate() {
        let rule = meddler.times(1, reads_details, currency(odd));
        check(&stage, number);
        assert_eq!(meddler.fired(rule), 1);
        one(&stage, &format!("odd-{number}"), "50.0 EUR");
        assert_eq!(stage.get("hsa/acme")["status"]["companyCurrency"], "EUR");
    }
    // It has changed indeed.
    meddler.always(reads_details, currency(json!("USD")));
    check(&stage, 10);
    one(&stage, "changed", "50.0 USD");
}

#[test]
fn what_is_in_a_currency_that_is_not_known_waits() {
    let mut stage = Stage::empty("no-currency", &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    let unreadable = meddler.always(reads_details, currency(json!("EURO")));
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &by_deal());
    stage.condition("adce/won", "Ready", "True", "");
    with_deal(&stage, "company", &json!({}));
    with_deal(&stage, "other", &json!({"deal_currency_code": "CHF"}));
    let event = stage.wait("adce/won", "one waits", |event| {
        reason(event, "Pending", "UnreadableRecord") == 1 && Counts::of(event).uploaded == 1
    });
    let told = event["status"]["sync"]["lastErrors"].to_string();
    assert!(told.contains("company's currency"), "{told}");
    meddler.lift(unreadable);
    let event = stage.settled("won", 2);
    let wanted = [("company", "50.0 EUR"), ("other", "50.0 CHF")];
    let wanted = wanted.map(|(click, value)| (click.to_owned(), value.to_owned()));
    assert_eq!(values(&stage, &event), BTreeMap::from(wanted));
}
