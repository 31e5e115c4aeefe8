//! What a read of a contact is worth, decided once: which of its entries are noted now, and whether another read is to
//! come. What does not count waits, and who does not wait counts: two looks at a list that changes in between would
//! leave somebody out of both.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::aside::{Aside, AsideEntry, DoubtKind, PutAside, Suspicion, hash_rows};
use crate::domain::contact::Contact;
use crate::domain::shown_state::{Behind, ShownState};

/// Most contacts put aside that lack an entry which a property shows. If a portal has more, that is how it is and not
/// a sign of old answers: they must not take the room of contacts that cannot be read.
pub(super) const MOST_LACKING: usize = 500;
/// Most that wait only because they have entered at one time, when others did which are shown.
const MOST_AT_ONE_TIME: usize = 200;
/// A process that begins believes nobody who has waited for the patience before it has read the contact for so long: one
/// odd answer would do else.
const AFRESH: SignedDuration = SignedDuration::from_mins(1);
/// Two reads that agree so long after the first are of no server that is behind.
const PROVEN: SignedDuration = SignedDuration::from_secs(10);

/// What a read is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All of its entries count, and the contact is put aside no longer.
    Counts {
        /// Another read has shown the same before, of entries that nothing else tells of.
        twice: bool,
    },
    /// Another read is to come.
    Waits {
        /// Since when one is waited for.
        since: Timestamp,
        /// Why this one is not enough.
        doubt: Doubt,
    },
}

/// Why one read is not enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The contact may be another one, merged: nobody knows whose its entries are.
    Merge(Suspicion),
    /// It is behind what searches have shown, so what it shows may be at the wrong time, unless another read has shown
    /// the same.
    Outdated {
        /// One has.
        agreed: bool,
    },
    /// It alone shows some of its entries; the searches have shown this.
    Unconfirmed(ShownState),
}

impl Verdict {
    /// True if this entry of the read is noted now.
    pub fn counts(&self, read: &Contact, stage: &str, entry: Timestamp) -> bool {
        match self {
            Self::Counts { .. } => true,
            Self::Waits { doubt, .. } => match doubt {
                Doubt::Merge(_) => false,
                Doubt::Outdated { agreed } => *agreed,
                Doubt::Unconfirmed(state) => !state.is_unconfirmed(read, stage, entry),
            },
        }
    }

    /// Puts the contact of this read aside, or takes it back: `None`. `shown` is what the search has shown, `pause` as
    /// in [`Aside::put_aside`].
    pub fn apply(
        &self,
        aside: &mut Aside,
        read: &Contact,
        shown: Option<&ShownState>,
        pause: (SignedDuration, Timestamp),
    ) -> Option<PutAside> {
        match self {
            Self::Counts { twice } => {
                if *twice {
                    aside.record_agreed(read);
                }
                aside.release(read.requested_id);
                None
            }
            Self::Waits { since, doubt } => {
                let put = aside.wait_for_another(read, shown, *since, pause);
                aside.record_doubt(read.requested_id, doubt.kind());
                Some(put)
            }
        }
    }
}

impl Doubt {
    fn kind(&self) -> DoubtKind {
        match self {
            Self::Merge(suspicion) => DoubtKind::Merge(*suspicion),
            Self::Outdated { .. } | Self::Unconfirmed(_) => DoubtKind::Lacking,
        }
    }
}

/// What tells of a read beside itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// What the search has shown that led to it.
    pub shown: Option<&'a ShownState>,
    /// Whether the contact may have been merged.
    pub suspicion: Option<Suspicion>,
}

/// Judges the reads that are noted together.
pub struct Judge<'a> {
    aside: &'a Aside,
    /// `--click-grace`: for so long a read that is behind is not believed.
    patience: SignedDuration,
    now: Timestamp,
    waiting: Waiting,
}

/// How many contacts wait for a read that agrees, those among them of whom this judge says so. Each doubt has its own
/// room: those who wait for one of them do not take that of others.
#[derive(Default)]
struct Waiting {
    lacking: usize,
    history: usize,
    /// By the time.
    same_time: BTreeMap<i64, usize>,
}

impl Waiting {
    fn add(&mut self, doubt: DoubtKind) {
        match doubt {
            DoubtKind::Lacking => self.lacking += 1,
            DoubtKind::Merge(Suspicion::History) => self.history += 1,
            DoubtKind::Merge(Suspicion::SameTime(at)) => *self.same_time.entry(at).or_default() += 1,
            DoubtKind::Merge(Suspicion::Ids) => {}
        }
    }

