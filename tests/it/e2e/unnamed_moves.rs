//! Contacts that are merged while answers name one of the two ids alone, and whose rows are not where they were noted:
//! they have moved to the stream of the action, or the feed of another account has noted them. What was noted lately is
//! remembered by the process, so in each test some minutes go by before.

use std::collections::BTreeSet;

use serde_json::json;

use super::Stage;
use super::host_clock::{HostClock, pass};
use super::judge::{action, more_polls};
use super::meddler::Meddling;
use super::one_portal::tokens;
use super::stage::{Counts, ago};
use super::unnamed_runs::{HalfNamed, customers, sent_once};

const DAY: i64 = 86_400;
const MINUTES: i64 = 180;
const FLAGS: [(&str, &str); 3] = [("settle-delay", "500ms"), ("click-grace", "40s"), ("backoff-max", "1s")];

/// Pairs of a subscriber and of one who has become a customer after some minutes.
struct Pairs(Vec<[String; 2]>);

impl Pairs {
    fn make(stage: &Stage) -> Self {
        let pair = |second: i64| {
            let click = format!("click-{second}");
            let subscriber = stage.contact(&[("subscriber", ago(DAY))], None, &json!({}));
            // A second between two of them, so that each has a time of its own.
            let at = ago(second - MINUTES);
            [subscriber, stage.contact(&[("customer", at)], Some(&click), &json!({}))]
        };
        Self((1..=5).map(pair).collect())
    }

    fn merge(&self, stage: &Stage) {
        for pair in &self.0 {
            stage.post("/hubspot/merge", &json!({"ids": pair}));
        }
    }
}

#[test]
fn rows_that_move_to_the_stream_of_the_action_are_not_sent_again() {
    let mut stage = Stage::empty("moved", &["--no-rate-limits"], &FLAGS);
    let (meddler, clock) = (stage.meddled(), HostClock::of(&mut stage));
    stage.start_operator();
    let google = meddler.always(|asked| asked.path.contains("/token"), Meddling::Drop);
    stage.apply(include_str!("accounts.yaml"));
    stage.condition("hsa/acme", "Ready", "True", "");
    stage.event("led", "lead", &json!({}));
    stage.event("won", "customer", &json!({"startTime": ago(DAY)}));
    more_polls(&stage, 4);
    pass(&stage, &clock, MINUTES);
    let pairs = Pairs::make(&stage);
    stage.wait("adce/won", "all are seen", |event| Counts::of(event).observed == 5);
    let sent = customers(&stage);
    let half = HalfNamed::begin(&meddler);
    pairs.merge(&stage);
    half.wait_for(&stage, 2);
    meddler.lift(google);
    let event = stage.wait("adce/won", "its action", |event| {
        event["status"]["conversionAction"]["id"].is_string()
    });
    assert!(!action(&event).is_empty());
    half.end_after(&stage, 12);
    sent_once(&stage, sent);
    stage.stop_operator();
}

#[test]
fn what_another_account_has_noted_for_the_event_is_not_sent_again() {
    let mut stage = Stage::empty("cameback", &["--no-rate-limits"], &FLAGS);
    let (meddler, clock) = (stage.meddled(), HostClock::of(&mut stage));
    tokens(&stage, 62515, &["pat-second"]);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.apply(SECOND);
    for account in ["gaa/acme", "hsa/acme", "hsa/second"] {
        stage.condition(account, "Ready", "True", "");
    }
    let won = |account: &str| {
        let spec = json!({"startTime": ago(DAY), "eventName": "Won", "hubSpotAccountRef": {"name": account}});
        stage.event("won", "customer", &spec);
        stage.condition("adce/won", "Ready", "True", "");
    };
    stage.event("led", "lead", &json!({}));
    let theirs = json!({"eventName": "Theirs", "hubSpotAccountRef": {"name": "second"}});
    stage.event("theirs", "lead", &theirs);
    won("acme");
    pass(&stage, &clock, MINUTES);
    stage.kubectl(&["delete", "adce/won"]);
    won("second");
    let pairs = Pairs::make(&stage);
    stage.settled("won", 5);
    let sent: BTreeSet<String> = customers(&stage);
    let half = HalfNamed::begin(&meddler);
    pairs.merge(&stage);
    half.wait_for(&stage, 2);
    stage.kubectl(&["delete", "adce/won"]);
    won("acme");
    half.end_after(&stage, 12);
    sent_once(&stage, sent);
    stage.stop_operator();
}

const SECOND: &str = "
apiVersion: v1
kind: Secret
metadata: {name: second}
stringData: {accessToken: pat-second}
---
apiVersion: adconversion.dev/v1alpha1
kind: HubSpotAccount
metadata: {name: second}
spec: {credentialsSecretRef: {name: second}, interval: 500ms, defaultRegion: DE}
";
