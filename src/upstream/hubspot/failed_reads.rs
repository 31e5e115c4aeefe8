//! Records whose reads fail again and again, for what HubSpot calls a failure of its own, or with no answer at all. Most such
//! failures pass. But a single record may be what HubSpot, or a proxy, stumbles over each time: after some failures the halves
//! of a batch are asked for, and a record that fails alone is asked for alone from then on, so that it holds up no other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::items::{Parts, may_pass};
use crate::ports::crm::Unreadable;
use crate::ports::{Cause, UpstreamError};

/// So many failures of a batch in a row are left to pass.
const TO_PASS: u32 = 2;
/// Marks a record that failed alone while others were answered.
const ALONE: u32 = u32::MAX;
/// So many that fail alone in this time are a flood.
const FLOOD: usize = 16;
const FLOOD_TIME: Duration = Duration::from_secs(10);
/// So many calls may fail in a row, where one for nobody is answered, before that is a matter of all records.
const MOST_IN_VAIN: usize = 100;
/// Most records that are remembered.
const MOST: usize = 10_000;

/// How often each record was in a read that failed, since one was answered that it was in.
pub(crate) struct FailedReads<K> {
    failures: BTreeMap<K, u32>,
    /// A part of the last read was answered: where another one fails, it is for records of its own.
    answers: bool,
    /// How many failed alone since when.
    flood: Option<(Instant, usize)>,
    /// How many calls have failed since one was answered.
    in_vain: usize,
}

impl<K> Default for FailedReads<K> {
    fn default() -> Self {
        Self {
            failures: BTreeMap::new(),
            answers: false,
            flood: None,
            in_vain: 0,
        }
    }
}

impl<K: Ord + Clone> FailedReads<K> {
    /// One more has failed alone.
    fn count_alone(&mut self, now: Instant) {
        match &mut self.flood {
            Some((since, count)) if now.duration_since(*since) < FLOOD_TIME => *count += 1,
            flood => *flood = Some((now, 1)),
        }
    }

    /// True while so many fail, and others are answered, that batches are not cut down: whoever else is in one waits for its turn
    /// by itself, and nobody for the calls that it takes to find all of them.
    fn is_flooded(&self, now: Instant) -> bool {
        let many = |(since, count): (Instant, usize)| count >= FLOOD && now.duration_since(since) < FLOOD_TIME;
        self.answers && self.flood.is_some_and(many)
    }

    /// True for one that is asked for alone.
    fn goes_alone(&self, key: &K) -> bool {
        self.failures.get(key) == Some(&ALONE)
    }

    /// True if a batch with this one has failed so often that one of them may be the reason.
    fn is_suspect(&self, key: &K) -> bool {
        self.failures.get(key).is_some_and(|failures| *failures >= TO_PASS)
    }

    /// A read of these failed.
    fn note_failed(&mut self, keys: Vec<K>) {
        if self.failures.len() + keys.len() > MOST {
            self.failures.clear();
        }
        for key in keys {
            let failures = self.failures.entry(key).or_default();
            *failures = failures.saturating_add(1).min(ALONE - 1).max(*failures);
        }
    }

    /// This one failed alone, and others were answered.
    fn note_alone(&mut self, key: K) {
        self.failures.insert(key, ALONE);
    }

    /// A read of these was answered.
    fn note_answered(&mut self, keys: &[K]) {
        (self.answers, self.in_vain) = (true, 0);
        for key in keys {
            self.failures.remove(key);
        }
    }
}

/// A read in parts (as [`Parts`]) that knows what earlier reads have failed with: what is asked for by itself, and when the
/// halves of a batch are.
pub(crate) struct IsolatingRead<'a, I, K> {
    parts: Parts<I>,
    failed: &'a Mutex<FailedReads<K>>,
    /// What an input is remembered by.
    key: fn(&I) -> K,
    /// The same call for nobody is answered.
    for_nobody: bool,
}

