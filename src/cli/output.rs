//! How answers are printed: as a table, or in a form for programs.

use clap::ValueEnum;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use serde::Serialize;

use super::command_error::CommandError;
use crate::domain::brief::is_unseen;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
    Yaml,
}

impl Output {
    /// The answer as the admin API gives it; `None` if a table is wanted.
    pub(crate) fn of_program(self, answer: &impl Serialize) -> Result<Option<String>, CommandError> {
        match self {
            Self::Table => Ok(None),
            Self::Json => Ok(Some(serde_json::to_string_pretty(answer)? + "\n")),
            Self::Yaml => Ok(Some(serde_yaml::to_string(answer)?)),
        }
    }
}

/// Rows in columns, without headings and lines, as wide as the terminal.
pub(crate) fn plain_rows(rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// A table as kubectl prints them: no lines, headings in capitals, as wide as the terminal.
pub(crate) fn plain_table(headings: &[&str]) -> Table {
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

/// Longest name or value of others that is printed, in characters.
const LONGEST_FOREIGN: usize = 120;
/// Longest sentence that is printed, in characters.
const LONGEST_SENTENCE: usize = 2_000;

/// A sentence on one line: what would move the cursor, hide or turn the text around is replaced.
pub(crate) fn printable(text: &str) -> String {
    shortened(text, LONGEST_SENTENCE)
}

/// A name or value of others, as [`printable`] and short.
pub(crate) fn foreign(text: &str) -> String {
    shortened(text, LONGEST_FOREIGN)
}

fn shortened(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let mut short: String = line.chars().take(most).collect();
    if short.len() < line.len() {
        short.pop();
        short.push('…');
    }
    short.replace(is_unseen, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_others_steers_a_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}c"), "a\u{fffd}[2J b\u{fffd}c");
        assert_eq!(printable("Zoë <\"x\"> 東京"), "Zoë <\"x\"> 東京");
    }

    #[test]
    fn what_others_write_is_short() {
        assert_eq!(foreign(&"ä".repeat(LONGEST_FOREIGN)), "ä".repeat(LONGEST_FOREIGN));
        let long = foreign(&"ä".repeat(1 << 20));
        assert!(
            long.chars().count() == LONGEST_FOREIGN && long.ends_with("ä…"),
            "{long}"
        );
        assert_eq!(printable(&"ä".repeat(1 << 20)).chars().count(), LONGEST_SENTENCE);
    }
}
