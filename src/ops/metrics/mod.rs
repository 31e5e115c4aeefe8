//! Metrics under the prefix `adconversion_`, and those of the process. Every one is in `docs/metrics.md`.

pub mod advice;
mod events;
mod process;
mod register;
mod values;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use self::events::EventCounts;
use self::events::EventSeries;
use self::values::{age_seconds, to_gauge};
use super::exposition::{Format, to_prometheus};
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::Outcome;
use crate::ports::CallObserver;

/// From a cached no-op (tenths of a millisecond) to a reconcile that waits for Google (tens of seconds).
const RECONCILE_BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0, 60.0];
/// From a HubSpot read (a tenth of a second) to the time limit of an upload.
const CALL_BUCKETS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// The loops whose restarts are counted. A kind that is not among them appears with its first restart only.
const LOOPS: [&str; 9] = [
    "feed",
    "uploader",
    "poller",
    "watch",
    "controller",
    "router",
    "caches",
    "supervisor",
    "retention",
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoopLabels {
    // `loop` is a word of the language.
    r#loop: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    api: &'static str,
    method: &'static str,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    api: &'static str,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabels {
    api: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    kind: &'static str,
    ready: &'static str,
}

/// The kind whose objects have counts.
const EVENT: &str = "AdConversionEvent";

type Timings<L> = Family<L, Histogram, fn() -> Histogram>;

fn reconcile_histogram() -> Histogram {
    Histogram::new(RECONCILE_BUCKETS)
}

fn call_histogram() -> Histogram {
    Histogram::new(CALL_BUCKETS)
}

#[derive(Default)]
struct ObjectCounts {
    ready: HashMap<(&'static str, ObjectKey), &'static str>,
    counts: HashMap<ObjectKey, EventCounts>,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    process: Registry,
    /// `None`: switched off.
    events: Option<EventSeries>,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Timings<KindLabels>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Timings<MethodLabels>,
    throttled: Family<ApiLabels, Counter<f64, AtomicU64>>,
    conversions: Family<OutcomeLabels, Counter>,
    occurrences: Family<OutcomeLabels, Gauge>,
    oldest_pending: Gauge<f64, AtomicU64>,
    objects: Family<ObjectLabels, Gauge>,
    deferrals: Counter,
    panics: Counter,
    restarts: Family<LoopLabels, Counter>,
    leader: Gauge,
    seen: Mutex<ObjectCounts>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All of them at zero, without series of single events.
    pub fn new() -> Self {
        let mut process = Registry::default();
        process.register_collector(Box::new(process::ProcessMetrics));
        let mut metrics = Self {
            registry: Registry::with_prefix("adconversion"),
            process,
            events: None,
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(reconcile_histogram),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(call_histogram),
            throttled: Family::default(),
            conversions: Family::default(),
            occurrences: Family::default(),
            oldest_pending: Gauge::default(),
            objects: Family::default(),
            deferrals: Counter::default(),
            panics: Counter::default(),
            restarts: Family::default(),
            leader: Gauge::default(),
            seen: Mutex::default(),
        };
        metrics.register_work();
        metrics.register_conversions();
        metrics.register_process();
        // There from the beginning, so that the first one is a rise.
        for kind in LOOPS {
            drop(metrics.restarts.get_or_create(&LoopLabels { r#loop: kind }));
        }
        for outcome in Outcome::ALL.into_iter().filter(|outcome| outcome.is_final()) {
            let labels = OutcomeLabels {
                outcome: outcome.as_str(),
            };
            drop(metrics.conversions.get_or_create(&labels));
        }
        metrics
    }

    /// The same with series of single events.
    #[must_use]
    pub fn with_events(mut self) -> Self {
        self.events = Some(EventSeries::register_in(&mut self.registry));
        self
    }

    fn lock_objects(&self) -> MutexGuard<'_, ObjectCounts> {
        self.seen.lock()
    }

    /// A reconcile has ended. `result`: `ok`, `deferred`, `error`, `timeout` or `panic`.
    pub fn record_reconcile(&self, kind: &'static str, result: &'static str, elapsed: Duration) {
        self.reconciles.get_or_create(&ReconcileLabels { kind, result }).inc();
        self.reconcile_seconds
            .get_or_create(&KindLabels { kind })
            .observe(elapsed.as_secs_f64());
    }

    /// A reconcile was put off because the cache was older than our own write.
    pub fn record_deferral(&self) {
        self.deferrals.inc();
    }

    /// Whether this process works, or stands by.
    pub fn set_leader(&self, works: bool) {
        self.leader.set(i64::from(works));
    }

    /// A sync loop of this kind ended although nobody stopped it.
    pub fn loop_broke(&self, kind: &'static str) {
        self.restarts.get_or_create(&LoopLabels { r#loop: kind }).inc();
    }

    /// The status of an object's Ready condition: `True`, `False` or `Unknown`.
    pub fn set_object(&self, kind: &'static str, key: &ObjectKey, ready: &'static str) {
        self.lock_objects().ready.insert((kind, key.clone()), ready);
    }

    /// An object is gone.
    pub fn forget_object(&self, kind: &'static str, key: &ObjectKey) {
        let mut seen = self.lock_objects();
        seen.ready.remove(&(kind, key.clone()));
        if kind == EVENT {
            seen.counts.remove(key);
        }
    }

    /// The counts of an event. Final outcomes that came since the last call are added to `conversions_total`; the first
    /// call for an event only sets the mark, because its rows may be older than the process.
    pub fn set_event(&self, key: &ObjectKey, counts: EventCounts) {
        let mut seen = self.lock_objects();
        if let Some(before) = seen.counts.get(key) {
            for (outcome, now) in counts.outcomes.iter().filter(|(outcome, _)| outcome.is_final()) {
                let new = now.saturating_sub(before.outcomes.get(outcome).copied().unwrap_or_default());
                let labels = OutcomeLabels {
                    outcome: outcome.as_str(),
                };
                self.conversions.get_or_create(&labels).inc_by(new);
            }
        }
        seen.counts.insert(key.clone(), counts);
    }

    /// Counts panics from now on, and logs where they happened. The text of a panic is left out, it may hold data.
    pub fn count_panics(self: &Arc<Self>) {
        let metrics = Arc::downgrade(self);
        std::panic::set_hook(Box::new(move |info| {
            if let Some(metrics) = metrics.upgrade() {
                metrics.panics.inc();
            }
            let location = info.location().map(ToString::to_string).unwrap_or_default();
            let text = info
                .payload()
                .downcast_ref::<&'static str>()
                .copied()
                .unwrap_or("(text withheld)");
            tracing::error!(location, text, "panic");
        }));
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// Where a metric cannot be written as text.
    pub fn encode(&self, format: Format, now: Timestamp) -> Result<String, std::fmt::Error> {
        // Held until all is written: somebody else who asks would clear what is being read.
        let seen = self.lock_objects();
        self.sum_up(&seen, now);
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &self.process)?;
        encode_eof(&mut text)?;
        drop(seen);
        Ok(match format {
            Format::OpenMetrics => text,
            Format::Prometheus => to_prometheus(&text),
        })
    }

    fn sum_up(&self, seen: &ObjectCounts, now: Timestamp) {
        self.objects.clear();
        for ((kind, _), ready) in &seen.ready {
            self.objects.get_or_create(&ObjectLabels { kind, ready }).inc();
        }
        for outcome in Outcome::ALL {
            let sum: u64 = seen.counts.values().filter_map(|c| c.outcomes.get(&outcome)).sum();
            let labels = OutcomeLabels {
                outcome: outcome.as_str(),
            };
            self.occurrences.get_or_create(&labels).set(to_gauge(sum));
        }
        let oldest = seen.counts.values().filter_map(|c| c.waiting_since).min();
        self.oldest_pending.set(age_seconds(oldest, now));
        let Some(events) = &self.events else { return };
        events.clear();
        for ((kind, key), ready) in &seen.ready {
            if *kind == EVENT {
                events.set_ready(key, *ready == "True");
            }
        }
        for (key, counts) in &seen.counts {
            events.set_counts(key, counts, now);
        }
    }
}

impl CallObserver for Metrics {
    fn observe_call(&self, api: &'static str, method: &'static str, status: Option<u16>, elapsed: Duration) {
        let code = status.map_or_else(|| "none".to_owned(), |s| s.to_string());
        self.calls.get_or_create(&CallLabels { api, method, code }).inc();
        self.call_seconds
            .get_or_create(&MethodLabels { api, method })
            .observe(elapsed.as_secs_f64());
    }

    fn observe_throttling(&self, api: &'static str, wait: Duration) {
        self.throttled
            .get_or_create(&ApiLabels { api })
            .inc_by(wait.as_secs_f64());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "metrics_tests.rs"]
mod tests;
