//! Commands of the binary; the one place where everything is wired.

mod admin_address;
mod ask;
mod candidate;
mod check;
mod cluster;
mod command_error;
mod completion;
mod endpoints;
mod exit_codes;
mod flags;
mod import;
mod kube_words;
mod layout;
mod leader_flags;
mod ledger;
mod names;
mod offline;
mod open_ledger;
mod output;
mod plan;
mod process;
mod progress;
mod read_words;
mod ready;
mod request;
mod run;
mod shortest;
mod uninstall;
mod wait_flags;
mod watch_ledger;
mod work;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches as _, Parser, Subcommand};

pub use command_error::CommandError;
use completion::Called;
use exit_codes::NOT_DONE;
pub use flags::RunFlags;

/// A Kubernetes operator that tells Google Ads when HubSpot contacts reach a lifecycle stage or submit a form.
///
/// Example: adconversion check -f manifests/ -f secrets.yaml
#[derive(Debug, Parser)]
#[command(name = "adconversion", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator. Every flag can be given as ADCONVERSION_<FLAG> in the environment too.
    ///
    /// Example: adconversion run --watch-namespaces marketing --ledger-url sqlite:///var/lib/adconversion/ledger.db
    #[allow(clippy::doc_markdown)] // the help shows it as it stands
    Run(Box<RunFlags>),
    /// Print the custom resource definitions as YAML.
    ///
    /// Example: adconversion crds | kubectl apply --server-side -f -
    Crds,
    /// Print the version.
    ///
    /// Example: adconversion version
    Version,
    /// Print a script that completes commands and flags in a shell.
    ///
    /// For kubectl adconversion, link the program as kubectl_complete-adconversion
    /// beside the plugin. kubectl runs it to complete.
    ///
    /// Example: source <(adconversion completion bash)
    Completion {
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Suspend an event or account: set spec.suspend to true. If the object is kept in Git, change it there; otherwise the
    /// change is reverted. The exit code is 0 if it was done, 1 if the object was not ready at the end of --wait, 2 if it could not
    /// be read or changed.
    ///
    /// Example: adconversion suspend adce became-customer --namespace marketing --wait
    Suspend(request::RequestFlags),
    /// Resume a suspended event or account. spec.resumePolicy decides about the conversions of the time between. The exit code is
    /// 0 if it was done, 1 if the object was not ready at the end of --wait, 2 if it could not be read or changed.
    ///
    /// Example: adconversion resume adce/became-customer --namespace marketing --wait
    Resume(request::RequestFlags),
    /// Ask the operator to look at an event or account now, with everything it depends on read again. The exit code is 0 if it
    /// was done, 1 if the object was not ready at the end of --wait, 2 if it could not be read or changed.
    ///
    /// Example: adconversion reconcile gaa acme --namespace marketing --wait
    Reconcile(request::RequestFlags),
    /// Check whether this can work, before anything is applied or after: credentials, scopes, APIs, portal, customer,
    /// conversion tracking, terms, limits, stage or form, properties, how many contacts have a click id, conversion
    /// action, account goal, and the path to Google by an upload that is only validated and counts nothing. Each has
    /// its own line: ✓ fine, ✗ a finding with what to do, – nothing to judge, ? it could not be determined. Secrets
    /// come from files, or are read with your own rights. Nothing is written anywhere. The exit code is 0 if all is
    /// fine, 1 for a finding, 2 if something could not be determined.
    ///
    /// Example: adconversion check -f manifests/ -f secrets.yaml
    Check(check::CheckFlags),
    /// Print manifests for the conversion actions that a Google Ads account has, including those
    /// that HubSpot's own feature made. When they are applied, they change nothing in Google and
    /// count only what happens from then on. What cannot be imported is listed on stderr with the
    /// reason. Nothing is written to Google or HubSpot. The exit code is 0 if there is anything
    /// to import, 1 if not, 2 if an account could not be read or the cluster does not answer.
    ///
    /// Example: adconversion import --google-ads-account acme --namespace marketing --output-dir events/
    Import(import::ImportFlags),
    /// Explain the life of one contact under an event: each entry into the stage or submission of the form, what was
    /// decided about it by which rule, what Google answered, and what comes next. No property value of the contact is
    /// printed. The exit code is 0 if there is a conversion, 1 if there is none, 2 if no operator could be asked.
    ///
    /// Example: adconversion explain became-customer --contact 51 --namespace marketing
    Explain(ask::ExplainFlags),
    /// List the conversions behind a count, all of them. The exit code is 0, even if there are none, and 2 if no
    /// operator could be asked or the reason is unknown.
    ///
    /// Example: adconversion conversions became-customer --outcome Rejected --changed-since 24h -o csv
    Conversions(ask::ConversionsFlags),
    /// Print what would change in Google Ads and which conversions would be sent if these events were applied: the
    /// conversion action field by field, and the conversions in HubSpot since the start by outcome, reason and day. The
    /// operator's own rules decide; nothing is written anywhere. No operator is needed; one that has an event already
    /// is asked what it has sent. The exit code is 0 if nothing stands in the way, 1 if something does, 2 if something
    /// could not be determined, such as what was sent.
    ///
    /// Example: adconversion plan -f became-customer.yaml --namespace marketing
    Plan(Box<plan::PlanFlags>),
    /// Open the operator's page in a browser, through a local port. The address is printed too. If standard output is not a
    /// terminal, or there is no screen, it is only printed. The exit code is 0 once it is interrupted, 2 if no operator could be
    /// asked.
    ///
    /// Example: adconversion dashboard --port 8081
    Dashboard(ask::DashboardFlags),
    /// Wait until an operator is ready. The exit code is 0 if it is, 1 if it says that it is not, 2 if it could not be asked.
    ///
    /// Example: adconversion ready --timeout 1m
    Ready(ready::ReadyFlags),
    /// Move the ledger to another database.
    ///
    /// Example: adconversion ledger copy --help
    Ledger(ledger::LedgerFlags),
    /// Remove the operator's finalizer from events and accounts, once no operator runs any more, so that they, their
    /// namespaces and the definitions can be deleted. Nothing else is changed. Without --yes they are only listed; on a
    /// terminal you are asked. The exit code is 0 if none has the finalizer any more, 1 if some still have it, 2 if the
    /// cluster could not be read or written.
    ///
    /// Example: adconversion uninstall --all-namespaces
    Uninstall(uninstall::UninstallFlags),
}

