//! Counts and ages as gauges take them.

use jiff::Timestamp;

/// A count as a gauge takes it.
pub(super) fn to_gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Seconds since then, 0 if there is no time or it is still to come.
pub(super) fn age_seconds(since: Option<Timestamp>, now: Timestamp) -> f64 {
    since.map_or(0.0, |t| now.duration_since(t).as_secs_f64().max(0.0))
}
