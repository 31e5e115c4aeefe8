//! Metrics, all under the prefix `adconversion_`. No name of an object in a label: state of single objects is in their
//! status.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::domain::ids::ObjectKey;
use crate::domain::outcome::Outcome;
use crate::sync::ports::CallObserver;

/// From a cached no-op (tenths of a millisecond) to a reconcile that waits for Google (tens of seconds).
const RECONCILE_BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0, 60.0];
/// From a HubSpot read (a tenth of a second) to the time limit of an upload.
const CALL_BUCKETS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

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

type Timings<L> = Family<L, Histogram, fn() -> Histogram>;

fn reconcile_histogram() -> Histogram {
    Histogram::new(RECONCILE_BUCKETS)
}

fn call_histogram() -> Histogram {
    Histogram::new(CALL_BUCKETS)
}

/// Counts of one event, as its status has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventCounts {
    /// How many rows are in each outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Time of the oldest pending occurrence.
    pub oldest_pending: Option<Timestamp>,
}

#[derive(Default)]
struct Objects {
    ready: HashMap<(&'static str, ObjectKey), &'static str>,
    counts: HashMap<ObjectKey, EventCounts>,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
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
    seen: Mutex<Objects>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All of them at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("adconversion"),
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
            seen: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("reconcile", "Reconciles by kind and result", self.reconciles.clone());
        r.register(
            "reconcile_duration_seconds",
            "Time of a reconcile",
            self.reconcile_seconds.clone(),
        );
        r.register(
            "upstream_requests",
            "HTTP attempts by API, call and status",
            self.calls.clone(),
        );
        r.register(
            "upstream_request_duration_seconds",
            "Time of an HTTP attempt",
            self.call_seconds.clone(),
        );
        r.register(
            "upstream_throttled_seconds",
            "Time calls were held back by a limit, ours or theirs",
            self.throttled.clone(),
        );
        r.register(
            "conversions",
            "Conversions that reached a final outcome since the process began",
            self.conversions.clone(),
        );
        r.register(
            "occurrences",
            "Occurrences of all events by outcome",
            self.occurrences.clone(),
        );
        r.register(
            "oldest_pending_seconds",
            "Age of the oldest occurrence that waits, 0 if none does",
            self.oldest_pending.clone(),
        );
        r.register("objects", "Objects by kind and status of Ready", self.objects.clone());
        r.register(
            "cache_stale_deferrals",
            "Reconciles put off because the cache had not caught up with our own write",
            self.deferrals.clone(),
        );
        r.register("panics", "Panics caught", self.panics.clone());
        r.register(
            "build",
            "Version of the operator",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
    }

    fn seen(&self) -> MutexGuard<'_, Objects> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reconcile has ended. `result`: `ok`, `deferred`, `error`, `timeout` or `panic`.
    pub fn reconciled(&self, kind: &'static str, result: &'static str, elapsed: Duration) {
        self.reconciles.get_or_create(&ReconcileLabels { kind, result }).inc();
        self.reconcile_seconds
            .get_or_create(&KindLabels { kind })
            .observe(elapsed.as_secs_f64());
    }

    /// A reconcile was put off because the cache was older than our own write.
    pub fn deferred(&self) {
        self.deferrals.inc();
    }

    /// The status of an object's Ready condition: `True`, `False` or `Unknown`.
    pub fn object(&self, kind: &'static str, key: &ObjectKey, ready: &'static str) {
        self.seen().ready.insert((kind, key.clone()), ready);
    }

    /// An object is gone.
    pub fn forget_object(&self, kind: &'static str, key: &ObjectKey) {
        let mut seen = self.seen();
        seen.ready.remove(&(kind, key.clone()));
        if kind == "AdConversionEvent" {
            seen.counts.remove(key);
        }
    }

    /// The counts of an event. Final outcomes that came since the last call are added to `conversions_total`; the first
    /// call for an event only sets the mark, because its rows may be older than the process.
    pub fn event(&self, key: &ObjectKey, counts: EventCounts) {
        let mut seen = self.seen();
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

    /// All metrics as `OpenMetrics` text.
    ///
    /// # Errors
    /// Where a metric cannot be written as text.
    pub fn encode(&self, now: Timestamp) -> Result<String, std::fmt::Error> {
        self.sum_up(now);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn sum_up(&self, now: Timestamp) {
        let seen = self.seen();
        self.objects.clear();
        for ((kind, _), ready) in &seen.ready {
            self.objects.get_or_create(&ObjectLabels { kind, ready }).inc();
        }
        for outcome in Outcome::ALL {
            let sum: u64 = seen.counts.values().filter_map(|c| c.outcomes.get(&outcome)).sum();
            let labels = OutcomeLabels {
                outcome: outcome.as_str(),
            };
            self.occurrences
                .get_or_create(&labels)
                .set(i64::try_from(sum).unwrap_or(i64::MAX));
        }
        let oldest = seen.counts.values().filter_map(|c| c.oldest_pending).min();
        self.oldest_pending
            .set(oldest.map_or(0.0, |t| now.duration_since(t).as_secs_f64().max(0.0)));
    }
}

impl CallObserver for Metrics {
    fn call(&self, api: &'static str, method: &'static str, status: Option<u16>, elapsed: Duration) {
        let code = status.map_or_else(|| "none".to_owned(), |s| s.to_string());
        self.calls.get_or_create(&CallLabels { api, method, code }).inc();
        self.call_seconds
            .get_or_create(&MethodLabels { api, method })
            .observe(elapsed.as_secs_f64());
    }

    fn throttled(&self, api: &'static str, wait: Duration) {
        self.throttled
            .get_or_create(&ApiLabels { api })
            .inc_by(wait.as_secs_f64());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(metrics: &Metrics, start: &str, now: Timestamp) -> Option<String> {
        let text = metrics.encode(now).unwrap();
        text.lines()
            .find(|l| l.starts_with(start))
            .map(|l| l.rsplit(' ').next().unwrap_or_default().to_owned())
    }

    #[test]
    fn names_are_those_promised() {
        let metrics = Metrics::new();
        let now = Timestamp::from_second(1_790_000_100).unwrap();
        metrics.reconciled("AdConversionEvent", "ok", Duration::from_millis(3));
        metrics.call("Google Ads", "search", Some(200), Duration::from_millis(120));
        metrics.call("Google Ads", "search", None, Duration::from_secs(30));
        metrics.throttled("HubSpot", Duration::from_millis(1500));
        metrics.object("HubSpotAccount", &ObjectKey::new("a", "b"), "True");
        let text = metrics.encode(now).unwrap();
        for wanted in [
            "adconversion_reconcile_total{kind=\"AdConversionEvent\",result=\"ok\"} 1",
            "adconversion_reconcile_duration_seconds_count{kind=\"AdConversionEvent\"} 1",
            "adconversion_upstream_requests_total{api=\"Google Ads\",method=\"search\",code=\"200\"} 1",
            "adconversion_upstream_requests_total{api=\"Google Ads\",method=\"search\",code=\"none\"} 1",
            "adconversion_upstream_request_duration_seconds_count{api=\"Google Ads\",method=\"search\"} 2",
            "adconversion_upstream_throttled_seconds_total{api=\"HubSpot\"} 1.5",
            "adconversion_objects{kind=\"HubSpotAccount\",ready=\"True\"} 1",
            "adconversion_oldest_pending_seconds 0",
            "adconversion_panics_total 0",
            "adconversion_cache_stale_deferrals_total 0",
            concat!("adconversion_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
    }

    #[test]
    fn conversions_count_what_came_since_the_start() {
        let metrics = Metrics::new();
        let now = Timestamp::from_second(1_790_000_100).unwrap();
        let key = ObjectKey::new("marketing", "customer");
        let counts = |uploaded, pending| EventCounts {
            outcomes: BTreeMap::from([(Outcome::Uploaded, uploaded), (Outcome::Pending, pending)]),
            oldest_pending: (pending > 0).then(|| Timestamp::from_second(1_790_000_040).unwrap()),
        };
        metrics.event(&key, counts(10, 2));
        metrics.event(&key, counts(13, 1));
        let uploaded = "adconversion_conversions_total{outcome=\"Uploaded\"}";
        assert_eq!(line(&metrics, uploaded, now).as_deref(), Some("3"));
        assert_eq!(
            line(&metrics, "adconversion_occurrences{outcome=\"Uploaded\"}", now).as_deref(),
            Some("13")
        );
        assert_eq!(
            line(&metrics, "adconversion_oldest_pending_seconds", now).as_deref(),
            Some("60.0")
        );
        metrics.forget_object("AdConversionEvent", &key);
        assert_eq!(
            line(&metrics, "adconversion_occurrences{outcome=\"Uploaded\"}", now).as_deref(),
            Some("0")
        );
        assert_eq!(line(&metrics, uploaded, now).as_deref(), Some("3"));
    }
}
