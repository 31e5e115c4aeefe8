//! Field paths of a fast fail: which row, which destination (docs/reference/google.md 6.5).

use serde_json::Value;

use super::code_table::{data_manager_code, of_destination, says_nothing};
use super::redact::field_path;
use crate::domain::batch::Complaint;
use crate::domain::codes::Code;

/// Part of a refusal that Google tied to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Row index, if the field path names one (`events.events[3]…`).
    pub(crate) row: Option<usize>,
    /// Destination index, if the field path names one (`destinations[0]…`).
    pub(crate) destination: Option<usize>,
    /// The field path, for people.
    pub(crate) field: String,
    /// Google's code; `None` if it gave none that says more than "refused".
    pub(crate) code: Option<Code>,
}

impl Violation {
    /// What the rules need of it; `whole` is the code of the request.
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
    let field = field_path(value["field"].as_str().unwrap_or_default());
    let code = value["reason"].as_str().and_then(data_manager_code);
    Violation {
        row: index_of(&field, "events"),
        destination: index_of(&field, "destinations"),
        field,
        code: code.filter(|code| !says_nothing(&code.name)),
    }
}

/// The index behind `name` in a path: `events.events[12].user_data`, `events[12].userData`, `events.12.user_data`.
/// `destination_references[0]` is no destination.
fn index_of(path: &str, name: &str) -> Option<usize> {
    let mut before = "";
    for step in path.split('.') {
        let (word, index) = match step.split_once('[') {
            Some((word, rest)) => (word, rest.split_once(']').and_then(|(index, _)| index.parse().ok())),
            None => (step, None),
        };
        if word == name && index.is_some() {
            return index;
        }
        if before == name
            && let Ok(index) = word.parse()
        {
            return Some(index);
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
            ("events[x].a", None, None),
            ("events[", None, None),
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
