//! Conversions as they are printed, in one of four formats: for
//! programs page by page as they come, for people in a table.

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
pub(super) enum RowFormat {
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

/// Columns that are printed even on a narrow terminal.
const KEPT: usize = 4;
/// The place of the outcome in a table. Where even that many have no room, it is left out: the reason says more.
const OUTCOME: usize = 2;

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

/// Prints conversions as they come. A table is printed at the end, in the order of time: its columns are as wide as
/// their longest cells. The other formats keep nothing, however many conversions there are.
pub(super) struct Printer<'a, W> {
    format: RowFormat,
    /// `namespace/name`.
    event: &'a str,
    out: W,
    count: u64,
    /// Those of a table, by time; as text, which takes a fraction of the room.
    kept: Vec<(Timestamp, String)>,
}

impl<'a, W: Write> Printer<'a, W> {
    pub(super) const fn new(format: RowFormat, event: &'a str, out: W) -> Self {
        Self {
            format,
            event,
            out,
            count: 0,
            kept: Vec::new(),
        }
    }

    /// How many there are so far.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Takes a page over. What is not for a table is written at once.
    ///
    /// # Errors
    /// If nobody reads any more, or it can't be written.
    pub(super) fn take(&mut self, page: &[Value]) -> Result<(), CommandError> {
        if page.is_empty() {
            return Ok(());
        }
        let first = self.count == 0;
        self.count += page.len() as u64;
        let text = match self.format {
            RowFormat::Table => {
                let timed = |row: &Value| {
                    let time = text_of(row, "time").parse().unwrap_or(Timestamp::MIN);
                    (time, row.to_string())
                };
                self.kept.extend(page.iter().map(timed));
                return Ok(());
            }
            RowFormat::Json => json_lines(page),
            // The list of a page is a part of the list of all.
            RowFormat::Yaml => serde_yaml::to_string(page)?.into_bytes(),
            RowFormat::Csv => csv_lines(page, self.event, first)?,
        };
        self.write(&text)
    }

    /// Prints what is left to print, once all are there.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) fn end(mut self) -> Result<(), CommandError> {
        let text = match self.format {
            RowFormat::Table if self.count == 0 => return Ok(()),
            RowFormat::Table => {
                self.kept.sort_by_key(|(time, _)| *time);
                let rows = self.kept.iter().map(|(_, text)| serde_json::from_str::<Value>(text));
                let rows = rows.collect::<Result<Vec<_>, _>>()?;
                to_table(&rows, Width::of_stdout()).into_bytes()
            }
            RowFormat::Csv if self.count == 0 => csv_lines(&[], self.event, true)?,
            RowFormat::Yaml if self.count == 0 => b"[]\n".to_vec(),
            RowFormat::Csv | RowFormat::Yaml | RowFormat::Json => return Ok(()),
        };
        self.write(&text)
    }

    fn write(&mut self, text: &[u8]) -> Result<(), CommandError> {
        self.out.write_all(text)?;
        Ok(self.out.flush()?)
    }
}

/// One object a line.
fn json_lines(page: &[Value]) -> Vec<u8> {
    let lines = page.iter().flat_map(|row| [row.to_string(), "\n".to_owned()]);
    lines.collect::<String>().into_bytes()
}

/// Lines of a spreadsheet. `headed`: with its heading before them.
fn csv_lines(page: &[Value], event: &str, headed: bool) -> Result<Vec<u8>, CommandError> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    if headed {
        lines.write_record(CSV)?;
    }
    for row in page {
        lines.write_record(CSV.map(|field| match field {
            "event" => event.to_owned(),
            field => safe_cell(&printable(&cell_of(row, field))),
        }))?;
    }
    Ok(lines.into_inner()?)
}

