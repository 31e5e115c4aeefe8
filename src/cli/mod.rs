//! Commands of the binary; the one place where everything is wired.

mod flags;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use flags::RunFlags;

/// Tells Google Ads when HubSpot contacts reach a lifecycle stage: a Kubernetes operator.
#[derive(Debug, Parser)]
#[command(name = "adconversion", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator. Every flag can be given as ADCONVERSION_<FLAG> in the environment too.
    Run(Box<RunFlags>),
    /// Print the custom resource definitions as YAML.
    Crds,
}

/// Carries out the command line. The exit code is 0 after a graceful stop, 1 after an error (which is printed).
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(flags) => run::run(*flags),
        Command::Crds => crds(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Why a command failed, for people.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;

fn crds() -> Result<(), CommandError> {
    print!("{}", crate::api::crds_yaml()?);
    Ok(())
}
