//! Entries that were noted lately, by their time: who entered at a time is looked up in the ledger by reading all its
//! rows, so what a poll finds must not need that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::ContactId;
use crate::domain::time::later;
use crate::ports::ledger::{EntryTime, StreamId};

/// Entries of so long ago are kept.
const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// How far HubSpot's clock may be from ours.
pub(super) const APART: SignedDuration = SignedDuration::from_mins(2);
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
    /// When the first read of each stream began that is not over.
    backfills: BTreeMap<StreamId, Timestamp>,
}

impl Default for RecentEntries {
    fn default() -> Self {
        Self {
            contacts: BTreeMap::new(),
            since: Timestamp::MAX,
            backfills: BTreeMap::new(),
        }
    }
}

impl RecentEntries {
    /// True if the last pass was of the first read of this stream.
    pub fn is_backfill(&self, stream: StreamId) -> bool {
        self.backfills.contains_key(&stream)
    }

    /// A pass begins, in which these streams are read for the first time; before the time of each nothing of it was
    /// noted. Before the first pass another process may have noted entries of others.
    pub fn begin_pass(&mut self, backfills: &BTreeMap<StreamId, Timestamp>, now: Timestamp) {
        self.backfills.retain(|stream, _| backfills.contains_key(stream));
        for (stream, began) in backfills {
            self.backfills.entry(*stream).or_insert(*began);
        }
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

    /// Where entries of this stream and time are known, for a contact that was modified then. In a backfill nothing was
    /// noted before, but of contacts that were merged since it began.
    pub fn noted_in(&self, stream: StreamId, at: Timestamp, modified: Option<Timestamp>) -> NotedIn {
        match self.backfills.get(&stream) {
            Some(began) if modified.is_some_and(|modified| modified < *began) => NotedIn::Nothing,
            None if at > self.since => NotedIn::Memory,
            _ => NotedIn::Ledger,
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
