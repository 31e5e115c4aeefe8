//! Two replicas on one ledger, by a Lease: one works, and whatever happens to it another one goes on where it was.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::replicas::{
    START, all_are_sent, each_once, hold_next, is_look_at_lease, more, open_gate, pair, prepared, renewed, requests,
    sent, sent_and_open,
};
use super::stage::LEASE;
use super::tcp_link::TcpLink;

/// Hand-over where the leader ends in order: 2 s, and as much again on a busy machine. The figures are printed.
const IN_ORDER: Duration = Duration::from_secs(4);
/// Hand-over after a kill, beyond the Lease's duration.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(5);
const DEFAULT_DURATION: Duration = Duration::from_secs(15);
/// A Lease that is over soon. A leader that cannot renew it in time ends, as it must, and here nobody starts it again:
/// on a busy machine the API server may take seconds to answer.
const SHORT: [(&str, &str); 3] = [
    ("lease-duration", "8s"),
    ("lease-renew", "6s"),
    ("lease-retry", "500ms"),
];
const SHORT_DURATION: Duration = Duration::from_secs(8);

/// What another holder writes to the Lease.
fn somebody() -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    json!({"spec": {"holderIdentity": "somebody", "renewTime": now}})
}

#[test]
fn who_stands_by_is_ready_and_touches_nothing() {
    let mut stage = prepared("standby");
    let proxy = stage.proxied();
    let stage = &stage;
    let spec =
        json!({"holderIdentity": "somebody", "leaseDurationSeconds": 300, "renewTime": "2020-01-01T00:00:00.000000Z"});
    stage.patch(&format!("lease/{LEASE}"), &json!({"spec": spec}));
    let replica = stage.start_replica("one", &[], None);
    replica.wait_stands_by();
    // It goes on looking at the Lease: longer, each time, than one that works needs for its first reads.
    let looks = || proxy.calls().iter().filter(|call| is_look_at_lease(call)).count();
    let before = looks();
    stage.wait_for("three more looks at the Lease", || match looks() {
        looks if looks >= before + 3 => Ok(()),
        looks => Err(json!(looks)),
    });
    replica.wait_stands_by();
    assert_eq!(requests(stage), Vec::<Value>::new());
    let writes: Vec<_> = proxy
        .calls()
        .into_iter()
        .filter(|call| !call.starts_with("GET "))
        .collect();
    assert_eq!(writes, [""; 0]);
    for object in ["adce/pair", "gaa/acme", "hsa/acme"] {
        let object = stage.get(object);
        assert_eq!(object["metadata"]["finalizers"], Value::Null, "{object:#}");
        assert_eq!(object["status"]["conditions"], Value::Null, "{object:#}");
    }
    let events = stage.kubectl(&["get", "events.events.k8s.io", "--output", "name"]);
    assert_eq!(events, "", "no Kubernetes Event");
    assert!(!stage.has_ledger(), "not even the ledger's file or tables");
    assert_eq!(stage.lease_holder(), "somebody");
    stage.patch(&format!("lease/{LEASE}"), &json!({"spec": {"holderIdentity": null}}));
    let took = replica.wait_leads(IN_ORDER);
    println!("{}: works {took:?} after the Lease was free", stage.namespace);
    each_once(stage);
}

#[test]
fn one_that_is_told_to_stop_ends_its_requests_and_hands_over() {
    // With the durations that are the default.
    let stage = &prepared("in-order");
    let (one, two) = pair(stage, &[]);
    hold_next(stage);
    more(stage, "later");
    stage.at_the_gate();
    one.signal("TERM");
    // It keeps the Lease for as long as a request is under way.
    for _ in 0..2 {
        renewed(stage);
        assert_eq!(two.leads(), Some(false), "a request of the first is under way");
    }
    let begun = Instant::now();
    open_gate(stage);
    let took = two.wait_leads(IN_ORDER);
    let (ended, _) = one.wait_ended(START);
    println!(
        "{}: works {took:?} after the last request of the leader, which ended after {:?}",
        stage.namespace,
        begun.elapsed()
    );
    assert!(ended.contains("exit status: 0"), "{ended}");
    assert!(stage.lease_holder().starts_with("two_"));
    each_once(stage);
    more(stage, "after");
    each_once(stage);
    let (spec, transitions) = (stage.get(&format!("lease/{LEASE}")), "leaseTransitions");
    assert_eq!(spec["spec"][transitions], 1, "{spec:#}");
}

