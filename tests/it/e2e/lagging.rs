//! A fail-over to a standby that lags, under an operator that goes on: what the ledger has forgotten is found in
//! HubSpot again. Without a server there is nothing to test.

use std::time::Duration;

use serde_json::json;
use xtask::postgres::Postgres;

use super::Stage;
use super::judge::{became, crowd, exactly, settled_within, transactions};
use super::replicas::START;
use super::stage::{Counts, Replica, ago, execute, query_number};
use super::tcp_link::TcpLink;

const LIMIT: Duration = Duration::from_mins(1);
/// What an operator says that met an older database.
const OLDER: &str = "older than what this process has written";

/// A primary, the standby that follows it, and the address under which an operator finds the one or the other.
struct Servers {
    primary: Postgres,
    standby: Postgres,
    address: TcpLink,
}

fn at(server: &Postgres) -> String {
    format!("127.0.0.1:{}", server.port())
}

impl Servers {
    fn start() -> Self {
        let primary = Postgres::start(None).expect("a server");
        let standby = primary.start_standby(None).expect("a standby");
        let address = TcpLink::start(&at(&primary));
        Self {
            primary,
            standby,
            address,
        }
    }

    fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address.address)
    }

    /// Waits until the standby has so many settled conversions; from then on it hears nothing of the primary.
    fn leave_behind(&self, stage: &Stage, settled: i64) {
        let standby = self.standby.url();
        let number = |query: &str, wanted: i64| match query_number(&standby, query) {
            number if number == wanted => Ok(()),
            number => Err(json!(number)),
        };
        let rows = "SELECT count(*) FROM conversions WHERE state = 'Settled'";
        stage.wait_for("a standby in step", || number(rows, settled));
        execute(&standby, "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'");
        self.standby.reload().expect("the standby reads it");
        let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
        stage.wait_for("the end of the replication", || number(receivers, 0));
    }

    fn fail_over(&self) {
        self.primary.crash().expect("the end of the primary");
        self.standby.promote().expect("a primary");
        self.address.lead_to(&at(&self.standby));
    }
}

/// The servers, and a stage whose operators reach them; `None` where the tests run without a server.
fn set_up(name: &str) -> Option<(Servers, Stage)> {
    let mut stage = Stage::empty(name, &[], &[]);
    stage.ledger_server()?;
    let servers = Servers::start();
    stage.flag("ledger-url", &servers.url());
    stage.flag("settle-delay", "20s");
    stage.make_lease();
    crowd(&stage, 20);
    stage.apply(include_str!("accounts.yaml"));
    stage.event("lagging", "customer", &json!({"startTime": ago(86_400 * 10)}));
    Some((servers, stage))
}

/// Twenty people who became customers so many seconds ago.
fn twenty(stage: &Stage, name: &str, seconds: i64) {
    let contact = |i: u32| {
        let mut contact = became(i, &format!("{name}-{i}"));
        contact["history"]["lifecyclestage"][0]["timestamp"] = json!(ago(seconds));
        contact
    };
    stage.post("/hubspot/contacts", &(0..20).map(contact).collect());
}

/// Twenty conversions that were sent, twenty that wait for their settle delay, and a new event, which the standby hears
/// nothing of.
fn write_more(stage: &Stage) {
    twenty(stage, "sent", 30);
    settled_within(stage, "lagging", 40, LIMIT);
    stage.event("new", "opportunity", &json!({"startTime": ago(86_400 * 10)}));
    stage.contact(&[("opportunity", ago(30))], Some("click-new"), &json!({}));
    settled_within(stage, "new", 1, LIMIT);
    twenty(stage, "waiting", 1);
    stage.wait("adce/lagging", "sixty observed", |event| {
        Counts::of(event).observed == 60
    });
}

/// All of them are with Google, and those that come now.
fn loses_nothing(stage: &Stage) {
    // So that what the status said before is not taken for it.
    stage.contact(&[("customer", ago(30))], Some("click-last"), &json!({}));
    stage.contact(&[("opportunity", ago(29))], Some("click-new-last"), &json!({}));
    for (name, lifecycle, observed) in [("lagging", "customer", 61), ("new", "opportunity", 2)] {
        let event = stage.settled(name, observed);
        exactly(stage, &event, &transactions(stage, lifecycle).into_iter().collect());
    }
}

/// Its log says why, and it says that it failed, so that it is started again.
fn ends(replica: &Replica<'_>) {
    let (ended, took) = replica.wait_ended(LIMIT);
    println!("{}: ends {took:?} after the fail-over", replica.name);
    assert!(ended.contains("exit status: 1"), "{ended}");
    assert!(replica.log().contains(OLDER), "{}", replica.log());
}

#[test]
fn an_operator_ends_where_a_fail_over_lost_writes_and_the_next_start_loses_nothing() {
    let Some((servers, stage)) = set_up("lagging") else {
        return;
    };
    let off = [("leader-elect", "false")];
    let replica = stage.start_replica("one", &off, None);
    replica.wait_leads(START);
    settled_within(&stage, "lagging", 20, LIMIT);
    servers.leave_behind(&stage, 20);
    write_more(&stage);
    servers.fail_over();
    ends(&replica);
    // As Kubernetes does.
    let _again = stage.start_replica("two", &off, None);
    loses_nothing(&stage);
}

#[test]
fn a_leader_ends_where_a_fail_over_lost_writes_and_another_loses_nothing() {
    let Some((servers, stage)) = set_up("lagging-leader") else {
        return;
    };
    let one = stage.start_replica("one", &[], None);
    one.wait_leads(START);
    let two = stage.start_replica("two", &[], None);
    two.wait_stands_by();
    settled_within(&stage, "lagging", 20, LIMIT);
    servers.leave_behind(&stage, 20);
    write_more(&stage);
    servers.fail_over();
    ends(&one);
    let took = two.wait_leads(Duration::from_secs(5));
    println!("the other one works {took:?} later");
    assert!(stage.lease_holder().starts_with("two_"));
    loses_nothing(&stage);
}

#[test]
fn an_operator_goes_on_where_the_database_came_back_as_it_was() {
    let Some((servers, stage)) = set_up("reconnects") else {
        return;
    };
    let replica = stage.start_replica("one", &[("leader-elect", "false")], None);
    replica.wait_leads(START);
    settled_within(&stage, "lagging", 20, LIMIT);
    servers.address.break_off();
    stage.contact(&[("customer", ago(30))], Some("click-a"), &json!({}));
    settled_within(&stage, "lagging", 21, LIMIT);
    servers.primary.restart().expect("the primary");
    stage.contact(&[("customer", ago(29))], Some("click-b"), &json!({}));
    settled_within(&stage, "lagging", 22, LIMIT);
    assert_eq!(replica.leads(), Some(true));
    assert!(!replica.log().contains(OLDER));
}
