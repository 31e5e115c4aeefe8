//! The container image, as far as a machine without a container engine can make it: the `Dockerfile`'s last stage is
//! built by buildah on a stand-in of the runtime's image, and its programs run in the result as its user. Every day
//! these are the programs that the tests run; on demand a release, built from exactly the files that the `Dockerfile`
//! copies, with which the end-to-end test of the examples runs too.

mod buildah;
mod start;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{self, say};
use crate::supervisor::XTASK_BIN;
use crate::tools::{self, Tool};
use crate::{Error, suite};
use buildah::Buildah;

/// Programs of the image.
const PROGRAMS: [&str; 2] = ["adconversion", "adconversion-sandbox"];
/// Limit of the release build.
const BUILD_LIMIT: Duration = Duration::from_hours(1);
/// Limit of the end-to-end test, with the build of what runs it.
const SMOKE_LIMIT: Duration = Duration::from_mins(30);
/// The end-to-end test that runs with the release's programs:
/// the chart's own arguments to both of them, and the examples.
const SMOKE: &str = "chart::sandbox::the_examples_count_without_any_account";
/// Limit of each other step.
const LIMIT: Duration = Duration::from_mins(5);

/// Builds the image's last stage with the programs that the tests run, stripped like a release, and runs them in it.
pub fn check_last_stage(root: &Path) -> Result<(), Error> {
    let directory = suite::target_directory(root)?.join("image-stage");
    let programs = directory.join("programs");
    fs::create_dir_all(&programs).map_err(|source| Error::path("create", &programs, source))?;
    let stripped = PROGRAMS.map(|name| programs.join(name));
    for (_, built) in suite::programs_of_tests(root)? {
        if let Some(to) = stripped.iter().find(|to| to.file_name() == built.file_name()) {
            let mut strip = Command::new("strip");
            strip.arg("-o").arg(to).arg(&built);
            process::run(strip, None, LIMIT)?.ok()?;
        }
    }
    build_and_run(root, &directory, &stripped)
}

/// Builds the image's last stage with these programs and runs them in it.
fn build_and_run(root: &Path, directory: &Path, programs: &[PathBuf; 2]) -> Result<(), Error> {
    let dockerfile = read(&root.join("Dockerfile"))?;
    let buildah = Buildah::start(&directory.join("buildah"))?;
    let result = buildah.check(root, &dockerfile, programs);
    buildah.remove()?;
    result
}

/// Builds a release and its image, runs both programs in it, and the end-to-end test of the examples with them. The
/// release build takes many minutes the first time.
pub fn check(root: &Path) -> Result<(), Error> {
    let dockerfile = read(&root.join("Dockerfile"))?;
    let target = suite::target_directory(root)?.join("image");
    let source = target.join("source");
    copy_sources(root, &source, &dockerfile)?;
    say("   building the release from the files that the Dockerfile copies");
    let mut build = suite::cargo(&source, &["build", "--release", "--locked", "--target-dir"]);
    build.arg(target.join("target"));
    build.args([
        "--bins",
        "--package",
        "adconversion-operator",
        "--package",
        "adconversion-sandbox",
    ]);
    let status = process::run_group(build, BUILD_LIMIT)?;
    if !status.success() {
        return Err(Error::Failed(format!("the release build ended with {status}")));
    }
    let programs = PROGRAMS.map(|name| target.join("target").join("release").join(name));
    build_and_run(root, &target, &programs)?;
    say("   the end-to-end test of the examples, with the programs of the image");
    // Built here where no step before has done it.
    tools::ensure(&Tool::ALL)?;
    let xtask = std::env::current_exe().map_err(|error| Error::path("find", Path::new("xtask"), error))?;
    let status = process::run_group(smoke(root, &xtask, &programs), SMOKE_LIMIT)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "{SMOKE} with the release's programs ended with {status}"
    )))
}

