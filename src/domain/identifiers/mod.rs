//! Normalisation and hashing of shared data by Google's written rules (docs/reference/google.md 7).

mod address;
mod countries;
mod email;
mod phone;
mod text;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::contact::Contact;
use super::conversion::UserIdentifier;
use crate::api::SharedData;
use text::is_space;

pub use address::{normalize_name, normalize_place, to_region};
pub use email::normalize_email;
pub use phone::normalize_phone;

/// Contact properties that a kind of identifier is made of.
pub const fn properties_for(kind: SharedData) -> &'static [&'static str] {
    match kind {
        SharedData::Email => &["email"],
        SharedData::Phone => &["phone", "mobilephone", "hs_country_region_code", "country"],
        SharedData::Address => &["firstname", "lastname", "zip", "hs_country_region_code", "country"],
    }
}

/// Contact properties that complete the address of an enhancement.
pub const STREET_PROPERTIES: [&str; 3] = ["address", "city", "state"];

/// The usable identifiers of the declared kinds, normalised and hashed. What can't be normalised is left out.
pub fn identifiers_of(contact: &Contact, kinds: &[SharedData], default_region: Option<&str>) -> Vec<UserIdentifier> {
    let of_kind = |kind: &SharedData| match kind {
        SharedData::Email => contact
            .property("email")
            .and_then(|v| hash_normalized(v, normalize_email))
            .map(UserIdentifier::Email),
        SharedData::Phone => {
            let region = country_of(contact).or(default_region);
            ["phone", "mobilephone"]
                .iter()
                .find_map(|p| {
                    contact
                        .property(p)
                        .and_then(|v| hash_normalized(v, |v| normalize_phone(v, region)))
                })
                .map(UserIdentifier::Phone)
        }
        SharedData::Address => full_address(contact, country_of(contact)),
    };
    kinds.iter().filter_map(of_kind).collect()
}

fn country_of(contact: &Contact) -> Option<&'static str> {
    ["hs_country_region_code", "country"]
        .iter()
        .find_map(|p| contact.property(p).and_then(to_region))
}

fn full_address(contact: &Contact, region: Option<&str>) -> Option<UserIdentifier> {
    let plain = |property| contact.property(property).and_then(address::normalize_place);
    Some(UserIdentifier::Address {
        given_name: hash_normalized(contact.property("firstname")?, normalize_name)?,
        family_name: hash_normalized(contact.property("lastname")?, normalize_name)?,
        region: region?.to_owned(),
        postal_code: plain("zip")?,
        street: contact
            .property("address")
            .and_then(|v| hash_normalized(v, normalize_name)),
        city: plain("city"),
        state: plain("state"),
    })
}

/// The hash of the normalised value; a value that is a hash already (64 hex digits) is only lower-cased.
fn hash_normalized(value: &str, normalise: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    let trimmed = value.trim_matches(is_space);
    if trimmed.len() == 64 && trimmed.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(trimmed.to_ascii_lowercase());
    }
    normalise(value).map(|v| sha256_hex(&v))
}

/// SHA-256 of the UTF-8 text as 64 lower-case hex digits.
pub fn sha256_hex(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_published_by_google() {
        assert_eq!(
            hash_normalized(" Cloudy.SanFrancisco+Shopping@GMAIL.com ", normalize_email).as_deref(),
            Some("223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4")
        );
        assert_eq!(
            hash_normalized("+1 (800) 555-0100", |v| normalize_phone(v, None)).as_deref(),
            Some("fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30")
        );
    }

    #[test]
    fn a_hash_is_not_hashed_again() {
        let hash = "223EBDA6F6889B1494551BA902D9D381DAF2F642BAE055888E96343D53E9F9C4";
        assert_eq!(hash_normalized(hash, normalize_email), Some(hash.to_lowercase()));
    }
}
