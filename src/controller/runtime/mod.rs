//! Starts everything: waits for the definitions, fills the caches, runs one controller for each kind and namespace, and
//! stops in order.

mod answers;
mod client;
mod crds;
mod key_gate;
mod proxy;
mod scope;
mod served;
mod standby;
mod tasks;
mod turns;
mod unreadable;
mod wake_queue;
mod watch;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use kube::runtime::controller::{Config, Controller, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::AdConversionEvent;
use crate::controller::google_ads_account::GoogleController;
use crate::controller::hubspot_account::HubSpotController;
use crate::controller::shared::context::{Cache, Context, Dependencies};
use crate::controller::shared::error::Error;
use crate::controller::shared::object::Object;
use crate::controller::shared::reconciler::{Action, Reconciler};
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::ports::budget;
use crate::ports::stopping::run_until_stopped;
use crate::registry::Wake;
pub use client::{ClientError, new_client};
use key_gate::KeyGate;
pub use proxy::{BadProxy, make_usable as make_proxy_usable};
pub use standby::WarmCaches;
use standby::Watches;
use tasks::{endless_task, route_wakes};
use turns::{NamespaceTurn, Turns};
use wake_queue::{KeySender, WakeQueue};

/// Reconciles at once in all: as many as there are turns. What bounds them
/// is [`key_gate`], and [`turns`] for those that an object asked for itself.
const CONCURRENCY: u16 = 0;
/// Longest reconcile: the calls to the Kubernetes API, and a few upstream calls with their own time limits.
const RECONCILE_LIMIT: Duration = Duration::from_mins(3);
/// Longest time of all upstream calls of one reconcile together: what is left of its limit is for saying how it went.
const UPSTREAM_BUDGET: Duration = Duration::from_secs(90);
/// How soon an object is looked at again whose cached version is older than our own write.
const DEFER: Duration = Duration::from_millis(100);
/// How long running reconciles may take to end after a stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Runs the controllers of all three kinds until `stop`; `controller` is that of events. `wakes` is the receiver that
/// came with `dependencies.registry`. After `stop` no reconcile begins. A reconcile that is about to change something
/// outside, or has, gets 20 seconds to end; the others are broken off.
pub async fn run_controllers<E: Reconciler<Object = AdConversionEvent>>(
    dependencies: Dependencies,
    controller: E,
    wakes: mpsc::UnboundedReceiver<Wake>,
    stop: CancellationToken,
) {
    let caches = WarmCaches::new(&dependencies.namespaces);
    run_warm_controllers(dependencies, caches, controller, wakes, stop).await;
}

/// As [`run_controllers`], over caches that may be filled already: then it begins at once.
pub async fn run_warm_controllers<E: Reconciler<Object = AdConversionEvent>>(
    dependencies: Dependencies,
    warm: WarmCaches,
    controller: E,
    wakes: mpsc::UnboundedReceiver<Wake>,
    stop: CancellationToken,
) {
    let WarmCaches {
        caches,
        events,
        google,
        hubspot,
        unserved,
    } = warm;
    let unserved = if let Some(unserved) = unserved {
        unserved
    } else {
        dependencies.probes.set_gate("caches", false);
        let served = crds::wait_until_served(&dependencies.client, &dependencies.namespaces);
        match stop.run_until_cancelled(served).await {
            Some(unserved) => unserved,
            None => return,
        }
    };
    let ctx = Arc::new(Context::new(dependencies, caches));
    ctx.registry.set_manifests(Arc::new(ctx.caches.google.clone()));
    let mut tasks = JoinSet::new();
    let mut wake_queue = WakeQueue::new(ctx.settings.status_interval);
    let cache = &ctx.caches;
    let mut start = Start {
        ctx: &ctx,
        tasks: &mut tasks,
        stop: &stop,
    };
    start.start_kind(controller, (&cache.events, events), &mut wake_queue.events);
    let controller = GoogleController::default();
    start.start_kind(controller, (&cache.google, google), &mut wake_queue.google);
    let controller = HubSpotController::default();
    start.start_kind(controller, (&cache.hubspot, hubspot), &mut wake_queue.hubspot);
    tasks.spawn(route_wakes(Arc::clone(&ctx), wake_queue, wakes, stop.clone()));
    served::watch_first_lists(&ctx, unserved, &mut tasks, &stop);
    stop.cancelled().await;
    let drained = tokio::time::timeout(STOP_LIMIT, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(
            limit_s = STOP_LIMIT.as_secs(),
            "reconciles still running at the end of the stop were dropped"
        );
    }
    ctx.probes.retire_loop(wake_queue::LOOP);
}

/// Receives the keys of objects to look at. It is kept while a controller is started again.
type KeyReceiver = Arc<Mutex<mpsc::UnboundedReceiver<ObjectKey>>>;

/// What all kinds are started with.
struct Start<'a> {
    ctx: &'a Arc<Context>,
    tasks: &'a mut JoinSet<()>,
    stop: &'a CancellationToken,
}

