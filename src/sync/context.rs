//! What all sync loops share.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::absences::Absences;
use super::submissions::Clicks;
use crate::domain::absence::Pauses;
use crate::domain::contact::Contact;
use crate::domain::eligibility::Waits;
use crate::domain::enhancement::Limits;
use crate::domain::ids::{ContactId, ObjectKey, PortalId};
use crate::ports::Clock;
use crate::ports::ledger::Ledger;
use crate::ports::pulse;
use crate::ports::pulse::{Unwatched, Watchdog};
use crate::registry::Registry;
use crate::registry::restarts::Restarts;

/// The durations that steer the loops; each is a flag of the process.
#[derive(Debug, Clone, Copy)]
pub struct SyncSettings {
    /// Waits of single rows.
    pub waits: Waits,
    /// Between two rounds of an uploader; also how old a read may be when rows are collected to be sent.
    pub upload_interval: SignedDuration,
    /// How far the wider polls go back (every sixth of it, never less often).
    pub overlap: SignedDuration,
    /// Between two sweeps by modification time.
    pub sweep_interval: SignedDuration,
    /// First look at the status of a request.
    pub diagnostics_first_poll: SignedDuration,
    /// Longest pause between two looks.
    pub diagnostics_max_poll: SignedDuration,
    /// Longest pause after failures.
    pub backoff_max: SignedDuration,
    /// How long rows wait where Google finds the conversion action too new.
    pub new_action_hold: SignedDuration,
    /// How long rows are kept after they were settled for good, before they become totals; and what names a contact, after
    /// it was found missing.
    pub retention: SignedDuration,
    /// How often HubSpot is asked whether it still has a contact that the ledger names.
    pub deletion_check_interval: SignedDuration,
    /// How long after a submission its enhancement may be sent.
    pub enhancement_deadline: SignedDuration,
}

/// Forty reads of fifty histories, at nine a second.
const READ_TIME: SignedDuration = SignedDuration::from_secs(10);

/// What all sync loops share.
pub struct SyncContext {
    /// Accounts, events and reports.
    pub registry: Registry,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Durations.
    pub settings: SyncSettings,
    watchdog: Arc<dyn Watchdog>,
    step: Duration,
    caches: Mutex<BTreeMap<ObjectKey, Arc<ContactCache>>>,
    clicks: Mutex<BTreeMap<ObjectKey, Arc<Clicks>>>,
    absences: Mutex<BTreeMap<(ObjectKey, PortalId), Arc<Absences>>>,
}

impl SyncSettings {
    /// How long ago contacts may have been read when their rows are sent: rows are collected by reads within the upload
    /// interval (DESIGN 3.4), and it takes a while until all contacts of a request are read.
    pub fn read_age(&self) -> SignedDuration {
        self.upload_interval + READ_TIME
    }

    /// How long a contact must have been missing before it is erased. Two intervals at least: a look at another id of it may
    /// still find it.
    pub fn missing_for(&self) -> SignedDuration {
        self.retention.max(self.deletion_check_interval.saturating_mul(2))
    }

    /// The pauses before a contact that HubSpot does not show counts as deleted.
    pub fn absence_pauses(&self) -> Pauses {
        Pauses {
            named: self.waits.settle,
            silent: self.waits.click_grace,
            longest: self.backoff_max,
        }
    }

    /// The limits of form submissions.
    pub fn enhancement_limits(&self) -> Limits {
        Limits {
            settle: self.waits.settle,
            grace: self.waits.click_grace,
            deadline: self.enhancement_deadline,
            pause: self.upload_interval,
        }
    }
}

impl SyncContext {
    /// A context without cached contacts.
    pub fn new(registry: Registry, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, settings: SyncSettings) -> Self {
        Self {
            registry,
            ledger,
            clock,
            settings,
            watchdog: Arc::new(Unwatched),
            step: pulse::STEP,
            caches: Mutex::default(),
            clicks: Mutex::default(),
            absences: Mutex::default(),
        }
    }

    /// The same, its loops under watch, each of their steps at most `step` long.
    #[must_use]
    pub fn with_watchdog(self, watchdog: Arc<dyn Watchdog>, step: Duration) -> Self {
        Self { watchdog, step, ..self }
    }

    /// Runs a loop under watch, by this name.
    pub async fn watched<T>(&self, name: String, work: impl Future<Output = T>) -> T {
        pulse::watched(self.watchdog.clone(), name, self.step, work).await
    }

