//! What a Secret holds: which credentials, and what is wrong with them. Messages name keys and the way out, no values.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::grants::{RefreshToken, ServiceAccount};
use super::jwt::SigningKey;
use super::library::{Ambient, Library};
use super::token::{Endpoint, TokenSource};
use crate::sync::ports::{SecretData, SecretInvalid};

const FILE: &str = "credentials.json";
const TRIO: [&str; 3] = ["clientId", "clientSecret", "refreshToken"];
const DEVELOPER: &str = "developerToken";

/// Credentials ready for use. No `Debug`.
pub(super) struct Credentials {
    pub(super) source: Box<dyn TokenSource>,
    pub(super) developer_token: Option<SecretString>,
}

/// Kinds of `credentials.json`, by its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ServiceAccount,
    AuthorizedUser,
    ExternalAccount,
    Other,
}

/// The kind of a credentials file.
pub(super) fn kind(json: &Value) -> Kind {
    match json["type"].as_str() {
        Some("service_account") => Kind::ServiceAccount,
        Some("authorized_user") => Kind::AuthorizedUser,
        Some("external_account") => Kind::ExternalAccount,
        _ => Kind::Other,
    }
}

/// Reads a Secret. `credentials.json` wins over the three keys of a refresh token.
pub(super) fn read(secret: &SecretData, endpoint: Endpoint) -> Result<Credentials, SecretInvalid> {
    let developer_token = match value(secret, DEVELOPER)? {
        Some(token) if token.bytes().all(|b| b.is_ascii_graphic()) => Some(SecretString::from(token)),
        Some(_) => {
            return invalid(format!(
                "key \"{DEVELOPER}\" holds blanks or characters that no token has. Correct or remove it"
            ));
        }
        None => None,
    };
    let source = if let Some(text) = value(secret, FILE)? {
        let json = serde_json::from_str::<Value>(text).map_err(|error| SecretInvalid {
            message: format!(
                "key \"{FILE}\" is not JSON (line {}, column {}). Store the key file unchanged",
                error.line(),
                error.column()
            ),
        })?;
        source_of(&json, endpoint)?
    } else {
        refresh_token(secret, endpoint)?
    };
    Ok(Credentials {
        source,
        developer_token,
    })
}

/// Ambient credentials: whatever the process finds in its environment when the first token is needed.
pub(super) fn ambient(endpoint: Endpoint) -> Credentials {
    Credentials {
        source: Box::new(Ambient::new(endpoint)),
        developer_token: None,
    }
}

/// The token source of a credentials file.
pub(super) fn source_of(json: &Value, endpoint: Endpoint) -> Result<Box<dyn TokenSource>, SecretInvalid> {
    match kind(json) {
        Kind::ServiceAccount => {
            let pem = member(json, "private_key")?;
            let key_id = json["private_key_id"].as_str().map(str::to_owned);
            let key = SigningKey::from_pem(pem, key_id).map_err(|_| SecretInvalid {
                message: format!(
                    "\"private_key\" in key \"{FILE}\" is not an RSA key in PEM format. Download a new key file"
                ),
            })?;
            Ok(Box::new(ServiceAccount {
                endpoint,
                email: member(json, "client_email")?.to_owned(),
                key,
            }))
        }
        Kind::AuthorizedUser => Ok(Box::new(RefreshToken {
            endpoint,
            client_id: SecretString::from(member(json, "client_id")?),
            client_secret: SecretString::from(member(json, "client_secret")?),
            grant: SecretString::from(member(json, "refresh_token")?),
            quota_project: json["quota_project_id"].as_str().and_then(super::redact::code),
        })),
        Kind::ExternalAccount => {
            check_external(json)?;
            Ok(Box::new(Library::external(json.clone(), endpoint.timeout)))
        }
        Kind::Other => invalid(format!(
            "\"type\" in key \"{FILE}\" is not service_account, authorized_user or external_account. Store a key file of one of \
             these types"
        )),
    }
}

/// A federation configuration says which file or URL is read and where it is sent. Whoever may write a Secret must not
/// get the operator to run programs, or to hand its own identity to a host that is not Google's.
fn check_external(json: &Value) -> Result<(), SecretInvalid> {
    for name in ["audience", "subject_token_type"] {
        member(json, name)?;
    }
    google_url(member(json, "token_url")?, "token_url")?;
    if let Some(url) = json["service_account_impersonation_url"].as_str() {
        google_url(url, "service_account_impersonation_url")?;
    }
    let source = &json["credential_source"];
    if !source.is_object() {
        return invalid(format!(
            "\"credential_source\" in key \"{FILE}\" is missing. Create the configuration again"
        ));
    }
    if source.get("executable").is_some() {
        return invalid(format!(
            "\"credential_source.executable\" in key \"{FILE}\" is not allowed. Use a file or a URL"
        ));
    }
    Ok(())
}

fn google_url(url: &str, name: &str) -> Result<(), SecretInvalid> {
    let host = reqwest::Url::parse(url)
        .ok()
        .filter(|url| url.scheme() == "https")
        .and_then(|url| url.host_str().map(str::to_owned));
    match host {
        Some(host) if host.ends_with(".googleapis.com") => Ok(()),
        _ => invalid(format!(
            "\"{name}\" in key \"{FILE}\" is not an https URL of googleapis.com. Create the configuration again"
        )),
    }
}

fn refresh_token(secret: &SecretData, endpoint: Endpoint) -> Result<Box<dyn TokenSource>, SecretInvalid> {
    let [client_id, client_secret, refresh_token] = [
        value(secret, TRIO[0])?,
        value(secret, TRIO[1])?,
        value(secret, TRIO[2])?,
    ];
    match (client_id, client_secret, refresh_token) {
        (Some(client_id), Some(client_secret), Some(refresh_token)) => Ok(Box::new(RefreshToken {
            endpoint,
            client_id: SecretString::from(client_id),
            client_secret: SecretString::from(client_secret),
            grant: SecretString::from(refresh_token),
            quota_project: None,
        })),
        found => {
            let there = [found.0, found.1, found.2];
            let missing: Vec<String> = TRIO
                .iter()
                .zip(there)
                .filter(|(_, value)| value.is_none())
                .map(|(key, _)| format!("\"{key}\""))
                .collect();
            if missing.len() == TRIO.len() {
                return invalid(format!(
                    "key \"{FILE}\" is missing. Add it, or clientId, clientSecret and refreshToken"
                ));
            }
            let (word, verb) = if missing.len() == 1 {
                ("key", "is")
            } else {
                ("keys", "are")
            };
            invalid(format!(
                "{word} {} {verb} missing. Add clientId, clientSecret and refreshToken, or {FILE}",
                missing.join(" and ")
            ))
        }
    }
}

/// A value without blanks at its ends, where people's editors leave them. Present but empty is a mistake.
fn value<'a>(secret: &'a SecretData, key: &str) -> Result<Option<&'a str>, SecretInvalid> {
    match secret.get(key).map(|value| value.expose_secret().trim()) {
        Some("") => invalid(format!("key \"{key}\" is empty. Give it a value or remove it")),
        found => Ok(found),
    }
}

fn member<'a>(json: &'a Value, name: &str) -> Result<&'a str, SecretInvalid> {
    json[name]
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| SecretInvalid {
            message: format!(
                "\"{name}\" in key \"{FILE}\" is missing or empty. Store the whole file, as Google gave it"
            ),
        })
}

fn invalid<T>(message: String) -> Result<T, SecretInvalid> {
    Err(SecretInvalid { message })
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
