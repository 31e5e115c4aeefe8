//! Whether a read of a contact is as new as what a search showed of it. HubSpot's searches and reads are answered by
//! different servers, and one of them may be behind: a read that is older than the search that led to it says nothing
//! of what is new.

use jiff::{SignedDuration, Timestamp};

use super::contact::{Contact, LIFECYCLE_STAGE};
use super::occurrence::stage_entries;

/// How far the time of an entry and its row in the history may lie apart: HubSpot computes the one from the other
/// (docs/reference/hubspot.md 4.3).
const APART: SignedDuration = SignedDuration::from_mins(5);

/// What a search showed of a contact. Ids of stages and times only: the ledger keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownState {
    /// When it was modified last, HubSpot's clock.
    pub modified: Option<Timestamp>,
    /// The stages of events, and when the contact last entered each.
    pub entered: Vec<(String, Timestamp)>,
    /// The stage it is in, if that is one of an event.
    pub stage: Option<String>,
}

/// How a read falls behind what was shown before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Its time of modification is earlier.
    Older,
    /// Its history lacks an entry. Some portals are like that: a property may show an entry that the history never had.
    EntryMissing,
}

impl ShownState {
    /// How this read falls behind, if it does.
    pub fn compare_read(&self, read: &Contact) -> Option<Behind> {
        let modified = read.last_modified();
        if modified.is_some() && modified < self.modified {
            return Some(Behind::Older);
        }
        let history = read.history_of(LIFECYCLE_STAGE);
        let lacks_entry = |(stage, at): &(String, Timestamp)| {
            let earliest = at.saturating_sub(APART).unwrap_or(Timestamp::MIN);
            !history.iter().any(|row| row.value == *stage && row.at >= earliest)
        };
        let lacks_stage = |stage: &str| {
            // A contact that has moved on since then was in the stage all the same.
            let is_in = read.property(LIFECYCLE_STAGE) == Some(stage);
            let ends = history.last().is_some_and(|row| row.value == stage);
            !history.iter().any(|row| row.value == stage) || is_in && !ends
        };
        let lacks = self.entered.iter().any(lacks_entry) || self.stage.as_deref().is_some_and(lacks_stage);
        lacks.then_some(Behind::EntryMissing)
    }

    /// True if a read shows several entries into the stage, and `entry` is one that the search has not shown: then this
    /// read is the only one that shows it.
    pub fn is_unconfirmed(&self, read: &Contact, stage: &str, entry: Timestamp) -> bool {
        let shown = self.entered.iter().find(|(known, _)| known == stage);
        let is_shown = |(_, at): &(String, Timestamp)| entry.duration_since(*at).abs() <= APART;
        stage_entries(read, stage, Timestamp::MIN).len() > 1 && !shown.is_some_and(is_shown)
    }

