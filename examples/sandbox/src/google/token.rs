//! `POST /token`: refresh tokens and signed assertions are exchanged for access tokens.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::auth::{Principal, decode_claims};
use super::encoding::form;
use super::state::Google;
use super::with_google;
use crate::world::Shared;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An OAuth error answer.
struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl OAuthError {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        let status = if error == "invalid_client" {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::BAD_REQUEST
        };
        Self {
            status,
            error,
            description: description.into(),
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        (
            self.status,
            Json(json!({"error": self.error, "error_description": self.description})),
        )
            .into_response()
    }
}

/// Parameters of the request; each at most once.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        let refuse = |why: &str| OAuthError::new("invalid_request", why);
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let pairs = match kind.split(';').next().unwrap_or_default().trim() {
            "application/x-www-form-urlencoded" => {
                let text = std::str::from_utf8(body).map_err(|_| refuse("Body is not UTF-8."))?;
                form(text).ok_or_else(|| refuse("Malformed form."))?
            }
            "application/json" => json_pairs(body).ok_or_else(|| refuse("Malformed JSON body."))?,
            _ => return Err(refuse("Unsupported content type.")),
        };
        let names: BTreeSet<&String> = pairs.iter().map(|(name, _)| name).collect();
        if names.len() != pairs.len() {
            return Err(refuse("OAuth 2 parameters can only have a single value."));
        }
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| OAuthError::new("invalid_request", format!("Missing required parameter: {name}")))
    }

    fn only(&self, known: &[&str]) -> Result<(), OAuthError> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(OAuthError::new("invalid_request", format!("Unknown parameter: {name}"))),
            None => Ok(()),
        }
    }
}

fn json_pairs(body: &[u8]) -> Option<Vec<(String, String)>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let map = value.as_object()?;
    let present = map.iter().filter(|(_, value)| !value.is_null());
    present
        .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Handler of the token endpoint.
pub async fn handle(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let parameters = match Parameters::read(&headers, &body) {
        Ok(parameters) => parameters,
        Err(error) => return error.into_response(),
    };
    let answer = with_google(&shared, |google, now| match parameters.require("grant_type")? {
        "refresh_token" => refresh(google, now, &parameters),
        JWT_BEARER => assertion(google, now, &parameters),
        other => Err(OAuthError::new(
            "unsupported_grant_type",
            format!("Invalid grant_type: {other}"),
        )),
    });
    match answer {
        Ok(body) => ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response(),
        Err(error) => error.into_response(),
    }
}

fn refresh(google: &mut Google, now: Timestamp, parameters: &Parameters) -> Result<Value, OAuthError> {
    parameters.only(&[
        "grant_type",
        "client_id",
        "client_secret",
        "refresh_token",
        "scope",
        "scopes",
    ])?;
    let id = parameters.require("client_id")?;
    let secret = parameters.require("client_secret")?;
    let client = google.credentials.clients.get(id).filter(|client| !client.disabled);
    let client = client.ok_or_else(|| OAuthError::new("invalid_client", "The OAuth client was not found."))?;
    if client.secret != secret {
        return Err(OAuthError::new(
            "invalid_client",
            "The provided client secret is invalid.",
        ));
    }
    let token = parameters.require("refresh_token")?;
    let grant = google
        .credentials
        .refresh_tokens
        .get(token)
        .filter(|grant| !grant.revoked && grant.client == id);
    let grant = grant.ok_or_else(|| OAuthError::new("invalid_grant", "Token has been expired or revoked."))?;
    let mut scopes = grant.scopes.clone();
    if let Some(asked) = parameters.get("scope") {
        let asked: BTreeSet<String> = asked.split_whitespace().map(str::to_owned).collect();
        if !asked.is_subset(&scopes) {
            return Err(OAuthError::new(
                "invalid_scope",
                "Some requested scopes were not granted.",
            ));
        }
        scopes = asked;
    }
    let principal = Principal {
        identity: grant.identity.clone(),
        project: client.project.clone(),
        scopes,
    };
    Ok(issue(google, now, principal, Some(token.to_owned())))
}

fn assertion(google: &mut Google, now: Timestamp, parameters: &Parameters) -> Result<Value, OAuthError> {
    parameters.only(&["grant_type", "assertion"])?;
    let invalid = |why: &str| OAuthError::new("invalid_grant", why);
    let claims = decode_claims(parameters.require("assertion")?).ok_or_else(|| invalid("Invalid JWT."))?;
    let account = google
        .credentials
        .service_accounts
        .get(&claims.iss)
        .filter(|account| !account.disabled);
    let account = account.ok_or_else(|| invalid("Invalid grant: account not found"))?;
    let audience = claims.aud.as_deref().unwrap_or_default();
    if !audience.starts_with("http") || !audience.ends_with("/token") {
        return Err(invalid("Invalid JWT: Failed audience check."));
    }
    claims.check_times().map_err(invalid)?;
    if !claims.speaks_for_itself() {
        return Err(OAuthError::new(
            "unauthorized_client",
            "Client is unauthorized to retrieve access tokens using this method.",
        ));
    }
    let asked = claims.scope.as_deref().unwrap_or_default();
    let scopes: BTreeSet<String> = asked
        .split_whitespace()
        .map(str::to_owned)
        .filter(|scope| account.scopes.contains(scope))
        .collect();
    if scopes.is_empty() {
        return Err(OAuthError::new(
            "invalid_scope",
            "Invalid OAuth scope or ID token audience provided.",
        ));
    }
    let principal = Principal {
        identity: claims.iss.clone(),
        project: account.project.clone(),
        scopes,
    };
    Ok(issue(google, now, principal, None))
}

fn issue(google: &mut Google, now: Timestamp, principal: Principal, refresh_token: Option<String>) -> Value {
    let lifetime = google.settings.token_lifetime;
    let token = format!("ya29.{}", google.fresh_id());
    let scope = principal.scopes.iter().cloned().collect::<Vec<_>>().join(" ");
    let expires = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    google
        .credentials
        .issue(token.clone(), principal, expires, refresh_token);
    json!({"access_token": token, "expires_in": lifetime.as_secs(), "scope": scope, "token_type": "Bearer"})
}
