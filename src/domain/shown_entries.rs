//! Whether an entry into a stage that looks new is one that is known under another time. A read may show a time that is
//! cut to whole seconds, or slightly off, and the time is part of the transaction id.

use std::collections::{BTreeSet, HashMap};

use super::contact::{Contact, LIFECYCLE_STAGE};
use super::ids::{ContactId, OccurrenceKey, PortalId};

/// How far (milliseconds) a time may be off for a contact that was merged, whose history may have lost entries by that.
pub const LONGEST_SHIFT: i64 = 5_000;
/// How far (milliseconds) a time may be off for a contact that was never merged: nothing but a wrong time (such as one
/// in another time zone) explains that a known entry is not shown any more.
const LONGEST_LONE_SHIFT: i64 = 24 * 3_600_000;

/// What one read shows of a contact's way into a stage. Times in milliseconds, as keys have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownEntries {
    portal: PortalId,
    stage: String,
    canonical: ContactId,
    /// All ids under which the contact may be known, the canonical one first.
    contacts: Vec<ContactId>,
    /// The entries to record.
    entries: Vec<i64>,
    /// All rows of the history that name the stage, including those that are no entry.
    rows: BTreeSet<i64>,
    /// How far a known entry and the one that stands for it may lie apart.
    longest: i64,
}

impl ShownEntries {
    /// What a read shows of a lineage with this canonical contact, these `others` and these `entries` (milliseconds).
    pub fn new(
        (portal, stage): (PortalId, &str),
        canonical: ContactId,
        others: impl IntoIterator<Item = ContactId>,
        entries: Vec<i64>,
    ) -> Self {
        let mut contacts = vec![canonical];
        for other in others {
            if !contacts.contains(&other) {
                contacts.push(other);
            }
        }
        let rows = entries.iter().copied().collect();
        Self {
            portal,
            stage: stage.to_owned(),
            canonical,
            contacts,
            entries,
            rows,
            longest: LONGEST_SHIFT,
        }
    }

    /// Adds all that this contact's history says of the stage. HubSpot drops entries of the last day from it only by a
    /// merge. So if the contact was never merged, a known entry that is missing was shown at a wrong time.
    #[must_use]
    pub fn with_history_of(mut self, contact: &Contact) -> Self {
        let rows = contact.history_of(LIFECYCLE_STAGE).iter();
        let of_stage = rows.filter(|row| row.value == self.stage);
        self.rows.extend(of_stage.map(|row| row.at.as_millisecond()));
        if self.contacts.len() == 1 {
            self.longest = LONGEST_LONE_SHIFT;
        }
        self
    }

    /// The contact that stands for all its ids.
    pub fn canonical(&self) -> ContactId {
        self.canonical
    }

    /// The entries to record.
    pub fn entries(&self) -> &[i64] {
        &self.entries
    }

    /// The keys that an entry at this time may have: first the one to use, then those that every other id of the
    /// lineage, or a canonical contact one of them once had, would give. An occurrence known under any of them is not
    /// new.
    pub fn keys_at(&self, at: i64) -> Vec<OccurrenceKey> {
        let key = |contact: &ContactId| OccurrenceKey::for_lifecycle(self.portal, *contact, &self.stage, at);
        self.contacts.iter().map(key).collect()
    }

    /// Around each entry, the earliest and the latest time of a known one that it may stand for.
    pub fn spans(&self) -> impl Iterator<Item = (i64, i64)> {
        let span = |at: &i64| (at.saturating_sub(self.longest), at.saturating_add(self.longest));
        self.entries.iter().map(span)
    }

    /// The times of `sorted` that are near an entry and that this read does not show.
    pub fn near_times(&self, sorted: &[i64]) -> Vec<i64> {
        let mut near = BTreeSet::new();
        for (earliest, latest) in self.spans() {
            let from = sorted.partition_point(|at| *at < earliest);
            let to = sorted.partition_point(|at| *at <= latest);
            near.extend(&sorted[from..to]);
        }
        near.into_iter().filter(|at| !self.rows.contains(at)).collect()
    }

