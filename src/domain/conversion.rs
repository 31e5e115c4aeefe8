//! What identifies a conversion to Google: one click id, or hashed identifiers, or both.

/// Longest value taken for a click id, in characters; Google's are up to about 200.
const MAX_CLICK_ID: usize = 512;

/// The value of a property (or of a page's `gclid`) without blanks around it, or `None` if it cannot be a click id.
/// Forms and imports put e-mail addresses and phone numbers into that property, and those must not be sent to Google. A
/// click id is part of a URL, so it is printable ASCII without blanks, and Google's have letters.
pub fn click_value(value: &str) -> Option<&str> {
    let id = value.trim();
    let printable = id.bytes().all(|b| b.is_ascii_graphic());
    let address = id.contains('@') || id.to_ascii_lowercase().contains("%40");
    (!id.is_empty() && id.len() <= MAX_CLICK_ID && printable && !address && !is_number(id)).then_some(id)
}

/// All digits, or a phone number as people write it: `+49-30-901820`, `(030)901820`, `tel:030/901820`, `555-0100x12`.
fn is_number(id: &str) -> bool {
    let text = id.to_ascii_lowercase();
    let text = text.strip_prefix("tel:").unwrap_or(&text).replacen("ext", "x", 1);
    let (number, extension) = text.split_once('x').unwrap_or((&text, ""));
    let written = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit() || b"+-().,/:;=*#_".contains(&b))
    };
    number.bytes().any(|b| b.is_ascii_digit()) && written(number) && written(extension)
}

/// The one click id of a row. No `Debug`: it identifies a person's click.
#[derive(Clone, PartialEq, Eq)]
pub enum ClickId {
    /// Google click id.
    Gclid(String),
    /// Aggregate id of app campaigns; refused by one-per-click actions.
    Gbraid(String),
    /// Aggregate id of web campaigns; refused by one-per-click actions.
    Wbraid(String),
}

/// A hashed identifier (SHA-256 as 64 lower-case hex digits). No `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum UserIdentifier {
    /// Hashed e-mail.
    Email(String),
    /// Hashed phone.
    Phone(String),
    /// Full address; names and street hashed, the rest plain. Data Manager takes the first four only.
    Address {
        /// Hashed given name.
        given_name: String,
        /// Hashed family name.
        family_name: String,
        /// ISO 3166-1 alpha-2, plain.
        region: String,
        /// Plain.
        postal_code: String,
        /// Hashed street and number, for enhancements.
        street: Option<String>,
        /// Plain, for enhancements.
        city: Option<String>,
        /// Plain, for enhancements.
        state: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::click_value;

    #[rstest::rstest]
    #[case("Cj0KCQiA-test_AEXAMPLE.0", Some("Cj0KCQiA-test_AEXAMPLE.0"))]
    #[case(" EAIaIQobChMI \n", Some("EAIaIQobChMI"))]
    #[case("x1", Some("x1"))]
    #[case("click-1", Some("click-1"))]
    #[case("", None)]
    #[case("   ", None)]
    #[case("ada@example.com", None)]
    #[case("ada%40example.com", None)]
    #[case("@", None)]
    #[case("Ada Lovelace", None)]
    #[case("Cj0\tKCQ", None)]
    #[case("Cj0\u{a0}KCQ", None)]
    #[case("Cj0\u{0}KCQ", None)]
    #[case("Cj0\u{7f}KCQ", None)]
    #[case("Müller", None)]
    #[case("Cj0\u{200b}", None)]
    #[case("1234567890", None)]
    #[case("٠١٥١٢٣", None)]
    #[case("+4930901820", None)]
    #[case("+49-30-901820", None)]
    #[case("(030)901820", None)]
    #[case("030/901820", None)]
    #[case("+49.30.901820", None)]
    #[case("tel:+4930901820", None)]
    #[case("TEL:030-901820", None)]
    #[case("555-0100x12", None)]
    #[case("555-0100ext.12", None)]
    fn what_can_be_a_click_id(#[case] value: &str, #[case] expected: Option<&str>) {
        assert_eq!(click_value(value), expected);
    }

    #[test]
    fn the_longest_value() {
        assert!(click_value(&"a".repeat(512)).is_some());
        assert!(click_value(&"a".repeat(513)).is_none());
    }
}
