//! Which namespaces are served: those that can be listed. The others are named, and served as soon as they can be.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::crds::Unserved;
use super::tasks::restarts;
use crate::controller::shared::context::Context;

/// Watches over the first lists of all namespaces. The process is ready once those are known that can be listed.
pub(crate) fn watch(ctx: &Arc<Context>, unserved: Unserved, tasks: &mut JoinSet<()>, stop: &CancellationToken) {
    for (namespace, why) in &unserved {
        tracing::error!(
            namespace,
            why,
            "a namespace is not served until its objects can be listed"
        );
        ctx.probes
            .remark(namespace, Some(format!("namespace {namespace} is not served: {why}")));
    }
    let unserved = Arc::new(unserved);
    for scope in ctx.caches.scopes() {
        let (shared, ending) = (Arc::clone(ctx), stop.clone());
        let begin = move |_| fill(Arc::clone(&shared), scope.clone(), ending.clone());
        tasks.spawn(restarts(ctx, "first list of a namespace").run(stop.clone(), begin));
    }
    let (shared, ending) = (Arc::clone(ctx), stop.clone());
    let begin = move |_| open(Arc::clone(&shared), Arc::clone(&unserved), ending.clone());
    tasks.spawn(restarts(ctx, "first lists").run(stop.clone(), begin));
}

async fn fill(ctx: Arc<Context>, scope: String, stop: CancellationToken) -> ControlFlow<()> {
    if stop.run_until_cancelled(ctx.caches.fill(&scope)).await == Some(true) && ctx.probes.remark(&scope, None) {
        tracing::info!(namespace = scope, "the namespace is served now");
    }
    ControlFlow::Break(())
}

async fn open(ctx: Arc<Context>, unserved: Arc<Unserved>, stop: CancellationToken) -> ControlFlow<()> {
    let opened = ctx.caches.open(|namespace| unserved.contains_key(namespace));
    if stop.run_until_cancelled(opened).await.is_some() {
        ctx.probes.gate("caches", true);
        tracing::info!("caches are in sync");
    }
    ControlFlow::Break(())
}
