//! Bounds the memory of all services' answers together. Limits of single answers bound a process only if few of them
//! come at a time; these pools also hold when many accounts' calls are answered at once.
//!
//! There is one pool for each form of an answer: what a search keeps of its pages, texts, and parsed values. The holder
//! of a share waits only for pools that are later in this order. A share of parsed values is taken at once, and is held
//! across no wait. Shares of the other two are held while a service is waited for, so an answer that makes no progress
//! there is given up (see [`super::growing`]). Thus no two answers wait for each other, and none waits for a service
//! that is slow to answer another call.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::growing::GrowingPool;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Size up to which an answer needs no share, so that small ones
/// never wait. Hundreds may come at a time, so it has to be small.
pub const FREE: usize = 32 * KIB;

/// The first pool: what searches keep of their pages until they end.
pub static KEPT: LazyLock<GrowingPool> = LazyLock::new(|| GrowingPool::new(32 * MIB));
/// The second pool: texts of answers while they are read and parsed.
pub static TEXT: LazyLock<GrowingPool> = LazyLock::new(|| GrowingPool::new(32 * MIB));
/// The last pool: parsed answers.
pub static PARSED: LazyLock<Pool> = LazyLock::new(|| Pool::new(64 * MIB));

/// Tests that fill the pools, or need much of them, take turns:
/// the pools are those of the process, and so of all tests.
#[cfg(test)]
pub static TURN_OF_TESTS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Memory for several answers, handed out first come, first served.
pub struct Pool {
    permits: Arc<Semaphore>,
    size: usize,
}

/// A part of a pool; it is given back when dropped. The default one is empty.
#[derive(Debug, Default)]
pub struct Share(Option<OwnedSemaphorePermit>);

impl Pool {
    /// A pool of this many bytes.
    pub fn new(size: usize) -> Self {
        let permits = Arc::new(Semaphore::new(size / KIB));
        Self { permits, size }
    }

    /// Waits for a share of this many bytes; `None` if there was none before `ends`. Takes nothing for sizes up to
    /// [`FREE`], and the whole pool for sizes beyond it.
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

/// The deadline of a call that may take this long.
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
