//! One read of a Google account by the rules of its controller, for whoever runs no controller.

use std::sync::Arc;

use jiff::Timestamp;

use super::lists::failure_of_list;
use super::{identity_of, read};
use crate::api::GoogleAdsAccount as Manifest;
use crate::controller::shared::account::state::AccountState;
use crate::controller::shared::object::Object;
use crate::domain::account_health::AccountFault;
use crate::domain::ids::CustomerId;
use crate::ports::{Cause, GoogleClients, UpstreamError};
use crate::registry::{GoogleAccount, GoogleSnapshot, Readiness};

/// Why an account could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadAccount {
    /// What the failed call means; `None`: it was not made, because of the manifest.
    pub cause: Option<Cause>,
    /// What the controller would say of the account.
    pub fault: AccountFault,
    /// Which service failed, as messages name it.
    pub service: Option<&'static str>,
}

/// The manager to come through, as the manifest names it.
///
/// # Errors
/// If an id in the manifest is malformed.
pub fn login_of(object: &Manifest) -> Result<Option<CustomerId>, AccountFault> {
    Ok(identity_of(object)?.1)
}

/// An account as it was read.
pub struct ReadAccount {
    /// As its events see it. Of goals that could not be read it has none.
    pub account: GoogleAccount,
    /// Why its goals could not be read, although the customer could: the controller goes on then.
    pub unread_goals: Option<String>,
}

/// Reads the customer, its goals and its conversion actions, as the controller does.
///
/// # Errors
/// See [`UnreadAccount`].
pub async fn read_once(
    object: &Manifest,
    clients: GoogleClients,
    now: Timestamp,
) -> Result<ReadAccount, UnreadAccount> {
    let (customer, login) = identity_of(object).map_err(|fault| UnreadAccount {
        cause: None,
        fault,
        service: None,
    })?;
    let mut state = AccountState::default();
    state.use_secret(object.spec.credentials_secret_ref.as_ref().map(|r| r.name.as_str()));
    let unread = |error: UpstreamError| UnreadAccount {
        cause: Some(error.cause),
        fault: state.to_fault(&error),
        service: Some(error.service),
    };
    let read = read::agreed_customer(&clients, &customer, None).await.map_err(unread)?;
    let owner = read.conversion_customer.clone();
    let goals = failure_of_list(clients.ads.read_goals(&owner).await).map_err(unread)?;
    let (goals, unread_goals) = match goals {
        Ok(goals) => (goals, None),
        Err(error) => (Vec::new(), Some(error.without_request_id())),
    };
    let actions = clients.ads.read_actions(&owner).await.map_err(unread)?;
    let snapshot = GoogleSnapshot {
        customer: read,
        actions: Arc::new(actions),
        before: None,
        goals: Arc::new(goals),
        attribution: None,
        read_at: now,
        unread: false,
    };
    let account = GoogleAccount {
        key: object.key(),
        customer,
        login,
        uploads: object.spec.uploads,
        clients: Some(clients),
        readiness: Readiness::Ready,
        snapshot: Some(Arc::new(snapshot)),
    };
    Ok(ReadAccount { account, unread_goals })
}
