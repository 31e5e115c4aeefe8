//! The tasks that serve all objects of a scope or all scopes: each is started again, alone, if it ends.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::wake_queue::{self, WakeQueue};
use crate::controller::shared::context::Context;
use crate::ops::health::Watch;
use crate::ports::pulse;
use crate::ports::pulse::Watchdog;
use crate::registry::Wake;
use crate::registry::restarts::Restarts;

/// A task that waits most of the time and shows meanwhile that its turn comes; started again if it ends. Its calls, and
/// each reconcile, have limits of their own.
pub(crate) fn endless_task<F, B>(
    ctx: &Context,
    kind: &'static str,
    name: String,
    stop: &CancellationToken,
    mut begin: B,
) -> impl Future<Output = ()> + use<F, B>
where
    F: Future<Output = ()>,
    B: FnMut(u32) -> F,
{
    let watchdog = new_watchdog(ctx);
    let restarts = Restarts::new(Arc::clone(&watchdog), kind, name.clone(), ctx.settings.backoff_max);
    restarts.run_until_done(stop.clone(), move |broke| {
        let work = pulse::while_waiting(begin(broke));
        let watched = pulse::run_watched(Arc::clone(&watchdog), name.clone(), wake_queue::STUCK, work);
        async move {
            watched.await;
            ControlFlow::Continue(())
        }
    })
}

fn new_watchdog(ctx: &Context) -> Arc<dyn Watchdog> {
    Arc::new(Watch {
        probes: Arc::clone(&ctx.probes),
        metrics: Arc::clone(&ctx.metrics),
    })
}

/// For work that ends by itself once it is done.
pub(crate) fn restarts_of(ctx: &Context, name: &str) -> Restarts {
    Restarts::new(new_watchdog(ctx), "caches", name.to_owned(), ctx.settings.backoff_max)
}

/// Brings wake-ups to the controllers. One that a queue before
/// this took along when it broke is made up for by waking all.
pub(crate) async fn route_wakes(
    ctx: Arc<Context>,
    queue: WakeQueue,
    wakes: mpsc::UnboundedReceiver<Wake>,
    stop: CancellationToken,
) {
    let kept = Arc::new(Mutex::new((queue, wakes)));
    let (shared, ending) = (Arc::clone(&ctx), stop.clone());
    let begin = move |broke: u32| {
        let (ctx, kept, stop) = (Arc::clone(&shared), Arc::clone(&kept), ending.clone());
        async move {
            if broke > 0 {
                ctx.wake_all();
            }
            let mut kept = kept.lock().await;
            let (queue, wakes) = &mut *kept;
            queue.run(wakes, &ctx.probes, &stop).await;
            ControlFlow::Continue(())
        }
    };
    // The task shows signs of life by itself.
    let longest = ctx.settings.backoff_max;
    let restarts = Restarts::new(new_watchdog(&ctx), "router", wake_queue::LOOP.to_owned(), longest);
    restarts.run_until_done(stop, begin).await;
}
