//! How answers are printed: as a table, or in a form for programs.

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::cli::command_error::CommandError;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Table,
    Json,
    Yaml,
}

impl Output {
    /// The answer as the admin API gives it; `None` if a table is wanted.
    pub(super) fn of_program(self, answer: &impl Serialize) -> Result<Option<String>, CommandError> {
        match self {
            Self::Table => Ok(None),
            Self::Json => Ok(Some(serde_json::to_string_pretty(answer)? + "\n")),
            Self::Yaml => Ok(Some(serde_yaml::to_string(answer)?)),
        }
    }
}

/// A table as kubectl prints them: no lines, headings in capitals, as wide as the terminal.
pub(super) fn plain_table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}
