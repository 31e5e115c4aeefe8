//! What is sent of a conversion: click id, identifiers, value, consent; and what is not sent at all.

use serde_json::{Value, json};

use super::Stage;
use super::rows_of::{Rows, accepted, ms, row, sha256};
use super::stage::{Counts, ago, reason};

const DAY: i64 = 86_400;

/// A contact with these histories (`property: [(value, seconds ago)]`) and current properties; its id.
fn contact(stage: &Stage, histories: &[(&str, &[(&str, i64)])], properties: &Value) -> String {
    let rows = |rows: &[(&str, i64)]| -> Value {
        let row = |(value, seconds): &(&str, i64)| json!({"value": value, "timestamp": ago(*seconds)});
        rows.iter().map(row).collect()
    };
    let history: serde_json::Map<String, Value> = histories.iter().map(|(p, r)| ((*p).to_owned(), rows(r))).collect();
    let body =
        json!([{"createdAt": ago(DAY * 60), "properties": properties, "history": history, "registerClick": false}]);
    let created = stage.post("/hubspot/contacts", &body);
    created["ids"][0].as_str().expect("an id").to_owned()
}

/// When the contact entered the stage, as its history says.
fn entered(stage: &Stage, id: &str) -> i64 {
    let shown = stage.admin(&format!("/hubspot/contacts/{id}"));
    let rows = shown["history"]["lifecyclestage"].as_array().expect("rows");
    ms(rows[0]["timestamp"].as_str().expect("a time"))
}

/// Waits until nothing is open, then compares row by row; returns the event.
fn compare(stage: &Stage, name: &str, observed: u64, expected: &Rows) -> Value {
    let event = stage.settled(name, observed);
    let accepted = accepted(stage, &event);
    assert_eq!(&accepted, expected, "{name}: {event:#}");
    event
}

#[test]
fn click_ids_come_from_the_history() {
    let stage = Stage::empty("clicks", &[], &[("click-grace", "6s")]);
    let braids = json!([{"name": "gbraid", "type": "string"}, {"name": "wbraid", "type": "string"}]);
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&json!({"properties": braids})));
    let known: Vec<_> = ["plain", "old", "new", "after", "cleared", "gclid-first", "window"]
        .iter()
        .map(|id| json!({"clickId": id, "time": if *id == "window" { ago(DAY * 36) } else { ago(DAY * 10) }}))
        .collect();
    stage.post("/google/clicks", &json!({"clicks": known}));
    let gclid = "hs_google_click_id";
    let became: (&str, &[(&str, i64)]) = ("lifecyclestage", &[("customer", DAY * 2)]);
    let cases: [(&[(&str, &[(&str, i64)])], Value); 10] = [
        (&[(gclid, &[("plain", DAY * 9)])], json!("plain")),
        (&[(gclid, &[("old", DAY * 9), ("new", 3600)])], json!("old")),
        (&[(gclid, &[("after", DAY * 2 - 3)])], json!("after")),
        (&[(gclid, &[("too-late", DAY * 2 - 30)])], Value::Null),
        (&[(gclid, &[("cleared", DAY * 9), ("", DAY * 8)])], json!("cleared")),
        (&[("gbraid", &[("g-1", DAY * 9)])], json!("gbraid:g-1")),
        (&[("wbraid", &[("w-1", DAY * 9)])], json!("wbraid:w-1")),
        (
            &[(gclid, &[("gclid-first", DAY * 9)]), ("gbraid", &[("g-2", DAY * 9)])],
            json!("gclid-first"),
        ),
        (&[(gclid, &[("window", DAY * 35)])], Value::Null),
        // The row of a merge: the click is no younger for it.
        (
            &[(gclid, &[("window-again", DAY * 35), ("window-again", DAY * 3)])],
            Value::Null,
        ),
    ];
    let mut expected = Rows::new();
    for (histories, click) in &cases {
        let all = [&[became], *histories].concat();
        let id = contact(&stage, &all, &json!({"email": "not@shared.example"}));
        if !click.is_null() {
            expected.extend([row(&id, "customer", entered(&stage, &id), &json!({"click": click}))]);
        }
    }
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    let more = json!({
        "startTime": ago(DAY * 40),
        "clickIds": {"gbraidProperty": "gbraid", "wbraidProperty": "wbraid"},
        "conversionAction": {"create": {"countingType": "ManyPerClick", "clickThroughLookbackWindowDays": 30}},
    });
    stage.event("clicks", "customer", &more);
    let event = compare(&stage, "clicks", 10, &expected);
    assert_eq!(reason(&event, "Skipped", "NoClickId"), 1, "{event:#}");
    assert_eq!(reason(&event, "Skipped", "OutsideClickWindow"), 2, "{event:#}");
}

