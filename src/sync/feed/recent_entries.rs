//! Entries that were noted lately, by their time: who entered at a time is looked up in the ledger by reading all its
//! rows, so what a poll finds must not need that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::ContactId;
use crate::domain::time::later;
use crate::ports::ledger::EntryTime;

/// Entries of so long ago are kept, and so long before a backfill a contact may have been merged of which it has rows.
const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// How far HubSpot's clock may be ahead of ours.
const APART: SignedDuration = SignedDuration::from_mins(2);
/// Beyond this the older half is forgotten, and looked up in the ledger.
const MOST: usize = 50_000;

/// Where it is known who entered at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotedIn {
    /// Nowhere: this is the first read of the stream, and the contact has not changed meanwhile.
    Nothing,
    /// All entries of that time are remembered here.
    Memory,
    Ledger,
}

/// The entries of the last minutes that this process has noted.
pub struct RecentEntries {
    /// By time and stream.
    contacts: BTreeMap<(i64, EntryTime), BTreeSet<ContactId>>,
    /// All that were noted of a later time are here.
    since: Timestamp,
    /// When the pass began.
    began: Timestamp,
}

impl Default for RecentEntries {
    fn default() -> Self {
        Self {
            contacts: BTreeMap::new(),
            since: Timestamp::MAX,
            began: Timestamp::MIN,
        }
    }
}

impl RecentEntries {
    /// A pass begins. Before the first one another process may have noted entries.
    pub fn begin_pass(&mut self, now: Timestamp) {
        self.began = now;
        let oldest = now.saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
        let since = if self.since == Timestamp::MAX {
            later(now, APART)
        } else {
            self.since.max(oldest)
        };
        self.forget_until(since);
    }

    /// Who entered was noted.
    pub fn record(&mut self, time: EntryTime, contact: ContactId) {
        let (_, at) = time;
        if at <= self.since.as_millisecond() {
            return;
        }
        self.contacts.entry((at, time)).or_default().insert(contact);
        if self.contacts.len() > MOST {
            let middle = self.contacts.keys().nth(MOST / 2).map(|(at, _)| *at);
            if let Some(since) = middle.and_then(|at| Timestamp::from_millisecond(at).ok()) {
                self.forget_until(since);
            }
        }
    }

    fn forget_until(&mut self, since: Timestamp) {
        self.since = since;
        self.contacts.retain(|(at, _), _| *at > since.as_millisecond());
    }

    /// Where entries of this time are known, for a contact that was modified then. In a backfill nothing was noted
    /// before, but of contacts that were merged since it began.
    pub fn noted_in(&self, is_backfill: bool, at: Timestamp, modified: Option<Timestamp>) -> NotedIn {
        let changed = || modified.is_none_or(|modified| later(modified, RECENT) >= self.began);
        if is_backfill && !changed() {
            NotedIn::Nothing
        } else if is_backfill || at <= self.since {
            NotedIn::Ledger
        } else {
            NotedIn::Memory
        }
    }

    /// Who entered at a time, of those that are remembered.
    pub fn contacts_at(&self, time: EntryTime) -> impl Iterator<Item = ContactId> + '_ {
        let (_, at) = time;
        self.contacts.get(&(at, time)).into_iter().flatten().copied()
    }
}

#[cfg(test)]
#[path = "recent_entries_tests.rs"]
mod tests;
