//! Names, postal codes and countries.

use super::countries;
use super::text::{is_space, to_nfc};

/// A given or family name, or a street: trimmed, lower-cased, NFC; nothing else is removed, as in Google's formatter.
/// `None` when blank.
pub fn normalize_name(value: &str) -> Option<String> {
    let name = value.trim_matches(is_space).to_lowercase();
    (!name.is_empty()).then(|| to_nfc(&name))
}

/// A postal code, city or state: trimmed, NFC, sent plain. `None` when blank.
pub fn normalize_place(value: &str) -> Option<String> {
    let code = value.trim_matches(is_space);
    (!code.is_empty()).then(|| to_nfc(code))
}

/// ISO 3166-1 alpha-2 out of a code in any case, or of a country's English name as HubSpot writes it ("Germany").
/// `None` for anything else: a wrong country is worse than none.
pub fn to_region(value: &str) -> Option<&'static str> {
    let text = value.trim_matches(is_space);
    countries::country_code(text).or_else(|| countries::code_of(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One name, two spellings of its accents: the hashes are those of the case of two contacts.
    #[test]
    fn accents_of_their_own_are_composed() {
        let hash = |value| super::super::hash_normalized(value, normalize_name);
        for first in ["José", "Jose\u{301}", " JOSE\u{301} "] {
            assert_eq!(
                hash(first).as_deref(),
                Some("d994e1d001886fe5b45b1267bd1fa2b752ac50742579bd3dad7b2a2aa0ed6866")
            );
        }
        for last in ["Müller", "Mu\u{308}ller"] {
            assert_eq!(
                hash(last).as_deref(),
                Some("2dbd218072117713f2d5996a726a9b216ed791ffd0783b6ba4ab6d61b8333192")
            );
        }
        assert_eq!(
            normalize_name("Hauptstra\u{df}e 5, U\u{308}bersee").as_deref(),
            Some("hauptstraße 5, übersee")
        );
        assert_eq!(normalize_place("Ko\u{308}ln").as_deref(), Some("Köln"));
    }

    #[test]
    fn rules() {
        assert_eq!(normalize_name("  Anna María ").as_deref(), Some("anna maría"));
        assert_eq!(normalize_name("D'Angelo").as_deref(), Some("d'angelo"));
        assert_eq!(normalize_name(" ").as_deref(), None);
        assert_eq!(normalize_place(" 94045-1234 ").as_deref(), Some("94045-1234"));
        assert_eq!(normalize_place("sw1a 1aa").as_deref(), Some("sw1a 1aa"));
        assert_eq!(to_region(" gb "), Some("GB"));
        assert_eq!(to_region("Germany"), Some("DE"));
        for bad in ["USA", "u s", "U1", "日本", "", "UK", "XX", "ZZ"] {
            assert_eq!(to_region(bad), None, "{bad}");
        }
    }
}
