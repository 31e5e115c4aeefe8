//! What should have been accepted and what was, in one shape. Ids and hashes are computed here on their own.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Stage;

/// The portal that the sandbox starts with.
const PORTAL: &str = "62515";

/// Transaction id to what is compared of a conversion.
pub type Rows = BTreeMap<String, Value>;

/// SHA-256 as 64 lower-case hex digits.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string");
            hex
        })
}

/// Epoch milliseconds of an RFC 3339 text.
pub fn ms(time: &str) -> i64 {
    let time: jiff::Timestamp = time.parse().expect("RFC 3339");
    time.as_millisecond()
}

/// The id of one entry: `hs-` and 40 hex digits of SHA-256(`v1|portal|root|stage|epochMillis`).
pub fn transaction(root: &str, stage: &str, at: i64) -> String {
    format!("hs-{}", &sha256(&format!("v1|{PORTAL}|{root}|{stage}|{at}"))[..40])
}

/// One expected conversion; `more` replaces what differs from a row without click, value, identifiers and consent.
pub fn row(root: &str, stage: &str, at: i64, more: &Value) -> (String, Value) {
    let mut row =
        json!({"time": at, "click": null, "value": null, "currency": null, "identifiers": [], "consent": null});
    for (name, value) in more.as_object().into_iter().flatten() {
        row[name] = value.clone();
    }
    (transaction(root, stage, at), row)
}

/// Id of the event's conversion action.
pub fn action(event: &Value) -> String {
    let id = event["status"]["conversionAction"]["id"].as_str();
    id.unwrap_or_else(|| panic!("no action: {event:#}")).to_owned()
}

/// What Google's side accepted for the action of an event. No value was ever changed by a repeat.
pub fn accepted(stage: &Stage, event: &Value) -> Rows {
    let shape = |c: &Value| {
        assert_eq!(c["adjusted"], 0, "{c:#}");
        let click = match (c["clickIdKind"].as_str(), c["clickId"].as_str()) {
            (Some("gclid"), Some(id)) => json!(id),
            (Some(kind), Some(id)) => json!(format!("{kind}:{id}")),
            _ => Value::Null,
        };
        let mut identifiers: Vec<_> = c["identifiers"].as_array().cloned().unwrap_or_default();
        identifiers.sort_by_key(ToString::to_string);
        let row = json!({
            "time": ms(c["eventTimestamp"].as_str().expect("a time")),
            "click": click, "value": c["value"], "currency": c["currency"],
            "identifiers": identifiers, "consent": c["consent"],
        });
        (c["transactionId"].as_str().expect("an id").to_owned(), row)
    };
    let all = stage.accepted(&action(event));
    let rows: Rows = all.iter().map(shape).collect();
    assert_eq!(rows.len(), all.len(), "every transaction once");
    rows
}

/// Entries that the sandbox reads out of the raw histories, as conversions with the click id of their contact.
pub fn entries(stage: &Stage, lifecycle: &str, since: &str, click: impl Fn(&str) -> Value) -> Rows {
    let found = stage.admin(&format!("/hubspot/expected?stage={lifecycle}&since={since}"));
    let one = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().expect("text").to_owned();
        let at = entry["timestamp"].as_i64().expect("epoch milliseconds");
        row(
            &text("root"),
            lifecycle,
            at,
            &json!({"click": click(&text("contactId"))}),
        )
    };
    found.as_array().expect("a list").iter().map(one).collect()
}

/// Waits until an event has observed as many as expected and nothing is open, then compares row by row.
pub fn compare(stage: &Stage, name: &str, expected: &Rows) -> Value {
    let event = stage.settled(name, expected.len() as u64);
    let accepted = accepted(stage, &event);
    for (id, row) in expected {
        assert_eq!(accepted.get(id), Some(row), "{name}: {id}");
    }
    assert_eq!(accepted.len(), expected.len(), "{name}: nothing else");
    event
}
