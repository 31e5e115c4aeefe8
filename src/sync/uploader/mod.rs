//! The uploader: one per Google account, fills requests across its events. Every batch is in the ledger before it is
//! sent; what came of it is in the ledger before anything else happens.

mod fates;
mod request;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub use self::fates::fate_update;
use self::request::{Batch, complaints, conversion, destinations};
use super::context::SyncContext;
use super::event_loop::{Ready, Sendable, retry_later, sendable};
use super::fault::{Fault, note};
use super::ports::ledger::{BatchId, BatchResult, BatchRow, Row, RowUpdate};
use super::ports::sink::{IngestError, MAX_ROWS};
use super::ports::{Cause, Effect};
use super::registry::{Event, GoogleAccount, Notice, Readiness};
use crate::domain::backoff::backoff;
use crate::domain::batch::{Refusal, refusal};
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::{Outcome, reason};

/// How long rows may be sent after they were collected, where the upload interval is not longer.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// The uploader of one Google account.
pub struct Uploader {
    key: ObjectKey,
    ctx: Arc<SyncContext>,
    /// Events seen unsuspended: their resume is settled.
    resumed: BTreeMap<ObjectKey, bool>,
    was_ready: bool,
    not_before: Option<Timestamp>,
    /// Requests that failed in a row for no matter of their rows.
    failures: u32,
    /// Wakes the poller after an upload.
    uploaded: Arc<tokio::sync::Notify>,
}

/// How a request went on the whole.
enum Sent {
    /// Go on.
    Done,
    /// Stop this round: the account, or the way to Google, has a problem.
    Stop,
}

impl Uploader {
    /// The uploader of this account; `uploaded` is notified after each accepted request.
    pub fn new(key: ObjectKey, ctx: Arc<SyncContext>, uploaded: Arc<tokio::sync::Notify>) -> Self {
        Self {
            key,
            ctx,
            resumed: BTreeMap::new(),
            was_ready: false,
            not_before: None,
            failures: 0,
            uploaded,
        }
    }

