//! E-mail addresses.

use super::text::{is_space, to_nfc};

/// Trimmed, lower-cased, NFC; at gmail.com and googlemail.com dots and everything from the first `+` leave the local
/// part. `None` for what Google's formatter refuses: inner white space, not exactly one `@`, an empty part.
pub fn normalize_email(value: &str) -> Option<String> {
    let address = to_nfc(&value.trim_matches(is_space).to_lowercase());
    if address.chars().any(is_space) {
        return None;
    }
    let (local, domain) = address.split_once('@')?;
    if domain.contains('@') || domain.is_empty() {
        return None;
    }
    let local = if matches!(domain, "gmail.com" | "googlemail.com") {
        local.split('+').next().unwrap_or_default().replace('.', "")
    } else {
        local.to_owned()
    };
    (!local.is_empty()).then(|| format!("{local}@{domain}"))
}

#[cfg(test)]
mod tests {
    use super::normalize_email;

    /// docs/reference/google.md 7: the edge cases run through Google's own formatter.
    #[rstest::rstest]
    #[case("Cloudy.SanFrancisco+Shopping@GMAIL.COM", Some("cloudysanfrancisco@gmail.com"))]
    #[case("  cloudySanFrancisco@Gmail.com \n", Some("cloudysanfrancisco@gmail.com"))]
    #[case("a.b.c+x+y@googlemail.com", Some("abc@googlemail.com"))]
    #[case("user.name+NYC@Example.com", Some("user.name+nyc@example.com"))]
    #[case("user@sub.gmail.com", Some("user@sub.gmail.com"))]
    #[case("user.name@gmail.com.", Some("user.name@gmail.com."))]
    #[case("+tag@gmail.com", None)]
    #[case("...@gmail.com", None)]
    #[case("+tag@example.com", Some("+tag@example.com"))]
    #[case("a b@example.com", None)]
    #[case("a\tb@example.com", None)]
    #[case("a\u{a0}b@example.com", None)]
    #[case("a\u{2003}b@example.com", None)]
    #[case("\u{a0}user@example.com\u{a0}", Some("user@example.com"))]
    #[case("user\u{200b}@example.com", Some("user\u{200b}@example.com"))]
    #[case("", None)]
    #[case("   ", None)]
    #[case("user", None)]
    #[case("a@b@c", None)]
    #[case("user@@example.com", None)]
    #[case("one@example.com,two@example.com", None)]
    #[case("user@", None)]
    #[case("@example.com", None)]
    #[case("user@localhost", Some("user@localhost"))]
    #[case("ÜSER@EXÄMPLE.de", Some("üser@exämple.de"))]
    #[case("U\u{308}SER@EXA\u{308}MPLE.de", Some("üser@exämple.de"))]
    #[case("İSTANBUL@example.com", Some("i\u{307}stanbul@example.com"))]
    #[case("\"a.b\"@gmail.com", Some("\"ab\"@gmail.com"))]
    fn rules(#[case] value: &str, #[case] expected: Option<&str>) {
        assert_eq!(normalize_email(value).as_deref(), expected);
    }
}
