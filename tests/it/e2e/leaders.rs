//! Two replicas on one ledger, by a Lease: one works, and whatever happens to it another one goes on where it was. Each test
//! runs with a ledger in a file, and in PostgreSQL where a server is named.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{became, crowd, exactly, settled_within, transactions};
use super::one_writer::{requests, sent};
use super::stage::{LEASE, Replica, ago};
use super::tcp_link::TcpLink;
use super::wire;

/// Names a PostgreSQL server whose user may create schemas.
const SERVER: &str = "ADCONVERSION_TEST_POSTGRES";
/// Hand-over where the leader ends in order.
const IN_ORDER: Duration = Duration::from_secs(2);
/// Hand-over after a kill, beyond the Lease's duration.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(5);
const DEFAULT_DURATION: Duration = Duration::from_secs(15);
/// A Lease that is over soon.
const SHORT: [(&str, &str); 3] = [
    ("lease-duration", "5s"),
    ("lease-renew", "3s"),
    ("lease-retry", "500ms"),
];
const SHORT_DURATION: Duration = Duration::from_secs(5);
const START: Duration = Duration::from_secs(40);

/// The URL of an empty schema of its own, at another address of the server where one is named.
struct Schema {
    server: reqwest::Url,
    name: String,
}

impl Schema {
    fn create() -> Option<Self> {
        let server = std::env::var(SERVER).ok()?;
        let name = format!(
            "leaders_{}_{}",
            std::process::id(),
            jiff::Timestamp::now().as_microsecond()
        );
        let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {name}"));
        wire::runtime().block_on(async {
            use sqlx::Connection;
            let mut connection = sqlx::PgConnection::connect(&server).await.expect("the server");
            sqlx::raw_sql(create).execute(&mut connection).await.expect("a schema");
        });
        Some(Self {
            server: server.parse().expect("a URL"),
            name,
        })
    }

    fn address(&self) -> String {
        let port = self.server.port().unwrap_or(5432);
        format!("{}:{port}", self.server.host_str().expect("a host"))
    }

    fn url_at(&self, address: &str) -> String {
        let user = self.server.username();
        let database = self.server.path();
        format!(
            "postgres://{user}@{address}{database}?options=-csearch_path%3D{}",
            self.name
        )
    }

    fn url(&self) -> String {
        self.url_at(&self.address())
    }
}

/// Runs a test with either ledger.
fn on_each_ledger(name: &str, test: impl Fn(&Stage)) {
    let stage = prepared(&format!("{name}-file"), None);
    test(&stage);
    if let Some(schema) = Schema::create() {
        let stage = prepared(&format!("{name}-server"), Some(&schema.url()));
        test(&stage);
    }
}

/// A stage with forty contacts, the accounts, an event and a Lease that is nobody's.
fn prepared(name: &str, ledger: Option<&str>) -> Stage {
    let mut stage = Stage::empty(name, &[], &[]);
    let file = format!("sqlite://{}", stage.ledger().display());
    stage.flag("ledger-url", ledger.unwrap_or(&file));
    stage.make_lease();
    crowd(&stage, 40);
    stage.apply(include_str!("accounts.yaml"));
    stage.event("pair", "customer", &json!({"startTime": ago(86_400 * 10)}));
    stage
}

/// Forty more contacts.
fn more(stage: &Stage, name: &str) {
    let contact = |i: u32| {
        let mut contact = became(i, &format!("{name}-{i}"));
        contact["history"]["lifecyclestage"][0]["timestamp"] = json!(ago(i64::from(i)));
        contact
    };
    stage.post("/hubspot/contacts", &(0..40).map(contact).collect());
}

/// All conversions so far are with Google, exactly, and counts add up; returns how often each was in a request.
fn all_are_sent(stage: &Stage) -> BTreeMap<String, u32> {
    let wanted = transactions(stage, "customer");
    let event = settled_within(stage, "pair", wanted.len(), Duration::from_mins(1));
    exactly(stage, &event, &wanted.into_iter().collect());
    sent(stage)
}

fn each_once(stage: &Stage) {
    let often: Vec<_> = all_are_sent(stage)
        .into_iter()
        .filter(|(_, times)| *times != 1)
        .collect();
    assert!(often.is_empty(), "in more than one request: {often:?}");
}

