//! Ambient credentials: a key file that the environment names, or the metadata server.
//! Files of other kinds (a federation configured for the process) are left to Google's
//! own library, which refreshes its tokens in the background.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use google_cloud_auth::credentials::{AccessTokenCredentials, Builder};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::metadata::Metadata;
use super::token::{KeptToken, LONGEST_LIFETIME, SCOPES, SERVICE, Token, TokenSource};
use super::token_file;
use crate::ports::{Cause, UpstreamError};
use crate::upstream::google::auth::credentials;
use crate::upstream::google::auth::credentials::{Credentials, CredentialsKind};

/// A token source over Google's library, for credentials that it finds in the environment.
struct Library {
    timeout: Duration,
    /// When the library's object was made. It keeps a token for as long as the answer says, so it is replaced after an
    /// hour.
    built: Mutex<Option<(AccessTokenCredentials, Instant)>>,
}

impl Library {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            built: Mutex::default(),
        }
    }

    fn build_credentials() -> Result<AccessTokenCredentials, UpstreamError> {
        let built = Builder::default().with_scopes(SCOPES).build_access_token_credentials();
        // The library's text may hold parts of a configuration.
        built.map_err(|_| {
            let why = "no credentials can be had from the environment (Workload Identity)";
            UpstreamError::new(SERVICE, Cause::CredentialsRejected, why)
        })
    }

    fn refused_error(transient: bool) -> UpstreamError {
        let (cause, why) = if transient {
            (
                Cause::Unavailable,
                "no token from the environment (Workload Identity) yet",
            )
        } else {
            (
                Cause::CredentialsRejected,
                "no token can be had from the environment (Workload Identity)",
            )
        };
        UpstreamError::new(SERVICE, cause, why)
    }
}

#[async_trait]
impl TokenSource for Library {
    async fn fetch_token(&self, kept: KeptToken) -> Result<Token, UpstreamError> {
        let mut built = self.built.lock().await;
        let young = |since: Instant| since.elapsed() < Duration::from_secs(LONGEST_LIFETIME);
        let (credentials, since) = match built
            .take()
            .filter(|(_, since)| kept == KeptToken::Allowed && young(*since))
        {
            Some(library) => library,
            None => (Self::build_credentials()?, Instant::now()),
        };
        let fetched = tokio::time::timeout(self.timeout, credentials.access_token()).await;
        match fetched {
            Ok(Ok(token)) => {
                *built = Some((credentials, since));
                Ok(Token {
                    value: SecretString::from(token.token),
                    expires: None,
                    quota_project: None,
                })
            }
            // After a permanent error the library's object never works again: it was taken out, the next call builds
            // a new one.
            Ok(Err(error)) => Err(Self::refused_error(error.is_transient())),
            Err(_) => Err(Self::refused_error(true)),
        }
    }
}

/// Ambient credentials. A key file named by `GOOGLE_APPLICATION_CREDENTIALS` or in gcloud's directory is used like one
/// in a Secret if we know its kind, and by the library otherwise. Without a file the metadata server is asked.
pub(crate) struct Ambient {
    endpoint: Endpoint,
    find: fn() -> Option<PathBuf>,
    library: Library,
    metadata: Metadata,
    file: Mutex<Option<(String, Box<dyn TokenSource>)>>,
}

impl Ambient {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self::with_file(endpoint, key_file)
    }

    fn with_file(endpoint: Endpoint, find: fn() -> Option<PathBuf>) -> Self {
        let library = Library::new(endpoint.timeout);
        let metadata = Metadata::of_environment(endpoint.clone());
        Self {
            endpoint,
            find,
            library,
            metadata,
            file: Mutex::default(),
        }
    }
}

#[async_trait]
impl TokenSource for Ambient {
    async fn fetch_token(&self, kept: KeptToken) -> Result<Token, UpstreamError> {
        // Read each time a token is needed: the file may be replaced while we run.
        let Some(path) = (self.find)() else {
            return self.metadata.fetch_token(kept).await;
        };
        let read = token_file::read_token_file(path, None, self.endpoint.timeout).await;
        let text = read.map_err(|why| {
            // The file is being replaced, or is not there yet. It
            // was named on purpose, so nothing else takes its place.
            let cause = if why.may_pass() {
                Cause::Unavailable
            } else {
                Cause::CredentialsRejected
            };
            UpstreamError::new(SERVICE, cause, format!("ambient: the file of the credentials {why}"))
        })?;
        let mut file = self.file.lock().await;
        if file.as_ref().is_none_or(|(known, _)| *known != text) {
            let json: Value = serde_json::from_str(&text).unwrap_or_default();
            *file = match credentials::kind_of(&json) {
                CredentialsKind::ServiceAccount | CredentialsKind::AuthorizedUser => {
                    let source = credentials::source_of(&json, None, self.endpoint.clone()).map_err(|invalid| {
                        UpstreamError::new(SERVICE, Cause::CredentialsRejected, format!("ambient: {invalid}"))
                    })?;
                    Some((text, source))
                }
                CredentialsKind::ExternalAccount | CredentialsKind::Other => None,
            };
        }
        match &*file {
            Some((_, source)) => source.fetch_token(kept).await,
            None => self.library.fetch_token(kept).await,
        }
    }
}

/// Ambient credentials, looked for in the environment when the first token is needed.
pub(crate) fn ambient_credentials(endpoint: Endpoint) -> Credentials {
    Credentials {
        source: Box::new(Ambient::new(endpoint)),
        developer_token: None,
    }
}

/// The places in which the library would look for a key file, in its order.
fn key_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS") {
        return Some(PathBuf::from(path));
    }
    let path = PathBuf::from(std::env::var_os("HOME")?).join(".config/gcloud/application_default_credentials.json");
    path.is_file().then_some(path)
}

#[cfg(test)]
#[path = "google_auth_tests.rs"]
mod tests;
