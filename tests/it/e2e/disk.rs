//! The disk becomes full under a running operator.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use xtask::process;

use super::Stage;
use super::judge::{became, calls, crowd, exactly, settled_within, transactions};
use super::stage::{Counts, ago};

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
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).expect("a directory");
        as_root(&[
            "mount",
            "-t",
            "tmpfs",
            "-o",
            "size=12m,mode=0777",
            "tmpfs",
            &at.display().to_string(),
        ]);
        Self(at.to_path_buf())
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
    let disk = Disk::mount(&stage.ledger().with_file_name("disk"));
    stage.flag(
        "ledger-url",
        &format!("sqlite://{}", disk.0.join("ledger.db").display()),
    );
    crowd(&stage, 20);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("full", "customer", &json!({"startTime": ago(86_400 * 10)}));
    settled_within(&stage, "full", 20, Duration::from_mins(1));
    disk.fill();
    let sent = calls(&stage, "events:ingest").len();
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
    let accepted = calls(&stage, "events:ingest").len() - sent;
    assert!(
        accepted as u64 * 2000 >= counts.uploaded - 20,
        "what is called uploaded was sent: {counts:?}"
    );
    disk.free();
    let all = transactions(&stage, "customer");
    let event = settled_within(&stage, "full", all.len(), Duration::from_mins(3));
    stage.condition("adce/full", "Synced", "True", "");
    assert_eq!(Counts::of(&event).uploaded, all.len() as u64, "{:#}", event["status"]);
    exactly(&stage, &event, &all.into_iter().collect());
    stage.stop_operator();
}
