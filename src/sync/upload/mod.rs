//! The uploader: one per account of an ad network, fills requests across its events. Every batch is in the ledger
//! before it is sent; what came of it is in the ledger before anything else happens.

mod cut_down;
mod deferral;
mod denials;
mod log;
mod lone_rows;
mod reads;
mod refresh;
mod reports;
mod request;
mod round_queue;
mod route_state;
mod row_updates;
mod send;
mod suspects;
mod upload_route;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::lone_rows::LoneRows;
use self::reads::{PortalChoice, PortalReads};
use self::round_queue::FailedRequest;
use self::route_state::RouteState;
use super::context::SyncContext;
use crate::domain::batch::FinalVerdict;
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::domain::last_answers::LastAnswers;
use crate::domain::outcome::reason;
use crate::ports::UpstreamError;
use crate::ports::ledger::{ActionKey, RowId, Sender, StreamId};
use crate::ports::pulse;
use crate::registry::sync_error::{SyncError, error_note};
use crate::registry::{Event, Notice, Routes, Side};
use crate::sync::prepare::{EligibleEvent, PreparedRow, eligible_event};
use crate::sync::refusals::Refusals;
pub use crate::sync::upload::row_updates::{isolation_group_of, row_result_update};

/// Most rows that wait for a second answer to what the first has said of them for good.
const MOST_DOUBTED: usize = 10_000;

/// The uploader of one account.
pub struct Uploader {
    key: ObjectKey,
    /// How the ledger knows this uploader.
    sender: Sender,
    ctx: Arc<SyncContext>,
    /// Events seen unsuspended: their resume is settled on this stream.
    resumed: BTreeMap<ObjectKey, Option<StreamId>>,
    was_ready: bool,
    /// By the names of routes.
    states: BTreeMap<&'static str, RouteState>,
    /// Requests of this round that failed, on routes that go on.
    failed: Vec<FailedRequest>,
    /// The ledger may hold a batch that will never be sent: it failed as one was
    /// to begin, or the uploader before this one ended in the midst of its work.
    must_recover: bool,
    refusals: Refusals,
    lone_rows: LoneRows,
    /// What a code has said of rows for good, once.
    final_words: LastAnswers<RowId, FinalVerdict>,
    reads: PortalReads,
    /// Wakes the poller after an upload.
    uploaded: Arc<tokio::sync::Notify>,
}

/// What follows for the round once a request has been answered.
enum AfterRequest {
    /// The next request goes.
    GoOn,
    /// The route has a problem, or as many requests failed in this round as may: its rows wait.
    RouteHeld,
    /// No other request goes: the account can't be used, or the process stops.
    EndRound,
}

impl Uploader {
    /// The uploader of this account; `uploaded` is notified after each accepted request. `must_recover`: the one before
    /// ended in the midst of its work, so the ledger may hold a batch that will never be sent.
    pub fn new(sender: Sender, ctx: Arc<SyncContext>, uploaded: Arc<tokio::sync::Notify>, must_recover: bool) -> Self {
        Self {
            key: sender.account.clone(),
            sender,
            ctx,
            resumed: BTreeMap::new(),
            was_ready: false,
            states: BTreeMap::new(),
            failed: Vec::new(),
            must_recover,
            refusals: Refusals::default(),
            lone_rows: LoneRows::default(),
            final_words: LastAnswers::new(MOST_DOUBTED),
            reads: PortalReads::default(),
            uploaded,
        }
    }

    /// One round per upload interval, until cancelled. A request under way is finished first.
    pub async fn run(mut self, stop: CancellationToken) {
        let interval = std::time::Duration::try_from(self.ctx.settings.upload_interval).unwrap_or_default();
        let mut ticks = tokio::time::interval(interval.max(std::time::Duration::from_millis(50)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pulse::rest(interval);
            let portals = tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => PortalChoice::All,
                () = self.ctx.due_rows.wait_until_full(&self.key) => PortalChoice::All,
                () = self.reads.wait_for_read(&self.ctx) => PortalChoice::Unfinished,
            };
            if let Err(fault) = self.run_round(&stop, portals).await {
                warn!(account = %self.key, error = brief(&fault), "upload round failed");
                if matches!(fault, SyncError::Ledger(_)) {
                    for event in self.ctx.registry.events_of_ad_account(&self.key) {
                        self.upload_failed(&event.key, &fault);
                    }
                }
            }
        }
    }

    /// Rounds by hand, until no more is due. Portals are waited for, however slow they are.
    pub(in crate::sync) async fn send_due(&mut self) -> Result<(), SyncError> {
        let never = CancellationToken::new();
        let mut portals = PortalChoice::All;
        loop {
            self.run_round(&never, portals).await?;
            if !self.reads.is_any_open() {
                return Ok(());
            }
            self.reads.wait_for_read(&self.ctx).await;
            portals = PortalChoice::Unfinished;
        }
    }

    /// Sends everything that is due, beginning with rows of these portals.
    /// Accounts and events are looked at again before each request.
    async fn run_round(&mut self, stop: &CancellationToken, mut portals: PortalChoice) -> Result<(), SyncError> {
        if self.must_recover {
            // This uploader sends one request after the other, so no batch of the account is under way now.
            self.ctx
                .ledger
                .recover_batches(Some(&self.sender), self.ctx.clock.now())
                .await?;
            self.must_recover = false;
        }
        while !stop.is_cancelled() {
            pulse::beat();
            let Some(routes) = self.usable_routes() else {
                self.was_ready = false;
                return Ok(());
            };
            let mut open = self.open_events().await?;
            let now = self.ctx.clock.now();
            open.retain(|sendable| {
                !self.is_deferred(
                    routes.route_for(sendable.event().rules.trigger_kind).route_info().name,
                    now,
                )
            });
            let streams: Vec<_> = open.iter().map(EligibleEvent::stream).collect();
            let due = self.ctx.ledger.streams_with_due_rows(&streams, now).await?;
            open.retain(|sendable| due.contains(&sendable.stream()));
            // What fails takes no room from the others.
            open.sort_by_key(|sendable| self.last_failure([sendable.action()]));
            let ready = self.collect_rows(open, &routes, portals).await?;
            let sent = self.send_all(&routes, ready, stop).await?;
            if !matches!(sent, AfterRequest::GoOn) || !self.reads.has_more() {
                return Ok(());
            }
            portals = PortalChoice::Unfinished;
        }
        Ok(())
    }

