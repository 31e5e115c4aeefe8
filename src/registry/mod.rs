//! What the controllers know and the sync loops need, and the
//! other way round: one shared picture of accounts and events.
//!
//! Controllers write accounts and events, sync loops write reports. Neither calls the other: a change wakes the sync
//! supervisor, a report wakes the controller of the object it is about.

mod account_notes;
mod accounts;
mod broken_loops;
mod counted;
mod events;
mod forgotten_contacts;
mod index;
mod loops;
mod manifests;
mod reports;
pub mod restarts;
pub mod sync_error;
#[cfg(test)]
pub(crate) mod test_support;
mod wake;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::{mpsc, watch};

use super::ports::UpstreamError;
use super::ports::ads::ConversionAction;
use super::ports::ledger::StreamId;
use crate::domain::ids::{CustomerId, ObjectKey};
use accounts::newer_actions;

pub use accounts::{
    Account, AdAccount, DealAccess, EarlierActions, Forms, GoogleAccount, GoogleSnapshot, HubSpotAccount, Readiness,
    Routes,
};
pub use counted::CountedStream;
pub use events::{BoundAction, Event, HeldBack};
pub use index::Index;
pub use loops::{BrokenLoop, Loop};
pub use manifests::Manifests;
pub use reports::{
    ErrorNote, EventReport, FeedReport, NetworkRefusal, Notice, PulledBackCursor, RefusedAt, Side, SideHealth,
};
pub use wake::{Urgency, Wake};

