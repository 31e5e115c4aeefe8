//! `adconversion conversions`: the conversions behind a count, all of them.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::Value;

use super::operator::{Operator, OperatorFlags, text_of};
use super::printed_rows::{Printer, RowFormat};
use super::since::SinceFlag;
use crate::cli::command_error::CommandError;
use crate::cli::names::parse_name;
use crate::cli::progress::Progress;
use crate::domain::brief::{brief_name, counted};
use crate::domain::outcome::reason;
use crate::domain::refusals::explain_rejection;

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
    /// Only those whose stage change or submission happened since then: so long ago, like 24h or 7d, a day (UTC) like
    /// 2026-11-20, or a time like 2026-11-20T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<SinceFlag>,
    /// Only those that got their outcome and reason since then, however old the stage change or submission is. With
    /// `--outcome Rejected`: what was rejected since then.
    #[arg(long, value_name = "TIME")]
    changed_since: Option<SinceFlag>,
    /// Only those of the HubSpot contact with this id.
    #[arg(long, value_name = "ID", value_parser = parse_contact)]
    contact: Option<u64>,
    /// Output format. `csv` is for spreadsheets, `json` is one object per line, `yaml` a
    /// list. These three are printed as they are read, in the order of contacts, however
    /// many there are. `table` is printed once all are there, the oldest first.
    #[arg(long, short, value_enum, default_value_t = RowFormat::Table)]
    output: RowFormat,
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

