//! For unit tests: a clock whose time stands still until a test moves it, and a wait for what a test expects.

use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Longest wait of [`until`].
const LIMIT: Duration = Duration::from_secs(20);
/// Between two looks of [`until`].
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `look` says that it is so. Panics with `what` if that takes too long.
pub(crate) async fn until(what: &str, look: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !look().await {
        assert!(begun.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        tokio::time::sleep(LOOK).await;
    }
}
