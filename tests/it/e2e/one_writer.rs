//! Two operators on one ledger: one works, the other waits and takes over.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{became, crowd, exactly, settled_within, transactions};
use super::stage::ago;

/// Longest hand-over, on a busy machine.
const TAKES_OVER: Duration = Duration::from_secs(10);

fn is_ready(answer: &str) -> Result<(), Value> {
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(json!(answer))
    }
}

/// Not ready, with the lock file and what to do in the answer; alive all the same.
fn waits(stage: &Stage, get: impl Fn(&str) -> String) {
    let lock = stage.ledger().with_file_name("ledger.db.lock").display().to_string();
    stage.wait_for("the second one to wait", || {
        let answer = get("/readyz");
        let says = answer.contains(&lock) && answer.contains("--ledger-url");
        if answer.starts_with("HTTP/1.1 503") && says {
            Ok(())
        } else {
            Err(json!(answer))
        }
    });
    assert!(is_ready(&get("/livez")).is_ok(), "{}", get("/livez"));
    assert!(is_ready(&get("/metrics")).is_ok());
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

#[test]
fn one_of_two_sends_and_the_other_takes_over_when_it_is_killed() {
    let stage = Stage::empty("two", &[], &[]);
    crowd(&stage, 40);
    stage.start_operator();
    stage.wait_for("the first one to be ready", || is_ready(&stage.http("/readyz")));
    let second = stage.start_second();
    waits(&stage, |path| second.http(path));
    stage.apply(include_str!("accounts.yaml"));
    stage.event("two", "customer", &json!({"startTime": ago(86_400 * 10)}));
    let first_half = transactions(&stage, "customer");
    let event = settled_within(&stage, "two", first_half.len(), Duration::from_mins(1));
    exactly(&stage, &event, &first_half.iter().cloned().collect());
    let once: BTreeMap<_, _> = first_half.iter().map(|id| (id.clone(), 1)).collect();
    assert_eq!(sent(&stage), once, "no conversion in two requests");
    waits(&stage, |path| second.http(path));

    // The first dies with a request on its way: Google has it, nobody has read the answer.
    stage.post(
        "/gate",
        &json!({"service": "dataManager", "mutating": true, "number": 1, "when": "after"}),
    );
    let contact = |i: u32| {
        let mut contact = became(i, &format!("later-{i}"));
        contact["history"]["lifecyclestage"][0]["timestamp"] = json!(ago(i64::from(i)));
        contact
    };
    stage.post("/hubspot/contacts", &(0..40).map(contact).collect());
    stage.at_the_gate();
    waits(&stage, |path| second.http(path));
    stage.kill_operator();
    let killed = Instant::now();
    stage.admin_call("DELETE", "/gate", None);
    stage.wait_for("the second one to take over", || is_ready(&second.http("/readyz")));
    assert!(killed.elapsed() < TAKES_OVER, "{:?}", killed.elapsed());
    let all = transactions(&stage, "customer");
    assert_eq!(all.len(), 80);
    let event = settled_within(&stage, "two", all.len(), Duration::from_mins(1));
    exactly(&stage, &event, &all.iter().cloned().collect());
    for (id, times) in sent(&stage) {
        let repeated = !once.contains_key(&id);
        assert!(times <= 1 + u32::from(repeated), "{id} was sent {times} times");
    }

    // And back, without a kill.
    stage.start_operator();
    waits(&stage, |path| stage.http(path));
    second.stop();
    stage.wait_for("the first one to take over", || is_ready(&stage.http("/readyz")));
    stage.contact(&[("customer", ago(5))], Some("click-back"), &json!({}));
    let event = settled_within(&stage, "two", 81, Duration::from_mins(1));
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}

#[test]
fn who_waits_touches_neither_hubspot_nor_google_nor_an_object() {
    let stage = Stage::empty("waits", &[], &[]);
    crowd(&stage, 5);
    let lock = stage.ledger().with_file_name("ledger.db.lock");
    let held = File::create(&lock).expect("a lock file");
    held.try_lock().expect("the lock");
    stage.apply(include_str!("accounts.yaml"));
    stage.event("waits", "customer", &json!({"startTime": ago(86_400 * 10)}));
    stage.start_operator();
    waits(&stage, |path| stage.http(path));
    // Several times as long as a running one needs for its first reads.
    std::thread::sleep(Duration::from_secs(4));
    waits(&stage, |path| stage.http(path));
    assert_eq!(requests(&stage), Vec::<Value>::new());
    for object in ["adce/waits", "gaa/acme", "hsa/acme"] {
        let object = stage.get(object);
        let metadata = &object["metadata"];
        assert_eq!(metadata["finalizers"], Value::Null, "{object:#}");
        assert_eq!(object["status"]["conditions"], Value::Null, "{object:#}");
    }
    assert!(!stage.ledger().exists(), "not even the ledger's file");
    drop(held);
    let all = transactions(&stage, "customer");
    let event = settled_within(&stage, "waits", all.len(), Duration::from_mins(1));
    exactly(&stage, &event, &all.into_iter().collect());

    // Somebody takes a lock for a stale one: the process that held it ends.
    std::fs::remove_file(&lock).expect("the lock file");
    stage.wait_for("the end of the operator", || {
        let log = stage.log();
        let ended = stage.http("/livez").is_empty() && log.contains("was removed");
        if ended { Ok(()) } else { Err(json!(log)) }
    });
    assert!(format!("{:?}", stage.stop_operator()).contains("exit status: 1"));
}
