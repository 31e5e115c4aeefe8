//! RS256-signed JSON web tokens for the service account grant.

use std::sync::Arc;

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

/// The key is no RSA key in PEM, or could not sign.
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

    /// `header.claims.signature`. A bearer of it is the service account for an hour: a secret.
    pub(crate) fn sign(&self, claims: &Value) -> Result<SecretString, BadKey> {
        let mut header = serde_json::json!({"alg": "RS256", "typ": "JWT"});
        if let Some(id) = &self.key_id {
            header["kid"] = Value::String(id.clone());
        }
        let body = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let signer = self
            .key
            .choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
            .ok_or(BadKey)?;
        let signature = signer.sign(body.as_bytes()).map_err(|_| BadKey)?;
        Ok(SecretString::from(format!("{body}.{}", base64url(&signature))))
    }
}

/// Base64 with the URL alphabet and without padding (RFC 7515).
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let six = group >> (18 - 6 * place) & 0x3f;
            text.push(char::from(ALPHABET[six as usize]));
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;
    use crate::upstream::google::test_support::TEST_KEY;

    #[test]
    fn base64url_is_that_of_the_rfc() {
        // RFC 4648, section 10, without padding; and both signs of the URL alphabet.
        let table = [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in table {
            assert_eq!(base64url(plain.as_bytes()), coded);
        }
        assert_eq!(base64url(&[0xfb, 0xff, 0xfe]), "-__-");
    }

    #[test]
    fn the_signature_is_the_one_openssl_makes() {
        let key = SigningKey::from_pem(TEST_KEY, Some("k1".to_owned())).unwrap();
        let token = key.sign(&json!({"iss": "a@b.c"})).unwrap();
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
