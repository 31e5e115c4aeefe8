//! `cargo xtask`: test command, demo, control plane.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use xtask::control_plane::{ControlPlane, Options};
use xtask::suite::{self, Extent, Step};
use xtask::{Error, conformance, demo, supervisor, tools};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Developer tooling")]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Runs every check: format, spelling, workflows, dependencies, lints, build, tests, demo, conformance, the image's
    /// last stage. `--only image` makes the whole image, from a release build
    Test {
        /// Runs this step and no other; may be repeated
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<Step>,
        /// Leaves this step out; may be repeated
        #[arg(long, value_enum, value_delimiter = ',')]
        skip: Vec<Step>,
        /// Runs all there is in place of a sample: every fault, odd
        /// answer and case, 1,024 cases of each property. About two hours
        #[arg(long)]
        whole: bool,
    },
    /// Checks requests to Google with Google's own message classes, and the normalisation with its formatter
    Conformance {
        /// Log of the sandbox's requests; if absent: the one that the tests left
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
    /// Shows the operator at work against the sandbox, from the manifests in examples/
    Demo {
        /// Leaves everything running at the end, until Ctrl-C
        #[arg(long)]
        keep: bool,
        /// Uses the cluster of this kubeconfig context instead of starting a control plane
        #[arg(long, value_name = "NAME")]
        context: Option<String>,
    },
    /// Starts a Kubernetes control plane on loopback and runs it until Ctrl-C
    ControlPlane {
        /// Keeps its directory (data, logs) after the end
        #[arg(long)]
        keep: bool,
        /// Starts without kube-controller-manager
        #[arg(long)]
        no_controller_manager: bool,
    },
    /// Starts and ends processes on behalf of another process
    #[command(hide = true)]
    Supervise {
        #[arg(long)]
        directory: PathBuf,
        #[arg(long)]
        keep: bool,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Subcommands::Test { only, skip, whole } => {
            let extent = if whole { Extent::Whole } else { Extent::Sample };
            suite::run(&only, &skip, extent)
        }
        Subcommands::Conformance { log } => conformance::command(log.as_deref()),
        Subcommands::Demo { keep, context } => demo::run(&demo::Options { keep, context }),
        Subcommands::ControlPlane {
            keep,
            no_controller_manager,
        } => control_plane(keep, !no_controller_manager).map(|()| true),
        Subcommands::Supervise { directory, keep } => supervisor::serve(&directory, keep).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn control_plane(keep: bool, controller_manager: bool) -> Result<(), Error> {
    let start = Instant::now();
    let plane = ControlPlane::start(&Options {
        controller_manager,
        keep_files: keep,
        ..Options::default()
    })?;
    println!(
        "Kubernetes {} is ready after {:.1} s at {}",
        tools::kubernetes_version(),
        start.elapsed().as_secs_f64(),
        plane.url()
    );
    println!("  export KUBECONFIG={}", plane.admin_kubeconfig().display());
    println!("  {} get namespaces", tools::kubectl()?.display());
    println!("  logs: {}/*.log", plane.directory().display());
    println!("Ctrl-C ends it.");
    loop {
        plane.check()?;
        thread::sleep(Duration::from_secs(1));
    }
}
