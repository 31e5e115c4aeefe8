//! Workload identity federation by a configuration in a Secret (`external_account`). Whoever may write a Secret must
//! not read files of the operator's, run programs, or have anything sent to a host that is not Google's: only token
//! files below a directory that the process was started with, and exactly two hosts.

use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::endpoint::Endpoint;
use super::key_file::{FILE, invalid_secret, required_text};
use super::token::{KeptToken, SCOPES, SERVICE, ScopeCheck, Token, TokenSource};
use super::token_file;
use crate::ports::{Cause, SecretInvalid, UpstreamError};

/// The endpoint that exchanges a token of another issuer.
const STS: &str = "https://sts.googleapis.com/v1/token";
/// The endpoint that turns the exchanged token into one of a
/// service account; an e-mail address and [`IAM_CALL`] follow.
const IAM: &str = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/";
const IAM_CALL: &str = ":generateAccessToken";
/// The scope of the exchanged token if it is used to impersonate a service account.
const CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Longest text of a configuration.
const LONGEST: usize = 1_000;

/// A configuration that was read and found harmless.
pub(crate) struct External {
    endpoint: Endpoint,
    directory: PathBuf,
    file: PathBuf,
    /// The field of a JSON file that holds the token; `None`: the file is the token.
    field: Option<String>,
    audience: String,
    subject_token_type: String,
    sts: String,
    impersonation: Option<String>,
}

impl External {
    /// Reads a configuration. `directory` is that of `--external-account-token-dir`.
    pub(crate) fn from_config(
        json: &Value,
        directory: Option<&Path>,
        endpoint: Endpoint,
    ) -> Result<Self, SecretInvalid> {
        let Some(directory) = directory else {
            return invalid_secret(format!(
                "\"type\" in key \"{FILE}\" is external_account, which this operator does not take from Secrets. Use another \
                 kind of credentials, or have the operator started with --external-account-token-dir"
            ));
        };
        let impersonation = json["service_account_impersonation_url"].as_str().map(str::trim);
        check_url(required_text(json, "token_url")?, "token_url", |url| url == STS)?;
        if let Some(url) = impersonation {
            check_url(url, "service_account_impersonation_url", is_impersonation)?;
        }
        let (file, field) = token_source(&json["credential_source"])?;
        let inside = |path: &Path| {
            path.starts_with(directory)
                && path.components().all(|part| part != Component::ParentDir)
                && path != directory
        };
        if !inside(&file) {
            return invalid_secret(format!(
                "\"credential_source.file\" in key \"{FILE}\" is no file below the directory of --external-account-token-dir. \
                 Name one there"
            ));
        }
        Ok(Self {
            endpoint,
            directory: directory.to_owned(),
            file,
            field,
            audience: short_text(required_text(json, "audience")?, "audience")?,
            subject_token_type: short_text(required_text(json, "subject_token_type")?, "subject_token_type")?,
            sts: STS.to_owned(),
            impersonation: impersonation.map(str::to_owned),
        })
    }

    async fn subject_token(&self) -> Result<SecretString, UpstreamError> {
        let below = Some(self.directory.clone());
        let text = token_file::read_token_file(self.file.clone(), below, self.endpoint.timeout).await;
        let text = text.map_err(|why| {
            let cause = if why.may_pass() {
                Cause::Unavailable
            } else {
                Cause::CredentialsRejected
            };
            UpstreamError::new(SERVICE, cause, format!("the token file of the external account {why}"))
        })?;
        let token = match &self.field {
            None => text.trim().to_owned(),
            Some(field) => {
                let json: Value = serde_json::from_str(&text).unwrap_or_default();
                json[field].as_str().unwrap_or_default().trim().to_owned()
            }
        };
        if token.is_empty() {
            let why = "the token file of the external account holds no token";
            return Err(UpstreamError::new(SERVICE, Cause::CredentialsRejected, why));
        }
        Ok(SecretString::from(token))
    }
}

/// The file that the configuration names, and the token's place in it.
fn token_source(source: &Value) -> Result<(PathBuf, Option<String>), SecretInvalid> {
    if !source.is_object() {
        return invalid_secret(format!(
            "\"credential_source\" in key \"{FILE}\" is missing. Create the configuration again"
        ));
    }
    let only = ["file", "format"];
    let other = source.as_object().into_iter().flatten().map(|(key, _)| key);
    if other.into_iter().any(|key| !only.contains(&key.as_str())) {
        return invalid_secret(format!(
            "\"credential_source\" in key \"{FILE}\" names something else than a file: URLs, AWS and programs are not \
             allowed. Create the configuration with a file"
        ));
    }
    let file = source["file"].as_str().map(str::trim).filter(|file| !file.is_empty());
    let Some(file) = file else {
        return invalid_secret(format!(
            "\"credential_source.file\" in key \"{FILE}\" is missing. Create the configuration with a file"
        ));
    };
    let field = match source["format"]["type"].as_str() {
        Some("json") => match source["format"]["subject_token_field_name"].as_str() {
            Some(field) => Some(short_text(field, "credential_source.format.subject_token_field_name")?),
            None => Some("access_token".to_owned()),
        },
        _ => None,
    };
    Ok((PathBuf::from(short_text(file, "credential_source.file")?), field))
}

fn short_text(text: &str, name: &str) -> Result<String, SecretInvalid> {
    if text.len() > LONGEST {
        return invalid_secret(format!(
            "\"{name}\" in key \"{FILE}\" is longer than {LONGEST} bytes. Create the configuration again"
        ));
    }
    Ok(text.to_owned())
}

fn check_url(url: &str, name: &str, fits: impl Fn(&str) -> bool) -> Result<(), SecretInvalid> {
    if fits(url) {
        return Ok(());
    }
    let host = if name == "token_url" { STS } else { IAM };
    invalid_secret(format!(
        "\"{name}\" in key \"{FILE}\" is not that of Google ({host}…). Create the configuration again"
    ))
}

/// The URL of the call for one service account, checked to be exactly that.
fn is_impersonation(url: &str) -> bool {
    let account = url.strip_prefix(IAM).and_then(|rest| rest.strip_suffix(IAM_CALL));
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    account.is_some_and(|account| !account.is_empty() && account.len() <= 320 && account.chars().all(part))
}

#[async_trait]
impl TokenSource for External {
    async fn fetch_token(&self, _: KeptToken) -> Result<Token, UpstreamError> {
        let subject = self.subject_token().await?;
        let all_scopes = SCOPES.join(" ");
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", self.audience.as_str()),
            ("subject_token_type", self.subject_token_type.as_str()),
            ("subject_token", subject.expose_secret()),
            (
                "scope",
                if self.impersonation.is_some() {
                    CLOUD
                } else {
                    &all_scopes
                },
            ),
        ];
        let hint =
            "the token of the external account is refused (the pool, its provider or the audience do not fit it)";
        let at_sts = Endpoint {
            url: self.sts.clone(),
            ..self.endpoint.clone()
        };
        let scopes = match &self.impersonation {
            Some(_) => ScopeCheck::OfLaterToken,
            None => ScopeCheck::Required,
        };
        let federated = at_sts.exchange_for("federation", &form, hint, scopes).await?;
        match &self.impersonation {
            Some(url) => at_sts.impersonate(url, &federated).await,
            None => Ok(federated),
        }
    }
}

#[cfg(test)]
#[path = "external_tests.rs"]
mod tests;
