//! Whether an entry into a stage that looks new is one that is known under another time. A read may show a time that is
//! cut to whole seconds, or slightly off, and the time is part of the transaction id.

use std::collections::{BTreeSet, HashMap};

use super::contact::{Contact, LIFECYCLE_STAGE};
use super::ids::{ContactId, OccurrenceKey, PortalId};

/// How far (milliseconds) a time may be off for a contact that was merged, whose history may have lost entries by that.
pub const LONGEST_SHIFT: i64 = 5_000;
/// How far (milliseconds) a time may be off for a contact that was never merged: nothing but a wrong time (such as one
/// in another time zone) explains that an entry is not shown any more that the history still reaches back to.
const LONGEST_LONE_SHIFT: i64 = 24 * 3_600_000;
/// Time zones differ by multiples of this (milliseconds).
const ZONES_APART: i64 = 15 * 60_000;

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
    /// The time of the oldest row of the history, whatever its value. HubSpot keeps so many rows and drops older ones: of
    /// the time before nothing is known. The beginning of time where it can't have dropped any.
    oldest: i64,
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
            oldest: i64::MIN,
            longest: LONGEST_SHIFT,
        }
    }

    /// Adds all that this contact's history says of the stage. If the contact was never merged, HubSpot drops rows from it
    /// at its end only. So a known entry that is missing between others was shown at a wrong time.
    #[must_use]
    pub fn with_history_of(mut self, contact: &Contact) -> Self {
        let history = contact.history_of(LIFECYCLE_STAGE);
        // HubSpot keeps more than one: a row that is alone is all there ever was.
        if let [oldest, _, ..] = history {
            self.oldest = oldest.at.as_millisecond();
        }
        let of_stage = history.iter().filter(|row| row.value == self.stage);
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
        self.entries.iter().map(|at| self.span(*at))
    }

    fn span(&self, at: i64) -> (i64, i64) {
        (at.saturating_sub(self.longest), at.saturating_add(self.longest))
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
    /// that this read does not show, although it reaches back so far. Each known entry stands for one at most, so two that
    /// are both shown stay two.
    pub fn shifted_entries(&self, known: &BTreeSet<i64>) -> HashMap<i64, i64> {
        let mut entries: BTreeSet<i64> = self.entries.iter().copied().collect();
        let mut missing: BTreeSet<i64> = known.difference(&self.rows).copied().collect();
        let mut shifted = HashMap::new();
        if let Some(before) = self.repeated(known) {
            entries.remove(&self.oldest);
            shifted.insert(self.oldest, before);
        }
        // Each takes the earliest that it may be: that leaves the most for those that follow.
        for entry in entries.difference(known) {
            let (from, to) = self.span(*entry);
            let found = missing.range(from..=to).find(|at| self.may_be(*entry, **at)).copied();
            if let Some(at) = found {
                missing.remove(&at);
                shifted.insert(*entry, at);
            }
        }
        shifted
    }

    /// Whether this entry may be the `missing` one at another time. One from before the oldest row was dropped by HubSpot,
    /// unless it lies so that only a wrong time explains it.
    fn may_be(&self, entry: i64, missing: i64) -> bool {
        let apart = entry.saturating_sub(missing).saturating_abs();
        missing > self.oldest || apart <= LONGEST_SHIFT || apart % ZONES_APART == 0
    }

    /// Of the oldest row nobody sees whether it repeats the value before. The read that found a later entry has seen that:
    /// if it noted none here, there was none. Then this is the known entry before.
    fn repeated(&self, known: &BTreeSet<i64>) -> Option<i64> {
        let is_new = self.entries.contains(&self.oldest) && !known.contains(&self.oldest);
        let later = known.range(self.oldest..).any(|at| self.rows.contains(at));
        let was_seen = is_new && later && self.contacts.len() == 1;
        known.range(..self.oldest).next_back().copied().filter(|_| was_seen)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "shown_entries_tests.rs"]
mod tests;
