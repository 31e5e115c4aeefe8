//! Requests that fail, or whose answers tell nothing, again and again, while new conversions come: what fails waits,
//! and all others of the account go on.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, became, crowd, exactly, settled_within, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::poison::{self, LONG, POISON, others_are_sent, the_last_goes};
use super::stage::{Counts, ago, condition};
use super::unproven::by_google_ads;

const CLICK_UPLOADS: &str = "uploadClickConversions";
const SANDBOX: [&str; 2] = ["--no-rate-limits", "--processing-delay=200ms"];

/// When the rule has fired so often.
fn fired(stage: &Stage, meddler: &Meddler, rule: Rule, times: usize) -> Instant {
    stage.wait_for("requests that fail", || {
        let fired = meddler.fired(rule);
        if fired >= times {
            Ok(Instant::now())
        } else {
            Err(json!(fired))
        }
    })
}

#[test]
fn one_conversion_of_which_each_answer_tells_nothing_holds_up_no_other() {
    let (stage, meddler) = poison::stage("poison-untold");
    crowd(&stage, 20);
    stage.post("/hubspot/contacts", &json!([became(7, POISON)]));
    let has_it = |call: &Asked| call.path.contains(CLICK_UPLOADS) && call.says(POISON);
    let rule = meddler.always(has_it, poison::empty().1);
    stage.start_with_accounts();
    by_google_ads(&stage);
    others_are_sent(&stage, 20, &json!({}));
    the_last_goes(&stage, &meddler, rule);
}

#[test]
fn answers_that_tell_nothing_are_failures_with_growing_pauses() {
    let flags = [("backoff-max", "4s"), ("failure-threshold", "3s")];
    let mut stage = Stage::empty("untold-all", &SANDBOX, &flags);
    let meddler = stage.meddled();
    crowd(&stage, 5);
    stage.start_with_accounts();
    by_google_ads(&stage);
    let rule = meddler.always(|call: &Asked| call.path.contains(CLICK_UPLOADS), poison::empty().1);
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    // From the fifth on there may be several in a round.
    let before = fired(&stage, &meddler, rule, 3);
    let pause = fired(&stage, &meddler, rule, 4) - before;
    assert!(pause > Duration::from_secs(3), "only {pause:?}");
    let event = stage.wait("adce/won", "a failure", |event| {
        condition(event, "Synced")["status"] == "False"
    });
    assert_eq!(Counts::of(&event).uploaded, 0, "{event:#}");
    assert!(
        errors(&event).contains("does not say what became of the conversions"),
        "{event:#}"
    );
    meddler.lift(rule);
    all_go(&stage, "won", "customer");
}

/// New conversions that requests fail with, one each two seconds as long as something is waited for.
struct Stream {
    clicks: Cell<usize>,
    last: Cell<Instant>,
}

impl Stream {
    fn begin() -> Self {
        Self {
            clicks: Cell::new(0),
            last: Cell::new(Instant::now()),
        }
    }

    /// Waits until so many conversions of the event are uploaded, while more of the others come.
    fn until_uploaded(&self, stage: &Stage, event: &str, count: u64, limit: Duration) {
        stage.wait_within(
            limit,
            &format!("{count} conversions uploaded beside the stream"),
            || {
                if self.last.get().elapsed() > Duration::from_secs(2) {
                    self.last.set(Instant::now());
                    self.clicks.set(self.clicks.get() + 1);
                    let click = format!("{POISON}-{}", self.clicks.get());
                    stage.contact(&[("customer", ago(0))], Some(&click), &json!({}));
                }
                let found = stage.get(event);
                if Counts::of(&found).uploaded >= count {
                    Ok(())
                } else {
                    Err(found["status"].clone())
                }
            },
        );
    }
}

/// All of the event's conversions are counted, each once.
fn all_go(stage: &Stage, name: &str, lifecycle: &str) {
    let all: BTreeSet<String> = transactions(stage, lifecycle).into_iter().collect();
    let event = settled_within(stage, name, all.len(), LONG);
    exactly(stage, &event, &all);
}

