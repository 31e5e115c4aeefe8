#![allow(clippy::unwrap_used)]

use super::*;
use crate::upstream::http::memory::ends_in;

const MIB: usize = 1 << 20;
const POOL: usize = 8 * MIB;
const LONG: Duration = Duration::from_secs(30);
/// On a busy machine too; far below `LONG`.
const QUICKLY: Duration = Duration::from_secs(5);

fn pool() -> Arc<GrowingPool> {
    Arc::new(GrowingPool::new(POOL))
}

async fn holding(pool: &GrowingPool, bytes: usize) -> GrowingShare {
    let mut share = pool.share();
    share.grow(bytes, ends_in(LONG)).await.unwrap();
    share
}

/// All who hold a share have made no step for longer than the patience lasts.
fn fall_silent(pool: &GrowingPool) {
    for holder in pool.0.lock_holders().all.values_mut() {
        holder.moved -= 2 * PATIENCE;
    }
}

/// A reader whose service falls silent: it holds its share until it is given up.
async fn silent(pool: Arc<GrowingPool>, bytes: usize) -> OutOfRoom {
    let mut share = pool.share();
    match share.grow(bytes, ends_in(LONG)).await {
        Ok(()) => share.given_up().await,
        Err(short) => short,
    }
}

#[tokio::test]
async fn a_share_without_steps_is_given_up_for_one_that_needs_the_room() {
    let pool = pool();
    let crowd: Vec<_> = (0..40).map(|_| tokio::spawn(silent(Arc::clone(&pool), MIB))).collect();
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let mut quick = holding(&pool, MIB).await;
    for step in 2..=8 {
        quick.grow(step * MIB, ends_in(LONG)).await.unwrap();
    }
    assert!(begun.elapsed() < QUICKLY, "{:?}", begun.elapsed());
    assert!(!quick.given_up.is_cancelled());
    for task in crowd {
        assert_eq!(task.await.unwrap(), TOO_SLOW);
    }
}

#[tokio::test]
async fn a_share_that_waits_for_room_is_not_given_up_for_waiting() {
    let pool = pool();
    let mut early = holding(&pool, MIB).await;
    fall_silent(&pool);
    let crowd: Vec<_> = (0..2).map(|_| tokio::spawn(silent(Arc::clone(&pool), MIB))).collect();
    tokio::task::yield_now().await;
    let mut late = holding(&pool, MIB).await;
    let (first, second) = tokio::join!(early.grow(6 * MIB, ends_in(LONG)), late.grow(2 * MIB, ends_in(LONG)));
    assert_eq!((first, second), (Ok(()), Ok(())), "the last step of one is the oldest");
    for task in crowd {
        assert_eq!(task.await.unwrap(), TOO_SLOW);
    }
}

#[tokio::test]
async fn where_all_wait_the_largest_is_given_up() {
    let pool = pool();
    let mut small = holding(&pool, MIB).await;
    let (mut large, mut other) = (holding(&pool, MIB).await, holding(&pool, MIB).await);
    large.grow(4 * MIB, ends_in(LONG)).await.unwrap();
    other.grow(2 * MIB, ends_in(LONG)).await.unwrap();
    let (first, second, third) = tokio::join!(
        small.grow(3 * MIB, ends_in(LONG)),
        async move { large.grow(5 * MIB, ends_in(LONG)).await },
        other.grow(4 * MIB, ends_in(LONG))
    );
    assert_eq!((first, second, third), (Ok(()), Err(TOO_SLOW), Ok(())));
}

#[tokio::test]
async fn nobody_is_given_up_while_there_is_room() {
    let pool = pool();
    let slow = holding(&pool, 2 * MIB).await;
    let mut other = holding(&pool, 2 * MIB).await;
    fall_silent(&pool);
    other.grow(4 * MIB, ends_in(LONG)).await.unwrap();
    assert!(!slow.given_up.is_cancelled() && !other.given_up.is_cancelled());
}

#[tokio::test]
async fn shares_that_need_more_do_not_wait_for_each_other() {
    let pool = pool();
    let (mut one, mut two) = (holding(&pool, 3 * MIB).await, holding(&pool, MIB).await);
    let begun = Instant::now();
    let (first, second) = tokio::join!(
        async move { one.grow(8 * MIB, ends_in(LONG)).await },
        two.grow(6 * MIB, ends_in(LONG))
    );
    assert_eq!((first, second), (Err(TOO_SLOW), Ok(())));
    assert!(begun.elapsed() < QUICKLY);
}

#[tokio::test]
async fn all_together_hold_no_more_than_the_pool() {
    let pool = pool();
    let mut tasks = Vec::new();
    for _ in 0..30 {
        let pool = Arc::clone(&pool);
        tasks.push(tokio::spawn(async move {
            let mut share = pool.share();
            for step in 1..=4 {
                if share.grow(step * MIB, ends_in(LONG)).await.is_err() {
                    return 0;
                }
                let held: usize = pool.0.lock_holders().all.values().map(|holder| holder.bytes).sum();
                assert!(held <= POOL, "{held}");
                tokio::task::yield_now().await;
            }
            1
        }));
    }
    let mut ended = 0;
    for task in tasks {
        ended += task.await.unwrap();
    }
    assert!(ended > 0, "somebody gets through");
    assert!(pool.0.lock_holders().all.is_empty());
}

#[tokio::test]
async fn what_is_complete_is_waited_for() {
    let pool = pool();
    let complete = holding(&pool, POOL).await;
    complete.complete();
    let mut late = pool.share();
    assert_eq!(late.grow(MIB, ends_in(2 * PATIENCE)).await, Err(NO_ROOM));
    assert!(!complete.given_up.is_cancelled());
    drop((complete, late));
    holding(&pool, MIB).await;
}
