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
use crate::domain::shown_state::{Behind, ShownState};
use crate::domain::time::Wait;
use crate::ports::ledger::AsideContact;

/// Most contacts put aside. Beyond this single records are not the reason any more, and the feed stops where it is.
const MOST: usize = 1_000;
/// Most of them that lack an entry which a property shows. If a portal has more, that is how it is and not a sign of
/// old answers: they must not take the room of contacts that cannot be read.
const MOST_LACKING: usize = 500;
/// Most of them that have entered when others did, which are shown. More were changed together, by an import.
const MOST_AT_ONE_TIME: usize = 20;
/// Contacts whose rows two reads have shown alike; beyond this all are forgotten, and each is read twice once more.
const MOST_AGREED: usize = 50_000;
/// Two reads that agree so long after the first are of no server that is behind.
const PROVEN: SignedDuration = SignedDuration::from_secs(10);
/// Most that are read again in one pass.
const AT_ONCE: usize = 200;

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

struct AsideEntry {
    tries: u32,
    wait: Wait,
    /// What searches showed of it: a read that shows less is older.
    shown: ShownState,
    /// Since when reads of it are behind this state.
    behind_since: Option<Timestamp>,
    /// The rows of its history and the ids of its lineage, as one number, by the last read that was behind.
    rows: Option<u64>,
}

