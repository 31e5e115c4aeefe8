//! What reads and searches say of the ids that belong to one contact, and what else tells of a merge.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::contact::{Contact, LIFECYCLE_STAGE};
use crate::domain::ids::ContactId;
use crate::domain::lineage::{KnownLineages, MAX_LINEAGE};
use crate::ports::ledger::{EntryTime, KnownEntries};

/// More contacts that entered at one time were changed together, and tell nothing of a merge.
const MOST_AT_ONCE: usize = 10;

/// An entry that a read shows.
pub(super) struct ReadEntry {
    pub(super) time: EntryTime,
    /// It should have been read before.
    pub(super) late: bool,
}

/// What is said of a contact.
#[derive(Default)]
pub(super) struct Claim {
    /// The ids that reads show.
    lineage: Vec<ContactId>,
    /// Further ids that the search names.
    shown: Vec<ContactId>,
    /// Its entries, and whether each should have been read before.
    entries: BTreeMap<EntryTime, bool>,
    /// A merge wrote a part of its history.
    by_merge: bool,
}

impl Claim {
    /// Adds a read, with the ids that the search names as merged.
    pub(super) fn add_read(&mut self, contact: &Contact, entries: Vec<ReadEntry>, shown: &[ContactId]) {
        self.lineage.extend(contact.lineage());
        self.lineage.sort_unstable();
        self.lineage.dedup();
        // More are no lineage, and the read is what counts.
        let shown = shown.iter().filter(|_| shown.len() <= MAX_LINEAGE);
        self.shown.extend(shown.filter(|id| !self.lineage.contains(id)));
        self.entries
            .extend(entries.into_iter().map(|entry| (entry.time, entry.late)));
        self.by_merge |= contact.history_of(LIFECYCLE_STAGE).iter().any(|row| row.by_merge);
    }

    /// The ids that reads show, sorted.
    pub(super) fn lineage(&self) -> &[ContactId] {
        &self.lineage
    }

    /// Further ids that the search names.
    pub(super) fn shown(&self) -> &[ContactId] {
        &self.shown
    }

    /// All ids that are named.
    pub(super) fn ids(&self, own: ContactId) -> impl Iterator<Item = ContactId> + '_ {
        self.lineage.iter().chain(&self.shown).copied().chain([own])
    }

    /// True if the reads name others as merged.
    pub(super) fn names_others(&self) -> bool {
        self.lineage.len() > 1
    }

    /// Entries that should have been read before.
    pub(super) fn late_entries(&self) -> impl Iterator<Item = EntryTime> + '_ {
        self.entries.iter().filter(|(_, late)| **late).map(|(time, _)| *time)
    }

    /// Ids that may have been merged into this contact though no read names them: those that the search names, and for
    /// a contact that the ledger has never met those that entered at the very time of an entry of its. HubSpot keeps
    /// the histories of both in a merge (docs/reference/hubspot.md 4.5).
    pub(super) fn suspected_ids(
        &self,
        own: ContactId,
        known: &KnownLineages,
        entered: &KnownEntries,
    ) -> BTreeSet<ContactId> {
        let times = self.late_entries().filter(|_| !known.knows(own));
        let at_times = times.filter_map(|time| entered.contacts.get(&time));
        let at_times = at_times.filter(|contacts| contacts.len() <= MOST_AT_ONCE).flatten();
        let is_known = |id: &ContactId| self.lineage.iter().any(|of| known.are_joined(*of, *id));
        let suspected = self.shown.iter().chain(at_times).copied();
        suspected.filter(|id| *id != own && !is_known(id)).collect()
    }

    /// True if something tells of a merge that no id explains: it takes two reads to believe that this is a new contact.
    pub(super) fn may_be_merged(&self, entered: &KnownEntries) -> bool {
        let mut late = self.late_entries();
        self.by_merge && !self.names_others() || late.any(|time| entered.archived.contains(&time))
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
