//! Memory for answers that are still coming: their texts while they are read, and what searches keep of their pages.
//!
//! A share grows step by step with the bytes that have really come. If there is no room for a step, the share that has
//! made no step for the longest time is given up, once that is longer than [`PATIENCE`]: a service whose answers
//! trickle loses its own, and quick answers wait no longer than that. A share that itself waits for room is not behind:
//! only if no other is left, the largest of those that wait is given up. New shares have only one half of the pool to
//! begin in, so that those inside can grow and end, and few need to be given up.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long an answer may make no step before it is given up because others need the room.
pub const PATIENCE: Duration = Duration::from_millis(250);

/// Why an answer has no room, as a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRoom(pub &'static str);

/// No room became free in time.
pub const NO_ROOM: OutOfRoom = OutOfRoom("the answer is large, and other large answers left no memory for it in time");
/// Quicker answers needed the room.
pub const TOO_SLOW: OutOfRoom = OutOfRoom("the answer is large and came too slowly while memory was short");

/// A pool of memory for several shares that grow.
pub struct GrowingPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    size: usize,
    holders: Mutex<Holders>,
    /// Notified when an answer has given back its share.
    freed: Notify,
    /// The turns to wait for room: of shares that have none yet, and of shares that need more.
    beginning: tokio::sync::Mutex<()>,
    growing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Holders {
    last: u64,
    all: BTreeMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    bytes: usize,
    /// When it made its last step.
    moved: Instant,
    /// True while it waits for room, which is not its own delay.
    waits: bool,
    /// True once all of it has come: it will end by itself.
    complete: bool,
    given_up: CancellationToken,
}

/// Whether there was room, or else when to check again: once an answer that makes no progress may be given up.
enum Taken {
    Yes,
    Later(Option<Instant>),
}

/// A part of a pool; it is given back when dropped.
#[derive(Debug)]
pub struct GrowingShare {
    pool: Arc<Inner>,
    id: u64,
    bytes: usize,
    given_up: CancellationToken,
}

impl GrowingPool {
    /// A pool of this many bytes.
    pub fn new(size: usize) -> Self {
        Self(Arc::new(Inner {
            size,
            holders: Mutex::default(),
            freed: Notify::new(),
            beginning: tokio::sync::Mutex::default(),
            growing: tokio::sync::Mutex::default(),
        }))
    }

    /// An empty share.
    pub fn share(&self) -> GrowingShare {
        let given_up = CancellationToken::new();
        let id = self.0.lock_holders().join(given_up.clone());
        GrowingShare {
            pool: Arc::clone(&self.0),
            id,
            bytes: 0,
            given_up,
        }
    }
}

impl GrowingShare {
    /// Its size in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes a step to `bytes` in all, and waits for the room.
    ///
    /// # Errors
    /// Where there was no room before `ends`, or this share was given up.
    pub async fn grow(&mut self, bytes: usize, ends: Instant) -> Result<(), OutOfRoom> {
        let begins = self.bytes == 0;
        self.waits(true);
        tokio::select! {
            biased;
            () = self.given_up.cancelled() => return Err(TOO_SLOW),
            grown = timeout_at(ends, self.pool.take_room(self.id, begins, bytes)) => grown.map_err(|_| NO_ROOM)?,
        }
        self.bytes = bytes;
        self.waits(false);
        Ok(())
    }

    fn waits(&self, waits: bool) {
        if let Some(holder) = self.pool.lock_holders().all.get_mut(&self.id) {
            holder.waits = waits;
        }
    }

    /// Marks that all of it has come: it is not given up any more, and others wait until it is dropped.
    pub fn complete(&self) {
        if let Some(holder) = self.pool.lock_holders().all.get_mut(&self.id) {
            holder.complete = true;
        }
    }

    /// Waits until this share is given up. Its holder has to drop it then.
    pub async fn given_up(&self) -> OutOfRoom {
        self.given_up.cancelled().await;
        TOO_SLOW
    }
}

impl Drop for GrowingShare {
    fn drop(&mut self) {
        self.pool.lock_holders().all.remove(&self.id);
        self.pool.freed.notify_waiters();
    }
}

impl Inner {
    fn lock_holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock()
    }

    /// Takes this many bytes for a share, in its turn.
    async fn take_room(&self, id: u64, begins: bool, bytes: usize) {
        let (turn, size) = if begins {
            (&self.beginning, self.size / 2)
        } else {
            (&self.growing, self.size)
        };
        let _turn = turn.lock().await;
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Registered before the check, so that no share given back meanwhile is missed.
            freed.as_mut().enable();
            let again = match self.lock_holders().take(id, bytes, size) {
                Taken::Yes => return,
                Taken::Later(again) => again,
            };
            match again {
                Some(again) => tokio::select! {
                    () = freed => {}
                    () = sleep_until(again) => {}
                },
                None => freed.await,
            }
        }
    }
}

impl Holders {
    fn join(&mut self, given_up: CancellationToken) -> u64 {
        self.last += 1;
        let holder = Holder {
            bytes: 0,
            moved: Instant::now(),
            waits: false,
            complete: false,
            given_up,
        };
        self.all.insert(self.last, holder);
        self.last
    }

    /// Takes this many bytes for a share if all together have no more than `size` then, or else gives up the share that
    /// is behind.
    fn take(&mut self, id: u64, bytes: usize, size: usize) -> Taken {
        let others = || {
            self.all
                .iter()
                .filter(|(other, _)| **other != id)
                .map(|(_, holder)| holder)
        };
        let held: usize = others().map(|holder| holder.bytes).sum();
        if held == 0 || held + bytes <= size {
            if let Some(holder) = self.all.get_mut(&id) {
                (holder.bytes, holder.moved) = (bytes, Instant::now());
            }
            return Taken::Yes;
        }
        let leaving = others().filter(|holder| holder.given_up.is_cancelled());
        let leaving: usize = leaving.map(|holder| holder.bytes).sum();
        if held - leaving + bytes <= size {
            return Taken::Later(None);
        }
        let stays = |holder: &&Holder| holder.bytes > 0 && !holder.complete && !holder.given_up.is_cancelled();
        // A share that waits for room itself is given up only if all of them wait.
        let order = |holder: &&Holder| {
            let bytes = if holder.waits { holder.bytes } else { 0 };
            (holder.waits, Reverse(bytes), holder.moved)
        };
        let Some(slowest) = self.all.values().filter(stays).min_by_key(order) else {
            return Taken::Later(None);
        };
        let until = slowest.moved + PATIENCE;
        if Instant::now() < until {
            return Taken::Later(Some(until));
        }
        if others().any(|holder| stays(&holder)) {
            slowest.given_up.cancel();
            // Giving up one may not be enough: check again at once.
            return Taken::Later(Some(Instant::now()));
        }
        Taken::Later(None)
    }
}

#[cfg(test)]
#[path = "growing_tests.rs"]
mod tests;
