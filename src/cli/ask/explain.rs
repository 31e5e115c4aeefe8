//! `adconversion explain`: the life of one contact under an event.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::operator::{OperatorFlags, text_of};
use crate::cli::command_error::CommandError;
use crate::cli::exit_codes::FINDING;
use crate::cli::layout::{Hung, Width};
use crate::cli::names::parse_name;
use crate::cli::output::{Output, foreign, printable};
use crate::cli::progress::Progress;

/// Flags of `adconversion explain`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainFlags {
    /// Name of the event.
    #[arg(value_parser = parse_name)]
    event: String,
    /// Id of the HubSpot contact, or its e-mail address. An address
    /// is sent to the operator and HubSpot alone, and logged nowhere.
    #[arg(long, value_name = "ID or EMAIL")]
    contact: String,
    /// Output format.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    operator: OperatorFlags,
}

/// Prints it; a finding if nothing of the contact is a conversion.
pub(super) async fn print_explanation(flags: &ExplainFlags) -> Result<ExitCode, CommandError> {
    let progress = Progress::begin("Looking for the operator");
    let namespace = flags.operator.namespace().await?;
    let operator = flags.operator.connect(0).await?;
    progress.say("Asking the operator");
    let question = if flags.contact.contains('@') {
        json!({"email": flags.contact})
    } else {
        json!({"contact": flags.contact})
    };
    let path = ["v1", "events", &namespace, &flags.event, "explain"];
    let answer: Value = operator.post(&path, &question).await?;
    drop(progress);
    let text = match flags.output.of_program(&answer)? {
        Some(text) => text,
        None => to_text(&format!("{namespace}/{}", flags.event), &answer, Width::of_stdout()),
    };
    io::stdout().write_all(text.as_bytes())?;
    let any = entries(&answer).any(|entry| entry["conversion"].is_object());
    Ok(ExitCode::from(if any { 0 } else { FINDING }))
}

fn entries(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["entries"].as_array().into_iter().flatten()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The answer for people.
fn to_text(event: &str, answer: &Value, width: Width) -> String {
    let mut text = String::new();
    let merged: Vec<_> = texts(&answer["mergedIds"]).map(foreign).collect();
    let merged = if merged.is_empty() {
        String::new()
    } else {
        format!(" (merged with {})", merged.join(", "))
    };
    if let Some(contact) = answer["contactId"].as_str() {
        let _ = writeln!(text, "Contact {}{} under event {event}", foreign(contact), merged);
    }
    for note in texts(&answer["notes"]) {
        let _ = writeln!(text, "{}", width.indented(2, &printable(note)));
    }
    for entry in entries(answer) {
        let _ = writeln!(text, "\n{}  {}", foreign(text_of(entry, "time")), headline(entry));
        let conversion = &entry["conversion"];
        let mut rows = vec![("meaning", text_of(conversion, "message"))];
        let lines = entry["lines"].as_array().into_iter().flatten();
        rows.extend(lines.map(|line| (text_of(line, "about"), text_of(line, "says"))));
        rows.extend(FACTS.map(|(about, field)| (about, text_of(conversion, field))));
        rows.retain(|(_, says)| !says.is_empty());
        // All entries have their texts below each other.
        let hung = |(about, says): (&str, &str)| Hung::new(&format!("{:<14}", foreign(about)), printable(says));
        let _ = writeln!(text, "{}", width.hang(2, rows.into_iter().map(hung).collect()));
    }
    text
}

/// Facts of the ledger, and their fields.
const FACTS: [(&str, &str); 5] = [
    ("Google's code", "code"),
    ("first seen", "firstSeenTime"),
    ("last change", "lastChangeTime"),
    ("next look", "nextTime"),
    ("transaction id", "transactionId"),
];

fn headline(entry: &Value) -> String {
    let conversion = &entry["conversion"];
    if !conversion.is_object() {
        // "no conversion", or "not seen yet".
        return format!("is {}", foreign(text_of(&entry["lines"][0], "about")));
    }
    let field = |name: &str| foreign(text_of(conversion, name));
    let mut line = field("outcome");
    let (reason, value) = (field("reason"), field("value"));
    if !reason.is_empty() {
        let _ = write!(line, ", {reason}");
    }
    if !value.is_empty() {
        let _ = write!(line, ", with value {value} {}", field("currency"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::layout::tests::{WIDTHS, assert_fits};

    #[test]
    fn an_answer_reads_as_a_story() {
        let answer = json!({
            "contactId": "51",
            "mergedIds": ["7"],
            "notes": [],
            "entries": [
                {"time": "2026-11-20T10:00:00Z",
                 "lines": [{"about": "no conversion", "says": "It lies before the event's start."}]},
                {"time": "2026-11-21T10:00:00Z",
                 "conversion": {"outcome": "Skipped", "reason": "NoConsent", "message": "No consent.",
                                "transactionId": "hs-1"},
                 "lines": [{"about": "consent", "says": "Not granted: ads_consent is empty."}]},
            ],
        });
        let expected = "\
Contact 51 (merged with 7) under event marketing/customers

2026-11-20T10:00:00Z  is no conversion
  no conversion   It lies before the event's start.

2026-11-21T10:00:00Z  Skipped, NoConsent
  meaning         No consent.
  consent         Not granted: ads_consent is empty.
  transaction id  hs-1
";
        assert_eq!(to_text("marketing/customers", &answer, Width::PIPE), expected);
        for columns in WIDTHS {
            assert_fits(&to_text("marketing/customers", &answer, Width::of(columns)), columns);
        }
    }

    #[test]
    fn what_others_write_steers_no_terminal_and_stays_short() {
        let odd = format!("\u{1b}[2J\u{202e}<b>\"{}", "x".repeat(1 << 20));
        let answer = json!({"contactId": odd, "mergedIds": [odd], "notes": [odd], "entries": [
            {"time": odd, "lines": [{"about": odd, "says": odd}], "conversion": {"outcome": odd, "reason": odd,
                "message": odd, "value": odd, "currency": odd, "code": odd, "requestId": odd}}]});
        let text = to_text("marketing/customers", &answer, Width::PIPE);
        assert!(text.len() < 4_000, "{} bytes", text.len());
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
}
