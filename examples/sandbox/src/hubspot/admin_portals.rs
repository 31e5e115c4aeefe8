//! Admin calls that create and change portals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    admin::Reply,
    catalogue::{Choice, Kind},
    state::{HubSpot, OAuthApp, Portal, Token, TokenKind},
};
use crate::world::{Shared, lock};

/// Settings of a portal; what is absent stays.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortalBody {
    portal_id: Option<u64>,
    time_zone: Option<String>,
    company_currency: Option<String>,
    ui_domain: Option<String>,
    account_type: Option<String>,
    date_entered: Option<bool>,
    custom_stages: Vec<Choice>,
    remove_stages: Vec<String>,
    properties: Vec<PropertyBody>,
    tokens: Vec<TokenBody>,
    oauth_apps: Vec<OAuthApp>,
    revoke: Vec<String>,
    restore: Vec<String>,
    scopes: BTreeMap<String, Vec<String>>,
    sees: BTreeMap<String, Option<BTreeSet<String>>>,
    limits: LimitsBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TokenBody {
    access_token: String,
    kind: TokenKind,
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PropertyBody {
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
    label: Option<String>,
    #[serde(default)]
    options: Vec<Choice>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct LimitsBody {
    burst: Option<u32>,
    search: Option<u32>,
    daily: Option<u64>,
    daily_used: Option<u64>,
    index_lag_ms: Option<i64>,
}

/// `GET /portals`.
pub async fn list(State(shared): State<Shared>) -> Json<Value> {
    let world = lock(&shared);
    Json(world.hubspot.portals.values().map(summary).collect())
}

/// `POST /portals`: creates one, or changes the one that is there.
pub async fn create(State(shared): State<Shared>, Json(body): Json<PortalBody>) -> Reply {
    let mut world = lock(&shared);
    let now = world.clock.now_ms();
    let id = body.portal_id.ok_or("portalId is missing")?;
    world.hubspot.add_portal(id);
    Ok(Json(apply(&mut world.hubspot, id, body, now)?))
}

/// `PATCH /portals/{id}`.
pub async fn change(State(shared): State<Shared>, Path(id): Path<u64>, Json(body): Json<PortalBody>) -> Reply {
    let mut world = lock(&shared);
    let now = world.clock.now_ms();
    if body.portal_id.is_some_and(|other| other != id) {
        return Err("the portal id cannot change".into());
    }
    Ok(Json(apply(&mut world.hubspot, id, body, now)?))
}

fn apply(hubspot: &mut HubSpot, id: u64, body: PortalBody, now: i64) -> Result<Value, String> {
    hubspot.portal_mut(Some(id))?.settle(&body, now)?;
    for token in body.tokens {
        hubspot.add_token(&token.access_token, Token::fixed(id, token.kind, token.scopes));
    }
    for mut app in body.oauth_apps {
        app.portal = id;
        hubspot.apps.retain(|old| old.client_id != app.client_id);
        hubspot.apps.push(app);
    }
    let revoked = body.revoke.iter().map(|secret| (secret, true));
    for (secret, revoked) in revoked.chain(body.restore.iter().map(|secret| (secret, false))) {
        set_revoked(hubspot, secret, revoked)?;
    }
    for (secret, scopes) in body.scopes {
        set_scopes(hubspot, &secret, scopes)?;
    }
    for (secret, contacts) in body.sees {
        let token = hubspot.tokens.get_mut(&secret).ok_or("no such access token")?;
        token.sees = match contacts {
            Some(contacts) => Some(Arc::new(contacts.iter().map(number).collect::<Result<_, _>>()?)),
            None => None,
        };
    }
    Ok(summary(hubspot.portal_mut(Some(id))?))
}

fn number(id: &String) -> Result<u64, String> {
    id.parse().map_err(|_| format!("{id:?} is no contact id"))
}

/// Revokes (or restores) an access token, or an OAuth app named by its refresh token together with what it issued.
fn set_revoked(hubspot: &mut HubSpot, secret: &str, revoked: bool) -> Result<(), String> {
    if let Some(token) = hubspot.tokens.get_mut(secret) {
        token.revoked = revoked;
        return Ok(());
    }
    let app = hubspot
        .apps
        .iter_mut()
        .find(|app| app.refresh_token == secret)
        .ok_or("no such token")?;
    app.revoked = revoked;
    let client = Some(app.client_id.clone());
    hubspot
        .tokens
        .values_mut()
        .filter(|token| token.client_id == client)
        .for_each(|token| token.revoked = revoked);
    Ok(())
}

fn set_scopes(hubspot: &mut HubSpot, secret: &str, scopes: Vec<String>) -> Result<(), String> {
    if let Some(token) = hubspot.tokens.get_mut(secret) {
        token.scopes = scopes;
        return Ok(());
    }
    let app = hubspot
        .apps
        .iter_mut()
        .find(|app| app.refresh_token == secret)
        .ok_or("no such token")?;
    let client = Some(app.client_id.clone());
    app.scopes.clone_from(&scopes);
    hubspot
        .tokens
        .values_mut()
        .filter(|t| t.client_id == client)
        .for_each(|token| token.scopes.clone_from(&scopes));
    Ok(())
}

impl Portal {
    fn settle(&mut self, body: &PortalBody, now: i64) -> Result<(), String> {
        if let Some(name) = &body.time_zone {
            let zone = TimeZone::get(name).map_err(|e| e.to_string())?;
            self.time_zone = (name.clone(), zone);
        }
        let copy = |target: &mut String, source: &Option<String>| {
            if let Some(text) = source {
                target.clone_from(text);
            }
        };
        copy(&mut self.currency, &body.company_currency);
        copy(&mut self.ui_domain, &body.ui_domain);
        copy(&mut self.account_type, &body.account_type);
        for stage in &body.custom_stages {
            self.add_stage(&stage.value, &stage.label);
        }
        for stage in &body.remove_stages {
            self.remove_stage(stage);
        }
        for property in &body.properties {
            let label = property.label.as_deref().unwrap_or(&property.name);
            self.contacts
                .catalogue
                .define_stored(&property.name, label, property.kind, true);
            if let Some(defined) = self.contacts.catalogue.find_mut(&property.name) {
                defined.options.clone_from(&property.options);
            }
        }
        if let Some(on) = body.date_entered {
            self.set_date_entered(on);
        }
        self.limit(&body.limits, now);
        Ok(())
    }

    fn limit(&mut self, body: &LimitsBody, now: i64) {
        self.limits.burst = body.burst.unwrap_or(self.limits.burst);
        self.limits.search = body.search.unwrap_or(self.limits.search);
        self.limits.daily = body.daily.unwrap_or(self.limits.daily);
        self.limits.index_lag = body.index_lag_ms.unwrap_or(self.limits.index_lag);
        if let Some(used) = body.daily_used {
            let zone = self.time_zone.1.clone();
            self.day.roll(now, &zone);
            self.day.used = used;
        }
    }
}

fn summary(portal: &Portal) -> Value {
    let stages: Vec<Value> = portal
        .stages
        .iter()
        .map(|s| json!({"value": s.value, "label": s.label}))
        .collect();
    json!({
        "portalId": portal.id, "timeZone": portal.time_zone.0, "companyCurrency": portal.currency, "uiDomain": portal.ui_domain,
        "dateEntered": portal.date_entered, "stages": stages,
        "contacts": portal.contacts.records.values().filter(|r| !r.archived).count(),
        "deals": portal.deals.records.values().filter(|r| !r.archived).count(),
        "limits": {"burst": portal.limits.burst, "search": portal.limits.search, "daily": portal.limits.daily,
                   "dailyUsed": portal.day.used, "indexLagMs": portal.limits.index_lag},
    })
}
