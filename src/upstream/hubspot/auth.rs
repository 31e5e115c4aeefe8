//! Tokens: a static one, or OAuth access tokens bought with a refresh token, one purchase at a time.

use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::errors::malformed_answer;
use super::limits::Bucket;
use super::transport::{Payload, Request, Transport};
use super::wire::Scalar;
use crate::ports::{Cause, UpstreamError};
use crate::upstream::http::body::Limit;

/// A token is not used in its last minute (nor in the last half of a very short life).
const MARGIN: Duration = Duration::from_mins(1);
/// The life of an access token if the answer does not say (OAuth docs: 1,800 s).
const USUAL_LIFE: u64 = 1_800;

/// What a Secret gives us. No `Debug`.
pub(crate) enum Credentials {
    /// Service key or private app token.
    Static(SecretString),
    /// OAuth app.
    OAuth(OAuthKeys),
}

/// The three keys of an OAuth app. No `Debug`.
pub(crate) struct OAuthKeys {
    pub(crate) client_id: SecretString,
    pub(crate) client_secret: SecretString,
    pub(crate) refresh_token: SecretString,
}

/// Where a client's bearer comes from. No `Debug`.
pub(crate) enum Auth {
    Static(Token),
    OAuth(Box<OAuth>),
}

/// A token in use. No `Debug`.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) header: HeaderValue,
    /// Counts the purchases, so that a refused token is given up once, not once per caller.
    generation: u64,
}

impl Token {
    /// `None` if it can't stand in a header.
    pub(crate) fn new(secret: SecretString, generation: u64) -> Option<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret())).ok()?;
        header.set_sensitive(true);
        Some(Self {
            secret,
            header,
            generation,
        })
    }
}

pub(crate) struct OAuth {
    pub(crate) keys: OAuthKeys,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// HubSpot keeps refresh tokens; should it ever hand out another one, that one counts.
    newer_refresh_token: Option<SecretString>,
    held: Option<(Token, Instant)>,
    purchases: u64,
    failed: Option<(Instant, UpstreamError)>,
}

impl Auth {
    /// `None` if a static token can't stand in a header.
    pub(crate) fn new(credentials: Credentials) -> Option<Self> {
        Some(match credentials {
            Credentials::Static(secret) => Self::Static(Token::new(secret, 0)?),
            Credentials::OAuth(keys) => Self::OAuth(Box::new(OAuth {
                keys,
                state: Mutex::default(),
            })),
        })
    }

    /// A token to call with.
    pub(crate) async fn current_token(&self, transport: &Transport) -> Result<Token, UpstreamError> {
        match self {
            Self::Static(token) => Ok(token.clone()),
            Self::OAuth(oauth) => oauth.current_token(transport).await,
        }
    }

    /// Gives up a token that HubSpot has refused. True if another one can be had.
    pub(crate) async fn give_up(&self, token: &Token) -> bool {
        let Self::OAuth(oauth) = self else { return false };
        let mut state = oauth.state.lock().await;
        if state
            .held
            .as_ref()
            .is_some_and(|(held, _)| held.generation == token.generation)
        {
            state.held = None;
        }
        true
    }
}

#[derive(Deserialize)]
struct Bought {
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<Scalar>,
}

impl OAuth {
    async fn current_token(&self, transport: &Transport) -> Result<Token, UpstreamError> {
        let asked = Instant::now();
        // Held during the purchase: whoever comes meanwhile gets its result, also a failure.
        let mut state = self.state.lock().await;
        if let Some((token, until)) = &state.held
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        if let Some((at, error)) = &state.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        let bought = self.buy_token(transport, &mut state).await;
        if let Err(error) = &bought {
            state.failed = Some((Instant::now(), error.clone()));
        }
        bought
    }

    async fn buy_token(&self, transport: &Transport, state: &mut State) -> Result<Token, UpstreamError> {
        let refresh_token = state.newer_refresh_token.as_ref().unwrap_or(&self.keys.refresh_token);
        let form = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", self.keys.client_id.expose_secret().to_owned()),
            ("client_secret", self.keys.client_secret.expose_secret().to_owned()),
            ("refresh_token", refresh_token.expose_secret().to_owned()),
        ];
        let request = Request {
            name: "token",
            bucket: Bucket::Free,
            limit: Limit::TOKEN,
            url: transport.config().token_url(),
            payload: Payload::SecretForm(form),
            bearer: None,
        };
        let start = Instant::now();
        let bought: Bought = transport
            .send_request(&request)
            .await
            .map_err(purchase_refused)?
            .parse_json()?;
        let life = bought
            .expires_in
            .and_then(|life| life.0.parse().ok())
            .unwrap_or(USUAL_LIFE);
        let life = Duration::from_secs(life.min(30 * 86_400));
        state.purchases += 1;
        let token = bought
            .access_token
            .filter(|token| !token.is_empty())
            .and_then(|token| Token::new(token.into(), state.purchases))
            .ok_or_else(|| malformed_answer("the token endpoint gave no usable access_token"))?;
        if let Some(newer) = bought.refresh_token.filter(|token| !token.is_empty()) {
            state.newer_refresh_token = Some(newer.into());
        }
        state.held = Some((token.clone(), start + life.saturating_sub(MARGIN.min(life / 2))));
        Ok(token)
    }
}

/// A token endpoint that refuses (400, 401, 403) refuses the credentials: a person must act.
fn purchase_refused(error: UpstreamError) -> UpstreamError {
    if !matches!(error.status, Some(400 | 401 | 403)) || error.is_transient() {
        return error;
    }
    let code = error
        .code
        .as_deref()
        .map(|code| format!(" ({code})"))
        .unwrap_or_default();
    let message = format!(
        "no access token{code}: the refresh token or its client is refused (mistyped, revoked, or the app is no longer \
         installed)"
    );
    UpstreamError {
        message,
        cause: Cause::CredentialsRejected,
        ..error
    }
}
