//! Finds contacts because of which searches fail. A search names no contacts, so it can't be split in halves as a batch
//! read is ([`super::failed_reads`]). But it can be bounded above: a search with the same filters, up to an id, fails
//! if and only if the contact is not beyond that id. So the contact is found by bisection, left out of searches from
//! then on, and read by its id.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::ids::ContactId;
use crate::ports::crm::ContactSearch;

/// Failures of a search in a row after which the contact is looked for.
const TO_PASS: u32 = 2;
/// Most contacts that are left out of one kind of search. If there are more, it is not about single contacts.
const MOST: usize = 50;
/// Most kinds of searches that are remembered; of more, all are forgotten.
const MOST_KINDS: usize = 64;
/// Time after which a contact that is left out is asked for again.
const ASKED_AGAIN: Duration = Duration::from_hours(1);
/// Longest time between failures that count as in a row.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// The greatest possible id: HubSpot's have at most 63 bits.
const GREATEST: ContactId = ContactId(i64::MAX.unsigned_abs());

/// The contacts of a search with an id greater than `above`, and not greater than `upto` if that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdRange {
    pub(crate) above: ContactId,
    pub(crate) upto: Option<ContactId>,
}

impl IdRange {
    pub(crate) const fn from_to(above: ContactId, upto: ContactId) -> Self {
        Self {
            above,
            upto: Some(upto),
        }
    }

    /// The range of this contact alone.
    pub(crate) const fn of_one(id: ContactId) -> Self {
        Self::from_to(ContactId(id.0.saturating_sub(1)), id)
    }

    /// An empty range: if searches work, one of it is answered.
    const fn of_none(id: ContactId) -> Self {
        Self::from_to(id, id)
    }

    /// True for [`Self::of_one`].
    pub(crate) fn is_of_one(self) -> bool {
        self.upto.is_some_and(|upto| upto.0 == self.above.0.saturating_add(1))
    }

    /// True for [`Self::of_none`].
    pub(crate) fn is_of_none(self) -> bool {
        self.upto == Some(self.above)
    }
}

/// Failed searches, by the names of the properties that they filter by.
#[derive(Default)]
pub(crate) struct FailedSearches(BTreeMap<Vec<String>, Failures>);

#[derive(Default)]
struct Failures {
    failing: Option<Failing>,
    /// Contacts because of which such searches fail, and when each is asked for again.
    known: BTreeMap<ContactId, Instant>,
}

/// A search that fails.
struct Failing {
    search: ContactSearch,
    /// Number of failures in a row.
    failures: u32,
    latest: Instant,
    hunt: Option<ContactHunt>,
}

/// The result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContactHuntProgress {
    /// Another probe is needed.
    Narrowed,
    /// The search fails because of this contact.
    Found(ContactId),
    /// The search fails for an empty range too: it is not about a contact.
    AllFail,
    /// The answers contradict earlier ones: the hunt starts again.
    Contradicted,
}

fn kind_of(search: &ContactSearch) -> Vec<String> {
    search.any_since.iter().map(|(name, _)| name.clone()).collect()
}

/// True if the answer to one search shows every contact because of which the other may fail, up to the end of the page.
fn covers(answered: &ContactSearch, failing: &ContactSearch) -> bool {
    let bounds = answered.any_since.iter().zip(&failing.any_since);
    bounds
        .into_iter()
        .all(|((_, answered), (_, failing))| answered <= failing)
}

impl FailedSearches {
    fn of_kind(&mut self, search: &ContactSearch) -> &mut Failures {
        let kind = kind_of(search);
        if self.0.len() >= MOST_KINDS && !self.0.contains_key(&kind) {
            self.0.clear();
        }
        self.0.entry(kind).or_default()
    }

    /// The first contact after the bound of this search because of which it fails, and whether it is time to ask for it
    /// again.
    pub(crate) fn first_known(&self, search: &ContactSearch, now: Instant) -> Option<(ContactId, bool)> {
        let failures = self.0.get(&kind_of(search))?;
        let behind = ContactId(search.after.0.saturating_add(1));
        let (id, until) = failures.known.range(behind..).next()?;
        Some((*id, *until <= now))
    }

    /// Notes whether a search for this known contact alone still fails.
    pub(crate) fn asked_again(&mut self, search: &ContactSearch, id: ContactId, fails: bool, now: Instant) {
        let known = &mut self.of_kind(search).known;
        if fails {
            known.insert(id, now + ASKED_AGAIN);
        } else {
            known.remove(&id);
        }
    }

    /// Notes an answered page that leads to `next`.
    pub(crate) fn note_answered(&mut self, search: &ContactSearch, next: Option<ContactId>) {
        let Some(failures) = self.0.get_mut(&kind_of(search)) else {
            return;
        };
        // Only pages from the failing one on count: those before it are answered in each pass.
        let passed = |failing: &Failing| next.is_none() || search.after >= failing.search.after;
        failures
            .failing
            .take_if(|failing| covers(search, &failing.search) && passed(failing));
    }

