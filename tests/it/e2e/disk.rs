//! The disk becomes full under a running operator.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::postgres::Postgres;
use xtask::process;

use super::Stage;
use super::judge::{became, calls, crowd, exactly, settled_within, transactions};
use super::stage::{Counts, ago, condition, new_schema};

/// A small disk of its own; gone afterwards.
struct Disk(PathBuf);

/// Mounting wants root.
fn as_root(words: &[&str]) {
    let limit = Duration::from_secs(20);
    let mut who = Command::new("id");
    who.arg("-u");
    let root = process::run(who, None, limit).is_ok_and(|output| output.stdout.trim() == "0");
    let mut command = Command::new(if root { words[0] } else { "sudo" });
    if !root {
        command.args(["--non-interactive", words[0]]);
    }
    command.args(&words[1..]);
    let done = process::run(command, None, limit).and_then(process::Output::ok);
    done.unwrap_or_else(|error| panic!("this test mounts a small disk, as root or by sudo: {error}"));
}

impl Disk {
    fn mount(at: &Path, size: &str) -> Self {
        std::fs::create_dir_all(at).expect("a directory");
        let options = format!("size={size},mode=0777");
        as_root(&[
            "mount",
            "-t",
            "tmpfs",
            "-o",
            &options,
            "tmpfs",
            &at.display().to_string(),
        ]);
        Self(at.to_path_buf())
    }

    fn enlarge(&self, size: &str) {
        let options = format!("remount,size={size}");
        as_root(&["mount", "-o", &options, &self.0.display().to_string()]);
    }

    /// Writes until there is no more room.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).expect("a file");
        let block = vec![1_u8; 4096];
        while file.write_all(&block).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("the filler");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        as_root(&["umount", "--lazy", &self.0.display().to_string()]);
    }
}

#[test]
fn on_a_full_disk_nothing_is_sent_and_all_of_it_goes_on_with_room() {
    let mut stage = Stage::empty("full", &[], &[]);
    let disk = Disk::mount(&stage.ledger().with_file_name("disk"), "12m");
    stage.flag(
        "ledger-url",
        &format!("sqlite://{}", disk.0.join("ledger.db").display()),
    );
    go_through_a_full_disk(&stage, &disk);
}

/// Where the tests have a server at all, this one has one whose tables are on a small disk.
#[test]
fn on_a_full_disk_of_the_database_nothing_is_sent_and_all_of_it_goes_on_with_room() {
    if new_schema().is_none() {
        return;
    }
    let server = Postgres::start(None).expect("a server of its own");
    let disk = Disk::mount(&Path::new(&server.data()).with_file_name("disk"), "40m");
    let tables = disk.0.join("tables").display().to_string();
    // The server's own user must have made it.
    server.run_program("mkdir", &[&tables]).expect("a directory");
    let tablespace = format!("CREATE TABLESPACE small LOCATION '{tables}'");
    for statement in [&tablespace, "CREATE DATABASE ledger TABLESPACE small"] {
        let url = server.url();
        let arguments = ["--quiet", "--dbname", &url, "--command", statement];
        server
            .run_program("psql", &arguments)
            .expect("a database on the small disk");
    }
    let mut stage = Stage::empty("full-pg", &[], &[]);
    let url = format!("postgres://postgres@127.0.0.1:{}/ledger", server.port());
    stage.flag("ledger-url", &url);
    go_through_a_full_disk(&stage, &disk);
}

