//! The watch of one kind in one scope: fills the cache, wakes the controller for changes that matter, and notices what
//! came and went.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use kube::core::error_boundary::InvalidObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use super::scope::scoped_api;
use super::unreadable;
use crate::controller::shared::context::{CacheWriter, Context};
use crate::controller::shared::lean::{FINALIZERS, Lean};
use crate::controller::shared::object::Object;
use crate::controller::shared::reconciler::Reconciler;
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::registry::Wake;

/// Most objects in one page of a list. There are fewer where they are large: see [`super::answers`].
const PAGE: u32 = 50;

/// What a watch keeps if it ends and is started again.
pub(crate) struct WatchState<K: Object> {
    /// The namespace; `None`: all.
    scope: Option<String>,
    writer: CacheWriter<K>,
    tracker: Tracker,
    /// What is still to be done about what was seen.
    due: WatchChanges,
}

impl<K: Object> WatchState<K> {
    /// Fills the cache of a namespace, or of all.
    pub(crate) fn new(scope: Option<String>, writer: CacheWriter<K>) -> Self {
        Self {
            scope,
            writer,
            tracker: Tracker::default(),
            due: WatchChanges::default(),
        }
    }

    /// Keeps the cache up to date for a process that stands by: nobody
    /// is woken and nothing is reported. May be dropped at any moment.
    pub(crate) async fn keep_warm(&mut self, client: Client) {
        let mut all = pin!(watch_objects::<K>(scoped_api(client, self.scope.as_deref())));
        while let Some(seen) = all.next().await {
            match seen {
                Ok(seen) => {
                    self.record(&seen);
                    // Nobody worked before: all is new to whoever begins to.
                    self.due = WatchChanges::default();
                }
                Err(error) => log_interruption::<K>(&error),
            }
        }
    }

    /// Has everything that is known looked at, by a process that begins to work.
    pub(crate) fn wake_known(&mut self) {
        self.due.wake = self.tracker.known.keys().cloned().map(K::to_wake).collect();
    }

    fn record(&mut self, seen: &Seen<K>) {
        match seen {
            Seen::Event(event) => self.record_event(event),
            // What it was before is no longer so.
            Seen::Unreadable(object) | Seen::UnreadableGone(object) => {
                if let Some(known) = self.writer.cached(&object.metadata) {
                    self.record_event(&Event::Delete(K::clone(&known)));
                }
            }
        }
    }

    fn record_event(&mut self, event: &Event<K>) {
        self.writer.apply_event(event);
        let WatchChanges { wake, gone } = self.tracker.changes_of(event);
        self.due.wake.extend(wake);
        self.due.gone.extend(gone);
    }

    /// Forgets what went, then wakes who is concerned. Nothing is due twice, even if this breaks.
    fn work_off<R: Reconciler<Object = K>>(&mut self, controller: &R, ctx: &Context) {
        while let Some(key) = self.due.gone.pop() {
            ctx.backoff.reset(K::KIND, &key);
            ctx.metrics.forget_object(K::KIND, &key);
            controller.object_gone(&key, ctx);
        }
        for wake in self.due.wake.drain(..) {
            ctx.registry.wake(wake);
        }
    }
}

/// Watches until `stop`.
pub(crate) async fn run_watch<R: Reconciler>(
    controller: Arc<R>,
    ctx: Arc<Context>,
    kept: &mut WatchState<R::Object>,
    stop: CancellationToken,
) {
    let all = watch_objects::<R::Object>(scoped_api(ctx.client.clone(), kept.scope.as_deref()));
    let mut all = pin!(all.take_until(stop.cancelled_owned()));
    // What a watch that ended before this one has left to do.
    kept.work_off(controller.as_ref(), &ctx);
    while let Some(seen) = all.next().await {
        match seen {
            Ok(seen) => {
                kept.record(&seen);
                kept.work_off(controller.as_ref(), &ctx);
                if let Seen::Unreadable(invalid) = seen {
                    unreadable::report::<R::Object>(&ctx, *invalid);
                }
            }
            Err(error) => log_interruption::<R::Object>(&error),
        }
    }
}

