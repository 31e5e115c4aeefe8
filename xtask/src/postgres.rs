//! The step `postgres`: tests that run once more on a PostgreSQL server of their own.

mod server;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub use self::server::{Postgres, pooler};
use crate::Error;
use crate::process::{self, say};
use crate::suite::{Extent, cargo, programs_of_tests, target_directory};

/// URL of the PostgreSQL server on which the ledger's tests run, where it is set.
const LEDGER_SERVER: &str = "ADCONVERSION_TEST_POSTGRES";

/// The tests of the program `it` that run there too: what becomes of conversions under faults of the server, and end to
/// end with operators that are killed or suspended, or two of them on one ledger. Some of them, for the sake of time.
const OF_ALL: [&str; 13] = [
    "postgres_faults::",
    "e2e::driver::every_call",
    "e2e::crashes",
    "e2e::disk::on_a_full_disk_of",
    "e2e::lagging",
    "e2e::leaders",
    "e2e::one_writer",
    "e2e::restored",
    "e2e::hands_off::a_suspended",
    "e2e::outcomes::a_full_batch",
    "e2e::outcomes::results_that",
    "e2e::outcomes::twelve_events",
    "e2e::silent_database",
];

/// What runs there beside [`OF_ALL`] where all is to run.
const WHOLE: [&str; 3] = ["e2e::driver", "e2e::hands_off", "e2e::outcomes"];

/// The tests of the ledger that say nothing of a file, and [`OF_ALL`], once more, each in a schema of its own.
pub(crate) fn test(root: &Path, extent: Extent, limit: Duration) -> Result<(), Error> {
    say(&format!(
        "== postgres: the ledger's tests on a server of their own (limit {} min)",
        limit.as_secs() / 60
    ));
    // The executable that supervises was built before.
    let server = Postgres::start(Some(&target_directory(root)?.join("debug/xtask")))?;
    let mut command = cargo(
        root,
        &["test", "--package", "adconversion-operator", "--lib", "ledger::tests"],
    );
    command.env(LEDGER_SERVER, server.url());
    run_tests(command, limit, "the ledger's tests")?;
    let mut command = cargo(
        root,
        &["test", "--package", "adconversion-operator", "--test", "it", "--"],
    );
    command.args(OF_ALL).env(LEDGER_SERVER, server.url());
    if extent == Extent::Whole {
        command.args(WHOLE);
    }
    for (variable, path) in programs_of_tests(root)? {
        command.env(variable, path);
    }
    extent.set(&mut command);
    run_tests(command, limit, "the end-to-end tests")
}

fn run_tests(command: Command, limit: Duration, what: &str) -> Result<(), Error> {
    let status = process::run_group(command, limit)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed(format!("{what} on PostgreSQL ended with {status}")))
}
