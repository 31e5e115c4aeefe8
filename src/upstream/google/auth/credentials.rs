//! Reads the credentials of a Secret, and says what is wrong with them. Messages name keys and remedies, no values.

use std::path::Path;

use secrecy::SecretString;
use serde_json::Value;

use super::endpoint::Endpoint;
use super::external::External;
use super::grants::{RefreshToken, ServiceAccount};
use super::jwt::SigningKey;
use super::key_file::{FILE, invalid_secret, required_text};
use super::token::TokenSource;
use crate::ports::{SecretData, SecretInvalid};
use crate::upstream::http::text::valid_id;
use crate::upstream::secret_value::secret_value;

const TRIO: [&str; 3] = ["clientId", "clientSecret", "refreshToken"];
const DEVELOPER: &str = "developerToken";

/// Credentials ready for use. No `Debug`.
pub(crate) struct Credentials {
    pub(crate) source: Box<dyn TokenSource>,
    pub(crate) developer_token: Option<SecretString>,
}

/// Kinds of `credentials.json`, by its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialsKind {
    ServiceAccount,
    AuthorizedUser,
    ExternalAccount,
    Other,
}

/// The kind of a credentials file.
pub(crate) fn kind_of(json: &Value) -> CredentialsKind {
    match json["type"].as_str() {
        Some("service_account") => CredentialsKind::ServiceAccount,
        Some("authorized_user") => CredentialsKind::AuthorizedUser,
        Some("external_account") => CredentialsKind::ExternalAccount,
        _ => CredentialsKind::Other,
    }
}

/// Reads a Secret. `credentials.json` wins over the three keys of a refresh token. `directory`: where the token files
/// of external accounts may be; without one such accounts are refused.
pub(crate) fn read_credentials(
    secret: &SecretData,
    directory: Option<&Path>,
    endpoint: Endpoint,
) -> Result<Credentials, SecretInvalid> {
    let developer_token = match optional_value(secret, DEVELOPER)? {
        Some(token) if token.bytes().all(|b| b.is_ascii_graphic()) => Some(SecretString::from(token)),
        Some(_) => {
            return invalid_secret(format!(
                "key \"{DEVELOPER}\" holds blanks or characters that no token has. Correct or remove it"
            ));
        }
        None => None,
    };
    let source = if let Some(text) = optional_value(secret, FILE)? {
        let json = serde_json::from_str::<Value>(text).map_err(|error| SecretInvalid {
            message: format!(
                "key \"{FILE}\" is not JSON (line {}, column {}). Store the key file unchanged",
                error.line(),
                error.column()
            ),
        })?;
        source_of(&json, directory, endpoint)?
    } else {
        refresh_token(secret, endpoint)?
    };
    Ok(Credentials {
        source,
        developer_token,
    })
}

/// The token source of a credentials file. `directory`: where token files of external accounts may be.
pub(crate) fn source_of(
    json: &Value,
    directory: Option<&Path>,
    endpoint: Endpoint,
) -> Result<Box<dyn TokenSource>, SecretInvalid> {
    match kind_of(json) {
        CredentialsKind::ServiceAccount => {
            let pem = required_text(json, "private_key")?;
            let key_id = json["private_key_id"].as_str().map(str::to_owned);
            let key = SigningKey::from_pem(pem, key_id).map_err(|_| SecretInvalid {
                message: format!(
                    "\"private_key\" in key \"{FILE}\" is not an RSA key in PEM format. Download a new key file"
                ),
            })?;
            Ok(Box::new(ServiceAccount {
                endpoint,
                email: required_text(json, "client_email")?.to_owned(),
                key,
            }))
        }
        CredentialsKind::AuthorizedUser => Ok(Box::new(RefreshToken {
            endpoint,
            client_id: SecretString::from(required_text(json, "client_id")?),
            client_secret: SecretString::from(required_text(json, "client_secret")?),
            grant: SecretString::from(required_text(json, "refresh_token")?),
            quota_project: json["quota_project_id"].as_str().and_then(valid_id),
        })),
        CredentialsKind::ExternalAccount => Ok(Box::new(External::from_config(json, directory, endpoint)?)),
        CredentialsKind::Other => invalid_secret(format!(
            "\"type\" in key \"{FILE}\" is not service_account, authorized_user or external_account. Store a key file of one of \
             these types"
        )),
    }
}

fn refresh_token(secret: &SecretData, endpoint: Endpoint) -> Result<Box<dyn TokenSource>, SecretInvalid> {
    let [client_id, client_secret, refresh_token] = [
        optional_value(secret, TRIO[0])?,
        optional_value(secret, TRIO[1])?,
        optional_value(secret, TRIO[2])?,
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
                return invalid_secret(format!(
                    "key \"{FILE}\" is missing. Add it, or clientId, clientSecret and refreshToken"
                ));
            }
            let (word, verb) = if missing.len() == 1 {
                ("key", "is")
            } else {
                ("keys", "are")
            };
            invalid_secret(format!(
                "{word} {} {verb} missing. Add clientId, clientSecret and refreshToken, or {FILE}",
                missing.join(" and ")
            ))
        }
    }
}

/// A value of the Secret. One that is present but empty is a mistake.
fn optional_value<'a>(secret: &'a SecretData, key: &str) -> Result<Option<&'a str>, SecretInvalid> {
    match secret_value(secret, key)? {
        Some("") => invalid_secret(format!("key \"{key}\" is empty. Give it a value or remove it")),
        found => Ok(found),
    }
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
