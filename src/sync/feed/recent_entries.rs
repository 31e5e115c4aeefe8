//! Entries that were noted lately, by their time: who entered at a time is looked up in the ledger by reading all its
//! rows, so what a poll finds must not need that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

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

/// The entries of the last minutes that this process has noted, by whichever feed: an event may go from one to another.
/// They answer for a stream only since it has been watched without a break: rows that come to it from another stream,
/// or were noted by the process before, are in the ledger alone.
#[derive(Default)]
pub(crate) struct RecentEntries(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// By time and stream.
    contacts: BTreeMap<(i64, EntryTime), BTreeSet<ContactId>>,
    /// All that were noted of a later time are here, of the streams that are watched, and of each since then.
    since: Timestamp,
    watched: BTreeMap<StreamId, Timestamp>,
}

impl RecentEntries {
    /// What is noted on this stream from now on is remembered, if it is not yet.
    pub(super) fn watch(&self, stream: StreamId, now: Timestamp) {
        let watched = &mut self.0.lock().watched;
        if watched.len() >= MOST {
            watched.clear();
        }
        watched.entry(stream).or_insert(later(now, APART));
    }

    /// The same for a stream that may have got rows from another one: what is remembered of it is not all.
    pub(super) fn watch_anew(&self, stream: StreamId, now: Timestamp) {
        self.0.lock().watched.insert(stream, later(now, APART));
    }

    /// Forgets what is no longer recent.
    pub(super) fn forget_old(&self, now: Timestamp) {
        let mut remembered = self.0.lock();
        let oldest = now.saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
        let since = remembered.since.max(oldest);
        remembered.forget_until(since);
    }

    /// Who entered was noted.
    pub(super) fn record(&self, time: EntryTime, contact: ContactId) {
        let (stream, at) = time;
        let mut remembered = self.0.lock();
        if !remembered.holds(stream, at) {
            return;
        }
        remembered.contacts.entry((at, time)).or_default().insert(contact);
        if remembered.contacts.len() > MOST {
            let middle = remembered.contacts.keys().nth(MOST / 2).map(|(at, _)| *at);
            if let Some(since) = middle.and_then(|at| Timestamp::from_millisecond(at).ok()) {
                remembered.forget_until(since);
            }
        }
    }

    /// Who entered at a time, of those that are remembered.
    pub(super) fn contacts_at(&self, time: EntryTime) -> Vec<ContactId> {
        let (_, at) = time;
        let remembered = self.0.lock();
        remembered
            .contacts
            .get(&(at, time))
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// True if all that were noted of this time are remembered.
    fn hold(&self, stream: StreamId, at: Timestamp) -> bool {
        self.0.lock().holds(stream, at.as_millisecond())
    }
}

impl Remembered {
    fn holds(&self, stream: StreamId, at: i64) -> bool {
        let watched = self.watched.get(&stream);
        watched.is_some_and(|watched| at > self.since.max(*watched).as_millisecond())
    }

    fn forget_until(&mut self, since: Timestamp) {
        self.since = since;
        self.contacts.retain(|(at, _), _| *at > since.as_millisecond());
    }
}

/// When the first read of each stream began that is not over.
#[derive(Default)]
pub struct FirstReads(BTreeMap<StreamId, Timestamp>);

impl FirstReads {
    /// True if the last pass was of the first read of this stream.
    pub fn is_backfill(&self, stream: StreamId) -> bool {
        self.0.contains_key(&stream)
    }

    /// A pass begins, in which these streams are read for the first time; before the time of each nothing of it was
    /// noted.
    pub fn begin_pass(&mut self, backfills: &BTreeMap<StreamId, Timestamp>) {
        self.0.retain(|stream, _| backfills.contains_key(stream));
        for (stream, began) in backfills {
            self.0.entry(*stream).or_insert(*began);
        }
    }

    /// Where entries of this stream and time are known, for a contact that was modified then. In a backfill nothing was
    /// noted before, but of contacts that were merged since it began.
    pub(crate) fn noted_in(
        &self,
        recent: &RecentEntries,
        stream: StreamId,
        at: Timestamp,
        modified: Option<Timestamp>,
    ) -> NotedIn {
        match self.0.get(&stream) {
            Some(began) if modified.is_some_and(|modified| modified < *began) => NotedIn::Nothing,
            None if recent.hold(stream, at) => NotedIn::Memory,
            _ => NotedIn::Ledger,
        }
    }
}

#[cfg(test)]
#[path = "recent_entries_tests.rs"]
mod tests;
