//! Contacts read a moment ago, so that a row that need not wait is
//! not read twice. In memory only, as contacts are personal data.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::bounded::{Bounded, Shrink};
use crate::domain::contact::Contact;
use crate::domain::ids::ContactId;

/// What was read of a contact: the two lists of property names.
pub type ReadPlan = Arc<(Vec<String>, Vec<String>)>;

/// Two full requests and what is read ahead; about a kilobyte each.
const MAX_CONTACTS: usize = 6000;
/// Most bytes of them: if contacts are larger, fewer are kept.
const MAX_SIZE: usize = 12 << 20;
/// What a contact takes beside its texts.
const ENTRY: usize = 256 + size_of::<Contact>();
/// Plans that are shared: one of the stages, one of the forms, and those before a change.
const PLANS: usize = 4;

/// A contact as it was read.
#[derive(Clone)]
pub struct ContactSnapshot {
    /// When it was asked for.
    pub at: Timestamp,
    pub contact: Arc<Contact>,
    /// The search that led to the read has shown the same values of what was read.
    pub confirmed: bool,
}

/// Contacts of one `HubSpotAccount`. Bounded: the oldest go first.
#[derive(Clone, Default)]
pub struct ContactCache(Arc<Bounded<Entries>>);

/// What is remembered of the contacts of one `HubSpotAccount`.
#[derive(Default)]
pub(crate) struct Entries {
    by_id: HashMap<ContactId, CachedContact>,
    order: VecDeque<(ContactId, Timestamp)>,
    plans: VecDeque<ReadPlan>,
    size: usize,
}

struct CachedContact {
    read: ContactSnapshot,
    plan: ReadPlan,
    size: usize,
}

impl Entries {
    fn take(&mut self, id: ContactId) {
        if let Some(entry) = self.by_id.remove(&id) {
            self.size -= entry.size;
        }
    }

    fn put(&mut self, read: ContactSnapshot, plan: &ReadPlan) {
        let (id, at) = (read.contact.requested_id, read.at);
        let known = |entry: &CachedContact| {
            entry.read.at == at && Arc::ptr_eq(&entry.read.contact, &read.contact) && entry.plan == *plan
        };
        if self.by_id.get(&id).is_some_and(known) {
            return;
        }
        self.take(id);
        let (plan, plan_size) = self.known_plan(plan);
        let size = ENTRY + read.contact.size() + plan_size;
        self.size += size;
        let entry = CachedContact { read, plan, size };
        self.by_id.insert(id, entry);
        self.order.push_back((id, at));
        self.shrink_to(MAX_CONTACTS, MAX_SIZE);
    }

    /// The same plan as it is already here, and what it takes where it is not: each read makes a plan of its own.
    fn known_plan(&mut self, plan: &ReadPlan) -> (ReadPlan, usize) {
        if let Some(known) = self.plans.iter().find(|known| *known == plan) {
            return (known.clone(), 0);
        }
        self.plans.push_front(plan.clone());
        self.plans.truncate(PLANS);
        let names = plan.0.iter().chain(&plan.1);
        (plan.clone(), names.map(|name| size_of::<String>() + name.len()).sum())
    }

    fn shrink_to(&mut self, contacts: usize, size: usize) {
        while self.order.len() > contacts || self.size > size {
            let Some((old, at)) = self.order.pop_front() else {
                break;
            };
            if self.by_id.get(&old).is_some_and(|entry| entry.read.at == at) {
                self.take(old);
            }
        }
    }
}

impl Shrink for Entries {
    fn size(&self) -> usize {
        self.size
    }

    fn shrink(&mut self, to: usize) {
        self.shrink_to(MAX_CONTACTS, to);
        self.by_id.shrink_to(2 * self.by_id.len());
        self.order.shrink_to(2 * self.order.len());
    }
}

impl ContactCache {
    pub(crate) const fn new(entries: Arc<Bounded<Entries>>) -> Self {
        Self(entries)
    }

    /// Remembers a contact under the id it was asked for.
    pub fn put(&self, read: ContactSnapshot, plan: &ReadPlan) {
        self.0.change(|entries| entries.put(read, plan));
    }

    /// The contact, if it was read by the same plan after the first of these times, and not after the second, which is
    /// now: that read was noted by a clock that was ahead.
    pub fn fresh(
        &self,
        id: ContactId,
        plan: &ReadPlan,
        (since, now): (Timestamp, Timestamp),
    ) -> Option<ContactSnapshot> {
        self.0.look(|entries| {
            let entry = entries.by_id.get(&id)?;
            let is_fresh = entry.read.at > since && entry.read.at <= now;
            (is_fresh && entry.plan == *plan).then(|| entry.read.clone())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn contact(id: u64, text: usize) -> Arc<Contact> {
        Arc::new(Contact {
            requested_id: ContactId(id),
            id: ContactId(id),
            updated_at: None,
            as_of: None,
            properties: [("firstname", "x".repeat(text))].into_iter().collect(),
            history: Vec::new(),
            flaw: None,
        })
    }

    pub(crate) fn read(id: u64, text: usize, at: Timestamp) -> ContactSnapshot {
        ContactSnapshot {
            at,
            contact: contact(id, text),
            confirmed: false,
        }
    }

    #[test]
    fn large_contacts_are_remembered_in_smaller_numbers() {
        let (cache, plan, now) = (ContactCache::default(), ReadPlan::default(), Timestamp::now());
        for id in 0..3_000 {
            cache.put(read(id, 30_000, now), &plan);
        }
        // Again, smaller: what they took before is given back.
        cache.put(read(2_999, 10, now), &plan);
        let known = (0..3_000).filter(|id| {
            cache
                .fresh(ContactId(*id), &plan, (Timestamp::MIN, Timestamp::MAX))
                .is_some()
        });
        let (known, size) = (known.count(), cache.0.look(Shrink::size));
        assert!((350..450).contains(&known), "{known}");
        assert!(size <= MAX_SIZE && size > MAX_SIZE - 70_000, "{size}");
        let last = cache
            .fresh(ContactId(2_999), &plan, (Timestamp::MIN, Timestamp::MAX))
            .unwrap();
        assert!(last.contact.size() < 100);
    }

    #[test]
    fn equal_plans_are_kept_once_and_others_are_counted() {
        let (cache, now) = (ContactCache::default(), Timestamp::now());
        let plan = |n: u64| ReadPlan::new((vec![format!("property-{n}"); 100], Vec::new()));
        for id in 0..1000 {
            cache.put(read(id, 10, now), &plan(0));
        }
        let kept = |id| cache.0.look(|entries| Arc::as_ptr(&entries.by_id[&ContactId(id)].plan));
        assert_eq!(kept(0), kept(999));
        let equal = cache.0.look(Shrink::size);
        for id in 0..1000 {
            cache.put(read(id, 10, now), &plan(id));
        }
        let other = cache.0.look(Shrink::size);
        assert!(other > equal + 900 * 100 * size_of::<String>(), "{equal} {other}");
    }
}
