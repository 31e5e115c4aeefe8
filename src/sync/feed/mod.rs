//! The feed: one per HubSpot account, shared by all its events. Finds occurrences and notes them in the ledger.
//!
//! Two ways to find changes: by the time of the last entry into a stage, if the portal has that property, else by
//! modification time. Both have a lower bound only, by HubSpot's clock, and page by id; histories decide what counts.

mod aside;
pub(in crate::sync) mod bounds;
pub(in crate::sync) mod clock;
mod deleted;
mod detect;
mod failing_stages;
pub(in crate::sync) mod failure;
mod full_scan;
mod known_streams;
mod newcomers;
pub(in crate::sync) mod pass;
mod read_aside;
pub(in crate::sync) mod read_history;
pub(in crate::sync) mod recent_entries;
mod scan;
mod stored_marks;
mod suspect_queue;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::detect::{ChangeDetector, PortalClock};
use self::failure::{failure_pause, report_failure};
use self::known_streams::KnownStreams;
use self::pass::{Member, Pass};
use self::scan::{FreshPoll, Scan, ScanFindings, SearchMode};
use super::context::SyncContext;
use super::failing::FailingParts;
use super::forms::FormReader;
use crate::api::ChangeDetection;
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::ports::Cause;
use crate::ports::ledger::{StreamId, Watermark};
use crate::ports::pulse;
use crate::registry::sync_error::SyncError;
use crate::registry::{FeedReport, Notice, Readiness};
use crate::sync::feed::bounds::{Lookback, PollReach, STEP_BACK, Tracked, date_entered, stage_bounds};
use crate::sync::feed::read_history::ReadHistory;
use crate::sync::withheld::record_read;

pub use crate::sync::feed::bounds::{contact_query, form_contact_query};

/// Pause after a change before the feed looks what it means: changes that come together are looked at together.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// The feed of one HubSpot account.
pub struct Feed {
    key: ObjectKey,
    ctx: Arc<SyncContext>,
    history: ReadHistory,
    detector: ChangeDetector,
    portal_clock: PortalClock,
    members: Vec<Member>,
    /// Whose rows the last pass noted, and on which streams.
    served: BTreeMap<Member, StreamId>,
    streams: KnownStreams,
    /// When each stream of the last pass took part in a full scan.
    full_scans: BTreeMap<StreamId, Timestamp>,
    last_wide: Option<Instant>,
    forms: FormReader,
    last_interval: Duration,
    failures: u32,
    /// Stages whose searches fail while those of others are answered.
    failing: FailingParts,
    /// No look for deleted contacts before, after one that failed.
    no_look_before: Option<Instant>,
}

impl Feed {
    /// The feed of this account; nothing is read before [`Self::run`].
    pub fn new(key: ObjectKey, ctx: Arc<SyncContext>) -> Self {
        let forms = FormReader::new(key.clone(), Arc::clone(&ctx));
        Self {
            key,
            ctx,
            history: ReadHistory::default(),
            detector: ChangeDetector::default(),
            portal_clock: PortalClock::default(),
            members: Vec::new(),
            served: BTreeMap::new(),
            streams: KnownStreams::default(),
            full_scans: BTreeMap::new(),
            last_wide: None,
            forms,
            last_interval: Duration::ZERO,
            failures: 0,
            failing: FailingParts::default(),
            no_look_before: None,
        }
    }

