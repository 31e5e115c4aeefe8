//! Which namespaces are served: those that can be listed. The others are named, and served as soon as they can be.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::crds::Unserved;
use super::tasks::restarts_of;
use crate::controller::shared::context::Context;

/// Watches over the first lists of all namespaces. The process is ready once those are known that can be listed.
pub(crate) fn watch_first_lists(
    ctx: &Arc<Context>,
    unserved: Unserved,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) {
    for (namespace, why) in &unserved {
        tracing::error!(
            namespace,
            why,
            "a namespace is not served until its objects can be listed"
        );
        ctx.probes
            .set_remark(namespace, Some(format!("namespace {namespace} is not served: {why}")));
    }
    let unserved = Arc::new(unserved);
    for scope in ctx.caches.scope_names() {
        let (shared, ending) = (Arc::clone(ctx), stop.clone());
        let begin = move |_| fill_scope(Arc::clone(&shared), scope.clone(), ending.clone());
        tasks.spawn(restarts_of(ctx, "first list of a namespace").run_until_done(stop.clone(), begin));
    }
    let (shared, ending) = (Arc::clone(ctx), stop.clone());
    let begin = move |_| open_when_filled(Arc::clone(&shared), Arc::clone(&unserved), ending.clone());
    tasks.spawn(restarts_of(ctx, "first lists").run_until_done(stop.clone(), begin));
}

async fn fill_scope(ctx: Arc<Context>, scope: String, stop: CancellationToken) -> ControlFlow<()> {
    if stop.run_until_cancelled(ctx.caches.wait_filled(&scope)).await == Some(true)
        && ctx.probes.set_remark(&scope, None)
    {
        tracing::info!(namespace = scope, "the namespace is served now");
    }
    ControlFlow::Break(())
}

async fn open_when_filled(ctx: Arc<Context>, unserved: Arc<Unserved>, stop: CancellationToken) -> ControlFlow<()> {
    let opened = ctx.caches.open_unless(|namespace| unserved.contains_key(namespace));
    if stop.run_until_cancelled(opened).await.is_some() {
        ctx.probes.set_gate("caches", true);
        tracing::info!("caches are in sync");
    }
    ControlFlow::Break(())
}
