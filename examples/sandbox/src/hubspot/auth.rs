//! The way of every authenticated call: token, rate limit, scope, body.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
    response::Response,
};
use serde::de::DeserializeOwned;

use super::{
    reply::{Answer, Outcome, rate_headers},
    state::{HubSpot, Portal, Token, TokenKind},
};
use crate::world::{Shared, lock};

/// Which limit a call counts against (besides the daily one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Searches per second; no headers.
    Search,
    /// Calls per ten seconds; with headers.
    Burst,
}

/// What an endpoint asks of a caller.
#[derive(Clone, Copy, Debug)]
pub struct Gatekeeper {
    /// Any one of these scopes; empty means that every token will do.
    pub scopes: &'static [&'static str],
    /// The limit.
    pub bucket: Bucket,
}

/// An admitted call.
pub struct Call<'a> {
    /// The portal of the token.
    pub portal: &'a Portal,
    /// Current time, epoch milliseconds.
    pub now: i64,
    /// The body.
    pub body: &'a [u8],
    headers: &'a HeaderMap,
    sees: Option<Arc<BTreeSet<u64>>>,
}

impl Call<'_> {
    /// Whether the token is shown this contact.
    pub fn sees(&self, contact: u64) -> bool {
        self.sees.as_ref().is_none_or(|some| some.contains(&contact))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// 415 for another content type, 400 for malformed JSON or fields the endpoint does not have.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Answer> {
        let content_type = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if !content_type.to_ascii_lowercase().starts_with("application/json") {
            let status = axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Answer::error(
                status,
                "VALIDATION_ERROR",
                "Content-Type must be application/json",
            ));
        }
        serde_json::from_slice(self.body).map_err(|error| Answer::invalid(format!("Invalid input JSON: {error}")))
    }
}

impl Gatekeeper {
    /// Admits a call and answers it.
    pub fn serve(
        self,
        shared: &Shared,
        headers: &HeaderMap,
        body: &Bytes,
        answer: impl FnOnce(&Call<'_>) -> Outcome,
    ) -> Response {
        let mut world = lock(shared);
        let now = world.clock.now_ms();
        let correlation_id = world.hubspot.random.uuid();
        let mut extra = HeaderMap::new();
        let outcome = self
            .admit(&mut world.hubspot, headers, now, &mut extra)
            .and_then(|portal| {
                let portal = world
                    .hubspot
                    .portals
                    .get(&portal)
                    .ok_or_else(|| unauthenticated("The account is gone."))?;
                let token = bearer(headers).and_then(|secret| world.hubspot.tokens.get(secret));
                answer(&Call {
                    portal,
                    now,
                    body,
                    headers,
                    sees: token.and_then(|token| token.sees.clone()),
                })
            });
        outcome
            .unwrap_or_else(|error| error)
            .into_response(&correlation_id, extra)
    }

    fn admit(self, hubspot: &mut HubSpot, headers: &HeaderMap, now: i64, extra: &mut HeaderMap) -> Result<u64, Answer> {
        let unlimited = hubspot.unlimited;
        let token = bearer(headers)
            .and_then(|secret| hubspot.tokens.get_mut(secret))
            .filter(|token| !token.revoked);
        let token = token.ok_or_else(|| {
            unauthenticated("Authentication credentials not found. This API supports OAuth 2.0 authentication.")
        })?;
        if token.expires.is_some_and(|end| end <= now) {
            let mut answer = unauthenticated("The OAuth token used to make this call expired.");
            answer.body["category"] = "EXPIRED_AUTHENTICATION".into();
            return Err(answer);
        }
        let portal = hubspot
            .portals
            .get_mut(&token.portal)
            .ok_or_else(|| unauthenticated("The account is gone."))?;
        if !unlimited {
            self.count(portal, token, now, extra)?;
        }
        if self.scopes.is_empty()
            || self
                .scopes
                .iter()
                .any(|s| token.scopes.iter().any(|granted| granted == s))
        {
            Ok(portal.id)
        } else {
            Err(Answer::missing_scopes(self.scopes))
        }
    }

    fn count(self, portal: &mut Portal, token: &mut Token, now: i64, extra: &mut HeaderMap) -> Result<(), Answer> {
        let limits = portal.limits;
        let remaining = match self.bucket {
            Bucket::Search => portal
                .searches
                .take(now, limits.search)
                .ok_or_else(|| Answer::too_many("SECONDLY", "You have reached your secondly limit.", None))?,
            Bucket::Burst => token.burst.take(now, limits.burst).ok_or_else(|| {
                extra.extend(rate_headers(limits.burst, 0, None));
                let group = format!("publicapi:private_app-api-calls-ten-secondly:{}", portal.id);
                Answer::too_many(
                    "TEN_SECONDLY_ROLLING",
                    "You have reached your ten_secondly_rolling limit.",
                    Some(group),
                )
            })?,
        };
        let mut daily = None;
        if token.kind != TokenKind::OAuth {
            let left = portal.day.take(now, &portal.time_zone.1, limits.daily).ok_or_else(|| {
                let group = format!("publicapi:private-apps-api-calls-daily:{}", portal.id);
                Answer::too_many("DAILY", "You have reached your daily limit.", Some(group))
            })?;
            daily = Some((limits.daily, left));
        }
        if self.bucket == Bucket::Burst {
            extra.extend(rate_headers(limits.burst, remaining, daily));
        }
        Ok(())
    }
}

/// The bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

/// 401 with the category HubSpot uses.
pub fn unauthenticated(message: &str) -> Answer {
    Answer::error(axum::http::StatusCode::UNAUTHORIZED, "INVALID_AUTHENTICATION", message)
}
