//! The container image, as far as a machine without a container engine can make it: the programs are built from exactly
//! the files that the `Dockerfile` copies, its last stage is built by buildah on a stand-in of the runtime's image, the programs
//! run in the result as its user, and the end-to-end test of the examples runs with these very programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::browser::{as_root, install};
use crate::process::{self, say};
use crate::supervisor::XTASK_BIN;
use crate::tools::{self, Tool};
use crate::{Error, suite};

/// Programs of the image.
const PROGRAMS: [&str; 2] = ["adconversion", "adconversion-sandbox"];
/// Limit of the release build.
const BUILD_LIMIT: Duration = Duration::from_hours(1);
/// Limit of the end-to-end test, with the build of what runs it.
const SMOKE_LIMIT: Duration = Duration::from_mins(30);
/// The end-to-end test that runs with the release's programs: the chart's own arguments to both of them, and the examples.
const SMOKE: &str = "chart::sandbox::the_examples_count_without_any_account";
/// Limit of each other step.
const LIMIT: Duration = Duration::from_mins(5);
/// First line of the Dockerfile's last stage.
const LAST_STAGE: &str = "FROM ${RUNTIME}";
/// Where the public authorities' certificates are.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
const USER: &str = "65532:65532";
const IMAGE: &str = "localhost/adconversion-operator";
const RUNTIME: &str = "localhost/runtime";

/// Builds the image and runs both programs in it. The release build takes many minutes the first time.
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
    let buildah = Buildah::start(&target.join("buildah"))?;
    let result = buildah.check(&dockerfile, &programs);
    buildah.remove()?;
    result?;
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

/// buildah with a store of its own.
struct Buildah {
    directory: PathBuf,
}

impl Buildah {
    fn start(directory: &Path) -> Result<Self, Error> {
        let mut probe = Command::new("buildah");
        probe.arg("--version");
        if process::run(probe, None, LIMIT).is_err() {
            install("buildah").map_err(|error| {
                Error::Setup(format!(
                    "buildah is missing and could not be installed: install the package buildah\n{error}"
                ))
            })?;
        }
        let this = Self {
            directory: directory.to_owned(),
        };
        this.remove()?;
        fs::create_dir_all(directory).map_err(|source| Error::path("create", directory, source))?;
        Ok(this)
    }

    /// Its store belongs to root.
    fn remove(&self) -> Result<(), Error> {
        let directory = self.directory.display().to_string();
        process::run(as_root(&["rm", "-rf", &directory]), None, LIMIT)?
            .ok()
            .map(drop)
    }

    fn run(&self, arguments: &[&str]) -> Result<String, Error> {
        let [root, run] = ["root", "run"].map(|name| self.directory.join(name).display().to_string());
        let store = ["buildah", "--storage-driver", "vfs", "--root", &root, "--runroot", &run];
        let command = as_root(&[&store[..], arguments].concat());
        Ok(process::run(command, None, LIMIT)?.ok()?.trim().to_owned())
    }

    fn check(&self, dockerfile: &str, programs: &[PathBuf]) -> Result<(), Error> {
        self.make_runtime(programs)?;
        let context = self.directory.join("context");
        let out = context.join("out");
        fs::create_dir_all(&out).map_err(|source| Error::path("create", &out, source))?;
        for program in programs {
            install_file(program, &out.join(program.file_name().unwrap_or_default()))?;
        }
        let file = context.join("Dockerfile");
        fs::write(&file, last_stage(dockerfile)?).map_err(|source| Error::path("write", &file, source))?;
        let context = context.display().to_string();
        let argument = format!("RUNTIME={RUNTIME}");
        let options = ["--isolation", "chroot", "--build-arg", &argument, "--tag", IMAGE];
        self.run(&[&["build"], &options[..], &[context.as_str()]].concat())?;
        self.check_settings()?;
        self.say_sizes(programs)?;
        self.run_programs()
    }

    /// Says how large the image is, on the libraries of this machine, and what of it the programs are.
    fn say_sizes(&self, programs: &[PathBuf]) -> Result<(), Error> {
        let size = self.run(&["images", "--noheading", "--format", "{{.Size}}", IMAGE])?;
        say(&format!("   the image on this machine's libraries: {size}"));
        for program in programs {
            let file = fs::metadata(program).map_err(|source| Error::path("read", program, source))?;
            let name = program.file_name().unwrap_or_default().display();
            say(&format!("   of it {name}: {} kB", file.len() / 1000));
        }
        Ok(())
    }

