//! What is remembered of each account, within one bound for all accounts together: whoever may create accounts may
//! create many, and each of them may hold a lot.
//!
//! Where all together hold too much, the largest gives way. So no account loses anything while it has less than what
//! each would have if all had the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// The largest lets go of so much of what it has at a time, a quarter.
const PART: usize = 4;

/// Something that is remembered, and can be asked for again if it was let go.
pub(crate) trait Shrink: Default {
    /// What it takes in memory, about. Quick.
    fn size(&self) -> usize;
    /// Lets go until it has no more than so much.
    fn shrink(&mut self, to: usize);
}

/// What is remembered of one account.
pub(crate) struct Bounded<T: Shrink> {
    inner: Mutex<T>,
    room: Arc<SharedBound<T>>,
}

/// What all accounts together have.
struct SharedBound<T: Shrink> {
    most: usize,
    held: AtomicUsize,
    members: Mutex<Vec<Weak<Bounded<T>>>>,
}

/// What is remembered of all accounts.
pub(crate) struct PerAccount<K, T: Shrink> {
    room: Arc<SharedBound<T>>,
    of: Mutex<BTreeMap<K, Arc<Bounded<T>>>>,
}

impl<K: Ord + Clone, T: Shrink> PerAccount<K, T> {
    /// Nothing yet; later no more than `most` in all.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            room: Arc::new(SharedBound::new(most)),
            of: Mutex::default(),
        }
    }

    /// What is remembered of this account.
    pub(crate) fn of(&self, account: &K) -> Arc<Bounded<T>> {
        let mut of = self.of.lock();
        if let Some(known) = of.get(account) {
            return Arc::clone(known);
        }
        let new = Arc::new(Bounded {
            inner: Mutex::default(),
            room: Arc::clone(&self.room),
        });
        self.room.members.lock().push(Arc::downgrade(&new));
        of.insert(account.clone(), Arc::clone(&new));
        new
    }

    /// Forgets the accounts that are none of these. A loop that still works for one keeps what it has until it ends.
    pub(crate) fn keep(&self, wanted: impl Fn(&K) -> bool) {
        self.of.lock().retain(|account, _| wanted(account));
    }
}

impl<T: Shrink> Default for Bounded<T> {
    /// Of an account of its own, without a bound.
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            room: Arc::new(SharedBound::new(usize::MAX)),
        }
    }
}

impl<T: Shrink> Bounded<T> {
    /// Looks at what is remembered.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.inner.lock())
    }

    /// Changes what is remembered.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = self.count(change);
        self.room.make_room();
        result
    }

    /// Changes it, and counts it under the same lock.
    fn count<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut inner = self.inner.lock();
        let before = inner.size();
        let result = change(&mut inner);
        let after = inner.size();
        if after > before {
            self.room.held.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.room.held.fetch_sub(before - after, Ordering::Relaxed);
        }
        result
    }
}

impl<T: Shrink> Drop for Bounded<T> {
    fn drop(&mut self) {
        let size = self.inner.lock().size();
        self.room.held.fetch_sub(size, Ordering::Relaxed);
    }
}

impl<T: Shrink> SharedBound<T> {
    fn new(most: usize) -> Self {
        Self {
            most,
            held: AtomicUsize::new(0),
            members: Mutex::default(),
        }
    }

    fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.most
    }

    /// Has the largest give way until all together have no more than they may.
    fn make_room(&self) {
        if !self.is_full() {
            return;
        }
        let mut members = self.members.lock();
        members.retain(|member| member.strong_count() > 0);
        while self.is_full() {
            let size = |member: &Arc<Bounded<T>>| member.look(T::size);
            let all = members.iter().filter_map(Weak::upgrade);
            let Some(largest) = all.max_by_key(size) else { return };
            let freed = largest.count(|inner| {
                let before = inner.size();
                inner.shrink(before - before.div_ceil(PART));
                before.saturating_sub(inner.size())
            });
            if freed == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Bytes(Vec<u8>);

    impl Shrink for Bytes {
        fn size(&self) -> usize {
            self.0.len()
        }

        fn shrink(&mut self, to: usize) {
            self.0.truncate(to);
        }
    }

    const MOST: usize = 1000;

    fn put(all: &PerAccount<u8, Bytes>, account: u8, bytes: usize) {
        for _ in 0..bytes {
            all.of(&account).change(|known| known.0.push(0));
        }
    }

    fn size(all: &PerAccount<u8, Bytes>, account: u8) -> usize {
        all.of(&account).look(Shrink::size)
    }

    #[test]
    fn the_largest_gives_way_to_the_others() {
        let all = PerAccount::new(MOST);
        put(&all, 1, 100);
        put(&all, 2, 5000);
        assert_eq!(size(&all, 1), 100, "it has less than half");
        for account in 3..=10 {
            put(&all, account, 5000);
            let held: usize = (1..=10).map(|account| size(&all, account)).sum();
            assert!(held <= MOST && held > MOST / 2, "{held}");
        }
        let small = (1..=10).filter(|account| size(&all, *account) < 50);
        assert_eq!(small.count(), 0, "each has about a tenth, and none is emptied");
    }

    #[test]
    fn what_is_forgotten_makes_room_once_nobody_works_with_it() {
        let all = PerAccount::new(MOST);
        put(&all, 1, 900);
        let working = all.of(&1);
        all.keep(|account| *account != 1);
        assert_eq!(size(&all, 1), 0);
        put(&all, 2, 200);
        assert!(working.look(Shrink::size) < 900, "it counts as long as somebody has it");
        drop(working);
        put(&all, 2, 700);
        assert_eq!((size(&all, 2), all.room.held.load(Ordering::Relaxed)), (900, 900));
    }
}
