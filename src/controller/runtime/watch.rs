//! The watch of one kind in one scope: fills the cache, wakes the controller for changes that matter, and notices what
//! came and went.

use std::collections::HashMap;
use std::future::ready;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use super::scope::scoped_api;
use crate::api::reasons::reason;
use crate::controller::shared::context::{CacheWriter, Context};
use crate::controller::shared::object::Object;
use crate::controller::shared::reconciler::Reconciler;
use crate::controller::shared::recorder::Severity;
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::registry::Wake;

/// Objects in one page of a list, which is in memory at once: each can have more than a megabyte before
/// [`Object::forget_unread`].
const PAGE: u32 = 50;
/// Most finalizers of an object. Each has at most 317 characters.
const FINALIZERS: usize = 64;

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
        let mut events = pin!(watch_objects::<K>(scoped_api(client, self.scope.as_deref()), |_| {}));
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    self.record_event(&event);
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
    let reporting = Arc::clone(&ctx);
    let api = scoped_api(ctx.client.clone(), kept.scope.as_deref());
    let events = watch_objects::<R::Object>(api, move |invalid| report_invalid::<R::Object>(&reporting, invalid));
    let mut events = pin!(events.take_until(stop.cancelled_owned()));
    // What a watch that ended before this one has left to do.
    kept.work_off(controller.as_ref(), &ctx);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                kept.record_event(&event);
                kept.work_off(controller.as_ref(), &ctx);
            }
            Err(error) => log_interruption::<R::Object>(&error),
        }
    }
}

fn log_interruption<K: Object>(error: &watcher::Error) {
    tracing::warn!(kind = K::KIND, error = brief(error), "watch interrupted, it is resumed");
}

/// What happens to the objects that can be read; the others are given to `report`.
fn watch_objects<K: Object>(
    api: Api<DeserializeGuard<K>>,
    report: impl Fn(InvalidObject) + Send,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send {
    watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .filter_map(move |event| ready(decode_event::<K>(event, &report)))
}

/// Takes objects that cannot be decoded out of the stream: one of them must not keep the others from being watched.
fn decode_event<K: Object>(
    event: watcher::Result<Event<DeserializeGuard<K>>>,
    report: impl Fn(InvalidObject),
) -> Option<watcher::Result<Event<K>>> {
    let open = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(mut object) => {
            object.forget_unread();
            Some(object)
        }
        Err(invalid) => {
            report(invalid);
            None
        }
    };
    let keep = |guard| {
        open(guard).filter(|object| {
            let crowd = too_many_finalizers(object);
            let few = crowd.is_none();
            crowd.into_iter().for_each(&report);
            few
        })
    };
    Some(match event {
        Ok(Event::Apply(guard)) => Ok(Event::Apply(keep(guard)?)),
        Ok(Event::Delete(guard)) => Ok(Event::Delete(open(guard)?)),
        Ok(Event::InitApply(guard)) => Ok(Event::InitApply(keep(guard)?)),
        Ok(Event::Init) => Ok(Event::Init),
        Ok(Event::InitDone) => Ok(Event::InitDone),
        Err(error) => Err(error),
    })
}

/// The error of an object with too many finalizers: all of them have to
/// be kept in memory, because our own is written together with them.
fn too_many_finalizers<K: Object>(object: &K) -> Option<InvalidObject> {
    (object.finalizers().len() > FINALIZERS).then(|| InvalidObject {
        error: format!("it has more than {FINALIZERS} finalizers"),
        metadata: object.meta().clone(),
    })
}

fn report_invalid<K: Object>(ctx: &Arc<Context>, invalid: InvalidObject) {
    let InvalidObject { error, metadata } = invalid;
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let name = metadata.name.clone().unwrap_or_default();
    tracing::error!(
        kind = K::KIND,
        namespace,
        name,
        error = brief(&error),
        "an object cannot be read and is left alone"
    );
    let reference = k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::KIND.to_owned()),
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        field_path: None,
    };
    let ctx = Arc::clone(ctx);
    tokio::spawn(async move {
        let note = format!("This operator cannot read the object and leaves it alone: {error}");
        ctx.recorder
            .publish_about(&reference, Severity::Warning, reason::INVALID_SPEC, &note)
            .await;
    });
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
                self.held = Some(WatchChanges::default());
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
    use std::cell::RefCell;

    use serde_json::{Value, json};

    use super::*;
    use crate::api::HubSpotAccount;

    fn account(finalizers: usize, spec: &Value) -> DeserializeGuard<HubSpotAccount> {
        let finalizers: Vec<_> = (0..finalizers).map(|n| format!("example.com/{n}")).collect();
        let manifest = json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount", "spec": spec,
            "metadata": {"name": "acme", "namespace": "marketing", "finalizers": finalizers,
                "annotations": {"note": "x".repeat(250_000)}},
        });
        serde_json::from_value(manifest).unwrap()
    }

    /// Annotations and finalizers of what is left of an event, and what is reported.
    fn decoded(event: Event<DeserializeGuard<HubSpotAccount>>) -> (Option<(usize, usize)>, Vec<String>) {
        let reported = RefCell::new(Vec::new());
        let left = decode_event(Ok(event), |invalid| reported.borrow_mut().push(invalid.error));
        let left = left.map(|event| match event.unwrap() {
            Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) => {
                (object.annotations().len(), object.finalizers().len())
            }
            Event::Init | Event::InitDone => panic!("an object"),
        });
        (left, reported.into_inner())
    }

    #[test]
    fn of_objects_nothing_is_kept_that_nobody_reads_and_none_with_a_crowd_of_finalizers() {
        let good = json!({"credentialsSecretRef": {"name": "hubspot"}});
        let open: [fn(_) -> _; 2] = [Event::Apply, Event::InitApply];
        for event in open {
            assert_eq!(
                decoded(event(account(FINALIZERS, &good))),
                (Some((0, FINALIZERS)), vec![])
            );
            let (left, reported) = decoded(event(account(FINALIZERS + 1, &good)));
            assert_eq!(
                (left, reported),
                (None, vec!["it has more than 64 finalizers".to_owned()])
            );
            let (left, reported) = decoded(event(account(1, &json!(5))));
            assert_eq!((left, reported.len()), (None, 1), "another kind of mistake");
        }
        // An object that is gone has to be forgotten, whatever it looked like.
        assert_eq!(
            decoded(Event::Delete(account(FINALIZERS + 1, &good))),
            (Some((0, FINALIZERS + 1)), vec![])
        );
    }
}