#[test]
fn the_grace_is_measured_by_hubspots_clock() {
    // Our clock is ten minutes ahead: by it the grace is over before the contact is seen.
    let stage = Stage::with("grace", &["--clock-offset=-10m"], &[("click-grace", "8s")]);
    stage.event("grace", "customer", &json!({"startTime": ago(DAY)}));
    stage.condition("adce/grace", "Ready", "True", "");
    stage.post(
        "/google/clicks",
        &json!({"clicks": [{"clickId": "comes-later", "time": ago(DAY)}]}),
    );
    let created = stage.post(
        "/hubspot/contacts",
        &json!([{"properties": {"lifecyclestage": "customer"}}]),
    );
    let id = created["ids"][0].as_str().expect("an id").to_owned();
    stage.wait("adce/grace", "one that waits", |e| {
        reason(e, "Pending", "AwaitingClickId") == 1
    });
    let change = json!({"properties": {"hs_google_click_id": "comes-later"}, "registerClick": false});
    stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&change));
    let more = json!({"click": "comes-later"});
    let expected: Rows = [row(&id, "customer", entered(&stage, &id), &more)].into();
    compare(&stage, "grace", 1, &expected);
}

#[test]
fn identifiers_are_hashed_and_consent_is_that_of_the_moment() {
    let stage = Stage::with("shared", &[], &[("click-grace", "10s")]);
    let more = json!({
        "startTime": ago(DAY * 40),
        "shareData": ["Email", "Phone", "Address"],
        "consent": {"property": "ads_consent", "grantedValues": ["true", "yes"]},
    });
    stage.admin_call(
        "PATCH",
        "/hubspot/portals/62515",
        Some(&json!({"properties": [{"name": "ads_consent", "type": "string"}]})),
    );
    stage.event("shared", "customer", &more);
    stage.post(
        "/google/clicks",
        &json!({"clicks": [{"clickId": "with", "time": ago(DAY * 10)}]}),
    );
    let past: (&str, &[(&str, i64)]) = ("lifecyclestage", &[("customer", DAY * 2)]);
    let click: (&str, &[(&str, i64)]) = ("hs_google_click_id", &[("with", DAY * 9)]);
    let (email, phone) = (sha256("jane.doe@example.com"), sha256("+4930901820"));
    let address = format!("{}|{}|DE|10115", sha256("jane"), sha256("o'doe"));
    let hash = sha256("already@example.com");
    // Histories, properties, click id and identifiers that are sent.
    type Past<'a> = &'a [(&'a str, &'a [(&'a str, i64)])];
    let cases: [(Past<'_>, Value, Value, Vec<&str>); 6] = [
        (
            &[past],
            json!({"ads_consent": "true", "email": " Jane.Doe@Example.com "}),
            Value::Null,
            vec![&email],
        ),
        (
            &[past],
            json!({"ads_consent": "no;yes", "phone": "030 901820", "country": "Germany"}),
            Value::Null,
            vec![&phone],
        ),
        (
            &[past],
            json!({"ads_consent": "true", "mobilephone": "(030) 90-1820"}),
            Value::Null,
            vec![&phone],
        ),
        (
            &[past],
            json!({"ads_consent": "true", "firstname": " Jane ", "lastname": "O'Doe", "zip": "10115", "country": "DE"}),
            Value::Null,
            vec![&address],
        ),
        (
            &[past, click],
            json!({"ads_consent": "true", "email": "JANE.DOE@example.com", "phone": "+49 30 901820"}),
            json!("with"),
            vec![&email, &phone],
        ),
        (
            &[past],
            json!({"ads_consent": "true", "email": hash}),
            Value::Null,
            vec![&hash],
        ),
    ];
    let mut expected = Rows::new();
    for (histories, properties, click, identifiers) in &cases {
        let id = contact(&stage, histories, properties);
        let mut identifiers = identifiers.clone();
        identifiers.sort_unstable();
        let more = json!({"click": click, "identifiers": identifiers, "consent": "CONSENT_GRANTED"});
        expected.extend([row(&id, "customer", entered(&stage, &id), &more)]);
    }
    contact(
        &stage,
        &[past],
        &json!({"ads_consent": "true", "email": "nonsense", "lastname": "x"}),
    );
    contact(
        &stage,
        &[past],
        &json!({"ads_consent": "false", "email": "a@example.com"}),
    );
    // Two that wait for a click id; consent moves meanwhile.
    let now: (&str, &[(&str, i64)]) = ("lifecyclestage", &[("customer", 0)]);
    let granted = contact(&stage, &[now], &json!({"email": "jane.doe@example.com"}));
    let withdrawn = contact(
        &stage,
        &[now],
        &json!({"ads_consent": "true", "email": "jane.doe@example.com"}),
    );
    stage.wait("adce/shared", "two that wait", |e| {
        reason(e, "Pending", "AwaitingClickId") == 2
    });
    for (id, value) in [(&granted, "true"), (&withdrawn, "false")] {
        let change = json!({"properties": {"ads_consent": value}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&change));
    }
    let more = json!({"identifiers": [email], "consent": "CONSENT_GRANTED"});
    expected.extend([row(&granted, "customer", entered(&stage, &granted), &more)]);
    let event = compare(&stage, "shared", 10, &expected);
    assert_eq!(reason(&event, "Skipped", "NoSharedData"), 1, "{event:#}");
    assert_eq!(reason(&event, "Skipped", "NoConsent"), 2, "{event:#}");
}

#[test]
fn values_come_from_the_latest_deal_or_the_default() {
    let stage = Stage::empty("deals", &[], &[("settle-delay", "3s")]);
    // Deals, oldest first: amount, pipeline stage, currency; then what is sent.
    type Deal<'a> = (&'a str, &'a str, &'a str);
    let default = (100.0, "EUR");
    let cases: [(&[Deal<'_>], (f64, &str)); 9] = [
        (&[], default),
        (&[("1000", "contractsent", "")], (900.0, "EUR")),
        (&[("1000", "closedwon", "USD")], (1000.0, "USD")),
        (
            &[("50", "closedwon", "USD"), ("80", "qualifiedtobuy", "CHF")],
            (32.0, "CHF"),
        ),
        (&[("50", "closedwon", ""), ("80", "closedlost", "")], default),
        (&[("80", "closedlost", ""), ("50.5", "closedwon", "")], (50.5, "EUR")),
        (&[("0", "closedwon", "")], default),
        (&[("", "closedwon", "")], default),
        (&[("-10", "closedwon", "")], default),
    ];
    let mut expected = Rows::new();
    for (n, (deals, (value, currency))) in cases.iter().enumerate() {
        let click = format!("deal-{n}");
        let at = ago(DAY * 2);
        let id = stage.contact(&[("customer", at.clone())], Some(&click), &json!({}));
        add_deals(&stage, &id, deals);
        let more = json!({"click": click, "value": value, "currency": currency});
        expected.extend([row(&id, "customer", ms(&at), &more)]);
    }
    // Of a deleted deal nothing is left.
    let at = ago(DAY * 3);
    let id = stage.contact(&[("customer", at.clone())], Some("deleted-deal"), &json!({}));
    let deals = add_deals(&stage, &id, &[("70", "closedwon", ""), ("90", "closedwon", "")]);
    stage.admin_call("DELETE", &format!("/hubspot/deals/{}", deals[1]), None);
    let more = json!({"click": "deleted-deal", "value": 70.0, "currency": "EUR"});
    expected.extend([row(&id, "customer", ms(&at), &more)]);
    // One is merged between being seen and being sent: its deal hangs on the new record.
    let at = ago(DAY * 4);
    let id = stage.contact(&[("customer", at.clone())], Some("merged-deal"), &json!({}));
    add_deals(&stage, &id, &[("60", "closedwon", "")]);
    let more = json!({"click": "merged-deal", "value": 60.0, "currency": "EUR"});
    expected.extend([row(&id, "customer", ms(&at), &more)]);
    let other = stage.contact(&[("lead", ago(DAY * 5))], None, &json!({}));

    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    let value = json!({"dealAmount": {"default": {"amount": "100.00", "currency": "EUR"}}});
    stage.event(
        "deals",
        "customer",
        &json!({"startTime": ago(DAY * 40), "value": value}),
    );
    stage.event("worthless", "customer", &json!({"startTime": ago(DAY * 40)}));
    stage.wait("adce/deals", "all seen", |e| Counts::of(e).observed == 11);
    stage.post("/hubspot/merge", &json!({"ids": [id, other]}));
    compare(&stage, "deals", 11, &expected);
    let without = expected.into_iter().map(|(id, mut row)| {
        row["value"] = Value::Null;
        row["currency"] = Value::Null;
        (id, row)
    });
    compare(&stage, "worthless", 11, &without.collect());
}

/// Deals of a contact, each a day younger than the one before; their ids.
fn add_deals(stage: &Stage, contact: &str, deals: &[(&str, &str, &str)]) -> Vec<String> {
    let deal = |(n, (amount, step, currency)): (i64, &(&str, &str, &str))| {
        let mut properties = json!({"dealstage": step});
        if !amount.is_empty() {
            properties["amount"] = json!(amount);
        }
        if !currency.is_empty() {
            properties["deal_currency_code"] = json!(currency);
        }
        json!({"createdAt": ago(DAY * (9 - n)), "properties": properties, "contactIds": [contact]})
    };
    let all: Vec<_> = (0..).zip(deals).map(deal).collect();
    let created = stage.post("/hubspot/deals", &json!(all));
    let ids = created["ids"].as_array().expect("ids").iter();
    ids.map(|id| id.as_str().expect("an id").to_owned()).collect()
}
