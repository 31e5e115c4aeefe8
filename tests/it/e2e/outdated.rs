//! HubSpot's reads of contacts come from a server that is behind the
//! one that answered the search: what they do not show yet is not lost.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, exactly, more_polls, transactions};
use super::meddler::{Asked, Meddler, Meddling, Rule};
use super::stage::{Counts, ago};

const DAY: i64 = 86_400;

/// Contacts by id, with their histories.
fn reads_histories(asked: &Asked) -> bool {
    asked.path.contains("/contacts/batch/read") && asked.says("lifecyclestage")
}

/// Only the history is behind: everything else of the record is as new as it should be.
fn old_history(batch: &mut Value) {
    for record in batch["results"].as_array_mut().expect("results") {
        let rows = record["propertiesWithHistory"]["lifecyclestage"].as_array_mut();
        rows.expect("a history").retain(|row| row["value"] != "customer");
    }
}

/// The whole record is as it was before.
fn old_record(batch: &mut Value) {
    old_history(batch);
    for record in batch["results"].as_array_mut().expect("results") {
        let at: Timestamp = record["updatedAt"].as_str().expect("a time").parse().expect("a time");
        let before = at
            .saturating_sub(SignedDuration::from_hours(1))
            .expect("a time")
            .to_string();
        record["properties"]["lifecyclestage"] = json!("lead");
        record["properties"]["lastmodifieddate"] = json!(before);
        record["updatedAt"] = json!(before);
    }
}

const WAYS: [fn(&mut Value); 2] = [old_history, old_record];

fn stage(dated: bool, sweep: &str) -> (Stage, Meddler) {
    let flags = [("click-grace", "5m"), ("sweep-interval", sweep)];
    let mut stage = Stage::empty("outdated", &["--no-rate-limits"], &flags);
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&json!({"dateEntered": dated})));
    let meddler = stage.meddled();
    (stage, meddler)
}

fn begin(stage: &Stage) {
    stage.start_operator();
    stage.accounts();
    stage.event("outdated", "customer", &json!({"startTime": ago(DAY * 20)}));
    stage.condition("adce/outdated", "Ready", "True", "");
}

fn crowd(stage: &Stage, from: i64, count: i64, since: i64) {
    for n in from..from + count {
        let rows = [("lead", ago(DAY * 5)), ("customer", ago(since + n))];
        stage.contact(&rows, Some(&format!("click-{n}")), &json!({}));
    }
}

fn fired(stage: &Stage, meddler: &Meddler, rule: Rule, times: usize) {
    stage.wait_for("such answers", || {
        let fired = meddler.fired(rule);
        if fired >= times { Ok(()) } else { Err(json!(fired)) }
    });
}

fn all_arrive(stage: &Stage, count: u64) {
    let event = stage.settled("outdated", count);
    assert_eq!(Counts::of(&event).uploaded, count, "{event:#}");
    exactly(stage, &event, &transactions(stage, "customer").into_iter().collect());
}

/// Of fresh contacts, for one answer and for several; meanwhile others arrive.
#[test]
fn conversions_that_reads_show_later_than_searches_arrive() {
    for dated in [true, false] {
        let (stage, meddler) = stage(dated, "3s");
        begin(&stage);
        let mut count = 0;
        for way in WAYS {
            for times in [1, 3] {
                let rule = meddler.always(reads_histories, Meddling::change(way));
                crowd(&stage, count, 3, 1);
                count += 3;
                fired(&stage, &meddler, rule, times);
                stage.condition("adce/outdated", "Synced", "True", "");
                meddler.lift(rule);
                all_arrive(&stage, count.cast_unsigned());
            }
        }
    }
}

/// The marks have moved past the contacts: nothing but the ledger knows of them.
#[test]
fn a_backfill_that_reads_an_older_state_loses_nobody_also_when_the_process_ends() {
    for way in WAYS {
        // No sweep after the first one finds them.
        let (stage, meddler) = stage(true, "24h");
        crowd(&stage, 0, 6, DAY * 4);
        stage.contact(&[("customer", ago(1))], Some("new"), &json!({}));
        let rule = meddler.always(reads_histories, Meddling::change(way));
        begin(&stage);
        fired(&stage, &meddler, rule, 3);
        stage.kill_operator();
        stage.start_operator();
        let before = meddler.fired(rule);
        fired(&stage, &meddler, rule, before + 2);
        meddler.lift(rule);
        all_arrive(&stage, 7);
    }
}

/// What a portal never shows is not waited for for ever, and nobody waits for it.
#[test]
fn reads_that_never_show_what_searches_do_hold_nobody_up() {
    let mut stage = Stage::empty("never", &["--no-rate-limits"], &[("click-grace", "12s")]);
    let meddler = stage.meddled();
    let odd = stage.contact(&[("lead", ago(DAY)), ("customer", ago(60))], Some("odd"), &json!({}));
    let rule = meddler.always(
        reads_histories,
        Meddling::change(move |batch| {
            let records = batch["results"].as_array_mut().expect("results").iter_mut();
            for record in records.filter(|record| record["id"] == odd) {
                let rows = record["propertiesWithHistory"]["lifecyclestage"].as_array_mut();
                rows.expect("a history").retain(|row| row["value"] != "customer");
            }
        }),
    );
    begin(&stage);
    crowd(&stage, 0, 4, 1);
    let event = stage.settled("outdated", 4);
    assert_eq!(stage.accepted(&action(&event)).len(), 4);
    stage.wait("adce/outdated", "it is named", |event| {
        event["status"]["sync"]["lastErrors"]
            .to_string()
            .contains("a newer state of it")
    });
    let reads = || meddler.fired(rule);
    stage.wait_for("an end of the reads", || {
        let before = reads();
        more_polls(&stage, 10);
        if reads() == before { Ok(()) } else { Err(json!(reads())) }
    });
}
