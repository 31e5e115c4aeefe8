//! How much memory the answers of all services may take together. Limits of single answers bound a process only if few of
//! them come at a time; somebody who answers many accounts' calls at once is held to what the process has.
//!
//! There is one pool for each thing that an answer becomes: its text, its parsed values, and what a search keeps of its
//! pages. Whoever holds a share of one waits for a later pool only (kept, text, parsed in this order). Of parsed values it
//! takes what it needs at once, and holds them across no wait; the others are held while a service is waited for, so that
//! whoever makes no progress there is given up (see [`super::growing`]). So no answer waits for one that waits for it, nor
//! for a service that is slow to answer another call.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::growing::GrowingPool;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// So much of each answer takes nothing of a pool, so that small ones wait for nobody. Hundreds may come at a time: what is
/// free for each of them has to be little.
pub const FREE: usize = 32 * KIB;

/// What searches keep of their pages until they end. The first pool.
pub static KEPT: LazyLock<GrowingPool> = LazyLock::new(|| GrowingPool::new(32 * MIB));
/// Texts of answers while they are read and parsed. The second pool.
pub static TEXT: LazyLock<GrowingPool> = LazyLock::new(|| GrowingPool::new(32 * MIB));
/// Parsed answers. The last pool.
pub static PARSED: LazyLock<Pool> = LazyLock::new(|| Pool::new(64 * MIB));

/// Tests that fill the pools, or need much of them, take turns: the pools are those of the process, and so of all tests.
#[cfg(test)]
pub static TURN_OF_TESTS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Memory for several answers, handed out first come, first served.
pub struct Pool {
    permits: Arc<Semaphore>,
    size: usize,
}

/// A part of a pool; goes back when it is dropped. The default one is empty.
#[derive(Debug, Default)]
pub struct Share(Option<OwnedSemaphorePermit>);

impl Pool {
    /// A pool of so many bytes.
    pub fn new(size: usize) -> Self {
        let permits = Arc::new(Semaphore::new(size / KIB));
        Self { permits, size }
    }

    /// Waits for a share of so many bytes; `None` if there was none before `ends`. Nothing is taken for what is not larger
    /// than [`FREE`], and all of the pool for what is larger than it.
    pub async fn take_share(&self, bytes: usize, ends: Instant) -> Option<Share> {
        if bytes <= FREE {
            return Some(Share(None));
        }
        let wanted = u32::try_from(bytes.min(self.size) / KIB).unwrap_or(u32::MAX);
        let turn = Arc::clone(&self.permits).acquire_many_owned(wanted);
        match tokio::time::timeout_at(ends, turn).await {
            Ok(Ok(permit)) => Some(Share(Some(permit))),
            // Too late; or the semaphore is closed, which never happens here.
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

impl Share {
    /// True if it holds nothing.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// When a call that may take so long has to have ended.
pub fn ends_in(limit: Duration) -> Instant {
    Instant::now() + limit
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    fn soon() -> Instant {
        ends_in(SOON)
    }

    #[tokio::test]
    async fn shares_of_all_together_are_no_more_than_the_pool() {
        let pool = Pool::new(8 * MIB);
        let first = pool.take_share(5 * MIB, soon()).await.unwrap();
        assert!(pool.take_share(4 * MIB, soon()).await.is_none(), "only 3 MiB are left");
        let second = pool.take_share(3 * MIB, soon()).await.unwrap();
        assert!(!first.is_empty() && !second.is_empty());
        drop(first);
        assert!(pool.take_share(5 * MIB, soon()).await.is_some());
    }

    #[tokio::test]
    async fn what_is_small_waits_for_nobody_and_what_is_huge_for_all() {
        let pool = Pool::new(8 * MIB);
        let all = pool.take_share(usize::MAX, soon()).await.unwrap();
        assert!(pool.take_share(FREE + KIB, soon()).await.is_none());
        assert!(pool.take_share(FREE, soon()).await.unwrap().is_empty());
        drop(all);
    }

    #[tokio::test]
    async fn a_large_one_has_its_turn_before_those_that_come_after_it() {
        let pool = Arc::new(Pool::new(8 * MIB));
        let held = pool.take_share(5 * MIB, soon()).await.unwrap();
        let large = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.take_share(8 * MIB, ends_in(SOON * 100)).await }
        });
        while pool
            .take_share(2 * MIB, ends_in(Duration::from_millis(1)))
            .await
            .is_some()
        {
            tokio::task::yield_now().await;
        }
        drop(held);
        assert!(large.await.unwrap().is_some());
    }
}
