//! What the tests of two operators on one ledger share. The ledger is a file, or in PostgreSQL if a server is named:
//! the step `postgres` runs them there once more.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{became, crowd, exactly, settled_within, transactions};
use super::stage::{LEASE, Replica, ago};

/// Longest wait for the first one to work, and for both to be there.
pub const START: Duration = Duration::from_secs(40);

/// A stage with forty contacts, the accounts, an event and a Lease that is nobody's.
pub fn prepared(name: &str) -> Stage {
    let stage = Stage::empty(name, &[], &[]);
    stage.make_lease();
    crowd(&stage, 40);
    stage.apply(include_str!("accounts.yaml"));
    stage.event("pair", "customer", &json!({"startTime": ago(86_400 * 10)}));
    stage
}

/// Forty more contacts.
pub fn more(stage: &Stage, name: &str) {
    let contact = |i: u32| {
        let mut contact = became(i, &format!("{name}-{i}"));
        contact["history"]["lifecyclestage"][0]["timestamp"] = json!(ago(i64::from(i)));
        contact
    };
    stage.post("/hubspot/contacts", &(0..40).map(contact).collect());
}

/// All conversions so far are with Google, exactly, and counts add up; returns how often each was in a request.
pub fn all_are_sent(stage: &Stage) -> BTreeMap<String, u32> {
    let wanted = transactions(stage, "customer");
    let event = settled_within(stage, "pair", wanted.len(), Duration::from_mins(1));
    exactly(stage, &event, &wanted.into_iter().collect());
    sent(stage)
}

pub fn each_once(stage: &Stage) {
    let often: Vec<_> = all_are_sent(stage)
        .into_iter()
        .filter(|(_, times)| *times != 1)
        .collect();
    assert!(often.is_empty(), "in more than one request: {often:?}");
}

/// Two replicas, of which the first works and has sent what there was.
pub fn pair<'a>(stage: &'a Stage, flags: &[(&str, &str)]) -> (Replica<'a>, Replica<'a>) {
    let one = stage.start_replica("one", flags, None);
    one.wait_leads(START);
    let two = stage.start_replica("two", flags, None);
    two.wait_stands_by();
    each_once(stage);
    assert_eq!((one.leads(), two.leads()), (Some(true), Some(false)));
    assert!(stage.lease_holder().starts_with("one_"), "{}", stage.lease_holder());
    (one, two)
}

/// Holds the next request to Data Manager: Google has it, its answer waits.
pub fn hold_next(stage: &Stage) {
    let gate = json!({"service": "dataManager", "mutating": true, "number": 1, "when": "after"});
    stage.post("/gate", &gate);
}

pub fn open_gate(stage: &Stage) {
    stage.admin_call("DELETE", "/gate", None);
}

/// All requests to HubSpot and Google so far.
pub fn requests(stage: &Stage) -> Vec<Value> {
    let log = stage.admin("/requests?since=0");
    let all = log["requests"].as_array().or_else(|| log.as_array()).cloned();
    all.expect("a log")
}

/// How often each transaction was in a request to Google.
pub fn sent(stage: &Stage) -> BTreeMap<String, u32> {
    let mut sent = BTreeMap::new();
    for request in requests(stage).iter().filter(|r| r["service"] == "dataManager") {
        let events = request["body"]["events"].as_array().cloned();
        for event in events.unwrap_or_default() {
            let id = event["transactionId"].as_str().expect("an id").to_owned();
            *sent.entry(id).or_default() += 1;
        }
    }
    sent
}

/// True for a read of the Lease; a watch of it is open for long.
pub fn is_look_at_lease(call: &str) -> bool {
    call.starts_with("GET ") && call.ends_with(&format!("/leases/{LEASE}"))
}

/// Waits until the holder of the Lease has renewed it once more.
pub fn renewed(stage: &Stage) {
    let renewal = || stage.get(&format!("lease/{LEASE}"))["spec"]["renewTime"].clone();
    let before = renewal();
    stage.wait_for("the Lease to be renewed", || match renewal() {
        same if same == before => Err(same),
        _ => Ok(()),
    });
}

/// Waits until Google has forty conversions whose results nobody has asked for.
pub fn sent_and_open(stage: &Stage) {
    stage.wait("adce/pair", "conversions whose results are open", |event| {
        event["status"]["sync"]["processing"] == 40
    });
}
