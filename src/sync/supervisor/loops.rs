//! The loops that run, those that rest after they ended unexpectedly, and when each is started again.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::domain::backoff::backoff;
use crate::domain::ids::ObjectKey;
use crate::domain::time::to_std;
use crate::ports::ledger::Sender;
use crate::ports::stopping::run_until_stopped;
use crate::registry::Loop;
use crate::sync::context::SyncContext;
use crate::sync::feed::Feed;
use crate::sync::poll::Poller;
use crate::sync::upload::Uploader;

/// Which loop of which account.
pub(super) type LoopId = (Loop, ObjectKey);

/// One loop that is wanted, or has not ended yet.
struct LoopSlot {
    stop: CancellationToken,
    begun: Instant,
    /// It ended, and is not started again before.
    rests_until: Option<Instant>,
    /// How often in a row it ended unexpectedly, without having lasted in between.
    broke: u32,
}

/// All loops of accounts.
#[derive(Default)]
pub(super) struct Loops {
    slots: BTreeMap<LoopId, LoopSlot>,
    /// What wakes the poller of a Google account after an upload.
    uploads: BTreeMap<ObjectKey, Arc<Notify>>,
    /// Google accounts whose uploader ended in the midst of its work: what it had in flight is settled first.
    unsettled: BTreeSet<ObjectKey>,
    tasks: JoinSet<LoopId>,
}

impl Loops {
    /// Stops what is not wanted any more, starts what is, each loop by itself. Returns when to look again at the
    /// latest; `None`: when something happens.
    pub(super) fn start_and_stop(&mut self, ctx: &Arc<SyncContext>, stop: &CancellationToken) -> Option<Instant> {
        let google = ctx.registry.ad_account_keys();
        let mut wanted: BTreeSet<LoopId> = BTreeSet::new();
        wanted.extend(ctx.registry.hubspot_keys().into_iter().map(|key| (Loop::Feed, key)));
        for key in &google {
            wanted.extend([Loop::Uploader, Loop::Poller].map(|which| (which, key.clone())));
        }
        self.uploads.retain(|key, _| google.contains(key));
        ctx.forget_removed();
        self.slots.retain(|id, slot| {
            if wanted.contains(id) {
                return true;
            }
            ctx.registry.loop_lasts(id.0, &id.1);
            // One that still runs ends first: nobody takes its place beside it.
            slot.stop.cancel();
            slot.rests_until.is_none()
        });
        let now = Instant::now();
        let mut next = None;
        for id in wanted {
            let look = self.check_loop(ctx, stop, id, now);
            next = [next, look].into_iter().flatten().min();
        }
        next
    }

    /// Starts a loop that is to run and does not; sees whether one that broke before has lasted.
    fn check_loop(
        &mut self,
        ctx: &Arc<SyncContext>,
        stop: &CancellationToken,
        id: LoopId,
        now: Instant,
    ) -> Option<Instant> {
        let longest = to_std(ctx.settings.backoff_max);
        let Some(slot) = self.slots.get_mut(&id) else {
            self.start_loop(ctx, stop, id, 0);
            return None;
        };
        match slot.rests_until {
            Some(until) if until > now => Some(until),
            Some(_) => {
                let broke = slot.broke;
                self.start_loop(ctx, stop, id, broke);
                Some(now + longest)
            }
            None if slot.broke == 0 => None,
            None if now.saturating_duration_since(slot.begun) < longest => Some(slot.begun + longest),
            None => {
                slot.broke = 0;
                ctx.registry.loop_lasts(id.0, &id.1);
                None
            }
        }
    }

    fn start_loop(&mut self, ctx: &Arc<SyncContext>, stop: &CancellationToken, id: LoopId, broke: u32) {
        let token = stop.child_token();
        let slot = LoopSlot {
            stop: token.clone(),
            begun: Instant::now(),
            rests_until: None,
            broke,
        };
        let (name, work) = self.loop_work(ctx, &id, token);
        self.slots.insert(id.clone(), slot);
        let (ctx, stop) = (ctx.clone(), stop.clone());
        self.tasks.spawn(async move {
            // The text of a panic may hold anything: where it happened is logged where it is counted.
            // By the process's stop alone: the loop of an account that
            // is gone leaves no batch behind that nobody settles.
            let work = async { run_until_stopped(&stop, work).await };
            drop(AssertUnwindSafe(ctx.run_watched(name, work)).catch_unwind().await);
            id
        });
    }

    fn loop_work(
        &mut self,
        ctx: &Arc<SyncContext>,
        (which, key): &LoopId,
        stop: CancellationToken,
    ) -> (String, BoxFuture<'static, ()>) {
        let (ctx, account) = (ctx.clone(), key.clone());
        let uploads = match which {
            Loop::Feed => Arc::default(),
            Loop::Uploader | Loop::Poller => self.uploads.entry(key.clone()).or_default().clone(),
        };
        match which {
            Loop::Feed => {
                let name = format!("feed of the HubSpotAccount {key}");
                (name, Feed::new(account, ctx).run(stop).boxed())
            }
            Loop::Uploader => {
                let unsettled = self.unsettled.remove(key);
                let uploader = Uploader::new(Sender::google(account), ctx, uploads, unsettled);
                let name = format!("uploader of the GoogleAdsAccount {key}");
                (name, uploader.run(stop).boxed())
            }
            Loop::Poller => {
                let name = format!("status poller of the GoogleAdsAccount {key}");
                (
                    name,
                    Poller::new(Sender::google(account), ctx, uploads).run(stop).boxed(),
                )
            }
        }
    }

    /// Waits until a loop ends; for ever where none runs.
    pub(super) async fn next_end(&mut self, ctx: &SyncContext) {
        let ended = match self.tasks.join_next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        };
        match ended {
            Ok(id) => self.record_end(ctx, &id),
            // Panics are caught in the task: this one was dropped, as the runtime ends.
            Err(error) => error!(cancelled = error.is_cancelled(), "a sync loop was dropped"),
        }
    }

    fn record_end(&mut self, ctx: &SyncContext, id: &LoopId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let (which, key) = id;
        if slot.stop.is_cancelled() {
            self.slots.remove(id);
            return;
        }
        let pause = backoff(slot.broke, ctx.settings.backoff_max, 0).unsigned_abs();
        slot.broke = slot.broke.saturating_add(1);
        slot.rests_until = Some(Instant::now() + pause);
        if *which == Loop::Uploader {
            self.unsettled.insert(key.clone());
        }
        error!(loop_ = which.as_str(), account = %key, retry_in_ms = pause.as_millis(), "a sync loop ended unexpectedly and will be started again");
        ctx.loop_broke(which.as_str());
        ctx.registry.loop_broke(*which, key, ctx.clock.now());
    }

    /// Waits until all have ended.
    pub(super) async fn wait_for_all(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
