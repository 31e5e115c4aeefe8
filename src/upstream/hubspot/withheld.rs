//! Contact properties that HubSpot withholds: reads with them fail, and are answered without them, because the token
//! lacks a scope or HubSpot has a failure. The property is found by a bisection of the names, in which each probe reads
//! one contact. From then on it is left out of reads and searches, and asked for again with growing pauses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use crate::domain::backoff::backoff;
use crate::domain::contact::{Contact, LAST_MODIFIED, LIFECYCLE_STAGE, MERGED_IDS, date_entered};
use crate::domain::ids::ContactId;
use crate::domain::withheld::{Withheld, WithheldProperties};
use crate::ports::{Cause, UpstreamError};

/// Most properties that are left out. If there are more, it is not about single ones.
const MOST: usize = 100;
/// Longest time for which a verdict about failing reads counts.
const LONGEST_VERDICT: SignedDuration = SignedDuration::from_secs(30);

/// True for a property that is never left out, because nothing can be read without it.
pub(super) fn is_essential(name: &str) -> bool {
    [LIFECYCLE_STAGE, MERGED_IDS, LAST_MODIFIED].contains(&name) || name.starts_with(&date_entered(""))
}

/// True for a failure that a requested property may cause.
pub(crate) fn may_concern_property(error: &UpstreamError) -> bool {
    match error.cause {
        Cause::MissingScope | Cause::AccessDenied | Cause::Refused | Cause::NotFound => error.status.is_some(),
        Cause::RateLimited | Cause::TooLarge => false,
        _ => error.may_concern_a_part(),
    }
}

/// The names of a read, without those that are left out of it.
pub(crate) fn asked_names(names: &[String], withheld: Option<&BTreeSet<String>>) -> Vec<String> {
    let is_asked = |name: &&String| withheld.is_none_or(|withheld| !withheld.contains(*name));
    names.iter().filter(is_asked).cloned().collect()
}

/// Notes on each of these contacts what was left out of the read.
pub(crate) fn mark_withheld<'a>(
    contacts: impl IntoIterator<Item = &'a mut Contact>,
    withheld: Option<&Arc<BTreeSet<String>>>,
) {
    let Some(withheld) = withheld else { return };
    for contact in contacts {
        let properties = std::mem::take(&mut contact.properties);
        contact.properties = properties.withholding(Some(Arc::clone(withheld)));
    }
}

/// The optional properties of a read, and whether each is asked for with its history too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PropertyNames(BTreeMap<String, bool>);

impl PropertyNames {
    pub(crate) fn of(properties: &[String], with_history: &[String]) -> Self {
        let plain = properties.iter().map(|name| (name, false));
        let all = plain.chain(with_history.iter().map(|name| (name, true)));
        let dispensable = all.filter(|(name, _)| !is_essential(name));
        Self(dispensable.map(|(name, history)| (name.clone(), history)).collect())
    }

    fn range(&self, from: usize, to: usize) -> Self {
        let part = self.0.iter().skip(from).take(to.saturating_sub(from));
        Self(part.map(|(name, history)| (name.clone(), *history)).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(crate) fn with_history(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter(|(_, history)| **history).map(|(name, _)| name)
    }
}

/// The reason why reads fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// A property, which is left out from now on.
    Property,
    /// Records: the same properties of another record are answered.
    Records,
    /// Perhaps records: the same read is answered if it asks for nobody, which proves nothing about existing records.
    Perhaps,
    /// Neither, or it can't be found out.
    Unknown,
}

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PropertyHuntProgress {
    /// Another probe is needed.
    Narrowed,
    /// The read fails with this property, and is answered without it.
    Found(PropertyNames),
    /// It is not about properties.
    Over(Blame),
}

/// The steps of the hunt for a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PropertyHuntStep {
    /// Does a read of another contact fail as well?
    All,
    /// Is it answered with none of the names?
    Nothing,
    /// Which is the shortest beginning of the list that fails?
    Bisect,
    /// Does that property fail alone?
    Alone,
    /// And is a read with none still answered, right after that?
    Proof,
}

