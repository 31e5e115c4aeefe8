//! Clients, refresh tokens, service accounts, access tokens, and who a request comes from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::encoding::{Alphabet, base64};

/// Scope of the Google Ads API.
pub const ADWORDS: &str = "https://www.googleapis.com/auth/adwords";
/// Scope of the Data Manager API.
pub const DATA_MANAGER: &str = "https://www.googleapis.com/auth/datamanager";
/// Identity behind the default refresh token.
pub const DEFAULT_USER: &str = "user@sandbox.test";
/// E-mail of the default service account.
pub const DEFAULT_SERVICE_ACCOUNT: &str = "adconversion@sandbox.iam.gserviceaccount.com";
/// Cloud project of the default client and service account.
pub const DEFAULT_PROJECT: &str = "100000000001";
/// Longest life of a signed assertion, with the margin client libraries add against clock skew.
const ASSERTION_LIFE: SignedDuration = SignedDuration::from_secs(3600 + 60);

/// An OAuth client.
pub struct Client {
    pub(super) secret: String,
    pub(super) project: String,
    pub(super) disabled: bool,
}

/// A grant a user gave to a client.
pub struct RefreshToken {
    pub(super) client: String,
    pub(super) identity: String,
    pub(super) scopes: BTreeSet<String>,
    pub(super) revoked: bool,
}

/// A service account.
pub struct ServiceAccount {
    pub(super) project: String,
    pub(super) scopes: BTreeSet<String>,
    pub(super) disabled: bool,
}

struct AccessToken {
    principal: Principal,
    expires: Timestamp,
    refresh_token: Option<String>,
}

/// Who a request comes from.
#[derive(Clone)]
pub struct Principal {
    /// User or service account.
    pub identity: String,
    /// Cloud project of the client or service account.
    pub project: String,
    /// Scopes of the access token.
    pub scopes: BTreeSet<String>,
}

/// Why a request's credentials are not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// No `Authorization: Bearer` header.
    Missing,
    /// Not a token of ours.
    Invalid,
    /// Its lifetime is over.
    Expired,
    /// The grant behind it was revoked or the account disabled.
    Revoked,
}

/// Claims of a signed assertion.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// E-mail of the service account.
    pub iss: String,
    /// Space-separated scopes.
    pub scope: Option<String>,
    /// Audience.
    pub aud: Option<String>,
    exp: i64,
    iat: i64,
    sub: Option<String>,
}

/// Everything about OAuth.
pub struct Credentials {
    pub(super) clients: BTreeMap<String, Client>,
    pub(super) refresh_tokens: BTreeMap<String, RefreshToken>,
    pub(super) service_accounts: BTreeMap<String, ServiceAccount>,
    access_tokens: HashMap<String, AccessToken>,
}

/// Both scopes an uploader needs.
pub fn both_scopes() -> BTreeSet<String> {
    [ADWORDS, DATA_MANAGER].into_iter().map(str::to_owned).collect()
}

impl Default for Credentials {
    fn default() -> Self {
        let client = Client {
            secret: "sandbox-secret".into(),
            project: DEFAULT_PROJECT.into(),
            disabled: false,
        };
        let grant = RefreshToken {
            client: "sandbox-client".into(),
            identity: DEFAULT_USER.into(),
            scopes: both_scopes(),
            revoked: false,
        };
        let account = ServiceAccount {
            project: DEFAULT_PROJECT.into(),
            scopes: both_scopes(),
            disabled: false,
        };
        Self {
            clients: BTreeMap::from([("sandbox-client".to_owned(), client)]),
            refresh_tokens: BTreeMap::from([("sandbox-refresh".to_owned(), grant)]),
            service_accounts: BTreeMap::from([(DEFAULT_SERVICE_ACCOUNT.to_owned(), account)]),
            access_tokens: HashMap::new(),
        }
    }
}

impl Credentials {
    /// Notes a new access token.
    pub fn issue(&mut self, token: String, principal: Principal, expires: Timestamp, refresh_token: Option<String>) {
        self.access_tokens.insert(
            token,
            AccessToken {
                principal,
                expires,
                refresh_token,
            },
        );
    }

