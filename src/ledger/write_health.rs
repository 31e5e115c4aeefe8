//! Whether writes come to their end, for those who ask whether this process can still work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::ports::ledger::{LedgerError, LedgerResult};

/// A write that takes longer is worth telling.
const LONG: Duration = Duration::from_secs(2);

/// How writes fared of late. Copies are of the same writes.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteHealth(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    /// When the first write began that has not succeeded, with none that succeeded since.
    since: Option<Instant>,
    /// Why the last one failed.
    failure: Option<LedgerError>,
}

/// What is wrong with writes.
#[derive(Debug)]
pub(super) enum Trouble {
    /// One is under way for so long, or waits for the one before.
    Slow(Duration),
    /// The last one failed, and none is under way.
    Failed,
}

/// A write that is under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Attempt(WriteHealth);

impl WriteHealth {
    pub(super) fn begin(&self) -> Attempt {
        let mut state = self.0.lock();
        state.under_way += 1;
        state.since.get_or_insert_with(Instant::now);
        Attempt(self.clone())
    }

    /// `None` while writes succeed.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let state = self.0.lock();
        let since = state.since?;
        if state.under_way == 0 {
            return Some(Trouble::Failed);
        }
        (since.elapsed() >= LONG).then(|| Trouble::Slow(since.elapsed()))
    }

    /// Why the last write failed, if it did.
    pub(super) fn failure(&self) -> Option<LedgerError> {
        self.0.lock().failure.clone()
    }
}

impl Attempt {
    /// It has come to its end, this one.
    pub(super) fn end<T>(self, result: &LedgerResult<T>) {
        let mut state = self.0.0.lock();
        match result {
            Ok(_) => {
                // Others that are under way have waited for this one.
                state.since = (state.under_way > 1).then(Instant::now);
                state.failure = None;
            }
            Err(error) => state.failure = Some(error.clone()),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.under_way = state.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::error::own_error;

    #[test]
    fn a_failure_is_told_until_the_next_write_succeeds() {
        let health = WriteHealth::default();
        assert!(health.trouble().is_none());
        health.begin().end(&LedgerResult::<()>::Err(own_error("no")));
        assert!(matches!(health.trouble(), Some(Trouble::Failed)));
        assert_eq!(health.failure().map(|error| error.message).as_deref(), Some("no"));
        // Broken off: nobody knows.
        drop(health.begin());
        assert!(matches!(health.trouble(), Some(Trouble::Failed)));
        health.begin().end(&Ok(()));
        assert!(health.trouble().is_none() && health.failure().is_none());
    }

    #[test]
    fn one_that_waits_for_another_is_told_only_if_none_succeeds() {
        let health = WriteHealth::default();
        let long = Instant::now().checked_sub(LONG);
        let (first, second) = (health.begin(), health.begin());
        assert!(health.trouble().is_none(), "they have only begun");
        health.0.lock().since = long;
        assert!(matches!(health.trouble(), Some(Trouble::Slow(_))));
        first.end(&Ok(()));
        assert!(health.trouble().is_none(), "the second one begins now");
        health.0.lock().since = long;
        assert!(matches!(health.trouble(), Some(Trouble::Slow(_))));
        second.end(&Ok(()));
        assert!(health.trouble().is_none());
    }
}