#[rstest::rstest]
#[case::data_manager("events:ingest", Reply::new(502, "text/html", "<html>"))]
#[case::google_ads(CLICK_UPLOADS, Reply::json(500, &json!({"error": {"code": 500, "status": "INTERNAL", "message": "x"}})))]
fn an_event_that_every_request_fails_with_stops_no_other_of_its_account(
    #[case] path: &'static str,
    #[case] fails: Reply,
) {
    let mut stage = Stage::empty("stream-event", &SANDBOX, &[("backoff-max", "5s")]);
    let meddler = stage.meddled();
    stage.start_with_accounts();
    if path == CLICK_UPLOADS {
        by_google_ads(&stage);
    }
    stage.event("bad", "customer", &json!({"startTime": ago(86_400)}));
    stage.event("won", "opportunity", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/won", "Ready", "True", "");
    stage.condition("adce/bad", "Ready", "True", "");
    let bad = action(&stage.get("adce/bad"));
    let has_it = move |call: &Asked| call.path.contains(path) && call.says(&bad);
    let rule = meddler.always(has_it, Meddling::Instead(fails));
    crowd(&stage, 20);
    let stream = Stream::begin();
    for uploaded in 1..=5 {
        stage.contact(
            &[("opportunity", ago(0))],
            Some(&format!("click-good-{uploaded}")),
            &json!({}),
        );
        stream.until_uploaded(&stage, "adce/won", uploaded, Duration::from_secs(40));
    }
    assert!(meddler.fired(rule) > 5 && stage.accepted(&action(&stage.get("adce/bad"))).is_empty());
    meddler.lift(rule);
    all_go(&stage, "bad", "customer");
    all_go(&stage, "won", "opportunity");
}

#[test]
fn one_bad_conversion_in_each_round_holds_up_no_good_one() {
    let mut stage = Stage::empty("stream-rows", &SANDBOX, &[("backoff-max", "5s")]);
    let meddler = stage.meddled();
    stage.start_with_accounts();
    let has_it = |call: &Asked| call.path.contains("events:ingest") && call.says(POISON);
    let rule = meddler.always(has_it, Meddling::Drop);
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/won", "Ready", "True", "");
    let stream = Stream::begin();
    for batch in 1..=4 {
        for i in 0..5 {
            stage.contact(&[("customer", ago(0))], Some(&format!("click-{batch}-{i}")), &json!({}));
        }
        stream.until_uploaded(&stage, "adce/won", batch * 5, Duration::from_mins(1));
    }
    assert!(meddler.fired(rule) > 5);
    meddler.lift(rule);
    all_go(&stage, "won", "customer");
}

#[test]
fn requests_that_are_never_answered_hold_up_no_fresh_conversion() {
    let flags = [("backoff-max", "2s"), ("call-timeout", "4s")];
    let mut stage = Stage::empty("stream-silent", &SANDBOX, &flags);
    let meddler = stage.meddled();
    for i in 0..12 {
        stage.post("/hubspot/contacts", &json!([became(i, &format!("{POISON}-{i}"))]));
    }
    stage.start_with_accounts();
    let sizes = Arc::new(AtomicUsize::new(0));
    let alone = Arc::clone(&sizes);
    let has_it = move |call: &Asked| {
        let meant = call.path.contains("events:ingest") && call.says(POISON);
        let rows = String::from_utf8_lossy(&call.body).matches(POISON).count();
        alone.fetch_add(usize::from(meant && rows == 1), Ordering::Relaxed);
        meant
    };
    let rule = meddler.always(has_it, Meddling::Silence);
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.wait_within(LONG * 2, "conversions that go alone", || {
        let alone = sizes.load(Ordering::Relaxed);
        if alone >= 12 { Ok(()) } else { Err(json!(alone)) }
    });
    for uploaded in 1..=4_u64 {
        stage.contact(&[("customer", ago(0))], Some(&format!("click-{uploaded}")), &json!({}));
        stage.wait_within(Duration::from_secs(20), "a fresh conversion", || {
            let event = stage.get("adce/won");
            if Counts::of(&event).uploaded >= uploaded {
                Ok(())
            } else {
                Err(event["status"].clone())
            }
        });
    }
    meddler.lift(rule);
    all_go(&stage, "won", "customer");
}

fn errors(event: &Value) -> String {
    event["status"]["sync"]["lastErrors"].to_string()
}
