//! Contacts that the feed has met and could not read, or only as they were before the search that found them. They are
//! put aside, so that neither the page nor the portal waits for them, and are read again with growing pauses.
//!
//! The feed marks move past them: what brings them back is this list alone, so the ledger keeps its ids, and it is
//! written before the marks are. A process that ends in between reads the same pages once more. (A full scan would not
//! do: nothing says that a record's modification time moves when it becomes readable.)

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};

use crate::domain::backoff::backoff;
use crate::domain::contact::{Contact, LIFECYCLE_STAGE};
use crate::domain::ids::ContactId;
use crate::domain::shown_state::ShownState;
use crate::domain::time::Wait;
use crate::ports::ledger::AsideContact;

/// How much speaks for a merge that no id explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suspicion {
    /// Others entered at this same time (ms), and HubSpot shows them as contacts of their own.
    SameTime(i64),
    /// The history tells of a merge, or of an entry whose conversion is archived.
    History,
    /// An id may have become the contact: it leads nowhere, or to the contact by one answer alone, or has not been asked
    /// for yet, as there was no room.
    Ids,
}

/// Most contacts put aside that cannot be read. Beyond this single records are not the reason any more, and the feed
/// stops where it is.
const MOST: usize = 1_000;
/// Most that wait for another read: they have room of their own, as an import may bring very many for a moment.
const MOST_BEHIND: usize = 5_000;
/// Contacts whose rows two reads have shown alike; beyond this all are forgotten, and each is read twice once more.
const MOST_AGREED: usize = 50_000;
/// Most that are read again in one pass.
const AT_ONCE: usize = 500;

/// The contacts put aside by one feed.
#[derive(Default)]
pub struct Aside {
    waiting: BTreeMap<ContactId, AsideEntry>,
    /// Rows that two reads have shown, as one number, of contacts with entries that no search tells of.
    agreed: HashMap<ContactId, u64>,
    /// The ledger's list was taken over.
    pub(super) loaded: bool,
    /// The ledger's list is another one.
    changed: bool,
}

/// A contact that is put aside.
pub(super) struct AsideEntry {
    tries: u32,
    wait: Wait,
    /// What searches showed of it: a read that shows less is older.
    pub(super) shown: ShownState,
    /// Since when a read is waited for that shows as much, or the same as the last one.
    pub(super) behind_since: Option<Timestamp>,
    /// The rows of its history and the ids of its lineage, as one number, by the last read that another is to follow.
    pub(super) rows: Option<u64>,
    /// When this process has read it first, and another read was to follow.
    pub(super) met: Option<Timestamp>,
    /// What another read is waited for; unknown of what the process before has put aside, until it is read.
    doubt: Option<DoubtKind>,
}

/// What a contact waits for another read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DoubtKind {
    /// It may be another one, merged.
    Merge(Suspicion),
    /// It has shown less than a search, or what nothing else tells of.
    Lacking,
}

/// What became of a contact that is put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutAside {
    /// It was not there before.
    First,
    /// It was there.
    Again,
    /// There is no room left.
    Full,
}

impl Aside {
    /// Takes over what the ledger remembers of the process before: all is due at once.
    pub fn load(&mut self, contacts: Vec<AsideContact>) {
        for contact in contacts {
            self.waiting.entry(contact.id).or_insert(AsideEntry {
                tries: 0,
                wait: Wait::NONE,
                shown: contact.shown,
                behind_since: contact.behind_since,
                rows: None,
                met: None,
                doubt: None,
            });
        }
        self.loaded = true;
    }

    /// True while this contact is put aside.
    pub fn is_aside(&self, contact: ContactId) -> bool {
        self.waiting.contains_key(&contact)
    }

    /// True while this contact is put aside for more than another read that is to agree.
    pub fn is_unreadable(&self, contact: ContactId) -> bool {
        let entry = self.waiting.get(&contact);
        entry.is_some_and(|entry| entry.behind_since.is_none())
    }

    /// Puts a contact aside that could not be read now.
    pub fn put_aside(&mut self, contact: ContactId, longest: SignedDuration, now: Timestamp) -> PutAside {
        let has_room = self.waiting.len() - self.count_behind() < MOST;
        self.put(contact, has_room, (longest, now))
    }

    fn put(&mut self, contact: ContactId, has_room: bool, (longest, now): (SignedDuration, Timestamp)) -> PutAside {
        let next = |tries| Wait::new(now, backoff(tries, longest, contact.0));
        if let Some(entry) = self.waiting.get_mut(&contact) {
            entry.tries = entry.tries.saturating_add(1);
            entry.wait = next(entry.tries);
            return PutAside::Again;
        }
        if !has_room {
            return PutAside::Full;
        }
        let wait = AsideEntry {
            tries: 0,
            wait: next(0),
            shown: ShownState::default(),
            behind_since: None,
            rows: None,
            met: None,
            doubt: None,
        };
        self.waiting.insert(contact, wait);
        self.changed = true;
        PutAside::First
    }

    /// A search has shown this of a contact that is put aside: only a read that shows as much brings it back.
    pub fn expect_state(&mut self, contact: ContactId, shown: &ShownState) {
        if let Some(wait) = self.waiting.get_mut(&contact) {
            let expected = wait.shown.clone().merge_with(shown);
            if expected != wait.shown {
                wait.shown = expected;
                wait.behind_since = None;
                self.changed = true;
            }
        }
    }

