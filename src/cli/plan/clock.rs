//! A clock that may be put forward: what only time holds back is looked at as it will be then.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::ports::Clock;

/// Runs ahead of another clock, by as much as it was put forward.
pub(super) struct AheadClock {
    base: Arc<dyn Clock>,
    /// By how many milliseconds it is ahead.
    ahead: AtomicI64,
}

impl AheadClock {
    pub(super) fn new(base: Arc<dyn Clock>) -> Self {
        Self {
            base,
            ahead: AtomicI64::new(0),
        }
    }

    /// Puts it forward to this time at least.
    pub(super) fn advance_to(&self, time: Timestamp) {
        let missing = time.duration_since(self.now());
        if missing.is_positive() {
            // Rounded up: what is due then is due.
            let missing = i64::try_from(missing.as_millis()).unwrap_or(i64::MAX).saturating_add(1);
            self.ahead.fetch_add(missing, Ordering::Relaxed);
        }
    }
}

impl Clock for AheadClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead.load(Ordering::Relaxed));
        self.base.now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::test_support::{FixedClock, at};

    #[test]
    fn it_goes_forward_and_never_back() {
        let clock = AheadClock::new(FixedClock::new());
        assert_eq!(clock.now(), at(0));
        clock.advance_to(at(60));
        assert!(clock.now() >= at(60) && clock.now() < at(61));
        let reached = clock.now();
        clock.advance_to(at(5));
        assert_eq!(clock.now(), reached);
    }
}