#[test]
fn a_silent_token_endpoint_does_not_keep_a_leader_from_ending() {
    let mut stage = Stage::empty("silent-token", &[], &[]);
    let silent = TcpLink::start("127.0.0.1:1");
    silent.cut();
    stage.flag("google-token-endpoint", &format!("http://{}/token", silent.address));
    stage.make_lease();
    stage.apply(include_str!("accounts.yaml"));
    let one = stage.start_replica("one", &[], None);
    one.wait_leads(START);
    let two = stage.start_replica("two", &[], None);
    two.wait_stands_by();
    stage.wait_for("a call to the token endpoint", || match silent.connections() {
        0 => Err(Value::Null),
        _ => Ok(()),
    });
    one.signal("TERM");
    let took = two.wait_leads(IN_ORDER);
    println!("{}: works {took:?} after SIGTERM", stage.namespace);
    one.wait_ended(IN_ORDER);
}

#[test]
fn after_a_kill_the_other_works_once_the_lease_is_over() {
    let stage = &prepared("killed");
    let (one, two) = pair(stage, &[]);
    let before = sent(stage);
    hold_next(stage);
    more(stage, "later");
    stage.at_the_gate();
    one.signal("KILL");
    let begun = Instant::now();
    open_gate(stage);
    two.wait_leads(DEFAULT_DURATION + BEYOND_THE_LEASE);
    println!(
        "{}: works {:?} after the kill, the Lease lasts {DEFAULT_DURATION:?}",
        stage.namespace,
        begun.elapsed()
    );
    for (id, times) in all_are_sent(stage) {
        // Of the request that was under way nobody has read the answer.
        let repeated = !before.contains_key(&id);
        assert!(times <= 1 + u32::from(repeated), "{id} was sent {times} times");
    }
}

#[test]
fn one_that_was_stopped_for_longer_than_its_lease_does_nothing_when_it_wakes() {
    let stage = prepared("stopped-server");
    if stage.ledger_server().is_none() {
        return;
    }
    let (one, two) = pair(&stage, &SHORT);
    one.signal("STOP");
    let begun = Instant::now();
    more(&stage, "meanwhile");
    two.wait_leads(SHORT_DURATION + BEYOND_THE_LEASE);
    println!(
        "{}: works {:?} after SIGSTOP, the Lease lasts {SHORT_DURATION:?}",
        stage.namespace,
        begun.elapsed()
    );
    each_once(&stage);
    more(&stage, "waking");
    one.signal("CONT");
    let (ended, took) = one.wait_ended(Duration::from_secs(15));
    println!("{}: the one before ends {took:?} after SIGCONT", stage.namespace);
    assert!(ended.contains("exit status: 1"), "{ended}");
    assert!(
        one.log().contains("no longer the leader") || one.log().contains("another operator"),
        "{}",
        one.log()
    );
    each_once(&stage);
    assert_eq!(two.leads(), Some(true));
}

