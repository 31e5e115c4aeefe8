//! A tenant whose objects are as large as an API server takes them: the operator reads what it needs of them, a few at a
//! time, and all others are served.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Stage;
use super::judge::{exactly, settled_within, transactions};
use super::stage::ago;

/// Of less, decoded as a whole, an operator died.
const OBJECTS: usize = 30;
/// An eighth of a megabyte, and as much again in the managed fields. (An API server takes five times as many, but needs more
/// than a second for each object.)
const LABELS: usize = 12_000;
/// What the operator may take itself, in MB. The release has 256 MiB with its program.
const MOST: f64 = 80.0;

/// Labels of four letters, each with no value.
fn labels() -> Map<String, Value> {
    let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).expect("a letter"));
    let name = |n: usize| -> String { [17_576, 676, 26, 1].map(|place| letter(n / place)).iter().collect() };
    (0..LABELS).map(|n| (name(n), json!(""))).collect()
}

#[test]
fn objects_as_large_as_can_be_fill_nobodys_memory() {
    let (stage, hostile) = Stage::with_neighbour("large-objects", &[]);
    let hostile = stage.neighbour(hostile);
    let labels = labels();
    let event = |n: usize| {
        json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
            "metadata": {"name": format!("large-{n}"), "labels": labels},
            "spec": {"googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"}, "suspend": true,
                "trigger": {"lifecycleStage": {"stage": "customer"}}, "eventName": format!("Large {n}")}})
    };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": (0..OBJECTS).map(event).collect::<Vec<_>>()});
    // Not applied: for an API server that is a minute's work.
    let file = stage.file("large.json", &list.to_string());
    hostile.kubectl(&["create", "--validate=ignore", "--filename", &file]);
    stage.start_operator();
    stage.accounts();
    stage.event("well", "customer", &json!({"startTime": ago(86_400)}));
    super::judge::crowd(&stage, 3);
    let wanted = transactions(&stage, "customer").into_iter().collect();
    exactly(
        &stage,
        &settled_within(&stage, "well", 3, Duration::from_secs(90)),
        &wanted,
    );
    stage.kill_operator();
    stage.start_operator();
    stage.contact(&[("customer", ago(60))], Some("click-1"), &json!({}));
    stage.settled("well", 4);
    let (own, whole) = stage.peak_memory();
    println!("{own:.0} MB, with the program {whole:.0} MB");
    assert!(own < MOST, "{own:.0} MB");
}
