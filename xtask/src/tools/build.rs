//! Building the binaries from pinned Go modules, once, with progress.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{GO_MOD, GO_SUM, Tool, kubernetes_version};
use crate::Error;
use crate::process::{self, say};

const PROGRESS: Duration = Duration::from_secs(20);
/// Limit of one `go build`, downloads included.
const BUILD_LIMIT: Duration = Duration::from_mins(40);
const LOCK_LIMIT: Duration = Duration::from_hours(1);

/// What is built by one `go build`: what a control plane needs comes first, and no two have the same name of a file.
const BATCHES: [&[Tool]; 4] = [
    &[Tool::Etcd],
    &[Tool::KubeApiserver, Tool::Kubectl],
    &[Tool::KubeControllerManager, Tool::Helm],
    &[Tool::Helm3],
];

/// Builds the tools that are still missing under `cache/bin`. Two builders at
/// once wait for each other; a build that fails leaves nothing behind.
pub(super) fn build(cache: &Path, wanted: &[Tool]) -> Result<(), Error> {
    require_go(wanted)?;
    let bin = cache.join("bin");
    fs::create_dir_all(&bin).map_err(|source| Error::path("create", &bin, source))?;
    let _lock = lock(&cache.join("lock"))?;
    let workspace = Workspace::create(cache)?;
    require_go_version(&workspace.0)?;
    for batch in BATCHES {
        let batch: Vec<Tool> = batch
            .iter()
            .copied()
            .filter(|tool| wanted.contains(tool) && !bin.join(tool.name()).is_file())
            .collect();
        if !batch.is_empty() {
            build_batch(&workspace.0, &bin, &batch)?;
        }
    }
    Ok(())
}

fn build_batch(workspace: &Path, bin: &Path, batch: &[Tool]) -> Result<(), Error> {
    let names = batch.iter().map(|tool| tool.name()).collect::<Vec<_>>();
    let names = names.join(" and ");
    let output = workspace.join("out");
    fs::create_dir_all(&output).map_err(|source| Error::path("create", &output, source))?;
    let log_path = workspace.join("log");
    let log = File::create(&log_path).map_err(|source| Error::path("create", &log_path, source))?;
    let mut command = go_build(workspace, &output, batch);
    let text = process::display(&command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|source| Error::io(format!("start `{text}`"), source))?;
    let start = Instant::now();
    say(&format!("building {names} (once; then they are cached)"));
    let status = loop {
        let left = BUILD_LIMIT.saturating_sub(start.elapsed());
        if let Some(status) = process::wait(&mut child, PROGRESS.min(left))? {
            break status;
        }
        if left.is_zero() {
            process::kill(&mut child)?;
            return Err(Error::Timeout {
                what: format!("building {names}"),
                seconds: BUILD_LIMIT.as_secs(),
                detail: String::new(),
            });
        }
        say(&format!("building {names}: {} s", start.elapsed().as_secs()));
    };
    if !status.success() {
        let log = fs::read_to_string(&log_path).map_err(|source| Error::path("read", &log_path, source))?;
        return Err(Error::Command {
            command: text,
            status: status.to_string(),
            output: process::tail(&log, 30),
        });
    }
    for tool in batch {
        let (from, to) = (output.join(built_name(*tool)), bin.join(tool.name()));
        fs::rename(&from, &to).map_err(|source| Error::path("install", &to, source))?;
    }
    say(&format!("built {names} in {} s", start.elapsed().as_secs()));
    Ok(())
}

fn go_build(workspace: &Path, output: &Path, batch: &[Tool]) -> Command {
    let mut command = process::tied(Path::new("go"));
    command
        .current_dir(workspace)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .args(["build", "-mod=readonly", "-trimpath", "-ldflags"])
        .arg(linker_flags(kubernetes_version()))
        .arg("-o")
        .arg(output.join(""))
        .args(batch.iter().map(|tool| tool.package()));
    command
}

