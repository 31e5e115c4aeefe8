//! Access tokens: where they come from ([`TokenSource`]), and the cache that asks for one at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::ports::{CallObserver, Cause, UpstreamError};
use crate::upstream::google::request_causes;
use crate::upstream::google::root_cause::root_cause;
use crate::upstream::google::wire::parse_unsigned;
use crate::upstream::http::body;
use crate::upstream::http::body::{AnswerLimit, BodyError, TINY_PIECES};
use crate::upstream::http::json;
use crate::upstream::http::last_failure::LastFailure;
use crate::upstream::http::memory::ends_in;
use crate::upstream::http::text::{bounded_message, valid_code};
use crate::upstream::http::wait::retry_after;
use crate::upstream::{REDIRECT, is_redirect};

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
const DEFAULT_LIFETIME: u64 = 3600;
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
    fn after(lifetime: Duration) -> Self {
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

/// The OAuth token endpoint.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) timeout: Duration,
    pub(crate) observer: Arc<dyn CallObserver>,
}

/// An answer of the endpoint: status, wait, and body as JSON (null if it is not JSON).
type Reply = (u16, Option<jiff::SignedDuration>, Value);

impl Endpoint {
    /// Posts a grant and reads the token. `hint` says what a refusal of the grant can mean.
    pub(crate) async fn exchange_grant(
        &self,
        method: &'static str,
        form: &[(&str, &str)],
        hint: &str,
    ) -> Result<Token, UpstreamError> {
        self.exchange_for(method, form, hint, ScopeCheck::Required).await
    }

    /// As [`Self::exchange_grant`], with or without a check of the scopes.
    pub(crate) async fn exchange_for(
        &self,
        method: &'static str,
        form: &[(&str, &str)],
        hint: &str,
        scopes: ScopeCheck,
    ) -> Result<Token, UpstreamError> {
        self.post_grant(method, self.http.post(&self.url).form(form), hint, scopes)
            .await
    }

    /// Sends any other request for a token, and reads the token.
    pub(crate) async fn request_token(
        &self,
        method: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<Token, UpstreamError> {
        self.post_grant(method, request, "it may not be used", ScopeCheck::Required)
            .await
    }

    async fn post_grant(
        &self,
        method: &'static str,
        request: reqwest::RequestBuilder,
        hint: &str,
        scopes: ScopeCheck,
    ) -> Result<Token, UpstreamError> {
        let (status, wait, json) = self.send_request(method, request).await?;
        if (200..300).contains(&status) {
            return token_of(&json, scopes);
        }
        Err(grant_refusal(
            status,
            wait,
            json["error"].as_str().and_then(valid_code),
            hint,
        ))
    }

    /// Turns the token of a federation into one of a service account (IAM Credentials API, generateAccessToken).
    pub(crate) async fn impersonate(&self, url: &str, federated: &Token) -> Result<Token, UpstreamError> {
        let request = self.http.post(url).bearer_auth(federated.value.expose_secret());
        let body = serde_json::json!({"scope": SCOPES, "lifetime": "3600s"});
        let (status, wait, json) = self.send_request("impersonation", request.json(&body)).await?;
        if (200..300).contains(&status) {
            let until = json["expireTime"]
                .as_str()
                .and_then(|time| time.parse::<jiff::Timestamp>().ok());
            let left = until.map(|until| until.duration_since(jiff::Timestamp::now()).as_secs().max(0));
            let token = serde_json::json!({"access_token": json["accessToken"], "expires_in": left});
            return token_of(&token, ScopeCheck::Required);
        }
        let hint = "the external account may not act as the service account, or that one does not exist";
        Err(grant_refusal(
            status,
            wait,
            json["error"]["status"].as_str().and_then(valid_code),
            hint,
        ))
    }

    async fn send_request(
        &self,
        method: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<Reply, UpstreamError> {
        let started = std::time::Instant::now();
        let ends = ends_in(self.timeout);
        let sent = request.timeout(self.timeout).send().await.map_err(BodyError::Broke);
        let answer = match sent {
            Ok(response) => {
                let wait = retry_after(response.headers(), jiff::Timestamp::now());
                let status = response.status().as_u16();
                let body = body::read_body(response, AnswerLimit::TOKEN, ends).await;
                body.map(|body| (status, wait, body))
            }
            Err(error) => Err(error),
        };
        let status = answer.as_ref().ok().map(|(status, ..)| *status);
        self.observer.observe_call("token", method, status, started.elapsed());
        let (status, wait, body) = answer.map_err(|error| match error {
            BodyError::TooLarge(limit) => {
                let message = format!("the answer of the token endpoint {}", BodyError::too_large(limit));
                UpstreamError::new(SERVICE, Cause::Malformed, message)
            }
            BodyError::TinyPieces => UpstreamError::new(SERVICE, Cause::Malformed, TINY_PIECES),
            BodyError::NoRoom(short) => UpstreamError::new(SERVICE, Cause::Unavailable, short.0),
            BodyError::Broke(error) => {
                let what = if error.is_timeout() {
                    "no answer in time"
                } else if error.is_connect() {
                    "not reached"
                } else {
                    "the answer broke off"
                };
                let message = bounded_message(format!("{what}{}", root_cause(&error)));
                UpstreamError::new(SERVICE, Cause::Unavailable, message)
            }
        })?;
        if is_redirect(status) {
            return Err(UpstreamError {
                status: Some(status),
                ..UpstreamError::new(SERVICE, Cause::Malformed, format!("HTTP {status}: {REDIRECT}"))
            });
        }
        Ok((status, wait, json::read_json(body.bytes()).unwrap_or_default()))
    }
}

fn grant_refusal(status: u16, wait: Option<jiff::SignedDuration>, code: Option<String>, hint: &str) -> UpstreamError {
    let cause = request_causes::token_cause(status, code.as_deref());
    let named = code.as_deref().unwrap_or("no code");
    let hint = if cause == Cause::CredentialsRejected {
        format!(": {hint}")
    } else {
        String::new()
    };
    UpstreamError {
        status: Some(status),
        retry_after: wait,
        message: bounded_message(format!("{named} (HTTP {status}){hint}")),
        code,
        ..UpstreamError::new(SERVICE, cause, "")
    }
}

/// True for a list of scopes. A text that is not such a list says nothing about the token's scopes.
fn names_scopes(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.any(|word| word.starts_with("https://") || matches!(word, "openid" | "email" | "profile"))
}

/// The token in a good answer. Users may untick scopes when they grant access, so the answer's `scope` is checked.
fn token_of(json: &Value, scopes: ScopeCheck) -> Result<Token, UpstreamError> {
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
    if let Some(granted) = json["scope"]
        .as_str()
        .filter(|text| scopes == ScopeCheck::Required && names_scopes(text))
    {
        let missing: Vec<&str> = SCOPES
            .into_iter()
            .filter(|scope| !granted.split_whitespace().any(|got| got == *scope))
            .collect();
        if !missing.is_empty() {
            let message = format!("the token lacks the scope {}", missing.join(" and "));
            return Err(UpstreamError::new(SERVICE, Cause::MissingScope, message));
        }
    }
    let lifetime = parse_unsigned(&json["expires_in"])
        .unwrap_or(DEFAULT_LIFETIME)
        .min(LONGEST_LIFETIME);
    Ok(Token {
        value: SecretString::from(value),
        expires: Some(Expiry::after(Duration::from_secs(lifetime))),
        quota_project: None,
    })
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