impl<'a, I: Ord + Clone, K: Ord + Clone> IsolatingRead<'a, I, K> {
    pub(crate) fn new(inputs: Vec<I>, failed: &'a Mutex<FailedReads<K>>, key: fn(&I) -> K) -> Self {
        let known = failed.lock();
        let isolates = inputs.iter().any(|input| known.is_suspect(&key(input)));
        let (alone, together) = inputs.into_iter().partition(|input| known.goes_alone(&key(input)));
        drop(known);
        Self {
            parts: Parts::isolating(together, alone, isolates),
            failed,
            key,
            for_nobody: false,
        }
    }

    fn keys_of(&self, part: &[I]) -> Vec<K> {
        part.iter().map(self.key).collect()
    }

    /// The part that has just failed did so for single inputs: another one has been answered since.
    pub(crate) fn isolate(&mut self) {
        self.parts.isolate(true);
        self.failed.lock().answers = true;
    }

    /// It may have done so: the same call for nobody has been answered since. Where very many fail in a row, it is about all.
    pub(crate) fn isolate_for_nobody(&mut self) {
        self.parts.isolate(false);
        self.for_nobody = true;
    }

    /// The quick retries of a part of which the caller would make so many: none where parts are cut down. A wrong turn shows with
    /// the next read.
    pub(crate) fn retries(&self, usual: u32) -> u32 {
        if self.parts.isolates() { 0 } else { usual }
    }

    /// The next part to ask for.
    pub(crate) fn next_part(&mut self) -> Option<Vec<I>> {
        self.parts.next_part()
    }

    /// A part was answered.
    pub(crate) fn part_answered(&mut self, part: &[I]) {
        self.parts.part_answered();
        self.failed.lock().note_answered(&self.keys_of(part));
    }

    /// A part was refused, or failed. The error, where it is not about single inputs.
    pub(crate) fn part_refused(&mut self, part: &[I], error: UpstreamError) -> Result<(), UpstreamError> {
        if error.cause != Cause::TooLarge {
            let (mut failed, now) = (self.failed.lock(), Instant::now());
            if part.len() == 1 {
                failed.count_alone(now);
            } else if failed.is_flooded(now) {
                self.parts.leave(part, &error);
                return Ok(());
            }
        }
        if may_pass(&error) {
            let mut failed = self.failed.lock();
            failed.in_vain = failed.in_vain.saturating_add(1);
            failed.note_failed(self.keys_of(part));
            // Of one alone nothing tells whether it is the reason.
            if failed.answers && part.len() > 1 {
                self.parts.isolate(false);
            }
        }
        let cause = error.clone();
        let refused = self.parts.part_refused(part, error);
        if refused.is_err() && self.for_nobody && self.failed.lock().in_vain < MOST_IN_VAIN {
            self.parts.leave_all(part, &cause);
            return Ok(());
        }
        self.failed.lock().answers &= refused.is_ok();
        refused
    }

    /// The inputs that cannot be read. Where all of several could not be, it was not about them: the error.
    pub(crate) fn into_unreadable(self) -> Result<Unreadable<I>, UpstreamError> {
        let alone = self.keys_of(&self.parts.failed_alone());
        let unreadable = self.parts.into_unreadable();
        self.failed.lock().answers &= unreadable.is_ok();
        let unreadable = unreadable?;
        note_all_alone(self.failed, alone);
        Ok(unreadable)
    }

    /// As [`Parts::without_answer`].
    pub(crate) fn without_answer(&self) -> Unreadable<I> {
        self.parts.without_answer()
    }

    /// As [`Self::into_unreadable`], without inputs that HubSpot found malformed while it answered for others; those that it
    /// refused, each by itself, are unreadable also where it answered for none.
    pub(crate) fn close_without_malformed(self) -> Result<Unreadable<I>, UpstreamError> {
        let alone = self.keys_of(&self.parts.failed_alone());
        let unreadable = self.parts.close_without_malformed()?;
        note_all_alone(self.failed, alone);
        Ok(unreadable)
    }
}