/// Two replicas, of which the first works and has sent what there was.
fn pair<'a>(stage: &'a Stage, flags: &[(&str, &str)]) -> (Replica<'a>, Replica<'a>) {
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
fn hold_next(stage: &Stage) {
    let gate = json!({"service": "dataManager", "mutating": true, "number": 1, "when": "after"});
    stage.post("/gate", &gate);
}

fn open_gate(stage: &Stage) {
    stage.admin_call("DELETE", "/gate", None);
}

#[test]
fn who_stands_by_is_ready_and_touches_nothing() {
    on_each_ledger("standby", |stage| {
        let spec = json!({"holderIdentity": "somebody", "leaseDurationSeconds": 300, "renewTime": "2020-01-01T00:00:00.000000Z"});
        stage.patch(&format!("lease/{LEASE}"), &json!({"spec": spec}));
        let replica = stage.start_replica("one", &[], None);
        replica.wait_stands_by();
        // Several times as long as one that works needs for its first reads.
        std::thread::sleep(Duration::from_secs(4));
        replica.wait_stands_by();
        assert_eq!(requests(stage), Vec::<Value>::new());
        for object in ["adce/pair", "gaa/acme", "hsa/acme"] {
            let object = stage.get(object);
            assert_eq!(object["metadata"]["finalizers"], Value::Null, "{object:#}");
            assert_eq!(object["status"]["conditions"], Value::Null, "{object:#}");
        }
        let events = stage.kubectl(&["get", "events.events.k8s.io", "--output", "name"]);
        assert_eq!(events, "", "no Kubernetes Event");
        assert!(!stage.ledger().exists(), "not even the ledger's file");
        assert_eq!(stage.lease_holder(), "somebody");
        stage.patch(&format!("lease/{LEASE}"), &json!({"spec": {"holderIdentity": null}}));
        let took = replica.wait_leads(IN_ORDER);
        println!("{}: works {took:?} after the Lease was free", stage.namespace);
        each_once(stage);
    });
}

#[test]
fn one_that_is_told_to_stop_ends_its_requests_and_hands_over() {
    // With the durations that are the default.
    on_each_ledger("in-order", |stage| {
        let (one, two) = pair(stage, &[]);
        hold_next(stage);
        more(stage, "later");
        stage.at_the_gate();
        one.signal("TERM");
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(two.leads(), Some(false), "a request of the first is under way");
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
    });
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
    std::thread::sleep(Duration::from_secs(2));
    one.signal("TERM");
    let took = two.wait_leads(IN_ORDER);
    println!("{}: works {took:?} after SIGTERM", stage.namespace);
    one.wait_ended(IN_ORDER);
}

#[test]
fn after_a_kill_the_other_works_once_the_lease_is_over() {
    on_each_ledger("killed", |stage| {
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
    });
}

#[test]
fn one_that_was_stopped_for_longer_than_its_lease_does_nothing_when_it_wakes() {
    let Some(schema) = Schema::create() else { return };
    let stage = prepared("stopped-server", Some(&schema.url()));
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
        one.log().contains("leader no longer") || one.log().contains("another operator"),
        "{}",
        one.log()
    );
    each_once(&stage);
    assert_eq!(two.leads(), Some(true));
}

#[test]
fn one_whose_ledger_is_a_file_keeps_it_while_it_is_stopped() {
    let stage = prepared("stopped-file", None);
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
    on_each_ledger("taken", |stage| {
        let (one, two) = pair(stage, &SHORT);
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        let spec = json!({"holderIdentity": "somebody", "renewTime": now});
        stage.patch(&format!("lease/{LEASE}"), &json!({"spec": spec}));
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
    });
}

#[test]
fn one_that_is_cut_off_from_the_api_server_stops_before_another_works() {
    on_each_ledger("no-api", |stage| {
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
        while one.leads() == Some(true) {
            assert_eq!(two.leads(), Some(false), "never both");
            assert!(begun.elapsed() < SHORT_DURATION + BEYOND_THE_LEASE);
        }
        println!(
            "{}: works no longer {:?} after the cut",
            stage.namespace,
            begun.elapsed()
        );
        two.wait_leads(SHORT_DURATION + BEYOND_THE_LEASE);
        println!(
            "{}: the other works {:?} after the cut",
            stage.namespace,
            begun.elapsed()
        );
        let (ended, _) = one.wait_ended(Duration::from_secs(20));
        assert!(ended.contains("exit status: 1"), "{ended}");
        each_once(stage);
        link.mend();
        let one = stage.start_replica("one", &SHORT, Some(&through));
        one.wait_stands_by();
    });
}

#[test]
fn one_that_is_cut_off_from_the_database_makes_way() {
    let Some(schema) = Schema::create() else { return };
    let stage = prepared("no-database", Some(&schema.url()));
    let link = TcpLink::start(&schema.address());
    let through = schema.url_at(&link.address);
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
    std::thread::sleep(Duration::from_secs(3));
    assert!(!one.is_ready() && one.leads() == Some(false));
    link.mend();
    one.wait_stands_by();
}

#[test]
fn without_election_the_second_on_a_database_waits_and_says_why() {
    let Some(schema) = Schema::create() else { return };
    let stage = prepared("no-election", Some(&schema.url()));
    let off = [("leader-elect", "false")];
    let one = stage.start_replica("one", &off, None);
    one.wait_leads(START);
    let two = stage.start_replica("two", &off, None);
    stage.wait_for("the second one to say why it waits", || {
        let answer = two.http("/readyz");
        let says = answer.contains("another operator works with this ledger") && answer.contains(&schema.name);
        if answer.starts_with("HTTP/1.1 503") && says {
            Ok(())
        } else {
            Err(json!(answer))
        }
    });
    // Nor does one with election take it from an operator without.
    let three = stage.start_replica("three", &SHORT, None);
    each_once(&stage);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((two.leads(), three.leads()), (Some(false), Some(false)));
    more(&stage, "later");
    each_once(&stage);
    three.signal("TERM");
    three.wait_ended(START);
    one.signal("TERM");
    let took = two.wait_leads(START);
    println!("{}: works {took:?} after SIGTERM of the first", stage.namespace);
    more(&stage, "after");
    each_once(&stage);
}
