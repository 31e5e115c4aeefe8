//! How many rows a second one core gets through: normalising and hashing, building requests, and the whole path from a
//! portal in memory over the ledger to a sink in memory. `cargo bench` prints the figures of docs/performance.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

#[path = "../../tests/it/support/memory.rs"]
mod memory;
mod path;
mod phones;

use std::hint::black_box;
use std::time::{Duration, Instant};

use adconversion_operator::api::SharedData;
use adconversion_operator::domain::contact::Contact;
use adconversion_operator::domain::identifiers;
use adconversion_operator::domain::ids::{ActionId, ContactId, CustomerId, OrderId, PortalId, TransactionId};
use adconversion_operator::ports::sink::{ClickId, Conversion, UploadRequest, UserIdentifier};
use adconversion_operator::upstream::google::{MAX_ROWS, UploadPurpose, ingest_body};
use jiff::Timestamp;

/// Each figure is the best of these many rounds: the machine's own best, free of what else runs on it.
const ROUNDS: usize = 5;

fn main() {
    if std::env::args().any(|a| a == "--list") {
        return;
    }
    if on_one_core() {
        return;
    }
    // `cargo bench -- path` measures that part alone.
    let part = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let wanted = |name: &str| part.as_ref().is_none_or(|part| part == name);
    if wanted("normalise") {
        normalise();
    }
    if wanted("requests") {
        requests();
    }
    if wanted("path") {
        path::run(100_000);
    }
}

/// Set for the process that measures.
const PINNED: &str = "ADCONVERSION_BENCH_PINNED";

/// Has another process of this program measure, kept on the first core; false where this process is to do it.
fn on_one_core() -> bool {
    if std::env::var_os(PINNED).is_some() {
        return false;
    }
    let program = std::env::current_exe().expect("this program");
    let mut taskset = std::process::Command::new("taskset");
    taskset
        .args(["--cpu-list", "0"])
        .arg(program)
        .args(std::env::args().skip(1));
    match taskset.env(PINNED, "1").status() {
        Ok(status) => {
            assert!(status.success(), "the measurement failed: {status}");
            true
        }
        Err(error) => {
            println!("not kept on one core: taskset can't be run ({error})");
            false
        }
    }
}

/// Prints rows a second of the best round of `work`, which gets through `rows` rows.
fn report(name: &str, rows: usize, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    print(name, rows, best);
}

fn print(name: &str, rows: usize, took: Duration) {
    println!("{name:<52} {:>12.0} rows/s", rows as f64 / took.as_secs_f64());
}

fn contact(id: u64) -> Contact {
    let (country, phone) = phones::of(id);
    let email = format!("Ada.Lovelace+{id}@Example.com");
    Contact {
        requested_id: ContactId(id),
        id: ContactId(id),
        updated_at: Some(Timestamp::UNIX_EPOCH),
        as_of: None,
        properties: [
            ("email", email.as_str()),
            ("phone", &phone),
            ("firstname", "Ada"),
            ("lastname", "Lovelace"),
            ("zip", "10115"),
            ("country", country),
        ]
        .into_iter()
        .collect(),
        history: Vec::new(),
        flaw: None,
    }
}

fn normalise() {
    let contacts: Vec<Contact> = (0..MAX_ROWS as u64).map(contact).collect();
    let kinds: [(&str, &[SharedData]); 4] = [
        ("normalise + hash, e-mail", &[SharedData::Email]),
        ("normalise + hash, phone", &[SharedData::Phone]),
        ("normalise + hash, address", &[SharedData::Address]),
        (
            "normalise + hash, all three of a contact",
            &[SharedData::Email, SharedData::Phone, SharedData::Address],
        ),
    ];
    for (name, kinds) in kinds {
        // Each identifier is a row.
        report(name, contacts.len() * kinds.len() * 50, || {
            for contact in (0..50).flat_map(|_| &contacts) {
                black_box(identifiers::identifiers_of(contact, kinds, Some("DE")));
            }
        });
    }
}

fn requests() {
    let row = |i: usize| Conversion {
        destination: 0,
        order: OrderId::Lifecycle(TransactionId::for_lifecycle(
            PortalId(1),
            ContactId(i as u64),
            "customer",
            0,
        )),
        at: Timestamp::from_millisecond(1_790_000_000_123 + i64::try_from(i).unwrap()).unwrap(),
        value: Some(("250.00".parse().unwrap(), "EUR".to_owned())),
        click: Some(ClickId::Gclid(format!("Cj0KCQiA{i:080}"))),
        identifiers: vec![UserIdentifier::Email(identifiers::sha256_hex("ada@example.com"))],
        consent_granted: true,
    };
    let customer: CustomerId = "1234567890".parse().unwrap();
    let request = UploadRequest {
        destinations: vec![customer.action_key(ActionId(7))],
        rows: (0..MAX_ROWS).map(row).collect(),
    };
    report("build + serialise ingest requests", MAX_ROWS * 50, || {
        for _ in 0..50 {
            black_box(ingest_body(&request, None, UploadPurpose::Count).expect("a body"));
        }
    });
}
