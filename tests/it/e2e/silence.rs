//! Google answers no call at all for a while: what is said is so, and afterwards everything goes on where it was.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, crowd, exactly, transactions};
use super::meddler::{Asked, Meddling};
use super::stage::{Counts, ago, condition};

/// Longest time of a call; a pass is a few of them.
const CALL: (&str, &str) = ("call-timeout", "1s");

/// Calls to Google's three services.
fn google(asked: &Asked) -> bool {
    asked.path.starts_with("/v") || asked.path.starts_with("/token")
}

/// Changes of conversion actions so far.
fn mutates(stage: &Stage) -> usize {
    let log = stage.admin("/requests?since=0&service=googleAds");
    let all = log["requests"].as_array().or_else(|| log.as_array()).cloned();
    let paths = all.expect("a log");
    let mutate = |r: &&Value| r["path"].as_str().is_some_and(|path| path.contains(":mutate"));
    paths.iter().filter(mutate).count()
}

#[test]
fn while_google_is_silent_the_status_says_so_and_afterwards_nothing_is_done_twice() {
    let flags = [CALL, ("failure-threshold", "3s"), ("google-refresh-interval", "1s")];
    let mut stage = Stage::empty("silent", &["--no-rate-limits", "--processing-delay=500ms"], &flags);
    let meddler = stage.meddled();
    crowd(&stage, 5);
    stage.start_operator();
    stage.accounts();
    stage.event("silent", "customer", &json!({"startTime": ago(86_400)}));
    stage.settled("silent", 5);
    let before = stage.get("gaa/acme")["status"].clone();
    let (mutated, created) = (mutates(&stage), stage.actions().len());

    let silence = meddler.always(google, Meddling::Silence);
    stage.contact(&[("customer", ago(1))], Some("click-later"), &json!({}));
    // Somebody asks for a look at it, and wants something of Google: both passes end, and say how.
    stage.kubectl(&["annotate", "gaa/acme", "adconversion.dev/reconcile-requested-at=now"]);
    stage.patch("adce/silent", &json!({"spec": {"eventName": "Renamed"}}));
    let account = stage.wait("gaa/acme", "the request handled", |a| {
        a["status"]["lastHandledReconcileAt"] == "now"
    });
    for known in ["descriptiveName", "conversionCustomerId"] {
        assert!(before[known].is_string(), "{before:#}");
        assert_eq!(account["status"][known], before[known], "known as before");
    }
    stage.condition("gaa/acme", "Ready", "False", "UpstreamUnavailable");
    let event = stage.wait("adce/silent", "no lie about the action and the uploads", |e| {
        condition(e, "Synced")["status"] == "False" && condition(e, "Ready")["status"] == "False"
    });
    let counts = Counts::of(&event);
    counts.conserved(&event);
    assert_eq!((counts.uploaded, counts.observed), (5, 6), "{event:#}");
    assert!(meddler.fired(silence) > 3);
    let log = stage.log();
    // Calls of the API server have a second too, which a busy machine may exceed; what failed is tried again.
    let failed = |line: &&str| line.contains("reconcile failed") && !line.contains("Kubernetes API");
    assert_eq!(log.lines().find(failed), None, "{log}");
    assert_eq!(mutates(&stage), mutated);

    meddler.lift(silence);
    let begun = Instant::now();
    stage.condition("gaa/acme", "Ready", "True", "");
    stage.condition("adce/silent", "Ready", "True", "");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let event = stage.settled("silent", 6);
    let all: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    exactly(&stage, &event, &all);
    let accepted = stage.accepted(&action(&event));
    assert!(accepted.iter().all(|c| c["acceptedCount"] == 1), "{accepted:#?}");
    assert_eq!(
        (mutates(&stage), stage.actions().len()),
        (mutated + 1, created),
        "renamed once"
    );
}
