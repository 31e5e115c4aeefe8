//! What is known of single submissions in this life of the process, within bounds: what does not fit is read and looked
//! up once more. The ledger knows each by its key, so that none is counted twice.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::domain::ids::{ContactId, TransactionId};

/// Most submissions that are known, about 2 MiB. Beyond this the older half is forgotten.
const MAX_KNOWN: usize = 20_000;
/// Most submissions that are looked for one by one, about 1 MiB. The others are one of their own.
const MAX_SOUGHT: usize = 10_000;

/// What is known of the submissions of a portal's forms.
#[derive(Default)]
pub(super) struct SubmissionNotes {
    /// Those that need not be looked at again: when they were made, and whose they are.
    known: HashMap<TransactionId, (Timestamp, ContactId)>,
    /// Those that are looked for again: their contact was not found, or they or it could not be read.
    sought: HashMap<TransactionId, SoughtSubmission>,
    /// All those together that `sought` has no room for.
    further: Option<SoughtSubmission>,
}

/// A submission that is looked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SoughtSubmission {
    /// When it was made; of one that cannot be read itself, when the one below it in the list was.
    pub at: Timestamp,
    /// No longer than this.
    pub until: Timestamp,
    /// An answer has shown it without an address: a second one is wanted.
    pub nameless: bool,
}

impl SubmissionNotes {
    /// The contact of a submission that need not be looked at again.
    pub fn known_contact(&self, key: TransactionId) -> Option<ContactId> {
        self.known.get(&key).map(|(_, contact)| *contact)
    }

    /// A submission of this time and contact is done with.
    pub fn record_contact(&mut self, key: TransactionId, at: Timestamp, contact: ContactId) {
        self.sought.remove(&key);
        if self.known.len() >= MAX_KNOWN {
            let mut times: Vec<_> = self.known.values().map(|(at, _)| *at).collect();
            let (_, middle, _) = times.select_nth_unstable(MAX_KNOWN / 2);
            let middle = *middle;
            self.known.retain(|_, (at, _)| *at > middle);
        }
        self.known.insert(key, (at, contact));
    }

    /// A submission is looked for again.
    pub fn record_sought(&mut self, key: TransactionId, sought: SoughtSubmission) {
        if self.sought.len() < MAX_SOUGHT || self.sought.contains_key(&key) {
            self.sought.insert(key, sought);
            return;
        }
        let further = self.further.get_or_insert(sought);
        further.at = further.at.min(sought.at);
        further.until = further.until.max(sought.until);
    }

    /// True if a second answer is wanted about the address of a submission.
    pub fn has_nameless(&self) -> bool {
        self.sought.values().any(|sought| sought.nameless)
    }

    /// True if a submission is looked for, as far as they are known one by one.
    pub fn is_sought(&self, key: TransactionId) -> bool {
        self.sought.contains_key(&key)
    }

    /// Submissions that are too old by now are no longer looked for.
    pub fn give_up(&mut self, now: Timestamp) {
        self.sought.retain(|_, sought| sought.until >= now);
        self.further.take_if(|further| further.until < now);
    }

    /// The time of the oldest submission that is looked for; `None` if none is.
    pub fn oldest_sought(&self) -> Option<Timestamp> {
        self.sought.values().chain(&self.further).map(|sought| sought.at).min()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(n: usize) -> TransactionId {
        let mut key = [0; 20];
        key[..8].copy_from_slice(&n.to_be_bytes());
        TransactionId(key)
    }

    fn t(n: usize) -> Timestamp {
        Timestamp::from_second(i64::try_from(n).unwrap()).unwrap()
    }

    #[test]
    fn of_many_submissions_the_newest_stay_known() {
        let mut notes = SubmissionNotes::default();
        let all = 3 * MAX_KNOWN;
        // A list shows the newest first.
        for n in (0..all).rev() {
            notes.record_contact(key(n), t(n), ContactId(7));
            assert!(notes.known.len() <= MAX_KNOWN);
        }
        for n in all - MAX_KNOWN / 2 + 1..all {
            assert_eq!(notes.known_contact(key(n)), Some(ContactId(7)), "{n}");
        }
        let mut notes = SubmissionNotes::default();
        for n in 0..2 * MAX_KNOWN {
            notes.record_contact(key(n), t(1), ContactId(7));
            assert!(notes.known.len() <= MAX_KNOWN, "all of one time");
        }
    }

    #[test]
    fn what_is_sought_beyond_the_bound_is_read_for_as_far_back_and_as_long() {
        let mut notes = SubmissionNotes::default();
        let sought = |at, until| SoughtSubmission {
            at: t(at),
            until: t(until),
            nameless: false,
        };
        for n in 0..MAX_SOUGHT {
            notes.record_sought(key(n), sought(5_000, 6_000));
        }
        notes.record_sought(key(0), sought(4_000, 6_000));
        assert_eq!(notes.further, None, "it has its place");
        for n in 0..3 {
            notes.record_sought(key(MAX_SOUGHT + n), sought(3_002 - n, 7_000 + n));
        }
        assert_eq!(notes.sought.len(), MAX_SOUGHT);
        assert!(notes.is_sought(key(1)) && !notes.is_sought(key(MAX_SOUGHT)));
        assert_eq!(notes.oldest_sought(), Some(t(3_000)));
        for n in 0..MAX_SOUGHT + 3 {
            notes.record_contact(key(n), t(5_000), ContactId(1));
        }
        assert_eq!(
            notes.oldest_sought(),
            Some(t(3_000)),
            "which of them is found is not known"
        );
        notes.give_up(t(7_002));
        assert_eq!(notes.oldest_sought(), Some(t(3_000)));
        notes.give_up(t(7_003));
        assert_eq!(notes.oldest_sought(), None);
    }

    #[test]
    fn what_is_sought_is_given_up_at_its_time() {
        let mut notes = SubmissionNotes::default();
        let sought = |at, until| SoughtSubmission {
            at: t(at),
            until: t(until),
            nameless: false,
        };
        let nameless = |at, until| SoughtSubmission {
            nameless: true,
            ..sought(at, until)
        };
        notes.record_sought(key(1), sought(1, 10));
        notes.record_sought(key(2), sought(2, 20));
        notes.give_up(t(11));
        assert_eq!(notes.oldest_sought(), Some(t(2)));
        notes.record_sought(key(4), nameless(4, 30));
        notes.record_sought(key(5), nameless(5, 25));
        assert!(notes.has_nameless());
        notes.record_contact(key(4), t(4), ContactId::UNKNOWN);
        assert!(notes.has_nameless());
        notes.give_up(t(26));
        assert!(!notes.has_nameless());
        notes.record_sought(key(2), sought(2, 30));
        notes.record_contact(key(2), t(2), ContactId(3));
        assert_eq!(
            (notes.oldest_sought(), notes.known_contact(key(2))),
            (None, Some(ContactId(3)))
        );
    }
}
