//! What the controllers know and the sync loops need, and the other way round: one shared picture of accounts and events.
//!
//! Controllers write accounts and events, sync loops write reports. Neither calls the other: a change wakes the sync
//! supervisor, a report wakes the controller of the object it is about.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::ports::GoogleClients;
use super::ports::ads::{ConversionAction, Customer, Goal};
use super::ports::crm::{Crm, Portal, Stage};
use super::ports::ledger::{ActionKey, TrackId};
use super::ports::{Cause, UpstreamError};
use crate::domain::eligibility::EventRules;
use crate::domain::ids::{CustomerId, ObjectKey};

/// Whether an account can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// `spec.suspend`: read nothing, send nothing.
    Suspended,
    /// No; reason and message are those of its Ready condition.
    NotReady {
        /// CamelCase.
        reason: String,
        /// For people.
        message: String,
    },
}

/// One snapshot of a Google account's configuration, shared by all its events.
#[derive(Debug, Clone)]
pub struct GoogleSnapshot {
    /// The customer, read hourly.
    pub customer: Customer,
    /// All conversion actions of the owner account.
    pub actions: Arc<Vec<ConversionAction>>,
    /// Account goals.
    pub goals: Arc<Vec<Goal>>,
    /// When the actions were read.
    pub read_at: Timestamp,
}

/// A `GoogleAdsAccount` object as the sync loops and the event controller see it.
#[derive(Clone)]
pub struct GoogleAccount {
    /// The object.
    pub key: ObjectKey,
    /// `spec.customerId`.
    pub customer: CustomerId,
    /// `spec.loginCustomerId`.
    pub login: Option<CustomerId>,
    /// Clients of its credentials; `None` while they can't be made.
    pub clients: Option<GoogleClients>,
    /// Whether it can be used.
    pub readiness: Readiness,
    /// `None` until read once.
    pub snapshot: Option<Arc<GoogleSnapshot>>,
}

/// A `HubSpotAccount` object as the sync loops and the event controller see it.
#[derive(Clone)]
pub struct HubSpotAccount {
    /// The object.
    pub key: ObjectKey,
    /// Client of its credentials; `None` while it can't be made.
    pub crm: Option<Arc<dyn Crm>>,
    /// Whether it can be used.
    pub readiness: Readiness,
    /// `None` until read once. Its id is the pinned one.
    pub portal: Option<Portal>,
    /// Options of `lifecyclestage`.
    pub stages: Arc<Vec<Stage>>,
    /// Names of all contact properties.
    pub properties: Arc<Vec<String>>,
    /// `spec.interval`, already held above the floor.
    pub interval: Duration,
    /// `spec.defaultRegion`.
    pub default_region: Option<String>,
}

/// The conversion action of an event, once it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundAction {
    /// Owner account and id.
    pub key: ActionKey,
    /// Nothing is sent before (action created by us and too new for Google).
    pub hold_until: Option<Timestamp>,
    /// The action's click window in days, as Google has it.
    pub click_window_days: Option<i64>,
}

/// An `AdConversionEvent` the controller has resolved: what to look for and what to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The object.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: String,
    /// Its HubSpot account object.
    pub hubspot: ObjectKey,
    /// Its Google account object.
    pub google: ObjectKey,
    /// Internal value of the stage.
    pub stage: String,
    /// Effective start.
    pub start: Timestamp,
    /// The action; `None` while there is none or it is not as declared: rows wait as `AccountNotReady`.
    pub action: Option<BoundAction>,
    /// Rules of its rows.
    pub rules: EventRules,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `resumePolicy: SkipMissed`.
    pub skip_missed: bool,
}

/// An error worth showing in `status.sync.lastErrors`. No personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorNote {
    /// When.
    pub time: Timestamp,
    /// CamelCase reason.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The contact it is about, if one.
    pub contact: Option<u64>,
}

/// How one side of the sync (reading, or sending) of an event is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Last success.
    pub last_success: Option<Timestamp>,
    /// Since when every try has failed; `None` while it works.
    pub failing_since: Option<Timestamp>,
    /// What failed last, while failing.
    pub error: Option<ErrorNote>,
}

impl Health {
    /// Notes a success; true where that changes more than the time.
    pub fn succeeded(&mut self, now: Timestamp) -> bool {
        let changed = self.failing_since.is_some() || self.last_success.is_none();
        *self = Self { last_success: Some(now), failing_since: None, error: None };
        changed
    }

    /// Notes a failure; true where it was healthy before.
    pub fn failed(&mut self, note: ErrorNote) -> bool {
        let changed = self.failing_since.is_none();
        self.failing_since.get_or_insert(note.time);
        self.error = Some(note);
        changed
    }
}

