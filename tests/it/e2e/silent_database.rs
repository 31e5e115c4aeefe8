//! One connection to the database dies silently, or none answers any more: in the opening of the ledger, and behind a
//! write. Without a server there is nothing to test.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::judge::transactions;
use super::replicas::{START, all_are_sent, each_once, more, prepared};
use super::stage::{Counts, Replica};
use super::tcp_link::TcpLink;

/// A Lease that is over soon, and with it a leader's patience with its ledger: it ends, with a look, before the server
/// has ended the transaction of a silent connection, after ten seconds.
const SHORT: [(&str, &str); 3] = [
    ("lease-duration", "6s"),
    ("lease-renew", "5s"),
    ("lease-retry", "500ms"),
];
/// That patience, and what it takes to notice, to end and to take over.
const MAKES_WAY: Duration = Duration::from_secs(25);
const WITHOUT: [(&str, &str); 1] = [("leader-elect", "false")];
/// How the writing connection begins a write, how it ends one, and the next thing it sends.
const AFTER_A_WRITE: [&[u8]; 3] = [b"BEGIN ISOLATION LEVEL READ COMMITTED", b"COMMIT", b"S\0\0\0\x04"];

/// A stage, the link between its first operator and the database, and the URL through it.
fn set_up(name: &str) -> Option<(Stage, TcpLink, String)> {
    let stage = prepared(name);
    let link = TcpLink::start(&stage.ledger_server()?);
    let url = stage.ledger_url_at(&link.address);
    Some((stage, link, url))
}

fn wait_silent(stage: &Stage, link: &TcpLink) {
    stage.wait_for("a silent connection", || {
        if link.is_silent() { Ok(()) } else { Err(Value::Null) }
    });
}

/// A replica whose session falls silent while it takes the ledger's lock.
fn stuck_in_the_opening<'a>(stage: &'a Stage, link: &TcpLink, flags: &[(&str, &str)]) -> Replica<'a> {
    link.silence_after(&[b"pg_try_advisory_lock"]);
    let one = stage.start_replica("one", flags, None);
    wait_silent(stage, link);
    one
}

#[test]
fn a_leader_that_gets_no_answer_while_it_opens_the_ledger_makes_way() {
    let Some((stage, link, url)) = set_up("silent-opening") else {
        return;
    };
    let flags = [&SHORT[..], &[("ledger-url", &url)]].concat();
    let one = stuck_in_the_opening(&stage, &link, &flags);
    let begun = Instant::now();
    let two = stage.start_replica("two", &SHORT, None);
    two.wait_leads(MAKES_WAY);
    println!("the other one works {:?} after the silence", begun.elapsed());
    let (ended, _) = one.wait_ended(MAKES_WAY);
    assert!(ended.contains("exit status: 1"), "{ended}");
    assert!(one.log().contains("another replica should try"), "{}", one.log());
    each_once(&stage);
}

#[test]
fn one_that_gets_no_answer_while_it_opens_the_ledger_ends_when_it_is_told_to() {
    for elects in ["true", "false"] {
        let Some((stage, link, url)) = set_up(&format!("silent-{elects}")) else {
            return;
        };
        // So long a leader waits by itself.
        let flags = [
            ("ledger-url", url.as_str()),
            ("leader-elect", elects),
            ("lease-duration", "60s"),
        ];
        let one = stuck_in_the_opening(&stage, &link, &flags);
        one.signal("TERM");
        let (ended, took) = one.wait_ended(Duration::from_secs(10));
        println!("ends {took:?} after SIGTERM");
        assert!(ended.contains("exit status: 0"), "{ended}");
        if elects == "true" {
            assert_eq!(stage.lease_holder(), "", "the Lease is free");
        }
    }
}

#[test]
fn a_leader_whose_writing_connection_dies_silently_makes_way() {
    let Some((stage, link, url)) = set_up("silent-writer") else {
        return;
    };
    let flags = [&SHORT[..], &[("ledger-url", &url)]].concat();
    let one = stage.start_replica("one", &flags, None);
    one.wait_leads(START);
    let two = stage.start_replica("two", &SHORT, None);
    two.wait_stands_by();
    each_once(&stage);
    link.silence_after(&AFTER_A_WRITE);
    more(&stage, "meanwhile");
    wait_silent(&stage, &link);
    let begun = Instant::now();
    two.wait_leads(MAKES_WAY);
    println!("the other one works {:?} after the silence", begun.elapsed());
    let (ended, _) = one.wait_ended(MAKES_WAY);
    assert!(ended.contains("exit status: 1"), "{ended}");
    // Of a request whose answer could not be recorded nobody knows: it goes again, with the same values.
    all_are_sent(&stage);
}

/// Nobody else could work, so it waits, and goes on by a connection of its own making.
#[test]
fn one_whose_writing_connection_dies_silently_goes_on() {
    let Some((stage, link, url)) = set_up("silent-alone") else {
        return;
    };
    let one = stage.start_replica("one", &[WITHOUT[0], ("ledger-url", &url)], None);
    one.wait_leads(START);
    each_once(&stage);
    link.silence_after(&AFTER_A_WRITE);
    more(&stage, "meanwhile");
    wait_silent(&stage, &link);
    let begun = Instant::now();
    all_are_sent(&stage);
    println!("all is sent {:?} after the silence", begun.elapsed());
    assert_eq!(one.leads(), Some(true));
}

/// Unready, with the reason, while nothing can be written; alive all the time, since a new start would not help.
#[test]
fn one_without_its_database_says_so_and_is_ready_again_with_it() {
    let Some((stage, link, url)) = set_up("unready") else {
        return;
    };
    let one = stage.start_replica("one", &[WITHOUT[0], ("ledger-url", &url)], None);
    one.wait_leads(START);
    each_once(&stage);
    // A blip is none of it.
    let before = link.connections();
    link.break_off();
    more(&stage, "blip");
    let all = transactions(&stage, "customer").len();
    stage.wait("adce/pair", "all to be sent over new connections", |event| {
        assert!(one.is_ready(), "{}", one.http("/readyz"));
        link.connections() > before && Counts::of(event).uploaded == all as u64
    });
    link.cut();
    stage.wait_within(Duration::from_mins(1), "the reason at /readyz", || {
        let answer = one.http("/readyz");
        let says = answer.starts_with("HTTP/1.1 503") && answer.contains("not ready: ledger: the database");
        if says { Ok(()) } else { Err(json!(answer)) }
    });
    assert!(one.http("/livez").starts_with("HTTP/1.1 200"));
    assert_eq!(one.leads(), Some(false));
    more(&stage, "meanwhile");
    link.break_off();
    link.mend();
    stage.wait_within(Duration::from_mins(1), "it to be ready again", || {
        if one.is_ready() {
            Ok(())
        } else {
            Err(json!(one.http("/readyz")))
        }
    });
    one.wait_leads(START);
    all_are_sent(&stage);
}
