//! Decides which texts of an answer are passed on. A service may write anything into a field for codes or ids, also
//! personal data and a megabyte of it.

use super::limits::{CODE_LIMIT, ID_LIMIT, MESSAGE_LIMIT, MOST_DIGITS, NAME_LIMIT, ZONE_LIMIT};
use crate::domain::brief::{clip, is_unseen};

/// At most [`MESSAGE_LIMIT`] characters of our own text.
pub fn bounded_message(text: impl AsRef<str>) -> String {
    clip(text.as_ref(), MESSAGE_LIMIT)
}

/// A code as services write them, or `None`: it begins with a letter and holds letters, a few digits and `_.:-`.
pub fn valid_code(text: &str) -> Option<String> {
    let fits = text.len() <= CODE_LIMIT
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
        && text.bytes().filter(u8::is_ascii_digit).count() <= MOST_DIGITS;
    fits.then(|| text.to_owned())
}

/// An id of a request or project, or `None`.
pub fn valid_id(text: &str) -> Option<String> {
    let fits = !text.is_empty()
        && text.len() <= ID_LIMIT
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-' | b'/' | b'+' | b'=' | b'~'));
    fits.then(|| text.to_owned())
}

/// The name of an object at the service, for status and messages: at most 256 characters, none of them invisible.
/// `None` if no characters are left.
pub fn display_name(text: &str) -> Option<String> {
    let clean = |c: char| if is_unseen(c) { '\u{fffd}' } else { c };
    let name: String = text.trim().chars().take(NAME_LIMIT).map(clean).collect();
    (!name.is_empty()).then_some(name)
}

/// The name of an object exactly as the service writes it, to be compared with a manifest: the first 256 characters. To
/// show it, use [`crate::domain::brief::brief_name`]. `None` if it has no visible character.
pub fn exact_name(text: &str) -> Option<String> {
    display_name(text).map(|_| text.chars().take(NAME_LIMIT).collect())
}

/// The name of a time zone as IANA writes them, or `None`.
pub fn time_zone(text: &str) -> Option<String> {
    let fits = text.len() <= ZONE_LIMIT
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+'))
        && text.bytes().filter(u8::is_ascii_digit).count() <= MOST_DIGITS;
    fits.then(|| text.to_owned())
}

/// A currency as ISO 4217 writes them, or `None`.
pub fn valid_currency(text: &str) -> Option<String> {
    (text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_words_and_nothing_else() {
        for good in [
            "DUPLICATE_NAME",
            "invalid_grant",
            "crm.objects.contacts.read",
            "PROCESSING_ERROR_REASON_INVALID_GCLID",
            "INVALID_SHA256_FORMAT",
        ] {
            assert_eq!(valid_code(good).as_deref(), Some(good));
        }
        let long = "A".repeat(121);
        for bad in [
            "",
            "anna maier",
            "anna@example.com",
            "+4930123456",
            "4930123456",
            "X_4930123456",
            "A\nB",
            long.as_str(),
        ] {
            assert_eq!(valid_code(bad), None, "{bad}");
        }
        assert!(valid_code(&long[..120]).is_some());
    }

    #[test]
    fn ids_are_short_and_fit_a_url() {
        assert!(valid_id("b7c6f2d1-9a34-4c0e-8f2a-0123456789ab").is_some());
        assert!(valid_id("CiQKI+/=_~.:").is_some());
        for bad in ["", "a b", "a?b", "a&b=c", "a\u{e4}", &"a".repeat(201)] {
            assert_eq!(valid_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn messages_are_bounded_on_a_character() {
        let long = bounded_message("ä".repeat(600));
        assert_eq!(long.chars().count(), 512);
        assert_eq!(bounded_message("ä".repeat(512)).chars().count(), 512);
        assert!(bounded_message("ä".repeat(512)).ends_with('ä'));
    }

    #[test]
    fn zones_and_currencies_have_their_form() {
        for good in [
            "US/Eastern",
            "Europe/Berlin",
            "America/Argentina/ComodRivadavia",
            "Etc/GMT+5",
            "UTC",
            "EST5EDT",
        ] {
            assert_eq!(time_zone(good).as_deref(), Some(good));
        }
        let long = "A".repeat(49);
        for bad in [
            "",
            "anna maier",
            "+49170",
            "Europe/\u{202e}Berlin",
            "a@b",
            "A4930123456",
            long.as_str(),
        ] {
            assert_eq!(time_zone(bad), None, "{bad}");
        }
        assert_eq!(valid_currency("EUR").as_deref(), Some("EUR"));
        for bad in ["", "eur", "EURO", "E1R", "\u{20ac}"] {
            assert_eq!(valid_currency(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_are_bounded_and_print() {
        assert_eq!(display_name(" Demo\trequest\n").as_deref(), Some("Demo\u{fffd}request"));
        assert_eq!(
            display_name("Ac\u{202e}me\u{200b}").as_deref(),
            Some("Ac\u{fffd}me\u{fffd}")
        );
        assert_eq!(display_name(" \n"), None);
        for exact in [" Demo ", "\u{1f469}\u{200d}\u{1f4bb}", "soft\u{ad}hyphen"] {
            assert_eq!(exact_name(exact).as_deref(), Some(exact));
        }
        assert_eq!(exact_name(" \n"), None);
        assert_eq!(exact_name(&"ä".repeat(9_000)).map(|n| n.chars().count()), Some(256));
        assert_eq!(display_name(&"ä".repeat(9_000)).map(|n| n.chars().count()), Some(256));
    }
}
