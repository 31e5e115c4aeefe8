//! Two operators on one ledger: one works, the other waits and takes over.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{became, crowd, exactly, settled_within, transactions};
use super::replicas::{START, each_once, more, prepared, requests, sent};
use super::stage::{Replica, ago};
use super::tcp_link::TcpLink;

/// Longest hand-over, on a busy machine.
const TAKES_OVER: Duration = Duration::from_secs(10);
/// So many tries in vain tell that the ledger stays another operator's.
const TRIES: usize = 8;

fn is_ready(answer: &str) -> Result<(), Value> {
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(json!(answer))
    }
}

/// Waits until an operator has tried more times to open the ledger:
/// longer, in all, than one that works needs for its first reads.
fn tries(stage: &Stage, log: impl Fn() -> String) {
    let count = || log().matches("still waiting for the ledger").count();
    let before = count();
    stage.wait_for("more tries", || match count() {
        now if now >= before + TRIES => Ok(()),
        now => Err(json!(now)),
    });
}

/// Not ready, with the lock and what to do in the answer; alive all the same.
fn waits(stage: &Stage, get: impl Fn(&str) -> String) {
    let lock = stage.ledger_lock();
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
    let stage = Stage::empty("waits", &[], &[("log-level", "debug")]);
    crowd(&stage, 5);
    if stage.ledger_server().is_some() {
        return;
    }
    let lock = stage.ledger().with_file_name("ledger.db.lock");
    let held = File::create(&lock).expect("a lock file");
    held.try_lock().expect("the lock");
    stage.apply(include_str!("accounts.yaml"));
    stage.event("waits", "customer", &json!({"startTime": ago(86_400 * 10)}));
    stage.start_operator();
    waits(&stage, |path| stage.http(path));
    tries(&stage, || stage.log());
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

/// Two operators on one database without leader election: the first works, the second waits.
fn two_without_election<'a>(stage: &'a Stage, url_of_first: &str) -> (Replica<'a>, Replica<'a>) {
    let off = ("leader-elect", "false");
    let one = stage.start_replica("one", &[off, ("ledger-url", url_of_first)], None);
    one.wait_leads(START);
    let two = stage.start_replica("two", &[off], None);
    waits(stage, |path| two.http(path));
    each_once(stage);
    (one, two)
}

#[test]
fn who_is_stopped_keeps_a_database_and_loses_it_with_its_session() {
    let stage = prepared("no-election");
    let Some(server) = stage.ledger_server() else { return };
    let (one, two) = two_without_election(&stage, &stage.ledger_url_at(&server));
    // Nor does one with election take it from an operator without.
    let three = stage.start_replica("three", &[], None);
    // It stands by, so that a rollout that switches election on goes on, and says why.
    three.wait_stands_by();
    stage.wait_for("the one with election to say what it waits for", || {
        let answer = three.http("/readyz");
        let says = answer.starts_with("HTTP/1.1 200") && answer.contains("another operator works with this ledger");
        if says { Ok(()) } else { Err(json!(answer)) }
    });
    one.signal("STOP");
    more(&stage, "meanwhile");
    tries(&stage, || two.log());
    tries(&stage, || three.log());
    assert_eq!((two.leads(), three.leads()), (Some(false), Some(false)));
    one.signal("CONT");
    each_once(&stage);
    three.signal("TERM");
    three.wait_ended(START);

    // As a fail-over of the database does.
    one.signal("STOP");
    stage.end_ledger_sessions();
    more(&stage, "after");
    two.wait_leads(TAKES_OVER);
    each_once(&stage);
    one.signal("CONT");
    let (ended, _) = one.wait_ended(START);
    assert!(ended.contains("exit status: 1"), "{ended}");
    more(&stage, "waking");
    each_once(&stage);
    two.signal("TERM");
    two.wait_ended(START);
}

#[test]
fn whose_network_to_the_database_is_silent_keeps_it_and_sends_nothing_meanwhile() {
    let stage = prepared("silent-database");
    let Some(server) = stage.ledger_server() else { return };
    let link = TcpLink::start(&server);
    let (_one, two) = two_without_election(&stage, &stage.ledger_url_at(&link.address));
    let before = sent(&stage);
    link.cut();
    more(&stage, "meanwhile");
    tries(&stage, || two.log());
    assert_eq!(two.leads(), Some(false), "the server knows of no end of the first");
    assert_eq!(sent(&stage), before);
    link.mend();
    each_once(&stage);
    assert_eq!(two.leads(), Some(false));
}

#[test]
fn whose_network_to_the_database_breaks_loses_it_to_the_other() {
    let stage = prepared("broken-database");
    let Some(server) = stage.ledger_server() else { return };
    let link = TcpLink::start(&server);
    let (one, two) = two_without_election(&stage, &stage.ledger_url_at(&link.address));
    link.cut();
    link.break_off();
    more(&stage, "meanwhile");
    two.wait_leads(TAKES_OVER);
    each_once(&stage);
    link.mend();
    let (ended, _) = one.wait_ended(START);
    assert!(ended.contains("exit status: 1"), "{ended}");
    more(&stage, "after");
    each_once(&stage);
}