#[derive(Default)]
struct State {
    google: BTreeMap<ObjectKey, GoogleAccount>,
    hubspot: BTreeMap<ObjectKey, HubSpotAccount>,
    /// Google accounts by the account that owns their conversions.
    owners: Index<CustomerId, ObjectKey>,
    /// Shared, as the loops of their accounts look at all of them again and again.
    events: BTreeMap<ObjectKey, Arc<Event>>,
    /// Events by each of their accounts.
    users: Index<Account, ObjectKey>,
    reports: BTreeMap<ObjectKey, EventReport>,
    counted: BTreeMap<ObjectKey, CountedStream>,
    feeds: BTreeMap<ObjectKey, FeedReport>,
    faults: BTreeMap<Account, UpstreamError>,
    google_goals_changed: BTreeSet<ObjectKey>,
    scope_refused: BTreeSet<ObjectKey>,
    ad_account_refused: BTreeSet<ObjectKey>,
    trials: BTreeMap<Account, Readiness>,
    broken: BTreeMap<(Loop, ObjectKey), BrokenLoop>,
    manifests: Option<Arc<dyn Manifests>>,
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
        (
            Self {
                state: Arc::default(),
                changed: watch::Sender::new(0),
                wake,
            },
            wakes,
        )
    }

    fn with_state<T>(&self, f: impl FnOnce(&State) -> T) -> T {
        f(&self.state.read())
    }

    fn with_state_mut<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.write())
    }

    /// A number that grows whenever an account or event changes.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn bump_version(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Asks a controller to look again.
    pub fn wake(&self, wake: Wake) {
        // The receiver is gone only while the process stops.
        let _ = self.wake.send(wake);
    }

    /// Writes a Google account; wakes the sync loops if that changes more than the time of a snapshot. Returns whether
    /// it did: then its events' controllers should look again. A snapshot read later than the given one stays.
    pub fn set_google(&self, mut account: GoogleAccount) -> bool {
        let changed = self.with_state_mut(|s| {
            let before = s.google.get(&account.key);
            if let Some((old, new)) = before.and_then(|b| b.snapshot.as_ref()).zip(account.snapshot.as_ref()) {
                account.snapshot = Some(newer_actions(old, new));
            }
            let changed = before.is_none_or(|b| !b.same(&account));
            let owner = account
                .snapshot
                .as_ref()
                .map(|snapshot| &snapshot.customer.conversion_customer);
            s.owners.set(&account.key, owner.cloned().into_iter().collect());
            s.google.insert(account.key.clone(), account);
            changed
        });
        if changed {
            self.bump_version();
        }
        changed
    }

    /// Takes over a later read of the actions of the account that owned them so far. Returns the snapshot as it is
    /// then, and whether the actions changed; `None` if the account is not known or has no snapshot of that owner.
    pub fn set_google_actions(
        &self,
        key: &ObjectKey,
        owner: &CustomerId,
        actions: Vec<ConversionAction>,
        read_at: Timestamp,
    ) -> Option<(Arc<GoogleSnapshot>, bool)> {
        let (snapshot, changed) = self.with_state_mut(|s| {
            let slot = &mut s.google.get_mut(key)?.snapshot;
            let old = slot.as_ref().filter(|old| old.customer.conversion_customer == *owner)?;
            let new = newer_actions(old, &Arc::new(old.with_later_actions(actions, read_at)));
            let changed = new.actions != old.actions || !new.same_windows(old);
            *slot = Some(Arc::clone(&new));
            Some((new, changed))
        })?;
        if changed {
            self.bump_version();
        }
        Some((snapshot, changed))
    }

    /// Adds actions that were just read to a Google account's snapshot, or brings them up to date there. Returns
    /// whether that changed it.
    pub fn add_google_actions(&self, key: &ObjectKey, owner: &CustomerId, found: &[ConversionAction]) -> bool {
        self.with_state_mut(|s| {
            let slot = s.google.get_mut(key).and_then(|account| account.snapshot.as_mut());
            let Some(slot) = slot.filter(|snapshot| snapshot.customer.conversion_customer == *owner) else {
                return false;
            };
            let new: Vec<_> = found.iter().filter(|action| !slot.actions.contains(action)).collect();
            if new.is_empty() {
                return false;
            }
            let snapshot = Arc::make_mut(slot);
            let actions = Arc::make_mut(&mut snapshot.actions);
            actions.retain(|action| !new.iter().any(|newer| newer.id == action.id));
            actions.extend(new.into_iter().cloned());
            true
        })
    }

    /// Writes a HubSpot account; wakes the sync loops where that changes anything. Returns whether it did: then its
    /// events' controllers should look again.
    pub fn set_hubspot(&self, account: HubSpotAccount) -> bool {
        let changed = self.with_state_mut(|s| {
            let changed = s.hubspot.get(&account.key).is_none_or(|b| !b.same(&account));
            s.hubspot.insert(account.key.clone(), account);
            changed
        });
        if changed {
            self.bump_version();
        }
        changed
    }

    /// Writes an event; the sync loops start or change its work.
    pub fn set_event(&self, event: Event) {
        let changed = self.with_state_mut(|s| {
            // The loops hold the one that is there.
            if s.events.get(&event.key).is_some_and(|known| **known == event) {
                return false;
            }
            let accounts = [
                Account::Google(event.google.clone()),
                Account::HubSpot(event.hubspot.clone()),
            ];
            s.users.set(&event.key, accounts.into());
            s.events.insert(event.key.clone(), Arc::new(event));
            true
        });
        if changed {
            self.bump_version();
        }
    }

    /// Stops the work of an event (deleted or stalled). Its report stays until [`Self::forget_event`].
    pub fn remove_event(&self, key: &ObjectKey) {
        let removed = self.with_state_mut(|s| {
            s.users.remove(key);
            s.events.remove(key)
        });
        if removed.is_some() {
            self.bump_version();
        }
    }

    /// Stops the work of a deleted event and forgets its report and how it was counted.
    pub fn forget_event(&self, key: &ObjectKey) {
        self.remove_event(key);
        self.with_state_mut(|s| {
            s.counted.remove(key);
            s.reports.remove(key);
        });
    }

    /// An account of an ad network as the loops use it.
    pub fn ad_account(&self, key: &ObjectKey) -> Option<AdAccount> {
        self.with_state(|s| s.google.get(key).map(GoogleAccount::for_loops))
    }

    pub fn google_account(&self, key: &ObjectKey) -> Option<GoogleAccount> {
        self.with_state(|s| s.google.get(key).cloned())
    }

    pub fn hubspot_account(&self, key: &ObjectKey) -> Option<HubSpotAccount> {
        self.with_state(|s| s.hubspot.get(key).cloned())
    }

    pub fn find_event(&self, key: &ObjectKey) -> Option<Arc<Event>> {
        self.with_state(|s| s.events.get(key).cloned())
    }

    /// Whether the event is suspended at this moment: a pass may have begun long before.
    pub fn is_suspended(&self, event: &Event) -> bool {
        self.with_state(|s| s.events.get(&event.key).map_or(event.suspended, |now| now.suspended))
    }

    /// Keys of all accounts of ad networks.
    pub fn ad_account_keys(&self) -> Vec<ObjectKey> {
        self.with_state(|s| s.google.keys().cloned().collect())
    }

    /// Keys of all HubSpot accounts.
    pub fn hubspot_keys(&self) -> Vec<ObjectKey> {
        self.with_state(|s| s.hubspot.keys().cloned().collect())
    }

    /// Events of an account of an ad network, by name.
    pub fn events_of_ad_account(&self, key: &ObjectKey) -> Vec<Arc<Event>> {
        self.events_of(&Account::Google(key.clone()))
    }

    /// Events of a HubSpot account, by name.
    pub fn events_of_hubspot(&self, key: &ObjectKey) -> Vec<Arc<Event>> {
        self.events_of(&Account::HubSpot(key.clone()))
    }

    fn events_of(&self, account: &Account) -> Vec<Arc<Event>> {
        self.with_state(|s| {
            let events = s.users.get(account).filter_map(|key| s.events.get(key));
            events.cloned().collect()
        })
    }

    /// Google accounts that have shown this one to own their conversions.
    pub fn accounts_owned_by(&self, owner: &CustomerId) -> Vec<ObjectKey> {
        self.with_state(|s| s.owners.get(owner).cloned().collect())
    }

    /// The report about an event.
    pub fn event_report(&self, key: &ObjectKey) -> EventReport {
        self.with_state(|s| s.reports.get(key).cloned().unwrap_or_default())
    }

    /// The stream of an event, as its report has it.
    pub fn stream_of(&self, key: &ObjectKey) -> Option<StreamId> {
        self.with_state(|s| s.reports.get(key)?.stream)
    }

    /// Changes the report about an event; `f` says how soon its status should be written. Reports of events that are
    /// not registered are dropped.
    pub fn update_report(&self, key: &ObjectKey, f: impl FnOnce(&mut EventReport) -> Notice) {
        let notice = self.with_state_mut(|s| {
            s.events
                .contains_key(key)
                .then(|| f(s.reports.entry(key.clone()).or_default()))
        });
        match notice {
            None | Some(Notice::Quiet) => {}
            Some(Notice::Soon) => self.wake(Wake::Event {
                key: key.clone(),
                urgency: Urgency::Soon,
            }),
            Some(Notice::Now) => self.wake(Wake::Event {
                key: key.clone(),
                urgency: Urgency::Now,
            }),
        }
    }

    /// Records how an event was counted, even if no loop works for it.
    pub fn set_counted(&self, key: &ObjectKey, counted: CountedStream) {
        self.with_state_mut(|s| s.counted.insert(key.clone(), counted));
    }

    /// How an event was counted last; `None` until its trigger is known.
    pub fn counted_stream(&self, key: &ObjectKey) -> Option<CountedStream> {
        self.with_state(|s| s.counted.get(key).copied())
    }

    /// What the feed reports about a HubSpot account.
    pub fn feed_report(&self, key: &ObjectKey) -> FeedReport {
        self.with_state(|s| s.feeds.get(key).cloned().unwrap_or_default())
    }

    /// Writes what the feed reports; wakes the account's controller if the detection mode changed.
    pub fn set_feed(&self, key: &ObjectKey, report: FeedReport) {
        let mode = report.change_detection;
        let before = self.with_state_mut(|s| s.feeds.insert(key.clone(), report));
        if before.and_then(|r| r.change_detection) != mode {
            self.wake(Wake::HubSpot(key.clone()));
        }
    }

    /// We have changed a goal of this account: its controller reads the goals again.
    pub fn goals_changed(&self, key: &ObjectKey) {
        self.with_state_mut(|s| s.google_goals_changed.insert(key.clone()));
        self.wake(Wake::Google(key.clone()));
    }

    /// An ad network refuses conversions for what it says of this account or its actions: its controller reads them
    /// again.
    pub fn ad_account_refused(&self, key: &ObjectKey) {
        self.with_state_mut(|s| s.ad_account_refused.insert(key.clone()));
        self.wake(Wake::Google(key.clone()));
    }

    /// Whether its network began to refuse conversions since the account's controller last asked.
    pub fn take_ad_account_refused(&self, key: &ObjectKey) -> bool {
        self.with_state_mut(|s| s.ad_account_refused.remove(key))
    }

    /// Whether a goal was changed since the account's controller last asked.
    pub fn take_goals_changed(&self, key: &ObjectKey) -> bool {
        self.with_state_mut(|s| s.google_goals_changed.remove(key))
    }

    /// HubSpot refused to show deals or forms, which concerns the events that need them: the account's controller asks
    /// again what the token may do.
    pub fn scope_refused(&self, key: &ObjectKey) {
        self.with_state_mut(|s| s.scope_refused.insert(key.clone()));
        self.wake(Wake::HubSpot(key.clone()));
    }

    /// Whether deals or forms were refused since the account's controller last asked.
    pub fn take_scope_refused(&self, key: &ObjectKey) -> bool {
        self.with_state_mut(|s| s.scope_refused.remove(key))
    }
}
