//! Asks HubSpot for a token's portal and scopes.

use secrecy::ExposeSecret;
use serde::Deserialize;

use super::errors::malformed_answer;
use super::limits::Bucket;
use super::token::{OAuthKeys, Token};
use super::transport::{Payload, Request, Transport};
use super::wire::Scalar;
use crate::domain::ids::PortalId;
use crate::ports::UpstreamError;
use crate::ports::crm::TokenInfo;
use crate::upstream::http::body::AnswerLimit;
use crate::upstream::http::text::valid_code;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details {
    pub(crate) portal_id: Option<Scalar>,
    pub(crate) time_zone: Option<String>,
    pub(crate) company_currency: Option<String>,
    pub(crate) ui_domain: Option<String>,
}

/// The two token calls answer differently: the introspection says `hub_id`, the call for static tokens `hubId`; the
/// scopes are in the same place.
#[derive(Deserialize)]
struct TokenAnswer {
    active: Option<bool>,
    hub_id: Option<Scalar>,
    #[serde(rename = "hubId")]
    static_hub_id: Option<Scalar>,
    scopes: Option<Vec<String>>,
}

/// Asks HubSpot about a token: a bought one (then with the `keys` of its app) or a static one.
pub(crate) async fn ask_about_token(
    transport: &Transport,
    keys: Option<&OAuthKeys>,
    token: &Token,
) -> Result<TokenInfo, UpstreamError> {
    let config = transport.config();
    let secret = token.secret.expose_secret();
    let request = match keys {
        Some(keys) => Request {
            name: "introspect",
            bucket: Bucket::Free,
            limit: AnswerLimit::TOKEN,
            url: format!("{}/introspect", config.token_url()),
            payload: Payload::SecretForm(vec![
                ("client_id", keys.client_id.expose_secret().to_owned()),
                ("client_secret", keys.client_secret.expose_secret().to_owned()),
                ("token", secret.to_owned()),
                ("token_type_hint", "access_token".to_owned()),
            ]),
            bearer: None,
        },
        None => Request {
            name: "access-token-info",
            bucket: Bucket::Other,
            limit: AnswerLimit::TOKEN,
            url: config.url_of("/oauth/v2/private-apps/get/access-token-info"),
            payload: Payload::SecretJson(serde_json::json!({ "tokenKey": secret }).to_string()),
            // Without it, tokens of EU portals are not found.
            bearer: Some(&token.header),
        },
    };
    let answer = match transport.send_request(&request).await {
        Err(error) if error.status.is_some_and(|status| (400..500).contains(&status)) => {
            return Ok(TokenInfo::default());
        }
        result => result?,
    };
    let info: TokenAnswer = answer.parse_json()?;
    if info.active == Some(false) {
        return Ok(TokenInfo::default());
    }
    let portal = info.hub_id.or(info.static_hub_id).and_then(|id| id.id());
    let scopes = info
        .scopes
        .map(|scopes| scopes.iter().filter_map(|scope| valid_code(scope)).collect::<Vec<_>>());
    Ok(TokenInfo {
        portal: portal.map(PortalId),
        scopes: scopes.filter(|scopes| !scopes.is_empty()),
    })
}

/// The portal that a token opens, according to the account details.
pub(crate) async fn ask_details(transport: &Transport, token: &Token) -> Result<PortalId, UpstreamError> {
    let config = transport.config();
    let request = Request {
        name: "account-info",
        bucket: Bucket::Other,
        limit: AnswerLimit::RECORDS,
        url: config.url_of(&details_path(&config.version)),
        payload: Payload::Nothing,
        bearer: Some(&token.header),
    };
    let details: Details = transport.send_request(&request).await?.parse_json()?;
    let portal = details.portal_id.and_then(|id| id.id()).map(PortalId);
    portal.ok_or_else(|| malformed_answer("the account details have no \"portalId\""))
}

/// The path of the account details.
pub(crate) fn details_path(version: &str) -> String {
    format!("/account-info/{version}/details")
}
