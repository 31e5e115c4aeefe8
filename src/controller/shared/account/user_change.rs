//! What a person did about an account.

use crate::controller::shared::context::Context;
use crate::registry::Account;

/// What somebody did since the last pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserChange {
    /// The manifest is another one.
    pub manifest: bool,
    /// Somebody asked for work now.
    pub request: bool,
    /// Somebody asked for work so soon after a read that the next one waits a moment.
    pub hasty: bool,
}

impl UserChange {
    /// True if the account is to be read because of somebody's wish that the rest does not know of: an event's, or one
    /// that came too soon.
    pub fn wants_another_read(self, ctx: &Context, account: &Account) -> bool {
        if self.hasty {
            ctx.rereads.request_read(account);
        }
        ctx.rereads.is_due(account)
    }

    pub const fn is_any(self) -> bool {
        self.manifest || self.request
    }
}
