//! Calls about the portal, the token and the property definitions.

use std::sync::Arc;

use secrecy::ExposeSecret;
use serde::Deserialize;

use super::auth::{Auth, OAuthKeys, Token};
use super::client::{Call, HubSpot};
use super::errors::malformed_answer;
use super::limits::Bucket;
use super::properties::Properties;
use super::token_portal::Purpose;
use super::transport::{Payload, Request, Transport};
use super::wire::Scalar;
use crate::domain::ids::PortalId;
use crate::ports::UpstreamError;
use crate::ports::crm::{Portal, Stage, TokenInfo};
use crate::upstream::http::body::Limit;
use crate::upstream::http::text::{display_name, exact_name, time_zone, valid_code, valid_currency};

/// Most lifecycle stages taken: they stand in the status of the account.
const MAX_STAGES: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    portal_id: Option<Scalar>,
    time_zone: Option<String>,
    company_currency: Option<String>,
    ui_domain: Option<String>,
}

/// The two token calls answer differently: the introspection says `hub_id`, the call for static tokens `hubId`; the scopes
/// are in the same place.
#[derive(Deserialize)]
struct TokenAnswer {
    active: Option<bool>,
    hub_id: Option<Scalar>,
    #[serde(rename = "hubId")]
    static_hub_id: Option<Scalar>,
    scopes: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct LifecycleStage {
    options: Option<Vec<StageOption>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StageOption {
    value: Option<Scalar>,
    label: Option<Scalar>,
    display_order: Option<i64>,
}

/// A value that HubSpot gave: empty if it does not have the expected form, because the portal works without it; `None` if
/// HubSpot gave none.
fn if_formed(told: Option<&str>, form: fn(&str) -> Option<String>) -> Option<String> {
    let told = told.map(str::trim).filter(|told| !told.is_empty())?;
    Some(form(told).unwrap_or_default())
}

impl HubSpot {
    pub(crate) async fn read_portal(&self) -> Result<Portal, UpstreamError> {
        let path = details_path(self.api_version());
        let answer = self.make_check_call(get_call("account-info", path)).await?;
        let details: Details = answer.parse_json()?;
        let missing = |field: &str| malformed_answer(format!("the account details have no {field:?}"));
        let text = |value: Option<String>| value.as_deref().and_then(display_name);
        let id = details
            .portal_id
            .and_then(|id| id.id())
            .map(PortalId)
            .ok_or_else(|| missing("portalId"))?;
        self.transport.opens_portal(id);
        Ok(Portal {
            id,
            time_zone: if_formed(details.time_zone.as_deref(), time_zone).ok_or_else(|| missing("timeZone"))?,
            company_currency: if_formed(details.company_currency.as_deref(), valid_currency)
                .ok_or_else(|| missing("companyCurrency"))?,
            ui_domain: text(details.ui_domain).unwrap_or_else(|| "app.hubspot.com".to_owned()),
        })
    }

    /// A refusal (any 4xx) means that HubSpot does not tell, which is no fault: the calls themselves are the probe.
    pub(crate) async fn read_token_info(&self) -> Result<TokenInfo, UpstreamError> {
        let token = self.auth.current_token(&self.transport, Purpose::Check).await?;
        let keys = match &self.auth {
            Auth::OAuth(oauth) => Some(&oauth.keys),
            Auth::Static(_) => None,
        };
        let info = ask_about_token(&self.transport, keys, &token).await?;
        if let Some(portal) = info.portal {
            self.auth.note_portal(&token, portal).await;
        }
        Ok(info)
    }

    pub(crate) async fn read_stages(&self) -> Result<Vec<Stage>, UpstreamError> {
        let path = format!("/crm/properties/{}/contacts/lifecyclestage", self.api_version());
        let answer = self.make_call(get_call("property", path)).await?;
        let property: LifecycleStage = answer.parse_json()?;
        let mut options = property
            .options
            .ok_or_else(|| malformed_answer("lifecyclestage has no \"options\""))?;
        // -1 stands for "at the end".
        options.sort_by_key(|option| match option.display_order {
            Some(order) if order >= 0 => order,
            _ => i64::MAX,
        });
        // No contact can be in a stage without a value.
        let stage = |option: StageOption| {
            let value = display_name(&option.value?.0)?;
            let label = option
                .label
                .and_then(|label| exact_name(&label.0))
                .unwrap_or_else(|| value.clone());
            Some(Stage { value, label })
        };
        Ok(options.into_iter().filter_map(stage).take(MAX_STAGES).collect())
    }

    pub(crate) async fn read_property_names(&self) -> Result<Vec<String>, UpstreamError> {
        let path = format!("/crm/properties/{}/contacts", self.api_version());
        let call = Call {
            limit: Limit::LISTS,
            ..get_call("properties", path)
        };
        let answer = self.make_call(call).await?;
        let mut names = answer.parse_json::<Properties>()?.into_names()?;
        names.sort();
        names.dedup();
        *self.listed.lock() = Arc::new(names.iter().cloned().collect());
        Ok(names)
    }
}

/// What HubSpot says of a token: of a bought one (then with the `keys` of its app), or of a static one.
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
            limit: Limit::TOKEN,
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
            limit: Limit::TOKEN,
            url: config.url_of("/oauth/v2/private-apps/get/access-token-info"),
            payload: Payload::SecretJson(serde_json::json!({ "tokenKey": secret }).to_string()),
            // Tokens of EU portals are found only with it.
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

/// The portal that a token opens, by the account details.
pub(crate) async fn ask_details(transport: &Transport, token: &Token) -> Result<PortalId, UpstreamError> {
    let config = transport.config();
    let request = Request {
        name: "account-info",
        bucket: Bucket::Other,
        limit: Limit::RECORDS,
        url: config.url_of(&details_path(&config.version)),
        payload: Payload::Nothing,
        bearer: Some(&token.header),
    };
    let details: Details = transport.send_request(&request).await?.parse_json()?;
    let portal = details.portal_id.and_then(|id| id.id()).map(PortalId);
    portal.ok_or_else(|| malformed_answer("the account details have no \"portalId\""))
}

fn details_path(version: &str) -> String {
    format!("/account-info/{version}/details")
}

const fn get_call(name: &'static str, path: String) -> Call<'static> {
    Call {
        name,
        bucket: Bucket::Other,
        limit: Limit::RECORDS,
        path,
        body: None,
    }
}