    /// Notes that a search for these failed. True if it did so often enough to look for the contact that causes it.
    pub(crate) fn note_failed(&mut self, search: &ContactSearch, range: IdRange, now: Instant) -> bool {
        let failures = self.of_kind(search);
        if failures.known.len() >= MOST {
            failures.known.retain(|_, until| *until > now);
        }
        let is_old = |failing: &mut Failing| now.saturating_duration_since(failing.latest) > LONGEST_PAUSE;
        failures.failing.take_if(is_old);
        let failing = failures.failing.get_or_insert_with(|| Failing {
            search: search.clone(),
            failures: 0,
            latest: now,
            hunt: None,
        });
        (failing.failures, failing.latest) = (failing.failures.saturating_add(1), now);
        // Where there is one such contact, there may be others.
        let suspect = failing.failures > TO_PASS || !failures.known.is_empty();
        let is_empty = range.upto.unwrap_or(GREATEST) <= range.above;
        if !suspect || is_empty || failures.known.len() >= MOST {
            return false;
        }
        match &mut failing.hunt {
            // The bounds of the search may have moved since: the probes so far were made with those at the beginning of
            // the hunt.
            Some(hunt) => hunt.step = ContactHuntStep::Nobody,
            none => {
                failing.search = search.clone();
                *none = Some(ContactHunt::new(range));
            }
        }
        true
    }

    /// The range to probe next, and the search to do it with.
    pub(crate) fn next_probe(&self, search: &ContactSearch) -> Option<(ContactSearch, IdRange)> {
        let failing = self.0.get(&kind_of(search))?.failing.as_ref()?;
        Some((failing.search.clone(), failing.hunt.as_ref()?.probe()))
    }

    /// Notes whether the probe of this range failed.
    pub(crate) fn note_probe(
        &mut self,
        search: &ContactSearch,
        range: IdRange,
        fails: bool,
        now: Instant,
    ) -> ContactHuntProgress {
        let failures = self.of_kind(search);
        let Some(hunt) = failures.failing.as_mut().and_then(|failing| failing.hunt.as_mut()) else {
            return ContactHuntProgress::Contradicted;
        };
        // Another caller has continued the hunt meanwhile.
        if hunt.probe() != range {
            return ContactHuntProgress::Narrowed;
        }
        let progress = hunt.advance(range, fails);
        if let ContactHuntProgress::Found(id) = progress {
            failures.known.insert(id, now + ASKED_AGAIN);
        }
        if matches!(
            progress,
            ContactHuntProgress::Found(_) | ContactHuntProgress::Contradicted
        ) {
            failures.failing = None;
        }
        progress
    }
}

/// The steps of the hunt for a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContactHuntStep {
    /// Is a search for nobody answered?
    Nobody,
    /// Which is the least upper bound that fails?
    Bisect,
    /// Does that contact fail alone?
    Alone,
    /// And is a search for nobody still answered, right after that?
    Proof,
}

/// The bisection: the contact is above `answered`, and not above `failed`.
#[derive(Debug)]
struct ContactHunt {
    range: IdRange,
    answered: ContactId,
    failed: ContactId,
    step: ContactHuntStep,
}

impl ContactHunt {
    fn new(range: IdRange) -> Self {
        Self {
            range,
            answered: range.above,
            failed: range.upto.unwrap_or(GREATEST),
            step: ContactHuntStep::Nobody,
        }
    }

    fn probe(&self) -> IdRange {
        let above = self.range.above;
        match self.step {
            ContactHuntStep::Nobody => IdRange::of_none(above),
            ContactHuntStep::Bisect => IdRange::from_to(above, ContactId(above.0 + self.next_distance())),
            ContactHuntStep::Alone => IdRange::of_one(self.failed),
            ContactHuntStep::Proof => IdRange::of_none(self.failed),
        }
    }

    /// How far the next upper bound is from the lower one. First the number of bits is bisected: ids have far fewer
    /// than they may have, and the contact is one of the first 200.
    fn next_distance(&self) -> u64 {
        let bits = |number: u64| u64::BITS - number.leading_zeros();
        let answered = self.answered.0 - self.range.above.0;
        let failed = self.failed.0 - self.range.above.0;
        if bits(failed) >= bits(answered) + 4 {
            1 << u32::midpoint(bits(answered), bits(failed))
        } else {
            u64::midpoint(answered, failed)
        }
    }

    fn advance(&mut self, probe: IdRange, fails: bool) -> ContactHuntProgress {
        match (self.step, fails) {
            (ContactHuntStep::Nobody, true) => ContactHuntProgress::AllFail,
            (ContactHuntStep::Proof, false) => ContactHuntProgress::Found(self.failed),
            (ContactHuntStep::Proof, true) | (ContactHuntStep::Alone, false) => ContactHuntProgress::Contradicted,
            (ContactHuntStep::Alone, true) => {
                self.step = ContactHuntStep::Proof;
                ContactHuntProgress::Narrowed
            }
            (ContactHuntStep::Nobody | ContactHuntStep::Bisect, _) => {
                let upto = probe.upto.unwrap_or(self.failed);
                if fails {
                    self.failed = upto;
                } else {
                    self.answered = self.answered.max(upto);
                }
                let is_one = self.failed.0 <= self.answered.0 + 1;
                self.step = if is_one {
                    ContactHuntStep::Alone
                } else {
                    ContactHuntStep::Bisect
                };
                ContactHuntProgress::Narrowed
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "failed_searches_tests.rs"]
mod tests;
