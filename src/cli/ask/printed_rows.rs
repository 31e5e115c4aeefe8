//! Conversions as they are printed: in the order of time, in one of four forms.

use std::collections::BTreeMap;
use std::io::Write;

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

use super::operator::text_of;
use crate::cli::command_error::CommandError;
use crate::cli::layout::Width;
use crate::cli::output::{foreign, printable};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Table,
    Csv,
    Json,
    Yaml,
}

/// The columns of a table, and the fields they come from.
const TABLE: [(&str, &str); 8] = [
    ("TIME", "time"),
    ("CONTACT", "contactId"),
    ("OUTCOME", "outcome"),
    ("REASON", "reason"),
    ("CODE", "code"),
    ("NEXT", "nextTime"),
    ("VALUE", "value"),
    ("CURRENCY", "currency"),
];

/// So many of them are printed on the narrowest terminal, and the code where there is one.
const KEPT: usize = 4;

/// The columns of a spreadsheet.
const CSV: [&str; 15] = [
    "time",
    "contactId",
    "outcome",
    "reason",
    "code",
    "message",
    "value",
    "currency",
    "transactionId",
    "requestId",
    "firstSeenTime",
    "lastChangeTime",
    "nextTime",
    "failedTries",
    "event",
];

/// Conversions until all are there. The ledger has them in the order of contacts.
#[derive(Default)]
pub(super) struct Rows {
    /// By time; as text, which takes a fraction of the room.
    rows: Vec<(Timestamp, String)>,
}

