//! What a test holds the operator to: the set of conversions Google accepted, exactly, and counts that add up.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Stage;
use super::stage::{Counts, ago};

/// Portal of the sandbox.
pub const PORTAL: u64 = 62515;

/// The transaction id of an occurrence: `hs-` and 40 hex digits of SHA-256 of portal, root, stage and time.
fn transaction(portal: u64, root: &str, stage: &str, millis: i64) -> String {
    let hash = Sha256::digest(format!("v1|{portal}|{root}|{stage}|{millis}"));
    let hex: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hs-{}", &hex.concat()[..40])
}

/// The occurrences that the sandbox computes from the raw histories: contact and transaction, oldest first.
pub fn occurrences(stage: &Stage, lifecycle: &str) -> Vec<(String, String)> {
    occurrences_in(PORTAL, stage, lifecycle)
}

/// As [`occurrences`], of another portal.
pub fn occurrences_in(portal: u64, stage: &Stage, lifecycle: &str) -> Vec<(String, String)> {
    let since = ago(86_400 * 60);
    let listed = stage.admin(&format!(
        "/hubspot/expected?stage={lifecycle}&since={since}&portalId={portal}"
    ));
    let mut entries: Vec<Value> = listed.as_array().cloned().expect("a list");
    entries.sort_by_key(|e| e["timestamp"].as_i64());
    let text = |e: &Value, name: &str| e[name].as_str().expect("a text").to_owned();
    entries
        .iter()
        .map(|e| {
            let at = e["timestamp"].as_i64().expect("milliseconds");
            let id = transaction(portal, &text(e, "root"), &text(e, "stage"), at);
            (text(e, "contactId"), id)
        })
        .collect()
}

/// The transactions alone.
pub fn transactions(stage: &Stage, lifecycle: &str) -> Vec<String> {
    occurrences(stage, lifecycle).into_iter().map(|(_, t)| t).collect()
}

/// So many contacts that became customers after a click, one a second.
pub fn crowd(stage: &Stage, count: u32) {
    for chunk in (0..count).collect::<Vec<_>>().chunks(500) {
        let contacts: Vec<Value> = chunk.iter().map(|i| became(*i, &format!("click-{i}"))).collect();
        stage.post("/hubspot/contacts", &json!(contacts));
    }
}

/// A contact that clicked nine days ago and became a customer an hour and `i` seconds ago.
pub fn became(i: u32, click: &str) -> Value {
    json!({"createdAt": ago(86_400 * 10), "history": {
        "hs_google_click_id": [{"value": click, "timestamp": ago(86_400 * 9), "sourceType": "FORM"}],
        "lifecyclestage": [{"value": "customer", "timestamp": ago(3600 + i64::from(i)), "sourceType": "CRM_UI"}]}})
}

/// Id of the event's conversion action.
pub fn action(event: &Value) -> String {
    let id = event["status"]["conversionAction"]["id"].as_str();
    id.unwrap_or_else(|| panic!("no action: {event:#}")).to_owned()
}

/// Google has counted exactly these conversions for the event's action, and none was changed by a repeat.
pub fn exactly(stage: &Stage, event: &Value, wanted: &BTreeSet<String>) {
    let accepted = stage.accepted(&action(event));
    let found: BTreeSet<String> = accepted
        .iter()
        .filter_map(|c| c["transactionId"].as_str().map(str::to_owned))
        .collect();
    let missing: Vec<_> = wanted.difference(&found).take(5).collect();
    let extra: Vec<_> = found.difference(wanted).take(5).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{} wanted, {} accepted; missing {missing:?}, too many {extra:?}; {:#}",
        wanted.len(),
        found.len(),
        event["status"]
    );
    assert_eq!(accepted.len(), found.len(), "each once");
    let adjusted: Vec<_> = accepted.iter().filter(|c| c["adjusted"] != 0).collect();
    assert!(adjusted.is_empty(), "values changed by repeats: {adjusted:?}");
}

/// Counts of one event as they were seen one after the other: none but `pending` and `processing` may go down.
#[derive(Default)]
pub struct Monotone {
    last: Option<(Value, Counts)>,
}

impl Monotone {
    /// Takes one look.
    pub fn look(&mut self, event: &Value) {
        if event["status"]["sync"].is_null() {
            return;
        }
        let counts = Counts::of(event);
        counts.conserved(event);
        let ledger = event["status"]["sync"]["ledgerId"].clone();
        if let Some((known, last)) = &self.last
            && *known == ledger
        {
            let lower = counts.observed < last.observed
                || counts.uploaded < last.uploaded
                || counts.skipped < last.skipped
                || counts.rejected < last.rejected;
            assert!(
                !lower,
                "a counter went down: {last:?} then {counts:?}; {:#}",
                event["status"]
            );
        }
        self.last = Some((ledger, counts));
    }
}

/// Waits until `observed` occurrences of the event are settled, looking at its counts all the while.
pub fn settled_within(stage: &Stage, name: &str, observed: usize, limit: Duration) -> Value {
    let mut seen = Monotone::default();
    stage.wait_within(limit, &format!("{observed} settled of {name}"), || {
        let mut event = stage.get(&format!("adce/{name}"));
        seen.look(&event);
        let counts = Counts::of(&event);
        if counts.observed == observed as u64 && counts.pending == 0 && counts.processing == 0 {
            Ok(event)
        } else {
            Err(event["status"].take())
        }
    })
}

/// Requests to Data Manager so far whose path contains this, oldest first: time and status.
pub fn calls(stage: &Stage, path: &str) -> Vec<(jiff::Timestamp, u64)> {
    let log = stage.admin("/requests?since=0&service=dataManager");
    let all = log["requests"].as_array().or_else(|| log.as_array()).cloned();
    all.expect("a log")
        .iter()
        .filter(|r| r["path"].as_str().is_some_and(|p| p.contains(path)))
        .map(|r| {
            let time = r["time"].as_str().expect("a time").parse().expect("RFC 3339");
            (time, r["status"].as_u64().unwrap_or(0))
        })
        .collect()
}

/// Waits for so many more searches for contacts, of which each pass of the
/// feed makes one. What the operator has not done by then it does not do.
pub fn more_polls(stage: &Stage, count: usize) {
    more_requests(stage, "hubspot", "/contacts/search", count);
}

/// Waits for so many more requests to a service whose path contains this.
pub fn more_requests(stage: &Stage, service: &str, path: &str, count: usize) {
    let made = || {
        let log = stage.admin(&format!("/requests?since=0&service={service}"));
        let all = log["requests"].as_array().or_else(|| log.as_array()).cloned();
        let is_one = |r: &&Value| r["path"].as_str().is_some_and(|p| p.contains(path));
        all.expect("a log").iter().filter(is_one).count()
    };
    let before = made();
    stage.wait_for("more requests", || match made() {
        now if now >= before + count => Ok(()),
        now => Err(json!(now)),
    });
}
