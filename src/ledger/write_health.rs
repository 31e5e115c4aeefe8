//! Whether writes succeed, for the checks that ask whether this process can still work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::ports::ledger::{LedgerError, LedgerResult};

/// A write that takes longer is reported.
const LONG: Duration = Duration::from_secs(2);

/// The record of recent writes. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteHealth(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    /// When the first write since the last success began, unless that has succeeded.
    since: Option<Instant>,
    /// Why the last write failed.
    failure: Option<LedgerError>,
}

/// What is wrong with writes.
#[derive(Debug)]
pub(super) enum WriteTrouble {
    /// A write has been under way for this long, or has waited for the one before.
    Slow(Duration),
    /// The last write failed, and none is under way.
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
    pub(super) fn trouble(&self) -> Option<WriteTrouble> {
        let state = self.0.lock();
        let since = state.since?;
        if state.under_way == 0 {
            return Some(WriteTrouble::Failed);
        }
        (since.elapsed() >= LONG).then(|| WriteTrouble::Slow(since.elapsed()))
    }

    /// Why the last write failed, if it did.
    pub(super) fn failure(&self) -> Option<LedgerError> {
        self.0.lock().failure.clone()
    }
}

impl Attempt {
    /// Notes the result of this write.
    pub(super) fn end<T>(self, result: &LedgerResult<T>) {
        let mut state = self.0.0.lock();
        match result {
            Ok(_) => {
                // Others that are under way have waited for this one, so their time begins now.
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
    fn a_failure_is_reported_until_the_next_write_succeeds() {
        let health = WriteHealth::default();
        assert!(health.trouble().is_none());
        health.begin().end(&LedgerResult::<()>::Err(own_error("no")));
        assert!(matches!(health.trouble(), Some(WriteTrouble::Failed)));
        assert_eq!(health.failure().map(|error| error.message).as_deref(), Some("no"));
        // A write that was broken off proves nothing.
        drop(health.begin());
        assert!(matches!(health.trouble(), Some(WriteTrouble::Failed)));
        health.begin().end(&Ok(()));
        assert!(health.trouble().is_none() && health.failure().is_none());
    }

    #[test]
    fn a_write_that_waits_for_another_is_slow_only_if_none_succeeds() {
        let health = WriteHealth::default();
        let long = Instant::now().checked_sub(LONG);
        let (first, second) = (health.begin(), health.begin());
        assert!(health.trouble().is_none(), "they have only begun");
        health.0.lock().since = long;
        assert!(matches!(health.trouble(), Some(WriteTrouble::Slow(_))));
        first.end(&Ok(()));
        assert!(health.trouble().is_none(), "the second one begins now");
        health.0.lock().since = long;
        assert!(matches!(health.trouble(), Some(WriteTrouble::Slow(_))));
        second.end(&Ok(()));
        assert!(health.trouble().is_none());
    }
}
