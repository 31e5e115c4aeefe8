//! Tokens: a static one, or OAuth access tokens bought with a refresh token, one purchase at a time.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::errors::malformed_answer;
use super::limits::Bucket;
use super::token::{OAuthKeys, Token};
use super::token_portal::{PortalGuard, TokenPurpose, ask_portal};
use super::transport::{Payload, Request, Transport};
use super::wire::Scalar;
use crate::domain::ids::PortalId;
use crate::ports::{Cause, UpstreamError};
use crate::upstream::http::body::AnswerLimit;
use crate::upstream::http::last_failure::LastFailure;

/// A token is not used in its last minute, nor in the second half of a very short life.
const MARGIN: Duration = Duration::from_mins(1);
/// The life of an access token if the answer does not say (OAuth docs: 1,800 s).
const USUAL_LIFE: u64 = 1_800;
/// Longest life that is believed: a wrong token would be kept for all of it.
const LONGEST_LIFE: u64 = 3_600;

/// Least time between tokens that are given up because of answers without an error of HubSpot's: those may be about the
/// call.
const DOUBT_PAUSE: Duration = Duration::from_secs(30);

/// The credentials in a Secret. No `Debug`.
pub(crate) enum Credentials {
    /// Service key or private app token.
    Static(SecretString),
    /// OAuth app.
    OAuth(OAuthKeys),
}

/// The source of a client's tokens. No `Debug`.
pub(crate) enum Auth {
    Static(Token),
    OAuth(Box<OAuth>),
}

pub(crate) struct OAuth {
    pub(crate) keys: OAuthKeys,
    /// The portal that the account may use. The first one named counts: a later one would be another account's.
    pinned: parking_lot::Mutex<Option<PortalId>>,
    state: Mutex<State>,
}

/// A bought token that is kept.
#[derive(Clone)]
struct Held {
    token: Token,
    until: Instant,
    /// The portal that the answer with the token named.
    named: Option<PortalId>,
    /// The portal that HubSpot named when asked about the token.
    reported: Option<PortalId>,
}

impl Held {
    /// The portal that it opens, as far as that is known. Of two
    /// answers, the one that is not the `right` portal counts.
    fn opened_portal(&self, right: PortalId) -> Option<PortalId> {
        [self.named, self.reported]
            .into_iter()
            .flatten()
            .find(|portal| *portal != right)
            .or(self.reported)
    }
}

#[derive(Default)]
struct State {
    /// The current refresh token: HubSpot keeps them, but should it
    /// ever hand out a new one, that one counts until it is refused.
    newer_refresh_token: Option<SecretString>,
    held: Option<Held>,
    guard: PortalGuard,
    purchases: u64,
    failed: LastFailure,
    /// When a token was last given up because of an answer without an error of HubSpot's.
    doubted: Option<Instant>,
}

impl Auth {
    /// `None` if the static token does not fit into a header.
    pub(crate) fn new(credentials: Credentials) -> Option<Self> {
        Some(match credentials {
            Credentials::Static(secret) => Self::Static(Token::new(secret, 0)?),
            Credentials::OAuth(keys) => Self::OAuth(Box::new(OAuth {
                keys,
                pinned: parking_lot::Mutex::default(),
                state: Mutex::default(),
            })),
        })
    }

    /// Gets a token for a call.
    pub(crate) async fn current_token(
        &self,
        transport: &Transport,
        purpose: TokenPurpose,
    ) -> Result<Token, UpstreamError> {
        match self {
            Self::Static(token) => Ok(token.clone()),
            Self::OAuth(oauth) => oauth.current_token(transport, purpose).await,
        }
    }

    /// Pins the portal that bought tokens must open, unless one is pinned already.
    pub(crate) fn pin_portal(&self, portal: PortalId) {
        if let Self::OAuth(oauth) = self {
            oauth.pinned.lock().get_or_insert(portal);
        }
    }

    /// Unpins the portal, once nobody uses the client any more.
    pub(crate) fn unpin_portal(&self) {
        if let Self::OAuth(oauth) = self {
            *oauth.pinned.lock() = None;
        }
    }

