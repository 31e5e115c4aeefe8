//! Access tokens: where they come from ([`TokenSource`]), and the cache that asks for one at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::ports::{Cause, UpstreamError};
use crate::upstream::http::last_failure::LastFailure;

/// The two scopes that the operator needs (docs/reference/google.md 8).
pub(crate) const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/adwords",
    "https://www.googleapis.com/auth/datamanager",
];
/// The `service` in errors of the token endpoint.
pub(crate) const SERVICE: &str = "Google OAuth";
/// A token is replaced this long before it expires (docs/reference/google.md 8).
const MARGIN: Duration = Duration::from_secs(225);
/// Lifetime of a token whose answer names none.
pub(super) const DEFAULT_LIFETIME: u64 = 3600;
/// Longest lifetime that is believed: a wrong token would be kept for all of it.
pub(crate) const LONGEST_LIFETIME: u64 = 3600;

/// An access token. No `Debug`.
pub(crate) struct Token {
    /// The bearer token.
    pub(crate) value: SecretString,
    /// When it expires; `None` if the source caches by itself.
    pub(crate) expires: Option<Expiry>,
    /// Project to bill, for a user's ambient credentials.
    pub(crate) quota_project: Option<String>,
}

/// When to replace a token, and when it expires.
#[derive(Clone, Copy)]
pub(crate) struct Expiry {
    replace_at: Instant,
    ends_at: Instant,
}

impl Expiry {
    pub(super) fn after(lifetime: Duration) -> Self {
        // A short-lived token is replaced after half its life, or else every call would ask for a new one.
        let margin = MARGIN.min(lifetime / 2);
        let now = Instant::now();
        Self {
            replace_at: now + lifetime.saturating_sub(margin),
            ends_at: now + lifetime,
        }
    }
}

/// Where tokens come from. Errors have `service` "Google OAuth".
#[async_trait]
pub(crate) trait TokenSource: Send + Sync {
    /// Gets a token.
    async fn fetch_token(&self, kept: KeptToken) -> Result<Token, UpstreamError>;
}

/// Whether a source that keeps tokens itself may give one that it has given before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptToken {
    Allowed,
    /// An API has refused that one: the source must drop it.
    Refused,
}

/// Whether a token must have all of [`SCOPES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScopeCheck {
    Required,
    /// The token is exchanged for the one that is used, and only that one is checked.
    OfLaterToken,
}

#[derive(Default)]
struct Cached {
    token: Option<Arc<Token>>,
    failed: LastFailure,
    /// The source must not give the token again that it has kept.
    dropped: bool,
}

/// One token for all callers, fetched by one of them while the others wait.
pub(crate) struct TokenCache {
    source: Box<dyn TokenSource>,
    cached: Mutex<Cached>,
}

impl TokenCache {
    pub(crate) fn new(source: Box<dyn TokenSource>) -> Self {
        Self {
            source,
            cached: Mutex::default(),
        }
    }

    /// A token that is valid for some time.
    pub(crate) async fn current_token(&self) -> Result<Arc<Token>, UpstreamError> {
        let asked = Instant::now();
        let mut cached = self.cached.lock().await;
        let kept = cached.token.clone();
        if let Some(token) = &kept
            && token.expires.is_some_and(|expiry| Instant::now() < expiry.replace_at)
        {
            return Ok(Arc::clone(token));
        }
        let may_be_kept = if cached.dropped {
            KeptToken::Refused
        } else {
            KeptToken::Allowed
        };
        match self.fetch_into(&mut cached, asked, may_be_kept).await {
            // The old token is still valid for a moment, so that a passing failure of the endpoint goes unnoticed.
            Err(error) if error.cause == Cause::Unavailable => match kept {
                Some(token) if token.expires.is_some_and(|expiry| Instant::now() < expiry.ends_at) => Ok(token),
                _ => Err(error),
            },
            settled => settled,
        }
    }

    /// A token other than `refused`, which an API has refused.
    pub(crate) async fn renew_token(&self, refused: &Arc<Token>) -> Result<Arc<Token>, UpstreamError> {
        let asked = Instant::now();
        let mut cached = self.cached.lock().await;
        if let Some(token) = &cached.token
            && token.expires.is_some()
            && !Arc::ptr_eq(token, refused)
        {
            return Ok(Arc::clone(token));
        }
        cached.token = None;
        self.fetch_into(&mut cached, asked, KeptToken::Refused).await
    }

    /// Drops the cached token, here and in the source: the next call gets another one.
    pub(crate) async fn drop_token(&self) {
        let mut cached = self.cached.lock().await;
        cached.token = None;
        cached.dropped = true;
    }

    async fn fetch_into(
        &self,
        cached: &mut Cached,
        asked: Instant,
        kept: KeptToken,
    ) -> Result<Arc<Token>, UpstreamError> {
        // A caller that waited while another one's fetch failed takes that answer instead of asking again.
        if let Some(error) = cached.failed.since(asked) {
            return Err(error);
        }
        match self.source.fetch_token(kept).await {
            Ok(token) => {
                let token = Arc::new(token);
                *cached = Cached {
                    token: Some(Arc::clone(&token)),
                    failed: LastFailure::default(),
                    dropped: false,
                };
                Ok(token)
            }
            Err(error) => {
                let error = UpstreamError {
                    about_token: true,
                    ..error
                };
                cached.failed.record(&error);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
