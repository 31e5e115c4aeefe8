//! A Python environment of its own with Google's packages, made once in the user's cache:
//! `${XDG_CACHE_HOME:-~/.cache}/adconversion/conformance/<hash of the requirements>`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Error;
use crate::credentials::hex;
use crate::process::{self, say};

/// Limit of a question to an interpreter.
const PROBE_LIMIT: Duration = Duration::from_secs(30);
/// Limit for making the environment.
const VENV_LIMIT: Duration = Duration::from_mins(3);
/// Limit for fetching and installing the packages (about 300 MB on disk).
const INSTALL_LIMIT: Duration = Duration::from_mins(15);
/// The file that says an environment is complete.
const COMPLETE: &str = "complete";
/// The oldest Python that Google's packages run with.
const OLDEST: &str = "3.10";
/// Fails for an interpreter that is too old, or without venv and pip.
const PROBE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// The environment's interpreter; the environment is made if it is not there.
pub fn python(requirements: &Path) -> Result<PathBuf, Error> {
    let text = fs::read(requirements).map_err(|source| Error::path("read", requirements, source))?;
    let base = interpreter()?;
    let version = answer(&base, "import sys; print('%d.%d' % sys.version_info[:2])")?;
    let directory = cache()?.join(key(&text, version.trim()));
    let python = directory.join("bin").join("python");
    if directory.join(COMPLETE).is_file() && starts(&python, "import google.ads.datamanager_util") {
        return Ok(python);
    }
    make(&base, &directory, requirements)?;
    Ok(python)
}

fn make(base: &Path, directory: &Path, requirements: &Path) -> Result<(), Error> {
    let start = Instant::now();
    say(&format!(
        "   Google's Python packages are installed once into {}",
        directory.display()
    ));
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
        .arg(requirements);
    let text = process::display(&command);
    say(&format!("   {text} (limit {} min)", INSTALL_LIMIT.as_secs() / 60));
    // Its output is shown as it comes.
    let status = process::run_group(command, INSTALL_LIMIT)?;
    if !status.success() {
        return Err(Error::Setup(format!(
            "`{text}` ended with {status}: Google's packages come from PyPI (or the index that pip is set up with)"
        )));
    }
    let complete = directory.join(COMPLETE);
    fs::write(&complete, "").map_err(|source| Error::path("write", &complete, source))?;
    say(&format!("   installed after {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

/// A Python that is new enough and has venv.
fn interpreter() -> Result<PathBuf, Error> {
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
                "the conformance check needs python3 {OLDEST} or newer with venv (on Debian and Ubuntu: apt-get \
                 install python3 python3-venv); to go without it: cargo xtask test --skip conformance"
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

fn cache() -> Result<PathBuf, Error> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let base = match (set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => PathBuf::from(home).join(".cache"),
        (None, None) => {
            return Err(Error::Setup(
                "neither XDG_CACHE_HOME nor HOME is set: no place for Google's Python packages".to_owned(),
            ));
        }
    };
    Ok(base.join("adconversion").join("conformance"))
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
        let text = include_str!("../../../tests/conformance/requirements.txt");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (pinned, loose): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains("=="));
        assert!(pinned.iter().any(|line| line.starts_with("google-ads==")), "{pinned:?}");
        assert!(loose.is_empty(), "{loose:?}");
    }
}
