//! What every reconcile has at hand: clients, ports, caches,
//! settings. Built in one place by [`crate::controller::runtime`].

mod caches;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use parking_lot::Mutex;

use super::barrier::WriteBarrier;
use super::rereads::Rereads;
use super::shared_reads::SharedReads;
use crate::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use crate::controller::shared::lookup::Lookup;
use crate::controller::shared::object::Object;
use crate::controller::shared::recorder::EventRecorder;
use crate::domain::backoff::backoff;
use crate::domain::ids::ObjectKey;
use crate::domain::time::to_signed;
use crate::ops::health::Probes;
use crate::ops::metrics::Metrics;
use crate::ports::ledger::Ledger;
use crate::ports::{Clock, CrmConnector, GoogleConnector};
use crate::registry::{Account, Registry, Urgency, Wake};

pub use caches::{Cache, CacheWriter, CacheWriters, Caches, Writers};

/// Durations the controllers work by; the flags of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Floor of `spec.interval` of a HubSpot account.
    pub min_interval: Duration,
    /// Shortest time between two writes of a status while only counts move.
    pub status_interval: Duration,
    /// How old the snapshot of a Google account's actions may become.
    pub google_refresh_interval: Duration,
    /// How often Secrets are read again.
    pub account_check_interval: Duration,
    /// How often a stalled object is tried again without anybody acting.
    pub stalled_probe_interval: Duration,
    /// How long nothing is sent to an action this operator created.
    pub new_action_hold: Duration,
    /// How long an action is looked for after the reply to its create was lost.
    pub create_settle: Duration,
    /// How long failures may last before Ready follows.
    pub failure_threshold: Duration,
    /// How long a deletion waits for Google before it says that it is blocked.
    pub deletion_timeout: Duration,
    /// Longest pause between two tries.
    pub backoff_max: Duration,
    /// How often Google is asked for attributed conversions.
    pub attribution_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(m * 60);
        Self {
            min_interval: Duration::from_secs(10),
            status_interval: Duration::from_secs(30),
            google_refresh_interval: minutes(10),
            account_check_interval: minutes(1),
            stalled_probe_interval: minutes(10),
            new_action_hold: minutes(360),
            create_settle: minutes(2),
            failure_threshold: minutes(15),
            deletion_timeout: minutes(10),
            backoff_max: minutes(5),
            attribution_interval: minutes(60),
        }
    }
}

/// What `cli` wires together for the controllers.
pub struct Dependencies {
    /// Client of the Kubernetes API, see [`crate::controller::runtime::new_client`]. Its calls have no retry of their
    /// own: use [`super::apply::within_limit`].
    pub client: Client,
    /// What the controllers and the sync loops share.
    pub registry: Registry,
    /// The operator's own record of conversions.
    pub ledger: Arc<dyn Ledger>,
    /// Makes Google clients.
    pub google: Arc<dyn GoogleConnector>,
    /// Makes HubSpot clients.
    pub crm: Arc<dyn CrmConnector>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    /// Where reconciles are counted.
    pub metrics: Arc<Metrics>,
    /// Where progress and readiness are shown.
    pub probes: Arc<Probes>,
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// Name of this pod, for Kubernetes Events.
    pub instance: Option<String>,
}

/// What every reconcile has at hand: the dependencies, and what the controllers keep themselves.
pub struct Context {
    pub(in crate::controller) dependencies: Dependencies,
    /// Publishes Kubernetes Events.
    pub recorder: EventRecorder,
    /// Cached objects of all three kinds.
    pub caches: Caches,
    /// Versions of our own writes.
    pub barrier: WriteBarrier,
    /// Pauses after failures, per object.
    pub backoff: Backoff,
    /// Which events wait for an account to be read again.
    pub rereads: Rereads,
    /// Full reads of Google's actions, shared by all who want one.
    pub google_reads: SharedReads,
}

impl Deref for Context {
    type Target = Dependencies;

