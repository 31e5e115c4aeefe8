//! Reads by e-mail address show nobody at all, though contacts have these addresses: no submission is given up by that.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Stage;
use super::absent::not_found;
use super::forms::{FORM, consenting, counted, event, start, submit, with};
use super::meddler::{Asked, Meddling, Reply};
use super::stage::{Counts, ago, condition, reason};

fn by_address(call: &Asked) -> bool {
    call.path.contains("/contacts/batch/read") && call.says("idProperty")
}

fn empty() -> Meddling {
    Meddling::Instead(Reply::json(200, &json!({"status": "COMPLETE", "results": []})))
}

/// `before`: somebody was found by address before that.
#[rstest::rstest]
#[case::nobody_was_found_before("addresses-first", empty(), false)]
#[case::silently("addresses-silent", empty(), true)]
#[case::by_name("addresses-named", not_found(), true)]
fn submissions_wait_while_no_address_is_shown(#[case] name: &str, #[case] meddling: Meddling, #[case] before: bool) {
    let flags = [
        ("failure-threshold", "4s"),
        ("click-grace", "3s"),
        ("backoff-max", "1s"),
    ];
    let mut stage = Stage::empty(name, &["--no-rate-limits"], &flags);
    let meddler = stage.meddled();
    start(&stage);
    event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    stage.condition("adce/demo", "Ready", "True", "");
    let count = 3 + u64::from(before);
    if before {
        submit(&stage, &consenting("before"));
        counted(&stage, "demo", 1, 1, 0);
    }
    let rule = meddler.always(by_address, meddling);
    for n in 0..3 {
        submit(&stage, &consenting(&format!("blind-{n}")));
    }
    let begun = Instant::now();
    let told = stage.wait("adce/demo", "that they wait, and that people are told", |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        assert_eq!(counts.skipped, 0, "nobody is deleted: {event:#}");
        let is_told = condition(event, "Synced")["status"] == "False";
        counts.observed == count && begun.elapsed() > Duration::from_secs(10) && is_told
    });
    assert_eq!(reason(&told, "Pending", "AwaitingConsent"), 3, "{told:#}");
    let errors = told["status"]["sync"]["lastErrors"].to_string();
    assert!(
        errors.contains("no contact by e-mail address since") && !told.to_string().contains("@example.com"),
        "{told:#}"
    );
    stage.condition("adce/demo", "Synced", "False", "SourceUnavailable");
    meddler.lift(rule);
    counted(&stage, "demo", count, count, 0);
    stage.condition("adce/demo", "Synced", "True", "");
    // Nobody has this one, and HubSpot shows others. Who submits next has the form read.
    submit(&stage, &with(&consenting("nobody"), &json!({"createContact": false})));
    submit(&stage, &consenting("next"));
    stage.wait("adce/demo", "that nobody is found", |event| {
        reason(event, "Skipped", "ContactDeleted") == 1
    });
    stage.condition("adce/demo", "Synced", "True", "");
}