fn log_interruption<K: Object>(error: &watcher::Error) {
    tracing::warn!(kind = K::KIND, error = brief(error), "watch interrupted, it is resumed");
}

/// What a watch sees.
enum Seen<K: Object> {
    Event(Event<K>),
    /// An object that is left alone: it must not keep the others from being watched.
    Unreadable(Box<InvalidObject>),
    /// Such an object is gone.
    UnreadableGone(Box<InvalidObject>),
}

/// What happens to the objects.
fn watch_objects<K: Object>(api: Api<Lean<K>>) -> impl Stream<Item = watcher::Result<Seen<K>>> + Send {
    watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .map(|event| event.map(tell_apart))
}

fn tell_apart<K: Object>(event: Event<Lean<K>>) -> Seen<K> {
    let seen = |Lean(object): Lean<K>, as_event: fn(K) -> Event<K>| {
        let object = object.and_then(with_few_finalizers);
        object.map_or_else(Seen::Unreadable, |object| Seen::Event(as_event(object)))
    };
    match event {
        Event::Apply(object) => seen(object, Event::Apply),
        Event::InitApply(object) => seen(object, Event::InitApply),
        Event::Delete(Lean(Ok(object))) => Seen::Event(Event::Delete(object)),
        Event::Delete(Lean(Err(invalid))) => Seen::UnreadableGone(invalid),
        Event::Init => Seen::Event(Event::Init),
        Event::InitDone => Seen::Event(Event::InitDone),
    }
}

/// All finalizers have to be kept in memory, because our own is written together with them.
fn with_few_finalizers<K: Object>(object: K) -> Result<K, Box<InvalidObject>> {
    if object.finalizers().len() <= FINALIZERS {
        return Ok(object);
    }
    Err(Box::new(InvalidObject {
        error: format!("it has more than {FINALIZERS} finalizers"),
        metadata: object.meta().clone(),
    }))
}

/// What follows from an event of the watch.
#[derive(Debug, Default, PartialEq, Eq)]
struct WatchChanges {
    wake: Vec<Wake>,
    gone: Vec<ObjectKey>,
}

impl WatchChanges {
    fn object_gone(&mut self, key: ObjectKey, known: KnownObject) {
        self.wake.extend(known.neighbours);
        self.gone.push(key);
    }
}

#[derive(Debug)]
struct KnownObject {
    uid: String,
    fingerprint: u64,
    neighbours: Vec<Wake>,
    listed: bool,
}

/// Remembers what was seen of each object, so that a change of nothing but the status (our own writes) wakes nobody,
/// and so that what went while the watch was down is noticed.
#[derive(Debug, Default)]
struct Tracker {
    known: HashMap<ObjectKey, KnownObject>,
    /// While a list is being received the cache still holds the old objects: wakes wait until it is complete.
    held: Option<WatchChanges>,
}

impl Tracker {
    fn changes_of<K: Object>(&mut self, event: &Event<K>) -> WatchChanges {
        match event {
            Event::Init => {
                self.known.values_mut().for_each(|k| k.listed = false);
                // A list that broke off has shown some of what is due, and the next one finds nothing new in that.
                self.held.get_or_insert_default();
                WatchChanges::default()
            }
            Event::InitApply(object) => {
                let mut held = self.held.take().unwrap_or_default();
                self.track_object(object, &mut held);
                self.held = Some(held);
                WatchChanges::default()
            }
            Event::InitDone => {
                let mut changes = self.held.take().unwrap_or_default();
                for (key, known) in self.known.extract_if(|_, known| !known.listed) {
                    changes.object_gone(key, known);
                }
                changes
            }
            Event::Apply(object) => {
                let mut changes = WatchChanges::default();
                self.track_object(object, &mut changes);
                changes
            }
            Event::Delete(object) => {
                let mut changes = WatchChanges::default();
                let key = object.key();
                if let Some(known) = self.known.remove(&key) {
                    changes.object_gone(key, known);
                }
                changes
            }
        }
    }

