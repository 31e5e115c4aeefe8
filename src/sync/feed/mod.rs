//! The feed: one per HubSpot account, shared by all its events. Finds occurrences and notes them in the ledger.
//!
//! Two ways to find changes: by the time of the last entry into a stage, where the portal has that property, else by
//! modification time. Both have a lower bound only, by HubSpot's clock, and page by id; histories decide what counts.

mod memory;
mod plan;
mod scan;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::memory::Memory;
use self::plan::{Tracked, bounds, date_entered};
use super::context::SyncContext;
use super::fault::{Fault, note};
use super::ports::ledger::TrackRequest;
use super::registry::{ChangeDetection, Event, FeedReport, HubSpotAccount, Notice, Readiness};
use crate::domain::backoff::backoff;
use crate::domain::ids::ObjectKey;

pub use self::plan::read_plan;

/// How far a normal poll goes back: the search index lags (reference notes, HubSpot 3).
const STEP_BACK: SignedDuration = SignedDuration::from_mins(2);
/// Span of the daily sweep.
const SWEEP_SPAN: SignedDuration = SignedDuration::from_hours(72);

/// The feed of one HubSpot account.
pub struct Feed {
    key: ObjectKey,
    ctx: Arc<SyncContext>,
    memory: Memory,
    mode: Option<(ChangeDetection, BTreeSet<String>)>,
    members: Vec<Member>,
    last_overlap: Option<Timestamp>,
    last_sweep: Timestamp,
    last_interval: std::time::Duration,
    failures: u32,
}

/// What makes a pass necessary before its time: who takes part, and since when.
type Member = (ObjectKey, String, String, Timestamp);

/// One account at the moment of a pass: usable, with events.
struct Pass {
    account: HubSpotAccount,
    crm: Arc<dyn super::ports::crm::Crm>,
    portal: super::ports::crm::Portal,
    events: Vec<Tracked>,
}

impl Feed {
    /// The feed of this account; nothing is read before [`Self::run`].
    pub fn new(key: ObjectKey, ctx: Arc<SyncContext>) -> Self {
        let last_sweep = ctx.clock.now();
        Self {
            key,
            ctx,
            memory: Memory::default(),
            mode: None,
            members: Vec::new(),
            last_overlap: None,
            last_sweep,
            last_interval: std::time::Duration::ZERO,
            failures: 0,
        }
    }