/// The pauses that the process's flags set.
#[derive(Debug, Clone, Copy)]
pub struct AsidePauses {
    /// `--backoff-max`: longest pause between two reads.
    pub longest: SignedDuration,
    /// `--click-grace`: for so long a read that is behind is not believed.
    pub patience: SignedDuration,
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
            });
        }
        self.loaded = true;
    }

    /// True while this contact is put aside.
    pub fn is_aside(&self, contact: ContactId) -> bool {
        self.waiting.contains_key(&contact)
    }

    /// Puts a contact aside that could not be read now.
    pub fn put_aside(&mut self, contact: ContactId, longest: SignedDuration, now: Timestamp) -> PutAside {
        let next = |tries| Wait::new(now, backoff(tries, longest, contact.0));
        if let Some(entry) = self.waiting.get_mut(&contact) {
            entry.tries = entry.tries.saturating_add(1);
            entry.wait = next(entry.tries);
            return PutAside::Again;
        }
        if self.is_full() {
            return PutAside::Full;
        }
        let wait = AsideEntry {
            tries: 0,
            wait: next(0),
            shown: ShownState::default(),
            behind_since: None,
            rows: None,
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

    /// How a read is behind what searches have shown of the contact: the last one (`shown`), and those before.
    pub fn compare_read(&self, read: &Contact, shown: Option<&ShownState>) -> Option<Behind> {
        let before = self.waiting.get(&read.requested_id).map(|wait| &wait.shown);
        match (before, shown) {
            (Some(before), Some(shown)) => before.clone().merge_with(shown).compare_read(read),
            (known, shown) => known.or(shown)?.compare_read(read),
        }
    }

    /// Takes a read of a contact. One that is behind is put aside: `Some`. Others are released, and so are those that
    /// have been behind the same state for long: whatever the reason, HubSpot will not show more.
    pub fn take_read(
        &mut self,
        read: &Contact,
        shown: Option<&ShownState>,
        pauses: AsidePauses,
        now: Timestamp,
    ) -> Option<PutAside> {
        let id = read.requested_id;
        if let Some(shown) = shown {
            self.expect_state(id, shown);
        }
        let behind = self.compare_read(read, shown);
        let known = self.waiting.get(&id);
        let since = known
            .and_then(|wait| wait.behind_since)
            .map_or(now, |since| since.min(now));
        let believed = match behind {
            None => true,
            Some(Behind::EntryMissing) if known.is_none() && self.lacks_room() => true,
            Some(_) => now.duration_since(since) >= pauses.patience,
        };
        if believed {
            self.release(id);
            return None;
        }
        Some(self.wait_for_another(read, shown, since, pauses.longest, now))
    }

    /// Puts a contact aside whose next read is to be compared with this one.
    fn wait_for_another(
        &mut self,
        read: &Contact,
        shown: Option<&ShownState>,
        since: Timestamp,
        longest: SignedDuration,
        now: Timestamp,
    ) -> PutAside {
        let id = read.requested_id;
        let put = self.put_aside(id, longest, now);
        if let Some(shown) = shown {
            self.expect_state(id, shown);
        }
        if let Some(wait) = self.waiting.get_mut(&id) {
            self.changed |= wait.behind_since.is_none();
            wait.behind_since = Some(since);
            wait.rows = Some(hash_rows(read));
        }
        put
    }

    /// True if a read shows entries that nothing else tells of (`is_unconfirmed`, by what searches have shown), and
    /// they are not to be noted before another read shows the same. The others need not wait.
    pub fn is_doubtful(
        &self,
        read: &Contact,
        shown: Option<&ShownState>,
        is_unconfirmed: impl Fn(&ShownState) -> bool,
        (patience, now): (SignedDuration, Timestamp),
    ) -> bool {
        if !is_unconfirmed(&self.state_of(read, shown)) || self.agrees(read) {
            return false;
        }
        let waited = self.waiting.get(&read.requested_id).and_then(|wait| wait.behind_since);
        waited.is_none_or(|since| now.duration_since(since) < patience)
    }

    /// True if a contact that may have been merged is not to be noted yet. It is believed to be a new one once it has
    /// waited for the patience; and earlier, where little speaks against it, once two reads some time apart agree.
    pub fn is_suspicious(&self, read: &Contact, is_strong: bool, (patience, now): (SignedDuration, Timestamp)) -> bool {
        let Some(wait) = self.waiting.get(&read.requested_id) else {
            return !self.has_behind(if is_strong { MOST_LACKING } else { MOST_AT_ONE_TIME });
        };
        let waited = wait.behind_since.map(|since| now.duration_since(since));
        let proven = if is_strong { patience } else { patience.min(PROVEN) };
        let waits = waited.is_none_or(|waited| waited < proven);
        waits || !is_strong && wait.rows != Some(hash_rows(read))
    }

    /// What searches have shown of a contact.
    pub fn state_of(&self, read: &Contact, shown: Option<&ShownState>) -> ShownState {
        let before = self.waiting.get(&read.requested_id).map(|wait| wait.shown.clone());
        let before = before.unwrap_or_default();
        shown.map_or_else(|| before.clone(), |shown| before.clone().merge_with(shown))
    }

    /// Takes a doubtful read: it waits for another one.
    pub fn take_doubtful(
        &mut self,
        read: &Contact,
        shown: Option<&ShownState>,
        pauses: AsidePauses,
        now: Timestamp,
    ) -> PutAside {
        let since = self.waiting.get(&read.requested_id).and_then(|wait| wait.behind_since);
        let since = since.map_or(now, |since| since.min(now));
        self.wait_for_another(read, shown, since, pauses.longest, now)
    }

    /// Two reads of a contact have shown these rows.
    pub fn record_agreed(&mut self, read: &Contact) {
        if self.agreed.len() >= MOST_AGREED {
            self.agreed.clear();
        }
        self.agreed.insert(read.requested_id, hash_rows(read));
    }

    /// True if an earlier read has shown the same rows, or there is no room to wait for another one.
    fn agrees(&self, read: &Contact) -> bool {
        let rows = || Some(hash_rows(read));
        match self.waiting.get(&read.requested_id) {
            Some(wait) => wait.rows == rows(),
            None => self.agreed.get(&read.requested_id).copied() == rows() || self.lacks_room(),
        }
    }

    /// True if the entries of this read may be noted. Those of one that is behind may be at the wrong time, as what it
    /// lacks is shown elsewhere: so it takes two that show the same.
    pub fn may_count(&self, read: &Contact, shown: Option<&ShownState>) -> bool {
        self.compare_read(read, shown).is_none() || self.agrees(read)
    }

    fn lacks_room(&self) -> bool {
        self.has_behind(MOST_LACKING)
    }

    /// True if so many wait for a read that agrees.
    fn has_behind(&self, count: usize) -> bool {
        let mut waiting = self.waiting.values().filter(|wait| wait.behind_since.is_some());
        waiting.nth(count - 1).is_some()
    }

    /// How often a contact that is put aside was read in vain, after the first time.
    pub fn tries_of(&self, contact: ContactId) -> u32 {
        self.waiting.get(&contact).map_or(0, |wait| wait.tries)
    }

    /// True if nobody is put aside.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True if nobody can be put aside any more.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
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

fn hash_rows(read: &Contact) -> u64 {
    let mut hasher = DefaultHasher::new();
    for row in read.history_of(LIFECYCLE_STAGE) {
        (&row.value, row.at.as_millisecond()).hash(&mut hasher);
    }
    read.lineage().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "aside_tests.rs"]
mod tests;