    /// This state with what a later search has shown.
    #[must_use]
    pub fn merge_with(mut self, later: &Self) -> Self {
        self.modified = self.modified.max(later.modified);
        self.stage = later.stage.clone().or(self.stage);
        for (stage, at) in &later.entered {
            match self.entered.iter_mut().find(|(known, _)| known == stage) {
                Some((_, known)) => *known = *at,
                None => self.entered.push((stage.clone(), *at)),
            }
        }
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::contact::HistoryEntry;
    use crate::domain::ids::ContactId;

    fn t(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    /// A read at this time of modification, in this stage, with these rows.
    fn read(modified: i64, stage: &str, rows: &[(&str, i64)]) -> Contact {
        let row = |(value, at): &(&str, i64)| HistoryEntry {
            value: (*value).to_owned(),
            at: t(*at),
            by_merge: false,
        };
        Contact {
            requested_id: ContactId(1),
            id: ContactId(1),
            updated_at: Some(t(modified)),
            as_of: None,
            properties: [(LIFECYCLE_STAGE, stage)].into_iter().collect(),
            history: vec![(LIFECYCLE_STAGE.to_owned(), rows.iter().map(row).collect())],
            flaw: None,
        }
    }

    fn shown(modified: i64, entered: &[(&str, i64)], stage: &str) -> ShownState {
        ShownState {
            modified: Some(t(modified)),
            entered: entered
                .iter()
                .map(|(stage, at)| ((*stage).to_owned(), t(*at)))
                .collect(),
            stage: Some(stage.to_owned()).filter(|stage| !stage.is_empty()),
        }
    }

    const LATER: i64 = 10_000;

    #[rstest]
    // All is there, also where more has happened since.
    #[case(shown(9, &[("customer", 9)], "customer"), read(9, "customer", &[("lead", 1), ("customer", 9)]), None)]
    #[case(shown(9, &[("customer", 9)], "customer"), read(20, "lead", &[("customer", 9), ("lead", 20)]), None)]
    #[case(shown(9, &[], ""), read(9, "", &[]), None)]
    #[case(shown(9, &[("customer", 9)], ""), read(9, "customer", &[("customer", 8)]), None)]
    // A merge moves nothing out of the history.
    #[case(shown(9, &[("customer", 5)], "customer"), read(30, "customer", &[("customer", 5), ("customer", 30)]), None)]
    // Older by its own words.
    #[case(shown(9, &[("customer", 9)], "customer"), read(1, "lead", &[("lead", 1)]), Some(Behind::Older))]
    #[case(shown(9, &[], ""), read(8, "customer", &[("customer", 8)]), Some(Behind::Older))]
    // The history alone is old.
    #[case(shown(9, &[("customer", 9)], ""), read(9, "lead", &[("lead", 1)]), Some(Behind::EntryMissing))]
    #[case(shown(9, &[("customer", LATER)], ""), read(LATER, "customer", &[("customer", 9)]), Some(Behind::EntryMissing))]
    #[case(shown(9, &[], "customer"), read(9, "customer", &[("lead", 1)]), Some(Behind::EntryMissing))]
    #[case(shown(9, &[], "customer"), read(9, "lead", &[("lead", 1)]), Some(Behind::EntryMissing))]
    // Entered once more, and the current value says so.
    #[case(shown(9, &[("customer", 9)], "customer"), read(9, "customer", &[("customer", 1), ("lead", 5)]), Some(Behind::EntryMissing))]
    fn reads_that_show_less_than_the_search(
        #[case] shown: ShownState,
        #[case] read: Contact,
        #[case] behind: Option<Behind>,
    ) {
        assert_eq!(shown.compare_read(&read), behind);
    }

    #[test]
    fn without_a_time_of_modification_nothing_is_older() {
        let mut contact = read(1, "customer", &[("customer", 9)]);
        contact.updated_at = None;
        assert_eq!(shown(9, &[("customer", 9)], "customer").compare_read(&contact), None);
        let nothing = ShownState::default();
        assert_eq!(nothing.compare_read(&read(1, "", &[])), None);
    }

    #[rstest]
    #[case::an_only_one(&[("customer", 9)], &[("customer", 9)], &[])]
    #[case::an_only_one_at_another_time(&[("customer", LATER)], &[("customer", 9)], &[])]
    #[case::an_earlier_one_too(&[("customer", LATER)], &[("customer", 9), ("lead", 10), ("customer", LATER)], &[9])]
    #[case::a_later_one_too(&[("customer", 9)], &[("customer", 9), ("lead", 10), ("customer", LATER)], &[LATER])]
    #[case::no_entry_of_its_own(&[("customer", 9)], &[("customer", 9), ("customer", LATER)], &[])]
    #[case::near(&[("customer", 9)], &[("customer", 9), ("lead", 10), ("customer", 200)], &[])]
    #[case::nothing_is_shown(&[], &[("customer", 9), ("lead", 10), ("customer", LATER)], &[9, LATER])]
    #[case::of_another_stage(&[("lead", 9)], &[("customer", 9), ("lead", 10), ("customer", LATER)], &[9, LATER])]
    fn of_several_entries_the_search_confirms_its_own(
        #[case] entered: &[(&str, i64)],
        #[case] rows: &[(&str, i64)],
        #[case] unconfirmed: &[i64],
    ) {
        let (shown, read) = (shown(9, entered, ""), read(9, "", rows));
        let entries = stage_entries(&read, "customer", Timestamp::MIN);
        let found = entries
            .into_iter()
            .filter(|at| shown.is_unconfirmed(&read, "customer", *at));
        let wanted: Vec<_> = unconfirmed.iter().map(|at| t(*at)).collect();
        assert_eq!(found.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn what_a_later_search_shows_is_waited_for_too() {
        let first = shown(9, &[("lead", 2), ("customer", 9)], "customer");
        let both = first.merge_with(&shown(7, &[("customer", 20), ("trial", 7)], ""));
        assert_eq!(
            both,
            shown(9, &[("lead", 2), ("customer", 20), ("trial", 7)], "customer")
        );
    }
}