/// Stripped, and with the version that the servers report, and for which Helm 3 renders: without it the ones call
/// themselves v0.0.0, and the other one takes it for 1.20.
fn linker_flags(version: &str) -> String {
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or("0"), parts.next().unwrap_or("0"));
    let package = "k8s.io/component-base/version";
    let mut flags =
        format!("-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}");
    for package in ["pkg/chartutil", "pkg/lint/rules"] {
        let package = format!("helm.sh/helm/v3/{package}");
        // Writing to a string cannot fail.
        let _ = write!(
            flags,
            " -X {package}.k8sVersionMajor={major} -X {package}.k8sVersionMinor={minor}"
        );
    }
    flags
}

/// The file name `go build` gives a tool: the last path element that is no
/// major version.
fn built_name(tool: Tool) -> &'static str {
    match tool {
        Tool::Etcd => "server",
        Tool::Helm3 => "helm",
        other => other.name(),
    }
}

fn require_go(wanted: &[Tool]) -> Result<(), Error> {
    let mut command = Command::new("go");
    command.arg("version");
    if process::run(command, None, Duration::from_secs(30)).is_ok_and(|output| output.success()) {
        return Ok(());
    }
    let names = wanted.iter().map(|tool| tool.name()).collect::<Vec<_>>();
    Err(Error::Setup(format!(
        "{} must be built, and there is no Go on this machine. Either install Go >= 1.26 \
         (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver \
         and kubectl (`setup-envtest use -p path` gives one; put kube-controller-manager and helm \
         beside them where they are asked for)",
        names.join(", ")
    )))
}

/// Inside the module, an older Go fetches the toolchain that go.mod asks for, or
/// says that it must not.
fn require_go_version(workspace: &Path) -> Result<(), Error> {
    let mut command = Command::new("go");
    command.current_dir(workspace).args(["env", "GOVERSION"]);
    process::run(command, None, Duration::from_mins(10))?
        .ok()
        .map(drop)
        .map_err(|error| {
            Error::Setup(format!(
                "Go >= 1.26 is needed to build the control plane; or set KUBEBUILDER_ASSETS: {error}"
            ))
        })
}

fn lock(path: &Path) -> Result<File, Error> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| Error::path("open", path, source))?;
    let start = Instant::now();
    let mut said = None;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(Error::path("lock", path, source)),
        }
        if start.elapsed() >= LOCK_LIMIT {
            return Err(Error::Timeout {
                what: format!("another build that holds {}", path.display()),
                seconds: LOCK_LIMIT.as_secs(),
                detail: String::new(),
            });
        }
        if said.is_none_or(|at: Instant| at.elapsed() >= PROGRESS) {
            let seconds = start.elapsed().as_secs();
            say(&format!("waiting for another build of the control plane: {seconds} s"));
            said = Some(Instant::now());
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// A directory with the module files, on the file system of the cache so that
/// results can be renamed into place. Removed at the end.
struct Workspace(PathBuf);

impl Workspace {
    /// Call only while holding the lock: what a killed builder left is removed.
    fn create(cache: &Path) -> Result<Self, Error> {
        let path = cache.join("build");
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|source| Error::path("remove", &path, source))?;
        }
        fs::create_dir_all(&path).map_err(|source| Error::path("create", &path, source))?;
        let workspace = Self(path);
        for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
            let file = workspace.0.join(name);
            fs::write(&file, text).map_err(|source| Error::path("write", &file, source))?;
        }
        Ok(workspace)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            say(&format!("remove {}: {error}", self.0.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_linker_sets_the_version() {
        let flags = linker_flags("v1.37.2");
        assert!(flags.contains("gitVersion=v1.37.2 "), "{flags}");
        assert!(flags.contains("gitMajor=1 -X"), "{flags}");
        assert!(flags.contains("gitMinor=37 -X"), "{flags}");
        assert!(flags.contains("chartutil.k8sVersionMajor=1 -X"), "{flags}");
        assert!(flags.ends_with("rules.k8sVersionMinor=37"), "{flags}");
    }

    #[test]
    fn every_tool_is_in_one_batch() {
        for tool in Tool::ALL {
            let batches = BATCHES.iter().filter(|batch| batch.contains(&tool));
            assert_eq!(batches.count(), 1, "{}", tool.name());
        }
        for batch in BATCHES {
            let names: BTreeSet<_> = batch.iter().map(|tool| built_name(*tool)).collect();
            assert_eq!(names.len(), batch.len(), "{names:?}");
        }
    }
}
