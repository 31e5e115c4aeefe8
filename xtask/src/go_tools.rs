//! Checkers that are Go programs, pinned in `xtask/checks/go.mod`. Go builds them and keeps them in its own cache.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

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
}

impl GoTool {
    /// Those that tests use.
    const OF_TESTS: [Self; 4] = [Self::Kubeconform, Self::KubeScore, Self::HelmDocs, Self::Lua];

    const fn name(self) -> &'static str {
        match self {
            Self::Actionlint => "actionlint",
            Self::Kubeconform => "kubeconform",
            Self::KubeScore => "kube-score",
            Self::HelmDocs => "helm-docs",
            Self::Lua => "glua",
        }
    }

    /// Arguments with which it ends at once.
    const fn idle(self) -> &'static [&'static str] {
        match self {
            Self::Actionlint => &["-version"],
            Self::Kubeconform | Self::Lua => &["-v"],
            Self::KubeScore => &["version"],
            Self::HelmDocs => &["--help"],
        }
    }

    /// The command without arguments. It runs in `xtask/checks`: give it full paths.
    pub fn command(self) -> Command {
        let mut command = Command::new("go");
        command
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("checks"))
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
        .try_for_each(|tool| tool.ensure("cargo xtask test --skip control-plane,test"))
}
