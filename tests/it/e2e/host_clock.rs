//! The clock of the node is wrong by days, for a while or from the start: nothing is skipped as too late that is not,
//! and nothing waits for the day that the clock showed.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::process;

use super::Stage;
use super::forms::{self, FORM, consenting, submit, with};
use super::judge::{exactly, transactions};
use super::meddler::Meddling;
use super::stage::{Counts, ago, reason};

const SOURCE: &str = include_str!("host_clock.c");
pub(super) const DAYS: i64 = 3 * 86_400;

/// The wall clock of the operator's process, from its next start on.
pub(super) struct HostClock(PathBuf);

impl HostClock {
    pub(super) fn of(stage: &mut Stage) -> Self {
        let beside = |name: &str| stage.ledger().with_file_name(name);
        let (source, library, offset) = (beside("clock.c"), beside("clock.so"), beside("clock"));
        fs::write(&source, SOURCE).expect("the source");
        fs::write(&offset, 0_i64.to_ne_bytes()).expect("the offset");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(&source);
        let compiled = process::run(compiler, None, Duration::from_mins(1)).and_then(process::Output::ok);
        compiled.expect("a C compiler");
        stage.variable("LD_PRELOAD", &library.display().to_string());
        stage.variable("HOST_CLOCK", &offset.display().to_string());
        Self(offset)
    }

    /// From now on it is ahead by so many seconds.
    pub(super) fn step(&self, seconds: i64) {
        let mut file = OpenOptions::new().write(true).open(&self.0).expect("the offset");
        file.write_all(&seconds.to_ne_bytes()).expect("the offset is written");
    }
}

/// Time goes on by so many seconds, for all of them.
pub(super) fn pass(stage: &Stage, clock: &HostClock, seconds: i64) {
    stage.post("/clock/advance", &json!({"seconds": seconds}));
    clock.step(seconds);
    polled(stage);
}

pub(super) fn begin(name: &str) -> (Stage, HostClock) {
    let mut stage = Stage::empty(name, &["--no-rate-limits"], &[("settle-delay", "3s")]);
    let clock = HostClock::of(&mut stage);
    (stage, clock)
}

fn events(stage: &Stage) {
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    forms::event(stage, "demo", FORM, &json!({}));
}

/// Both events, and waits until they are ready.
pub(super) fn ready(stage: &Stage) {
    events(stage);
    for event in ["adce/won", "adce/demo"] {
        stage.condition(event, "Ready", "True", "");
    }
}

pub(super) fn customer(stage: &Stage, click: &str) {
    stage.contact(&[("customer", ago(1))], Some(click), &json!({}));
}

pub(super) fn all_sent(stage: &Stage, customers: u64, submissions: &[&str]) {
    let event = stage.settled("won", customers);
    let wanted: BTreeSet<String> = transactions(stage, "customer").into_iter().collect();
    exactly(stage, &event, &wanted);
    let event = stage.settled("demo", submissions.len() as u64);
    let counts = Counts::of(&event);
    assert_eq!(
        (counts.uploaded, counts.skipped),
        (counts.observed, 0),
        "{:#}",
        event["status"]
    );
    assert_eq!(forms::ids(stage, &event), submissions);
}

/// Waits until a passing condition has been looked at by the operator with its clock as it is now.
pub(super) fn polled(stage: &Stage) {
    let path = "/contacts/search";
    let before = forms::calls(stage, path);
    stage.wait_for("four more polls", || {
        let now = forms::calls(stage, path);
        if now >= before + 4 {
            Ok(())
        } else {
            Err(json!(now - before))
        }
    });
}

fn pending_consent(event: &Value) -> bool {
    reason(event, "Pending", "AwaitingConsent") == 1
}

#[test]
fn a_clock_that_is_stepped_by_days_skips_and_delays_nothing() {
    let (stage, clock) = begin("stepped");
    forms::start(&stage);
    ready(&stage);
    let undecided = with(&consenting("c-0"), &json!({"properties": {"ads_consent": "false"}}));
    let made = submit(&stage, &undecided);
    stage.wait("adce/demo", "one that waits for consent", pending_consent);
    let mut customers = 0;
    let mut submitted = vec!["c-0".to_owned()];
    // Ahead, back, behind, back.
    for (number, step) in [DAYS, 0, -DAYS, 0].into_iter().enumerate() {
        customer(&stage, &format!("before-{number}"));
        clock.step(step);
        customer(&stage, &format!("after-{number}"));
        customers += 2;
        let id = format!("c-{}", number + 1);
        submit(&stage, &consenting(&id));
        submitted.push(id);
        polled(&stage);
        assert!(pending_consent(&stage.get("adce/demo")), "step {step}");
    }
    let contact = made["contactId"]
        .as_str()
        .map_or_else(|| made["contactId"].to_string(), str::to_owned);
    let consents = json!({"properties": {"ads_consent": "true"}});
    stage.admin_call("PATCH", &format!("/hubspot/contacts/{contact}"), Some(&consents));
    let submitted: Vec<&str> = submitted.iter().map(String::as_str).collect();
    all_sent(&stage, customers, &submitted);
}

#[test]
fn a_clock_that_is_wrong_from_the_start_is_corrected_by_the_answers() {
    // Behind by days the certificate of the API server is not valid yet: nothing works, and nothing is lost.
    let (stage, clock) = begin("wrong-clock");
    clock.step(DAYS);
    forms::start(&stage);
    events(&stage);
    customer(&stage, "click-1");
    submit(&stage, &consenting("c-1"));
    all_sent(&stage, 1, &["c-1"]);
    assert!(
        stage.log().contains("the clock of this node is wrong"),
        "{}",
        stage.log()
    );
    clock.step(0);
    customer(&stage, "click-2");
    submit(&stage, &consenting("c-2"));
    all_sent(&stage, 2, &["c-1", "c-2"]);
}

#[test]
fn a_clock_that_is_ahead_while_google_is_away_skips_nothing() {
    let (mut stage, clock) = begin("ahead-alone");
    let meddler = stage.meddled();
    forms::start(&stage);
    ready(&stage);
    stage.kill_operator();
    clock.step(DAYS);
    let google = ["googleAds", "events:ingest", "requestStatus", "/token"];
    let away = meddler.always(
        move |asked| google.iter().any(|part| asked.path.contains(part)),
        Meddling::Drop,
    );
    stage.start_operator();
    customer(&stage, "click-1");
    submit(&stage, &consenting("c-1"));
    let seen = stage.wait("adce/demo", "the submission", |event| Counts::of(event).observed == 1);
    assert_eq!(Counts::of(&seen).skipped, 0, "{:#}", seen["status"]);
    polled(&stage);
    meddler.lift(away);
    submit(&stage, &consenting("c-2"));
    all_sent(&stage, 1, &["c-1", "c-2"]);
}
