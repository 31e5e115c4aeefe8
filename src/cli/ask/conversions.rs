//! `adconversion conversions`: the conversions behind a count, all of them.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::operator::{Operator, OperatorFlags, text_of};
use crate::api::Duration;
use crate::cli::command_error::CommandError;
use crate::cli::layout::Width;
use crate::cli::names::parse_name;
use crate::cli::output::{foreign, printable};
use crate::domain::brief::counted;

/// Flags of `adconversion conversions`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ConversionsFlags {
    /// Name of the event.
    #[arg(value_parser = parse_name)]
    event: String,
    /// Only those with this outcome.
    #[arg(long, short = 'O', value_enum)]
    outcome: Option<OutcomeName>,
    /// Only those with this reason, as status.sync.reasons names it.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only those that happened since then: a time like 2026-11-01T00:00:00Z, or so long ago, like 24h.
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those of the HubSpot contact with this id.
    #[arg(long, value_name = "ID")]
    contact: Option<u64>,
    /// Form of the answer. `csv` opens in a spreadsheet; `json` is one object a line.
    #[arg(long, short, value_enum, default_value_t = Form::Table)]
    output: Form,
    #[command(flatten)]
    operator: OperatorFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum OutcomeName {
    Pending,
    Processing,
    Uploaded,
    Skipped,
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Csv,
    Json,
}

/// A time, or how long ago it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    At(Timestamp),
    Ago(Duration),
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let ago = text.parse().map(Self::Ago);
        ago.map_err(|_| "neither a time like 2026-11-01T00:00:00Z nor a duration like 24h".to_owned())
    }
}

impl Since {
    fn time(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                let ago = SignedDuration::try_from(ago.as_std()).unwrap_or(SignedDuration::MAX);
                now.saturating_sub(ago).unwrap_or(Timestamp::MIN)
            }
        }
    }
}

/// The columns of a table, and the fields they come from.
const TABLE: [(&str, &str); 7] = [
    ("TIME", "time"),
    ("CONTACT", "contactId"),
    ("OUTCOME", "outcome"),
    ("REASON", "reason"),
    ("VALUE", "value"),
    ("CURRENCY", "currency"),
    ("NEXT", "nextTime"),
];

/// So many of them are printed on the narrowest terminal.
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

