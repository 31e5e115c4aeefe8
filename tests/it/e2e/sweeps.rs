//! The sweep by modification time keeps its own time, however often the process is restarted.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Stage;
use super::judge::{action, exactly, transactions};
use super::stage::ago;

const DAY: i64 = 86_400;
const INTERVAL: SignedDuration = SignedDuration::from_secs(7);

/// When HubSpot was searched by a property, so far.
fn searches(stage: &Stage, property: &str) -> Vec<Timestamp> {
    let log = stage.admin("/requests?since=0&service=hubspot");
    let all = log["requests"].as_array().or_else(|| log.as_array()).cloned();
    let by = format!("\"propertyName\":\"{property}\"");
    let all = all.expect("a log");
    let found = all.iter().filter(|r| {
        let path = r["path"].as_str().unwrap_or_default();
        path.ends_with("/contacts/search") && r["body"]["filterGroups"].to_string().contains(&by)
    });
    found
        .map(|r| r["time"].as_str().expect("a time").parse().expect("RFC 3339"))
        .collect()
}

fn sweeps(stage: &Stage) -> Vec<Timestamp> {
    searches(stage, "lastmodifieddate")
}

/// Waits for two more polls.
fn polled(stage: &Stage) {
    let polls = || searches(stage, "hs_v2_date_entered_customer").len();
    let before = polls();
    stage.wait_for("two polls", || {
        let now = polls();
        if now >= before + 2 { Ok(()) } else { Err(json!(now)) }
    });
}

#[test]
fn a_sweep_comes_when_it_is_due_across_restarts_and_no_sooner() {
    let interval = format!("{}s", INTERVAL.as_secs());
    let stage = Stage::with("sweeps", &[], &[("sweep-interval", &interval)]);
    // One that every poll by entry time finds, so that no restart has to look for a proof that this works.
    stage.contact(&[("customer", ago(5))], Some("recent"), &json!({}));
    stage.event("sweeps", "customer", &json!({"startTime": ago(DAY * 20)}));
    let event = stage.settled("sweeps", 1);
    // Imported with a past: polls by entry time never see it.
    stage.contact(&[("customer", ago(DAY * 5))], Some("imported"), &json!({}));
    let id = action(&event);
    let mut restarts = 0;
    // The first is that of the backfill.
    while sweeps(&stage).len() < 3 {
        assert!(restarts < 40, "no sweep in {restarts} restarts: {:?}", sweeps(&stage));
        stage.kill_operator();
        stage.start_operator();
        restarts += 1;
        polled(&stage);
        let taken = stage.accepted(&id).len();
        assert!(taken == 1 || sweeps(&stage).len() > 1, "only a sweep finds it");
    }
    let sweeps = sweeps(&stage);
    let span = Timestamp::now().duration_since(sweeps[0]);
    assert!(restarts >= 3, "restarted oftener than swept: {restarts}");
    // One may be cut short by a kill, and then comes again.
    let most = usize::try_from(span.as_secs() / INTERVAL.as_secs()).expect("small") + 2;
    assert!(sweeps.len() <= most, "{restarts} restarts in {span}: {sweeps:?}");
    let event = stage.settled("sweeps", 2);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}