/// The bisection: the names before `answered` are answered, those before `fails` are not.
#[derive(Debug)]
pub(crate) struct PropertyHunt {
    names: PropertyNames,
    answered: usize,
    fails: usize,
    step: PropertyHuntStep,
}

impl PropertyHunt {
    pub(crate) fn new(names: PropertyNames) -> Self {
        Self {
            answered: 0,
            fails: names.0.len(),
            names,
            step: PropertyHuntStep::All,
        }
    }

    /// The names to probe next.
    pub(crate) fn probe(&self) -> PropertyNames {
        match self.step {
            PropertyHuntStep::All => self.names.clone(),
            PropertyHuntStep::Nothing | PropertyHuntStep::Proof => PropertyNames::default(),
            PropertyHuntStep::Bisect => self.names.range(0, usize::midpoint(self.answered, self.fails)),
            PropertyHuntStep::Alone => self.names.range(self.fails.saturating_sub(1), self.fails),
        }
    }

    /// True for the first probe, which is made even if there is little time.
    pub(crate) fn is_new(&self) -> bool {
        self.step == PropertyHuntStep::All
    }

    /// True if a wrong answer to this probe would be found out later.
    pub(crate) fn is_bisecting(&self) -> bool {
        self.step == PropertyHuntStep::Bisect
    }

    /// Notes whether the probe failed.
    pub(crate) fn advance(&mut self, fails: bool) -> PropertyHuntProgress {
        let one = |hunt: &Self| hunt.fails <= hunt.answered + 1;
        self.step = match (self.step, fails) {
            (PropertyHuntStep::All, false) => return PropertyHuntProgress::Over(Blame::Records),
            (PropertyHuntStep::All, true) if !self.names.is_empty() => PropertyHuntStep::Nothing,
            // It fails whatever is asked for, or fails in another way than before.
            (PropertyHuntStep::All | PropertyHuntStep::Nothing | PropertyHuntStep::Proof, true)
            | (PropertyHuntStep::Alone, false) => {
                return PropertyHuntProgress::Over(Blame::Unknown);
            }
            (PropertyHuntStep::Nothing, false) => {
                if one(self) {
                    PropertyHuntStep::Alone
                } else {
                    PropertyHuntStep::Bisect
                }
            }
            (PropertyHuntStep::Bisect, fails) => {
                let middle = usize::midpoint(self.answered, self.fails);
                if fails {
                    self.fails = middle;
                } else {
                    self.answered = middle;
                }
                if one(self) {
                    PropertyHuntStep::Alone
                } else {
                    PropertyHuntStep::Bisect
                }
            }
            (PropertyHuntStep::Alone, true) => PropertyHuntStep::Proof,
            (PropertyHuntStep::Proof, false) => {
                return PropertyHuntProgress::Found(self.names.range(self.fails - 1, self.fails));
            }
        };
        PropertyHuntProgress::Narrowed
    }
}

struct WithheldProperty {
    why: String,
    history: bool,
    tries: u32,
    due: Instant,
}

/// The properties that reads of a portal's contacts leave out.
#[derive(Default)]
pub(crate) struct WithheldMemory {
    known: BTreeMap<String, WithheldProperty>,
    names: Arc<BTreeSet<String>>,
    /// Raised with each name that is added or removed.
    version: u64,
    /// A hunt for a property that there was no time to finish.
    hunt: Option<PropertyHunt>,
    verdict: Option<(Blame, Instant)>,
    verdicts: u32,
    /// Until when searches ask for no optional property, and how often in a row that became necessary.
    plain: Option<(Instant, u32)>,
    /// A contact that HubSpot has shown.
    pub(crate) witness: Option<ContactId>,
}

