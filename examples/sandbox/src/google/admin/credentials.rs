//! OAuth clients, refresh tokens and service accounts.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Refusal, read};
use crate::google::auth::{ADWORDS, Client, DATA_MANAGER, DEFAULT_PROJECT, RefreshToken, ServiceAccount, both_scopes};
use crate::google::with_google;
use crate::world::Shared;

fn project() -> String {
    DEFAULT_PROJECT.into()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClientForm {
    client_id: String,
    client_secret: String,
    #[serde(default = "project")]
    project: String,
    #[serde(default)]
    disabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefreshTokenForm {
    refresh_token: String,
    client_id: String,
    identity: String,
    #[serde(default = "both_scopes")]
    scopes: BTreeSet<String>,
    #[serde(default)]
    revoked: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceAccountForm {
    email: String,
    #[serde(default = "project")]
    project: String,
    #[serde(default = "both_scopes")]
    scopes: BTreeSet<String>,
    #[serde(default)]
    disabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RevokeForm {
    refresh_token: Option<String>,
    service_account: Option<String>,
    #[serde(default = "yes")]
    revoked: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ForgetForm {
    refresh_token: Option<String>,
}

fn yes() -> bool {
    true
}

/// Scopes may be given in full or by their last segment.
fn full_scopes(scopes: BTreeSet<String>) -> Result<BTreeSet<String>, Refusal> {
    let full = |scope: String| match scope.as_str() {
        "adwords" | ADWORDS => Ok(ADWORDS.to_owned()),
        "datamanager" | DATA_MANAGER => Ok(DATA_MANAGER.to_owned()),
        _ => Err(Refusal::bad(format!("unknown scope {scope}"))),
    };
    scopes.into_iter().map(full).collect()
}

/// Everything but the secrets.
pub async fn list(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| {
        let credentials = &google.credentials;
        let clients = credentials
            .clients
            .iter()
            .map(|(id, c)| json!({"clientId": id, "project": c.project, "disabled": c.disabled}));
        let tokens = credentials
            .refresh_tokens
            .values()
            .map(|t| json!({"clientId": t.client, "identity": t.identity, "scopes": t.scopes, "revoked": t.revoked}));
        let accounts = credentials.service_accounts.iter().map(
            |(email, a)| json!({"email": email, "project": a.project, "scopes": a.scopes, "disabled": a.disabled}),
        );
        Json(json!({
            "clients": clients.collect::<Vec<_>>(),
            "refreshTokens": tokens.collect::<Vec<_>>(),
            "serviceAccounts": accounts.collect::<Vec<_>>(),
        }))
    })
}

/// Creates or replaces a client.
pub async fn client(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: ClientForm = read(&body)?;
    let client = Client {
        secret: form.client_secret,
        project: form.project,
        disabled: form.disabled,
    };
    with_google(&shared, |google, _| {
        google.credentials.clients.insert(form.client_id, client)
    });
    Ok(Json(json!({})))
}

/// Forgets a client: its calls meet `invalid_client`.
pub async fn remove_client(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    let removed = with_google(&shared, |google, _| google.credentials.clients.remove(&id));
    removed
        .map(|_| Json(json!({})))
        .ok_or_else(|| Refusal::missing("client"))
}

/// Creates or replaces a refresh token. Access tokens already given out keep their scopes.
pub async fn refresh_token(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: RefreshTokenForm = read(&body)?;
    let scopes = full_scopes(form.scopes)?;
    let grant = RefreshToken {
        client: form.client_id,
        identity: form.identity,
        scopes,
        revoked: form.revoked,
    };
    with_google(&shared, |google, _| {
        google.credentials.refresh_tokens.insert(form.refresh_token, grant)
    });
    Ok(Json(json!({})))
}

/// Creates or replaces a service account.
pub async fn service_account(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: ServiceAccountForm = read(&body)?;
    let scopes = full_scopes(form.scopes)?;
    let account = ServiceAccount {
        project: form.project,
        scopes,
        disabled: form.disabled,
    };
    with_google(&shared, |google, _| {
        google.credentials.service_accounts.insert(form.email, account)
    });
    Ok(Json(json!({})))
}

/// Revokes a refresh token or disables a service account (`revoked: false` undoes it). Access tokens die with it.
pub async fn revoke(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: RevokeForm = read(&body)?;
    with_google(&shared, |google, _| {
        let credentials = &mut google.credentials;
        let flag = match (&form.refresh_token, &form.service_account) {
            (Some(token), None) => credentials
                .refresh_tokens
                .get_mut(token)
                .map(|grant| &mut grant.revoked),
            (None, Some(email)) => credentials
                .service_accounts
                .get_mut(email)
                .map(|account| &mut account.disabled),
            _ => return Err(Refusal::bad("exactly one of refreshToken and serviceAccount")),
        };
        *flag.ok_or_else(|| Refusal::missing("credential"))? = form.revoked;
        Ok(Json(json!({})))
    })
}

/// Makes every access token given out so far unknown, or those of one refresh token.
pub async fn forget(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: ForgetForm = read(&body)?;
    with_google(&shared, |google, _| {
        google.credentials.forget_access_tokens(form.refresh_token.as_deref());
    });
    Ok(Json(json!({})))
}