/// The command of the end-to-end test, with these programs instead of those of the build for tests.
fn smoke(root: &Path, xtask: &Path, [operator, sandbox]: &[PathBuf; 2]) -> Command {
    let mut command = suite::cargo(
        root,
        &["test", "--package", "adconversion-operator", "--test", "it", "--"],
    );
    command
        .args(["--exact", SMOKE])
        .env(suite::OPERATOR_BIN, operator)
        .env(suite::SANDBOX_BIN, sandbox)
        .env(XTASK_BIN, xtask);
    command
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::path("read", path, source))
}

/// What the first stages copy out of the repository.
fn copied(dockerfile: &str) -> Vec<&str> {
    dockerfile
        .lines()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from="))
        .flat_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(1..words.len() - 1).unwrap_or_default().to_vec()
        })
        .collect()
}

/// A tree with what the Dockerfile copies and the stubs that it writes.
fn copy_sources(root: &Path, source: &Path, dockerfile: &str) -> Result<(), Error> {
    if source.exists() {
        fs::remove_dir_all(source).map_err(|error| Error::path("remove", source, error))?;
    }
    for path in copied(dockerfile) {
        let to = source.join(path);
        let parent = to.parent().unwrap_or(source);
        fs::create_dir_all(parent).map_err(|error| Error::path("create", parent, error))?;
        let mut copy = Command::new("cp");
        copy.args(["--recursive", "--preserve=timestamps"])
            .arg(root.join(path))
            .arg(&to);
        process::run(copy, None, LIMIT)?.ok()?;
    }
    // Targets of the manifests that are not built.
    let stubs = [
        "xtask/src/main.rs",
        "xtask/src/lib.rs",
        "tests/it/main.rs",
        "benches/throughput/main.rs",
        "benches/live/main.rs",
    ];
    for stub in stubs.map(|stub| source.join(stub)) {
        let parent = stub.parent().unwrap_or(source);
        fs::create_dir_all(parent).map_err(|error| Error::path("create", parent, error))?;
        fs::write(&stub, "fn main() {}\n").map_err(|error| Error::path("write", &stub, error))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_dockerfile_copies_what_there_is_and_what_is_not_ignored() {
        let root = suite::repository().unwrap();
        let dockerfile = read(&root.join("Dockerfile")).unwrap();
        let copied = copied(&dockerfile);
        assert!(copied.len() > 6, "{copied:?}");
        let ignore = read(&root.join(".dockerignore")).unwrap();
        let kept: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
        for path in &copied {
            assert!(root.join(path).exists(), "{path} is not there");
            assert!(kept.contains(path), "{path} is left out by .dockerignore");
        }
        assert_eq!(kept.len(), copied.len(), "{kept:?}");
    }

    #[test]
    fn the_end_to_end_test_is_there_and_runs_the_release() {
        let root = suite::repository().unwrap();
        let programs = PROGRAMS.map(|name| Path::new("/release").join(name));
        let command = smoke(&root, Path::new("/debug/xtask"), &programs);
        let given: Vec<String> = command
            .get_envs()
            .filter_map(|(name, value)| Some(format!("{}={}", name.display(), value?.display())))
            .collect();
        for expected in [
            "ADCONVERSION_BIN=/release/adconversion",
            "ADCONVERSION_SANDBOX_BIN=/release/adconversion-sandbox",
        ] {
            assert!(given.iter().any(|one| one == expected), "{given:?}");
        }
        // A test that is not there is no failure of cargo's.
        assert!(command.get_args().any(|argument| argument == SMOKE));
        let [directory, module, function] = SMOKE.split("::").collect::<Vec<_>>()[..] else {
            panic!("{SMOKE}");
        };
        let file = root.join("tests/it").join(directory).join(format!("{module}.rs"));
        let text = read(&file).unwrap();
        assert!(
            text.contains(&format!("#[test]\nfn {function}()")),
            "{}",
            file.display()
        );
        for variable in [suite::OPERATOR_BIN, suite::SANDBOX_BIN] {
            assert!(text.contains(&format!("binary(\"{variable}\"")), "{variable}");
        }
    }
}
