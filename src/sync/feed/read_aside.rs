//! The contacts put aside: remembered by the ledger, and read again.

use std::time::{Duration, Instant};

use super::Feed;
use super::pass::Pass;
use super::scan::Scan;
use crate::registry::sync_error::SyncError;
use crate::registry::{Event, Notice};
use crate::sync::withheld::{record_read, withheld_of};

/// Longest time for these reads, plus one read: what is left comes with the next pass.
const LONGEST: Duration = Duration::from_secs(5);
/// Most contacts that are asked for together: those of one call.
const MOST: usize = 50;

/// How many contacts the next read asks for: one as long as reads
/// fail, which may take long, and twice as many after each success.
const fn next_size(size: usize, fails: bool) -> usize {
    match (fails, size * 2) {
        (true, _) => 1,
        (false, MOST..) => MOST,
        (false, twice) => twice,
    }
}

impl Feed {
    /// Reads once more what could not be read before, behind everything else: nothing waits for it.
    pub(super) async fn read_aside(&mut self, pass: &Pass) -> Result<(), SyncError> {
        let was_reported = self.fruitless_reads().is_some();
        let due = self.history.aside.due_contacts(self.ctx.clock.now());
        let (mut rest, mut size, began) = (due.as_slice(), 1, Instant::now());
        while !rest.is_empty() && began.elapsed() < LONGEST {
            let (now, later) = rest.split_at(size.min(rest.len()));
            let seen = Scan::new(&self.ctx, pass, &mut self.history).read_again(now).await?;
            self.save_aside().await?;
            for tracked in pass.events.iter().filter(|t| seen.new_of(t.stream) > 0) {
                self.ctx.registry.update_report(&tracked.event.key, |_| Notice::Soon);
            }
            let fails = now.iter().any(|id| self.history.aside.is_unreadable(*id));
            size = next_size(size, fails);
            rest = later;
        }
        if self.history.aside.is_empty() {
            self.history.fruitless.forget();
        }
        let now = self.ctx.clock.now();
        if was_reported && self.fruitless_reads().is_none() {
            for tracked in &pass.events {
                let shortfall = self.shortfall_of(&tracked.event);
                let note = |report: &mut _| record_read(report, shortfall, now);
                self.ctx.registry.update_report(&tracked.event.key, note);
            }
        }
        Ok(())
    }

    /// Reads of contacts have failed and shown nobody for long.
    fn fruitless_reads(&self) -> Option<String> {
        let threshold = self.ctx.settings.failure_threshold;
        self.history.fruitless.describe("by id", threshold)
    }

    /// What a pass that went well could not read for the event, as a message.
    pub(super) fn shortfall_of(&self, event: &Event) -> Option<String> {
        let withheld = || withheld_of(&self.ctx, event).map(|(what, _)| what);
        self.fruitless_reads().or_else(withheld)
    }

    /// In the first pass of the process: what the ledger remembers.
    pub(super) async fn load_aside(&mut self) -> Result<(), SyncError> {
        if !self.history.aside.loaded {
            let remembered = self.ctx.ledger.put_aside(&self.key).await?;
            self.history.aside.load(remembered);
        }
        Ok(())
    }

    /// Has the ledger remember what is put aside now.
    pub(super) async fn save_aside(&mut self) -> Result<(), SyncError> {
        if let Some(contacts) = self.history.aside.unsaved_contacts() {
            self.ctx.ledger.set_put_aside(&self.key, &contacts).await?;
            self.history.aside.mark_saved();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_asked_for_alone_and_what_is_given_together() {
        let sizes: Vec<usize> = std::iter::successors(Some(1), |size| Some(next_size(*size, false)))
            .take(8)
            .collect();
        assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 50, 50]);
        assert_eq!(next_size(50, true), 1);
    }
}