    /// Entries that are known under another time, each with that time: they are not `known`, and lie near a known entry
    /// that this read does not show. Each known entry stands for one at most, so two that are both shown stay two.
    pub fn shifted_entries(&self, known: &BTreeSet<i64>) -> HashMap<i64, i64> {
        let entries: BTreeSet<i64> = self.entries.iter().copied().collect();
        let mut missing = known.difference(&self.rows).copied().peekable();
        let mut shifted = HashMap::new();
        // Each takes the earliest that is near: that leaves the most for those that follow.
        for entry in entries.difference(known) {
            while missing.next_if(|at| *at < entry.saturating_sub(self.longest)).is_some() {}
            if let Some(at) = missing.next_if(|at| *at <= entry.saturating_add(self.longest)) {
                shifted.insert(*entry, at);
            }
        }
        shifted
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::contact::Properties;
    use super::*;

    fn shown(entries: &[i64]) -> ShownEntries {
        let of = (PortalId(7), "customer");
        ShownEntries::new(of, ContactId(1), [], entries.to_vec())
    }

    fn new_entries(entries: &[i64], known: &[i64]) -> Vec<i64> {
        let shown = shown(entries);
        let known: BTreeSet<i64> = known.iter().copied().collect();
        let shifted = shown.shifted_entries(&known);
        let is_new = |at: &i64| !known.contains(at) && !shifted.contains_key(at);
        entries.iter().copied().filter(is_new).collect()
    }

    #[rstest]
    #[case::first_sight(&[40_123], &[], &[40_123])]
    #[case::the_same(&[40_123], &[40_123], &[])]
    #[case::cut_to_seconds(&[40_000], &[40_123], &[])]
    #[case::was_cut_to_seconds(&[40_123], &[40_000], &[])]
    #[case::a_millisecond(&[40_124], &[40_123], &[])]
    #[case::a_second_earlier(&[39_123], &[40_123], &[])]
    #[case::as_far_as_it_goes(&[45_123], &[40_123], &[])]
    #[case::too_far(&[45_124], &[40_123], &[45_124])]
    #[case::both_are_shown(&[40_123, 41_000], &[40_123], &[41_000])]
    #[case::both_are_shifted(&[40_000, 41_000], &[40_500, 41_500], &[])]
    #[case::onto_the_time_of_another(&[41_000, 42_000], &[40_000, 41_000], &[])]
    #[case::one_stands_for_one(&[40_000, 41_000], &[40_500], &[41_000])]
    #[case::the_first_is_left_for_the_first(&[39_000, 44_000], &[40_000, 45_000], &[])]
    #[case::one_fell_out_of_the_history(&[90_000], &[40_000], &[90_000])]
    fn entries_that_are_new(#[case] entries: &[i64], #[case] known: &[i64], #[case] expected: &[i64]) {
        assert_eq!(new_entries(entries, known), expected);
    }

    #[test]
    fn what_is_shown_as_no_entry_is_shown_all_the_same() {
        let mut read = shown(&[40_000]);
        read.rows.insert(41_000);
        assert!(read.shifted_entries(&BTreeSet::from([41_000])).is_empty());
    }

    /// In seconds: what is known, what a read shows then, and which of it is new.
    #[rstest]
    #[case::an_hour_off(&[4_000], &[400], &[])]
    #[case::as_far_as_a_time_zone_may_be(&[4_000], &[4_000 + 86_400], &[])]
    #[case::farther(&[4_000], &[4_001 + 86_400], &[4_001 + 86_400])]
    #[case::shown_all_the_same(&[4_000], &[4_000, 400], &[400])]
    #[case::one_stands_for_one(&[4_000], &[400, 500], &[500])]
    fn a_known_entry_that_was_never_merged_away_is_the_one_shown(
        #[case] known: &[i64],
        #[case] rows: &[i64],
        #[case] expected: &[i64],
    ) {
        let millis = |all: &[i64]| all.iter().map(|second| second * 1_000).collect::<Vec<_>>();
        let entries = millis(rows);
        let contact = Contact {
            requested_id: ContactId(1),
            id: ContactId(1),
            updated_at: None,
            as_of: None,
            properties: Properties::default(),
            history: Vec::new(),
            flaw: None,
        };
        let known: BTreeSet<i64> = millis(known).into_iter().collect();
        let new_of = |others: &[ContactId]| {
            let of = (PortalId(7), "customer");
            let shown = ShownEntries::new(of, ContactId(1), others.iter().copied(), entries.clone());
            let shifted = shown.with_history_of(&contact).shifted_entries(&known);
            let is_new = |at: &&i64| !known.contains(at) && !shifted.contains_key(at);
            entries.iter().filter(is_new).map(|at| at / 1_000).collect::<Vec<_>>()
        };
        assert_eq!(new_of(&[]), expected);
        // A merge drops entries: those of both are two.
        let unknown: Vec<i64> = rows
            .iter()
            .copied()
            .filter(|at| !known.contains(&(at * 1_000)))
            .collect();
        assert_eq!(new_of(&[ContactId(2)]), unknown);
    }

    #[test]
    fn only_times_near_an_entry_are_looked_up() {
        let near = shown(&[40_000, 90_000]).near_times(&[1, 35_000, 40_000, 44_999, 45_001, 86_000, 96_000]);
        assert_eq!(near, [35_000, 44_999, 86_000]);
    }

    #[test]
    fn the_canonical_id_comes_first_and_no_id_twice() {
        let of = |c| OccurrenceKey::for_lifecycle(PortalId(7), ContactId(c), "customer", 9_000);
        let others = [ContactId(20), ContactId(30), ContactId(5)];
        let shown = ShownEntries::new((PortalId(7), "customer"), ContactId(20), others, vec![9_000]);
        assert_eq!(shown.keys_at(9_000), [of(20), of(30), of(5)]);
    }

    /// A read that is odd in one way.
    fn distort(entries: &[i64], way: u8) -> Vec<i64> {
        let odd = |at: &i64| match way {
            0 => at - at % 1_000,
            1 => at + 1,
            2 => at - 1_000,
            _ => at + 4_000,
        };
        let mut odd: Vec<i64> = entries.iter().map(odd).collect();
        odd.dedup();
        odd
    }

    proptest! {
        /// Whichever of two reads is odd, and however near entries
        /// lie: each counts once, and what is added later counts.
        #[test]
        fn each_entry_counts_once(
            all in proptest::collection::btree_set(0_i64..30_000, 1..12),
            first in 1_usize..12,
            way in 0_u8..4,
            odd_first in proptest::bool::ANY,
        ) {
            let all: Vec<i64> = all.into_iter().collect();
            let first = &all[..first.min(all.len())];
            let odd = distort(first, way);
            // A row of times each shifted onto the next one is none that happens.
            prop_assume!(odd.iter().all(|at| !all.contains(at) || first.contains(at) && way == 0));
            let (earlier, later) = if odd_first { (odd.as_slice(), first) } else { (first, odd.as_slice()) };
            let mut known = new_entries(earlier, &[]);
            let before = known.len();
            prop_assert_eq!(before, earlier.len());
            known.extend(new_entries(later, &known));
            // Two that an odd read showed as one are two once they are shown.
            prop_assert_eq!(known.len(), before.max(later.len()));
            known.extend(new_entries(&all, &known));
            prop_assert_eq!(known.len(), all.len());
        }
    }
}