    /// Gives up a token that was refused with this error. True if another one can be bought.
    pub(crate) async fn give_up(&self, token: &Token, error: &UpstreamError) -> bool {
        let Self::OAuth(oauth) = self else { return false };
        let mut state = oauth.state.lock().await;
        if !state.holds(token) {
            // Another caller has given it up already.
            return true;
        }
        let gives_up = error.code.is_some() || state.may_doubt(Instant::now());
        if gives_up {
            state.held = None;
        }
        gives_up
    }

    /// Drops the cached token: the next call buys another one.
    pub(crate) async fn drop_token(&self) {
        if let Self::OAuth(oauth) = self {
            let mut state = oauth.state.lock().await;
            state.held = None;
            state.guard.try_again();
        }
    }

    /// Notes that this token belongs to this portal by HubSpot's word.
    pub(crate) async fn note_portal(&self, token: &Token, portal: PortalId) {
        if let Self::OAuth(oauth) = self {
            let mut state = oauth.state.lock().await;
            if state.holds(token)
                && let Some(held) = &mut state.held
            {
                held.reported = Some(portal);
            }
        }
    }
}

impl State {
    /// True if a token may be given up now because of an answer without an error of HubSpot's.
    fn may_doubt(&mut self, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < DOUBT_PAUSE;
        if self.doubted.is_some_and(is_recent) {
            return false;
        }
        self.doubted = Some(now);
        true
    }

    fn holds(&self, token: &Token) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| held.token.generation == token.generation)
    }
}

#[derive(Deserialize)]
struct Bought {
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<Scalar>,
    hub_id: Option<Scalar>,
}

impl OAuth {
    async fn current_token(&self, transport: &Transport, purpose: TokenPurpose) -> Result<Token, UpstreamError> {
        let asked = tokio::time::Instant::now();
        // Held during the purchase: callers that come meanwhile get its result, also a failure.
        let mut state = self.state.lock().await;
        let pinned = *self.pinned.lock();
        let barred = pinned.and_then(|pinned| state.guard.bar(pinned, Instant::now()));
        if let Some(error) = &barred
            && !state.guard.lets_through(purpose)
        {
            return Err(error.clone());
        }
        let fits = |held: &Held| {
            let other = |right| held.opened_portal(right).is_some_and(|portal| portal != right);
            Instant::now() < held.until && (barred.is_some() || !pinned.is_some_and(other))
        };
        let held = state.held.clone().filter(fits);
        if let Some(held) = &held
            && (barred.is_some() || pinned.is_none_or(|right| held.reported == Some(right)))
        {
            return Ok(held.token.clone());
        }
        if let Some(error) = state.failed.since(asked) {
            return Err(error);
        }
        let got = self
            .get_fitting_token(transport, &mut state, (held, pinned, purpose))
            .await;
        if let Err(error) = &got {
            state.failed.record(error);
        }
        got
    }

    /// The cached token or a newly bought one, once it is known to open the pinned portal.
    async fn get_fitting_token(
        &self,
        transport: &Transport,
        state: &mut State,
        (held, pinned, purpose): (Option<Held>, Option<PortalId>, TokenPurpose),
    ) -> Result<Token, UpstreamError> {
        let mut held = match held {
            Some(held) => held,
            None => self.buy_token(transport, state).await?,
        };
        if let Some(right) = pinned {
            if held.opened_portal(right).is_none() {
                held.reported = Some(ask_portal(transport, &self.keys, &held.token).await?);
                state.held = Some(held.clone());
            }
            match held.opened_portal(right).filter(|portal| *portal != right) {
                Some(other) => {
                    let error = state.guard.record_mismatch((right, other), Instant::now());
                    if !state.guard.lets_through(purpose) {
                        return Err(error);
                    }
                }
                None => state.guard = PortalGuard::default(),
            }
        }
        Ok(held.token)
    }

