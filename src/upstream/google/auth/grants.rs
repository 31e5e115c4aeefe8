//! The two grants we make ourselves: refresh token and service account (docs/reference/google.md 8).

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::endpoint::Endpoint;
use super::jwt::SigningKey;
use super::token::{KeptToken, SCOPES, SERVICE, Token, TokenSource};
use crate::ports::{Cause, UpstreamError};

/// Refresh token of a user. The scopes are those of the grant; they can't be widened here.
pub(crate) struct RefreshToken {
    pub(crate) endpoint: Endpoint,
    pub(crate) client_id: SecretString,
    pub(crate) client_secret: SecretString,
    pub(crate) grant: SecretString,
    pub(crate) quota_project: Option<String>,
}

#[async_trait]
impl TokenSource for RefreshToken {
    async fn fetch_token(&self, _: KeptToken) -> Result<Token, UpstreamError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", self.client_id.expose_secret()),
            ("client_secret", self.client_secret.expose_secret()),
            ("refresh_token", self.grant.expose_secret()),
        ];
        let hint = "the refresh token or its client is refused (mistyped, revoked, expired, or granted to another client; \
                    tokens of a consent screen in \"Testing\" expire after 7 days)";
        let token = self.endpoint.exchange_grant("refreshToken", &form, hint).await?;
        Ok(Token {
            quota_project: self.quota_project.clone(),
            ..token
        })
    }
}

/// Key of a service account: a signed claim is exchanged for a token.
pub(crate) struct ServiceAccount {
    pub(crate) endpoint: Endpoint,
    pub(crate) email: String,
    pub(crate) key: SigningKey,
}

/// Google refuses claims of a time that is minutes away from its own.
const SKEW: SignedDuration = SignedDuration::from_mins(1);

impl ServiceAccount {
    /// Exchanges a claim that is signed at this time.
    async fn exchange_claim(&self, now: Timestamp) -> Result<Token, UpstreamError> {
        let issued = now.as_second();
        let claims = serde_json::json!({
            "iss": self.email,
            "scope": SCOPES.join(" "),
            "aud": self.endpoint.url,
            "iat": issued,
            "exp": issued.saturating_add(3600),
        });
        let assertion = self.key.sign_claims(&claims).map_err(|_| {
            UpstreamError::new(
                SERVICE,
                Cause::CredentialsRejected,
                "the service account's private_key can't sign",
            )
        })?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose_secret()),
        ];
        let hint = "the service account's key is refused (the key was deleted, the account is disabled, or this node's clock is wrong)";
        self.endpoint.exchange_grant("serviceAccount", &form, hint).await
    }
}

#[async_trait]
impl TokenSource for ServiceAccount {
    async fn fetch_token(&self, _: KeptToken) -> Result<Token, UpstreamError> {
        let signed = self.endpoint.google_time();
        match self.exchange_claim(signed).await {
            Err(refused) if refused.cause == Cause::CredentialsRejected => {
                // The refusal says what time it is at Google: another one means that the claim was refused for its times.
                let told = self.endpoint.google_time();
                if told.duration_since(signed).abs() <= SKEW {
                    return Err(refused);
                }
                self.exchange_claim(told).await
            }
            settled => settled,
        }
    }
}
