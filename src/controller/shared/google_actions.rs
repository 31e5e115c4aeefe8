//! The actions of a Google account, read between the regular reads of its controller.

use std::sync::Arc;

use super::context::Context;
use super::shared_reads::RefreshError;
use crate::domain::action::ConversionAction;
use crate::domain::ids::{CustomerId, ObjectKey};
use crate::registry::{Account, GoogleSnapshot};

/// Reads all actions of an account, for a controller that has changed one or must be sure. The snapshot that comes
/// back is at least as new as the call; it is shared with all events of the account.
///
/// # Errors
/// See [`RefreshError`]. What concerns the account is reported to its controller too.
pub async fn refresh_google_actions(ctx: &Context, key: &ObjectKey) -> Result<Arc<GoogleSnapshot>, RefreshError> {
    ctx.google_reads.read_once(key, || read_actions(ctx, key)).await
}

async fn read_actions(ctx: &Context, key: &ObjectKey) -> Result<Arc<GoogleSnapshot>, RefreshError> {
    let account = ctx.registry.google_account(key).ok_or(RefreshError::NotRead)?;
    let (clients, snapshot) = account.clients.zip(account.snapshot).ok_or(RefreshError::NotRead)?;
    let owner = snapshot.customer.conversion_customer.clone();
    let read_at = ctx.clock.now();
    let actions = match clients.ads.read_actions(&owner).await {
        Ok(actions) => actions,
        Err(error) => {
            // What may be of the list alone the account's controller finds out, which reads the customer too.
            if !error.may_concern_a_list() {
                ctx.registry.ad_account_fault(key, &error);
            }
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

/// Has the snapshot of the account show actions that were read by name.
/// Only events that are stalled may wait for them: all others have theirs.
pub fn show_actions(ctx: &Context, key: &ObjectKey, owner: &CustomerId, found: &[ConversionAction]) {
    if ctx.registry.add_google_actions(key, owner, found) {
        ctx.rereads.wake_stalled(&ctx.registry, &Account::Google(key.clone()));
    }
}
