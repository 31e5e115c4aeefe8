//! A clock for unit tests: its time stands still until a test moves it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::Clock;
pub(crate) use crate::domain::test_support::at;

/// Shows the time that a test has set.
pub(crate) struct FixedClock(Mutex<Timestamp>);

impl FixedClock {
    /// Shows [`at`] second 0.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(at(0))))
    }

    /// Moves on.
    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.0.lock() += by;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}