    /// A stand-in of the runtime's image, which cannot be fetched here: this machine's libraries and certificates.
    fn make_runtime(&self, programs: &[PathBuf]) -> Result<(), Error> {
        let base = self.directory.join("base");
        for program in programs {
            let mut ask = Command::new("ldd");
            ask.arg(program);
            let needed = process::run(ask, None, LIMIT)?.ok()?;
            for library in needed.split_whitespace().filter(|word| word.starts_with('/')) {
                install_file(Path::new(library), &base.join(&library[1..]))?;
            }
        }
        install_file(&Path::new("/").join(CERTIFICATES), &base.join(CERTIFICATES))?;
        let container = self.run(&["from", "scratch"])?;
        self.run(&["copy", &container, &base.display().to_string(), "/"])?;
        self.run(&["commit", &container, RUNTIME]).map(drop)
    }

    fn check_settings(&self) -> Result<(), Error> {
        let text = self.run(&["inspect", "--type", "image", IMAGE])?;
        let image: Value =
            serde_json::from_str(&text).map_err(|error| Error::Failed(format!("buildah inspect: {error}")))?;
        let at = |pointer: &str| image.pointer(pointer).cloned().unwrap_or_default();
        let expected = [
            ("/OCIv1/config/User", Value::from(USER)),
            (
                "/OCIv1/config/Entrypoint",
                Value::from(vec!["/usr/local/bin/adconversion"]),
            ),
            (
                "/OCIv1/config/Labels/org.opencontainers.image.licenses",
                Value::from("Apache-2.0"),
            ),
        ];
        for (pointer, value) in expected {
            if at(pointer) != value {
                return Err(Error::Failed(format!(
                    "the image has {} at {pointer}, not {value}",
                    at(pointer)
                )));
            }
        }
        Ok(())
    }

    fn run_programs(&self) -> Result<(), Error> {
        let container = self.run(&["from", IMAGE])?;
        let mount = self.run(&["mount", &container])?;
        for (program, argument, says) in [
            ("adconversion", "version", "adconversion "),
            ("adconversion", "--help", "Usage: adconversion"),
            ("adconversion-sandbox", "--help", "Usage: adconversion-sandbox"),
        ] {
            let path = format!("/usr/local/bin/{program}");
            let user = format!("--userspec={USER}");
            let output = process::run(as_root(&["chroot", &user, &mount, &path, argument]), None, LIMIT)?.ok()?;
            if !output.contains(says) {
                return Err(Error::Failed(format!(
                    "{program} {argument} in the image says:\n{output}"
                )));
            }
            say(&format!("   {program} {argument} in the image: ok"));
        }
        self.run(&["umount", &container]).map(drop)
    }
}

/// The Dockerfile's last stage over a stage that only has the programs.
fn last_stage(dockerfile: &str) -> Result<String, Error> {
    let start = dockerfile
        .find(LAST_STAGE)
        .ok_or_else(|| Error::Failed(format!("the Dockerfile has no line {LAST_STAGE}")))?;
    let stage = &dockerfile[start..];
    Ok(format!("ARG RUNTIME\nFROM scratch AS build\nCOPY out /out\n{stage}"))
}

/// A file with the directories above it; what a link leads to.
fn install_file(from: &Path, to: &Path) -> Result<(), Error> {
    let mut command = Command::new("install");
    command.args(["-D", "--mode=755"]).arg(from).arg(to);
    process::run(command, None, LIMIT)?.ok().map(drop)
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

    #[test]
    fn the_last_stage_stands_alone() {
        let text = "ARG RUNTIME=x\nFROM rust AS build\nCOPY src src\nFROM ${RUNTIME}\nUSER 1\n";
        let stage = last_stage(text).unwrap();
        assert_eq!(
            stage,
            "ARG RUNTIME\nFROM scratch AS build\nCOPY out /out\nFROM ${RUNTIME}\nUSER 1\n"
        );
        assert!(last_stage("FROM scratch").is_err());
    }
}