    /// Polls until cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.ctx.registry.subscribe();
        loop {
            pulse::beat();
            changes.mark_unchanged();
            let pause = tokio::select! {
                () = stop.cancelled() => return,
                pause = self.tick() => pause,
            };
            pulse::rest(pause);
            let deadline = tokio::time::Instant::now() + pause;
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(deadline) => break,
                    changed = changes.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        // What comes together is looked at together: each look goes through all events of the account.
                        tokio::select! {
                            () = stop.cancelled() => return,
                            () = tokio::time::sleep(LOOK_PAUSE) => changes.mark_unchanged(),
                        }
                        if self.has_other_members() || self.poll_interval() != self.last_interval {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// One pass by hand. `None`: all is read; else how long to wait before the next one.
    pub(in crate::sync) async fn read_more(&mut self) -> Option<Duration> {
        let pause = self.tick().await;
        let failed = self.failures > 0 || self.forms.next_try().is_some();
        (failed || self.forms.is_behind()).then_some(if failed { pause } else { Duration::ZERO })
    }

    /// Who takes part now: empty while the account can't be used.
    fn current_members(&self) -> Vec<Member> {
        let account = self.ctx.registry.hubspot_account(&self.key);
        let usable = account.is_some_and(|a| a.readiness == Readiness::Ready && a.crm.is_some() && a.portal.is_some());
        let events = if usable {
            self.ctx.registry.events_of_hubspot(&self.key)
        } else {
            vec![]
        };
        events.iter().map(Member::new).collect()
    }

    /// True if others take part than in the last pass, or if one of them has another action: rows of an event move to
    /// the stream of its action once that is known, and the uploader follows.
    fn has_other_members(&self) -> bool {
        let now = self.current_members();
        now != self.members
            || !now
                .iter()
                .map(Member::action)
                .eq(self.members.iter().map(Member::action))
    }

    fn poll_interval(&self) -> Duration {
        let account = self.ctx.registry.hubspot_account(&self.key);
        account.map_or(Duration::from_mins(1), |account| account.interval)
    }

    /// One pass and the pause after it.
    async fn tick(&mut self) -> Duration {
        let interval = self.poll_interval();
        self.last_interval = interval;
        self.members = self.current_members();
        if self.members.is_empty() {
            self.look_for_deleted().await;
            return interval;
        }
        let opened = match self.open_pass().await {
            Ok(Some(pass)) => self.begin_reads(&pass.events).await.map(|()| Some(pass)),
            opened => opened,
        };
        let mut pass = match opened {
            Ok(Some(pass)) => pass,
            Ok(None) => return interval,
            Err(fault) => {
                report_failure(&self.ctx, &self.key, &fault, &[]);
                return self.failed(&[fault], interval);
            }
        };
        pass.crm.retry_withheld().await;
        let mut faults = Vec::new();
        if !pass.events.is_empty()
            && let Err(fault) = self.run_stages(&mut pass).await
        {
            report_failure(&self.ctx, &self.key, &fault, &pass.events.iter().collect::<Vec<_>>());
            faults.push(fault);
        }
        if !pass.forms.is_empty() {
            let others = !pass.events.is_empty() && faults.is_empty();
            faults.extend(self.forms.read_all(&pass, others).await);
        }
        if faults.is_empty() {
            self.failures = 0;
            let report = FeedReport {
                change_detection: (!pass.events.is_empty()).then(|| self.detector.mode()),
                last_poll: Some(self.ctx.clock.now()),
            };
            self.ctx.registry.set_feed(&self.key, report);
            if !self.forms.is_behind() {
                self.look_for_deleted().await;
            }
            return self.forms.next_try().map_or(interval, |pause| pause.min(interval));
        }
        self.failed(&faults, interval)
    }

    /// Counts one more failed pass; returns the pause before the next.
    fn failed(&mut self, faults: &[SyncError], interval: Duration) -> Duration {
        // As long as others are read, those do not wait longer and longer for what fails.
        self.failures = if self.history.read_any { 0 } else { self.failures };
        let pause = failure_pause(self.failures, self.ctx.settings.backoff_max, faults, interval);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// Everything a pass needs, read from registry and ledger.
    async fn open_pass(&mut self) -> Result<Option<Pass>, SyncError> {
        let Some(account) = self.ctx.registry.hubspot_account(&self.key) else {
            return Ok(None);
        };
        let (Some(crm), Some(portal)) = (account.crm.clone(), account.portal.clone()) else {
            return Ok(None);
        };
        let events = self.ctx.registry.events_of_hubspot(&self.key);
        let now = self.portal_clock.latest(self.ctx.clock.now());
        let streams = self.streams.find_streams(&self.ctx, portal.id, &events, now).await?;
        let marks = self.stored_marks(&events, &streams).await?;
        let tracked = events.into_iter().zip(streams).zip(marks);
        let (events, forms): (Vec<_>, Vec<_>) = tracked
            .map(|((event, stream), mark)| Tracked { event, stream, mark })
            .partition(|t| t.event.trigger.stage().is_some());
        for tracked in events.iter().chain(&forms) {
            self.ctx.registry.update_report(&tracked.event.key, |report| {
                let moved = report.stream != Some(tracked.stream);
                report.stream = Some(tracked.stream);
                if moved { Notice::Soon } else { Notice::Quiet }
            });
        }
        Ok(Some(Pass {
            account,
            crm,
            portal,
            events,
            forms,
        }))
    }

    /// The lifecycle events.
    async fn run_pass(&mut self, pass: &Pass) -> Result<(), SyncError> {
        self.restart_for_newcomers(&pass.events);
        self.load_aside().await?;
        if self.history.aside.is_full() {
            // Where nobody can be put aside any more the pass may end before its end, where these are read.
            self.read_aside(pass).await?;
        }
        let began = Instant::now();
        let reach = self.poll_reach(began);
        let back = self.lookback(reach);
        let bounds = stage_bounds(&pass.events, back);
        let mut seen = self.search_changes(pass, &bounds).await?;
        let whole = self.full_scan(pass, &bounds, reach, &mut seen).await? && seen.nameless == 0;
        self.finish_pass(pass, back, &seen, began).await?;
        if whole {
            self.portal_clock.pass_completed(began);
            self.last_wide = (reach == PollReach::Wide).then_some(began).or(self.last_wide);
        }
        self.read_aside(pass).await
    }

    fn poll_reach(&self, now: Instant) -> PollReach {
        let pause = Duration::try_from(self.ctx.settings.overlap / 6).unwrap_or_default();
        match self.last_wide {
            Some(last) if now.duration_since(last) < pause => PollReach::Usual,
            _ => PollReach::Wide,
        }
    }

    /// Two minutes, and every so often the whole overlap before the newest time seen.
    fn lookback(&self, reach: PollReach) -> Lookback {
        if reach == PollReach::Wide {
            let by = self.ctx.settings.overlap.max(STEP_BACK);
            return Lookback { by, reached: None };
        }
        Lookback {
            by: STEP_BACK,
            reached: self.portal_clock.reached_time(),
        }
    }

    /// By entry time if the portal lists the property of every stage and takes a search on it.
    async fn search_changes(
        &mut self,
        pass: &Pass,
        bounds: &BTreeMap<String, Timestamp>,
    ) -> Result<ScanFindings, SyncError> {
        let stages: BTreeSet<String> = bounds.keys().cloned().collect();
        let listed = stages
            .iter()
            .all(|s| pass.account.properties.binary_search(&date_entered(s)).is_ok());
        let retry = self.ctx.settings.sweep_interval.try_into().unwrap_or_default();
        self.detector.pick_mode(stages, listed, retry, Instant::now());
        let fresh = self.fresh_poll(pass);
        let mut scan = Scan::new(&self.ctx, pass, &mut self.history).with_polls(fresh);
        let mut seen = None;
        if self.detector.mode() == ChangeDetection::DateEntered {
            match scan.by_entry(bounds).await {
                Err(SyncError::Upstream(error)) if error.cause == Cause::Refused => {
                    info!(account = %self.key, error = brief(&error), "HubSpot does not let entry times be searched; changes are found by modification time instead");
                    self.detector.give_up(Instant::now());
                }
                found => seen = Some(found?),
            }
        }
        let seen = match (seen, bounds.values().min()) {
            (Some(seen), _) => seen,
            (None, Some(since)) => scan.by_modification(*since, SearchMode::Modified).await?,
            (None, None) => ScanFindings::default(),
        };
        self.detector.mark_proven(seen.proven.iter().cloned());
        self.learn_time(&seen);
        Ok(seen)
    }

    /// What is polled for while a scan of this pass goes on, so that the first
    /// read of one event does not hold up the fresh conversions of others.
    fn fresh_poll(&self, pass: &Pass) -> FreshPoll {
        let covered: Vec<Tracked> = pass.events.iter().filter(|t| !t.is_backfill()).cloned().collect();
        FreshPoll {
            bounds: stage_bounds(&covered, self.lookback(PollReach::Usual)),
            detection: self.detector.mode(),
            interval: pass.account.interval,
            last: Instant::now(),
        }
    }

    /// Remembers how far we came and reports success. The cursor stays behind the newest time seen by the length of the
    /// pass: a contact that changed behind the page being read comes with the next poll.
    async fn finish_pass(
        &mut self,
        pass: &Pass,
        back: Lookback,
        seen: &ScanFindings,
        began: Instant,
    ) -> Result<(), SyncError> {
        // Before the marks: they move past the contacts that were put aside.
        self.save_aside().await?;
        let now = self.ctx.clock.now();
        let length = SignedDuration::try_from(began.elapsed()).unwrap_or(SignedDuration::MAX);
        // Two events share a stream while it is being settled whose it is: the one less far along counts.
        let mut marks: BTreeMap<StreamId, Watermark> = BTreeMap::new();
        for tracked in &pass.events {
            let newest = seen.newest_of(tracked.stage()).and_then(|t| t.checked_sub(length).ok());
            let mark = tracked.mark_after(back.by, newest.unwrap_or(Timestamp::MIN));
            // A contact without an id can't be put aside: the marks stay then, and the same rows are searched again.
            if tracked.mark != Some(mark) && seen.nameless == 0 {
                let kept = marks.entry(tracked.stream).or_insert(mark);
                *kept = if mark.cursor < kept.cursor { mark } else { *kept };
            }
        }
        if !marks.is_empty() {
            let marks: Vec<_> = marks.into_iter().collect();
            self.ctx.ledger.set_feed_marks(&marks).await?;
        }
        for tracked in &pass.events {
            let new = seen.new_of(tracked.stream);
            let shortfall = self.shortfall_of(&tracked.event);
            self.ctx.registry.update_report(&tracked.event.key, |report| {
                let notice = record_read(report, shortfall, now);
                notice.max(if new > 0 { Notice::Soon } else { Notice::Quiet })
            });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "marks_tests.rs"]
mod tests;
