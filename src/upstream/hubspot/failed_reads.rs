//! Isolates records whose reads fail again and again, with an error of HubSpot's own or without any answer. Most such
//! failures pass. But HubSpot, or a proxy, may stumble over a single record each time: after some failures the halves
//! of a batch are asked for, and a record that fails alone is asked for alone from then on, so that it holds up no
//! other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::items::{PartedRead, may_pass};
use crate::ports::crm::Unreadable;
use crate::ports::{Cause, UpstreamError};

/// Failures of a batch in a row after which its halves are asked for.
const TO_PASS: u32 = 2;
/// The count that marks a record that failed alone while others were answered.
const ALONE: u32 = u32::MAX;
/// Number of records that fail alone within [`FLOOD_TIME`] and count as a flood.
const FLOOD: usize = 16;
const FLOOD_TIME: Duration = Duration::from_secs(10);
/// Calls that may fail in a row, while one that asks for nobody is answered, before all records are affected.
const MOST_UNANSWERED: usize = 100;
/// Most records that are remembered.
const MOST: usize = 10_000;

/// How often each record was in a failed read since the last read with it that was answered.
pub(crate) struct FailedReads<K> {
    failures: BTreeMap<K, u32>,
    /// True once any part was answered: a part that then fails does so because of its own records.
    answers: bool,
    /// Since when records have failed alone, and how many.
    flood: Option<(Instant, usize)>,
    /// Number of calls that have failed since the last answered one.
    unanswered: usize,
}

impl<K> Default for FailedReads<K> {
    fn default() -> Self {
        Self {
            failures: BTreeMap::new(),
            answers: false,
            flood: None,
            unanswered: 0,
        }
    }
}

impl<K: Ord + Clone> FailedReads<K> {
    /// Counts a record that failed alone.
    fn count_alone(&mut self, now: Instant) {
        match &mut self.flood {
            Some((since, count)) if now.duration_since(*since) < FLOOD_TIME => *count += 1,
            flood => *flood = Some((now, 1)),
        }
    }

    /// True while so many records fail, and others are answered, that batches are not cut down any more. The other
    /// records of a failed batch then have to wait, but nobody waits for the many calls that it would take to find all
    /// failing ones.
    fn is_flooded(&self, now: Instant) -> bool {
        let many = |(since, count): (Instant, usize)| count >= FLOOD && now.duration_since(since) < FLOOD_TIME;
        self.answers && self.flood.is_some_and(many)
    }

    /// True for a record that is asked for alone.
    fn goes_alone(&self, key: &K) -> bool {
        self.failures.get(key) == Some(&ALONE)
    }

    /// True if batches with this record have failed so often that it may be the reason.
    fn is_suspect(&self, key: &K) -> bool {
        self.failures.get(key).is_some_and(|failures| *failures >= TO_PASS)
    }

    /// Notes that a read of these failed.
    fn note_failed(&mut self, keys: Vec<K>) {
        if self.failures.len() + keys.len() > MOST {
            self.failures.clear();
        }
        for key in keys {
            let failures = self.failures.entry(key).or_default();
            *failures = failures.saturating_add(1).min(ALONE - 1).max(*failures);
        }
    }

    /// Notes that this record failed alone while others were answered.
    fn note_alone(&mut self, key: K) {
        self.failures.insert(key, ALONE);
    }

    /// Notes that a read of these was answered.
    fn note_answered(&mut self, keys: &[K]) {
        (self.answers, self.unanswered) = (true, 0);
        for key in keys {
            self.failures.remove(key);
        }
    }
}

/// A read in parts (as [`PartedRead`]) that knows how earlier reads failed, and so which records are asked for alone
/// and when the halves of a batch are asked for.
pub(crate) struct IsolatingRead<'a, I, K> {
    parts: PartedRead<I>,
    failed: &'a Mutex<FailedReads<K>>,
    /// The key by which an input is remembered.
    key: fn(&I) -> K,
    /// True if the same call is answered when it asks for nobody.
    for_nobody: bool,
}

