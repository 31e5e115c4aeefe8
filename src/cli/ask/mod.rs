//! Commands that ask the operator what became of conversions: through
//! a port-forward to its admin API, with the user's own rights.

mod browser;
mod conversions;
mod dashboard;
mod explain;
mod forward;
mod no_answer;
mod operator;
mod printed_rows;
mod since;

pub(super) use self::conversions::ConversionsFlags;
pub(super) use self::dashboard::DashboardFlags;
pub(super) use self::explain::ExplainFlags;
pub(super) use self::no_answer::NoAnswer;
pub(super) use self::operator::{Operator, OperatorPlace};

use std::process::ExitCode;

use super::cluster::run_command;
use super::command_error::CommandError;

/// `adconversion conversions`.
pub(super) fn run_conversions(flags: &ConversionsFlags) -> Result<ExitCode, CommandError> {
    run_command(conversions::print_conversions(flags))
}

/// `adconversion explain`.
pub(super) fn run_explain(flags: &ExplainFlags) -> Result<ExitCode, CommandError> {
    run_command(explain::print_explanation(flags))
}

/// `adconversion dashboard`.
pub(super) fn run_dashboard(flags: &DashboardFlags) -> Result<ExitCode, CommandError> {
    run_command(dashboard::serve_dashboard(flags))
}
