//! Checks of an event's user identifiers.

use serde_json::Value;

use super::Fault;
use super::events::missing;
use crate::google::encoding::{Alphabet, base64};

/// Most identifiers of an event.
const MAX_IDENTIFIERS: usize = 10;

/// Reads identifiers in the encoding the request declares.
pub struct Reader<'a> {
    /// HEX or BASE64; hex is assumed while none is declared, which is refused elsewhere.
    pub encoding: Option<&'a str>,
}

impl Reader<'_> {
    /// Hashes of the event's identifiers, an address as one entry.
    pub fn read(&self, event: &Value, path: &str, faults: &mut Vec<Fault>) -> Vec<String> {
        let Some(data) = event.get("userData") else {
            return Vec::new();
        };
        let field = format!("{path}.user_data.user_identifiers");
        let none = Vec::new();
        let list = data["userIdentifiers"].as_array().unwrap_or(&none);
        if list.is_empty() {
            faults.push(missing(field));
            return Vec::new();
        }
        if list.len() > MAX_IDENTIFIERS {
            faults.push(Fault::new(
                field,
                "TOO_MANY_USER_IDENTIFIERS",
                "Too many user identifiers.",
            ));
            return Vec::new();
        }
        let mut out = Vec::new();
        for (position, identifier) in list.iter().enumerate() {
            match self.identifier(identifier, &format!("{field}[{position}]")) {
                Ok(hash) => out.push(hash),
                Err(fault) => faults.push(fault),
            }
        }
        out
    }

    fn identifier(&self, identifier: &Value, field: &str) -> Result<String, Fault> {
        for (name, snake) in [("emailAddress", "email_address"), ("phoneNumber", "phone_number")] {
            if let Some(text) = identifier[name].as_str() {
                return self.hash(text, &format!("{field}.{snake}"));
            }
        }
        let Some(address) = identifier.get("address") else {
            return Err(missing(field.to_owned()));
        };
        let part = |name: &str, snake: &str| {
            let text = address[name].as_str().filter(|text| !text.is_empty());
            text.ok_or_else(|| missing(format!("{field}.address.{snake}")))
        };
        let given = self.hash(part("givenName", "given_name")?, &format!("{field}.address.given_name"))?;
        let family = self.hash(
            part("familyName", "family_name")?,
            &format!("{field}.address.family_name"),
        )?;
        let region = part("regionCode", "region_code")?;
        let postal = part("postalCode", "postal_code")?;
        if region.len() != 2 || !region.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Fault::new(
                format!("{field}.address.region_code"),
                "INVALID_REGION_CODE",
                "Not an ISO 3166-1 alpha-2 code.",
            ));
        }
        let plain = postal.trim() == postal
            && postal.len() <= 12
            && postal.chars().all(|c| c.is_alphanumeric() || c == ' ' || c == '-');
        if !plain {
            return Err(Fault::new(
                format!("{field}.address.postal_code"),
                "INVALID_POSTAL_CODE",
                "Not a postal code in plain text.",
            ));
        }
        Ok(format!("{given}|{family}|{region}|{postal}"))
    }

    /// A SHA-256 in the request's encoding, brought to lower-case hex when it was hex.
    fn hash(&self, text: &str, field: &str) -> Result<String, Fault> {
        if text.is_empty() {
            return Err(missing(field.to_owned()));
        }
        if self.encoding == Some("BASE64") {
            let bytes = base64(text, Alphabet::Standard)
                .ok_or_else(|| Fault::new(field, "INVALID_BASE64_ENCODING", "Not Base64."))?;
            let fits = bytes.len() == 32;
            return if fits {
                Ok(text.to_owned())
            } else {
                Err(Fault::new(field, "INVALID_SHA256_FORMAT", "Not a SHA-256."))
            };
        }
        if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Fault::new(field, "INVALID_HEX_ENCODING", "Not hexadecimal."));
        }
        if text.len() != 64 {
            return Err(Fault::new(field, "INVALID_SHA256_FORMAT", "Not a SHA-256."));
        }
        Ok(text.to_ascii_lowercase())
    }
}
