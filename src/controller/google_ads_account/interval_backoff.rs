//! Reads become rarer while the project's daily operations at Google run out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Most that intervals stretch when the project's daily operations run out: ten minutes become five hours.
const MOST: u32 = 32;
/// Daily quotas are counted again after this long.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How far intervals are stretched because the project's daily operations ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IntervalBackoff {
    factor: u32,
    since: Option<Timestamp>,
}

impl Default for IntervalBackoff {
    fn default() -> Self {
        Self { factor: 1, since: None }
    }
}

impl IntervalBackoff {
    pub(super) fn quota_exhausted(&mut self, now: Timestamp) {
        *self = Self {
            factor: (self.factor * 2).min(MOST),
            since: Some(now),
        };
    }

    pub(super) fn read_succeeded(&mut self, now: Timestamp) {
        if self.since.is_some_and(|since| now.duration_since(since) >= DAY) {
            *self = Self::default();
        }
    }

    pub(super) fn lengthen(self, interval: Duration) -> Duration {
        interval.saturating_mul(self.factor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn intervals_stretch_while_the_daily_quota_runs_out() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let hours = |h| now + SignedDuration::from_hours(h);
        let ten = Duration::from_mins(10);
        let mut stretch = IntervalBackoff::default();
        assert_eq!(stretch.lengthen(ten), ten);
        stretch.quota_exhausted(now);
        stretch.quota_exhausted(hours(2));
        assert_eq!(stretch.lengthen(ten), ten * 4);
        stretch.read_succeeded(hours(25));
        assert_eq!(stretch.lengthen(ten), ten * 4);
        stretch.read_succeeded(hours(26));
        assert_eq!(stretch.lengthen(ten), ten);
        (0..40).for_each(|h| stretch.quota_exhausted(hours(h)));
        assert_eq!(stretch.lengthen(ten), ten * MOST);
    }
}