#[test]
fn one_that_was_stopped_in_the_middle_of_a_request_does_not_send_it_again() {
    let stage = prepared("stopped-request");
    if stage.ledger_server().is_none() {
        return;
    }
    let (one, two) = pair(&stage, &SHORT);
    let before = sent(&stage);
    hold_next(&stage);
    more(&stage, "later");
    stage.at_the_gate();
    one.signal("STOP");
    open_gate(&stage);
    two.wait_leads(SHORT_DURATION + BEYOND_THE_LEASE);
    let twice = all_are_sent(&stage);
    for (id, times) in &twice {
        // Of the request that was under way nobody has read the answer: the other one sends it, with the same values.
        let repeated = !before.contains_key(id);
        assert!(*times <= 1 + u32::from(repeated), "{id} was sent {times} times");
    }
    one.signal("CONT");
    let (ended, _) = one.wait_ended(Duration::from_secs(15));
    assert!(ended.contains("exit status: 1"), "{ended}");
    assert_eq!(all_are_sent(&stage), twice, "and nobody once more");
}

#[test]
fn one_whose_lease_is_taken_in_the_middle_of_a_request_records_its_answer() {
    let stage = prepared("taken-request");
    let (one, two) = pair(&stage, &SHORT);
    hold_next(&stage);
    more(&stage, "later");
    stage.at_the_gate();
    stage.patch(&format!("lease/{LEASE}"), &somebody());
    stage.wait_for("the end of its work", || {
        let log = one.log();
        if log.contains("no longer the leader") {
            Ok(())
        } else {
            Err(json!(log))
        }
    });
    open_gate(&stage);
    let (ended, _) = one.wait_ended(SHORT_DURATION);
    assert!(ended.contains("exit status: 1"), "{ended}");
    two.wait_leads(SHORT_DURATION + BEYOND_THE_LEASE);
    each_once(&stage);
}

#[test]
fn one_whose_ledger_is_a_file_keeps_it_while_it_is_stopped() {
    let stage = prepared("stopped-file");
    if stage.ledger_server().is_some() {
        return;
    }
    let (one, two) = pair(&stage, &SHORT);
    one.signal("STOP");
    stage.wait_for("the other one to hold the Lease", || {
        let holder = stage.lease_holder();
        if holder.starts_with("two_") {
            Ok(())
        } else {
            Err(json!(holder))
        }
    });
    more(&stage, "meanwhile");
    stage.wait_for("the other one to say why it does not work", || {
        let answer = two.http("/readyz");
        if answer.contains("another operator works with this ledger") {
            Ok(())
        } else {
            Err(json!(answer))
        }
    });
    assert_eq!(two.leads(), Some(false));
    one.signal("CONT");
    let (ended, _) = one.wait_ended(Duration::from_secs(15));
    assert!(ended.contains("exit status: 1"), "{ended}");
    two.wait_leads(BEYOND_THE_LEASE);
    each_once(&stage);
}

#[test]
fn one_whose_lease_is_taken_away_stops() {
    let stage = &prepared("taken");
    let (one, two) = pair(stage, &SHORT);
    stage.patch(&format!("lease/{LEASE}"), &somebody());
    let begun = Instant::now();
    let (ended, took) = one.wait_ended(SHORT_DURATION);
    println!("{}: ends {took:?} after its Lease was taken", stage.namespace);
    assert!(ended.contains("exit status: 1"), "{ended}");
    assert!(one.log().contains("somebody holds the Lease now"), "{}", one.log());
    more(stage, "meanwhile");
    assert_eq!(two.leads(), Some(false), "the Lease is another's");
    two.wait_leads(SHORT_DURATION + BEYOND_THE_LEASE);
    println!(
        "{}: works {:?} after the Lease was taken",
        stage.namespace,
        begun.elapsed()
    );
    each_once(stage);
}

