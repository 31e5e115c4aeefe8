//! `adconversion ready`: waits until an operator says that it is ready. `helm test` runs it, as the image has no shell.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use reqwest::{StatusCode, Url};

use super::cluster::run_command;
use super::command_error::CommandError;
use super::exit_codes::{FINDING, NOT_DONE};
use super::progress::Progress;
use crate::api::Duration as Limit;
use crate::domain::brief::brief;
use crate::ports::unreached::describe_unreached;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);
/// Limit of one question.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Flags of `adconversion ready`.
#[derive(Debug, Args)]
pub struct ReadyFlags {
    /// Where the operator says whether it is ready.
    #[arg(long, default_value = "http://127.0.0.1:8080/readyz")]
    url: Url,
    /// How long to wait.
    #[arg(long, default_value = "0s", value_name = "DURATION")]
    timeout: Limit,
}

/// Carries out the command.
///
/// # Errors
/// Where nothing can be asked at all.
pub fn run(flags: &ReadyFlags) -> Result<ExitCode, CommandError> {
    run_command(wait(flags))
}

async fn wait(flags: &ReadyFlags) -> Result<ExitCode, CommandError> {
    let progress = Progress::begin("Waiting until the operator is ready");
    let client = reqwest::Client::builder()
        .timeout(ANSWER_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let start = Instant::now();
    loop {
        let (doubt, code) = match client.get(flags.url.clone()).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => {
                drop(progress);
                println!("The operator is ready.");
                return Ok(ExitCode::SUCCESS);
            }
            Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
                let says = format!("it says that it is not ready yet (HTTP {})", answer.status());
                (says, FINDING)
            }
            Ok(answer) => {
                let status = answer.status();
                let says = format!("that address is not an operator (HTTP {status}). Check --url");
                (says, NOT_DONE)
            }
            Err(error) if error.is_timeout() => ("it does not answer in time".to_owned(), NOT_DONE),
            Err(error) => {
                let why = brief(describe_unreached(&error.without_url()));
                (format!("it does not answer: {why}"), NOT_DONE)
            }
        };
        if start.elapsed() >= flags.timeout.as_std() {
            drop(progress);
            let what = if code == FINDING {
                "is not ready"
            } else {
                "could not be asked"
            };
            eprintln!("The operator {what}: {doubt}");
            return Ok(ExitCode::from(code));
        }
        progress.say(format!("Waiting until the operator is ready: {doubt}"));
        tokio::time::sleep(PAUSE).await;
    }
}