    fn deref(&self) -> &Dependencies {
        &self.dependencies
    }
}

impl Context {
    /// The context over these caches.
    pub fn new(dependencies: Dependencies, caches: Caches) -> Self {
        let (client, instance) = (dependencies.client.clone(), dependencies.instance.clone());
        Self {
            recorder: EventRecorder::new(client, instance),
            caches,
            barrier: WriteBarrier::default(),
            backoff: Backoff::new(dependencies.settings.backoff_max),
            rereads: Rereads::default(),
            google_reads: SharedReads::default(),
            dependencies,
        }
    }

    /// Has the controller look at all events that name this account, registered or not.
    pub fn wake_events_of(&self, account: &Account) {
        for event in self.caches.events.keys_of(&Lookup::Uses(account.clone())) {
            self.registry.wake(Wake::Event {
                key: event,
                urgency: Urgency::Now,
            });
        }
    }

    /// Has the controllers look at all objects.
    pub(crate) fn wake_all(&self) {
        let Caches {
            events,
            google,
            hubspot,
            ..
        } = &self.caches;
        let keys = |wake: fn(ObjectKey) -> Wake, keys: Vec<ObjectKey>| keys.into_iter().map(wake);
        let all = keys(AdConversionEvent::to_wake, events.keys())
            .chain(keys(GoogleAdsAccount::to_wake, google.keys()))
            .chain(keys(HubSpotAccount::to_wake, hubspot.keys()));
        all.for_each(|wake| self.registry.wake(wake));
    }
}

/// Pauses after failures: from one second, doubled each time up to the maximum, less up to a fifth.
#[derive(Debug)]
pub struct Backoff {
    max: Duration,
    attempts: Mutex<HashMap<(&'static str, ObjectKey), u32>>,
}

impl Backoff {
    /// `max` is the longest pause.
    pub fn new(max: Duration) -> Self {
        Self {
            max,
            attempts: Mutex::default(),
        }
    }

    fn with_failures<T>(&self, f: impl FnOnce(&mut HashMap<(&'static str, ObjectKey), u32>) -> T) -> T {
        f(&mut self.attempts.lock())
    }

    /// Notes a failure and says how long to wait.
    pub fn record_failure(&self, kind: &'static str, key: &ObjectKey) -> Duration {
        let attempt = self.with_failures(|attempts| {
            let count = attempts.entry((kind, key.clone())).or_default();
            *count = count.saturating_add(1);
            *count
        });
        failure_pause(attempt, self.max)
    }

    /// Notes a success, or that the object is gone.
    pub fn reset(&self, kind: &'static str, key: &ObjectKey) {
        self.with_failures(|attempts| attempts.remove(&(kind, key.clone())));
    }
}

/// The pause after this many failures in a row: from one second doubled up to `max`, less up to a fifth.
pub fn failure_pause(failures: u32, max: Duration) -> Duration {
    let max = to_signed(max);
    backoff(failures.saturating_sub(1), max, random_number()).unsigned_abs()
}

/// Up to a fifth less, so that objects that began together don't stay together.
pub fn spread_pause(pause: Duration) -> Duration {
    let permille = u32::try_from(random_number() % 200).unwrap_or_default();
    pause.mul_f64(f64::from(1000 - permille) / 1000.0)
}

/// A random number: the keys of a fresh hasher are random, no need for a generator of our own.
fn random_number() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_success() {
        let backoff = Backoff::new(Duration::from_mins(5));
        let key = ObjectKey::new("a", "b");
        let range = |pause: Duration, seconds: u64| {
            let pause = pause.as_millis();
            let middle = u128::from(seconds) * 1000;
            pause >= middle * 8 / 10 && pause <= middle
        };
        assert!(range(backoff.record_failure("X", &key), 1));
        assert!(range(backoff.record_failure("X", &key), 2));
        assert!(range(backoff.record_failure("Y", &key), 1));
        backoff.reset("X", &key);
        assert!(range(backoff.record_failure("X", &key), 1));
    }
}
