//! Which contacts of a portal answers did not show, and since when:
//! what it takes to tell who is deleted from who is merely not shown.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use jiff::SignedDuration;

use super::bounded::{Bounded, Shrink};
use crate::domain::absence::{AbsenceVerdict, MissingAnswer, MissingSince, Pauses, judge_look};
use crate::domain::ids::ContactId;
use crate::domain::time::to_signed;
use crate::ports::crm::ContactBatch;

/// Most contacts whose absence is remembered, about 1.5 MiB.
/// Of further ones nothing is believed while there is no room.
const MOST: usize = 20_000;
/// Shortest time after which one that nobody looked for any more
/// is forgotten: whether it was there meanwhile, nobody knows.
const IDLE: SignedDuration = SignedDuration::from_hours(1);
/// Most ids of contacts that HubSpot showed lately.
const WITNESSES: usize = 4;
/// What one takes in memory.
const ENTRY: usize = 96;

/// A contact that HubSpot did not show and that may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AbsentContact {
    /// When to look again.
    pub(crate) after: SignedDuration,
    /// HubSpot says that it does not exist. Whether that stays so is still to be seen.
    pub(crate) named: bool,
}

/// Contacts of a portal that answers did not show, or whose deals they did not, and whom they showed lately. In memory
/// only: a process that begins looks for everybody from the beginning.
#[derive(Clone, Default)]
pub struct Absences(Arc<Bounded<AbsenceMemory>>);

/// What is remembered of absent contacts.
#[derive(Default)]
pub(crate) struct AbsenceMemory {
    contacts: Misses,
    deals: Misses,
    /// The latest first.
    shown: VecDeque<ContactId>,
}

/// By the contact: since when it is missed.
#[derive(Default)]
struct Misses(BTreeMap<ContactId, Missed>);

struct Missed {
    since: Instant,
    named: Option<Instant>,
    last: Instant,
}

impl Absences {
    pub(crate) const fn new(memory: Arc<Bounded<AbsenceMemory>>) -> Self {
        Self(memory)
    }

    /// HubSpot showed this contact not long ago. That says nothing about later answers.
    pub(crate) fn shown_lately(&self, contact: ContactId) {
        self.0.change(|memory| {
            let is_new = !memory.contacts.0.contains_key(&contact) && !memory.shown.contains(&contact);
            if is_new && memory.shown.len() < WITNESSES {
                memory.shown.push_back(contact);
            }
        });
    }

    /// True if one of these was asked for before and not shown.
    pub(crate) fn are_sought(&self, ids: &[ContactId]) -> bool {
        self.0.look(|memory| {
            let missed = &memory.contacts.0;
            !missed.is_empty() && ids.iter().any(|id| missed.contains_key(id))
        })
    }

    /// A contact that HubSpot showed lately and that is none of these.
    pub(crate) fn witness(&self, ids: &[ContactId]) -> Option<ContactId> {
        self.0
            .look(|memory| memory.shown.iter().find(|id| !ids.contains(id)).copied())
    }

    /// Those of these ids that an answer does not show and that may be there all the same; the others that it does not
    /// show are deleted. `empty`: the portal has no contacts.
    pub(crate) fn judge_missing(
        &self,
        ids: &[ContactId],
        batch: &ContactBatch,
        empty: bool,
        pauses: &Pauses,
        now: Instant,
    ) -> BTreeMap<ContactId, AbsentContact> {
        self.0.change(|memory| memory.judge(ids, batch, empty, pauses, now))
    }

    /// The deals of this contact could be read.
    pub(crate) fn deals_shown(&self, contact: ContactId) {
        self.0.change(|memory| memory.deals.0.remove(&contact));
    }

    /// The deals of this contact can't be read: for how long that has been so, `None` if this is not known.
    pub(crate) fn deals_missed(&self, contact: ContactId, pauses: &Pauses, now: Instant) -> Option<SignedDuration> {
        let since = self
            .0
            .change(|memory| memory.deals.record_miss(contact, false, pauses, now))?;
        Some(since.missing)
    }
}

impl AbsenceMemory {
    fn judge(
        &mut self,
        ids: &[ContactId],
        batch: &ContactBatch,
        empty: bool,
        pauses: &Pauses,
        now: Instant,
    ) -> BTreeMap<ContactId, AbsentContact> {
        for contact in &batch.contacts {
            self.mark_shown(contact.requested_id);
        }
        let others = empty || !batch.contacts.is_empty();
        let shown: Vec<ContactId> = batch.contacts.iter().map(|contact| contact.requested_id).collect();
        let answered = |id: &&ContactId| shown.contains(id) || batch.unreadable.contains_key(id);
        let mut sought = BTreeMap::new();
        for id in ids.iter().filter(|id| !answered(id)) {
            self.shown.retain(|shown| shown != id);
            let named = batch.deleted.contains(id);
            let look = MissingAnswer { named, others };
            let since = self.contacts.record_miss(*id, named, pauses, now);
            if let AbsenceVerdict::Again(after) = judge_look(look, since, pauses) {
                sought.insert(*id, AbsentContact { after, named });
            }
        }
        sought
    }

    fn mark_shown(&mut self, contact: ContactId) {
        self.contacts.0.remove(&contact);
        self.shown.retain(|id| *id != contact);
        self.shown.push_front(contact);
        self.shown.truncate(WITNESSES);
    }
}

impl Shrink for AbsenceMemory {
    fn size(&self) -> usize {
        ENTRY * (self.contacts.0.len() + self.deals.0.len())
    }

    /// Contacts that have been missing for the longest time stay: theirs will be decided first.
    fn shrink(&mut self, to: usize) {
        let most = to / ENTRY;
        let deals = self
            .deals
            .0
            .len()
            .min(most / 2)
            .max(most.saturating_sub(self.contacts.0.len()));
        self.deals.shrink(deals);
        self.contacts.shrink(most - self.deals.0.len());
    }
}

impl Misses {
    fn shrink(&mut self, most: usize) {
        if self.0.len() <= most {
            return;
        }
        // Contacts that are no longer looked for take no room that others need.
        let newest = self.0.values().map(|missed| missed.last).max();
        let is_idle = |last: Instant| newest.is_some_and(|newest| newest.duration_since(last) > IDLE.unsigned_abs());
        let mut order: Vec<_> = self
            .0
            .iter()
            .map(|(id, missed)| (is_idle(missed.last), missed.since, *id))
            .collect();
        order.sort_unstable();
        for (_, _, id) in order.split_off(most) {
            self.0.remove(&id);
        }
    }

    /// Notes a look that does not show this one; gives how long ago the earlier ones were.
    fn record_miss(&mut self, contact: ContactId, named: bool, pauses: &Pauses, now: Instant) -> Option<MissingSince> {
        let time = |then: Instant| to_signed(now.duration_since(then));
        let idle = pauses.silent.saturating_mul(2).max(IDLE);
        let is_idle = |missed: &Missed| time(missed.last) > idle;
        let by_name = named.then_some(now);
        if let Some(missed) = self.0.get_mut(&contact).filter(|missed| !is_idle(missed)) {
            let since = MissingSince {
                missing: time(missed.since),
                named: missed.named.map(time),
            };
            missed.named = missed.named.or(by_name);
            missed.last = now;
            return Some(since);
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, missed| !is_idle(missed));
        }
        if self.0.len() < MOST {
            let missed = Missed {
                since: now,
                named: by_name,
                last: now,
            };
            self.0.insert(contact, missed);
        }
        None
    }
}

#[cfg(test)]
#[path = "absences_tests.rs"]
mod tests;