/// Prints all of them, as they come.
pub(super) async fn print_conversions(flags: &ConversionsFlags) -> Result<ExitCode, CommandError> {
    let namespace = flags.operator.namespace().await?;
    let operator = flags.operator.connect(0).await?;
    let mut printer = Printer::new(flags.output, format!("{namespace}/{}", flags.event))?;
    let path = ["v1", "events", &namespace, &flags.event, "conversions"];
    let mut after = None;
    loop {
        let page: Value = operator.get(&path, &flags.query(after)).await?;
        for conversion in page["conversions"].as_array().into_iter().flatten() {
            match printer.print(conversion) {
                // Whoever reads has enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                printed => printed?,
            }
        }
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    printer.finish()?;
    say_whom(&operator, printer.count);
    Ok(ExitCode::SUCCESS)
}

impl ConversionsFlags {
    fn query(&self, after: Option<String>) -> Vec<(&'static str, String)> {
        let since = self.since.map(|since| since.time(Timestamp::now()).to_string());
        let outcome = self.outcome.map(|outcome| format!("{outcome:?}"));
        let contact = self.contact.map(|id| id.to_string());
        let parameters = [
            ("outcome", outcome),
            ("reason", self.reason.clone()),
            ("since", since),
            ("contact", contact),
            ("after", after),
        ];
        parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// On a terminal only: pipes get conversions and nothing else.
fn say_whom(operator: &Operator, count: u64) {
    if io::stdout().is_terminal() {
        let pod = operator
            .pod
            .as_ref()
            .map(|pod| format!(" (asked: pod {pod})"))
            .unwrap_or_default();
        eprintln!("{}{pod}", counted(count, "conversion"));
    }
}

/// So many conversions have one width of columns.
const ROWS: usize = 500;

struct Printer {
    form: Form,
    event: String,
    csv: csv::Writer<io::Stdout>,
    /// Those that are not printed yet.
    rows: Vec<Vec<String>>,
    headed: bool,
    count: u64,
}

impl Printer {
    fn new(form: Form, event: String) -> Result<Self, CommandError> {
        let mut csv = csv::Writer::from_writer(io::stdout());
        if form == Form::Csv {
            csv.write_record(CSV)?;
        }
        Ok(Self {
            form,
            event,
            csv,
            rows: Vec::new(),
            headed: false,
            count: 0,
        })
    }

    fn print(&mut self, conversion: &Value) -> io::Result<()> {
        self.count += 1;
        match self.form {
            Form::Json => writeln!(io::stdout(), "{conversion}"),
            Form::Csv => {
                let cells = CSV.map(|field| match field {
                    "event" => self.event.clone(),
                    field => safe_cell(&printable(&cell_of(conversion, field))),
                });
                self.csv.write_record(cells).map_err(io::Error::from)
            }
            Form::Table => {
                let cell = |(_, field): &(&str, &str)| foreign(&cell_of(conversion, field));
                self.rows.push(TABLE.iter().map(cell).collect());
                if self.rows.len() >= ROWS {
                    self.print_rows()
                } else {
                    Ok(())
                }
            }
        }
    }

    fn print_rows(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let headed = std::mem::replace(&mut self.headed, true);
        writeln!(io::stdout(), "{}", rows_text(&rows, headed, Width::of_stdout()))
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.form == Form::Table && (!self.rows.is_empty() || !self.headed) {
            self.print_rows()?;
        }
        self.csv.flush()
    }
}

/// Rows of the table; headings come before the first ones alone.
fn rows_text(rows: &[Vec<String>], headed: bool, width: Width) -> String {
    let headings = TABLE.map(|(heading, _)| heading);
    if headed {
        width.more_rows(&headings, KEPT, rows)
    } else {
        width.table(&headings, KEPT, rows)
    }
}

fn cell_of(conversion: &Value, field: &str) -> String {
    match &conversion[field] {
        Value::Number(number) => number.to_string(),
        _ => text_of(conversion, field).to_owned(),
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
    use super::*;

    #[test]
    fn a_time_or_how_long_ago() {
        let now: Timestamp = "2026-11-27T00:00:00Z".parse().unwrap();
        let time = |text: &str| text.parse::<Since>().unwrap().time(now).to_string();
        assert_eq!(time("24h"), "2026-11-26T00:00:00Z");
        assert_eq!(time("2026-11-01T00:00:00+01:00"), "2026-10-31T23:00:00Z");
        assert!("yesterday".parse::<Since>().is_err());
    }

    #[test]
    fn a_table_fits_where_it_is_read() {
        use crate::cli::layout::tests::{WIDTHS, assert_fits};

        let row = [
            "2026-11-21T10:00:00Z",
            "51",
            "Skipped",
            "OutsideClickWindow",
            "12.5",
            "EUR",
            "2026-11-21T11:00:00Z",
        ];
        let rows = [row.map(str::to_owned).to_vec()];
        for columns in WIDTHS {
            let (first, more) = (
                rows_text(&rows, false, Width::of(columns)),
                rows_text(&rows, true, Width::of(columns)),
            );
            assert_fits(&first, columns);
            assert_fits(&more, columns);
            assert!(first.starts_with("TIME ") && !more.contains("TIME"), "{first}\n{more}");
            assert_eq!(
                first.contains("no room for"),
                matches!(columns, Some(60 | 80)),
                "{first}"
            );
        }
        assert_eq!(
            rows_text(&rows, false, Width::of(Some(80))),
            "TIME                  CONTACT  OUTCOME  REASON              VALUE  CURRENCY\n\
             2026-11-21T10:00:00Z  51       Skipped  OutsideClickWindow  12.5   EUR\n\
             (no room for NEXT)"
        );
    }

    #[rstest::rstest]
    #[case("=1+1", "'=1+1")]
    #[case("@x", "'@x")]
    #[case("NoClickId", "NoClickId")]
    #[case("", "")]
    fn no_cell_is_a_formula(#[case] text: &str, #[case] cell: &str) {
        assert_eq!(safe_cell(text), cell);
    }
}
