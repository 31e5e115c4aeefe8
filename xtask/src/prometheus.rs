//! Prometheus and its own check of metrics and rules, promtool: taken out of Debian's package where they are missing.
//! The package is not installed, as it would start a server.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::Error;
use crate::browser::{as_root, command};
use crate::process::{self, say};
use crate::tools;

/// Limit of each step of its set-up.
const LIMIT: Duration = Duration::from_mins(5);
/// Limit of one check.
const CHECK_LIMIT: Duration = Duration::from_mins(1);

/// Tests of one process fetch once.
static FETCHING: Mutex<()> = Mutex::new(());

/// A program of the package.
struct Program {
    name: &'static str,
    /// Names the program to use.
    variable: &'static str,
}

const PROMTOOL: Program = Program {
    name: "promtool",
    variable: "ADCONVERSION_PROMTOOL",
};
const SERVER: Program = Program {
    name: "prometheus",
    variable: "ADCONVERSION_PROMETHEUS",
};

impl Program {
    fn installed(&self) -> Option<PathBuf> {
        if let Some(path) = env::var_os(self.variable) {
            return Some(PathBuf::from(path));
        }
        env::split_paths(&env::var_os("PATH")?)
            .map(|directory| directory.join(self.name))
            .find(|path| path.is_file())
    }

    fn path(&self) -> Result<PathBuf, Error> {
        let _one = FETCHING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(path) = self.installed() {
            return Ok(path);
        }
        let kept = tools::root()?;
        let path = kept.join(self.name);
        if !path.is_file() {
            say("fetching Prometheus (once)");
            fetch(&kept).map_err(|error| {
                let Self { name, variable } = self;
                Error::Setup(format!(
                    "{name} is missing and could not be fetched: install the package prometheus, or name the program in {variable}\n{error}"
                ))
            })?;
        }
        Ok(path)
    }
}

/// Path of promtool, fetched if needed.
///
/// # Errors
/// Where it is missing and the package manager can't bring it: the text says what to do.
pub fn promtool() -> Result<PathBuf, Error> {
    PROMTOOL.path()
}

/// Path of the Prometheus server, fetched if needed.
///
/// # Errors
/// As [`promtool`].
pub fn server() -> Result<PathBuf, Error> {
    SERVER.path()
}

/// Both programs, from the package to this directory.
fn fetch(kept: &Path) -> Result<(), Error> {
    let work = kept.join(format!("prometheus.{}", std::process::id()));
    let io = |what: &str, error: std::io::Error| Error::Setup(format!("{}: {what}: {error}", work.display()));
    fs::create_dir_all(&work).map_err(|error| io("create", error))?;
    process::run(as_root(&["apt-get", "update", "-qq"]), None, LIMIT)?.ok()?;
    let mut download = command(&["apt-get", "download", "-qq", "prometheus"]);
    download.current_dir(&work);
    process::run(download, None, LIMIT)?.ok()?;
    let package = fs::read_dir(&work)
        .map_err(|error| io("read", error))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| Error::Setup("the package prometheus was not downloaded".into()))?;
    let mut extract = command(&["dpkg-deb", "--extract"]);
    extract.arg(&package).arg(&work);
    process::run(extract, None, LIMIT)?.ok()?;
    // In one step, so that nobody ever meets half of it.
    for program in [PROMTOOL, SERVER] {
        let unpacked = work.join("usr/bin").join(program.name);
        fs::rename(unpacked, kept.join(program.name)).map_err(|error| io(program.name, error))?;
    }
    fs::remove_dir_all(&work).map_err(|error| io("remove", error))
}

/// Has promtool check metrics in the Prometheus text format: that it can read them, and that names and descriptions
/// follow its rules.
///
/// # Errors
/// What promtool finds, or why it can't be run.
pub fn check(metrics: &str) -> Result<(), Error> {
    let mut command = Command::new(promtool()?);
    command.args(["check", "metrics"]);
    let output = process::run(command, Some(metrics), CHECK_LIMIT)?;
    if output.success() {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "promtool check metrics:\n{}{}",
        output.stdout, output.stderr
    )))
}
