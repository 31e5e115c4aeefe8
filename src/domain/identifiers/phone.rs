//! Phone numbers.

use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber, country};

use super::is_space;

/// E.164 (`+` and 7–15 digits, no leading 0). A number without country code is read as one of `region` (ISO 3166-1
/// alpha-2); without a region it can't be used. Google's own formatter only strips punctuation and would make wrong
/// numbers of `0044…`, `(0)` and extensions, so the number is parsed before it is written. Digits of other scripts
/// than ASCII's are refused: Google's formatter would hash them as they are.
pub fn phone(value: &str, region: Option<&str>) -> Option<String> {
    let text = value.trim_matches(is_space);
    if text.chars().any(|c| c.is_numeric() && !c.is_ascii_digit()) {
        return None;
    }
    let first = text.find(|c: char| c == '+' || c.is_ascii_digit())?;
    let e164 = if text[first..].starts_with('+') {
        international(text)?
    } else {
        let region: country::Id = region?.to_ascii_uppercase().parse().ok()?;
        national(text, region)?
    };
    let digits = e164.strip_prefix('+')?;
    let plausible =
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    plausible.then_some(e164)
}

/// A number with `+` and country code. It is parsed without a region: with one, the parser would strip that country's
/// national prefix from foreign numbers (`+33 1 42…` read in the United States would lose its 1).
fn international(text: &str) -> Option<String> {
    let number = phonenumber::parse(None, text).ok()?;
    let written = dialled(text, &number);
    let subscriber = written.strip_prefix(&number.code().value().to_string());
    settled(&number, subscriber.unwrap_or_default())
}

/// A number as it is dialled inside `region`, or with the region's international prefix (`00`, `011`).
fn national(text: &str, region: country::Id) -> Option<String> {
    let metadata = DATABASE.by_id(region.as_ref())?;
    let number = phonenumber::parse(Some(region), text).ok()?;
    let written = dialled(text, &number);
    if number.code().source() == country::Source::Idd {
        let prefix = metadata.international_prefix()?.find(&written)?;
        let abroad = written.get(prefix.end()..)?;
        return international(&format!("+{abroad}"));
    }
    settled(&number, &written)
}

/// The digits of the text as written, without the extension.
fn dialled(text: &str, number: &PhoneNumber) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let extension = number.extension().map_or("", AsRef::as_ref);
    digits.strip_suffix(extension).unwrap_or(&digits).to_owned()
}

/// E.164 of a parsed number. The parser strips a national prefix twice where the number itself begins with the same
/// digit (`8 843…` in Russia): where the result fits no plan of its country but the digits as written do, these count.
/// A trunk zero that nothing explains makes the number unusable.
fn settled(number: &PhoneNumber, written: &str) -> Option<String> {
    let e164 = number.format().mode(Mode::E164).to_string();
    if number.is_valid() {
        return Some(e164);
    }
    let code = number.code().value();
    let plans = DATABASE.by_code(&code)?;
    for plan in plans {
        let general = plan.descriptors().general().national_number();
        let fits = |digits: &&str| {
            let found = general.find(digits);
            found.is_some_and(|found| found.start() == 0 && found.end() == digits.len())
        };
        let stripped = plan.national_prefix().and_then(|prefix| written.strip_prefix(prefix));
        if let Some(digits) = stripped.filter(fits).or(Some(written).filter(fits)) {
            return Some(format!("+{code}{digits}"));
        }
    }
    (number.national().zeros() == 0).then_some(e164)
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
    // Foreign numbers keep the digit that is the region's national prefix.
    #[case("+33 1 42 68 53 00", Some("US"), Some("+33142685300"))]
    #[case("+86 138 0013 8000", Some("US"), Some("+8613800138000"))]
    #[case("+39 06 698 12345", Some("DE"), Some("+390669812345"))]
    #[case("0039 06 698 12345", Some("DE"), Some("+390669812345"))]
    #[case("(+49) 151 23456789", Some("US"), Some("+4915123456789"))]
    #[case("011 49 151 23456789 ext. 7", Some("US"), Some("+4915123456789"))]
    // A national prefix that is also the first digit of the number.
    #[case("+7 843 123 45 67", None, Some("+78431234567"))]
    #[case("8 843 123 45 67", Some("RU"), Some("+78431234567"))]
    #[case("0044 20 7946 0958", Some("US"), None)]
    #[case("+４９ 151 23456789", None, None)]
    #[case("٠١٥١٢٣٤٥٦٧٨٩", Some("DE"), None)]
    fn rules(#[case] value: &str, #[case] region: Option<&str>, #[case] expected: Option<&str>) {
        assert_eq!(phone(value, region).as_deref(), expected);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]
        /// Whatever a person typed: an E.164 number or none, never a panic.
        #[test]
        fn always_e164_or_none(
            text in "(\\+|00|011|0)?[0-9 ()/.x*#é-]{0,18}",
            region in proptest::option::of("(DE|AT|CH|US|GB|FR|IT|BR|AR|MX|RU|JP|IN|AU|HU|LT|CN|AQ|TF|KZ)"),
        ) {
            if let Some(number) = phone(&text, region.as_deref()) {
                let digits = number.strip_prefix('+').unwrap_or_default();
                proptest::prop_assert!((7..=15).contains(&digits.len()), "{number}");
                proptest::prop_assert!(!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
            }
        }
    }
}
