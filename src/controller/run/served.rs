//! Which namespaces are served: those that can be listed. The others are named, and served as soon as they can be.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::crds::Unserved;
use crate::controller::context::Context;

/// Watches over the first lists of all namespaces. The process is ready once those are known that can be listed.
pub(super) fn watch(ctx: &Arc<Context>, unserved: Unserved, tasks: &mut JoinSet<()>, stop: &CancellationToken) {
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
        tasks.spawn(fill(Arc::clone(ctx), scope, stop.clone()));
    }
    tasks.spawn(open(Arc::clone(ctx), unserved, stop.clone()));
}

async fn fill(ctx: Arc<Context>, scope: String, stop: CancellationToken) {
    if stop.run_until_cancelled(ctx.caches.fill(&scope)).await == Some(true) && ctx.probes.remark(&scope, None) {
        tracing::info!(namespace = scope, "the namespace is served now");
    }
}

async fn open(ctx: Arc<Context>, unserved: Arc<Unserved>, stop: CancellationToken) {
    let opened = ctx.caches.open(|namespace| unserved.contains_key(namespace));
    if stop.run_until_cancelled(opened).await.is_some() {
        ctx.probes.gate("caches", true);
        tracing::info!("caches are in sync");
    }
}