/// What the sync loops report about an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventReport {
    /// Its track in the ledger; `None` until the first pass.
    pub track: Option<TrackId>,
    /// The feed; `last_success` set means it has made one pass for this event.
    pub feed: Health,
    /// The uploader.
    pub upload: Health,
    /// The ledger, while it fails.
    pub ledger: Health,
    /// The last five errors, newest last.
    pub errors: VecDeque<ErrorNote>,
}

impl EventReport {
    /// Adds an error, keeping the last five; a repeat of the newest only moves its time.
    pub fn push_error(&mut self, note: ErrorNote) {
        if let Some(last) = self.errors.back_mut()
            && last.reason == note.reason
            && last.message == note.message
            && last.contact == note.contact
        {
            last.time = note.time;
            return;
        }
        self.errors.push_back(note);
        while self.errors.len() > 5 {
            self.errors.pop_front();
        }
    }
}

/// How the feed detects changes in a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeDetection {
    /// By `hs_v2_date_entered_<stage>`: only real changes come back.
    DateEntered,
    /// By `lastmodifieddate`: works in every portal, reads more.
    LastModified,
}

/// What the feed reports about a HubSpot account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedReport {
    /// How changes are detected; `None` until probed.
    pub change_detection: Option<ChangeDetection>,
    /// Last successful poll.
    pub last_poll: Option<Timestamp>,
}

/// How soon a change of a report should reach the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// Nothing a user would see changed.
    Quiet,
    /// Counts moved: at the next status interval.
    Soon,
    /// A condition changes: at once.
    Now,
}

impl Notice {
    /// `Now` where a condition flips, else this.
    #[must_use]
    pub fn or_now(self, flips: bool) -> Self {
        if flips { Self::Now } else { self }
    }
}

/// Whose controller should look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// An event: counts or health changed. `now`: don't wait for the status interval.
    Event(ObjectKey, bool),
    /// A Google account: a call was refused in a way that concerns the account.
    Google(ObjectKey),
    /// A HubSpot account, likewise.
    HubSpot(ObjectKey),
}

#[derive(Default)]
struct State {
    google: BTreeMap<ObjectKey, GoogleAccount>,
    hubspot: BTreeMap<ObjectKey, HubSpotAccount>,
    events: BTreeMap<ObjectKey, Event>,
    reports: BTreeMap<ObjectKey, EventReport>,
    feeds: BTreeMap<ObjectKey, FeedReport>,
    google_faults: BTreeMap<ObjectKey, UpstreamError>,
    hubspot_faults: BTreeMap<ObjectKey, UpstreamError>,
}

/// The shared picture. Cheap to clone; locks are held for a lookup only, never across an await.
#[derive(Clone)]
pub struct Registry {
    state: Arc<RwLock<State>>,
    changed: watch::Sender<u64>,
    wake: mpsc::UnboundedSender<Wake>,
}

