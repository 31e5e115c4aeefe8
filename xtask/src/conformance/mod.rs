//! Conformance with Google: the requests of the end-to-end tests are parsed with Google's own message classes, and our
//! normalisation table is compared with Google's own formatter (`tests/conformance`, Python).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Error;
use crate::process::{self, say};
use crate::python::{self, Packages};
use crate::suite::{cargo, repository, target_directory};

/// Where tests append the sandbox's request log, one JSON list a line.
pub const REQUEST_LOG: &str = "ADCONVERSION_REQUEST_LOG";
/// Where the test of the normalisation writes its table as JSON.
const TABLE: &str = "NORMALISATION_TABLE";
/// Limit of one run of a checker: a log has at most some 10,000 requests.
const CHECK_LIMIT: Duration = Duration::from_mins(5);
/// Limit for building and running the test that writes the table.
const TABLE_LIMIT: Duration = Duration::from_mins(25);

/// The request log of the last run of the tests.
pub fn request_log(root: &Path) -> Result<PathBuf, Error> {
    Ok(directory(root)?.join("requests.json"))
}

/// Removes what an earlier run of the tests left, and makes sure of the directory: tests append to the log.
pub fn prepare(root: &Path) -> Result<PathBuf, Error> {
    let log = request_log(root)?;
    let directory = directory(root)?;
    fs::create_dir_all(&directory).map_err(|source| Error::path("create", &directory, source))?;
    remove(&log)?;
    Ok(log)
}

/// `cargo xtask conformance`: checks the given log, or the one that the tests left. True: there is no other success.
pub fn command(log: Option<&Path>) -> Result<bool, Error> {
    run(&repository()?, log).map(|()| true)
}

/// Runs everything: the checkers' own tests, the table, the log. All of it, also when a part fails.
pub fn run(root: &Path, log: Option<&Path>) -> Result<(), Error> {
    let scripts = root.join("tests").join("conformance");
    let packages = Packages {
        name: "conformance",
        what: "Google's Python packages",
        requirements: &scripts.join("requirements.txt"),
        probe: "import google.ads.datamanager_util",
        without: "test --skip conformance",
    };
    let python = python::bin(&packages)?.join("python");
    let check = |script: &str, argument: &Path| {
        let mut command = Command::new(&python);
        // Nothing is written into the repository, and the text is UTF-8 whatever the locale.
        command
            .args(["-B", "-X", "utf8"])
            .arg(scripts.join(script))
            .arg(argument);
        passes(command, CHECK_LIMIT)
    };
    let selftest = Path::new("--selftest");
    let outcomes = [
        check("check_normalisation.py", selftest),
        check("check_requests.py", selftest),
        table(root).and_then(|table| check("check_normalisation.py", &table)),
        given(root, log).and_then(|log| check("check_requests.py", &log)),
    ];
    let failures: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() {
        return Ok(());
    }
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    Err(Error::Failed(texts.join("\n")))
}

/// The log to be checked, which must exist.
fn given(root: &Path, log: Option<&Path>) -> Result<PathBuf, Error> {
    let path = log.map_or_else(|| request_log(root), |log| Ok(log.to_owned()))?;
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Setup(format!(
        "{} does not exist: it is what the end-to-end tests leave. Run `cargo xtask test`, or name a log \
         (`GET /admin/requests` of the sandbox) with --log",
        path.display()
    )))
}

/// Has the test of the normalisation write its table.
fn table(root: &Path) -> Result<PathBuf, Error> {
    let directory = directory(root)?;
    fs::create_dir_all(&directory).map_err(|source| Error::path("create", &directory, source))?;
    let path = directory.join("normalisation.json");
    remove(&path)?;
    // The whole workspace, so that what the step before it built is used.
    let mut command = cargo(
        root,
        &["test", "--quiet", "--workspace", "--test", "it", "normalisation::"],
    );
    command.env(TABLE, &path);
    passes(command, TABLE_LIMIT)?;
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Failed(format!(
        "the test of the normalisation wrote no {}",
        path.display()
    )))
}

fn passes(command: Command, limit: Duration) -> Result<(), Error> {
    let text = process::display(&command);
    say(&format!("   {text}"));
    let status = process::run_group(command, limit)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed(format!("`{text}` ended with {status}")))
}

fn directory(root: &Path) -> Result<PathBuf, Error> {
    Ok(target_directory(root)?.join("conformance"))
}

/// Removes a file; that there is none is fine.
fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::path("remove", path, source)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_missing_says_where_it_comes_from() {
        let root = repository().unwrap();
        let error = given(&root, Some(Path::new("/nonexistent/requests.json"))).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("/nonexistent/requests.json") && text.contains("cargo xtask test"),
            "{text}"
        );
    }

    #[test]
    fn a_log_that_is_named_is_taken() {
        let root = repository().unwrap();
        let log = root.join("Cargo.toml");
        assert_eq!(given(&root, Some(&log)).unwrap(), log);
        assert!(request_log(&root).unwrap().ends_with("conformance/requests.json"));
    }
}
