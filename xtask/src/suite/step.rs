//! The steps of the suite.

use std::fmt;
use std::time::Duration;

/// One step of the suite, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Step {
    /// Formatting.
    Fmt,
    /// Words, in code and documents.
    Spelling,
    /// The workflows of GitHub Actions.
    Workflows,
    /// Bans, licenses and sources of all dependencies.
    Dependencies,
    /// Known vulnerabilities of the dependencies, where the database can be had.
    Advisories,
    /// Lints, warnings denied.
    Clippy,
    /// All executables, as the end-to-end tests run them.
    Build,
    /// etcd, kube-apiserver, kubectl, kube-controller-manager and helm.
    ControlPlane,
    /// Unit, integration and end-to-end tests.
    Test,
    /// The ledger's tests, and some end-to-end ones, on PostgreSQL.
    Postgres,
    /// The demo, and that documents show what it prints.
    Demo,
    /// The tests' requests and the normalisation, judged by Google's own classes.
    Conformance,
    /// The last stage of the container image with the programs of the tests, which run in it.
    ImageStage,
    /// The container image, from a release build, and an end-to-end test
    /// with its programs. Only where it is asked for: it takes many minutes.
    Image,
}

impl Step {
    /// All steps in order.
    pub const ALL: [Self; 14] = [
        Self::Fmt,
        Self::Spelling,
        Self::Workflows,
        Self::Dependencies,
        Self::Advisories,
        Self::Clippy,
        Self::Build,
        Self::ControlPlane,
        Self::Test,
        Self::Postgres,
        Self::Demo,
        Self::Conformance,
        Self::ImageStage,
        Self::Image,
    ];
    /// Those that run only if they are named.
    pub(super) const ON_DEMAND: [Self; 1] = [Self::Image];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Spelling => "spelling",
            Self::Workflows => "workflows",
            Self::Dependencies => "dependencies",
            Self::Advisories => "advisories",
            Self::Clippy => "clippy",
            Self::Build => "build",
            Self::ControlPlane => "control-plane",
            Self::Test => "test",
            Self::Postgres => "postgres",
            Self::Demo => "demo",
            Self::Conformance => "conformance",
            Self::ImageStage => "image-stage",
            Self::Image => "image",
        }
    }

    pub(super) const fn limit(self) -> Duration {
        Duration::from_mins(match self {
            Self::Fmt => 2,
            // With the set-up of their programs, the first time.
            Self::Spelling | Self::Workflows | Self::Dependencies | Self::Advisories | Self::ImageStage => 20,
            Self::Clippy | Self::Build | Self::Postgres => 25,
            Self::ControlPlane => 40,
            Self::Test => 45,
            Self::Demo => 15,
            // Its parts have limits of their own, these together.
            Self::Conformance => 65,
            Self::Image => 105,
        })
    }

    /// Steps whose failure leaves nothing to be learned from this one.
    pub(super) const fn needs(self) -> &'static [Self] {
        match self {
            Self::Test | Self::Postgres | Self::Demo | Self::ImageStage => &[Self::Build, Self::ControlPlane],
            _ => &[],
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
