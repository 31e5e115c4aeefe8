//! Contacts with which each search fails. A search names nobody, so it can't be asked for in halves as a batch read is
//! ([`super::failed_reads`]). But it may be bounded above: one with the same filters, up to an id, fails if and only if that
//! contact is not beyond the id. So the contact is found by bisection, left out of the searches from then on, and read by its id.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::ids::ContactId;
use crate::ports::crm::ContactSearch;

/// So many failures of a search in a row are left to pass.
const TO_PASS: u32 = 2;
/// Most contacts that are left out of one kind of search. Where there are more, it is no matter of single contacts.
const MOST: usize = 50;
/// Most kinds of searches that are remembered; of more, all are forgotten.
const MOST_KINDS: usize = 64;
/// A contact that is left out is asked for once more after so long.
const ASKED_AGAIN: Duration = Duration::from_hours(1);
/// Failures that lie further apart are not in a row.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// The greatest id that there may be: HubSpot's have at most 63 bits.
const GREATEST: ContactId = ContactId(i64::MAX.unsigned_abs());

/// Contacts of a search with an id above one, and up to another one if there is a limit.
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

    /// This contact alone.
    pub(crate) const fn of_one(id: ContactId) -> Self {
        Self::from_to(ContactId(id.0.saturating_sub(1)), id)
    }

    /// Nobody: a search that is well must answer it.
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

/// What searches have failed with: by the names of the properties that they go by.
#[derive(Default)]
pub(crate) struct FailedSearches(BTreeMap<Vec<String>, Failures>);

#[derive(Default)]
struct Failures {
    failing: Option<Failing>,
    /// Contacts with which such searches fail, and when each is asked for again.
    known: BTreeMap<ContactId, Instant>,
}

/// A search that fails.
struct Failing {
    search: ContactSearch,
    /// In a row.
    failures: u32,
    latest: Instant,
    hunt: Option<Hunt>,
}

/// What a probe has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is another probe.
    Narrowed,
    /// The search fails with this contact.
    Found(ContactId),
    /// The search fails with nobody in it too: it is no matter of a contact.
    AllFail,
    /// It is not as it was before: what is known of it is forgotten.
    Contradicted,
}

fn kind_of(search: &ContactSearch) -> Vec<String> {
    search.any_since.iter().map(|(name, _)| name.clone()).collect()
}

/// True if the answer to the one shows all that the other one fails with, up to the end of the page.
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

    /// The first contact behind the bound of this search with which it fails, and whether it is time to ask for it again.
    pub(crate) fn first_known(&self, search: &ContactSearch, now: Instant) -> Option<(ContactId, bool)> {
        let failures = self.0.get(&kind_of(search))?;
        let behind = ContactId(search.after.0.saturating_add(1));
        let (id, until) = failures.known.range(behind..).next()?;
        Some((*id, *until <= now))
    }

    /// A known contact was asked for again, alone.
    pub(crate) fn asked_again(&mut self, search: &ContactSearch, id: ContactId, fails: bool, now: Instant) {
        let known = &mut self.of_kind(search).known;
        if fails {
            known.insert(id, now + ASKED_AGAIN);
        } else {
            known.remove(&id);
        }
    }

    /// A page was answered that leads to `next`.
    pub(crate) fn note_answered(&mut self, search: &ContactSearch, next: Option<ContactId>) {
        let Some(failures) = self.0.get_mut(&kind_of(search)) else {
            return;
        };
        // The pages before the one that fails are answered in each pass.
        let passed = |failing: &Failing| next.is_none() || search.after >= failing.search.after;
        failures
            .failing
            .take_if(|failing| covers(search, &failing.search) && passed(failing));
    }

    /// A search for these failed: true if it did so often enough to look for the contact that it fails with.
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
            // The bounds of the search may have moved since: what is known is of the one that the hunt began with.
            Some(hunt) => hunt.step = Step::Nobody,
            none => {
                failing.search = search.clone();
                *none = Some(Hunt::new(range));
            }
        }
        true
    }

    /// What to ask for next, with which search.
    pub(crate) fn next_probe(&self, search: &ContactSearch) -> Option<(ContactSearch, IdRange)> {
        let failing = self.0.get(&kind_of(search))?.failing.as_ref()?;
        Some((failing.search.clone(), failing.hunt.as_ref()?.probe()))
    }

    /// The probe of this range was answered, or fails.
    pub(crate) fn note_probe(&mut self, search: &ContactSearch, range: IdRange, fails: bool, now: Instant) -> Progress {
        let failures = self.of_kind(search);
        let Some(hunt) = failures.failing.as_mut().and_then(|failing| failing.hunt.as_mut()) else {
            return Progress::Contradicted;
        };
        // Somebody else has gone on meanwhile.
        if hunt.probe() != range {
            return Progress::Narrowed;
        }
        let progress = hunt.advance(range, fails);
        if let Progress::Found(id) = progress {
            failures.known.insert(id, now + ASKED_AGAIN);
        }
        if matches!(progress, Progress::Found(_) | Progress::Contradicted) {
            failures.failing = None;
        }
        progress
    }
}

/// Where the search for a contact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
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
struct Hunt {
    range: IdRange,
    answered: ContactId,
    failed: ContactId,
    step: Step,
}

impl Hunt {
    fn new(range: IdRange) -> Self {
        Self {
            range,
            answered: range.above,
            failed: range.upto.unwrap_or(GREATEST),
            step: Step::Nobody,
        }
    }

    fn probe(&self) -> IdRange {
        let above = self.range.above;
        match self.step {
            Step::Nobody => IdRange::of_none(above),
            Step::Bisect => IdRange::from_to(above, ContactId(above.0 + self.next_distance())),
            Step::Alone => IdRange::of_one(self.failed),
            Step::Proof => IdRange::of_none(self.failed),
        }
    }

    /// How far the next upper bound is from the lower one. First the number of bits is bisected: ids have far fewer than they may
    /// have, and the contact is one of the first 200.
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

    fn advance(&mut self, probe: IdRange, fails: bool) -> Progress {
        match (self.step, fails) {
            (Step::Nobody, true) => Progress::AllFail,
            (Step::Proof, false) => Progress::Found(self.failed),
            (Step::Proof, true) | (Step::Alone, false) => Progress::Contradicted,
            (Step::Alone, true) => {
                self.step = Step::Proof;
                Progress::Narrowed
            }
            (Step::Nobody | Step::Bisect, _) => {
                let upto = probe.upto.unwrap_or(self.failed);
                if fails {
                    self.failed = upto;
                } else {
                    self.answered = self.answered.max(upto);
                }
                let is_one = self.failed.0 <= self.answered.0 + 1;
                self.step = if is_one { Step::Alone } else { Step::Bisect };
                Progress::Narrowed
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "failed_searches_tests.rs"]
mod tests;