    /// Starts work of this name again where it ends unexpectedly.
    pub fn restarts(&self, kind: &'static str, name: &str) -> Restarts {
        let longest = Duration::try_from(self.settings.backoff_max).unwrap_or_default();
        Restarts::new(self.watchdog.clone(), kind, name.to_owned(), longest)
    }

    /// Counts a loop of this kind that ended although nobody stopped it.
    pub fn loop_broke(&self, kind: &'static str) {
        self.watchdog.broke(kind);
    }

    /// The contacts read a moment ago through this HubSpot account.
    pub fn contacts(&self, hubspot: &ObjectKey) -> Arc<ContactCache> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.entry(hubspot.clone()).or_default().clone()
    }

    /// What the submissions read through this HubSpot account told of their pages.
    pub fn clicks(&self, hubspot: &ObjectKey) -> Arc<Clicks> {
        let mut clicks = self.clicks.lock().unwrap_or_else(PoisonError::into_inner);
        clicks.entry(hubspot.clone()).or_default().clone()
    }

    /// The contacts that HubSpot did not show to this account, whose token is one of this portal.
    pub fn absences(&self, hubspot: &ObjectKey, portal: PortalId) -> Arc<Absences> {
        let mut absences = self.absences.lock().unwrap_or_else(PoisonError::into_inner);
        absences.entry((hubspot.clone(), portal)).or_default().clone()
    }
}

/// What was read of a contact: the two lists of property names.
pub type ReadPlan = Arc<(Vec<String>, Vec<String>)>;

/// Contacts read a moment ago, so that a row that need not wait is not read twice. Bounded: the oldest go first. Lives
/// in memory only, as contacts are personal data.
#[derive(Default)]
pub struct ContactCache {
    inner: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_id: HashMap<ContactId, (Timestamp, ReadPlan, Arc<Contact>)>,
    order: VecDeque<(ContactId, Timestamp)>,
    size: usize,
}

/// Two full requests and what is read ahead; about a kilobyte each.
const MAX_CONTACTS: usize = 6000;
/// Where they are larger, there are fewer of them.
const MAX_SIZE: usize = 12 << 20;

impl Entries {
    fn take(&mut self, id: ContactId) {
        if let Some((_, _, contact)) = self.by_id.remove(&id) {
            self.size -= contact.size();
        }
    }
}

impl ContactCache {
    /// Remembers a contact read at `at` under the id it was asked for.
    pub fn put(&self, contact: Arc<Contact>, plan: &ReadPlan, at: Timestamp) {
        let mut entries = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let id = contact.requested_id;
        entries.take(id);
        entries.size += contact.size();
        entries.by_id.insert(id, (at, plan.clone(), contact));
        entries.order.push_back((id, at));
        while entries.order.len() > MAX_CONTACTS || entries.size > MAX_SIZE {
            let Some((old, at)) = entries.order.pop_front() else {
                break;
            };
            if entries.by_id.get(&old).is_some_and(|(read, ..)| *read == at) {
                entries.take(old);
            }
        }
    }

    /// The contact and when it was asked for, if it was read by the same plan after `since`.
    pub fn fresh(&self, id: ContactId, plan: &ReadPlan, since: Timestamp) -> Option<(Timestamp, Arc<Contact>)> {
        let entries = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, read_by, contact) = entries.by_id.get(&id)?;
        (*at > since && read_by == plan).then(|| (*at, contact.clone()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn contact(id: u64, text: usize) -> Arc<Contact> {
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

    #[test]
    fn large_contacts_are_remembered_in_smaller_numbers() {
        let (cache, plan, now) = (ContactCache::default(), ReadPlan::default(), Timestamp::now());
        for id in 0..3_000 {
            cache.put(contact(id, 30_000), &plan, now);
        }
        // Again, smaller: what they took before is given back.
        cache.put(contact(2_999, 10), &plan, now);
        let known = (0..3_000).filter(|id| cache.fresh(ContactId(*id), &plan, Timestamp::MIN).is_some());
        let (known, size) = (known.count(), cache.inner.lock().unwrap().size);
        assert!((350..450).contains(&known), "{known}");
        assert!(size <= MAX_SIZE && size > MAX_SIZE - 70_000, "{size}");
        let (_, last) = cache.fresh(ContactId(2_999), &plan, Timestamp::MIN).unwrap();
        assert!(last.size() < 100);
    }
}
