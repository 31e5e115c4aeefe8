//! Series of single events, by namespace and name. As many as there are events: they can be switched off.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::values::{age_seconds, to_gauge};
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::Outcome;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OccurrenceLabels {
    namespace: String,
    name: String,
    outcome: &'static str,
}

/// Counts of one event, as its status has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventCounts {
    /// How many rows are in each outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Since when the conversion that has waited longest waits; not while the
    /// event is suspended, nor for its settle delay or a visitor's consent.
    pub waiting_since: Option<Timestamp>,
    /// When a conversion was last sent.
    pub last_upload: Option<Timestamp>,
}

/// The series, filled when they are asked for.
#[derive(Debug, Default)]
pub(super) struct EventSeries {
    ready: Family<EventLabels, Gauge>,
    occurrences: Family<OccurrenceLabels, Gauge>,
    oldest_pending: Family<EventLabels, Gauge<f64, AtomicU64>>,
    last_upload: Family<EventLabels, Gauge<f64, AtomicU64>>,
}

impl EventSeries {
    /// Series that the registry shows.
    pub(super) fn register_in(r: &mut Registry) -> Self {
        let series = Self::default();
        r.register("event_ready", "1 if the event is Ready, else 0", series.ready.clone());
        r.register(
            "event_occurrences",
            "Conversions of an event by outcome",
            series.occurrences.clone(),
        );
        r.register(
            "event_oldest_pending_seconds",
            "Time since the event's conversion that has waited longest was first seen, 0 if none waits",
            series.oldest_pending.clone(),
        );
        r.register(
            "event_last_upload_timestamp_seconds",
            "When a conversion of the event was last sent, seconds since 1970; absent before the first",
            series.last_upload.clone(),
        );
        series
    }

    /// Forgets what was shown.
    pub(super) fn clear(&self) {
        self.ready.clear();
        self.occurrences.clear();
        self.oldest_pending.clear();
        self.last_upload.clear();
    }

    /// Shows whether an event is ready.
    pub(super) fn set_ready(&self, event: &ObjectKey, ready: bool) {
        self.ready.get_or_create(&event_labels(event)).set(i64::from(ready));
    }

    /// Shows the counts of an event.
    pub(super) fn set_counts(&self, event: &ObjectKey, counts: &EventCounts, now: Timestamp) {
        for outcome in Outcome::ALL {
            let labels = OccurrenceLabels {
                namespace: event.namespace.clone(),
                name: event.name.clone(),
                outcome: outcome.as_str(),
            };
            let count = counts.outcomes.get(&outcome).copied().unwrap_or_default();
            self.occurrences.get_or_create(&labels).set(to_gauge(count));
        }
        let age = age_seconds(counts.waiting_since, now);
        self.oldest_pending.get_or_create(&event_labels(event)).set(age);
        if let Some(at) = counts.last_upload {
            let seconds = at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64();
            self.last_upload.get_or_create(&event_labels(event)).set(seconds);
        }
    }
}

fn event_labels(event: &ObjectKey) -> EventLabels {
    EventLabels {
        namespace: event.namespace.clone(),
        name: event.name.clone(),
    }
}