/// A table, and below it what the reasons in it mean and what to do.
fn to_table(rows: &[Value], width: Width) -> String {
    let coded = rows.iter().any(|row| !text_of(row, "code").is_empty());
    let columns: Vec<_> = TABLE.iter().filter(|(_, field)| coded || *field != "code").collect();
    let mut headings: Vec<_> = columns.iter().map(|(heading, _)| *heading).collect();
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
    let mut kept = KEPT;
    if !width.has_room(&headings[..kept], &cells) {
        // Nobody can copy what is broken in two.
        kept -= 1;
        headings.swap(OUTCOME, kept);
        for row in &mut cells {
            row.swap(OUTCOME, kept);
        }
    }
    let mut text = width.table(&headings, kept, &cells) + "\n";
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

    /// In pages of two.
    fn printed(format: RowFormat, rows: &[Value]) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(format, "marketing/won", &mut out);
        for page in rows.chunks(2) {
            printer.take(page).unwrap();
        }
        printer.end().unwrap();
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
    fn in_a_table_the_oldest_comes_first_and_programs_get_them_as_they_come() {
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
        let in_table = times(&printed(RowFormat::Table, &rows));
        let second = "2026-11-21T10:00:00Z";
        assert_eq!(in_table, ["2026-11-20T10:00:00Z", second, second], "to the second");
        let expected = ["2026-11-21T10:00:00.5Z", "2026-11-21T10:00:00Z", "2026-11-20T10:00:00Z"];
        for format in [RowFormat::Csv, RowFormat::Json, RowFormat::Yaml] {
            assert_eq!(times(&printed(format, &rows)), expected, "{format:?}");
        }
    }

    #[test]
    fn programs_read_the_same_from_json_and_yaml() {
        let rows = [
            row("2026-11-20T10:00:00Z", Some("CLICK_NOT_FOUND")),
            row("2026-11-21T10:00:00Z", None),
            row("2026-11-22T10:00:00Z", None),
        ];
        let yaml: Value = serde_yaml::from_str(&printed(RowFormat::Yaml, &rows)).unwrap();
        assert_eq!(yaml, json!(rows));
        let lines = printed(RowFormat::Json, &rows);
        let json: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(json, rows);
        assert_eq!(printed(RowFormat::Yaml, &[]), "[]\n");
        assert_eq!(printed(RowFormat::Json, &[]), "");
    }

    #[test]
    fn a_spreadsheet_has_one_heading_and_a_line_for_each() {
        let rows = ["2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z", "2026-11-22T10:00:00Z"].map(|time| row(time, None));
        let headings = |text: &str| text.lines().filter(|line| line.starts_with("time,contactId,")).count();
        for count in 0..=3 {
            let text = printed(RowFormat::Csv, &rows[..count]);
            assert_eq!((text.lines().count(), headings(&text)), (count + 1, 1), "{text}");
        }
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
    fn no_time_contact_or_reason_is_broken_on_a_common_terminal() {
        let mut rejected = row(
            "2026-11-20T10:00:00Z",
            Some("PROCESSING_ERROR_REASON_CONVERSION_PRECEDES_CLICK"),
        );
        rejected["contactId"] = json!("100000000100");
        rejected["reason"] = json!("ConversionPrecedesClick");
        let lines = |columns| {
            let text = to_table(std::slice::from_ref(&rejected), Width::of(Some(columns)));
            text.lines().take(3).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(
            lines(80),
            "TIME                  CONTACT       OUTCOME   REASON\n\
             2026-11-20T10:00:00Z  100000000100  Rejected  ConversionPrecedesClick\n\
             (no room for CODE, NEXT, VALUE, CURRENCY)"
        );
        assert_eq!(
            lines(60),
            "TIME                  CONTACT       REASON\n\
             2026-11-20T10:00:00Z  100000000100  ConversionPrecedesClick\n\
             (no room for OUTCOME, CODE, NEXT, VALUE, CURRENCY)"
        );
    }

    #[test]
    fn a_table_of_nothing_has_no_heading() {
        assert_eq!(printed(RowFormat::Table, &[]), "");
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
