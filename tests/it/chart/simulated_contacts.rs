//! Which stages the contacts of the simulation are in when it begins.

use std::fs;

use serde_json::{Value, json};

use super::{of_kind, render};

/// Stages of the simulated portal, in their order.
const STAGES: [&str; 6] = [
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
];

/// Contacts move one stage at a time, so that an event counts soon only if some are right before its stage.
#[test]
fn one_move_reaches_each_stage_of_the_examples() {
    let objects = render(&json!({"sandbox": {"enabled": true}}));
    let maps = of_kind(&objects, "ConfigMap");
    let orders = maps.iter().find_map(|map| map["data"]["orders.json"].as_str()).unwrap();
    let orders: Value = serde_json::from_str(orders).unwrap();
    let start = orders["start"].as_array().unwrap().iter();
    let mut start = start.filter(|order| order["path"] == "/admin/hubspot/generate");
    let filled = start.next().unwrap()["body"]["stages"].as_array().unwrap();
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut stages = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        for object in super::parse(&fs::read_to_string(path).unwrap()) {
            let Some(stage) = object["spec"]["trigger"]["lifecycleStage"]["stage"].as_str() else {
                continue;
            };
            let place = STAGES.iter().position(|known| *known == stage).unwrap();
            assert!(filled.contains(&json!(STAGES[place - 1])), "{stage}: {filled:?}");
            stages += 1;
        }
    }
    assert_eq!(stages, 4);
}
