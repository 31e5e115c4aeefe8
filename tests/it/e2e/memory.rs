//! Memory of a backfill.

use std::time::Duration;

use serde_json::json;

use super::Stage;
use super::judge::{action, settled_within, transactions};
use super::stage::{Counts, ago};

/// How many contacts, where the environment does not say.
const CONTACTS: usize = 3_000;
/// Contacts of one order to the sandbox.
const CHUNK: usize = 10_000;

/// `ADCONVERSION_CONTACTS=100000` has it read as many.
#[test]
fn a_backfill_of_any_size_stays_below_a_hundred_megabytes() {
    let asked = std::env::var("ADCONVERSION_CONTACTS").ok();
    let contacts = asked.map_or(CONTACTS, |text| {
        text.parse().expect("ADCONVERSION_CONTACTS is a number")
    });
    let stage = Stage::empty("memory", &["--no-rate-limits"], &[]);
    for (seed, first) in (0..contacts).step_by(CHUNK).enumerate() {
        let count = CHUNK.min(contacts - first);
        let plan =
            json!({"count": count, "seed": seed + 1, "spanDays": 20, "stages": ["customer"], "clickIdShare": 1.0});
        stage.post("/hubspot/generate", &plan);
    }
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("memory", "customer", &json!({"startTime": ago(86_400 * 60)}));
    let all = transactions(&stage, "customer");
    let limit = Duration::from_secs(90 + contacts as u64 / 50);
    let event = settled_within(&stage, "memory", all.len(), limit);
    let accepted = stage.accepted(&action(&event)).len() as u64;
    assert_eq!(Counts::of(&event).uploaded, accepted, "{:#}", event["status"]);
    assert!(accepted > all.len() as u64 / 2, "most contacts have a click in time");
    let (own, whole) = stage.peak_memory();
    println!("{contacts} contacts: {whole:.0} MB, without the program {own:.0} MB");
    assert!(own < 100.0, "{own:.0} MB for {contacts} contacts");
}
