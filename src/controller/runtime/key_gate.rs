//! Keys of objects that wait for a turn of their namespace. At a start with ten thousand events all of them do. As keys
//! they take a megabyte; each would take several kilobytes as a reconcile that has been begun and waits.

use std::collections::{HashMap, HashSet, VecDeque};
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream;
use tokio::sync::mpsc::UnboundedReceiver;

use super::turns::TURNS;
use crate::domain::ids::ObjectKey;

/// Lets as many objects of a namespace through as it has turns, the next one when one of them is done.
#[derive(Debug, Default)]
pub(crate) struct KeyGate {
    namespaces: HashMap<String, Namespace>,
    /// What has passed and is not taken yet.
    passed: VecDeque<ObjectKey>,
}

/// Names of one namespace's objects.
#[derive(Debug, Default)]
struct Namespace {
    /// Reconciles of these are under way or about to be.
    admitted: HashSet<String>,
    waiting: VecDeque<String>,
    /// The names in `waiting`: whoever waits already does not wait twice.
    known: HashSet<String>,
}

impl KeyGate {
    /// A reconcile of this object is asked for. If it already waits for one, that one is enough: a reconcile looks at
    /// the object as it is when its turn comes.
    pub fn offer(&mut self, key: ObjectKey) {
        let namespace = self.namespaces.entry(key.namespace.clone()).or_default();
        if namespace.admitted.contains(&key.name) || namespace.admitted.len() < TURNS {
            // One that is under way runs once more after that: the controller sees to it.
            namespace.admitted.insert(key.name.clone());
            self.passed.push_back(key);
        } else if namespace.known.insert(key.name.clone()) {
            namespace.waiting.push_back(key.name);
        }
    }

    /// A reconcile of this object is done, or there is no such object.
    pub fn finish(&mut self, key: &ObjectKey) {
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else {
            return;
        };
        if namespace.admitted.remove(&key.name)
            && let Some(next) = namespace.waiting.pop_front()
        {
            namespace.known.remove(&next);
            namespace.admitted.insert(next.clone());
            self.passed.push_back(ObjectKey::new(&key.namespace, next));
        }
        if namespace.admitted.is_empty() {
            self.namespaces.remove(&key.namespace);
        }
    }

    /// The keys that pass, of those that come; `done` are the objects
    /// whose reconciles have ended. Ends when no more can come.
    pub fn stream(
        mut self,
        mut keys: impl FnMut(&mut Context<'_>) -> Poll<Option<ObjectKey>>,
        mut done: UnboundedReceiver<ObjectKey>,
    ) -> impl Stream<Item = ObjectKey> {
        stream::poll_fn(move |cx| {
            while let Poll::Ready(Some(key)) = done.poll_recv(cx) {
                self.finish(&key);
            }
            loop {
                if let Some(key) = self.passed.pop_front() {
                    return Poll::Ready(Some(key));
                }
                match keys(cx) {
                    Poll::Ready(Some(key)) => self.offer(key),
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn key(namespace: &str, name: usize) -> ObjectKey {
        ObjectKey::new(namespace, name.to_string())
    }

    fn passed(gate: &mut KeyGate) -> Vec<String> {
        gate.passed.drain(..).map(|key| key.to_string()).collect()
    }

    #[test]
    fn a_namespace_has_its_turns_and_keeps_no_other_waiting() {
        let mut gate = KeyGate::default();
        for name in 0..TURNS + 2 {
            gate.offer(key("many", name));
        }
        gate.offer(key("few", 0));
        let all = passed(&mut gate);
        assert_eq!((all.len(), all.last().map(String::as_str)), (TURNS + 1, Some("few/0")));
        gate.offer(key("many", TURNS));
        assert_eq!(passed(&mut gate), Vec::<String>::new(), "it waits already");
        gate.finish(&key("many", 3));
        assert_eq!(
            passed(&mut gate),
            [key("many", TURNS).to_string()],
            "first come, first served"
        );
        gate.offer(key("many", 5));
        assert_eq!(passed(&mut gate), ["many/5"], "one under way is asked for again");
        gate.finish(&key("many", 77));
        assert_eq!(
            passed(&mut gate),
            Vec::<String>::new(),
            "nobody of that name had a turn"
        );
    }

    proptest! {
        /// Whatever is asked for and done in which order: in the end everybody who was asked for has passed since, no
        /// more than the turns are under way, and nothing is kept.
        #[test]
        fn nobody_is_forgotten(steps in prop::collection::vec((0..3_usize, 0..20_usize, prop::bool::ANY), 0..200)) {
            let mut gate = KeyGate::default();
            let (mut asked, mut running) = (BTreeSet::new(), BTreeSet::new());
            let take = |gate: &mut KeyGate, asked: &mut BTreeSet<ObjectKey>, running: &mut BTreeSet<ObjectKey>| {
                while let Some(key) = gate.passed.pop_front() {
                    asked.remove(&key);
                    running.insert(key);
                }
            };
            for (namespace, name, done) in steps {
                let key = key(&namespace.to_string(), name);
                if done && running.remove(&key) {
                    gate.finish(&key);
                } else if !done {
                    asked.insert(key.clone());
                    gate.offer(key);
                }
                take(&mut gate, &mut asked, &mut running);
                prop_assert!(gate.namespaces.values().all(|n| n.admitted.len() <= TURNS));
            }
            while let Some(key) = running.pop_first() {
                gate.finish(&key);
                take(&mut gate, &mut asked, &mut running);
            }
            prop_assert!(asked.is_empty() && gate.namespaces.is_empty(), "{asked:?} {gate:?}");
        }
    }
}