impl WithheldMemory {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The names that are left out of a read of these; `None` if there are none.
    pub(crate) fn among<'a>(&self, mut names: impl Iterator<Item = &'a String>) -> Option<Arc<BTreeSet<String>>> {
        names.any(|name| self.names.contains(name)).then(|| self.names.clone())
    }

    /// The result of the last hunt for a property, as long as it counts.
    pub(crate) fn verdict(&self, now: Instant) -> Option<Blame> {
        self.verdict.filter(|(_, until)| now < *until).map(|(blame, _)| blame)
    }

    pub(crate) fn note_verdict(&mut self, blame: Blame, now: Instant) {
        let is_old = |(_, until): &(Blame, Instant)| now.saturating_duration_since(*until) > pause(u32::MAX);
        if blame == Blame::Property || self.verdict.as_ref().is_some_and(is_old) {
            self.verdicts = 0;
        }
        self.verdict = (blame != Blame::Property).then(|| (blame, now + pause(self.verdicts)));
        self.verdicts = self.verdicts.saturating_add(1);
    }

    /// Forgets a witness that is not shown any more.
    pub(crate) fn forget_witness(&mut self, witness: ContactId) {
        self.witness.take_if(|known| *known == witness);
    }

    /// The unfinished hunt for one of these, or a new one.
    pub(crate) fn take_hunt(&mut self, names: &PropertyNames) -> PropertyHunt {
        let left = self.hunt.take().filter(|hunt| hunt.names == *names);
        left.unwrap_or_else(|| PropertyHunt::new(names.clone()))
    }

    pub(crate) fn leave_hunt(&mut self, hunt: PropertyHunt) {
        self.hunt = Some(hunt);
    }

    /// Leaves these out from now on: reads fail with them and are
    /// answered without. False if there are too many already.
    pub(crate) fn withhold(&mut self, found: &PropertyNames, why: &str, now: Instant) -> bool {
        if self.known.len() >= MOST {
            return false;
        }
        for (name, history) in &found.0 {
            let known = WithheldProperty {
                why: why.to_owned(),
                history: *history,
                tries: 0,
                due: now + Duration::from_secs(1),
            };
            self.known.insert(name.clone(), known);
        }
        self.changed();
        true
    }

    /// The properties that it is time to ask for again.
    pub(crate) fn due(&self, now: Instant) -> Vec<PropertyNames> {
        let due = self.known.iter().filter(|(_, known)| known.due <= now);
        due.map(|(name, known)| PropertyNames(BTreeMap::from([(name.clone(), known.history)])))
            .collect()
    }

    /// Notes that a property was asked for again. `why` is the reason why it is still withheld; `None` if it was given.
    pub(crate) fn asked_again(&mut self, name: &str, why: Option<String>, longest: SignedDuration, now: Instant) {
        let Some(why) = why else {
            if self.known.remove(name).is_some() {
                self.changed();
            }
            return;
        };
        if let Some(known) = self.known.get_mut(name) {
            known.tries = known.tries.saturating_add(1);
            known.why = why;
            known.due = now + Duration::try_from(backoff(known.tries, longest, 0)).unwrap_or_default();
        }
    }

    fn changed(&mut self) {
        self.names = Arc::new(self.known.keys().cloned().collect());
        self.version += 1;
    }

    /// The properties that are left out, for the status.
    pub(crate) fn shown(&self, now: Instant) -> WithheldProperties {
        let shown = |(name, known): (&String, &WithheldProperty)| {
            let left = known.due.saturating_duration_since(now);
            let withheld = Withheld {
                why: known.why.clone(),
                again: SignedDuration::try_from(left).unwrap_or_default(),
            };
            (name.clone(), withheld)
        };
        self.known.iter().map(shown).collect()
    }

    /// True while searches ask for no optional property.
    pub(crate) fn is_plain(&self, now: Instant) -> bool {
        self.plain.is_some_and(|(until, _)| now < until)
    }

    /// Notes that a search failed that is answered without all optional properties.
    pub(crate) fn note_plain(&mut self, longest: SignedDuration, now: Instant) {
        let times = self.plain.map_or(0, |(_, times)| times.saturating_add(1));
        let wait = Duration::try_from(backoff(times, longest, 0)).unwrap_or_default();
        self.plain = Some((now + wait, times));
    }

    /// Notes that a search with optional properties was answered.
    pub(crate) fn note_whole(&mut self) {
        self.plain = None;
    }
}

fn pause(times: u32) -> Duration {
    Duration::try_from(backoff(times, LONGEST_VERDICT, 0)).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "withheld_tests.rs"]
mod tests;
