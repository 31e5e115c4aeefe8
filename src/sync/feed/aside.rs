//! Contacts that the feed has met and could not read. They are put aside, so that neither the page nor the portal waits for
//! them, and are read again with growing pauses.
//!
//! The feed marks move past them: what brings them back is this list alone, so the ledger keeps its ids, and it is written
//! before the marks are. A process that ends in between reads the same pages once more. (A sweep would not do: nothing
//! says that a record's modification time moves when it becomes readable.)

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::backoff::backoff;
use crate::domain::ids::ContactId;

/// More contacts than this are no matter of single records any more: then the feed stops where it is.
const MOST: usize = 1_000;
/// So many are read again in one pass.
const AT_ONCE: usize = 200;

/// The contacts put aside by one feed.
#[derive(Default)]
pub struct Aside {
    waiting: BTreeMap<ContactId, Wait>,
    /// The ledger's list was taken over.
    pub(super) loaded: bool,
    /// The ledger's list is another one.
    changed: bool,
}

struct Wait {
    tries: u32,
    due: Timestamp,
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
    pub fn load(&mut self, contacts: Vec<ContactId>) {
        let wait = |id| {
            let due = Timestamp::MIN;
            (id, Wait { tries: 0, due })
        };
        for (id, wait) in contacts.into_iter().map(wait) {
            self.waiting.entry(id).or_insert(wait);
        }
        self.loaded = true;
    }

    /// True while this contact is put aside.
    pub fn is_aside(&self, contact: ContactId) -> bool {
        self.waiting.contains_key(&contact)
    }

    /// Puts a contact aside that could not be read now.
    pub fn put_aside(&mut self, contact: ContactId, longest: SignedDuration, now: Timestamp) -> PutAside {
        let later = |tries| {
            now.saturating_add(backoff(tries, longest, contact.0))
                .unwrap_or(Timestamp::MAX)
        };
        if let Some(wait) = self.waiting.get_mut(&contact) {
            wait.tries = wait.tries.saturating_add(1);
            wait.due = later(wait.tries);
            return PutAside::Again;
        }
        if self.waiting.len() >= MOST {
            return PutAside::Full;
        }
        let due = later(0);
        self.waiting.insert(contact, Wait { tries: 0, due });
        self.changed = true;
        PutAside::First
    }

    /// One that is put aside need not be read again before this time.
    pub fn delay_until(&mut self, contact: ContactId, due: Timestamp) {
        if let Some(wait) = self.waiting.get_mut(&contact) {
            wait.due = due;
        }
    }

    /// A contact was read, or is gone.
    pub fn release(&mut self, contact: ContactId) {
        self.changed |= self.waiting.remove(&contact).is_some();
    }

    /// Those to be read again now, the longest due first.
    pub fn due_contacts(&self, now: Timestamp) -> Vec<ContactId> {
        let mut due: Vec<_> = self.waiting.iter().filter(|(_, wait)| wait.due <= now).collect();
        due.sort_by_key(|(_, wait)| wait.due);
        due.into_iter().take(AT_ONCE).map(|(id, _)| *id).collect()
    }

    /// What the ledger has to remember, if that changed.
    pub fn unsaved_contacts(&self) -> Option<Vec<ContactId>> {
        self.changed.then(|| self.waiting.keys().copied().collect())
    }

    /// The ledger has it.
    pub fn mark_saved(&mut self) {
        self.changed = false;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LONGEST: SignedDuration = SignedDuration::from_mins(5);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn read_again_with_growing_pauses_until_it_can_be_read() {
        let (mut aside, one) = (Aside::default(), ContactId(200));
        assert_eq!(aside.put_aside(one, LONGEST, at(0)), PutAside::First);
        assert_eq!(aside.unsaved_contacts(), Some(vec![one]));
        aside.mark_saved();
        assert!(aside.due_contacts(at(0)).is_empty());
        assert_eq!(aside.due_contacts(at(1)), [one]);
        assert_eq!(aside.put_aside(one, LONGEST, at(1)), PutAside::Again);
        assert!(aside.due_contacts(at(2)).is_empty(), "two seconds now");
        assert_eq!(aside.due_contacts(at(3)), [one]);
        assert_eq!(aside.unsaved_contacts(), None, "the ledger has it");
        aside.release(one);
        assert!(aside.due_contacts(at(999)).is_empty() && !aside.is_aside(one));
        assert_eq!(aside.unsaved_contacts(), Some(vec![]));
    }

    #[test]
    fn what_the_ledger_remembers_is_due_at_once() {
        let mut aside = Aside::default();
        aside.load(vec![ContactId(7), ContactId(8)]);
        assert_eq!(aside.due_contacts(at(0)), [7, 8].map(ContactId));
        assert_eq!(aside.unsaved_contacts(), None);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut aside = Aside::default();
        for id in 0..MOST as u64 {
            assert_eq!(aside.put_aside(ContactId(id), LONGEST, at(0)), PutAside::First);
        }
        assert_eq!(aside.put_aside(ContactId(5), LONGEST, at(0)), PutAside::Again);
        assert_eq!(aside.put_aside(ContactId(u64::MAX), LONGEST, at(0)), PutAside::Full);
        assert_eq!(aside.due_contacts(at(9)).len(), AT_ONCE);
    }
}