    fn track_object<K: Object>(&mut self, object: &K, changes: &mut WatchChanges) {
        let key = object.key();
        let uid = object.id();
        // Deleted and created again while nobody watched: not the same object.
        if self.known.get(&key).is_some_and(|known| known.uid != uid)
            && let Some(known) = self.known.remove(&key)
        {
            changes.object_gone(key.clone(), known);
        }
        let fingerprint = fingerprint(object);
        if let Some(known) = self.known.get_mut(&key) {
            known.listed = true;
            if known.fingerprint != fingerprint {
                known.fingerprint = fingerprint;
                changes.wake.push(K::to_wake(key));
            }
            return;
        }
        let neighbours = object.neighbours_to_wake();
        changes.wake.push(K::to_wake(key.clone()));
        changes.wake.extend(neighbours.iter().cloned());
        self.known.insert(
            key,
            KnownObject {
                uid,
                fingerprint,
                neighbours,
                listed: true,
            },
        );
    }
}

/// Of an object, what makes a difference to its controller.
fn fingerprint<K: Object>(object: &K) -> u64 {
    let meta = object.meta();
    let mut hasher = DefaultHasher::new();
    meta.generation.hash(&mut hasher);
    meta.finalizers.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    object.requested_at().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::HubSpotAccount;

    fn account(finalizers: usize, spec: &Value) -> Lean<HubSpotAccount> {
        let finalizers: Vec<_> = (0..finalizers).map(|n| format!("example.com/{n}")).collect();
        let manifest = json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount", "spec": spec,
            "metadata": {"name": "acme", "namespace": "marketing", "finalizers": finalizers,
                "annotations": {"note": "x".repeat(250_000)}},
        });
        serde_json::from_value(manifest).unwrap()
    }

    /// What is seen of an event: how many annotations and finalizers are left, or what is reported.
    fn seen(event: Event<Lean<HubSpotAccount>>) -> Result<(usize, usize), String> {
        match tell_apart(event) {
            Seen::Event(Event::Apply(object) | Event::Delete(object) | Event::InitApply(object)) => {
                Ok((object.annotations().len(), object.finalizers().len()))
            }
            Seen::Unreadable(invalid) => Err(invalid.error),
            Seen::UnreadableGone(invalid) => Err(invalid.metadata.name.unwrap()),
            Seen::Event(Event::Init | Event::InitDone) => panic!("an object"),
        }
    }

    #[test]
    fn what_a_list_has_shown_that_broke_off_is_due_after_the_next_one() {
        let good = json!({"credentialsSecretRef": {"name": "hubspot"}});
        let shown = || Event::InitApply(account(0, &good).0.unwrap());
        let mut tracker = Tracker::default();
        for event in [Event::Init, shown(), Event::Init, shown()] {
            assert_eq!(tracker.changes_of(&event), WatchChanges::default());
        }
        let due = tracker.changes_of(&Event::<HubSpotAccount>::InitDone);
        let wake = HubSpotAccount::to_wake(ObjectKey::new("marketing", "acme"));
        assert!(due.wake.contains(&wake), "{due:?}");
        let again = [Event::Init, shown(), Event::InitDone].map(|event| tracker.changes_of(&event));
        assert!(again.iter().all(|due| *due == WatchChanges::default()), "{again:?}");
    }

    #[test]
    fn of_objects_nothing_is_kept_that_nobody_reads_and_none_with_a_crowd_of_finalizers() {
        let good = json!({"credentialsSecretRef": {"name": "hubspot"}});
        let open: [fn(_) -> _; 2] = [Event::Apply, Event::InitApply];
        for event in open {
            assert_eq!(seen(event(account(FINALIZERS, &good))), Ok((0, FINALIZERS)));
            let crowd = seen(event(account(FINALIZERS + 1, &good))).unwrap_err();
            assert_eq!(crowd, "it has more than 64 finalizers");
            let bad = seen(event(account(1, &json!(5)))).unwrap_err();
            assert!(bad.contains("invalid type"), "{bad}");
        }
        // An object that is gone has to be forgotten, whatever it looked like.
        let gone = seen(Event::Delete(account(FINALIZERS + 1, &good)));
        assert_eq!(gone, Ok((0, FINALIZERS + 1)));
        assert_eq!(seen(Event::Delete(account(1, &json!(5)))), Err("acme".to_owned()));
    }
}
