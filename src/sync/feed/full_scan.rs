//! Full scans, by modification time: they find what the polls cannot find.
//!
//! After a backfill over its whole span, because entry times may keep one entry only; once a day over three days, for
//! what became visible late or with an old time (imports, merges); and with the wider polls while nobody has shown yet
//! that a search by entry time finds anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tracing::{debug, info};

use super::Feed;
use super::pass::Pass;
use super::scan::{Scan, ScanFindings, SearchMode};
use crate::api::ChangeDetection;
use crate::domain::time::later;
use crate::ports::ledger::StreamId;
use crate::registry::sync_error::SyncError;
use crate::sync::feed::bounds::PollReach;

/// Span of the daily full scan.
const SPAN: SignedDuration = SignedDuration::from_hours(72);
/// However rarely it is made.
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Feed {
    /// Makes a full scan if it is due. Returns false if it turned out that the poll did not see everything.
    pub(super) async fn full_scan(
        &mut self,
        pass: &Pass,
        bounds: &BTreeMap<String, Timestamp>,
        reach: PollReach,
        seen: &mut ScanFindings,
    ) -> Result<bool, SyncError> {
        let now = self.ctx.clock.now();
        self.load_full_scans(pass).await?;
        let due = self.due_since(pass, now);
        let unproven = self.detector.unproven_stages(bounds);
        let dated = self.detector.mode() == ChangeDetection::DateEntered;
        let since = [
            self.backfill_start(pass).filter(|_| dated),
            due,
            (reach == PollReach::Wide && !unproven.is_empty()).then(|| self.unproven_since(bounds)),
        ];
        if let Some(since) = since.into_iter().flatten().min() {
            let first = pass.events.iter().map(|t| t.event.start).min();
            let since = since.max(first.unwrap_or(since));
            let mode = if dated {
                SearchMode::FullScan(&unproven)
            } else {
                SearchMode::Modified
            };
            let fresh = self.fresh_poll(pass);
            let scanned = Scan::new(&self.ctx, pass, &mut self.history)
                .with_polls(fresh)
                .by_modification(since, mode)
                .await?;
            debug!(account = %self.key, %since, new = scanned.new_rows, "full scan read");
            seen.add_rows(&scanned);
            self.learn_time(&scanned);
            if !self.prove_entry_search(pass, &scanned).await? {
                return Ok(false);
            }
        }
        let streams = pass.events.iter().map(|t| t.stream);
        let scanned: BTreeSet<StreamId> = streams
            .filter(|s| due.is_some() || !self.full_scans.contains_key(s))
            .collect();
        if !scanned.is_empty() {
            // Before the time of the scan: nothing else finds those that it has put aside so soon.
            self.save_aside().await?;
            let scanned: Vec<_> = scanned.into_iter().collect();
            self.ctx.ledger.set_last_full_scans(&self.key, &scanned, now).await?;
            self.full_scans.extend(scanned.into_iter().map(|stream| (stream, now)));
        }
        Ok(true)
    }

    /// When the streams of this pass took part in a full scan last.
    async fn load_full_scans(&mut self, pass: &Pass) -> Result<(), SyncError> {
        let streams: BTreeSet<StreamId> = pass.events.iter().map(|t| t.stream).collect();
        // Who comes back later is asked for again.
        self.full_scans.retain(|stream, _| streams.contains(stream));
        let unknown: Vec<_> = streams
            .into_iter()
            .filter(|s| !self.full_scans.contains_key(s))
            .collect();
        self.full_scans
            .extend(self.ctx.ledger.last_full_scans(&self.key, &unknown).await?);
        Ok(())
    }

    /// Since when everything is looked for once more, if that is due for any of the events. One that comes back after a
    /// long time has missed the scans meanwhile: it begins three days before the first of them.
    fn due_since(&self, pass: &Pass, now: Timestamp) -> Option<Timestamp> {
        let interval = self.ctx.settings.sweep_interval;
        let missed = pass.events.iter().filter_map(|t| match self.full_scans.get(&t.stream) {
            Some(last) if *last > now => Some(now),
            Some(last) => (later(*last, interval) <= now).then(|| later(*last, interval.min(DAY))),
            // Another account, or a version before, has made the scans of this stream, if anybody has.
            None => t.mark.filter(|_| !t.is_backfill()).map(|mark| mark.cursor.min(now)),
        });
        let missed = missed.min()?.checked_sub(SPAN).unwrap_or(Timestamp::MIN);
        Some(self.before_present(pass, SPAN).min(missed))
    }

    /// What a scan says of HubSpot's clock.
    pub(super) fn learn_time(&mut self, seen: &ScanFindings) {
        seen.latest
            .into_iter()
            .for_each(|latest| self.portal_clock.forget_after(latest));
        if let Some(modified) = seen.modified {
            self.portal_clock.record_modified(modified, Instant::now());
        }
    }

    /// Since when something is read for the first time in this pass.
    fn backfill_start(&self, pass: &Pass) -> Option<Timestamp> {
        let since = pass
            .events
            .iter()
            .filter(|t| t.is_backfill())
            .map(|t| t.event.start)
            .min();
        if let Some(since) = since {
            info!(account = %self.key, %since, "backfill begins");
        }
        since
    }

    /// The time `span` before HubSpot's present, as far as that is known.
    fn before_present(&self, pass: &Pass, span: SignedDuration) -> Timestamp {
        let cursors = pass.events.iter().filter_map(|t| t.mark.map(|m| m.cursor));
        let newest = cursors
            .chain(self.portal_clock.known_time())
            .max()
            .unwrap_or(Timestamp::MIN);
        newest.checked_sub(span).unwrap_or(Timestamp::MIN)
    }

    fn unproven_since(&self, bounds: &BTreeMap<String, Timestamp>) -> Timestamp {
        let polled = bounds.values().min().copied().unwrap_or(Timestamp::MIN);
        let overlap = self.ctx.settings.overlap;
        self.portal_clock
            .reached_time()
            .map_or(polled, |t| t.checked_sub(overlap).unwrap_or(polled))
    }

    /// Settles whether searches by entry time work, by the contacts that they did not find.
    async fn prove_entry_search(&mut self, pass: &Pass, scanned: &ScanFindings) -> Result<bool, SyncError> {
        for (stage, missed) in &scanned.strays {
            let found = Scan::new(&self.ctx, pass, &mut self.history)
                .finds_missed(stage, *missed)
                .await;
            if found.is_err() {
                // The contact must come up again.
                self.history.forget_all();
            }
            if !found? {
                info!(account = %self.key, stage, "searches by entry time miss contacts; changes are found by modification time instead");
                self.detector.give_up(Instant::now());
                self.portal_clock.forget_reached();
                self.last_wide = None;
                return Ok(false);
            }
            self.detector.mark_proven([stage.clone()]);
        }
        Ok(true)
    }
}
