//! What is remembered about accounts between two passes.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use parking_lot::Mutex;

use crate::controller::shared::object::Object;
use crate::domain::ids::ObjectKey;

/// What is remembered about accounts of one kind between two passes. Lost in a restart: it is found out again.
#[derive(Debug)]
pub struct StateStore<M>(Mutex<HashMap<ObjectKey, (String, M)>>);

impl<M> Default for StateStore<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M: Default> StateStore<M> {
    fn with_map<T>(&self, f: impl FnOnce(&mut HashMap<ObjectKey, (String, M)>) -> T) -> T {
        f(&mut self.0.lock())
    }

    /// Takes the memory of an object out; a fresh one where it is another object of the same name. It is put back when
    /// the guard goes, even if the pass is dropped in the midst of its work.
    pub(in crate::controller) fn take_state<K: Object>(&self, object: &K) -> HeldState<'_, M> {
        let (key, uid) = (object.key(), object.id());
        let found = self.with_map(|all| all.remove(&key));
        let memory = found.filter(|(owner, _)| *owner == uid).map(|(_, memory)| memory);
        HeldState {
            store: self,
            key,
            uid,
            memory: memory.unwrap_or_default(),
        }
    }

    /// Forgets an object that is gone.
    pub(in crate::controller) fn forget(&self, key: &ObjectKey) {
        self.with_map(|all| all.remove(key));
    }
}

/// The memory of one object during a pass.
pub struct HeldState<'a, M: Default> {
    store: &'a StateStore<M>,
    key: ObjectKey,
    uid: String,
    memory: M,
}

impl<M: Default> Deref for HeldState<'_, M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.memory
    }
}

impl<M: Default> DerefMut for HeldState<'_, M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.memory
    }
}

impl<M: Default> Drop for HeldState<'_, M> {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let (key, uid) = (self.key.clone(), std::mem::take(&mut self.uid));
        self.store.with_map(|all| all.insert(key, (uid, memory)));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::HubSpotAccount;

    fn object(uid: &str) -> HubSpotAccount {
        serde_json::from_value(json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount",
            "metadata": {"name": "a", "namespace": "b", "uid": uid}, "spec": {"credentialsSecretRef": {"name": "c"}},
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_pass_that_is_dropped_takes_no_memory_along() {
        let memories = StateStore::<u32>::default();
        let pass = async {
            let mut memory = memories.take_state(&object("1"));
            *memory += 7;
            std::future::pending::<()>().await;
        };
        assert!(futures::poll!(Box::pin(pass)).is_pending());
        assert_eq!(*memories.take_state(&object("1")), 7);
        assert_eq!(*memories.take_state(&object("2")), 0, "another object of the same name");
    }
}
