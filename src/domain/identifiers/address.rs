//! Names, postal codes and countries.

use super::{countries, is_space};

/// A given or family name: trimmed, lower-cased; nothing else is removed, as in Google's formatter. `None` when blank.
pub fn name(value: &str) -> Option<String> {
    let name = value.trim_matches(is_space).to_lowercase();
    (!name.is_empty()).then_some(name)
}

/// A postal code, city or state: trimmed, sent plain. `None` when blank.
pub fn plain(value: &str) -> Option<String> {
    let code = value.trim_matches(is_space);
    (!code.is_empty()).then(|| code.to_owned())
}

/// ISO 3166-1 alpha-2 out of a code in any case, or of a country's English name as HubSpot writes it ("Germany").
/// `None` for anything else: a wrong country is worse than none.
pub fn region(value: &str) -> Option<&'static str> {
    let text = value.trim_matches(is_space);
    countries::code(text).or_else(|| countries::code_of(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        assert_eq!(name("  Anna María ").as_deref(), Some("anna maría"));
        assert_eq!(name("D'Angelo").as_deref(), Some("d'angelo"));
        assert_eq!(name(" ").as_deref(), None);
        assert_eq!(plain(" 94045-1234 ").as_deref(), Some("94045-1234"));
        assert_eq!(plain("sw1a 1aa").as_deref(), Some("sw1a 1aa"));
        assert_eq!(region(" gb "), Some("GB"));
        assert_eq!(region("Germany"), Some("DE"));
        for bad in ["USA", "u s", "U1", "日本", "", "UK", "XX", "ZZ"] {
            assert_eq!(region(bad), None, "{bad}");
        }
    }
}