    /// Puts a contact aside whose next read is to be compared with this one, and which has waited since then.
    pub fn wait_for_another(
        &mut self,
        read: &Contact,
        shown: Option<&ShownState>,
        since: Timestamp,
        pause: (SignedDuration, Timestamp),
    ) -> PutAside {
        let id = read.requested_id;
        let has_room = self.count_behind() < MOST_BEHIND;
        let put = self.put(id, has_room, pause);
        if let Some(shown) = shown {
            self.expect_state(id, shown);
        }
        self.wait_since(id, since);
        if let Some(wait) = self.waiting.get_mut(&id) {
            wait.rows = Some(hash_rows(read));
            wait.met.get_or_insert(pause.1);
        }
        put
    }

    /// Notes what a contact that is put aside waits for.
    pub(super) fn record_doubt(&mut self, contact: ContactId, doubt: DoubtKind) {
        if let Some(wait) = self.waiting.get_mut(&contact) {
            wait.doubt = Some(doubt);
        }
    }

    /// What those wait for that another read is to follow, as far as that is known.
    pub(super) fn doubts(&self) -> impl Iterator<Item = DoubtKind> + '_ {
        let behind = self.waiting.values().filter(|wait| wait.behind_since.is_some());
        behind.filter_map(|wait| wait.doubt)
    }

    /// Another read is waited for since then, of a contact that is put aside.
    pub fn wait_since(&mut self, contact: ContactId, since: Timestamp) {
        if let Some(wait) = self.waiting.get_mut(&contact) {
            self.changed |= wait.behind_since != Some(since);
            wait.behind_since = Some(since);
        }
    }

    /// What searches have shown of a contact.
    pub fn state_of(&self, read: &Contact, shown: Option<&ShownState>) -> ShownState {
        let before = self.waiting.get(&read.requested_id).map(|wait| wait.shown.clone());
        let before = before.unwrap_or_default();
        shown.map_or_else(|| before.clone(), |shown| before.clone().merge_with(shown))
    }

    /// Two reads of a contact have shown these rows.
    pub fn record_agreed(&mut self, read: &Contact) {
        if self.agreed.len() >= MOST_AGREED {
            self.agreed.clear();
        }
        self.agreed.insert(read.requested_id, hash_rows(read));
    }

    /// True if two reads of a contact have shown these rows, and none has shown others since.
    pub fn has_agreed(&self, read: &Contact) -> bool {
        self.agreed.get(&read.requested_id) == Some(&hash_rows(read))
    }

    /// What is known of a contact that is put aside.
    pub(super) fn entry(&self, contact: ContactId) -> Option<&AsideEntry> {
        self.waiting.get(&contact)
    }

    /// How many wait for a read that agrees.
    pub fn count_behind(&self) -> usize {
        let waiting = self.waiting.values();
        waiting.filter(|wait| wait.behind_since.is_some()).count()
    }

    /// How often a contact that is put aside was read in vain, after the first time.
    pub fn tries_of(&self, contact: ContactId) -> u32 {
        self.waiting.get(&contact).map_or(0, |wait| wait.tries)
    }

    /// True if nobody is put aside.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True if somebody cannot be put aside any more.
    pub fn is_full(&self) -> bool {
        let behind = self.count_behind();
        behind >= MOST_BEHIND || self.waiting.len() - behind >= MOST
    }

    /// One that is put aside need not be read again before this wait is over.
    pub fn delay(&mut self, contact: ContactId, wait: Wait) {
        if let Some(entry) = self.waiting.get_mut(&contact) {
            entry.wait = wait;
        }
    }

    /// A contact was read, or is gone.
    pub fn release(&mut self, contact: ContactId) {
        self.changed |= self.waiting.remove(&contact).is_some();
    }

    /// Those to be read again now, the longest due first.
    pub fn due_contacts(&self, now: Timestamp) -> Vec<ContactId> {
        let mut due: Vec<_> = self
            .waiting
            .iter()
            .filter(|(_, entry)| entry.wait.is_over(now))
            .collect();
        due.sort_by_key(|(_, entry)| entry.wait.end());
        due.into_iter().take(AT_ONCE).map(|(id, _)| *id).collect()
    }

    /// What the ledger has to remember, if that changed.
    pub fn unsaved_contacts(&self) -> Option<Vec<AsideContact>> {
        let to_save = |(id, wait): (&ContactId, &AsideEntry)| AsideContact {
            id: *id,
            shown: wait.shown.clone(),
            behind_since: wait.behind_since,
        };
        self.changed.then(|| self.waiting.iter().map(to_save).collect())
    }

    /// The ledger has it.
    pub fn mark_saved(&mut self) {
        self.changed = false;
    }
}

/// The rows of a read's history and the ids of its lineage, as one number.
pub(super) fn hash_rows(read: &Contact) -> u64 {
    let mut hasher = DefaultHasher::new();
    for row in read.history_of(LIFECYCLE_STAGE) {
        (&row.value, row.at.as_millisecond()).hash(&mut hasher);
    }
    read.lineage().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "aside_tests.rs"]
pub(super) mod tests;