    fn has_room_for(&self, suspicion: Suspicion) -> bool {
        match suspicion {
            Suspicion::SameTime(at) => self
                .same_time
                .get(&at)
                .is_none_or(|waiting| *waiting < MOST_AT_ONE_TIME),
            Suspicion::History => self.history < MOST_LACKING,
            Suspicion::Ids => true,
        }
    }
}

impl<'a> Judge<'a> {
    /// By what is put aside now.
    pub fn new(aside: &'a Aside, patience: SignedDuration, now: Timestamp) -> Self {
        let mut waiting = Waiting::default();
        aside.doubts().for_each(|doubt| waiting.add(doubt));
        Self {
            aside,
            patience,
            now,
            waiting,
        }
    }

    /// What this read is worth. `is_unconfirmed` says, by what searches have shown, whether it shows entries that
    /// nothing else tells of.
    pub fn judge(
        &mut self,
        read: &Contact,
        evidence: Evidence<'_>,
        is_unconfirmed: impl Fn(&ShownState) -> bool,
    ) -> Verdict {
        let known = self.aside.entry(read.requested_id);
        let verdict = self.weigh(read, known, evidence, is_unconfirmed);
        if let Verdict::Waits { doubt, .. } = &verdict
            && known.is_none_or(|entry| entry.behind_since.is_none())
        {
            self.waiting.add(doubt.kind());
        }
        verdict
    }

    fn weigh(
        &self,
        read: &Contact,
        known: Option<&AsideEntry>,
        evidence: Evidence<'_>,
        is_unconfirmed: impl Fn(&ShownState) -> bool,
    ) -> Verdict {
        let since = known.and_then(|entry| entry.behind_since);
        let wait = |since: Option<Timestamp>, doubt| Verdict::Waits {
            since: since.map_or(self.now, |since| since.min(self.now)),
            doubt,
        };
        if let Some(suspicion) = evidence.suspicion
            && self.is_suspicious(read, known, suspicion)
        {
            return wait(since, Doubt::Merge(suspicion));
        }
        if read.flaw.is_some() {
            // What cannot be read waits by itself.
            return Verdict::Counts { twice: false };
        }
        let state = self.aside.state_of(read, evidence.shown);
        let (agreed, is_unconfirmed) = (self.agrees(read, known), is_unconfirmed(&state));
        match state.compare_read(read) {
            Some(behind) => {
                // Whatever the reason, HubSpot will not show more.
                let is_way = behind == Behind::EntryMissing && known.is_none() && self.lacks_room();
                // A new state is waited for anew.
                let since = since.filter(|_| known.is_some_and(|entry| entry.shown == state));
                if !is_way && !self.has_waited(since, self.patience) {
                    return wait(since, Doubt::Outdated { agreed });
                }
            }
            None if is_unconfirmed && !agreed && !self.has_waited(since, self.patience) => {
                return wait(since, Doubt::Unconfirmed(state));
            }
            None => {}
        }
        Verdict::Counts {
            twice: known.is_some() && is_unconfirmed,
        }
    }

    /// True if a contact that may have been merged is not to be noted yet. It is believed to be a new one once it has
    /// waited for the patience; and earlier, where little speaks against it, once two reads some time apart agree.
    /// Of very many that are in doubt for one reason, or at one time, only those wait whom an id speaks against.
    fn is_suspicious(&self, read: &Contact, known: Option<&AsideEntry>, suspicion: Suspicion) -> bool {
        let Some(entry) = known else {
            return self.waiting.has_room_for(suspicion);
        };
        let (since, agrees) = (entry.behind_since, entry.rows == Some(hash_rows(read)));
        let is_weak = matches!(suspicion, Suspicion::SameTime(_));
        let is_proven = is_weak && agrees && self.has_waited(since, PROVEN);
        let is_over = self.has_waited(since, self.patience) && self.has_waited(entry.met, AFRESH.min(self.patience));
        !is_proven && !is_over
    }

    fn has_waited(&self, since: Option<Timestamp>, so_long: SignedDuration) -> bool {
        since.is_some_and(|since| self.now.duration_since(since) >= so_long)
    }

    /// True if an earlier read has shown the same rows, or there is no room to wait for another one. Of one that is
    /// behind they may be at the wrong time, as what it lacks is shown elsewhere.
    fn agrees(&self, read: &Contact, known: Option<&AsideEntry>) -> bool {
        match known {
            Some(entry) => entry.rows == Some(hash_rows(read)),
            None => self.aside.has_agreed(read) || self.lacks_room(),
        }
    }

    fn lacks_room(&self) -> bool {
        self.waiting.lacking >= MOST_LACKING
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
