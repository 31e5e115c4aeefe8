//! Google's token endpoint, and what its answers hold.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::token::{DEFAULT_LIFETIME, Expiry, LONGEST_LIFETIME, SCOPES, SERVICE, ScopeCheck, Token};
use crate::ports::{CallObserver, Cause, UpstreamError};
use crate::upstream::google::api::VENDOR;
use crate::upstream::google::request_causes;
use crate::upstream::google::root_cause::root_cause;
use crate::upstream::google::wire::parse_unsigned;
use crate::upstream::http::body;
use crate::upstream::http::body::{AnswerLimit, BodyError, TINY_PIECES};
use crate::upstream::http::json;
use crate::upstream::http::memory::ends_in;
use crate::upstream::http::text::{bounded_message, valid_code};
use crate::upstream::http::wait::{answer_date, retry_after, unsigned_wait};
use crate::upstream::{REDIRECT, is_redirect};

/// The OAuth token endpoint.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) timeout: Duration,
    pub(crate) observer: Arc<dyn CallObserver>,
}

/// An answer of the endpoint.
struct Reply {
    status: u16,
    wait: Option<SignedDuration>,
    /// When it was made, by the server's clock.
    date: Option<Timestamp>,
    /// Null if the body is not JSON.
    json: Value,
}

impl Endpoint {
    /// The time by Google's clock, as far as it is known.
    pub(crate) fn google_time(&self) -> Timestamp {
        self.observer.vendor_time(VENDOR)
    }

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
        let request = self.http.post(&self.url).form(form);
        let reply = self.send_to_google(method, request).await?;
        token_or_refusal(reply, hint, scopes)
    }

    /// Sends any other request for a token, and reads the token.
    pub(crate) async fn request_token(
        &self,
        method: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<Token, UpstreamError> {
        let reply = self.send_request(method, request).await?;
        token_or_refusal(reply, "it may not be used", ScopeCheck::Required)
    }

    /// Turns the token of a federation into one of a service account (IAM Credentials API, generateAccessToken).
    pub(crate) async fn impersonate(&self, url: &str, federated: &Token) -> Result<Token, UpstreamError> {
        let request = self.http.post(url).bearer_auth(federated.value.expose_secret());
        let body = serde_json::json!({"scope": SCOPES, "lifetime": "3600s"});
        let reply = self.send_to_google("impersonation", request.json(&body)).await?;
        let Reply { status, wait, json, .. } = reply;
        if (200..300).contains(&status) {
            let until = json["expireTime"]
                .as_str()
                .and_then(|time| time.parse::<Timestamp>().ok());
            let left = until.map(|until| until.duration_since(self.google_time()).as_secs().max(0));
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

    /// As [`Self::send_request`], to a server of Google's: its answer tells the time.
    async fn send_to_google(
        &self,
        method: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<Reply, UpstreamError> {
        let reply = self.send_request(method, request).await?;
        if let Some(date) = reply.date {
            self.observer.observe_date(VENDOR, date);
        }
        Ok(reply)
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
                let wait = retry_after(response.headers(), self.google_time());
                let date = answer_date(response.headers());
                let status = response.status().as_u16();
                let body = body::read_body(response, AnswerLimit::TOKEN, ends).await;
                body.map(|body| (status, wait, date, body))
            }
            Err(error) => Err(error),
        };
        let status = answer.as_ref().ok().map(|(status, ..)| *status);
        self.observer.observe_call("token", method, status, started.elapsed());
        let (status, wait, date, body) = answer.map_err(|error| match error {
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
        Ok(Reply {
            status,
            wait,
            date,
            json: json::read_json(body.bytes()).unwrap_or_default(),
        })
    }
}

fn token_or_refusal(reply: Reply, hint: &str, scopes: ScopeCheck) -> Result<Token, UpstreamError> {
    let Reply { status, wait, json, .. } = reply;
    if (200..300).contains(&status) {
        return token_of(&json, scopes);
    }
    let code = json["error"].as_str().and_then(valid_code);
    Err(grant_refusal(status, wait, code, hint))
}

fn grant_refusal(status: u16, wait: Option<SignedDuration>, code: Option<String>, hint: &str) -> UpstreamError {
    let cause = request_causes::token_cause(status, code.as_deref());
    let named = code.as_deref().unwrap_or("no code");
    let by_google = code.as_deref().is_some_and(request_causes::is_passing);
    let hint = if cause == Cause::CredentialsRejected {
        format!(": {hint}")
    } else {
        String::new()
    };
    UpstreamError {
        status: Some(status),
        retry_after: wait.map(|wait| if by_google { wait } else { unsigned_wait(wait) }),
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
pub(super) fn token_of(json: &Value, scopes: ScopeCheck) -> Result<Token, UpstreamError> {
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
