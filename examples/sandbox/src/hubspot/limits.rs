//! HubSpot's rate limits: per ten seconds and token, searches per second and portal, calls per day and portal.

use std::collections::VecDeque;

use jiff::{Timestamp, ToSpan, tz::TimeZone};

/// A rolling window.
#[derive(Clone, Debug)]
pub struct Window {
    span_ms: i64,
    calls: VecDeque<i64>,
}

impl Window {
    /// A window of that many milliseconds.
    pub fn new(span_ms: i64) -> Self {
        Self {
            span_ms,
            calls: VecDeque::new(),
        }
    }

    /// Counts a call, unless `limit` calls lie within the window already. Returns how many are left.
    pub fn take(&mut self, now: i64, limit: u32) -> Option<u32> {
        // A clock moved back must not leave calls of the future behind.
        self.calls.retain(|at| *at <= now && now - *at < self.span_ms);
        let used = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        if used >= limit {
            return None;
        }
        self.calls.push_back(now);
        Some(limit - used - 1)
    }
}

/// Calls of the current day, in the portal's time zone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Day {
    /// Calls so far.
    pub used: u64,
    ends: i64,
}

impl Day {
    /// Counts a call, unless `limit` were made today. Returns how many are left.
    pub fn take(&mut self, now: i64, zone: &TimeZone, limit: u64) -> Option<u64> {
        self.roll(now, zone);
        if self.used >= limit {
            return None;
        }
        self.used += 1;
        Some(limit - self.used)
    }

    /// Starts a new day if the old one is over.
    pub fn roll(&mut self, now: i64, zone: &TimeZone) {
        let ends = next_midnight(now, zone);
        if ends != self.ends {
            *self = Self { used: 0, ends };
        }
    }

    /// When the counter is reset, epoch milliseconds.
    pub fn ends(&self) -> i64 {
        self.ends
    }
}

/// The next midnight in that zone, epoch milliseconds.
pub fn next_midnight(now: i64, zone: &TimeZone) -> i64 {
    let day = 24 * 60 * 60 * 1000;
    let here = Timestamp::from_millisecond(now)
        .unwrap_or_default()
        .to_zoned(zone.clone());
    let next = here.checked_add(1.day()).and_then(|tomorrow| tomorrow.start_of_day());
    next.map_or(now + day, |midnight| midnight.timestamp().as_millisecond())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_window_rolls() {
        let mut window = Window::new(1000);
        let taken: Vec<Option<u32>> = [0, 10, 20, 999, 1000]
            .into_iter()
            .map(|now| window.take(now, 2))
            .collect();
        assert_eq!(taken, [Some(1), Some(0), None, None, Some(0)]);
    }

    #[test]
    fn a_day_ends_at_midnight_of_the_portal() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let mut day = Day::default();
        assert_eq!(day.take(at("2026-11-01T22:59:59Z"), &zone, 1), Some(0));
        assert_eq!(day.ends(), at("2026-11-01T23:00:00Z"));
        assert_eq!(day.take(at("2026-11-01T22:59:59.5Z"), &zone, 1), None);
        assert_eq!(day.take(at("2026-11-01T23:00:00Z"), &zone, 1), Some(0));
    }
}
