//! Access tokens: where they come from ([`TokenSource`]), and the cache that asks for one at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::codes;
use super::redact::{bounded, code};
use super::session::{retry_after, root_cause};
use crate::sync::ports::{CallObserver, Cause, UpstreamError};

/// Both scopes the operator needs (reference notes, Google 8).
pub(super) const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/adwords",
    "https://www.googleapis.com/auth/datamanager",
];
/// How errors of the token endpoint call it.
pub(super) const SERVICE: &str = "Google OAuth";
/// A token is replaced this long before it expires (reference notes, Google 8).
const MARGIN: Duration = Duration::from_secs(225);
/// Lifetime where the answer names none.
const DEFAULT_LIFETIME: u64 = 3600;

/// An access token. No `Debug`.
pub(super) struct Token {
    /// The bearer token.
    pub(super) value: SecretString,
    /// When it expires; `None` where the source caches by itself.
    pub(super) expires: Option<Expiry>,
    /// Project to bill, for a user's ambient credentials.
    pub(super) quota_project: Option<String>,
}

/// When to replace a token and when it ends.
#[derive(Clone, Copy)]
pub(super) struct Expiry {
    replace_at: Instant,
    ends_at: Instant,
}

impl Expiry {
    fn after(lifetime: Duration) -> Self {
        // A short-lived token is used for half its life, else every call would ask for a new one.
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
pub(super) trait TokenSource: Send + Sync {
    /// A token. `renew` is set after one was refused: anything the source has kept is to be thrown away.
    async fn fetch(&self, renew: bool) -> Result<Token, UpstreamError>;
}

#[derive(Default)]
struct Cached {
    token: Option<Arc<Token>>,
    failed: Option<(Instant, UpstreamError)>,
}

/// One token for all callers, fetched by one of them while the others wait.
pub(super) struct TokenCache {
    source: Box<dyn TokenSource>,
    cached: Mutex<Cached>,
}

impl TokenCache {
    pub(super) fn new(source: Box<dyn TokenSource>) -> Self {
        Self {
            source,
            cached: Mutex::default(),
        }
    }

    /// A token that is good for a while.
    pub(super) async fn get(&self) -> Result<Arc<Token>, UpstreamError> {
        let asked = Instant::now();
        let mut cached = self.cached.lock().await;
        let kept = cached.token.clone();
        if let Some(token) = &kept
            && token.expires.is_some_and(|expiry| Instant::now() < expiry.replace_at)
        {
            return Ok(Arc::clone(token));
        }
        match self.fetch(&mut cached, asked, false).await {
            // The old token still lives for a moment: a passing failure of the endpoint need not show.
            Err(error) if error.cause == Cause::Unavailable => match kept {
                Some(token) if token.expires.is_some_and(|expiry| Instant::now() < expiry.ends_at) => Ok(token),
                _ => Err(error),
            },
            settled => settled,
        }
    }

    /// A token other than `refused`, which an API did not take.
    pub(super) async fn renew(&self, refused: &Arc<Token>) -> Result<Arc<Token>, UpstreamError> {
        let asked = Instant::now();
        let mut cached = self.cached.lock().await;
        if let Some(token) = &cached.token
            && token.expires.is_some()
            && !Arc::ptr_eq(token, refused)
        {
            return Ok(Arc::clone(token));
        }
        cached.token = None;
        self.fetch(&mut cached, asked, true).await
    }

    async fn fetch(&self, cached: &mut Cached, asked: Instant, renew: bool) -> Result<Arc<Token>, UpstreamError> {
        // Whoever waited while another caller's fetch failed takes that answer instead of asking again.
        if let Some((at, error)) = &cached.failed
            && *at > asked
        {
            return Err(error.clone());
        }
        match self.source.fetch(renew).await {
            Ok(token) => {
                let token = Arc::new(token);
                *cached = Cached {
                    token: Some(Arc::clone(&token)),
                    failed: None,
                };
                Ok(token)
            }
            Err(error) => {
                cached.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

/// The OAuth token endpoint.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) http: reqwest::Client,
    pub(super) url: String,
    pub(super) timeout: Duration,
    pub(super) observer: Arc<dyn CallObserver>,
}

impl Endpoint {
    /// Posts a grant and reads the token. `hint` says what it can mean where the grant is refused.
    pub(super) async fn exchange(
        &self,
        method: &'static str,
        form: &[(&str, &str)],
        hint: &str,
    ) -> Result<Token, UpstreamError> {
        let started = std::time::Instant::now();
        let sent = self.http.post(&self.url).timeout(self.timeout).form(form).send().await;
        let answer = match sent {
            Ok(response) => {
                let wait = retry_after(response.headers(), jiff::Timestamp::now());
                let status = response.status().as_u16();
                response.bytes().await.map(|body| (status, wait, body))
            }
            Err(error) => Err(error),
        };
        let status = answer.as_ref().ok().map(|(status, ..)| *status);
        self.observer.call("token", method, status, started.elapsed());
        let (status, wait, body) = answer.map_err(|error| {
            let what = if error.is_timeout() {
                "no answer in time"
            } else {
                "not reached"
            };
            UpstreamError::new(
                SERVICE,
                Cause::Unavailable,
                bounded(format!("{what}{}", root_cause(&error))),
            )
        })?;
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        if (200..300).contains(&status) {
            return token_of(&json);
        }
        let code = json["error"].as_str().and_then(code);
        let cause = codes::token_cause(status, code.as_deref());
        let named = code.as_deref().unwrap_or("no code");
        let hint = if cause == Cause::CredentialsRejected {
            format!(": {hint}")
        } else {
            String::new()
        };
        Err(UpstreamError {
            status: Some(status),
            retry_after: wait,
            message: bounded(format!("{named} (HTTP {status}){hint}")),
            code,
            ..UpstreamError::new(SERVICE, cause, "")
        })
    }
}

/// The token in a good answer. Users may untick scopes when they grant access, so the answer's `scope` is checked.
fn token_of(json: &Value) -> Result<Token, UpstreamError> {
    let malformed = || UpstreamError::new(SERVICE, Cause::Malformed, "the answer holds no access_token");
    let value = json["access_token"]
        .as_str()
        .filter(|token| !token.is_empty())
        .ok_or_else(malformed)?;
    if value.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(UpstreamError::new(
            SERVICE,
            Cause::Malformed,
            "the access_token does not fit a header",
        ));
    }
    if let Some(granted) = json["scope"].as_str().filter(|scope| !scope.trim().is_empty()) {
        let missing: Vec<&str> = SCOPES
            .into_iter()
            .filter(|scope| !granted.split_whitespace().any(|got| got == *scope))
            .collect();
        if !missing.is_empty() {
            let message = format!("the token lacks the scope {}", missing.join(" and "));
            return Err(UpstreamError::new(SERVICE, Cause::MissingScope, message));
        }
    }
    let lifetime = super::wire::unsigned(&json["expires_in"])
        .unwrap_or(DEFAULT_LIFETIME)
        .min(86_400);
    Ok(Token {
        value: SecretString::from(value),
        expires: Some(Expiry::after(Duration::from_secs(lifetime))),
        quota_project: None,
    })
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
