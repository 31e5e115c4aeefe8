//! Conversions by day: what a plan says, and what the operator says later.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::Stage;
use super::super::questions::raw;

/// Counts by day and outcome.
pub type Days = BTreeMap<(String, String), u64>;

/// What a plan says of each day, by what the operator calls the outcome.
pub fn planned(conversions: &Value) -> Days {
    let mut days = Days::new();
    for entry in conversions["days"].as_array().expect("days") {
        let outcome = match entry["outcome"].as_str().expect("an outcome") {
            "WouldBeSent" => "uploaded".to_owned(),
            other => other.to_lowercase(),
        };
        let day = entry["day"].as_str().expect("a day").to_owned();
        *days.entry((day, outcome)).or_default() += entry["count"].as_u64().expect("a count");
    }
    days
}

/// What the operator's admin API says of each day.
pub fn counted(stage: &Stage, name: &str) -> Days {
    let path = format!("/v1/events/{}/{name}", stage.namespace);
    let answer = raw(
        stage,
        &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
    );
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let event: Value = serde_json::from_str(body).expect("JSON");
    let mut days = Days::new();
    for day in event["days"].as_array().expect("days") {
        let date = day["day"].as_str().expect("a day");
        let counts = day.as_object().expect("counts").iter();
        days.extend(counts.filter_map(|(outcome, count)| {
            let count = count.as_u64().filter(|count| *count > 0)?;
            Some(((date.to_owned(), outcome.clone()), count))
        }));
    }
    days
}
