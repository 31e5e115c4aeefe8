//! Credentials that Google's own library knows better: workload identity federation and the ambient ones (metadata
//! server). It refreshes its tokens in the background.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use google_cloud_auth::credentials::{AccessTokenCredentials, Builder, external_account};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;

use super::secret::{self, Kind};
use super::token::{Endpoint, SCOPES, SERVICE, Token, TokenSource};
use crate::sync::ports::{Cause, UpstreamError};

/// What the library is given.
enum Given {
    /// An external account configuration, checked before.
    External(Value),
    /// What it finds by itself.
    Ambient,
}

/// A token source over the library.
pub(super) struct Library {
    given: Given,
    timeout: Duration,
    built: Mutex<Option<AccessTokenCredentials>>,
}

impl Library {
    /// Workload identity federation by a configuration.
    pub(super) fn external(config: Value, timeout: Duration) -> Self {
        Self {
            given: Given::External(config),
            timeout,
            built: Mutex::default(),
        }
    }

    fn ambient(timeout: Duration) -> Self {
        Self {
            given: Given::Ambient,
            timeout,
            built: Mutex::default(),
        }
    }

    fn build(&self) -> Result<AccessTokenCredentials, UpstreamError> {
        let built = match &self.given {
            Given::External(config) => external_account::Builder::new(config.clone())
                .with_scopes(SCOPES)
                .build_access_token_credentials(),
            Given::Ambient => Builder::default().with_scopes(SCOPES).build_access_token_credentials(),
        };
        // The library's text may hold parts of the configuration.
        built.map_err(|_| {
            UpstreamError::new(
                SERVICE,
                Cause::CredentialsRejected,
                format!("no credentials can be had from {}", self.what()),
            )
        })
    }

    fn what(&self) -> &'static str {
        match self.given {
            Given::External(_) => "the external account configuration",
            Given::Ambient => "the environment (Workload Identity)",
        }
    }

    fn refused(&self, transient: bool) -> UpstreamError {
        if transient {
            return UpstreamError::new(
                SERVICE,
                Cause::Unavailable,
                format!("no token from {} yet", self.what()),
            );
        }
        UpstreamError::new(
            SERVICE,
            Cause::CredentialsRejected,
            format!("no token can be had from {}", self.what()),
        )
    }
}

#[async_trait]
impl TokenSource for Library {
    async fn fetch(&self, renew: bool) -> Result<Token, UpstreamError> {
        let mut built = self.built.lock().await;
        if renew {
            *built = None;
        }
        let credentials = match built.take() {
            Some(credentials) => credentials,
            None => self.build()?,
        };
        let fetched = tokio::time::timeout(self.timeout, credentials.access_token()).await;
        match fetched {
            Ok(Ok(token)) => {
                *built = Some(credentials);
                Ok(Token {
                    value: SecretString::from(token.token),
                    expires: None,
                    quota_project: None,
                })
            }
            // After a permanent error the library's object never works again: it was taken out, the next call builds
            // a new one.
            Ok(Err(error)) => Err(self.refused(error.is_transient())),
            Err(_) => Err(self.refused(true)),
        }
    }
}

/// Ambient credentials: a key file named by `GOOGLE_APPLICATION_CREDENTIALS` or in gcloud's place is used like one in a
/// Secret where we know its kind; everything else is the library's.
pub(super) struct Ambient {
    endpoint: Endpoint,
    find: fn() -> Option<PathBuf>,
    library: Library,
    file: Mutex<Option<(String, Box<dyn TokenSource>)>>,
}

impl Ambient {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self::with_file(endpoint, key_file)
    }

    fn with_file(endpoint: Endpoint, find: fn() -> Option<PathBuf>) -> Self {
        let library = Library::ambient(endpoint.timeout);
        Self {
            endpoint,
            find,
            library,
            file: Mutex::default(),
        }
    }
}

#[async_trait]
impl TokenSource for Ambient {
    async fn fetch(&self, renew: bool) -> Result<Token, UpstreamError> {
        // Read each time a token is needed: the file may be replaced while we run.
        let text = match (self.find)() {
            Some(path) => tokio::fs::read_to_string(path).await.ok(),
            None => None,
        };
        let Some(text) = text else {
            return self.library.fetch(renew).await;
        };
        let mut file = self.file.lock().await;
        if file.as_ref().is_none_or(|(known, _)| *known != text) {
            let json: Value = serde_json::from_str(&text).unwrap_or_default();
            *file = match secret::kind(&json) {
                Kind::ServiceAccount | Kind::AuthorizedUser => {
                    let source = secret::source_of(&json, self.endpoint.clone()).map_err(|invalid| {
                        UpstreamError::new(SERVICE, Cause::CredentialsRejected, format!("ambient: {invalid}"))
                    })?;
                    Some((text, source))
                }
                Kind::ExternalAccount | Kind::Other => None,
            };
        }
        match &*file {
            Some((_, source)) => source.fetch(renew).await,
            None => self.library.fetch(renew).await,
        }
    }
}

/// Where the library would look for a key file, in its order.
fn key_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS") {
        return Some(PathBuf::from(path));
    }
    let path = PathBuf::from(std::env::var_os("HOME")?).join(".config/gcloud/application_default_credentials.json");
    path.is_file().then_some(path)
}

#[cfg(test)]
#[path = "library_tests.rs"]
mod tests;
