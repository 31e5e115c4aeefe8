//! Wakes an uploader once the rows that may go at once fill a request,
//! so that they go before the reads that found them grow old.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::ids::ObjectKey;

/// About the rows of a request. Fewer wait for the uploader's next round.
const FULL: usize = 2_000;

/// Fewer are not worth a request before the next round.
const WORTH: usize = 200;

/// Rows noted since the uploader of each ad account was woken last.
#[derive(Default)]
pub(crate) struct DueRows(Mutex<BTreeMap<ObjectKey, Arc<Counter>>>);

#[derive(Default)]
struct Counter {
    rows: AtomicUsize,
    full: Notify,
}

impl DueRows {
    /// Counts rows of this ad account that may go at once.
    pub(crate) fn add_rows(&self, account: &ObjectKey, rows: usize) {
        let counter = self.counter(account);
        if counter.rows.fetch_add(rows, Ordering::Relaxed) + rows >= FULL {
            counter.rows.store(0, Ordering::Relaxed);
            counter.full.notify_one();
        }
    }

    /// No more are coming: what is there goes, if it is worth a request of its own.
    pub(crate) fn flush_rows(&self, account: &ObjectKey) {
        let counter = self.counter(account);
        if counter.rows.swap(0, Ordering::Relaxed) >= WORTH {
            counter.full.notify_one();
        }
    }

    /// Waits until there are enough for a request. May be dropped at any time.
    pub(crate) async fn wait_until_full(&self, account: &ObjectKey) {
        self.counter(account).full.notified().await;
    }

    /// Forgets all accounts but these.
    pub(crate) fn keep_accounts(&self, is_known: impl Fn(&ObjectKey) -> bool) {
        self.0.lock().retain(|account, _| is_known(account));
    }

    fn counter(&self, account: &ObjectKey) -> Arc<Counter> {
        self.0.lock().entry(account.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn an_uploader_is_woken_by_a_full_request_of_its_own() {
        let (due, own, other) = (DueRows::default(), ObjectKey::new("ns", "a"), ObjectKey::new("ns", "b"));
        let woken = || due.wait_until_full(&own).now_or_never().is_some();
        due.add_rows(&own, FULL - 1);
        due.add_rows(&other, FULL);
        assert!(!woken());
        due.add_rows(&own, 1);
        assert!(woken(), "also where nobody waited at that moment");
        due.add_rows(&own, FULL - 1);
        assert!(!woken(), "counted anew");
        due.flush_rows(&own);
        assert!(woken(), "the last ones of a scan");
        due.add_rows(&own, WORTH - 1);
        due.flush_rows(&own);
        assert!(!woken(), "few wait for the next round");
    }
}
