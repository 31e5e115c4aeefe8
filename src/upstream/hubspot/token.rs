//! Tokens, and the keys with which they are bought.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// The three keys of an OAuth app. No `Debug`.
pub(crate) struct OAuthKeys {
    pub(crate) client_id: SecretString,
    pub(crate) client_secret: SecretString,
    pub(crate) refresh_token: SecretString,
}

/// A token in use. No `Debug`.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) header: HeaderValue,
    /// The number of its purchase, so that a refused token is given up once, not once per caller.
    pub(crate) generation: u64,
}

impl Token {
    /// `None` if it does not fit into a header.
    pub(crate) fn new(secret: SecretString, generation: u64) -> Option<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret())).ok()?;
        header.set_sensitive(true);
        Some(Self {
            secret,
            header,
            generation,
        })
    }
}