/// Where Argo CD leaves out the chart's Lease. The way out is the one of the page, as it stands there.
#[test]
fn a_lease_that_nobody_made_is_asked_for_and_taken_once_it_is_there() {
    let stage = &prepared("no-lease");
    stage.kubectl(&["delete", "lease", LEASE]);
    let replica = stage.start_replica("one", &SHORT, None);
    stage.wait_for("what to do about the Lease", || {
        let answer = replica.http("/readyz");
        let says = [
            "there is no Lease",
            "helm upgrade makes it again",
            "Argo CD",
            "docs/gitops.md",
        ];
        let all = says.iter().all(|part| answer.contains(part));
        if all { Ok(()) } else { Err(json!(answer)) }
    });
    let page = include_str!("../../../docs/gitops.md");
    let blocks = page.split("```").filter(|block| block.contains("kind: Lease\n"));
    let [block] = blocks.collect::<Vec<_>>()[..] else {
        panic!("one Lease on the page");
    };
    let (_, manifest) = block.split_once("<<'EOF'\n").unwrap();
    let (manifest, _) = manifest.split_once("\nEOF").unwrap();
    let named = manifest
        .replace("adconversion-operator", LEASE)
        .replace("adconversion-system", &stage.namespace);
    stage.apply(&named);
    replica.wait_leads(START);
    each_once(stage);
}

#[test]
fn one_that_is_cut_off_from_the_api_server_stops_before_another_works() {
    let stage = &prepared("no-api");
    let link = TcpLink::start(&stage.api_server());
    let through = stage.kubeconfig_through(&link.address);
    let one = stage.start_replica("one", &SHORT, Some(&through));
    one.wait_leads(START);
    let two = stage.start_replica("two", &SHORT, None);
    two.wait_stands_by();
    each_once(stage);
    link.cut();
    let begun = Instant::now();
    more(stage, "meanwhile");
    loop {
        // In this order: a hand-over between the two answers is none of both at once.
        let other_leads = two.leads();
        if one.leads() != Some(true) {
            break;
        }
        assert_ne!(other_leads, Some(true), "never both");
        assert!(begun.elapsed() < SHORT_DURATION + BEYOND_THE_LEASE);
    }
    let works_no_longer = begun.elapsed();
    println!("{}: works no longer {works_no_longer:?} after the cut", stage.namespace);
    two.wait_leads(SHORT_DURATION + BEYOND_THE_LEASE);
    let works = begun.elapsed();
    println!("{}: the other works {works:?} after the cut", stage.namespace);
    let (ended, _) = one.wait_ended(Duration::from_secs(20));
    assert!(ended.contains("exit status: 1"), "{ended}");
    each_once(stage);
    link.mend();
    let one = stage.start_replica("one", &SHORT, Some(&through));
    one.wait_stands_by();
}

#[test]
fn one_that_is_cut_off_from_the_database_makes_way() {
    let stage = prepared("no-database");
    let Some(server) = stage.ledger_server() else { return };
    let link = TcpLink::start(&server);
    let through = stage.ledger_url_at(&link.address);
    let flags = [&SHORT[..], &[("ledger-url", &through)]].concat();
    let one = stage.start_replica("one", &flags, None);
    one.wait_leads(START);
    let two = stage.start_replica("two", &SHORT, None);
    two.wait_stands_by();
    each_once(&stage);
    link.cut();
    let begun = Instant::now();
    more(&stage, "meanwhile");
    two.wait_leads(Duration::from_secs(40));
    println!(
        "{}: works {:?} after the cut, the Lease lasts {SHORT_DURATION:?}",
        stage.namespace,
        begun.elapsed()
    );
    let (ended, _) = one.wait_ended(Duration::from_secs(40));
    assert!(ended.contains("exit status: 1"), "{ended}");
    each_once(&stage);
    // It is no candidate while it cannot reach the ledger, and says so.
    let one = stage.start_replica("one", &flags, None);
    stage.wait_for("it to look in vain", || match one.log() {
        log if log.contains("the ledger can't be reached") => Ok(()),
        log => Err(json!(log)),
    });
    assert!(!one.is_ready() && one.leads() == Some(false));
    link.mend();
    one.wait_stands_by();
}

#[test]
fn what_the_leader_before_has_sent_is_asked_about_by_the_next() {
    let stage = &prepared("open-request");
    let (one, two) = pair(stage, &SHORT);
    more(stage, "later");
    sent_and_open(stage);
    one.signal("KILL");
    two.wait_leads(SHORT_DURATION + BEYOND_THE_LEASE);
    each_once(stage);
}
