//! HubSpot's OAuth endpoints and the look-up of private-app tokens.

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    auth::{bearer, unauthenticated},
    reply::{Answer, Outcome},
    state::{ACCESS_TOKEN_SECONDS, HubSpot, OAuthApp, Token, TokenKind},
};
use crate::{
    log::form_fields,
    world::{Shared, World, lock},
};

/// `POST /oauth/2026-09/token`: exchanges a refresh token for an access token of 1,800 seconds.
pub fn token(shared: &Shared, headers: &HeaderMap, body: &Bytes) -> Response {
    answer(shared, |world| {
        let form = Form::parse(headers, body)?;
        if form.get("grant_type") != Some("refresh_token") {
            return Err(refused(
                "unsupported_grant_type",
                "BAD_GRANT_TYPE",
                "only refresh_token is simulated",
            ));
        }
        let now = world.clock.now_ms();
        let app = client(&world.hubspot, &form)?;
        if app.revoked || form.get("refresh_token") != Some(app.refresh_token.as_str()) {
            return Err(refused(
                "invalid_grant",
                "BAD_REFRESH_TOKEN",
                "missing or unknown refresh token",
            ));
        }
        let secret = format!("CSandbox{}", world.hubspot.random.uuid());
        let mut token = Token::fixed(app.portal, TokenKind::OAuth, app.scopes.clone());
        token.expires = Some(now + ACCESS_TOKEN_SECONDS * 1000);
        token.client_id = Some(app.client_id);
        world.hubspot.add_token(&secret, token);
        Ok(Answer::ok(json!({
            "token_type": "bearer", "access_token": secret, "refresh_token": app.refresh_token,
            "expires_in": ACCESS_TOKEN_SECONDS, "hub_id": app.portal, "scopes": app.scopes,
        })))
    })
}

/// `POST /oauth/2026-09/token/introspect`.
pub fn introspect(shared: &Shared, headers: &HeaderMap, body: &Bytes) -> Response {
    answer(shared, |world| {
        let form = Form::parse(headers, body)?;
        let now = world.clock.now_ms();
        let app = client(&world.hubspot, &form)?;
        let asked = form.get("token").unwrap_or_default();
        let hint = form.get("token_type_hint").unwrap_or("access_token");
        let (active, left) = if hint == "refresh_token" {
            (asked == app.refresh_token && !app.revoked, None)
        } else {
            let ours = |t: &&Token| !t.revoked && t.client_id.as_ref() == Some(&app.client_id);
            let token = world.hubspot.tokens.get(asked).filter(ours);
            let left = token
                .and_then(|t| t.expires)
                .map(|end| (end - now) / 1000)
                .filter(|left| *left > 0);
            (left.is_some(), left)
        };
        if !active {
            return Ok(Answer::ok(json!({"active": false})));
        }
        Ok(Answer::ok(json!({
            "active": true, "token_use": hint, "token_type": "bearer", "app_id": 1, "client_id": app.client_id,
            "hub_id": app.portal, "hub_domain": "sandbox.example", "user": "sandbox@example.com", "user_id": 1,
            "scopes": app.scopes, "expires_in": left, "is_private_distribution": false,
        })))
    })
}

/// `POST /oauth/v2/private-apps/get/access-token-info`: knows private-app tokens only; for anything else the caller
/// has to probe.
pub fn token_info(shared: &Shared, headers: &HeaderMap, body: &Bytes) -> Response {
    answer(shared, |world| {
        let request: Value =
            serde_json::from_slice(body).map_err(|e| Answer::invalid(format!("Invalid input JSON: {e}")))?;
        let key = request["tokenKey"]
            .as_str()
            .ok_or_else(|| Answer::invalid("tokenKey is required"))?;
        if bearer(headers).is_some_and(|own| own != key) {
            return Err(unauthenticated("The token does not match."));
        }
        let token = world
            .hubspot
            .tokens
            .get(key)
            .filter(|token| !token.revoked && token.kind == TokenKind::PrivateApp);
        let token = token.ok_or_else(|| Answer::not_found("No private app has this token."))?;
        Ok(Answer::ok(
            json!({"userId": 123, "hubId": token.portal, "appId": 456, "scopes": token.scopes}),
        ))
    })
}

fn answer(shared: &Shared, act: impl FnOnce(&mut World) -> Outcome) -> Response {
    let mut world = lock(shared);
    let correlation_id = world.hubspot.random.uuid();
    act(&mut world)
        .unwrap_or_else(|error| error)
        .into_response(&correlation_id, HeaderMap::new())
}

struct Form(Vec<(String, String)>);

impl Form {
    fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, Answer> {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if kind.starts_with("application/x-www-form-urlencoded") {
            return Ok(Self(form_fields(body)));
        }
        let message = "Content-Type must be application/x-www-form-urlencoded";
        Err(Answer::error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "VALIDATION_ERROR",
            message,
        ))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn client(hubspot: &HubSpot, form: &Form) -> Result<OAuthApp, Answer> {
    let app = hubspot
        .apps
        .iter()
        .find(|app| Some(app.client_id.as_str()) == form.get("client_id"));
    let app = app.ok_or_else(|| refused("invalid_client", "BAD_CLIENT_ID", "missing or unknown client id"))?;
    if Some(app.client_secret.as_str()) == form.get("client_secret") {
        Ok(app.clone())
    } else {
        Err(refused(
            "invalid_client",
            "BAD_CLIENT_SECRET",
            "missing or invalid client secret",
        ))
    }
}

fn refused(error: &str, status: &str, message: &str) -> Answer {
    let body = json!({"status": status, "message": message, "error": error, "error_description": message, "category": "OAUTH_ERROR"});
    Answer {
        status: StatusCode::BAD_REQUEST,
        body,
    }
}
