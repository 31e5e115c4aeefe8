//! Starts and stops the loops as accounts come and go: a feed for each HubSpot account, an uploader and a poller for
//! each Google account.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::context::SyncContext;
use super::feed::Feed;
use super::poller::Poller;
use super::uploader::Uploader;
use super::{pulse, retention};
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;

/// How long loops may take to finish what they are at when the process stops.
const STOP_LIMIT: Duration = Duration::from_secs(25);
/// Pause before another look at a ledger that fails at start.
const RECOVER_PAUSE: Duration = Duration::from_secs(5);
/// Looks at least this often whether accounts came or went.
const TURN: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Loops {
    running: BTreeMap<(&'static str, ObjectKey), CancellationToken>,
}

/// Runs the loops until `stop`; then waits for them, within limits.
pub async fn run(ctx: Arc<SyncContext>, stop: CancellationToken) {
    let name = "supervisor of the sync loops".to_owned();
    ctx.clone().watched(name, supervise(ctx, stop)).await;
}

async fn supervise(ctx: Arc<SyncContext>, stop: CancellationToken) {
    if !recover(&ctx, &stop).await {
        return;
    }
    let mut changes = ctx.registry.subscribe();
    let mut loops = Loops::default();
    let mut tasks = JoinSet::new();
    let retention = tokio::spawn({
        let (ctx, work) = (ctx.clone(), retention::run(ctx.clone(), stop.clone()));
        async move { ctx.watched("retention".to_owned(), work).await }
    });
    loop {
        pulse::rest(TURN);
        changes.mark_unchanged();
        loops.adjust(&ctx, &stop, &mut tasks);
        tokio::select! {
            () = stop.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { break },
            () = tokio::time::sleep(TURN) => {}
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                match ended {
                    Ok(key) => loops.forget(&key),
                    Err(panic) => {
                        error!(error = brief(&panic), "a sync loop ended unexpectedly, all are started again");
                        loops.cancel();
                        // What it had in flight is settled before anything else is sent.
                        pulse::waiting(async { while tasks.join_next().await.is_some() {} }).await;
                        if !recover(&ctx, &stop).await {
                            return;
                        }
                    }
                }
            }
        }
    }
    let drained = tokio::time::timeout(STOP_LIMIT, async { while tasks.join_next().await.is_some() {} }).await;
    if let Err(panic) = retention.await {
        error!(error = brief(&panic), "the retention of the ledger ended unexpectedly");
    }
    if drained.is_err() {
        warn!("sync loops did not stop in time; what was in flight is settled at the next start");
    }
}

/// Batches that were on their way when the process died become sendable again, before anything else is sent.
async fn recover(ctx: &SyncContext, stop: &CancellationToken) -> bool {
    loop {
        pulse::rest(RECOVER_PAUSE);
        match ctx.ledger.recover(None, ctx.clock.now()).await {
            Ok(0) => return true,
            Ok(rows) => {
                info!(
                    rows,
                    "conversions were in flight when the process ended; they go again with the same ids and values"
                );
                return true;
            }
            Err(error) => error!(error = brief(&error), "ledger not usable, nothing is sent"),
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(RECOVER_PAUSE) => {}
        }
    }
}

type Task = (&'static str, ObjectKey);

impl Loops {
    fn adjust(&mut self, ctx: &Arc<SyncContext>, stop: &CancellationToken, tasks: &mut JoinSet<Task>) {
        let hubspot = ctx.registry.hubspot_keys();
        let google = ctx.registry.google_keys();
        self.running.retain(|(kind, key), token| {
            let keep = if *kind == "feed" {
                hubspot.contains(key)
            } else {
                google.contains(key)
            };
            if !keep {
                token.cancel();
            }
            keep
        });
        for key in hubspot {
            self.start("feed", &key, stop, tasks, |token| {
                let ctx = ctx.clone();
                let feed = Feed::new(key.clone(), ctx.clone());
                let name = format!("feed of the HubSpotAccount {key}");
                async move { ctx.watched(name, feed.run(token)).await }
            });
        }
        for key in google {
            let uploaded = Arc::new(Notify::new());
            let poller = Poller::new(key.clone(), ctx.clone(), uploaded.clone());
            let uploader = Uploader::new(key.clone(), ctx.clone(), uploaded);
            let ctx = ctx.clone();
            let name = |what: &str| format!("{what} of the GoogleAdsAccount {key}");
            let (sends, asks) = (name("uploader"), name("status poller"));
            self.start("google", &key, stop, tasks, |token| async move {
                tokio::join!(
                    ctx.watched(sends, uploader.run(token.clone())),
                    ctx.watched(asks, poller.run(token))
                );
            });
        }
    }

    fn start<F>(
        &mut self,
        kind: &'static str,
        key: &ObjectKey,
        stop: &CancellationToken,
        tasks: &mut JoinSet<Task>,
        run: impl FnOnce(CancellationToken) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let id = (kind, key.clone());
        if self.running.contains_key(&id) {
            return;
        }
        let token = stop.child_token();
        self.running.insert(id.clone(), token.clone());
        let work = run(token);
        tasks.spawn(async move {
            work.await;
            id
        });
    }

    /// A loop ended: it may be started again.
    fn forget(&mut self, key: &Task) {
        // A loop that was cancelled and replaced must not take its successor along.
        if self.running.get(key).is_some_and(CancellationToken::is_cancelled) {
            self.running.remove(key);
        }
    }

    fn cancel(&mut self) {
        for (_, token) in std::mem::take(&mut self.running) {
            token.cancel();
        }
    }
}
