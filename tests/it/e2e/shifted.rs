//! Reads that show the time of an entry cut to whole seconds, or off by a little: the time is part of what Google knows
//! the conversion by, and each entry is still one conversion.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, transactions};
use super::meddler::{Asked, Meddler, Meddling, Rule};
use super::stage::{Counts, ago};

const DAY: i64 = 86_400;

type Way = fn(i64) -> i64;
const WAYS: [(&str, Way); 3] = [
    ("cut to seconds", |at| at - at % 1_000),
    ("a millisecond later", |at| at + 1),
    ("a second earlier", |at| at - 1_000),
];

fn reads_histories(asked: &Asked) -> bool {
    asked.path.contains("/contacts/batch/read") && asked.says("lifecyclestage")
}

fn shift(way: Way) -> Meddling {
    Meddling::change(move |batch| {
        for record in batch["results"].as_array_mut().expect("results") {
            let rows = record["propertiesWithHistory"]["lifecyclestage"].as_array_mut();
            for row in rows.into_iter().flatten() {
                let at: Timestamp = row["timestamp"].as_str().expect("a time").parse().expect("a time");
                let odd = Timestamp::from_millisecond(way(at.as_millisecond())).expect("a time");
                row["timestamp"] = json!(format!("{odd:.3}"));
            }
        }
    })
}

/// As [`ago`], in milliseconds, which no whole second is.
fn ms_ago(ms: i64) -> String {
    let at = Timestamp::now().as_millisecond() - ms;
    let at = at - at % 1_000 + 123 + ms % 1_000 / 10;
    format!("{:.3}", Timestamp::from_millisecond(at).expect("a time"))
}

fn begin(name: &str) -> (Stage, Meddler) {
    let mut stage = Stage::empty(name, &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    (stage, meddler)
}

fn begin_event(stage: &Stage) {
    stage.event("won", "customer", &json!({"startTime": ago(DAY * 20)}));
    stage.condition("adce/won", "Ready", "True", "");
}

/// One entry each, and of the last contact three within seconds.
fn contacts(stage: &Stage) -> Vec<String> {
    let row = |stage: &'static str, ms| (stage, ms_ago(ms));
    let mut ids: Vec<String> = (0..4)
        .map(|n| {
            let rows = [row("lead", DAY * 5_000), row("customer", 60_000 + n * 1_100)];
            stage.contact(&rows, Some(&format!("click-{n}")), &json!({}))
        })
        .collect();
    let back = [
        row("customer", 66_300),
        row("lead", 65_000),
        row("customer", 63_800),
        row("lead", 62_000),
        row("customer", 60_500),
    ];
    ids.push(stage.contact(&back, Some("click-back"), &json!({})));
    ids
}

/// Reads that show the newest rows of a history only.
fn show_newest(rows: usize) -> Meddling {
    Meddling::change(move |batch| {
        for record in batch["results"].as_array_mut().expect("results") {
            if let Some(all) = record["propertiesWithHistory"]["lifecyclestage"].as_array_mut() {
                all.truncate(rows);
            }
        }
    })
}

fn change_stage(stage: &Stage, ids: &[String], lifecycle: &str) {
    let change = json!({"properties": {"lifecyclestage": lifecycle}});
    for id in ids {
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&change));
    }
}

/// Each leaves the stage, and is back more than a second later.
fn enter_again(stage: &Stage, ids: &[String]) {
    change_stage(stage, ids, "evangelist");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    change_stage(stage, ids, "customer");
}

fn fired(stage: &Stage, meddler: &Meddler, rule: Rule, times: usize) {
    stage.wait_for("such reads", || {
        let fired = meddler.fired(rule);
        if fired >= times { Ok(()) } else { Err(json!(fired)) }
    });
}

/// Google has counted each entry that HubSpot knows of once, also after everything before the next conversion was read.
fn each_counts_once(stage: &Stage, marker: &str, way: &str) -> Value {
    stage.contact(&[("customer", ms_ago(1_000))], Some(marker), &json!({}));
    stage.wait("adce/won", "the next conversion", |event| {
        let accepted = stage.accepted(&action(event));
        accepted.iter().any(|conversion| conversion["clickId"] == marker)
    });
    let all = transactions(stage, "customer").len();
    let event = stage.settled("won", all as u64);
    assert_eq!(Counts::of(&event).uploaded, all as u64, "{way}: {event:#}");
    let accepted = stage.accepted(&action(&event));
    let mut by_click = BTreeMap::<&str, Vec<&str>>::new();
    for conversion in &accepted {
        let text = |name: &str| conversion[name].as_str().expect("a text");
        by_click
            .entry(text("clickId"))
            .or_default()
            .push(text("eventTimestamp"));
    }
    assert_eq!(accepted.len(), all, "{way}: {by_click:#?}");
    event
}

#[test]
fn entries_first_seen_under_another_time_count_once() {
    for (name, way) in WAYS {
        let (stage, meddler) = begin("shifted");
        let ids = contacts(&stage);
        let odd = meddler.always(reads_histories, shift(way));
        begin_event(&stage);
        stage.settled("won", 7);
        assert!(meddler.fired(odd) > 0);
        meddler.lift(odd);
        // What was read in this life of the process is not read again.
        stage.stop_operator();
        change_stage(&stage, &ids, "evangelist");
        let read = meddler.always(reads_histories, shift(|at| at));
        stage.start_operator();
        fired(&stage, &meddler, read, 1);
        each_counts_once(&stage, "next", name);
        enter_again(&stage, &ids[3..]);
        each_counts_once(&stage, "last", name);
    }
}

#[test]
fn entries_that_a_later_read_shows_under_another_time_count_once() {
    for (name, way) in WAYS {
        let (stage, meddler) = begin("shifted");
        let ids = contacts(&stage);
        begin_event(&stage);
        stage.settled("won", 7);
        each_counts_once(&stage, "first", name);
        let odd = meddler.always(reads_histories, shift(way));
        enter_again(&stage, &ids);
        fired(&stage, &meddler, odd, 1);
        each_counts_once(&stage, "second", name);
        meddler.lift(odd);
        enter_again(&stage, &ids[1..]);
        each_counts_once(&stage, "third", name);
        // Created again, it reads everything once more.
        stage.kubectl(&["delete", "adce/won", "--timeout=30s"]);
        let odd = meddler.always(reads_histories, shift(way));
        begin_event(&stage);
        fired(&stage, &meddler, odd, 1);
        each_counts_once(&stage, "fourth", name);
    }
}

/// Read after each entry, and after two of them.
#[test]
fn entries_of_a_contact_whose_history_drops_older_ones_count_once_each() {
    let (stage, meddler) = begin("dropped");
    meddler.always(reads_histories, show_newest(6));
    begin_event(&stage);
    let row = |stage: &'static str, ms| (stage, ms_ago(ms));
    let rows = [row("lead", 60_000), row("customer", 7_000)];
    let ids = [stage.contact(&rows, Some("click"), &json!({}))];
    stage.settled("won", 1);
    for entries in 2..6 {
        enter_again(&stage, &ids);
        let event = stage.settled("won", entries);
        assert_eq!(Counts::of(&event).uploaded, entries, "{event:#}");
    }
    stage.stop_operator();
    enter_again(&stage, &ids);
    enter_again(&stage, &ids);
    stage.start_operator();
    each_counts_once(&stage, "next", "dropped");
}