    /// Makes the access tokens of a grant unknown, or all of them, so that who has them must fetch new ones.
    pub fn forget_access_tokens(&mut self, refresh_token: Option<&str>) {
        let stays = |token: &AccessToken| refresh_token.is_some_and(|of| token.refresh_token.as_deref() != Some(of));
        self.access_tokens.retain(|_, token| stays(token));
    }

    /// Who sent the request with these headers.
    pub fn principal(&self, headers: &HeaderMap, now: Timestamp) -> Result<Principal, Unusable> {
        let value = headers.get(header::AUTHORIZATION).ok_or(Unusable::Missing)?;
        let text = value.to_str().map_err(|_| Unusable::Invalid)?;
        let token = text.strip_prefix("Bearer ").ok_or(Unusable::Missing)?;
        let Some(known) = self.access_tokens.get(token) else {
            return self.signed_principal(token);
        };
        if self.is_revoked(known) {
            return Err(Unusable::Revoked);
        }
        if known.expires <= now {
            return Err(Unusable::Expired);
        }
        Ok(known.principal.clone())
    }

    fn is_revoked(&self, token: &AccessToken) -> bool {
        match &token.refresh_token {
            Some(refresh) => self.refresh_tokens.get(refresh).is_none_or(|grant| grant.revoked),
            None => self
                .service_accounts
                .get(&token.principal.identity)
                .is_none_or(|account| account.disabled),
        }
    }

    /// A token that a service account signed itself, used directly as access token.
    fn signed_principal(&self, token: &str) -> Result<Principal, Unusable> {
        let claims = decode_claims(token).ok_or(Unusable::Invalid)?;
        let account = self.service_accounts.get(&claims.iss).ok_or(Unusable::Invalid)?;
        if account.disabled {
            return Err(Unusable::Revoked);
        }
        claims.check_times().map_err(|_| Unusable::Expired)?;
        let scopes = match (&claims.scope, &claims.aud) {
            (Some(scope), None) => asked_scopes(scope).filter(|s| account.scopes.contains(s)).collect(),
            (None, Some(aud)) => scopes_of_audience(aud)
                .into_iter()
                .filter(|s| account.scopes.contains(s))
                .collect(),
            _ => return Err(Unusable::Invalid),
        };
        Ok(Principal {
            identity: claims.iss,
            project: account.project.clone(),
            scopes,
        })
    }
}

fn asked_scopes(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_whitespace().map(str::to_owned)
}

fn scopes_of_audience(audience: &str) -> BTreeSet<String> {
    match audience.trim_end_matches('/') {
        "https://googleads.googleapis.com" => BTreeSet::from([ADWORDS.to_owned()]),
        "https://datamanager.googleapis.com" => BTreeSet::from([DATA_MANAGER.to_owned()]),
        _ => BTreeSet::new(),
    }
}

impl Claims {
    /// Checks `iat` and `exp` against real time: who signs reads a real clock, not the sandbox's.
    pub fn check_times(&self) -> Result<(), &'static str> {
        let now = Timestamp::now().as_second();
        if self.exp <= now {
            return Err(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
            );
        }
        if self.iat > now + 60 || self.exp - self.iat <= 0 || self.exp - now > ASSERTION_LIFE.as_secs() {
            return Err("Invalid JWT: exp must be at most one hour after iat, and iat must not lie in the future.");
        }
        Ok(())
    }

    /// Whether `sub`, if present, is the issuer: nobody delegated anything to the account.
    pub fn speaks_for_itself(&self) -> bool {
        self.sub.as_ref().is_none_or(|sub| *sub == self.iss)
    }
}

/// Decodes an RS256 token's claims. The signature must be present but is not verified.
pub fn decode_claims(token: &str) -> Option<Claims> {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts[..] else {
        return None;
    };
    let head: Value = serde_json::from_slice(&base64(head, Alphabet::Url)?).ok()?;
    let signed = head["alg"] == "RS256" && head["typ"] == "JWT" && !base64(signature, Alphabet::Url)?.is_empty();
    let mut claims: Value = serde_json::from_slice(&base64(claims, Alphabet::Url)?).ok()?;
    // Client libraries write an absent audience as null.
    claims.as_object_mut()?.retain(|_, value| !value.is_null());
    if signed {
        serde_json::from_value(claims).ok()
    } else {
        None
    }
}
