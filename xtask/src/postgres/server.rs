//! A private PostgreSQL server for tests, on a free port of loopback, ended with the process that started it. Its
//! programs are Debian's package `postgresql`, installed where it is missing.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::browser::{command, install, is_root};
use crate::ports;
use crate::process;
use crate::supervisor::{Spec, State, Supervisor};

/// Names the directory of the server's programs.
const PROGRAMS: &str = "ADCONVERSION_POSTGRES";
/// Where Debian puts them, one directory a version.
const DEBIAN: &str = "/usr/lib/postgresql";
const PROGRAM_LIMIT: Duration = Duration::from_mins(1);
const START_LIMIT: Duration = Duration::from_secs(30);
/// The disk need not keep anything: only the end of the host would lose it.
const SETTINGS: [&str; 3] = ["listen_addresses=127.0.0.1", "max_connections=400", "fsync=off"];
/// The server refuses to run as root; the package makes this user.
const USER: &str = "postgres";

/// A running server. Dropping it ends it and removes its data.
pub struct Postgres {
    supervisor: Supervisor,
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
}

impl Postgres {
    /// Starts a server and waits until it takes connections.
    /// `supervisor`: the xtask executable, found where none is named.
    ///
    /// # Errors
    /// Where the programs are missing and the package manager can't
    /// bring them, or the server does not start: the text says why.
    pub fn start(supervisor: Option<&Path>) -> Result<Self, Error> {
        let server = Self::prepare(supervisor)?;
        let initdb = [
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "-U",
            USER,
            "-D",
        ];
        server.run_program("initdb", &[&initdb[..], &[&server.data()]].concat())?;
        server.launch()?;
        Ok(server)
    }

    /// Starts a standby of this server, which nobody can write to until [`Self::promote`].
    ///
    /// # Errors
    /// Where it can't be copied, or does not start.
    pub fn start_standby(&self, supervisor: Option<&Path>) -> Result<Self, Error> {
        let standby = Self::prepare(supervisor)?;
        let (data, url) = (standby.data(), self.url());
        let arguments = [
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "-D",
            &data,
            "-d",
            &url,
        ];
        standby.run_program("pg_basebackup", &arguments)?;
        standby.launch()?;
        Ok(standby)
    }

    /// Makes a standby the primary, as a fail-over does.
    ///
    /// # Errors
    /// Where it is none.
    pub fn promote(&self) -> Result<(), Error> {
        self.run_program("pg_ctl", &["promote", "--wait", "-D", &self.data()])
            .map(drop)
    }

    /// Ends the server as a crash does, and starts it again.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn restart(&self) -> Result<(), Error> {
        self.crash()?;
        self.launch()
    }

    /// Ends the server as a crash does.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn crash(&self) -> Result<(), Error> {
        let arguments = ["stop", "--mode=immediate", "--wait", "-D", &self.data()];
        self.run_program("pg_ctl", &arguments).map(drop)
    }

    /// Has the server read its configuration again.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn reload(&self) -> Result<(), Error> {
        self.run_program("pg_ctl", &["reload", "-D", &self.data()]).map(drop)
    }

    /// How it is reached, as a user who may do everything.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{USER}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its data and its configuration.
    pub fn data(&self) -> String {
        self.directory.join("data").display().to_string()
    }

    /// Runs a program as the server's user: one of PostgreSQL's, or another one by its name; its output.
    ///
    /// # Errors
    /// Where it fails.
    pub fn run_program(&self, name: &str, arguments: &[&str]) -> Result<String, Error> {
        let own = self.programs.join(name);
        let program = if own.is_file() { own } else { PathBuf::from(name) };
        let mut command = as_user(&program);
        command.args(arguments);
        process::run(command, None, PROGRAM_LIMIT)?.ok()
    }

    /// Starts a program beside the server, as its user, until the server's end.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start_beside(&self, name: &str, program: &Path, arguments: &[String]) -> Result<(), Error> {
        let wrapped = as_user(program);
        let own = wrapped
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned());
        self.supervisor.run(Spec {
            name: name.to_owned(),
            program: PathBuf::from(wrapped.get_program()),
            arguments: own.chain(arguments.iter().cloned()).collect(),
            environment: BTreeMap::new(),
            log: self.log_of(name),
        })?;
        Ok(())
    }

    /// Where a program writes what it has to say.
    pub fn log_of(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    fn prepare(supervisor: Option<&Path>) -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let programs = programs()?;
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = env::temp_dir().join(format!("adconversion-postgres-{process}-{number}"));
        fs::create_dir_all(&directory).map_err(|source| Error::path("create", &directory, source))?;
        // The server's user must be able to make its files there.
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&directory, open).map_err(|source| Error::path("open", &directory, source))?;
        Ok(Self {
            supervisor: Supervisor::start(supervisor, &directory, false)?,
            programs,
            directory,
            port: ports::free(1)?[0],
        })
    }

    fn launch(&self) -> Result<(), Error> {
        let (data, port) = (self.data(), self.port.to_string());
        let sockets = self.directory.display().to_string();
        let mut arguments = vec!["-D", &data, "-p", &port, "-k", &sockets];
        arguments.extend(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let arguments: Vec<_> = arguments.into_iter().map(str::to_owned).collect();
        self.start_beside(USER, &self.programs.join("postgres"), &arguments)?;
        self.wait_ready()
    }

    fn wait_ready(&self) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            let mut probe = Command::new(self.programs.join("pg_isready"));
            probe.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if process::run(probe, None, START_LIMIT)?.success() {
                return Ok(());
            }
            let ended = !matches!(self.supervisor.state(USER)?, State::Running(_));
            if ended || start.elapsed() >= START_LIMIT {
                let text = fs::read_to_string(self.log_of(USER)).unwrap_or_default();
                return Err(Error::Failed(format!("PostgreSQL did not start: {text}")));
            }
            thread::sleep(Duration::from_millis(50));
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

/// `PgBouncer`, installed if needed: a pooler.
///
/// # Errors
/// Where it is missing and the package manager can't bring it.
pub fn pooler() -> Result<PathBuf, Error> {
    const NAME: &str = "pgbouncer";
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    // Debian's place is not in everybody's path.
    let path = env::var_os("PATH").unwrap_or_default();
    let found = || {
        let places = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        places.map(|place| place.join(NAME)).find(|program| program.is_file())
    };
    if let Some(program) = found() {
        return Ok(program);
    }
    install(NAME)?;
    found().ok_or_else(|| Error::Setup(format!("the package {NAME} left no program of this name")))
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