impl<'a, I: Ord + Clone, K: Ord + Clone> IsolatingRead<'a, I, K> {
    pub(crate) fn new(inputs: Vec<I>, failed: &'a Mutex<FailedReads<K>>, key: fn(&I) -> K) -> Self {
        let known = failed.lock();
        let isolates = inputs.iter().any(|input| known.is_suspect(&key(input)));
        let (alone, together) = inputs.into_iter().partition(|input| known.goes_alone(&key(input)));
        drop(known);
        Self {
            parts: PartedRead::isolating(together, alone, isolates),
            failed,
            key,
            for_nobody: false,
        }
    }

    fn keys_of(&self, part: &[I]) -> Vec<K> {
        part.iter().map(self.key).collect()
    }

    /// Notes that the part that has just failed did so because of single inputs: another one has been answered since.
    pub(crate) fn isolate(&mut self) {
        self.parts.part_answered();
        self.parts.isolate();
        self.failed.lock().answers = true;
    }

    /// Notes that the part may have failed because of single inputs: the same call for nobody has been answered since.
    /// If very many calls fail in a row, all records are affected.
    pub(crate) fn isolate_for_nobody(&mut self) {
        self.parts.isolate();
        self.for_nobody = true;
    }

    /// The quick retries of a part, out of those that the caller would make: none while parts are cut down. A wrong
    /// step of that is corrected by the next read.
    pub(crate) fn retries(&self, usual: u32) -> u32 {
        if self.parts.isolates() { 0 } else { usual }
    }

    /// The next part to ask for.
    pub(crate) fn next_part(&mut self) -> Option<Vec<I>> {
        self.parts.next_part()
    }

    /// Notes that a part was answered.
    pub(crate) fn part_answered(&mut self, part: &[I]) {
        self.parts.part_answered();
        self.failed.lock().note_answered(&self.keys_of(part));
    }

    /// Notes that a part was refused, or failed. Returns the error if it is not about single inputs.
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
            failed.unanswered = failed.unanswered.saturating_add(1);
            failed.note_failed(self.keys_of(part));
            // If there is only one input, nothing tells whether it is the reason.
            if failed.answers && part.len() > 1 {
                self.parts.isolate();
            }
        }
        let cause = error.clone();
        let refused = self.parts.part_refused(part, error);
        if refused.is_err() && self.for_nobody && self.failed.lock().unanswered < MOST_UNANSWERED {
            self.parts.leave_all(part, &cause);
            return Ok(());
        }
        self.failed.lock().answers &= refused.is_ok();
        refused
    }

    /// The inputs that can't be read. The error, if there are
    /// several and none could be read: then it is not about them.
    pub(crate) fn into_unreadable(self) -> Result<Unreadable<I>, UpstreamError> {
        let alone = self.keys_of(&self.parts.failed_alone());
        let unreadable = self.parts.into_unreadable();
        self.failed.lock().answers &= unreadable.is_ok();
        let unreadable = unreadable?;
        note_all_alone(self.failed, alone);
        Ok(unreadable)
    }

    /// As [`Self::into_unreadable`], without inputs that HubSpot found malformed while it answered for others. Inputs
    /// that were refused each by itself are unreadable even if none was answered.
    pub(crate) fn close_without_malformed(self) -> Result<Unreadable<I>, UpstreamError> {
        let counts = self.parts.has_answers();
        self.close(counts)
    }

    /// As [`Self::close_without_malformed`], for a question that HubSpot may find malformed whatever the inputs are.
    pub(crate) fn close_question(self) -> Result<Unreadable<I>, UpstreamError> {
        self.close(true)
    }

    fn close(self, malformed_counts: bool) -> Result<Unreadable<I>, UpstreamError> {
        let alone = self.keys_of(&self.parts.failed_alone());
        let unreadable = self.parts.close_without_malformed(malformed_counts)?;
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

    /// Reads these once, while every read with one that `breaks` fails. Returns the calls and the unreadable inputs.
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
    fn with_too_many_it_begins_again() {
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