    fn is_deferred(&self, route: &str, now: Timestamp) -> bool {
        self.states.get(route).is_some_and(|state| state.is_deferred(now))
    }

    /// Which failure was the last of these actions, by any route, where one fails.
    fn last_failure<'a>(&self, actions: impl IntoIterator<Item = &'a ActionKey>) -> Option<u64> {
        let of = |action| {
            self.states
                .values()
                .filter_map(move |state| state.last_failure(action))
                .max()
        };
        actions.into_iter().filter_map(of).max()
    }

    /// The events whose rows may be sent. Rows that waited for the account are due once it is ready again.
    async fn open_events(&mut self) -> Result<Vec<EligibleEvent>, SyncError> {
        let events = self.ctx.registry.events_of_ad_account(&self.key);
        self.apply_resumes(&events).await?;
        let open = self.eligible_events();
        if !self.was_ready {
            for sendable in &open {
                pulse::beat();
                self.ctx
                    .ledger
                    .release_rows(sendable.stream(), &[reason::ACCOUNT_NOT_READY], self.ctx.clock.now())
                    .await?;
            }
            self.was_ready = true;
        }
        Ok(open)
    }

    /// The events whose rows may be sent this moment. Not one that was resumed a moment ago, nor one whose rows have
    /// just moved to the stream of its action: what it missed may have to be skipped first.
    fn eligible_events(&self) -> Vec<EligibleEvent> {
        let events = self.ctx.registry.events_of_ad_account(&self.key);
        let mut open: Vec<_> = events
            .into_iter()
            .filter_map(|e| eligible_event(&self.ctx, e))
            .collect();
        open.retain(|sendable| self.resumed.get(&sendable.event().key) == Some(&Some(sendable.stream())));
        // While one event takes over from another both may have the same rows.
        let mut streams = BTreeSet::new();
        open.retain(|sendable| streams.insert(sendable.stream()));
        open
    }

    /// The routes of the account while it can be used.
    fn usable_routes(&self) -> Option<Routes> {
        self.ctx.registry.ad_account(&self.key)?.usable_routes()
    }

    /// When an event has come out of suspension, its missed rows go or are skipped, once; and once more where they move
    /// to another stream, as nothing is created for a suspended event and its rows wait without an action.
    async fn apply_resumes(&mut self, events: &[Arc<Event>]) -> Result<(), SyncError> {
        let known: BTreeSet<&ObjectKey> = events.iter().map(|event| &event.key).collect();
        self.resumed.retain(|key, _| known.contains(key));
        for event in events {
            pulse::beat();
            let settled = self.resumed.entry(event.key.clone()).or_default();
            if event.suspended {
                *settled = None;
            } else if let Some(stream) = self.ctx.registry.stream_of(&event.key)
                && *settled != Some(stream)
            {
                let skipped = self
                    .ctx
                    .ledger
                    .resume_rows(stream, event.resume_policy, self.ctx.clock.now())
                    .await?;
                *settled = Some(stream);
                if skipped > 0 {
                    info!(event = %event.key, skipped, "conversions missed while suspended are skipped");
                    self.ctx.registry.update_report(&event.key, |_| Notice::Soon);
                }
            }
        }
        Ok(())
    }

    /// Takes due rows of all events, about as many as fill a request.
    async fn collect_rows(
        &mut self,
        open: Vec<EligibleEvent>,
        routes: &Routes,
        portals: PortalChoice,
    ) -> Result<Vec<PreparedRow>, SyncError> {
        let fill = routes.stages.route_info().rows.max(routes.forms.route_info().rows);
        let mut all = Vec::new();
        let mut broken = None;
        for collected in self.reads.take_rows(&self.ctx, open, fill, portals).await {
            for (sendable, error) in collected.read.failed {
                self.read_failed(&sendable, error);
            }
            all.extend(collected.read.ready);
            broken = broken.or(collected.read.ledger);
        }
        // While one event takes over from another, two portals may have been asked about the same rows.
        let mut rows = BTreeSet::new();
        all.retain(|ready: &PreparedRow| rows.insert(ready.row.id));
        match broken {
            Some(error) => Err(error.into()),
            None => Ok(all),
        }
    }

    /// HubSpot could not be read: the rows wait, the other events go on.
    fn read_failed(&self, sendable: &EligibleEvent, error: UpstreamError) {
        self.ctx.registry.hubspot_fault(&sendable.event().hubspot, &error);
        self.record_failure(Side::Reads, &sendable.event().key, &error.into());
    }

    fn upload_failed(&self, event: &ObjectKey, fault: &SyncError) {
        self.record_failure(Side::Upload, event, fault);
    }

    fn record_failure(&self, work: Side, event: &ObjectKey, fault: &SyncError) {
        let note = error_note(fault, self.ctx.clock.now());
        let side = fault.side(work);
        self.ctx
            .registry
            .update_report(event, |report| report.record_failure(side, note));
    }
}
