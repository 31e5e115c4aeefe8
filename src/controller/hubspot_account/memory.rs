//! What is remembered about a HubSpot account between two passes.

use std::sync::Arc;

use jiff::Timestamp;

use super::read::{PortalSnapshot, wanted_by_events};
use crate::api::HubSpotAccount as Manifest;
use crate::controller::shared::account::kind::AccountMemory;
use crate::controller::shared::account::state::AccountState;
use crate::controller::shared::context::Context;
use crate::controller::shared::object::Object;
use crate::controller::shared::secrets;
use crate::domain::ids::{ObjectKey, PortalId};
use crate::ports::SecretData;
use crate::ports::crm::Crm;
use crate::registry::Account;

/// What is remembered about a HubSpot account. No `Debug`: the client holds a token.
#[derive(Default)]
pub struct HubSpotMemory {
    pub(super) state: AccountState,
    pub(super) client: Option<Arc<dyn Crm>>,
    /// The client has shown that it opens the right portal: only then anybody else gets it.
    pub(super) verified: bool,
    /// The portal that the account details named in the last check with this client.
    pub(super) heard: Option<PortalId>,
    pub(super) snapshot: Option<Arc<PortalSnapshot>>,
}

impl AccountMemory for HubSpotMemory {
    fn account_state(&self) -> &AccountState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut AccountState {
        &mut self.state
    }
}

impl HubSpotMemory {
    /// When the portal is to be read again; `None` if it never was.
    pub(super) fn next_read(&self, ctx: &Context, key: &ObjectKey) -> Option<Timestamp> {
        let stalled = ctx.rereads.is_needed(&Account::HubSpot(key.clone()));
        let snapshot = self.snapshot.as_ref()?;
        if snapshot.read_at > ctx.clock.now() {
            // The clock was wrong then.
            return Some(Timestamp::MIN);
        }
        Some(snapshot.next_read(&wanted_by_events(ctx, key), stalled, &ctx.settings))
    }

    pub(super) fn forget_client(&mut self) {
        self.client = None;
        self.verified = false;
        self.heard = None;
    }

    /// The client, made if there is none. `None` if the Secret does not allow it: that is noted.
    pub(super) async fn connect_client(
        &mut self,
        ctx: &Context,
        object: &Manifest,
        secret: &SecretData,
        now: Timestamp,
    ) -> Option<Arc<dyn Crm>> {
        if self.client.is_none() {
            match ctx.crm.connect(secret).await {
                Ok(client) => {
                    self.state.connected = Some(now);
                    self.client = Some(client);
                }
                Err(why) => {
                    let name = &object.spec.credentials_secret_ref.name;
                    let fault = secrets::invalid_secret(&object.key().namespace, name, secret, &why);
                    self.state.check_failed(fault, now);
                }
            }
        }
        self.client.clone()
    }
}
