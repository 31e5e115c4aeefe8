//! A portal of very many contacts, read for the first time: how fast, with how many calls, in how much memory.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::stand::{Stand, accounts};

/// Contacts of one order to the sandbox.
const CHUNK: usize = 10_000;
const CUSTOMER: &str = "1234567890";
/// What HubSpot gives: 190 calls in ten seconds, fifty histories a call.
const MOST: f64 = 950.0;

/// Reads so many contacts.
pub fn run(contacts: usize) {
    // The sandbox's limits are those of the larger tiers: 190 calls in ten seconds, five searches a second.
    let stand = Stand::start(&[]);
    for (seed, first) in (0..contacts).step_by(CHUNK).enumerate() {
        let count = CHUNK.min(contacts - first);
        let plan =
            json!({"count": count, "seed": seed + 1, "spanDays": 20, "stages": ["customer"], "clickIdShare": 1.0});
        stand.post("/hubspot/generate", &plan);
    }
    // The contacts' clicks are of up to a moment ago: what waits for hours is no part of this, and what the click
    // window leaves out waits for a second read of the window.
    stand.start_operator(&[
        ("too-recent-wait", "0s"),
        ("click-grace", "1s"),
        ("google-refresh-interval", "1m"),
    ]);
    stand.apply(&accounts(&[("acme".to_owned(), CUSTOMER.to_owned())], "10m"));
    stand.clear_calls();
    let start = Timestamp::now() - jiff::SignedDuration::from_hours(24 * 60);
    let event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": "backfill"},
        "spec": {
            "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
            "trigger": {"lifecycleStage": {"stage": "customer"}}, "startTime": start.to_string(),
        },
    });
    let limit = Duration::from_secs(300 + contacts as u64 / 100);
    // An action of the operator's own is too new for uploads at first.
    let action =
        json!({"customerId": CUSTOMER, "type": "UPLOAD_CLICKS", "name": "Known", "category": "CONVERTED_LEAD"});
    let action = stand.post("/google/actions", &action);
    let id = action["id"]
        .as_str()
        .map_or_else(|| action["id"].to_string(), str::to_owned);
    let mut event = event;
    event["spec"]["conversionAction"] = json!({"existing": {"id": id}});
    stand.apply(&event.to_string());
    let asked = Timestamp::now();
    let counts = stand.wait("all contacts to be observed and sent", limit, || {
        let found = stand
            .plane()
            .client()
            .json(&["get", "adce", "backfill", "-o", "json"])
            .expect("the event");
        let sync = &found["status"]["sync"];
        let number = |name: &str| sync[name].as_u64().unwrap_or_default();
        let all = number("observed") == contacts as u64 && number("pending") == 0;
        all.then(|| sync.clone())
    });
    let last = counts["lastUploadTime"].as_str().and_then(|time| time.parse().ok());
    let sent = asked.duration_until(last.expect("an upload")).unsigned_abs();
    let reads = read_times(&stand, contacts);
    stand.wait("the scan after the backfill", limit, || {
        let (searches, _) = stand.calls("hubspot", "contacts/search");
        (searches >= 2 * contacts.div_ceil(200) as u64).then_some(())
    });
    report(&stand, contacts, &counts, &reads, sent);
}

/// When the first search was asked for, and as many histories as the contacts have by the arithmetic: what waits for a second
/// read of the click window is read once more later.
fn read_times(stand: &Stand, contacts: usize) -> (Timestamp, Timestamp) {
    let log = stand
        .sandbox
        .get("/admin/requests?since=0&service=hubspot")
        .expect("the log");
    let all = log["requests"]
        .as_array()
        .or_else(|| log.as_array())
        .cloned()
        .unwrap_or_default();
    let times = |part: &str| {
        let of = all
            .iter()
            .filter(|entry| entry["path"].as_str().is_some_and(|path| path.contains(part)));
        let times = of.filter_map(|entry| entry["time"].as_str()?.parse::<Timestamp>().ok());
        times.collect::<Vec<_>>()
    };
    let first = times("contacts/search").into_iter().min().expect("a search");
    let mut reads = times("contacts/batch/read");
    reads.sort_unstable();
    let last = reads[contacts.div_ceil(50).min(reads.len()) - 1];
    (first, last)
}

fn report(stand: &Stand, contacts: usize, counts: &Value, (first, last): &(Timestamp, Timestamp), sent: Duration) {
    let read = last.duration_since(*first).as_secs_f64();
    let (searches, too_many_searches) = stand.calls("hubspot", "contacts/search");
    let (histories, too_many_reads) = stand.calls("hubspot", "contacts/batch/read");
    let arithmetic = 2 * contacts.div_ceil(200) as u64 + contacts.div_ceil(50) as u64;
    let (_, peak, program) = stand.memory();
    let rate = contacts as f64 / read;
    println!("backfill of {contacts} contacts");
    println!(
        "  contacts read a second            {rate:8.0}   ({:.0} % of what the limits allow)",
        100.0 * rate / MOST
    );
    println!("  all conversions sent after        {:8.1} s", sent.as_secs_f64());
    println!("  searches, histories               {searches:8} {histories}");
    let share = (searches + histories) as f64 / arithmetic as f64;
    println!(
        "  calls beside the arithmetic       {:8} / {arithmetic} = {share:.3}",
        searches + histories
    );
    println!(
        "  refused as too many (429)         {:8}",
        too_many_searches + too_many_reads
    );
    println!(
        "  requests to Data Manager          {:8}",
        stand.calls("dataManager", "ingest").0
    );
    println!("  peak memory                       {peak:8.1} MB, {program:.1} MB of it the program's");
    println!("  observed {}, skipped {}", counts["observed"], counts["skipped"]);
}