impl Registry {
    /// An empty registry, and the stream of wake-ups for the controllers.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Wake>) {
        let (wake, wakes) = mpsc::unbounded_channel();
        (Self { state: Arc::default(), changed: watch::Sender::new(0), wake }, wakes)
    }

    fn read<T>(&self, f: impl FnOnce(&State) -> T) -> T {
        f(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Moves on whenever an account or event changes.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn bump(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Asks a controller to look again.
    pub fn wake(&self, wake: Wake) {
        // The receiver is gone only while the process stops.
        let _ = self.wake.send(wake);
    }

    /// Writes a Google account and wakes the sync loops and its events' controllers where usability changed.
    pub fn set_google(&self, account: GoogleAccount) {
        let key = account.key.clone();
        let users = self.write(|s| {
            s.google_faults.remove(&key);
            s.google.insert(key.clone(), account);
            s.events.values().filter(|e| e.google == key).map(|e| e.key.clone()).collect::<Vec<_>>()
        });
        self.bump();
        for event in users {
            self.wake(Wake::Event(event, true));
        }
    }

    /// Writes a HubSpot account.
    pub fn set_hubspot(&self, account: HubSpotAccount) {
        let key = account.key.clone();
        let users = self.write(|s| {
            s.hubspot_faults.remove(&key);
            s.hubspot.insert(key.clone(), account);
            s.events.values().filter(|e| e.hubspot == key).map(|e| e.key.clone()).collect::<Vec<_>>()
        });
        self.bump();
        for event in users {
            self.wake(Wake::Event(event, true));
        }
    }

    /// Forgets a Google account (deleted).
    pub fn remove_google(&self, key: &ObjectKey) {
        self.write(|s| s.google.remove(key));
        self.bump();
    }

    /// Forgets a HubSpot account (deleted).
    pub fn remove_hubspot(&self, key: &ObjectKey) {
        self.write(|s| {
            s.feeds.remove(key);
            s.hubspot.remove(key)
        });
        self.bump();
    }

    /// Writes an event; the sync loops start or change its work.
    pub fn set_event(&self, event: Event) {
        let changed = self.write(|s| s.events.insert(event.key.clone(), event.clone()).as_ref() != Some(&event));
        if changed {
            self.bump();
        }
    }

    /// Stops the work of an event (deleted or stalled). Its report stays until [`Self::forget_event`].
    pub fn remove_event(&self, key: &ObjectKey) {
        if self.write(|s| s.events.remove(key)).is_some() {
            self.bump();
        }
    }

    /// Stops the work of a deleted event and forgets its report.
    pub fn forget_event(&self, key: &ObjectKey) {
        self.remove_event(key);
        self.write(|s| s.reports.remove(key));
    }

    /// A Google account.
    pub fn google(&self, key: &ObjectKey) -> Option<GoogleAccount> {
        self.read(|s| s.google.get(key).cloned())
    }

    /// A HubSpot account.
    pub fn hubspot(&self, key: &ObjectKey) -> Option<HubSpotAccount> {
        self.read(|s| s.hubspot.get(key).cloned())
    }

    /// An event.
    pub fn event(&self, key: &ObjectKey) -> Option<Event> {
        self.read(|s| s.events.get(key).cloned())
    }

    /// Keys of all Google accounts.
    pub fn google_keys(&self) -> Vec<ObjectKey> {
        self.read(|s| s.google.keys().cloned().collect())
    }

    /// Keys of all HubSpot accounts.
    pub fn hubspot_keys(&self) -> Vec<ObjectKey> {
        self.read(|s| s.hubspot.keys().cloned().collect())
    }

    /// Events of a Google account, by name.
    pub fn events_of_google(&self, key: &ObjectKey) -> Vec<Event> {
        self.read(|s| s.events.values().filter(|e| e.google == *key).cloned().collect())
    }

    /// Events of a HubSpot account, by name.
    pub fn events_of_hubspot(&self, key: &ObjectKey) -> Vec<Event> {
        self.read(|s| s.events.values().filter(|e| e.hubspot == *key).cloned().collect())
    }

    /// The report about an event.
    pub fn report(&self, key: &ObjectKey) -> EventReport {
        self.read(|s| s.reports.get(key).cloned().unwrap_or_default())
    }

    /// Changes the report about an event; `f` says how soon its status should be written. Reports of events that are
    /// not registered are dropped.
    pub fn update_report(&self, key: &ObjectKey, f: impl FnOnce(&mut EventReport) -> Notice) {
        let notice = self.write(|s| {
            s.events.contains_key(key).then(|| f(s.reports.entry(key.clone()).or_default()))
        });
        match notice {
            None | Some(Notice::Quiet) => {}
            Some(Notice::Soon) => self.wake(Wake::Event(key.clone(), false)),
            Some(Notice::Now) => self.wake(Wake::Event(key.clone(), true)),
        }
    }

    /// What the feed reports about a HubSpot account.
    pub fn feed(&self, key: &ObjectKey) -> FeedReport {
        self.read(|s| s.feeds.get(key).cloned().unwrap_or_default())
    }

    /// Writes what the feed reports; wakes the account's controller where the detection mode changed.
    pub fn set_feed(&self, key: &ObjectKey, report: FeedReport) {
        let mode = report.change_detection;
        let before = self.write(|s| s.feeds.insert(key.clone(), report));
        if before.and_then(|r| r.change_detection) != mode {
            self.wake(Wake::HubSpot(key.clone()));
        }
    }

    /// A call for this Google account failed in a way that concerns the account: its controller probes at once.
    pub fn google_fault(&self, key: &ObjectKey, error: &UpstreamError) {
        if error.needs_a_person() || error.cause == Cause::QuotaExhausted {
            self.write(|s| s.google_faults.insert(key.clone(), error.clone()));
            self.wake(Wake::Google(key.clone()));
        }
    }

    /// A call for this HubSpot account failed in a way that concerns the account.
    pub fn hubspot_fault(&self, key: &ObjectKey, error: &UpstreamError) {
        if error.needs_a_person() || error.cause == Cause::QuotaExhausted {
            self.write(|s| s.hubspot_faults.insert(key.clone(), error.clone()));
            self.wake(Wake::HubSpot(key.clone()));
        }
    }

    /// The fault the sync loops met since the account's controller last wrote it. Data Manager's permissions and scopes
    /// show only here: nothing but an upload probes them.
    pub fn take_google_fault(&self, key: &ObjectKey) -> Option<UpstreamError> {
        self.write(|s| s.google_faults.remove(key))
    }

    /// The fault the sync loops met since the account's controller last wrote it.
    pub fn take_hubspot_fault(&self, key: &ObjectKey) -> Option<UpstreamError> {
        self.write(|s| s.hubspot_faults.remove(key))
    }
}
