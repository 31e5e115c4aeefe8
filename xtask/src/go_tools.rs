//! Checkers that are Go programs, pinned in `xtask/checks/go.mod` and `xtask/gitops/go.mod`, and what the tests need of
//! the modules of Flux and Argo CD. Go builds and fetches them, and keeps them in its own cache.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::Error;
use crate::process::{self, say};

/// Limit for building one of them, with its modules fetched.
const BUILD_LIMIT: Duration = Duration::from_mins(10);

/// A checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoTool {
    /// Workflows of GitHub Actions.
    Actionlint,
    /// Manifests by the schemas of an API server.
    Kubeconform,
    /// Manifests by what is good practice.
    KubeScore,
    /// The chart's README by its values.
    HelmDocs,
    /// Lua, as Argo CD runs it.
    Lua,
    /// Definitions of kinds from their types in Go.
    ControllerGen,
}

/// The packages with the kinds of Flux that `deploy/flux` has.
const FLUX: [&str; 3] = [
    "paths=github.com/fluxcd/helm-controller/api/v2",
    "paths=github.com/fluxcd/kustomize-controller/api/v1",
    "paths=github.com/fluxcd/source-controller/api/v1",
];
/// The oldest version of Argo CD that is still maintained (November 2026), and the hash of its module.
const ARGO_CD: [&str; 2] = [
    "github.com/argoproj/argo-cd/v3@v3.4.13",
    "h1:kmnF4nE5SQ83OhtdX6DMmLSpH0eRIa1gNYdCLNHqB+A=",
];

impl GoTool {
    /// Those that tests use.
    const OF_TESTS: [Self; 5] = [
        Self::Kubeconform,
        Self::KubeScore,
        Self::HelmDocs,
        Self::Lua,
        Self::ControllerGen,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Actionlint => "actionlint",
            Self::Kubeconform => "kubeconform",
            Self::KubeScore => "kube-score",
            Self::HelmDocs => "helm-docs",
            Self::Lua => "glua",
            Self::ControllerGen => "controller-gen",
        }
    }

    /// Arguments with which it ends at once.
    const fn idle(self) -> &'static [&'static str] {
        match self {
            Self::Actionlint => &["-version"],
            Self::Kubeconform | Self::Lua => &["-v"],
            Self::KubeScore => &["version"],
            Self::HelmDocs => &["--help"],
            // It fetches the types too.
            Self::ControllerGen => &["crd", FLUX[0], FLUX[1], FLUX[2], "output:none"],
        }
    }

    /// Where it is pinned, below `xtask`.
    const fn directory(self) -> &'static str {
        match self {
            Self::ControllerGen => "gitops",
            _ => "checks",
        }
    }

    /// The command without arguments. It runs in a directory of `xtask`: give it full paths.
    pub fn command(self) -> Command {
        let mut command = Command::new("go");
        command
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(self.directory()))
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .args(["tool", self.name()]);
        command
    }

    /// Has Go build it, where its cache does not have it yet. `without` says how to go without it.
    ///
    /// # Errors
    /// Where it can't be built.
    pub fn ensure(self, without: &str) -> Result<(), Error> {
        let mut build = self.command();
        build.args(self.idle());
        process::run(build, None, BUILD_LIMIT)
            .and_then(process::Output::ok)
            .map(drop)
            .map_err(|error| {
                Error::Setup(format!(
                    "{} must be built with Go >= 1.26 (https://go.dev/dl); to go without it: {without}\n{error}",
                    self.name()
                ))
            })
    }
}

/// Has Go build all that tests use.
///
/// # Errors
/// As for each.
pub fn ensure_for_tests() -> Result<(), Error> {
    say("checkers of the chart are built by Go where its cache does not have them yet");
    GoTool::OF_TESTS
        .iter()
        .try_for_each(|tool| tool.ensure("cargo xtask test --skip control-plane,test"))?;
    argo_cd().map(drop)
}

/// The definitions of Flux's kinds, as YAML.
///
/// # Errors
/// Where they can't be made.
pub fn definitions_of_flux() -> Result<String, Error> {
    let mut command = GoTool::ControllerGen.command();
    command.arg("crd").args(FLUX).arg("output:stdout");
    process::run(command, None, BUILD_LIMIT)?.ok()
}

/// The definition of Argo CD's Application, as YAML.
///
/// # Errors
/// Where its module can't be had, or is another one than is pinned.
pub fn definition_of_argo_cd() -> Result<String, Error> {
    let path = argo_cd()?.join("manifests/crds/application-crd.yaml");
    fs::read_to_string(&path).map_err(|source| Error::path("read", &path, source))
}

/// The directory of Argo CD's module: nothing of it is built.
fn argo_cd() -> Result<PathBuf, Error> {
    let [module, sum] = ARGO_CD;
    let mut command = Command::new("go");
    command.current_dir(env::temp_dir()).env("GOWORK", "off");
    command.args(["mod", "download", "-json", module]);
    let text = process::run(command, None, BUILD_LIMIT)?.ok()?;
    let about: Value =
        serde_json::from_str(&text).map_err(|error| Error::Failed(format!("go mod download: {error}")))?;
    let member = |name: &str| about.get(name).and_then(Value::as_str).unwrap_or_default();
    if member("Sum") != sum {
        return Err(Error::Failed(format!(
            "{module} has the hash {}, not {sum}",
            member("Sum")
        )));
    }
    Ok(PathBuf::from(member("Dir")))
}
