//! Accounts with the credentials that their Secrets hold: clients
//! for them, and one read by the rules of their controllers.

use std::sync::Arc;

use super::objects::{self, NotDone};
use super::sources::{Offline, in_no_file};
use crate::api::{GoogleAdsAccount, HubSpotAccount};
use crate::controller::google_ads_account::once::{self as google_once, ReadAccount};
use crate::controller::hubspot_account::once::{self as hubspot_once, Needs};
use crate::controller::shared::account::fault::CONTINUES;
use crate::controller::shared::object::Object as _;
use crate::controller::shared::secrets::{decode_secret, invalid_secret, not_found};
use crate::domain::account_health::{AccountFault, FaultKind};
use crate::domain::ids::ObjectKey;
use crate::ports::crm::Crm;
use crate::ports::{
    Cause, CrmConnector as _, GoogleClients, GoogleConnector as _, GoogleCredentials, SecretData, SecretInvalid,
};
use crate::registry;

/// The way out of an outage, or of a limit, for a command that ends.
pub(in crate::cli) const TRY_AGAIN: &str = "Try again later.";

/// Why an account can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Obstacle {
    /// Something that a person must mend: what the operator would say
    /// of the account, and what the failed call means if one was made.
    Fault(AccountFault, Option<Cause>),
    /// It could not be determined.
    NotDone(NotDone),
    /// A service did not answer, or has a limit; which one, as messages name it.
    Outage(NotDone, Option<&'static str>),
}

impl From<NotDone> for Obstacle {
    fn from(why: NotDone) -> Self {
        Self::NotDone(why)
    }
}

impl NotDone {
    /// What keeps a command, which ends, from finding something out.
    pub(in crate::cli) fn of_fault(fault: &AccountFault) -> Self {
        let says = fault.message.replace(CONTINUES, TRY_AGAIN);
        if says.ends_with(TRY_AGAIN) {
            return Self(says);
        }
        Self(format!("{}. {TRY_AGAIN}", says.trim_end_matches('.')))
    }
}

impl Obstacle {
    /// An outage or a limit says nothing of the account.
    fn from_fault(fault: AccountFault, cause: Option<Cause>, service: Option<&'static str>) -> Self {
        match fault.kind {
            FaultKind::Limited | FaultKind::Unavailable => Self::Outage(NotDone::of_fault(&fault), service),
            FaultKind::Credentials | FaultKind::Unreadable | FaultKind::Denied => Self::Fault(fault, cause),
        }
    }
}

impl Offline {
    /// False where nobody has set up a cluster, so that none can be asked.
    pub(in crate::cli) const fn has_cluster(&self) -> bool {
        self.cluster.is_ok()
    }

    /// Clients for the credentials of a Google account. No call of Google is made.
    ///
    /// # Errors
    /// If the Secret can't be read or used.
    pub(in crate::cli) async fn google_clients(&self, account: &GoogleAdsAccount) -> Result<GoogleClients, Obstacle> {
        let key = account.key();
        let login = google_once::login_of(account).map_err(|fault| Obstacle::Fault(fault, None))?;
        let Some(reference) = &account.spec.credentials_secret_ref else {
            let ambient = GoogleCredentials::Ambient {
                namespace: &key.namespace,
            };
            let no_identity = |why: SecretInvalid| {
                NotDone(format!(
                    "GoogleAdsAccount {key} names no Secret, so that the operator uses its own identity. In its place yours \
                     was tried: {why}."
                ))
            };
            return Ok(self.google.connect(ambient, login).await.map_err(no_identity)?);
        };
        let secret = self.secret(&ObjectKey::new(&key.namespace, &reference.name)).await?;
        let connected = self.google.connect(GoogleCredentials::Secret(&secret), login).await;
        connected.map_err(|why| unusable(&key.namespace, &reference.name, &secret, &why))
    }

    /// A client for the credentials of a HubSpot account. No call of HubSpot is made.
    ///
    /// # Errors
    /// If the Secret can't be read or used.
    pub(in crate::cli) async fn hubspot_client(&self, account: &HubSpotAccount) -> Result<Arc<dyn Crm>, Obstacle> {
        let (key, name) = (account.key(), &account.spec.credentials_secret_ref.name);
        let secret = self.secret(&ObjectKey::new(&key.namespace, name)).await?;
        let connected = self.crm.connect(&secret).await;
        connected.map_err(|why| unusable(&key.namespace, name, &secret, &why))
    }

    /// Reads a Google account as its controller does: customer, goals, conversion actions.
    ///
    /// # Errors
    /// What the operator would say of the account.
    pub(in crate::cli) async fn read_google(&self, account: &GoogleAdsAccount) -> Result<ReadAccount, Obstacle> {
        let clients = self.google_clients(account).await?;
        let read = google_once::read_once(account, clients, self.now()).await;
        read.map_err(|unread| Obstacle::from_fault(unread.fault, unread.cause, unread.service))
    }

    /// Reads a HubSpot account as its controller does: portal, stages, properties, and what `needs` says.
    ///
    /// # Errors
    /// What the operator would say of the account.
    pub(in crate::cli) async fn read_hubspot(
        &self,
        account: &HubSpotAccount,
        needs: Needs,
    ) -> Result<registry::HubSpotAccount, Obstacle> {
        let client = self.hubspot_client(account).await?;
        let read = hubspot_once::read_once(account, client, needs, self.now()).await;
        read.map_err(|fault| Obstacle::from_fault(fault, None, None))
    }

    /// The values of a Secret, from the files or else the cluster.
    ///
    /// # Errors
    /// If it is nowhere, or can't be read.
    pub(in crate::cli) async fn secret(&self, key: &ObjectKey) -> Result<SecretData, Obstacle> {
        let fault = |fault| Obstacle::Fault(fault, None);
        if let Some(read) = self.manifests.secrets.get(key) {
            return read.clone().map_err(fault);
        }
        let client = self.client(|why| {
            let said = in_no_file(&format!("Secret {key}"))(why);
            let said = said.trim_end_matches('.');
            format!("{said}. Or give it as a file: kubectl create secret generic … --dry-run=client -o yaml writes one, which -f - reads.")
        })?;
        match self.note(objects::get_secret(client, key).await)? {
            Some(secret) => decode_secret(secret, &key.name).map(|read| read.data).map_err(fault),
            None => Err(fault(not_found(&key.namespace, &key.name))),
        }
    }
}

fn unusable(namespace: &str, name: &str, secret: &SecretData, why: &SecretInvalid) -> Obstacle {
    Obstacle::Fault(invalid_secret(namespace, name, secret, why), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_ends_does_not_say_that_it_goes_on() {
        let fault = AccountFault::new(FaultKind::Limited, "RateLimited", format!("No more calls. {CONTINUES}"));
        assert_eq!(NotDone::of_fault(&fault).0, "No more calls. Try again later.");
        let outage = AccountFault::new(FaultKind::Unavailable, "UpstreamUnavailable", "HubSpot: HTTP 503");
        assert_eq!(NotDone::of_fault(&outage).0, "HubSpot: HTTP 503. Try again later.");
    }
}
