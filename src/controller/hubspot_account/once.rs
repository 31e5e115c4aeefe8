//! One read of a HubSpot account by the rules of its controller, for whoever runs no controller.

use std::sync::Arc;

use jiff::Timestamp;

use super::lists::KnownLists;
use super::read::{self, KnownPortal, WantedLists};
use super::to_registered;
use crate::api::HubSpotAccount as Manifest;
use crate::api::reasons::reason;
use crate::controller::shared::account::state::AccountState;
use crate::domain::account_health::AccountFault;
use crate::ports::crm::Crm;
use crate::registry::{HubSpotAccount, Readiness};

/// What events need of the account beside contacts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// An event names a form.
    pub forms: bool,
    /// An event takes its values from deals.
    pub deals: bool,
}

/// Reads the portal, its stages and properties, and what `needs` says, as the controller does.
///
/// # Errors
/// What the controller would say of the account.
pub async fn read_once(
    object: &Manifest,
    crm: Arc<dyn Crm>,
    needs: Needs,
    now: Timestamp,
) -> Result<HubSpotAccount, AccountFault> {
    let mut state = AccountState::default();
    state.use_secret(Some(&object.spec.credentials_secret_ref.name));
    let wanted = WantedLists {
        forms: needs.forms,
        deals: needs.deals,
        in_doubt: false,
    };
    let mut heard = None;
    let mut tries = 0;
    let snapshot = loop {
        let expected = KnownPortal {
            pin: read::portal_pin(object, None),
            heard: &mut heard,
            currency: read::known_currency(object, None),
            lists: KnownLists::default(),
        };
        tries += 1;
        match read::read_portal(crm.as_ref(), expected, &wanted, &state, now).await {
            // The controller believes a portal that nobody else names once it hears of it twice.
            Err(fault) if fault.reason == reason::PROGRESSING && tries == 1 => {}
            read => break read?,
        }
    };
    Ok(HubSpotAccount {
        crm: Some(crm),
        readiness: Readiness::Ready,
        ..to_registered(object, Some(&snapshot), object.spec.interval.as_std())
    })
}
