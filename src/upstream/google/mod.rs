//! Google: the Google Ads API (configuration), the Data Manager API (uploads) and the credentials of both.
//!
//! All calls go through one session for each set of credentials, which holds the token, the limiters and
//! the gates that keep calls back until a `retryDelay` has passed. What an error means is decided in `request_causes`,
//! `row_classes` and `errors`, all pure.

mod ads;
mod api;
pub mod auth;
mod config;
mod data_manager;
mod errors;
mod field_path;
mod own_errors;
mod rate_limiter;
mod redact;
mod request_causes;
mod root_cause;
mod row_classes;
mod session;
mod wire;

#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::domain::ids::CustomerId;
use crate::ports;
use crate::ports::work_permit::{AlwaysPermitted, WorkPermit};
use crate::ports::{CallObserver, GoogleClients, GoogleCredentials, SecretData, SecretInvalid};

pub use config::{GoogleConfig, Timeouts};
pub use data_manager::MAX_ROWS;
pub use data_manager::request::{UploadPurpose, ingest_body};

use ads::AdsClient;
use ads::uploads::{UploadKind, UploadsClient};
use auth::token::TokenCache;
use data_manager::DataManagerClient;
use session::Session;

/// Makes Google clients from Secrets. Clients of equal credentials share token, limiters and gates while any of them
/// is alive.
pub struct GoogleConnector {
    config: Arc<GoogleConfig>,
    http: reqwest::Client,
    observer: Arc<dyn CallObserver>,
    permit: Arc<dyn WorkPermit>,
    sessions: Mutex<HashMap<[u8; 32], Weak<Session>>>,
}

impl GoogleConnector {
    /// A connector that calls through `http` and reports every call to `observer`.
    pub fn new(config: GoogleConfig, http: reqwest::Client, observer: Arc<dyn CallObserver>) -> Self {
        Self {
            config: Arc::new(config),
            http,
            observer,
            permit: Arc::new(AlwaysPermitted),
            sessions: Mutex::default(),
        }
    }

    /// The same, with a permit that is checked before each call that changes something.
    #[must_use]
    pub fn permitted_by(mut self, permit: Arc<dyn WorkPermit>) -> Self {
        self.permit = permit;
        self
    }

    /// Only the namespaces named at the start may use the process's own identity.
    fn may_be_ambient(&self, namespace: &str) -> Result<(), SecretInvalid> {
        let allowed = &self.config.ambient_namespaces;
        if allowed.iter().any(|name| name == "*" || name == namespace) {
            return Ok(());
        }
        Err(SecretInvalid {
            message: format!(
                "spec.credentialsSecretRef is missing, and accounts in namespace {namespace} may not use the operator's own \
                 identity. Name a Secret, or have the operator started with \
                 --ambient-credentials-namespaces={namespace}"
            ),
        })
    }

    fn session_for(&self, secret: Option<&SecretData>) -> Result<Arc<Session>, SecretInvalid> {
        let key = credentials_digest(secret);
        let mut sessions = self.sessions.lock();
        if let Some(session) = sessions.get(&key).and_then(Weak::upgrade) {
            return Ok(session);
        }
        let endpoint = auth::endpoint::Endpoint {
            http: self.http.clone(),
            url: self.config.token_endpoint.clone(),
            timeout: self.config.timeouts.token,
            observer: Arc::clone(&self.observer),
        };
        let read = match secret {
            Some(secret) => {
                auth::credentials::read_credentials(secret, self.config.token_directory.as_deref(), endpoint)?
            }
            None => auth::google_auth::ambient_credentials(endpoint),
        };
        let session = Arc::new(Session::new(
            Arc::clone(&self.config),
            self.http.clone(),
            (Arc::clone(&self.observer), Arc::clone(&self.permit)),
            TokenCache::new(read.source),
            read.developer_token,
        ));
        sessions.retain(|_, session| session.strong_count() > 0);
        sessions.insert(key, Arc::downgrade(&session));
        Ok(session)
    }
}

#[async_trait]
impl ports::GoogleConnector for GoogleConnector {
    async fn connect(
        &self,
        credentials: GoogleCredentials<'_>,
        login: Option<CustomerId>,
    ) -> Result<GoogleClients, SecretInvalid> {
        let secret = match credentials {
            GoogleCredentials::Secret(secret) => Some(secret),
            GoogleCredentials::Ambient { namespace } => {
                self.may_be_ambient(namespace)?;
                None
            }
        };
        let session = self.session_for(secret)?;
        Ok(GoogleClients {
            ads: Arc::new(AdsClient::new(Arc::clone(&session), login.clone())),
            clicks: Arc::new(UploadsClient::new(
                UploadKind::Clicks,
                Arc::clone(&session),
                login.clone(),
            )),
            enhancements: Arc::new(UploadsClient::new(
                UploadKind::Enhancements,
                Arc::clone(&session),
                login.clone(),
            )),
            sink: Arc::new(DataManagerClient::new(session, login)),
        })
    }
}

/// A digest of the credentials, so that no copy of them is kept as a key.
fn credentials_digest(secret: Option<&SecretData>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for (key, value) in secret.into_iter().flatten() {
        for part in [key.as_str(), value.expose_secret()] {
            digest.update(part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
    }
    digest.update([u8::from(secret.is_some())]);
    digest.finalize().into()
}
