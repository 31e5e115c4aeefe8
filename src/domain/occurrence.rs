//! Which rows of a contact's lifecycle history are occurrences.

use jiff::Timestamp;

use super::contact::{Contact, LIFECYCLE_STAGE};

/// When the contact entered `stage` (internal value) at or after `start`, oldest first.
///
/// No occurrence: an empty value, the same value as the older row, a row written by a merge. Jumps, re-entries and
/// custom stages count. Source: docs/reference/hubspot.md 4.6 (rows to drop).
pub fn stage_entries(contact: &Contact, stage: &str, start: Timestamp) -> Vec<Timestamp> {
    let mut older: Option<&str> = None;
    let mut entries = Vec::new();
    for row in contact.history_of(LIFECYCLE_STAGE) {
        let repeats = older == Some(row.value.as_str());
        older = Some(&row.value);
        if row.value == stage && !repeats && !row.by_merge && row.at >= start {
            entries.push(row.at);
        }
    }
    entries
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::contact::{HistoryEntry, Properties};
    use super::super::ids::ContactId;
    use super::*;

    fn contact(rows: &[(&str, i64, &str)]) -> Contact {
        let history = rows
            .iter()
            .map(|(value, at, source)| HistoryEntry {
                value: (*value).into(),
                at: Timestamp::from_second(*at).unwrap(),
                by_merge: *source == "MERGE_OBJECTS",
            })
            .collect();
        Contact {
            requested_id: ContactId(1),
            id: ContactId(1),
            updated_at: Some(Timestamp::UNIX_EPOCH),
            as_of: None,
            properties: Properties::default(),
            history: vec![(LIFECYCLE_STAGE.into(), history)],
            flaw: None,
        }
    }

    #[rstest::rstest]
    #[case::plain(&[("lead", 1, "FORM"), ("customer", 2, "CRM_UI")], &[2])]
    #[case::jump(&[("customer", 5, "API")], &[5])]
    #[case::repeated_value(&[("customer", 1, "API"), ("customer", 2, "API")], &[1])]
    #[case::cleared_and_set_again(&[("customer", 1, "API"), ("", 2, "API"), ("customer", 3, "API")], &[1, 3])]
    #[case::re_entry(&[("customer", 1, "API"), ("lead", 2, "API"), ("customer", 3, "API")], &[1, 3])]
    #[case::merge_row(&[("customer", 1, "MERGE_OBJECTS")], &[])]
    #[case::same_after_merge_row(&[("customer", 1, "MERGE_OBJECTS"), ("customer", 2, "API")], &[])]
    #[case::before_start(&[("customer", -9, "API"), ("lead", 1, "API"), ("customer", 2, "API")], &[2])]
    #[case::at_start(&[("customer", 0, "API")], &[0])]
    #[case::other_stage(&[("lead", 1, "API")], &[])]
    #[case::no_history(&[], &[])]
    fn rows_of_the_history(#[case] rows: &[(&str, i64, &str)], #[case] expected: &[i64]) {
        let found: Vec<i64> = stage_entries(&contact(rows), "customer", Timestamp::UNIX_EPOCH)
            .into_iter()
            .map(Timestamp::as_second)
            .collect();
        assert_eq!(found, expected);
    }
}