    /// Polls until cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.ctx.registry.subscribe();
        loop {
            changes.mark_unchanged();
            let pause = tokio::select! {
                () = stop.cancelled() => return,
                pause = self.turn() => pause,
            };
            let deadline = tokio::time::Instant::now() + pause;
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(deadline) => break,
                    changed = changes.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        if self.members() != self.members || self.interval() != self.last_interval {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Who takes part now: empty while the account can't be used.
    fn members(&self) -> Vec<Member> {
        let usable = self
            .ctx
            .registry
            .hubspot(&self.key)
            .is_some_and(|a| a.readiness == Readiness::Ready && a.crm.is_some() && a.portal.is_some());
        let events = if usable {
            self.ctx.registry.events_of_hubspot(&self.key)
        } else {
            vec![]
        };
        events.into_iter().map(|e| (e.key, e.uid, e.stage, e.start)).collect()
    }

    fn interval(&self) -> std::time::Duration {
        let account = self.ctx.registry.hubspot(&self.key);
        account.map_or(std::time::Duration::from_mins(1), |a| a.interval)
    }

    /// One pass and the pause after it.
    async fn turn(&mut self) -> std::time::Duration {
        let interval = self.interval();
        self.last_interval = interval;
        let members = self.members();
        if members.iter().any(|m| !self.members.contains(m)) {
            self.memory.clear();
        }
        self.members = members;
        if self.members.is_empty() {
            return interval;
        }
        match self.pass().await {
            Ok(()) => {
                self.failures = 0;
                interval
            }
            Err(fault) => self.failed(&fault, interval),
        }
    }

    fn failed(&mut self, fault: &Fault, interval: std::time::Duration) -> std::time::Duration {
        warn!(account = %self.key, error = %fault, "poll failed");
        if let Fault::Upstream(error) = fault {
            self.ctx.registry.hubspot_fault(&self.key, error);
        }
        let now = self.ctx.clock.now();
        for event in self.ctx.registry.events_of_hubspot(&self.key) {
            self.ctx.registry.update_report(&event.key, |report| {
                let note = note(fault, now);
                report.push_error(note.clone());
                let flips = match fault {
                    Fault::Ledger(_) => report.ledger.failed(note),
                    Fault::Upstream(_) => report.feed.failed(note),
                };
                Notice::Soon.or_now(flips)
            });
        }
        let wait = backoff(
            self.failures,
            self.ctx.settings.backoff_max,
            u64::from(self.failures) * 37,
        );
        self.failures = self.failures.saturating_add(1);
        let asked = fault.retry_after().unwrap_or_default();
        std::time::Duration::try_from(wait.max(asked)).unwrap_or(interval)
    }

    /// Everything a pass needs, read from registry and ledger.
    async fn open(&self) -> Result<Option<Pass>, Fault> {
        let Some(account) = self.ctx.registry.hubspot(&self.key) else {
            return Ok(None);
        };
        let (Some(crm), Some(portal)) = (account.crm.clone(), account.portal.clone()) else {
            return Ok(None);
        };
        let events = self.ctx.registry.events_of_hubspot(&self.key);
        let mut tracks = Vec::with_capacity(events.len());
        for event in &events {
            tracks.push(self.ctx.ledger.track(&track_request(event, portal.id)).await?);
        }
        let marks = self.ctx.ledger.feed_marks(&tracks).await?;
        let events = events
            .into_iter()
            .zip(tracks)
            .zip(marks)
            .map(|((event, track), mark)| Tracked { event, track, mark })
            .collect::<Vec<_>>();
        for tracked in &events {
            self.ctx.registry.update_report(&tracked.event.key, |report| {
                let moved = report.track != Some(tracked.track);
                report.track = Some(tracked.track);
                if moved { Notice::Soon } else { Notice::Quiet }
            });
        }
        Ok(Some(Pass {
            account,
            crm,
            portal,
            events,
        }))
    }

    async fn pass(&mut self) -> Result<(), Fault> {
        let Some(pass) = self.open().await? else { return Ok(()) };
        if pass.events.is_empty() {
            return Ok(());
        }
        let began = self.ctx.clock.now();
        let back = self.step_back(began);
        let backfill = pass
            .events
            .iter()
            .filter(|t| t.is_backfill())
            .map(|t| t.event.start)
            .min();
        let seen = self.poll(&pass, back).await?;
        if let Some(since) = backfill {
            info!(account = %self.key, %since, "backfill read");
        }
        if self.mode() == ChangeDetection::DateEntered {
            self.sweep_if_due(&pass, backfill, &seen, began).await?;
        }
        self.finish(&pass, back, &seen, began).await
    }

    /// Two minutes, and every so often the whole overlap.
    fn step_back(&mut self, now: Timestamp) -> SignedDuration {
        let overlap = self.ctx.settings.overlap;
        if self
            .last_overlap
            .is_none_or(|last| now.duration_since(last) >= overlap / 6)
        {
            self.last_overlap = Some(now);
            return overlap.max(STEP_BACK);
        }
        STEP_BACK
    }

    fn mode(&self) -> ChangeDetection {
        self.mode
            .as_ref()
            .map_or(ChangeDetection::LastModified, |(mode, _)| *mode)
    }

    /// Picks the way to find changes, once for each set of stages: by entry time where the portal lists the property of
    /// every stage and takes a search on it.
    async fn poll(&mut self, pass: &Pass, back: SignedDuration) -> Result<scan::Seen, Fault> {
        let bounds = bounds(&pass.events, back);
        let stages: BTreeSet<String> = bounds.keys().cloned().collect();
        if self.mode.as_ref().is_none_or(|(_, probed)| *probed != stages) {
            let listed = stages
                .iter()
                .all(|s| pass.account.properties.binary_search(&date_entered(s)).is_ok());
            let mode = if listed {
                ChangeDetection::DateEntered
            } else {
                ChangeDetection::LastModified
            };
            self.mode = Some((mode, stages.clone()));
        }
        let mut scan = scan::Scan::new(
            &self.ctx,
            pass.crm.as_ref(),
            &pass.portal,
            &pass.events,
            &mut self.memory,
        );
        if self
            .mode
            .as_ref()
            .is_some_and(|(mode, _)| *mode == ChangeDetection::DateEntered)
        {
            match scan.by_entry(&bounds).await {
                Err(Fault::Upstream(error)) if error.cause == super::ports::Cause::Refused => {
                    info!(account = %self.key, error = %error, "entry times can't be searched here: by modification time");
                    self.mode = Some((ChangeDetection::LastModified, stages));
                }
                other => return other,
            }
        }
        match bounds.values().min() {
            Some(since) => scan.by_modification(*since, false).await,
            None => Ok(scan::Seen::default()),
        }
    }

    /// A sweep by modification time: over the whole span after a backfill, over three days once a day.
    async fn sweep_if_due(
        &mut self,
        pass: &Pass,
        backfill: Option<Timestamp>,
        seen: &scan::Seen,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let daily = now.duration_since(self.last_sweep) >= self.ctx.settings.sweep_interval;
        let newest = pass
            .events
            .iter()
            .filter_map(|t| t.mark.map(|m| m.cursor))
            .chain(seen.newest())
            .max();
        let since = match (backfill, daily, newest) {
            (Some(start), ..) => start,
            (None, true, Some(newest)) => newest.saturating_sub(SWEEP_SPAN).unwrap_or(Timestamp::MIN),
            _ => return Ok(()),
        };
        let mut scan = scan::Scan::new(
            &self.ctx,
            pass.crm.as_ref(),
            &pass.portal,
            &pass.events,
            &mut self.memory,
        );
        let swept = scan.by_modification(since, true).await?;
        debug!(account = %self.key, %since, new = swept.new_rows, "sweep read");
        self.last_sweep = now;
        Ok(())
    }

    /// Remembers how far we came and reports success. The cursor stays behind the newest time seen by the length of the
    /// pass: a contact that changed behind the page being read comes with the next poll.
    async fn finish(
        &self,
        pass: &Pass,
        back: SignedDuration,
        seen: &scan::Seen,
        began: Timestamp,
    ) -> Result<(), Fault> {
        let now = self.ctx.clock.now();
        let length = now.duration_since(began).max(SignedDuration::ZERO);
        let mut marks = Vec::new();
        for tracked in &pass.events {
            let newest = seen
                .newest_of(&tracked.event.stage)
                .and_then(|t| t.saturating_sub(length).ok());
            let mark = tracked.mark_after(tracked.lower_bound(back), newest.unwrap_or(Timestamp::MIN));
            if tracked.mark != Some(mark) {
                marks.push((tracked.track, mark));
            }
        }
        if !marks.is_empty() {
            self.ctx.ledger.set_feed_marks(&marks).await?;
        }
        for tracked in &pass.events {
            let new = seen.new_of(tracked.track);
            self.ctx.registry.update_report(&tracked.event.key, |report| {
                let flips = report.feed.succeeded(now) | report.ledger.succeeded(now);
                if new > 0 { Notice::Soon } else { Notice::Quiet }.or_now(flips)
            });
        }
        let report = FeedReport {
            change_detection: Some(self.mode()),
            last_poll: Some(now),
        };
        self.ctx.registry.set_feed(&self.key, report);
        Ok(())
    }
}

/// Asks for the track of an event.
pub fn track_request(event: &Event, portal: crate::domain::ids::PortalId) -> TrackRequest {
    TrackRequest {
        event: event.key.clone(),
        event_uid: event.uid.clone(),
        portal,
        stage: event.stage.clone(),
        action: event.action.as_ref().map(|a| a.key.clone()),
    }
}

/// Most contacts in one read with history.
pub const fn scan_limit() -> usize {
    scan::MAX_READ
}
