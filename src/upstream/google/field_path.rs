//! Field paths of a fast fail: which row, which destination (docs/reference/google.md 6.5).

use serde_json::Value;

use super::redact::field_path;
use super::row_classes::{data_manager_code, is_mere_refusal, of_destination};
use crate::domain::batch::{Complaint, NO_ROW};
use crate::domain::codes::{Class, Code};

/// Part of a refusal that Google tied to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Row index, if the field path names one (`events.events[3]…`); [`NO_ROW`] for one that can't be read.
    pub(crate) row: Option<usize>,
    /// Destination index, if the field path names one (`destinations[0]…`).
    pub(crate) destination: Option<usize>,
    /// The field path, for people.
    pub(crate) field: String,
    /// Google's code; `None` if it gave none that says more than "refused".
    pub(crate) code: Option<Code>,
}

impl Violation {
    /// Makes the complaint that the rules read; `whole` is the code of the request.
    pub(crate) fn into_complaint(self, whole: Option<&Code>) -> Complaint {
        let of_destination = |code| Some(of_destination(code, whole));
        Complaint {
            row: self.row,
            destination: self.destination,
            code: match (self.row, self.destination) {
                (None, Some(_)) => of_destination(self.code),
                _ => self.code,
            },
        }
    }
}

/// One of `BadRequest.fieldViolations`. `description` is not read: it may echo values.
pub(crate) fn parse_violation(value: &Value) -> Violation {
    let path = value["field"].as_str().unwrap_or_default();
    let code = value["reason"].as_str().and_then(data_manager_code);
    let row = index_of(path, "events");
    // A mere "refused" is enough to know about a row; about a whole request it says nothing.
    let says = |code: &Code| match row {
        Some(_) => code.class != Class::SaysNothing,
        None => !is_mere_refusal(code),
    };
    Violation {
        row,
        destination: index_of(path, "destinations"),
        field: field_path(path),
        code: code.filter(says),
    }
}

/// The index behind `name` in a path: `events.events[12].user_data`, `events[12].userData`, `events.12.user_data`.
/// `destination_references[0]` is no destination. Anything in the place of an index that is not one is [`NO_ROW`].
fn index_of(path: &str, name: &str) -> Option<usize> {
    let mut before = "";
    for step in path.split('.') {
        let (word, index) = match step.split_once('[') {
            Some((word, rest)) => (word, Some(rest.strip_suffix(']').unwrap_or_default())),
            None => (step, None),
        };
        let index = match index {
            Some(index) if word == name => Some(index),
            // A field begins with a letter.
            _ if before == name && !word.starts_with(|c: char| c.is_ascii_alphabetic()) => Some(word),
            _ => None,
        };
        if let Some(index) = index {
            return Some(index.parse().unwrap_or(NO_ROW));
        }
        before = word;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_destinations_are_found_in_every_spelling() {
        let table = [
            ("events.events[12].event_source", Some(12), None),
            ("events.events[0].user_data.user_identifiers[1]", Some(0), None),
            ("events[7].userData.userIdentifiers[1].emailAddress", Some(7), None),
            ("events.3.event_source", Some(3), None),
            ("destinations[0].operating_account", None, Some(0)),
            ("destinations.destinations[2].productDestinationId", None, Some(2)),
            ("events[1].destination_references[4]", Some(1), None),
            ("events", None, None),
            ("events[x].a", Some(NO_ROW), None),
            ("events[", Some(NO_ROW), None),
            ("events.events[-1].event_source", Some(NO_ROW), None),
            ("events.events[0x0]", Some(NO_ROW), None),
            ("events[1e0]", Some(NO_ROW), None),
            ("events.-1.event_source", Some(NO_ROW), None),
            ("events[99999999999999999999999]", Some(NO_ROW), None),
            ("destinations[-1]", None, Some(NO_ROW)),
            ("events.event_source", None, None),
            ("request_id", None, None),
            ("", None, None),
        ];
        for (path, row, destination) in table {
            assert_eq!(
                (index_of(path, "events"), index_of(path, "destinations")),
                (row, destination),
                "{path}"
            );
        }
    }
}