fn go_through_a_full_disk(stage: &Stage, disk: &Disk) {
    crowd(stage, 20);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("full", "customer", &json!({"startTime": ago(86_400 * 10)}));
    settled_within(stage, "full", 20, Duration::from_mins(1));
    disk.fill();
    let sent = calls(stage, "events:ingest").len();
    // More than what the files have room for.
    for chunk in 0..12_u32 {
        let contact = |i: u32| {
            let mut contact = became(i, &format!("later-{i}"));
            contact["history"]["lifecyclestage"][0]["timestamp"] = json!(ago(i64::from(i % 50)));
            contact
        };
        let contacts: Vec<_> = (chunk * 500..(chunk + 1) * 500).map(contact).collect();
        stage.post("/hubspot/contacts", &json!(contacts));
    }
    stage.condition("adce/full", "Synced", "False", "LedgerUnavailable");
    let counts = Counts::of(&stage.get("adce/full"));
    let accepted = calls(stage, "events:ingest").len() - sent;
    assert!(
        accepted as u64 * 2000 >= counts.uploaded - 20,
        "what is called uploaded was sent: {counts:?}"
    );
    disk.free();
    let all = transactions(stage, "customer");
    let event = settled_within(stage, "full", all.len(), Duration::from_mins(3));
    stage.condition("adce/full", "Synced", "True", "");
    assert_eq!(Counts::of(&event).uploaded, all.len() as u64, "{:#}", event["status"]);
    exactly(stage, &event, &all.into_iter().collect());
    stage.stop_operator();
}

/// Events of the tenant that fills the ledger, and contacts that each of them counts.
const EVENTS: usize = 10;
const CONTACTS: u32 = 3_000;

/// The write-ahead log takes 32 MB of it and the reserve is 16 MB: the rest is full after some thousand conversions.
#[test]
fn a_tenant_that_fills_the_ledger_stops_nobody_else() {
    let (mut stage, other) = Stage::with_neighbour("fills", &[]);
    let disk = Disk::mount(&stage.ledger().with_file_name("disk"), "50m");
    stage.flag(
        "ledger-url",
        &format!("sqlite://{}", disk.0.join("ledger.db").display()),
    );
    let token = json!({"accessToken": "pat-fills", "kind": "privateApp",
        "scopes": ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"]});
    stage.post("/hubspot/portals", &json!({"portalId": 778, "tokens": [token]}));
    for chunk in (0..CONTACTS).collect::<Vec<_>>().chunks(500) {
        let leads: Vec<Value> = chunk.iter().map(|i| json!({"createdAt": ago(86_400 * 10), "history": {
            "lifecyclestage": [{"value": "customer", "timestamp": ago(90_000 + i64::from(*i)), "sourceType": "CRM_UI"}]}})).collect();
        stage.post("/hubspot/contacts?portalId=778", &json!(leads));
    }
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.contact(&[("customer", ago(600))], Some("click-0"), &json!({}));
    stage.settled("won", 1);
    let large = stage.neighbour(other);
    large.accounts();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "fills"},
        "stringData": {"accessToken": "pat-fills"}});
    let account = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount", "metadata": {"name": "fills"},
        "spec": {"credentialsSecretRef": {"name": "fills"}, "interval": "500ms"}});
    large.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [secret, account]}).to_string());
    for number in 0..EVENTS {
        let name = format!("e-{number}");
        let more = json!({"hubSpotAccountRef": {"name": "fills"}, "eventName": name, "startTime": ago(86_400 * 10)});
        large.event(&name, "customer", &more);
    }
    let said = large.condition("adce/e-0", "Synced", "False", "LedgerFull");
    assert!(
        said["message"].as_str().is_some_and(|m| m.contains("nothing is lost")),
        "{said}"
    );
    for number in 1..=5 {
        stage.contact(&[("customer", ago(1))], Some(&format!("click-{number}")), &json!({}));
        stage.settled("won", number + 1);
        assert_eq!(condition(&stage.get("adce/won"), "Synced")["status"], "True");
    }
    // More room: it goes on from where it was.
    disk.enlarge("200m");
    for number in 0..EVENTS {
        stage.wait_within(Duration::from_mins(2), "all of the large tenant", || {
            let event = large.get(&format!("adce/e-{number}"));
            let counts = Counts::of(&event);
            if counts.observed == u64::from(CONTACTS) {
                Ok(())
            } else {
                Err(event["status"]["sync"].clone())
            }
        });
    }
    large.condition("adce/e-0", "Synced", "True", "");
    let wanted = transactions(&stage, "customer").into_iter().collect();
    exactly(&stage, &stage.get("adce/won"), &wanted);
    stage.stop_operator();
}
