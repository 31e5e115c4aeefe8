//! `adconversion explain`: the life of one contact under an event.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::operator::{OperatorFlags, text_of};
use crate::cli::command_error::CommandError;
use crate::cli::names::parse_name;
use crate::cli::output::Output;

/// Nothing of the contact is a conversion.
const FINDING: u8 = 1;

/// Flags of `adconversion explain`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainFlags {
    /// Name of the event.
    #[arg(value_parser = parse_name)]
    event: String,
    /// Id of the HubSpot contact, or its e-mail address. An address is sent to the operator and HubSpot alone, and logged nowhere.
    #[arg(long, value_name = "ID or EMAIL")]
    contact: String,
    /// Form of the answer.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    operator: OperatorFlags,
}

/// Prints it; a finding if nothing of the contact is a conversion.
pub(super) async fn print_explanation(flags: &ExplainFlags) -> Result<ExitCode, CommandError> {
    let namespace = flags.operator.namespace().await?;
    let operator = flags.operator.connect(0).await?;
    let question = if flags.contact.contains('@') {
        json!({"email": flags.contact})
    } else {
        json!({"contact": flags.contact})
    };
    let path = ["v1", "events", &namespace, &flags.event, "explain"];
    let answer: Value = operator.post(&path, &question).await?;
    let text = match flags.output.of_program(&answer)? {
        Some(text) => text,
        None => to_text(&format!("{namespace}/{}", flags.event), &answer),
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
fn to_text(event: &str, answer: &Value) -> String {
    let mut text = String::new();
    let merged: Vec<_> = texts(&answer["mergedIds"]).collect();
    let merged = if merged.is_empty() {
        String::new()
    } else {
        format!(" (merged with {})", merged.join(", "))
    };
    if let Some(contact) = answer["contactId"].as_str() {
        let _ = writeln!(text, "Contact {contact}{merged} under event {event}");
    }
    for note in texts(&answer["notes"]) {
        let _ = writeln!(text, "  {note}");
    }
    for entry in entries(answer) {
        let _ = writeln!(text, "\n{}  {}", text_of(entry, "time"), headline(&entry["conversion"]));
        let message = text_of(&entry["conversion"], "message");
        if !message.is_empty() {
            write_line(&mut text, "meaning", message);
        }
        for line in entry["lines"].as_array().into_iter().flatten() {
            write_line(&mut text, text_of(line, "about"), text_of(line, "says"));
        }
        for (about, field) in FACTS {
            let says = text_of(&entry["conversion"], field);
            if !says.is_empty() {
                write_line(&mut text, about, says);
            }
        }
    }
    text
}

/// Facts of the ledger, and their fields.
const FACTS: [(&str, &str); 6] = [
    ("Google's code", "code"),
    ("first seen", "firstSeenTime"),
    ("last change", "lastChangeTime"),
    ("next look", "nextTime"),
    ("request", "requestId"),
    ("transaction id", "transactionId"),
];

fn headline(conversion: &Value) -> String {
    if !conversion.is_object() {
        return "is no conversion".to_owned();
    }
    let mut line = text_of(conversion, "outcome").to_owned();
    let reason = text_of(conversion, "reason");
    if !reason.is_empty() {
        let _ = write!(line, ", {reason}");
    }
    let value = text_of(conversion, "value");
    if !value.is_empty() {
        let _ = write!(line, ", with value {value} {}", text_of(conversion, "currency"));
    }
    line
}

fn write_line(text: &mut String, about: &str, says: &str) {
    let _ = writeln!(text, "  {about:<16}{says}");
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(to_text("marketing/customers", &answer), expected);
    }
}
