//! Which rows of a contact's lifecycle history are occurrences.

use jiff::Timestamp;

use super::contact::{Contact, LIFECYCLE_STAGE};

/// Why a row of the history that names a stage is no occurrence of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEntry {
    /// A merge of two contacts wrote it.
    ByMerge,
    /// The older row names the same stage.
    Repeats,
    /// It lies before the start.
    BeforeStart,
}

/// When the contact entered `stage` (internal value) at or after `start`, oldest first.
///
/// No occurrence: an empty value, the same value as the older row, a row written by a merge. Jumps, re-entries and
/// custom stages count. Source: docs/reference/hubspot.md 4.6 (rows to drop).
pub fn stage_entries(contact: &Contact, stage: &str, start: Timestamp) -> Vec<Timestamp> {
    let rows = judge_rows(contact, stage, start);
    rows.filter_map(|(at, why_not)| why_not.is_none().then_some(at))
        .collect()
}

/// The rows that name `stage`, oldest first, each with why it is no occurrence, if it is none.
pub fn judge_rows<'a>(
    contact: &'a Contact,
    stage: &'a str,
    start: Timestamp,
) -> impl Iterator<Item = (Timestamp, Option<NoEntry>)> + 'a {
    let mut older: Option<&str> = None;
    let judged = contact.history_of(LIFECYCLE_STAGE).iter().map(move |row| {
        let repeats = older.replace(&row.value) == Some(row.value.as_str());
        let why_not = if row.by_merge {
            Some(NoEntry::ByMerge)
        } else if repeats {
            Some(NoEntry::Repeats)
        } else {
            (row.at < start).then_some(NoEntry::BeforeStart)
        };
        (row, why_not)
    });
    judged
        .filter(move |(row, _)| row.value == stage)
        .map(|(row, why_not)| (row.at, why_not))
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
