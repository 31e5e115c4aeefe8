//! Sums of times and waits without odd cases: a time that is too far away is the end of time, and no wait is negative.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, TimestampArithmetic};

/// A time and a wait added up; the end of time if that is too far away.
pub fn later(from: Timestamp, wait: impl Into<TimestampArithmetic>) -> Timestamp {
    from.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// A wait for a timer. One that is over already is none.
pub fn to_std(wait: SignedDuration) -> Duration {
    Duration::try_from(wait).unwrap_or_default()
}

/// A time measured, or a wait of a flag, for sums with times. One that is too long for them is the longest there is.
pub fn to_signed(wait: Duration) -> SignedDuration {
    SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX)
}

/// A wait that something in memory has to end. It is over at its end, and also where its begin has not come: then the
/// clock was ahead and was put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    since: Timestamp,
    until: Timestamp,
}

impl Wait {
    /// Is over already.
    pub const NONE: Self = Self {
        since: Timestamp::MIN,
        until: Timestamp::MIN,
    };

    pub fn new(now: Timestamp, pause: SignedDuration) -> Self {
        Self {
            since: now,
            until: later(now, pause),
        }
    }

    pub fn end(self) -> Timestamp {
        self.until
    }

    pub fn is_over(self, now: Timestamp) -> bool {
        now < self.since || now >= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_its_time_and_with_the_clock_that_it_was_begun_by() {
        let at = |second| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        let wait = Wait::new(at(10), SignedDuration::from_secs(5));
        let over = [9, 10, 14, 15].map(|second| wait.is_over(at(second)));
        assert_eq!(over, [true, false, false, true]);
        assert!(Wait::NONE.is_over(at(0)));
    }

    #[test]
    fn what_is_too_far_is_the_end_of_time() {
        let hour = SignedDuration::from_hours(1);
        assert_eq!(later(Timestamp::UNIX_EPOCH, hour).as_second(), 3600);
        assert_eq!(later(Timestamp::UNIX_EPOCH, -hour).as_second(), -3600);
        assert_eq!(later(Timestamp::MAX, hour), Timestamp::MAX);
        assert_eq!(later(Timestamp::UNIX_EPOCH, SignedDuration::MAX), Timestamp::MAX);
        assert_eq!(later(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::MAX);
    }

    #[test]
    fn waits_are_none_at_least_and_not_too_long_at_most() {
        let second = SignedDuration::from_secs(1);
        assert_eq!(
            [to_std(second), to_std(-second)],
            [Duration::from_secs(1), Duration::ZERO]
        );
        assert_eq!(to_signed(Duration::from_secs(1)), second);
        assert_eq!(to_signed(Duration::MAX), SignedDuration::MAX);
    }
}