impl Start<'_> {
    /// One watch and one controller for each namespace of a kind.
    fn start_kind<R: Reconciler>(
        &mut self,
        controller: R,
        (cache, watches): (&Cache<R::Object>, Watches<R::Object>),
        senders: &mut Vec<KeySender>,
    ) {
        let Self { ctx, tasks, stop } = self;
        let controller = Arc::new(controller);
        for ((scope, store), mut kept) in cache.stores().iter().zip(watches) {
            let (sender, receiver) = mpsc::unbounded_channel();
            senders.push(KeySender {
                scope: scope.clone(),
                sender,
            });
            let name = |what: &str| match scope {
                Some(namespace) => format!("{what} of {} in {namespace}", R::Object::KIND),
                None => format!("{what} of {}", R::Object::KIND),
            };
            kept.wake_known();
            let kept = Arc::new(Mutex::new(kept));
            let (looks, shared, ending) = (Arc::clone(&controller), Arc::clone(ctx), stop.clone());
            tasks.spawn(endless_task(ctx, "watch", name("watch"), stop, move |_| {
                let (looks, ctx) = (Arc::clone(&looks), Arc::clone(&shared));
                let (kept, stop) = (Arc::clone(&kept), ending.clone());
                async move { watch::run_watch(looks, ctx, &mut *kept.lock().await, stop).await }
            }));
            let (looks, shared, ending) = (Arc::clone(&controller), Arc::clone(ctx), stop.clone());
            let (place, keys) = ((scope.clone(), store.clone()), Arc::new(Mutex::new(receiver)));
            tasks.spawn(endless_task(
                ctx,
                "controller",
                name("controller"),
                stop,
                move |broke| {
                    run_controller(
                        Arc::clone(&looks),
                        Arc::clone(&shared),
                        place.clone(),
                        (Arc::clone(&keys), broke > 0),
                        ending.clone(),
                    )
                },
            ));
        }
    }
}