impl Rows {
    /// Takes one over.
    pub(super) fn push(&mut self, conversion: &Value) {
        let time = text_of(conversion, "time").parse().unwrap_or(Timestamp::MIN);
        self.rows.push((time, conversion.to_string()));
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Prints all of them, the oldest first.
    ///
    /// # Errors
    /// If nobody reads any more, or they can't be written.
    pub(super) fn print(mut self, form: Form, event: &str, out: &mut impl Write) -> Result<(), CommandError> {
        self.rows.sort_by_key(|(time, _)| *time);
        let rows = self.rows.iter().map(|(_, text)| serde_json::from_str::<Value>(text));
        match form {
            Form::Json => {
                for (_, text) in &self.rows {
                    writeln!(out, "{text}")?;
                }
            }
            Form::Yaml if self.rows.is_empty() => writeln!(out, "[]")?,
            Form::Yaml => {
                for row in rows {
                    // A list of one is a part of the list of all.
                    out.write_all(serde_yaml::to_string(&[row?])?.as_bytes())?;
                }
            }
            Form::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record(CSV)?;
                for row in rows {
                    let row = row?;
                    csv.write_record(CSV.map(|field| match field {
                        "event" => event.to_owned(),
                        field => safe_cell(&printable(&cell_of(&row, field))),
                    }))?;
                }
                csv.flush()?;
            }
            Form::Table => {
                let rows = rows.collect::<Result<Vec<_>, _>>()?;
                out.write_all(to_table(&rows, Width::of_stdout()).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// A table, and below it what the reasons in it mean and what to do.
fn to_table(rows: &[Value], width: Width) -> String {
    let coded = rows.iter().any(|row| !text_of(row, "code").is_empty());
    let columns: Vec<_> = TABLE.iter().filter(|(_, field)| coded || *field != "code").collect();
    let headings: Vec<_> = columns.iter().map(|(heading, _)| *heading).collect();
    let mut cells: Vec<Vec<String>> = Vec::with_capacity(rows.len());
    let mut meanings: BTreeMap<(&str, &str), (u64, &str)> = BTreeMap::new();
    for row in rows {
        cells.push(
            columns
                .iter()
                .map(|(_, field)| foreign(&table_cell(row, field)))
                .collect(),
        );
        let message = text_of(row, "message");
        if !message.is_empty() {
            let of = (text_of(row, "reason"), text_of(row, "code"));
            meanings.entry(of).or_insert((0, message)).0 += 1;
        }
    }
    let mut text = width.table(&headings, KEPT + usize::from(coded), &cells) + "\n";
    let mut meanings: Vec<_> = meanings.into_iter().collect();
    meanings.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for ((reason, _), (count, message)) in meanings {
        let says = format!("{} ({count}): {}", foreign(reason), printable(message));
        text.push_str(&["\n", &width.paragraph(&says), "\n"].concat());
    }
    text
}

fn cell_of(conversion: &Value, field: &str) -> String {
    match &conversion[field] {
        Value::Number(number) => number.to_string(),
        _ => text_of(conversion, field).to_owned(),
    }
}

/// Times to the second: there is little room beside them.
fn table_cell(conversion: &Value, field: &str) -> String {
    let cell = cell_of(conversion, field);
    match cell.parse::<Timestamp>() {
        Ok(time) if matches!(field, "time" | "nextTime") => format!("{time:.0}"),
        _ => cell,
    }
}

/// A cell that no spreadsheet takes for a formula.
fn safe_cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[rstest::rstest]
    #[case("=1+1", "'=1+1")]
    #[case("@x", "'@x")]
    #[case("NoClickId", "NoClickId")]
    #[case("", "")]
    fn no_cell_is_a_formula(#[case] text: &str, #[case] cell: &str) {
        assert_eq!(safe_cell(text), cell);
    }

    fn printed(form: Form, rows: &[Value]) -> String {
        let mut all = Rows::default();
        for row in rows {
            all.push(row);
        }
        let mut out = Vec::new();
        all.print(form, "marketing/won", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn row(time: &str, code: Option<&str>) -> Value {
        let mut row = json!({
            "time": time, "transactionId": "hs-1", "contactId": "51",
            "outcome": code.map_or("Skipped", |_| "Rejected"),
            "reason": code.map_or("NoClickId", |_| "ClickNotFound"), "message": "Why, and what to do.",
        });
        if let Some(code) = code {
            row["code"] = json!(code);
        }
        row
    }

    #[test]
    fn whatever_the_form_the_oldest_comes_first() {
        // Fractions of seconds are no matter of letters.
        let rows = [
            row("2026-11-21T10:00:00.5Z", None),
            row("2026-11-21T10:00:00Z", None),
            row("2026-11-20T10:00:00Z", None),
        ];
        let times = |text: &str| -> Vec<String> {
            let words = text.split(['"', ',', ' ', '\n', '\'']);
            words
                .filter(|word| word.starts_with("2026-"))
                .map(str::to_owned)
                .collect()
        };
        let expected = ["2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00.5Z"];
        let in_table = times(&printed(Form::Table, &rows));
        assert_eq!(in_table, [expected[0], expected[1], expected[1]], "to the second");
        for form in [Form::Csv, Form::Json, Form::Yaml] {
            assert_eq!(times(&printed(form, &rows)), expected, "{form:?}");
        }
    }

    #[test]
    fn programs_read_the_same_from_json_and_yaml() {
        let rows = [
            row("2026-11-20T10:00:00Z", Some("CLICK_NOT_FOUND")),
            row("2026-11-21T10:00:00Z", None),
        ];
        let yaml: Value = serde_yaml::from_str(&printed(Form::Yaml, &rows)).unwrap();
        assert_eq!(yaml, json!(rows));
        let lines = printed(Form::Json, &rows);
        let json: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(json, rows);
        assert_eq!(printed(Form::Yaml, &[]), "[]\n");
    }

    #[test]
    fn a_table_says_what_its_reasons_mean_and_what_to_do() {
        let rows = [
            row("2026-11-20T10:00:00Z", Some("CLICK_NOT_FOUND")),
            row("2026-11-21T10:00:00Z", None),
            row("2026-11-22T10:00:00Z", None),
        ];
        let expected = "\
TIME                  CONTACT  OUTCOME   REASON         CODE             NEXT  VALUE  CURRENCY
2026-11-20T10:00:00Z  51       Rejected  ClickNotFound  CLICK_NOT_FOUND
2026-11-21T10:00:00Z  51       Skipped   NoClickId
2026-11-22T10:00:00Z  51       Skipped   NoClickId

NoClickId (2): Why, and what to do.

ClickNotFound (1): Why, and what to do.
";
        assert_eq!(to_table(&rows, Width::PIPE), expected);
        let without = to_table(&rows[1..], Width::PIPE);
        assert!(!without.contains("CODE"), "no column for nothing: {without}");
    }

    #[test]
    fn a_table_fits_where_it_is_read() {
        use crate::cli::layout::tests::{WIDTHS, assert_fits};

        let rows = [row("2026-11-20T10:00:00Z", None), row("2026-11-21T10:00:00Z", None)];
        for columns in WIDTHS {
            assert_fits(&to_table(&rows, Width::of(columns)), columns);
        }
    }
}
