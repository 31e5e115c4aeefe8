//! Commands of the binary; the one place where everything is wired.

mod candidate;
mod cluster;
mod command_error;
mod flags;
mod leader_flags;
mod ledger;
mod open_ledger;
mod process;
mod run;
mod uninstall;
mod work;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use command_error::CommandError;
pub use flags::RunFlags;

/// A Kubernetes operator that tells Google Ads when HubSpot contacts reach a lifecycle stage or submit a form.
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
    /// Move the ledger to another database.
    Ledger(ledger::LedgerFlags),
    /// Remove the operator's finalizer from events and accounts, once no operator runs any more, so that they, their
    /// namespaces and the definitions can be deleted. Nothing else is changed. Without --yes they are only listed; on a
    /// terminal you are asked. The exit code is 0 if none has the finalizer any more, 1 if some still have it, 2 if the
    /// cluster could not be read or written.
    Uninstall(uninstall::UninstallFlags),
}

/// Carries out the command line. Errors are printed; their exit code is 1, and 2 for commands where 1 is a finding.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let (result, failure) = match cli.command {
        Command::Run(flags) => (run::run(*flags).map(|()| ExitCode::SUCCESS), 1),
        Command::Crds => (crds().map(|()| ExitCode::SUCCESS), 1),
        Command::Ledger(flags) => (ledger::run(&flags), 2),
        Command::Uninstall(flags) => (uninstall::run(&flags), 2),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(failure)
    })
}

fn crds() -> Result<(), CommandError> {
    print!("{}", crate::api::crds_yaml()?);
    Ok(())
}