/// Prints all of them.
pub(super) async fn print_conversions(flags: &ConversionsFlags) -> Result<ExitCode, CommandError> {
    let progress = Progress::begin("Looking for the operator");
    let namespace = flags.operator.namespace().await?;
    let operator = flags.operator.connect(0).await?;
    progress.say("Reading conversions");
    let path = ["v1", "events", &namespace, &flags.event, "conversions"];
    let now = Timestamp::now();
    let event = format!("{namespace}/{}", flags.event);
    let mut printer = Printer::new(flags.output, &event, io::stdout().lock());
    let read = async |place: Option<String>| {
        let mut query = flags.query(now);
        query.extend(place.map(|place| ("after", place)));
        operator.get::<Value>(&path, &query).await
    };
    let printed = print_pages(read, &mut printer, &progress).await;
    if is_enough(&printed) {
        return Ok(ExitCode::SUCCESS);
    }
    printed.map_err(|error| not_all(error, flags.output, printer.count()))?;
    let older = count_older(flags, &operator, &path, now).await?;
    drop(progress);
    let count = printer.count();
    if let Some(name) = flags.reason.as_deref().filter(|_| count == 0) {
        check_reason(name)?;
    }
    let printed = printer.end();
    if is_enough(&printed) {
        return Ok(ExitCode::SUCCESS);
    }
    printed?;
    if count == 0 && flags.output == RowFormat::Table {
        eprintln!("{}", flags.none_words(&event, now));
        return Ok(ExitCode::SUCCESS);
    }
    say_count(&operator, count);
    if older > 0 {
        eprintln!("{}", older_words(older));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads page after page, and prints each before the next one is asked
/// for. `read` has the page at a place, `None` being the beginning.
async fn print_pages<W: Write>(
    read: impl AsyncFn(Option<String>) -> Result<Value, CommandError>,
    printer: &mut Printer<'_, W>,
    progress: &Progress,
) -> Result<(), CommandError> {
    let mut place = None;
    loop {
        let page = read(place).await?;
        let rows = page["conversions"].as_array().map_or(&[][..], Vec::as_slice);
        progress.beside(|| printer.take(rows))?;
        progress.say(counted(printer.count(), "conversion"));
        place = page["next"].as_str().map(str::to_owned);
        if place.is_none() {
            return Ok(());
        }
    }
}

/// How many that are settled `--since` leaves out, though they were settled since
/// then. Whoever asks what was rejected since yesterday must not miss them.
async fn count_older(
    flags: &ConversionsFlags,
    operator: &Operator,
    path: &[&str],
    now: Timestamp,
) -> Result<u64, CommandError> {
    let settled = !matches!(
        flags.outcome,
        None | Some(OutcomeName::Pending | OutcomeName::Processing)
    );
    let Some(since) = flags.since.filter(|_| settled && flags.changed_since.is_none()) else {
        return Ok(0);
    };
    let since = since.time(now);
    let mut query = flags.query(now);
    query.retain(|(name, _)| *name != "since");
    query.push(("changedSince", since.to_string()));
    let (mut count, mut place) = (0, None);
    loop {
        let after = place.map(|place| ("after", place));
        let page: Value = operator.get(path, &[&query[..], after.as_slice()].concat()).await?;
        let times = page["conversions"].as_array().into_iter().flatten();
        let older = times.filter(|row| text_of(row, "time").parse::<Timestamp>().is_ok_and(|time| time < since));
        count += older.count() as u64;
        place = page["next"].as_str().map(str::to_owned);
        if place.is_none() {
            return Ok(count);
        }
    }
}

/// What was printed before the operator stopped answering must not look like all.
fn not_all(error: CommandError, form: RowFormat, count: u64) -> CommandError {
    if count == 0 || form == RowFormat::Table {
        return error;
    }
    let printed = counted(count, "conversion");
    format!("{error}. What was printed is not all: {printed}. Ask again for all").into()
}

fn older_words(count: u64) -> String {
    format!(
        "{count} more got this outcome since then, for an older stage change or submission: --changed-since in place of --since \
         lists them."
    )
}

/// True if the reader of the output has stopped reading, as `head` does.
fn is_enough(printed: &Result<(), CommandError>) -> bool {
    let error = printed
        .as_ref()
        .err()
        .and_then(|error| error.downcast_ref::<io::Error>());
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl ConversionsFlags {
    fn query(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let time = |since: Option<SinceFlag>| since.map(|since| since.time(now).to_string());
        let outcome = self.outcome.map(|outcome| format!("{outcome:?}"));
        let contact = self.contact.map(|id| id.to_string());
        let parameters = [
            ("outcome", outcome),
            ("reason", self.reason.clone()),
            ("since", time(self.since)),
            ("changedSince", time(self.changed_since)),
            ("contact", contact),
        ];
        parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

impl ConversionsFlags {
    /// Why there is nothing in a table.
    fn none_words(&self, event: &str, now: Timestamp) -> String {
        let times = [self.since, self.changed_since].into_iter().flatten();
        let future = times.map(|since| since.time(now)).find(|time| *time > now);
        match future {
            Some(time) => format!("Event {event} has no such conversions: {time:.0} is in the future."),
            None if self.query(now).is_empty() => format!("Event {event} has no conversions."),
            None => format!("Event {event} has no such conversions."),
        }
    }
}

/// On a terminal only: pipes get conversions and nothing else.
fn say_count(operator: &Operator, count: u64) {
    if io::stdout().is_terminal() {
        let pod = operator
            .pod
            .as_ref()
            .map(|pod| format!(" (asked: pod {pod})"))
            .unwrap_or_default();
        eprintln!("{}{pod}", counted(count, "conversion"));
    }
}

fn parse_contact(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| {
        "the id of a HubSpot contact is a number, the one in the address of its page in HubSpot. `adconversion explain` takes an \
         e-mail address too"
            .to_owned()
    })
}

/// An error if no conversion has the reason and the operator
/// does not know it: a typo must not look like a count of zero.
fn check_reason(name: &str) -> Result<(), CommandError> {
    if reason::ALL.iter().any(|known| known.name == name) || explain_rejection(name).is_some() {
        return Ok(());
    }
    let names: Vec<_> = reason::ALL.iter().map(|known| known.name).collect();
    Err(format!(
        "no conversion has the reason {:?}, and the operator has no such reason. Its reasons are {}. The other reasons of rejected \
         conversions are Google's codes, like ClickNotFound",
        brief_name(name),
        names.join(", ")
    )
    .into())
}

#[cfg(test)]
#[path = "conversions_tests.rs"]
mod tests;
