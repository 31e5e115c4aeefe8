//! A ledger that comes back from a back-up is older than what was sent.

use std::time::Duration;

use serde_json::json;

use super::Stage;
use super::judge::{became, crowd, exactly, settled_within, transactions};
use super::stage::ago;

#[test]
fn a_restored_older_ledger_sends_nothing_twice_and_loses_nothing() {
    let stage = Stage::empty("restored", &[], &[]);
    crowd(&stage, 20);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("restored", "customer", &json!({"startTime": ago(86_400 * 10)}));
    let limit = Duration::from_mins(1);
    let event = settled_within(&stage, "restored", 20, limit);
    let id = event["status"]["sync"]["ledgerId"].clone();

    // Some are settled in the back-up, some on their way, and some it knows nothing of.
    let gate = json!({"service": "dataManager", "mutating": true, "number": 1, "when": "before"});
    stage.post("/gate", &gate);
    let contact = |i: u32| {
        let mut contact = became(i, &format!("later-{i}"));
        contact["history"]["lifecyclestage"][0]["timestamp"] = json!(ago(i64::from(i)));
        contact
    };
    stage.post("/hubspot/contacts", &(0..20).map(contact).collect());
    stage.at_the_gate();
    let back_up = stage.back_up_ledger();
    stage.admin_call("DELETE", "/gate", None);
    stage.post("/hubspot/contacts", &(20..40).map(contact).collect());
    let all = transactions(&stage, "customer").into_iter().collect();
    let event = settled_within(&stage, "restored", 60, limit);
    exactly(&stage, &event, &all);

    stage.stop_operator();
    stage.restore_ledger(&back_up);
    stage.start_operator();
    // One more, so that a pass of the restored ledger has come to an end.
    stage.contact(&[("customer", ago(1))], Some("click-last"), &json!({}));
    let all = transactions(&stage, "customer").into_iter().collect();
    // Its counts begin where the back-up stood.
    let event = stage.settled("restored", 61);
    exactly(&stage, &event, &all);
    assert_eq!(event["status"]["sync"]["ledgerId"], id, "it is the same ledger");
}