fn note_all_alone<K: Ord + Clone>(failed: &Mutex<FailedReads<K>>, keys: Vec<K>) {
    let mut failed = failed.lock();
    for key in keys {
        failed.note_alone(key);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Reads these once, where everything fails that `breaks`; what was asked for, and what cannot be read.
    fn read(
        failed: &Mutex<FailedReads<u64>>,
        inputs: &[u64],
        breaks: impl Fn(&[u64]) -> bool,
    ) -> (Vec<Vec<u64>>, Option<Vec<u64>>) {
        let mut read = IsolatingRead::new(inputs.to_vec(), failed, |input| *input);
        let mut asked = Vec::new();
        while let Some(part) = read.next_part() {
            asked.push(part.clone());
            if !breaks(&part) {
                read.part_answered(&part);
            } else if read
                .part_refused(&part, UpstreamError::new("HubSpot", Cause::Unavailable, "500"))
                .is_err()
            {
                return (asked, None);
            }
        }
        (asked, read.into_unreadable().ok().map(|all| all.into_keys().collect()))
    }

    #[test]
    fn what_fails_again_and_again_is_found_and_goes_alone() {
        let failed = Mutex::default();
        let poison = |part: &[u64]| part.contains(&3);
        for _ in 0..TO_PASS {
            assert_eq!(read(&failed, &[1, 2, 3, 4], poison), (vec![vec![1, 2, 3, 4]], None));
        }
        let (asked, unreadable) = read(&failed, &[1, 2, 3, 4], poison);
        assert_eq!(unreadable, Some(vec![3]));
        assert_eq!(asked[0], [1, 2, 3, 4]);
        assert_eq!(
            read(&failed, &[1, 2, 3, 5], poison),
            (vec![vec![1, 2, 5], vec![3]], Some(vec![3]))
        );
        assert_eq!(
            read(&failed, &[3], poison),
            (vec![vec![3]], Some(vec![3])),
            "it is known to be the reason"
        );
        assert_eq!(read(&failed, &[3], |_| false), (vec![vec![3]], Some(vec![])));
        let all = vec![vec![1, 3]];
        assert_eq!(
            read(&failed, &[1, 3], |_| false),
            (all, Some(vec![])),
            "again with others"
        );
    }

    #[test]
    fn where_very_many_fail_batches_are_not_cut_down() {
        let failed = Mutex::default();
        let poison = |part: &[u64]| part.iter().any(|id| *id > 100);
        let batch: Vec<u64> = (91..=91 + 10 + FLOOD as u64).collect();
        for _ in 0..TO_PASS {
            assert_eq!(read(&failed, &batch, poison).1, None);
        }
        let (asked, unreadable) = read(&failed, &batch, poison);
        assert_eq!(
            unreadable.map(|all| all.len()),
            Some(1 + FLOOD),
            "all are found: {asked:?}"
        );
        let another: Vec<u64> = (1..=49).chain([200]).collect();
        let (asked, unreadable) = read(&failed, &another, poison);
        assert_eq!(asked, std::slice::from_ref(&another));
        assert_eq!(unreadable, Some(another.clone()), "each waits for its turn");
        assert_eq!(
            read(&failed, &another[..49], poison).1,
            Some(vec![]),
            "and is given then"
        );
        failed.lock().flood = None;
        failed.lock().answers = false;
        assert_eq!(
            read(&failed, &another, poison).1,
            None,
            "nothing was answered: it is about none"
        );
    }

    #[test]
    fn what_fails_for_all_is_about_none() {
        let failed = Mutex::default();
        for _ in 0..5 {
            assert_eq!(read(&failed, &[1, 2, 3], |_| true).1, None);
            assert_eq!(read(&failed, &[7], |_| true).1, None, "of one alone nothing tells");
        }
        assert_eq!(read(&failed, &[1, 2, 3], |_| false).0, [[1, 2, 3]]);
    }

    #[test]
    fn with_too_many_it_begins_anew() {
        let mut failed = FailedReads::default();
        for _ in 0..TO_PASS {
            failed.note_failed(vec![1]);
        }
        failed.note_alone(2);
        assert!(failed.is_suspect(&1) && !failed.goes_alone(&1) && failed.goes_alone(&2));
        failed.note_failed(vec![2]);
        assert!(failed.goes_alone(&2));
        failed.note_failed((3..3 + MOST as u64).collect());
        assert!(!failed.is_suspect(&1) && !failed.goes_alone(&2));
    }
}
