//! The contacts put aside: remembered by the ledger, and read again.

use super::Feed;
use super::pass::Pass;
use super::scan::Scan;
use crate::registry::Notice;
use crate::registry::sync_error::SyncError;

impl Feed {
    /// Reads once more what could not be read before, behind everything else: nothing waits for it.
    pub(super) async fn read_aside(&mut self, pass: &Pass) -> Result<(), SyncError> {
        let due = self.history.aside.due_contacts(self.ctx.clock.now());
        if due.is_empty() {
            return Ok(());
        }
        let seen = Scan::new(&self.ctx, pass, &mut self.history).read_again(&due).await?;
        self.save_aside().await?;
        for tracked in pass.events.iter().filter(|t| seen.new_of(t.stream) > 0) {
            self.ctx.registry.update_report(&tracked.event.key, |_| Notice::Soon);
        }
        Ok(())
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
