//! Fair turns: a reconcile may wait for Google or HubSpot for minutes, so what one namespace declares takes no turn of
//! another's.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Reconciles of one kind in one namespace at once.
pub(super) const TURNS: usize = 8;

/// The turns of each namespace, for the reconciles of one kind.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    namespaces: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A turn; over once it is dropped.
pub(crate) struct NamespaceTurn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits for a turn of this namespace: first come, first served.
    pub async fn take_turn(&self, namespace: &str) -> NamespaceTurn {
        let turns = self.turns_of(namespace);
        NamespaceTurn {
            // Only a closed semaphore gives none, and these are never closed.
            _permit: turns.acquire_owned().await.ok(),
        }
    }

    fn turns_of(&self, namespace: &str) -> Arc<Semaphore> {
        let mut namespaces = self.namespaces.lock();
        // Whoever has a turn or waits for one holds on to the namespace's semaphore.
        namespaces.retain(|name, turns| name == namespace || Arc::strong_count(turns) > 1);
        let turns = namespaces
            .entry(namespace.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(TURNS)));
        Arc::clone(turns)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_namespace_that_has_taken_all_its_turns_keeps_nobody_else_waiting() {
        let turns = Turns::default();
        let mut taken = Vec::new();
        for _ in 0..TURNS {
            taken.push(turns.take_turn("hostile").await);
        }
        let waits = |namespace| turns.take_turn(namespace).now_or_never().is_none();
        assert!(waits("hostile"), "its own turns are bounded");
        assert!(!waits("victim"));
        taken.pop();
        assert!(!waits("hostile"));
        drop(taken);
        drop(turns.take_turn("other").await);
        let kept = turns.namespaces.lock().len();
        assert_eq!(kept, 1, "namespaces that are done are forgotten");
    }
}
