//! The actions of a Google account, read between the regular reads of its controller.

use std::sync::Arc;

use super::context::Context;
use crate::domain::ids::ObjectKey;
use crate::ports::UpstreamError;
use crate::registry::{Account, GoogleSnapshot};

/// Why a refresh did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RefreshError {
    /// The account is unknown, has no clients or was never read: wait for its controller.
    #[error("the Google account has not been read yet")]
    NotRead,
    /// Google refused or failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// Reads the actions of an account now, for a controller that has changed one or must be sure. The snapshot that comes
/// back is at least as new as the call; it is shared with all events of the account.
///
/// # Errors
/// See [`RefreshError`]. What concerns the account is reported to its controller too.
pub async fn refresh_google_actions(ctx: &Context, key: &ObjectKey) -> Result<Arc<GoogleSnapshot>, RefreshError> {
    let account = ctx.registry.google_account(key).ok_or(RefreshError::NotRead)?;
    let (clients, snapshot) = account.clients.zip(account.snapshot).ok_or(RefreshError::NotRead)?;
    let owner = snapshot.customer.conversion_customer.clone();
    let read_at = ctx.clock.now();
    let actions = match clients.ads.read_actions(&owner).await {
        Ok(actions) => actions,
        Err(error) => {
            ctx.registry.google_fault(key, &error);
            return Err(error.into());
        }
    };
    let (snapshot, changed) = ctx
        .registry
        .set_google_actions(key, &owner, actions, read_at)
        .ok_or(RefreshError::NotRead)?;
    if changed {
        ctx.wake_events_of(&Account::Google(key.clone()));
    }
    Ok(snapshot)
}
