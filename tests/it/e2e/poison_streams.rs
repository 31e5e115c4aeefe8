//! Requests that fail, or whose answers tell nothing, again and again, while new conversions come: what fails waits, and all
//! others of the account go on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{became, crowd, exactly, settled_within, transactions};
use super::meddler::{Asked, Meddler, Rule};
use super::poison::{self, LONG, POISON, others_are_sent, the_last_goes};
use super::stage::{Counts, ago, condition};
use super::unproven::by_google_ads;

const CLICK_UPLOADS: &str = "uploadClickConversions";

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
    let mut stage = Stage::empty("untold-all", &["--no-rate-limits"], &flags);
    let meddler = stage.meddled();
    crowd(&stage, 5);
    stage.start_with_accounts();
    by_google_ads(&stage);
    let rule = meddler.always(|call: &Asked| call.path.contains(CLICK_UPLOADS), poison::empty().1);
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    let event = stage.wait("adce/won", "a failure", |event| {
        condition(event, "Synced")["status"] == "False"
    });
    assert_eq!(Counts::of(&event).uploaded, 0, "{event:#}");
    assert!(
        errors(&event).contains("does not say what became of the conversions"),
        "{event:#}"
    );
    let before = fired(&stage, &meddler, rule, 5);
    let pause = fired(&stage, &meddler, rule, 6) - before;
    assert!(pause > Duration::from_secs(3), "only {pause:?}");
    meddler.lift(rule);
    let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    let event = settled_within(&stage, "won", all.len(), LONG);
    exactly(&stage, &event, &all);
}

fn errors(event: &Value) -> String {
    event["status"]["sync"]["lastErrors"].to_string()
}
