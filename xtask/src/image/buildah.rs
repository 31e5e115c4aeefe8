//! The last stage of the image, built by buildah from scratch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::start::{self, USER};
use crate::Error;
use crate::browser::{as_root, install};
use crate::process::{self, say};

/// Limit of each call.
const LIMIT: Duration = Duration::from_mins(5);
/// First line of the Dockerfile's last stage.
const LAST_STAGE: &str = "FROM ${RUNTIME}";
/// Where the public authorities' certificates are.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
const IMAGE: &str = "localhost/adconversion-operator";
const RUNTIME: &str = "localhost/runtime";

/// buildah with a store of its own.
pub(super) struct Buildah {
    directory: PathBuf,
}

impl Buildah {
    /// Installs buildah where it is missing, and begins with an empty store in this directory.
    pub(super) fn start(directory: &Path) -> Result<Self, Error> {
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
    pub(super) fn remove(&self) -> Result<(), Error> {
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

    /// Builds the stage with these programs, looks at what it says of itself, and runs them in it.
    pub(super) fn check(&self, root: &Path, dockerfile: &str, programs: &[PathBuf]) -> Result<(), Error> {
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
        self.run_programs(root)
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

    fn run_programs(&self, root: &Path) -> Result<(), Error> {
        let container = self.run(&["from", IMAGE])?;
        let mount = self.run(&["mount", &container])?;
        for (program, argument, says) in [
            ("adconversion", "version", "adconversion "),
            ("adconversion", "--help", "Usage: adconversion"),
            ("adconversion", "crds", "name: adconversionevents.adconversion.dev"),
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
        let started = start::check(root, &self.directory, &mount);
        self.run(&["umount", &container])?;
        started
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
