//! `adconversion dashboard`: the operator's page on a port of this machine, in a browser.

use std::env;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::browser::{has_screen, open_page};
use super::operator::OperatorFlags;
use crate::cli::command_error::CommandError;
use crate::cli::progress::Progress;

/// Flags of `adconversion dashboard`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DashboardFlags {
    /// Local port. If absent: any that is free.
    #[arg(long, default_value_t = 0, conflicts_with = "operator_url")]
    port: u16,
    /// Only print the address and do not open a browser. None is opened
    /// either if standard output is not a terminal, or if there is no screen.
    #[arg(long)]
    no_browser: bool,
    #[command(flatten)]
    operator: OperatorFlags,
}

impl DashboardFlags {
    fn opens_browser(&self) -> bool {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        !self.no_browser && io::stdout().is_terminal() && has_screen(is_set)
    }
}

/// Leads the port to the operator until the process is interrupted.
pub(super) async fn serve_dashboard(flags: &DashboardFlags) -> Result<ExitCode, CommandError> {
    let progress = Progress::begin("Looking for the operator");
    let operator = flags.operator.connect(flags.port).await?;
    if operator.pod.is_none() {
        // An address that was given: nothing is to be held open, but somebody must be there.
        let _: Value = operator.get(&["v1", "events"], &[("limit", "1".to_owned())]).await?;
        drop(progress);
        println!("The page is at {}", operator.base());
        if flags.opens_browser() {
            open_page(operator.base()).await;
        }
        return Ok(ExitCode::SUCCESS);
    }
    drop(progress);
    operator.say_losses();
    let pod = operator
        .pod
        .as_ref()
        .map(|pod| format!(" of pod {pod}"))
        .unwrap_or_default();
    // Listened to before anybody reads that it ends with Ctrl-C.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    tokio::select! {
        biased;
        early = &mut interrupted => return Ok(early.map(|()| ExitCode::SUCCESS)?),
        () = std::future::ready(()) => {}
    }
    println!("The page{pod} is at {} until you press Ctrl-C.", operator.base());
    if flags.opens_browser() {
        tokio::select! {
            biased;
            early = &mut interrupted => return Ok(early.map(|()| ExitCode::SUCCESS)?),
            () = open_page(operator.base()) => {}
        }
    }
    interrupted.await?;
    Ok(ExitCode::SUCCESS)
}