/// The controller of one kind in one scope. The watch is not its own: objects come by key from the wake queue, which
/// lets a burst of changes through as one. `again`: one before this ended, and what it was at goes once more.
async fn run_controller<R: Reconciler>(
    controller: Arc<R>,
    ctx: Arc<Context>,
    (scope, store): (Option<String>, Store<R::Object>),
    (keys, again): (KeyReceiver, bool),
    stop: CancellationToken,
) {
    // An account that seems unused because the events are not listed yet must not lose its finalizer.
    if stop
        .run_until_cancelled(ctx.caches.wait_ready(scope.as_deref()))
        .await
        .is_none()
    {
        return;
    }
    let mut keys = keys.lock_owned().await;
    let known = if again { store.state() } else { Vec::new() };
    let known: Vec<ObjectKey> = known.iter().map(|object| object.key()).collect();
    let (finished, done) = mpsc::unbounded_channel();
    let mut gate = KeyGate::default();
    for key in known {
        gate.offer(key);
    }
    let keys = gate
        .stream(move |cx| keys.poll_recv(cx), done)
        .map(|key| ObjectRef::<R::Object>::new(&key.name).within(&key.namespace));
    let turns = Arc::new(Turns::default());
    let fresh = store.clone();
    let stopped = stop.clone();
    let no_watch: BoxStream<'static, Result<R::Object, watcher::Error>> = stream::pending().boxed();
    Controller::for_stream(no_watch, store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(keys)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(
            move |object, ctx| {
                let turn = wait_for_turn(Arc::clone(&turns), object.key(), stopped.clone());
                let work = in_turn(Arc::clone(&controller), object, ctx, fresh.clone(), turn);
                let stop = stopped.clone();
                // What it waits for when the process stops, it asks again after the next start.
                async move {
                    run_until_stopped(&stop, work)
                        .await
                        .unwrap_or_else(|| Ok(Action::await_change()))
                }
            },
            error_policy::<R>,
            ctx,
        )
        .for_each(async |result| {
            let ended = match result {
                Ok((object, _)) => object.erase(),
                // Failed reconciles are logged where their pause is decided; an object may be gone when its turn comes.
                Err(ControllerError::ReconcilerFailed(_, object) | ControllerError::ObjectNotFound(object)) => *object,
                Err(error) => return tracing::warn!(kind = R::Object::KIND, error = brief(&error), "controller"),
            };
            let key = ObjectKey::new(ended.namespace.unwrap_or_default(), ended.name);
            // The gate is gone once the controller stops, and nobody waits any more.
            let _ = finished.send(key);
        })
        .await;
}

/// A reconcile when the turn of its namespace has come, of the object as it is then.
async fn in_turn<R: Reconciler>(
    controller: Arc<R>,
    object: Arc<R::Object>,
    ctx: Arc<Context>,
    store: Store<R::Object>,
    turn: impl Future<Output = Option<NamespaceTurn>>,
) -> Result<Action, Error> {
    let Some(_turn) = turn.await else {
        return Ok(Action::await_change());
    };
    let key = object.key();
    let newest = store.get(&ObjectRef::new(&key.name).within(&key.namespace));
    // In a box made only now: each event waits for its turn at a start, and a reconcile takes tens of kilobytes.
    Box::pin(guarded_reconcile(controller.as_ref(), newest.unwrap_or(object), ctx)).await
}

/// The turn of an object's namespace; `None` once the process stops: what only waits has begun nothing, and the end is
/// not to wait for a namespace to work off all of it.
async fn wait_for_turn(turns: Arc<Turns>, key: ObjectKey, stop: CancellationToken) -> Option<NamespaceTurn> {
    stop.run_until_cancelled(turns.take_turn(&key.namespace)).await
}

/// A reconcile with its guards: not on a stale cache, not for ever, and no panic gets out.
async fn guarded_reconcile<R: Reconciler>(
    controller: &R,
    object: Arc<R::Object>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    let kind = R::Object::KIND;
    let key = object.key();
    if ctx.barrier.is_stale(object.as_ref()) {
        ctx.metrics.record_deferral();
        return Ok(Action::requeue(DEFER));
    }
    let begun = Instant::now();
    let work = budget::with_budget(UPSTREAM_BUDGET, controller.reconcile(object, Arc::clone(&ctx)));
    let work = AssertUnwindSafe(work).catch_unwind();
    let result = match tokio::time::timeout(RECONCILE_LIMIT, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::Panic),
        Err(_) => Err(Error::TooLong(RECONCILE_LIMIT)),
    };
    let name = result.as_ref().map_or_else(Error::result_label, |_| "ok");
    ctx.metrics.record_reconcile(kind, name, begun.elapsed());
    if result.is_ok() {
        ctx.backoff.reset(kind, &key);
    }
    result
}

/// How long to wait after a failed reconcile.
#[allow(clippy::needless_pass_by_value)] // the signature is that of the controller
fn error_policy<R: Reconciler>(object: Arc<R::Object>, error: &Error, ctx: Arc<Context>) -> Action {
    let (kind, key) = (R::Object::KIND, object.key());
    let pause = ctx.backoff.record_failure(kind, &key);
    let pause = error.retry_after().map_or(pause, |wanted| pause.max(wanted));
    if matches!(error, Error::Conflict { .. }) {
        tracing::debug!(kind, object = %key, error = brief(error), "will look again");
    } else {
        tracing::warn!(kind, object = %key, error = brief(error), retry_in_ms = pause.as_millis(), "reconcile failed");
    }
    Action::requeue(pause)
}
