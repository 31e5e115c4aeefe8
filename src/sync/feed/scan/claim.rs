//! What reads and searches say of the ids that belong to one contact, and what else tells of a merge.

use std::collections::BTreeMap;

use crate::domain::contact::{Contact, LIFECYCLE_STAGE};
use crate::domain::ids::ContactId;
use crate::domain::lineage::{KnownLineages, MAX_LINEAGE};
use crate::ports::ledger::{EntryTime, KnownEntries};
use crate::sync::feed::aside::Suspicion;
use crate::sync::feed::recent_entries::NotedIn;
use crate::sync::feed::suspect_queue::SuspectedIds;

/// Of more contacts that entered at one time none is asked for.
const MOST_AT_ONCE: usize = 500;
/// So many may have entered at one time by themselves. More were changed together, by an import: that others have
/// entered then says nothing, nor does it that one of them is not shown any more.
const MOST_BY_THEMSELVES: usize = 20;

/// An entry that a read shows.
pub(super) struct ReadEntry {
    pub(super) time: EntryTime,
    /// Where it is known who else entered then.
    pub(super) noted_in: NotedIn,
}

/// What is said of a contact.
#[derive(Default)]
pub(super) struct Claim {
    /// The ids that reads show.
    lineage: Vec<ContactId>,
    /// Further ids that the search names.
    shown: Vec<ContactId>,
    /// Its entries, and where it is known who else entered then.
    entries: BTreeMap<EntryTime, NotedIn>,
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
            .extend(entries.into_iter().map(|entry| (entry.time, entry.noted_in)));
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

    /// True if anything of it may speak for a merge. Of most contacts in a first read nothing does, and the ledger is
    /// not asked about them.
    pub(super) fn is_in_question(&self) -> bool {
        self.names_others() || !self.shown.is_empty() || self.by_merge || self.entries().next().is_some()
    }

    /// Entries of which somebody else's may be noted.
    pub(super) fn entries(&self) -> impl Iterator<Item = (EntryTime, NotedIn)> + '_ {
        let entries = self.entries.iter().map(|(time, noted_in)| (*time, *noted_in));
        entries.filter(|(_, noted_in)| *noted_in != NotedIn::Nothing)
    }

    /// The ledger has noted this entry of the contact.
    pub(super) fn forget_entry(&mut self, time: EntryTime) {
        self.entries.remove(&time);
    }

    /// Ids that may have been merged into this contact though no read names them: those that the search names, and
    /// those that entered at the very time of an entry that is new. HubSpot keeps the histories of both in a merge
    /// (docs/reference/hubspot.md 4.5).
    pub(super) fn suspected_ids(&self, own: ContactId, known: &KnownLineages, entered: &KnownEntries) -> SuspectedIds {
        let is_known = |id: &ContactId| self.lineage.iter().any(|of| known.are_joined(*of, *id));
        let is_suspected = |id: &ContactId| *id != own && !is_known(id);
        let mut suspected = SuspectedIds::default();
        let shown = self.shown.iter().copied().filter(is_suspected);
        suspected.telling.extend(shown);
        for contacts in self.entries().filter_map(|(time, _)| entered.contacts.get(&time)) {
            let others = contacts.iter().copied().filter(is_suspected);
            if contacts.len() <= MOST_BY_THEMSELVES {
                suspected.telling.extend(others);
            } else if contacts.len() <= MOST_AT_ONCE {
                suspected.of_import.extend(others);
            }
        }
        suspected
    }

    /// What speaks for a merge before anybody is asked.
    pub(super) fn suspicion(&self, own: ContactId, known: &KnownLineages, entered: &KnownEntries) -> Option<Suspicion> {
        let is_archived = |(time, _): (EntryTime, NotedIn)| entered.archived.contains(&time);
        let is_nameless = self.by_merge && !self.names_others() && !known.knows(own);
        if is_nameless || self.entries().any(is_archived) {
            return Some(Suspicion::History);
        }
        let at_times = self
            .entries()
            .filter_map(|(time, _)| Some((time.1, entered.contacts.get(&time)?)));
        let mut by_themselves = at_times.filter(|(_, contacts)| contacts.len() <= MOST_BY_THEMSELVES);
        let is_own = |id: &ContactId| *id == own || self.lineage.iter().any(|of| known.are_joined(*of, *id));
        let with_others = by_themselves.find(|(_, contacts)| contacts.iter().any(|id| !is_own(id)));
        with_others.map(|(at, _)| Suspicion::SameTime(at))
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