    /// One round per upload interval, until cancelled. A request under way is finished first.
    pub async fn run(mut self, stop: CancellationToken) {
        let interval = std::time::Duration::try_from(self.ctx.settings.upload_interval).unwrap_or_default();
        let mut ticks = tokio::time::interval(interval.max(std::time::Duration::from_millis(50)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(fault) = self.round(&stop).await {
                warn!(account = %self.key, error = %fault, "upload round failed");
                if matches!(fault, Fault::Ledger(_)) {
                    for event in self.ctx.registry.events_of_google(&self.key) {
                        self.upload_failed(&event.key, &fault);
                    }
                }
            }
        }
    }

    /// Sends everything that is due. Accounts and events are looked at anew before each request.
    async fn round(&mut self, stop: &CancellationToken) -> Result<(), Fault> {
        while !stop.is_cancelled() {
            let Some(account) = self.account() else {
                self.was_ready = false;
                return Ok(());
            };
            let open = self.open().await?;
            if self.not_before.is_some_and(|t| t > self.ctx.clock.now()) {
                return Ok(());
            }
            self.not_before = None;
            let (ready, more) = self.collect(&open).await?;
            let sent = self.send_all(&account, ready, &open, stop).await?;
            if matches!(sent, Sent::Stop) || !more {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The events whose rows may be sent. Rows that waited for the account are due once it is ready again.
    async fn open(&mut self) -> Result<Vec<Sendable>, Fault> {
        let events = self.ctx.registry.events_of_google(&self.key);
        self.settle_resumes(&events).await?;
        let mut tracks = BTreeSet::new();
        let mut open: Vec<_> = events.into_iter().filter_map(|e| sendable(&self.ctx, e)).collect();
        // While one event takes over from another both may have the same rows.
        open.retain(|sendable| tracks.insert(sendable.track()));
        if !self.was_ready {
            for sendable in &open {
                self.ctx
                    .ledger
                    .release(sendable.track(), &[reason::ACCOUNT_NOT_READY], self.ctx.clock.now())
                    .await?;
            }
            self.was_ready = true;
        }
        Ok(open)
    }

    /// The account while it can be used.
    fn account(&self) -> Option<GoogleAccount> {
        let account = self.ctx.registry.google(&self.key)?;
        (account.readiness == Readiness::Ready && account.clients.is_some()).then_some(account)
    }

    /// When an event has come out of suspension, its missed rows go or are skipped, once.
    async fn settle_resumes(&mut self, events: &[Event]) -> Result<(), Fault> {
        self.resumed.retain(|key, _| events.iter().any(|e| e.key == *key));
        for event in events {
            let settled = self.resumed.entry(event.key.clone()).or_insert(false);
            if event.suspended {
                *settled = false;
            } else if !*settled && let Some(track) = self.ctx.registry.report(&event.key).track {
                let skipped = self
                    .ctx
                    .ledger
                    .resume(track, event.skip_missed, self.ctx.clock.now())
                    .await?;
                *settled = true;
                if skipped > 0 {
                    info!(event = %event.key, skipped, "conversions missed while suspended are skipped");
                    self.ctx.registry.update_report(&event.key, |_| Notice::Soon);
                }
            }
        }
        Ok(())
    }

    /// Takes due rows of all events until a request is full. True: there may be more.
    async fn collect(&self, open: &[Sendable]) -> Result<(Vec<Ready>, bool), Fault> {
        let mut all = Vec::new();
        let mut more = false;
        for sendable in open {
            let room = MAX_ROWS - all.len();
            if room == 0 {
                return Ok((all, true));
            }
            match sendable.prepare(&self.ctx, room).await {
                Ok((ready, looked_at)) => {
                    if looked_at > ready.len() {
                        self.ctx.registry.update_report(&sendable.event().key, |_| Notice::Soon);
                    }
                    more |= looked_at == room;
                    all.extend(ready);
                }
                Err(Fault::Upstream(error)) => {
                    // HubSpot could not be read: the other events go on.
                    self.ctx.registry.hubspot_fault(&sendable.event().hubspot, &error);
                    self.upload_failed(&sendable.event().key, &error.into());
                }
                Err(fault @ Fault::Ledger(_)) => return Err(fault),
            }
        }
        Ok((all, more))
    }

    fn upload_failed(&self, event: &ObjectKey, fault: &Fault) {
        let note = note(fault, self.ctx.clock.now());
        self.ctx.registry.update_report(event, |report| {
            report.push_error(note.clone());
            let flips = match fault {
                Fault::Ledger(_) => report.ledger.failed(note),
                Fault::Upstream(_) => report.upload.failed(note),
            };
            Notice::Soon.or_now(flips)
        });
    }

    /// Sends rows as requests: rows that must stay among themselves apart, at most ten destinations each. What is not
    /// sent when the process stops, the account is no longer ready or consent was read too long ago stays due.
    async fn send_all(
        &mut self,
        account: &GoogleAccount,
        ready: Vec<Ready>,
        open: &[Sendable],
        stop: &CancellationToken,
    ) -> Result<Sent, Fault> {
        let collected = self.ctx.clock.now();
        // Shorter, and a request could not be cut down to a row any more.
        let fresh = self.ctx.settings.upload_interval.max(FRESH);
        let mut queue: VecDeque<Vec<Ready>> = request::split(ready).into();
        while let Some(rows) = queue.pop_front() {
            let stale = self.ctx.clock.now().duration_since(collected) > fresh;
            if stop.is_cancelled() || stale || self.account().is_none() {
                return Ok(Sent::Stop);
            }
            let touched: Vec<_> = rows.iter().map(|r| r.row.track).collect();
            let (sent, again) = self.send(account, rows).await?;
            for sendable in open.iter().filter(|s| touched.contains(&s.track())) {
                self.ctx.registry.update_report(&sendable.event().key, |_| Notice::Soon);
            }
            for rows in again.into_iter().rev() {
                queue.push_front(rows);
            }
            if matches!(sent, Sent::Stop) {
                return Ok(Sent::Stop);
            }
        }
        Ok(Sent::Done)
    }

    /// Sends one request: ledger, call, ledger. Returns the rows to send again at once, as requests of their own.
    async fn send(&mut self, account: &GoogleAccount, ready: Vec<Ready>) -> Result<(Sent, Vec<Vec<Ready>>), Fault> {
        let Some(clients) = &account.clients else {
            return Ok((Sent::Stop, vec![]));
        };
        let destinations = destinations(&ready);
        let batch = Batch::new(account, &destinations);
        let rows: Vec<_> = ready
            .iter()
            .map(|r| {
                (
                    BatchRow {
                        row: r.row.id,
                        value: r.value.clone(),
                    },
                    batch.destination_of(r),
                )
            })
            .collect();
        let id = self
            .ctx
            .ledger
            .begin(&self.key, &destinations, &rows, self.ctx.clock.now())
            .await?;
        let request = batch.request(ready.iter().map(|r| conversion(r, batch.destination_of(r))).collect());
        let answer = clients.sink.ingest(&request).await;
        drop(request);
        let now = self.ctx.clock.now();
        match answer {
            Ok(request_id) => {
                debug!(account = %self.key, request = %request_id, rows = ready.len(), "accepted");
                let poll_at = now
                    .saturating_add(self.ctx.settings.diagnostics_first_poll)
                    .unwrap_or(Timestamp::MAX);
                let result = BatchResult::Accepted { request_id, poll_at };
                self.record(id, &result, now).await;
                self.failures = 0;
                self.succeeded(&ready, now);
                self.uploaded.notify_one();
                Ok((Sent::Done, vec![]))
            }
            Err(failure) => {
                let plan = self.plan(&failure, &ready, &rows);
                let stop = plan.is_none();
                let (updates, again) = match plan {
                    Some(plan) => {
                        self.failures = 0;
                        self.cut_down(plan, &failure, ready, now)
                    }
                    None => (self.held_up(&failure, &ready, now), vec![]),
                };
                let result = match failure.error.effect {
                    Effect::None => BatchResult::Refused { updates },
                    Effect::Unknown => BatchResult::Unknown { updates },
                };
                self.record(id, &result, now).await;
                Ok((if stop { Sent::Stop } else { Sent::Done }, again))
            }
        }
    }

    /// Writes what came of a batch, however long the ledger fails: until then nothing else is sent. If the process ends
    /// meanwhile, the batch counts as unknown at the next start and goes again with the same ids and values.
    async fn record(&self, batch: BatchId, result: &BatchResult, now: Timestamp) {
        let mut failures = 0;
        while let Err(error) = self.ctx.ledger.finish(batch, result, now).await {
            warn!(account = %self.key, %error, "the answer to an upload could not be recorded, trying again");
            for event in self.ctx.registry.events_of_google(&self.key) {
                self.upload_failed(&event.key, &error.clone().into());
            }
            let wait = backoff(failures, self.ctx.settings.backoff_max, 0);
            failures = failures.saturating_add(1);
            tokio::time::sleep(std::time::Duration::try_from(wait).unwrap_or_default()).await;
        }
    }

    fn succeeded(&self, ready: &[Ready], now: Timestamp) {
        for event in self.events_of(ready) {
            self.ctx
                .registry
                .update_report(&event, |report| Notice::Soon.or_now(report.upload.succeeded(now)));
        }
    }

    fn events_of(&self, ready: &[Ready]) -> Vec<ObjectKey> {
        self.ctx
            .registry
            .events_of_google(&self.key)
            .into_iter()
            .filter(|e| {
                let track = self.ctx.registry.report(&e.key).track;
                ready.iter().any(|r| Some(r.row.track) == track)
            })
            .map(|e| e.key)
            .collect()
    }

    /// How to cut a refused request down; `None` where the failure is no matter of rows.
    fn plan(&self, failure: &IngestError, ready: &[Ready], rows: &[(BatchRow, usize)]) -> Option<Refusal> {
        if failure.error.cause != Cause::Refused || failure.error.effect != Effect::None {
            return None;
        }
        let destination_of: Vec<_> = rows.iter().map(|(_, d)| *d).collect();
        let code = failure.error.code.as_deref().unwrap_or_default();
        let plan = refusal(&destination_of, code, &complaints(failure));
        debug!(account = %self.key, rows = ready.len(), bad = plan.fates.len(), "refused, cut down");
        Some(plan)
    }

    /// The updates of the rows whose fate is known, and the rows to send again.
    fn cut_down(
        &self,
        plan: Refusal,
        failure: &IngestError,
        ready: Vec<Ready>,
        now: Timestamp,
    ) -> (Vec<RowUpdate>, Vec<Vec<Ready>>) {
        let events = self.events_of(&ready);
        let mut updates = Vec::with_capacity(plan.fates.len());
        let mut by_index: BTreeMap<usize, Ready> = ready.into_iter().enumerate().collect();
        for (index, fate) in plan.fates {
            if let Some(ready) = by_index.remove(&index) {
                updates.push(fate_update(&self.ctx, (&ready.row).into(), &fate, now));
            }
        }
        if updates.iter().any(|u| u.outcome == Outcome::Pending) {
            let fault = Fault::Upstream(failure.error.clone());
            for event in events {
                self.ctx.registry.update_report(&event, |report| {
                    report.push_error(note(&fault, now));
                    Notice::Soon
                });
            }
        }
        let again = plan
            .resend
            .into_iter()
            .map(|rows| rows.into_iter().filter_map(|i| by_index.remove(&i)).collect())
            .collect();
        (updates, again)
    }

    /// The whole request waits: Google, the way to it, or the account has a problem.
    fn held_up(&mut self, failure: &IngestError, ready: &[Ready], now: Timestamp) -> Vec<RowUpdate> {
        let error = &failure.error;
        self.ctx.registry.google_fault(&self.key, error);
        for event in self.events_of(ready) {
            self.upload_failed(&event, &error.clone().into());
        }
        // The pause follows the failures of the account: a row that waits for a reason of its own lengthens nobody's.
        let pause = backoff(self.failures, self.ctx.settings.backoff_max, 0);
        self.failures = self.failures.saturating_add(1);
        let due = now
            .saturating_add(error.retry_after.unwrap_or(pause))
            .unwrap_or(Timestamp::MAX);
        self.not_before = Some(due);
        let rows: Vec<Row> = ready.iter().map(|r| r.row.clone()).collect();
        let mut updates = retry_later(&self.ctx, &rows, error);
        for update in &mut updates {
            update.due = due;
        }
        updates
    }
}
