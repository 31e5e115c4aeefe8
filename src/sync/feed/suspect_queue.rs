//! Whose suspected ids are asked for, where there are more than are asked for at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ids::ContactId;

/// Most suspected ids that are asked for before rows are noted.
const MOST_IDS: usize = 2_500;
/// Where so many contacts wait for another read, all ids are asked for: nobody else is to wait for room.
const MOST_WAIT: usize = 1_000;
/// Beyond this all are forgotten, and have no turn before others.
const MOST: usize = 20_000;

/// Ids that may have been merged into a contact though no read names them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SuspectedIds {
    /// One of these that leads nowhere may have become the contact.
    pub(super) telling: BTreeSet<ContactId>,
    /// Of these only one that leads to the contact.
    pub(super) of_import: BTreeSet<ContactId>,
}

impl SuspectedIds {
    pub(super) fn is_empty(&self) -> bool {
        self.telling.is_empty() && self.of_import.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = ContactId> + '_ {
        self.telling.union(&self.of_import).copied()
    }
}

/// Contacts and their suspected ids.
pub(super) type Suspects = Vec<(ContactId, SuspectedIds)>;

/// Contacts whose ids could not be asked for when they were read last.
#[derive(Default)]
pub struct SuspectQueue {
    /// Since which turn.
    since: BTreeMap<ContactId, u64>,
    turn: u64,
}

impl SuspectQueue {
    /// Those of whom all ids are asked for now, and those who have to be read again for that: who has waited longest
    /// comes first.
    /// `waiting` is how many contacts wait for another read already.
    pub(super) fn take_turn(&mut self, mut suspects: Suspects, waiting: usize) -> (Suspects, Vec<ContactId>) {
        self.turn += 1;
        suspects.sort_by_key(|(own, _)| self.since.get(own).copied().unwrap_or(self.turn));
        let (mut taken, mut queued, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (own, suspected) in suspects {
            let more = suspected.all().filter(|id| !ids.contains(id)).count();
            // One alone may have more ids than are asked for at once, and has its turn all the same.
            if ids.is_empty() || ids.len() + more <= MOST_IDS || waiting + queued.len() >= MOST_WAIT {
                ids.extend(suspected.all());
                self.since.remove(&own);
                taken.push((own, suspected));
            } else {
                queued.push(own);
            }
        }
        if self.since.len() + queued.len() > MOST {
            self.since.clear();
        }
        for own in &queued {
            self.since.entry(*own).or_insert(self.turn);
        }
        (taken, queued)
    }
}

#[cfg(test)]
#[path = "suspect_queue_tests.rs"]
mod tests;
