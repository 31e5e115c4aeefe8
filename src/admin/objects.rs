//! The events as the watches have seen them.

use std::sync::Arc;

use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::AdConversionEvent;
use crate::domain::ids::ObjectKey;

/// The stores of all watched namespaces.
#[derive(Clone, Default)]
pub struct EventStores {
    events: Vec<Store<AdConversionEvent>>,
}

/// The key of an object of a namespace.
pub(super) fn key_of(event: &AdConversionEvent) -> ObjectKey {
    let meta = &event.metadata;
    ObjectKey::new(
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}

impl EventStores {
    pub fn new(events: Vec<Store<AdConversionEvent>>) -> Self {
        Self { events }
    }

    pub(super) fn find_event(&self, key: &ObjectKey) -> Option<Arc<AdConversionEvent>> {
        let reference = ObjectRef::new(&key.name).within(&key.namespace);
        self.events.iter().find_map(|store| store.get(&reference))
    }

    /// All events, of one namespace or of all, ordered by namespace and name.
    pub(super) fn list_events(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<AdConversionEvent>)> {
        let all = self.events.iter().flat_map(Store::state);
        let mut found: Vec<_> = all.map(|event| (key_of(&event), event)).collect();
        found.retain(|(key, _)| namespace.is_none_or(|namespace| namespace == key.namespace));
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found
    }
}
