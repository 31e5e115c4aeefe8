//! Prometheus' own check of metrics: promtool, taken out of Debian's package where it is missing. The package is not
//! installed, as it would start a server.

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

/// Names the program to use.
const PROMTOOL: &str = "ADCONVERSION_PROMTOOL";
/// Limit of each step of its set-up.
const LIMIT: Duration = Duration::from_mins(5);
/// Limit of one check.
const CHECK_LIMIT: Duration = Duration::from_mins(1);

/// Tests of one process fetch once.
static FETCHING: Mutex<()> = Mutex::new(());

fn installed() -> Option<PathBuf> {
    if let Some(path) = env::var_os(PROMTOOL) {
        return Some(PathBuf::from(path));
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join("promtool"))
        .find(|path| path.is_file())
}

/// Path of promtool, fetched if needed.
///
/// # Errors
/// Where it is missing and the package manager can't bring it: the text says what to do.
pub fn promtool() -> Result<PathBuf, Error> {
    let _one = FETCHING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(path) = installed() {
        return Ok(path);
    }
    let cached = tools::root()?.join("promtool");
    if !cached.is_file() {
        say("fetching promtool (once)");
        fetch(&cached).map_err(|error| {
            Error::Setup(format!(
                "promtool is missing and could not be fetched: install the package prometheus, or name the program in {PROMTOOL}\n{error}"
            ))
        })?;
    }
    Ok(cached)
}

fn fetch(target: &Path) -> Result<(), Error> {
    let work = target.with_extension(format!("{}", std::process::id()));
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
    fs::rename(work.join("usr/bin/promtool"), target).map_err(|error| io("take promtool out", error))?;
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
