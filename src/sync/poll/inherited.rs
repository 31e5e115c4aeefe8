//! Open requests that nobody asks about any more: their account objects are gone.

use tracing::info;

use super::Poller;
use crate::domain::ids::AdAccountKey;
use crate::registry::sync_error::SyncError;

impl Poller {
    /// Takes over what account objects that are gone have left behind. One that is there asks for itself, whatever its
    /// state.
    pub(super) async fn adopt_requests(&self, owner: &AdAccountKey) -> Result<(), SyncError> {
        let mut gone = self.ctx.ledger.other_senders(&self.sender, owner).await?;
        gone.retain(|account| self.ctx.registry.is_ad_account_gone(account));
        if gone.is_empty() {
            return Ok(());
        }
        let adopted = self.ctx.ledger.adopt_requests(&self.sender, owner, &gone).await?;
        info!(account = %self.key, adopted, "took over the open requests of removed accounts");
        Ok(())
    }
}
