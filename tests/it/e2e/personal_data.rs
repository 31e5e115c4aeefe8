//! What of a person leaves: hashed identifiers in one spelling, and nothing that somebody put into the wrong property.

use serde_json::{Value, json};

use super::Stage;
use super::judge::action;
use super::rows_of::sha256;
use super::stage::{Counts, ago, reason};

const DAY: i64 = 86_400;

/// Everything that was sent to Google.
fn sent(stage: &Stage) -> String {
    let all = stage.admin("/requests?since=0");
    let all = all["requests"]
        .as_array()
        .or_else(|| all.as_array())
        .cloned()
        .unwrap_or_default();
    let to_google = |r: &&Value| r["service"] == "dataManager" || r["service"] == "googleAds";
    all.iter().filter(to_google).map(ToString::to_string).collect()
}

#[test]
fn personal_data_in_the_click_property_does_not_leave() {
    let stage = Stage::start("wrong-property");
    let more = json!({"startTime": ago(DAY * 20), "shareData": ["Email"]});
    stage.event("shared", "customer", &more);
    stage.event("bare", "customer", &json!({"startTime": ago(DAY * 20)}));
    let wrong = [
        "ada@example.com",
        "+49-30-901820",
        "4930901820",
        "Ada Lovelace",
        "tel:030/901820",
    ];
    for (n, value) in (0_i64..).zip(wrong) {
        let properties = json!({"email": format!("person{n}@example.com")});
        stage.contact(&[("customer", ago(DAY * 2 + n))], Some(value), &properties);
    }
    // The last value that can be one counts.
    let history = json!({
        "hs_google_click_id": [{"value": "click-1", "timestamp": ago(DAY * 9), "sourceType": "FORM"},
                               {"value": "ada@example.com", "timestamp": ago(DAY * 8), "sourceType": "API"}],
        "lifecyclestage": [{"value": "customer", "timestamp": ago(DAY * 3), "sourceType": "CRM_UI"}]});
    stage.post(
        "/hubspot/contacts",
        &json!([{"createdAt": ago(DAY * 10), "history": history}]),
    );
    let event = stage.settled("shared", 6);
    assert_eq!(Counts::of(&event).uploaded, 6, "{event:#}");
    let clicks: Vec<_> = stage
        .accepted(&action(&event))
        .iter()
        .map(|c| c["clickId"].clone())
        .collect();
    assert_eq!(
        clicks.iter().filter(|click| !click.is_null()).collect::<Vec<_>>(),
        ["click-1"]
    );
    let event = stage.settled("bare", 6);
    assert_eq!(Counts::of(&event).uploaded, 1, "{event:#}");
    assert_eq!(reason(&event, "Skipped", "NoClickId"), 5, "{event:#}");
    let sent = sent(&stage);
    for value in wrong {
        assert!(!sent.contains(value), "{value} was sent to Google");
    }
}

#[test]
fn one_name_in_two_spellings_of_its_accents_has_one_hash() {
    let stage = Stage::start("spellings");
    stage.event(
        "nfc",
        "customer",
        &json!({"startTime": ago(DAY * 20), "shareData": ["Address"]}),
    );
    for (n, first, last) in [(0, "Jos\u{e9}", "M\u{fc}ller"), (1, "Jose\u{301}", "Mu\u{308}ller")] {
        let properties = json!({"country": "Germany", "zip": "10115", "firstname": first, "lastname": last});
        stage.contact(
            &[("lead", ago(DAY * 9)), ("customer", ago(DAY * 2 + n))],
            None,
            &properties,
        );
    }
    let event = stage.settled("nfc", 2);
    assert_eq!(Counts::of(&event).uploaded, 2, "{event:#}");
    let address = format!("{}|{}|DE|10115", sha256("jos\u{e9}"), sha256("m\u{fc}ller"));
    for conversion in stage.accepted(&action(&event)) {
        assert_eq!(conversion["identifiers"], json!([address]));
    }
}
