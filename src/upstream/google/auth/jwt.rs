//! RS256-signed JSON web tokens for the service account grant.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;
use serde_json::Value;

/// An RSA key. No `Debug`.
pub(crate) struct SigningKey {
    key: Arc<dyn rustls::sign::SigningKey>,
    key_id: Option<String>,
}

/// The key is not an RSA key in PEM, or could not sign.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadKey;

impl SigningKey {
    /// Reads `private_key` (PEM) and `private_key_id` of a service account key.
    pub(crate) fn from_pem(pem: &str, key_id: Option<String>) -> Result<Self, BadKey> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| BadKey)?;
        let key = rustls::crypto::ring::sign::any_supported_type(&der).map_err(|_| BadKey)?;
        key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or(BadKey)?;
        Ok(Self { key, key_id })
    }

    /// Makes `header.claims.signature`. It is a secret: whoever holds it can act as the service account for an hour.
    pub(crate) fn sign_claims(&self, claims: &Value) -> Result<SecretString, BadKey> {
        let mut header = serde_json::json!({"alg": "RS256", "typ": "JWT"});
        if let Some(id) = &self.key_id {
            header["kid"] = Value::String(id.clone());
        }
        let body = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.to_string().as_bytes()),
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
        );
        let signer = self
            .key
            .choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
            .ok_or(BadKey)?;
        let signature = signer.sign(body.as_bytes()).map_err(|_| BadKey)?;
        Ok(SecretString::from(format!(
            "{body}.{}",
            BASE64URL_NOPAD.encode(&signature)
        )))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;
    use crate::upstream::google::test_support::TEST_KEY;

    #[test]
    fn the_signature_is_the_one_openssl_makes() {
        let key = SigningKey::from_pem(TEST_KEY, Some("k1".to_owned())).unwrap();
        let token = key.sign_claims(&json!({"iss": "a@b.c"})).unwrap();
        // printf 'header.claims' | openssl dgst -sha256 -sign key.pem | basenc --base64url -w0 | tr -d =
        assert_eq!(token.expose_secret(), include_str!("testdata/signed.jwt").trim_end());
    }

    #[test]
    fn other_keys_are_refused() {
        assert_eq!(SigningKey::from_pem("no key", None).err(), Some(BadKey));
        let cut = &TEST_KEY[..TEST_KEY.len() / 2];
        assert_eq!(SigningKey::from_pem(cut, None).err(), Some(BadKey));
    }
}
