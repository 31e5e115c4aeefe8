//! An index: finds values by keys without going through all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Values by keys. A value may have any number of keys, and is found under exactly those that it was last given.
///
/// Each key and each value is stored once: with ten thousand events this is one of the largest things in memory.
#[derive(Debug)]
pub struct Index<K, V> {
    /// In their order.
    values: BTreeMap<Arc<K>, Vec<Arc<V>>>,
    keys: BTreeMap<Arc<V>, Box<[Arc<K>]>>,
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }
}

impl<K: Ord, V: Ord + Clone> Index<K, V> {
    /// Puts a value under these keys and no others.
    pub fn set(&mut self, value: &V, keys: BTreeSet<K>) {
        // Most values that are set again have the same keys.
        let before = self.keys.get(value);
        if before.is_some_and(|before| before.iter().map(Arc::as_ref).eq(&keys)) {
            return;
        }
        self.remove(value);
        let value = Arc::new(value.clone());
        let keys = keys.into_iter().map(|key| self.put(key, &value)).collect();
        self.keys.insert(value, keys);
    }

    /// Puts a value under one more key. Returns the stored key.
    fn put(&mut self, key: K, value: &Arc<V>) -> Arc<K> {
        let known = self.values.get_key_value(&key).map(|(known, _)| Arc::clone(known));
        let key = known.unwrap_or_else(|| Arc::new(key));
        let values = self
            .values
            .entry(Arc::clone(&key))
            .or_insert_with(|| Vec::with_capacity(1));
        if let Err(place) = values.binary_search(value) {
            values.insert(place, Arc::clone(value));
        }
        key
    }

    /// Takes a value out.
    pub fn remove(&mut self, value: &V) {
        for key in self.keys.remove(value).unwrap_or_default() {
            if let Some(values) = self.values.get_mut(&key) {
                if let Ok(place) = values.binary_search_by(|known| known.as_ref().cmp(value)) {
                    values.remove(place);
                }
                if values.is_empty() {
                    self.values.remove(&key);
                }
            }
        }
    }

    /// The values under a key, in their order.
    pub fn get(&self, key: &K) -> impl Iterator<Item = &V> {
        self.values.get(key).into_iter().flatten().map(Arc::as_ref)
    }

    /// True if a value stands under the key.
    pub fn has(&self, key: &K) -> bool {
        self.values.contains_key(key)
    }

    /// True if this value stands under the key.
    pub fn is_under(&self, key: &K, value: &V) -> bool {
        let keys = self.keys.get(value);
        keys.is_some_and(|keys| keys.iter().any(|known| known.as_ref() == key))
    }

    /// All values that were set, those without a key too.
    pub fn all(&self) -> impl Iterator<Item = &V> {
        self.keys.keys().map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    type Keys = BTreeSet<u8>;

    proptest! {
        /// Whatever was set and removed before: what the index finds is what going through all would find.
        #[test]
        fn finds_what_a_scan_finds(steps in vec((0_u8..6, prop::option::of(btree_set(0_u8..5, 0..4))), 0..60)) {
            let mut index = Index::default();
            let mut all: BTreeMap<u8, Keys> = BTreeMap::new();
            for (value, keys) in steps {
                if let Some(keys) = keys {
                    index.set(&value, keys.clone());
                    all.insert(value, keys);
                } else {
                    index.remove(&value);
                    all.remove(&value);
                }
                for key in 0..5 {
                    let scanned: Vec<_> = all.iter().filter(|(_, keys)| keys.contains(&key)).map(|(v, _)| v).collect();
                    prop_assert_eq!(index.get(&key).collect::<Vec<_>>(), scanned.clone());
                    prop_assert_eq!(index.has(&key), !scanned.is_empty());
                    prop_assert!((0..6).all(|value| index.is_under(&key, &value) == scanned.contains(&&value)));
                }
                prop_assert_eq!(index.all().collect::<Vec<_>>(), all.keys().collect::<Vec<_>>());
                let used: BTreeSet<_> = all.values().flatten().copied().collect();
                prop_assert_eq!(index.values.len(), used.len(), "nothing is kept for keys without a value");
            }
        }
    }
}
