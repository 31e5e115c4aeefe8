//! A private PostgreSQL server for tests, on a free port of loopback, ended with the process that started it. Its programs
//! are Debian's package `postgresql`, installed where it is missing.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::browser::{command, install, is_root};
use crate::ports;
use crate::process::{self, say};
use crate::suite::{cargo, programs_of_tests, target_directory};
use crate::supervisor::{Spec, State, Supervisor};

/// Names the directory of the server's programs.
const PROGRAMS: &str = "ADCONVERSION_POSTGRES";
/// Where Debian puts them, one directory a version.
const DEBIAN: &str = "/usr/lib/postgresql";
const INITDB_LIMIT: Duration = Duration::from_mins(1);
const START_LIMIT: Duration = Duration::from_secs(30);
/// The disk need not keep anything: only the end of the host would lose it.
const SETTINGS: [&str; 3] = ["listen_addresses=127.0.0.1", "max_connections=400", "fsync=off"];
/// The server refuses to run as root; the package makes this user.
const USER: &str = "postgres";

/// URL of the PostgreSQL server on which the ledger's tests run, where it is set.
const LEDGER_SERVER: &str = "ADCONVERSION_TEST_POSTGRES";

/// The end-to-end tests that run there too: what becomes of conversions, with operators that are killed or suspended, or two of
/// them on one ledger. Some of them, for the sake of time.
const END_TO_END: [&str; 8] = [
    "e2e::crashes",
    "e2e::leaders",
    "e2e::one_writer",
    "e2e::restored",
    "e2e::hands_off::a_suspended",
    "e2e::outcomes::a_full_batch",
    "e2e::outcomes::results_that",
    "e2e::outcomes::twelve_events",
];

/// A running server. Dropping it ends it and removes its data.
pub struct Postgres {
    supervisor: Supervisor,
    url: String,
}

impl Postgres {
    /// Starts a server and waits until it takes connections. `supervisor`: the xtask executable.
    ///
    /// # Errors
    /// Where the programs are missing and the package manager can't bring them, or the server does not start: the text says
    /// why.
    pub fn start(supervisor: &Path) -> Result<Self, Error> {
        let programs = programs()?;
        let directory = env::temp_dir().join(format!("adconversion-postgres-{}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|source| Error::path("create", &directory, source))?;
        // The server's user must be able to make its files there.
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&directory, open).map_err(|source| Error::path("open", &directory, source))?;
        let data = directory.join("data");
        let mut initdb = as_user(&programs.join("initdb"));
        initdb
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-U",
                USER,
                "-D",
            ])
            .arg(&data);
        process::run(initdb, None, INITDB_LIMIT)?.ok()?;
        let port = ports::free(1)?[0];
        let supervisor = Supervisor::start(Some(supervisor), &directory, false)?;
        let server = as_user(&programs.join("postgres"));
        let log = directory.join("postgres.log");
        supervisor.run(Spec {
            name: USER.to_owned(),
            program: PathBuf::from(server.get_program()),
            arguments: server
                .get_args()
                .map(|argument| argument.to_string_lossy().into_owned())
                .chain([
                    "-D".to_owned(),
                    data.display().to_string(),
                    "-p".to_owned(),
                    port.to_string(),
                ])
                .chain(["-k".to_owned(), directory.display().to_string()])
                .chain(
                    SETTINGS
                        .iter()
                        .flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]),
                )
                .collect(),
            environment: BTreeMap::new(),
            log: log.clone(),
        })?;
        let server = Self {
            supervisor,
            url: format!("postgres://{USER}@127.0.0.1:{port}/{USER}"),
        };
        server.wait_ready(&programs, port, &log)?;
        Ok(server)
    }

    /// How it is reached, as a user who may do everything.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn wait_ready(&self, programs: &Path, port: u16, log: &Path) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            let mut probe = Command::new(programs.join("pg_isready"));
            probe.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            if process::run(probe, None, START_LIMIT)?.success() {
                return Ok(());
            }
            let ended = !matches!(self.supervisor.state(USER)?, State::Running(_));
            if ended || start.elapsed() >= START_LIMIT {
                let text = fs::read_to_string(log).unwrap_or_default();
                return Err(Error::Failed(format!("PostgreSQL did not start: {text}")));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A command that runs as the server's user where this process is root.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut whole = command(&["setpriv", "--clear-groups"]);
    whole
        .arg(format!("--reuid={USER}"))
        .arg(format!("--regid={USER}"))
        .arg(program)
        // Not a directory of root's.
        .current_dir("/");
    whole
}

/// The tests of the ledger that say nothing of a file, and [`END_TO_END`], once more, each in a schema of its own.
pub(crate) fn test(root: &Path, limit: Duration) -> Result<(), Error> {
    say(&format!(
        "== postgres: the ledger's tests on a server of their own (limit {} min)",
        limit.as_secs() / 60
    ));
    // The executable that supervises was built before.
    let server = Postgres::start(&target_directory(root)?.join("debug/xtask"))?;
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
    command.args(END_TO_END).env(LEDGER_SERVER, server.url());
    for (variable, path) in programs_of_tests(root)? {
        command.env(variable, path);
    }
    run_tests(command, limit, "the end-to-end tests")
}

fn run_tests(command: Command, limit: Duration, what: &str) -> Result<(), Error> {
    let status = process::run_group(command, limit)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed(format!("{what} on PostgreSQL ended with {status}")))
}

/// The directory of the newest version's programs.
fn installed() -> Option<PathBuf> {
    if let Some(path) = env::var_os(PROGRAMS) {
        return Some(PathBuf::from(path));
    }
    let versions = fs::read_dir(DEBIAN)
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("bin"));
    let mut found: Vec<PathBuf> = versions.filter(|bin| bin.join("initdb").is_file()).collect();
    found.sort();
    found.pop()
}

fn programs() -> Result<PathBuf, Error> {
    if let Some(path) = installed() {
        return Ok(path);
    }
    install("postgresql").map_err(|error| {
        Error::Setup(format!(
            "PostgreSQL is missing and could not be installed: install the package postgresql, or name the directory of its \
             programs in {PROGRAMS}\n{error}"
        ))
    })?;
    installed().ok_or_else(|| Error::Setup(format!("the package postgresql left no programs in {DEBIAN}")))
}
