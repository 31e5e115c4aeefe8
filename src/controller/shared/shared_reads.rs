//! Full reads of Google accounts that are shared: one serves all who asked before it began, and an account is read at
//! most once in a few seconds however many events are new.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::ids::ObjectKey;
use crate::ports::UpstreamError;
use crate::registry::GoogleSnapshot;

/// Shortest time between two full reads of an account.
const GAP: Duration = Duration::from_secs(3);

/// Why a refresh did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RefreshError {
    /// The account is unknown, has no clients or was never read: wait for its controller.
    #[error("the Google account has not been read yet")]
    NotRead,
    /// Google refused or failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// The last full read of each account.
pub struct SharedReads {
    gap: Duration,
    reads: Mutex<HashMap<ObjectKey, SharedRead>>,
}

/// Held while an account is read, or while the time for that has not come.
type SharedRead = Arc<tokio::sync::Mutex<Option<LastRead>>>;

struct LastRead {
    begun: Instant,
    found: Result<Arc<GoogleSnapshot>, RefreshError>,
}

impl Default for SharedReads {
    fn default() -> Self {
        Self::with_gap(GAP)
    }
}

impl SharedReads {
    /// `gap`: shortest time between two full reads of an account.
    pub fn with_gap(gap: Duration) -> Self {
        Self {
            gap,
            reads: Mutex::default(),
        }
    }

    fn read_of(&self, key: &ObjectKey) -> SharedRead {
        self.reads.lock().entry(key.clone()).or_default().clone()
    }

    /// Forgets an account that is gone.
    pub fn forget_account(&self, key: &ObjectKey) {
        self.reads.lock().remove(key);
    }

    /// What a read shows that begins now or later: one of its own, or that of others who asked meanwhile.
    pub async fn read_once<F: Future<Output = Result<Arc<GoogleSnapshot>, RefreshError>>>(
        &self,
        key: &ObjectKey,
        read: impl FnOnce() -> F,
    ) -> Result<Arc<GoogleSnapshot>, RefreshError> {
        let asked = Instant::now();
        let shared = self.read_of(key);
        let mut last = shared.lock().await;
        if let Some(last) = last.as_ref() {
            if last.begun >= asked {
                return last.found.clone();
            }
            tokio::time::sleep_until((last.begun + self.gap).into()).await;
        }
        let begun = Instant::now();
        let found = read().await;
        *last = Some(LastRead {
            begun,
            found: found.clone(),
        });
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn one_read_serves_all_who_asked_before_it_began() {
        let reads = SharedReads::with_gap(Duration::from_millis(100));
        let count = AtomicUsize::new(0);
        let key = ObjectKey::new("ns", "acme");
        let ask = || {
            reads.read_once(&key, || async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                count.fetch_add(1, Ordering::Relaxed);
                Err(RefreshError::NotRead)
            })
        };
        let start = Instant::now();
        join_all((0..200).map(|_| ask())).await;
        let read = count.load(Ordering::Relaxed);
        assert!(
            read <= 2,
            "{read}: the first one's, and one for all who asked while it was under way"
        );
        ask().await.unwrap_err();
        assert!(start.elapsed() >= Duration::from_millis(100), "not sooner");
    }
}