/// Carries out the command line. An error is printed; the exit code is then 1, or 2 for commands where 1 is a finding.
pub fn main() -> ExitCode {
    let called = Called::by(std::env::args_os().next().as_deref());
    if called == Called::Completer {
        return answer_kubectl();
    }
    let matches = called.command(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let (result, failure) = match cli.command {
        Command::Run(flags) => (run::run(*flags).map(|()| ExitCode::SUCCESS), 1),
        Command::Crds => (crds().map(|()| ExitCode::SUCCESS), 1),
        Command::Version => (print_version(), 1),
        Command::Completion { shell } => (print_completion(called, shell), 1),
        Command::Suspend(flags) => (request::run(request::ObjectRequest::Suspend, &flags), NOT_DONE),
        Command::Resume(flags) => (request::run(request::ObjectRequest::Resume, &flags), NOT_DONE),
        Command::Reconcile(flags) => (request::run(request::ObjectRequest::Reconcile, &flags), NOT_DONE),
        Command::Check(flags) => (check::run(&flags), NOT_DONE),
        Command::Import(flags) => (import::run(&flags), NOT_DONE),
        Command::Explain(flags) => (ask::run_explain(&flags), NOT_DONE),
        Command::Conversions(flags) => (ask::run_conversions(&flags), NOT_DONE),
        Command::Plan(flags) => (plan::run(&flags), NOT_DONE),
        Command::Dashboard(flags) => (ask::run_dashboard(&flags), NOT_DONE),
        Command::Ready(flags) => (ready::run(&flags), NOT_DONE),
        Command::Ledger(flags) => (ledger::run(&flags), NOT_DONE),
        Command::Uninstall(flags) => (uninstall::run(&flags), NOT_DONE),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(failure)
    })
}

fn print_version() -> Result<ExitCode, CommandError> {
    writeln!(io::stdout(), "adconversion {}", env!("CARGO_PKG_VERSION"))?;
    Ok(ExitCode::SUCCESS)
}

fn print_completion(called: Called, shell: clap_complete::Shell) -> Result<ExitCode, CommandError> {
    io::stdout().write_all(&called.script(shell, Cli::command()))?;
    Ok(ExitCode::SUCCESS)
}

/// At a prompt nobody would read an error, so there is none.
fn answer_kubectl() -> ExitCode {
    let words = std::env::args_os().skip(1).collect();
    let answer = completion::answer_kubectl(&mut Cli::command(), words);
    let printed = answer.and_then(|answer| io::stdout().write_all(answer.as_bytes()));
    if printed.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn crds() -> Result<(), CommandError> {
    print!("{}", crate::api::crds_yaml()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    fn assert_examples(command: &clap::Command, words: &str) {
        let help = command.clone().render_long_help().to_string();
        let (_, example) = help
            .split_once("\nExample: ")
            .unwrap_or_else(|| panic!("{words}: {help}"));
        assert!(
            example.starts_with("adconversion ") || example.starts_with("source "),
            "{words}: {example}"
        );
        for sub in command.get_subcommands() {
            assert_examples(sub, &format!("{words} {}", sub.get_name()));
        }
    }

    /// What only prints has none, nor has what has commands of its own.
    #[test]
    fn every_command_that_asks_or_changes_says_its_exit_codes() {
        let silent = ["run", "crds", "version", "completion", "ledger"];
        for command in Cli::command()
            .get_subcommands()
            .filter(|command| !silent.contains(&command.get_name()))
        {
            let help = command.clone().render_long_help().to_string();
            let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("The exit code is 0"), "{}: {help}", command.get_name());
        }
    }

    #[test]
    fn every_help_has_an_example() {
        assert_examples(&Cli::command(), "adconversion");
    }
}
