//! What HubSpot is asked: no more than the arithmetic says, and at rest one search per poll.

use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{crowd, settled_within};
use super::rows_of::accepted;
use super::stage::ago;

const DAY: i64 = 86_400;
/// Longest time until all is sent: two rounds of uploads, and much to read on a machine with other things to do.
const LIMIT: Duration = Duration::from_mins(2);

/// Calls of the operator since the log was cleared: searches, contact reads, association reads, deal reads.
fn calls(stage: &Stage) -> [usize; 4] {
    let log = stage.admin("/requests?since=0&service=hubspot");
    let all = log["requests"].as_array().or_else(|| log.as_array()).cloned();
    let paths: Vec<String> = all
        .into_iter()
        .flatten()
        .filter_map(|r| r["path"].as_str().map(str::to_owned))
        .collect();
    [
        "contacts/search",
        "contacts/batch/read",
        "contacts/deals/batch/read",
        "objects/2026-09/deals/batch/read",
    ]
    .map(|part| paths.iter().filter(|p| p.contains(part)).count())
}

#[test]
fn calls_follow_the_arithmetic_and_rest_is_one_search_per_poll() {
    let flags = [
        ("settle-delay", "0s"),
        ("upload-interval", "20s"),
        ("overlap", "1h"),
        ("sweep-interval", "24h"),
    ];
    let stage = Stage::empty("budget", &["--no-rate-limits"], &flags);
    let at = ago(DAY);
    let contact = |n: u32| {
        json!({"createdAt": ago(DAY * 10), "history": {
            "hs_google_click_id": [{"value": format!("click-{n}"), "timestamp": ago(DAY * 9)}],
            "lifecyclestage": [{"value": "customer", "timestamp": at}]}})
    };
    let contacts: Vec<_> = (0..1000).map(contact).collect();
    let created = stage.post("/hubspot/contacts", &json!(contacts));
    let deal = |id: &Value| json!({"properties": {"amount": "10", "dealstage": "closedwon"}, "contactIds": [id]});
    let deals: Vec<_> = created["ids"].as_array().expect("ids").iter().map(deal).collect();
    stage.post("/hubspot/deals", &json!(deals));
    stage.start_operator();
    stage.apply(&include_str!("accounts.yaml").replace("interval: 500ms", "interval: 10m"));
    let value = json!({"dealAmount": {"default": {"amount": "1", "currency": "EUR"}}});
    stage.event(
        "customer",
        "customer",
        &json!({"startTime": ago(DAY * 2), "value": value}),
    );
    let event = settled_within(&stage, "customer", 1000, LIMIT);
    assert!(
        accepted(&stage, &event).values().all(|r| r["value"] == 10.0),
        "every deal"
    );
    let made = calls(&stage);
    // 1,000 found by entry time and swept once after the backfill, 200 a page; 50 histories, 1,000 associations and 100
    // deals a call.
    let arithmetic = 1000 / 200 + 1000 / 200 + 1000 / 50 + 1 + 1000 / 100;
    let sum: usize = made.iter().sum();
    let allowed = arithmetic * 5 / 100 + 5;
    assert!(
        sum.abs_diff(arithmetic) <= allowed,
        "{made:?}: {sum} calls, {arithmetic} by arithmetic"
    );

    let interval = Duration::from_millis(500);
    stage.patch("hsa/acme", &json!({"spec": {"interval": "500ms"}}));
    let before = stage.wait_for("the first poll at the new pace", || {
        let now = calls(&stage);
        if now[0] >= made[0] + 2 {
            Ok(now)
        } else {
            Err(json!(now))
        }
    });
    let start = std::time::Instant::now();
    let after = stage.wait_for("twelve more searches", || {
        let now = calls(&stage);
        if now[0] >= before[0] + 12 {
            Ok(now)
        } else {
            Err(json!(now))
        }
    });
    let polls = usize::try_from(start.elapsed().as_millis() / interval.as_millis()).expect("a number");
    let searches = after[0] - before[0];
    assert!(
        searches <= polls + 1,
        "{searches} searches in the time of {polls} polls"
    );
    assert_eq!(after[1..], made[1..], "no contact and no deal is read at rest");
}

/// The limits of the larger tiers are on: 190 calls in ten seconds, five searches a second.
#[test]
fn a_backfill_reads_each_contact_once_and_is_never_refused() {
    let flags = [
        ("settle-delay", "60s"),
        ("upload-interval", "30s"),
        ("overlap", "1h"),
        ("sweep-interval", "24h"),
    ];
    let stage = Stage::empty("once", &[], &flags);
    let contacts = 3000;
    crowd(&stage, contacts);
    stage.start_operator();
    stage.apply(&include_str!("accounts.yaml").replace("interval: 500ms", "interval: 10m"));
    stage.event("customer", "customer", &json!({"startTime": ago(DAY * 2)}));
    settled_within(&stage, "customer", contacts as usize, LIMIT);
    let arithmetic = [2 * contacts / 200, contacts / 50].map(|calls| calls as usize);
    let scanned = stage.wait_for("the scan after the backfill", || {
        let made = calls(&stage);
        if made[0] >= arithmetic[0] {
            Ok(made)
        } else {
            Err(json!(made))
        }
    });
    let allowed = |calls: usize| calls + calls * 5 / 100;
    assert!(
        scanned[0] <= allowed(arithmetic[0]) && scanned[1] <= allowed(arithmetic[1]),
        "{scanned:?}, by arithmetic {arithmetic:?}"
    );
    let summary = stage.admin("/requests/summary");
    let refused = summary["requests"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["refused"].as_u64());
    assert_eq!(refused.sum::<Option<u64>>(), Some(0), "{summary:#}");
}

/// Slow limits: the first read of one event takes a quarter of a minute, and an account's polls go on.
#[test]
fn the_first_read_of_one_event_holds_no_other_up() {
    // Nothing is sent meanwhile, which would need reads of its own.
    let stage = Stage::empty("between", &["--burst-rate=40"], &[("upload-interval", "2m")]);
    let contacts = 3000;
    crowd(&stage, contacts);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("opportunity", "opportunity", &json!({"startTime": ago(DAY)}));
    stage.condition("adce/opportunity", "Ready", "True", "");
    let before = calls(&stage)[1];
    stage.event("customer", "customer", &json!({"startTime": ago(DAY * 2)}));
    let reads = || calls(&stage)[1] - before;
    stage.wait_for("the first read to be under way", || {
        if reads() >= 15 { Ok(()) } else { Err(json!(reads())) }
    });
    // The newest id: without a poll in between it comes last.
    stage.contact(&[("opportunity", ago(20))], Some("click-between"), &json!({}));
    stage.wait("adce/opportunity", "its occurrence", |event| {
        event["status"]["sync"]["observed"] == 1
    });
    let made = reads();
    assert!(
        made < contacts as usize / 50,
        "{made} reads were made: the first read was over"
    );
}
