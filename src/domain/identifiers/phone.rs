//! Phone numbers.

use phonenumber::{Mode, country};

/// E.164 (`+` and 7–15 digits, no leading 0). A number without country code is read as one of `region` (ISO 3166-1
/// alpha-2); without a region it can't be used. Google's own formatter only strips punctuation and would make wrong
/// numbers of `0044…`, `(0)` and extensions, so the number is parsed before it is written.
pub fn phone(value: &str, region: Option<&str>) -> Option<String> {
    let text = value.trim().trim_start_matches("tel:");
    let region: Option<country::Id> = region.and_then(|r| r.to_ascii_uppercase().parse().ok());
    if region.is_none() && !text.starts_with('+') {
        return None;
    }
    let number = phonenumber::parse(region, text).ok()?;
    let e164 = number.format().mode(Mode::E164).to_string();
    let digits = e164.strip_prefix('+')?;
    let plausible = (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    plausible.then_some(e164)
}

#[cfg(test)]
mod tests {
    use super::phone;

    #[rstest::rstest]
    #[case("+1 (800) 555-0100", None, Some("+18005550100"))]
    #[case("+1.800.555.0100", None, Some("+18005550100"))]
    #[case("tel:+18005550100", None, Some("+18005550100"))]
    #[case("8005550100", None, None)]
    #[case("(800) 555-0100", Some("US"), Some("+18005550100"))]
    #[case("0151 23456789", Some("DE"), Some("+4915123456789"))]
    #[case("0044 20 7946 0958", Some("DE"), Some("+442079460958"))]
    #[case("+44 (0)20 7946 0958", None, Some("+442079460958"))]
    #[case("+1-800-555-0100 x123", None, Some("+18005550100"))]
    #[case("+", None, None)]
    #[case("abc", Some("DE"), None)]
    #[case("", Some("DE"), None)]
    #[case("+0", None, None)]
    #[case("12", Some("DE"), None)]
    #[case("0151 23456789", Some("de"), Some("+4915123456789"))]
    #[case("0151 23456789", Some("XX"), None)]
    fn rules(#[case] value: &str, #[case] region: Option<&str>, #[case] expected: Option<&str>) {
        assert_eq!(phone(value, region).as_deref(), expected);
    }
}
