//! What is remembered about accounts between two passes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::controller::Object;
use crate::domain::ids::ObjectKey;

/// What is remembered about accounts of one kind between two passes. Lost in a restart: it is found out again.
#[derive(Debug)]
pub struct Memories<M>(Mutex<HashMap<ObjectKey, (String, M)>>);

impl<M> Default for Memories<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M: Default> Memories<M> {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<ObjectKey, (String, M)>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the memory of an object out; a fresh one where it is another object of the same name.
    pub(in crate::controller) fn take<K: Object>(&self, object: &K) -> M {
        let found = self.with(|all| all.remove(&object.key()));
        found
            .filter(|(uid, _)| *uid == object.id())
            .map(|(_, memory)| memory)
            .unwrap_or_default()
    }

    /// Puts it back after the pass.
    pub(in crate::controller) fn put<K: Object>(&self, object: &K, memory: M) {
        self.with(|all| all.insert(object.key(), (object.id(), memory)));
    }

    /// Forgets an object that is gone.
    pub(in crate::controller) fn forget(&self, key: &ObjectKey) {
        self.with(|all| all.remove(key));
    }
}