    /// Buys with the newer refresh token, if HubSpot ever gave one, and where that is refused with the Secret's: one
    /// odd answer must not be all that is left of the credentials.
    async fn buy_token(&self, transport: &Transport, state: &mut State) -> Result<Held, UpstreamError> {
        let Some(newer) = state.newer_refresh_token.clone() else {
            return self.buy_with(&self.keys.refresh_token, transport, state).await;
        };
        match self.buy_with(&newer, transport, state).await {
            Err(refused) if refused.cause == Cause::CredentialsRejected => {
                state.newer_refresh_token = None;
                let bought = self.buy_with(&self.keys.refresh_token, transport, state).await;
                if bought.is_err() {
                    state.newer_refresh_token = Some(newer);
                }
                bought
            }
            bought => bought,
        }
    }

    async fn buy_with(
        &self,
        refresh_token: &SecretString,
        transport: &Transport,
        state: &mut State,
    ) -> Result<Held, UpstreamError> {
        let form = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", self.keys.client_id.expose_secret().to_owned()),
            ("client_secret", self.keys.client_secret.expose_secret().to_owned()),
            ("refresh_token", refresh_token.expose_secret().to_owned()),
        ];
        let request = Request {
            name: "token",
            bucket: Bucket::Free,
            limit: AnswerLimit::TOKEN,
            url: transport.config().token_url(),
            payload: Payload::SecretForm(form),
            bearer: None,
        };
        let start = Instant::now();
        let bought: Bought = transport
            .send_request(&request)
            .await
            .map_err(purchase_failed)?
            .parse_json()
            .map_err(purchase_failed)?;
        let life = believed_life(bought.expires_in.as_ref());
        state.purchases += 1;
        let token = bought
            .access_token
            .filter(|token| !token.is_empty())
            .and_then(|token| Token::new(token.into(), state.purchases))
            .ok_or_else(|| purchase_failed(malformed_answer("the token endpoint gave no usable access_token")))?;
        if let Some(newer) = bought.refresh_token.filter(|token| !token.is_empty()) {
            state.newer_refresh_token = Some(newer.into());
        }
        let held = Held {
            token,
            until: start + life.saturating_sub(MARGIN.min(life / 2)),
            named: bought.hub_id.and_then(|id| id.id()).map(PortalId),
            reported: None,
        };
        state.held = Some(held.clone());
        Ok(held)
    }
}

/// A token's lifetime by the answer that brought it. No token is made to live for no time.
fn believed_life(stated: Option<&Scalar>) -> Duration {
    let stated = stated.and_then(|life| life.0.parse().ok()).filter(|life| *life > 0);
    Duration::from_secs(stated.unwrap_or(USUAL_LIFE).min(LONGEST_LIFE))
}

/// A token endpoint that refuses (400, 401, 403) in its own form refuses the credentials: a person must act. Any other
/// answer with these statuses may come from a filter in between, and passes.
fn purchase_failed(error: UpstreamError) -> UpstreamError {
    let error = UpstreamError {
        about_token: true,
        ..error
    };
    if !matches!(error.status, Some(400 | 401 | 403)) || error.is_transient() {
        return error;
    }
    let Some(code) = &error.code else {
        let status = error.status.unwrap_or_default();
        let message = format!(
            "no access token: the token endpoint's answer is none of HubSpot's (HTTP {status}). A proxy or a filter may stand \
             between"
        );
        return UpstreamError {
            message,
            cause: Cause::Malformed,
            ..error
        };
    };
    let message = format!(
        "no access token ({code}): the refresh token or its client is refused (mistyped, revoked, or the app is no longer \
         installed)"
    );
    UpstreamError {
        message,
        cause: Cause::CredentialsRejected,
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_seldom_given_up_for_what_is_no_word_of_hubspots() {
        let (mut state, begin) = (State::default(), Instant::now());
        let mut may = |seconds| state.may_doubt(begin + Duration::from_secs(seconds));
        assert_eq!(
            [may(0), may(1), may(29), may(30), may(59), may(60)],
            [true, false, false, true, false, true]
        );
    }

    #[test]
    fn no_life_beyond_an_hour_is_believed_and_none_without_any() {
        let told = |text: &str| believed_life(Some(&Scalar(text.to_owned()))).as_secs();
        assert_eq!(
            ["1800", "3600", "1000000000", "x", "0", "-1", "1"].map(told),
            [1800, 3600, 3600, 1800, 1800, 1800, 1]
        );
        assert_eq!(believed_life(None).as_secs(), 1800);
    }
}
