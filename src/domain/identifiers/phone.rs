//! Phone numbers.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};

use super::text::is_space;

/// E.164 (`+` and 7–15 digits, no leading 0). A number without country code is read as one of `region` (ISO 3166-1
/// alpha-2); without a region it can't be used. Google's own formatter only strips punctuation and would make wrong
/// numbers of `0044…`, `(0)` and extensions, so the number is parsed before it is written. Digits of other scripts
/// than ASCII's are refused: Google's formatter would hash them as they are.
pub fn normalize_phone(value: &str, region: Option<&str>) -> Option<String> {
    let text = value.trim_matches(is_space);
    if !text.is_ascii() && text.chars().any(|c| c.is_numeric() && !c.is_ascii_digit()) {
        return None;
    }
    let region = region.and_then(|code| Region::from_code(&code.to_ascii_uppercase()).ok());
    let number = without_zero(text, without_remark(text, region)?)?;
    let number = with_own_code(text, &number).unwrap_or(number);
    let e164 = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned();
    let digits = e164.strip_prefix('+')?;
    (7..=15).contains(&digits.len()).then_some(e164)
}

/// The parser takes letters for those of a vanity number. Where the number is valid without them, or isn't valid with
/// them, they are a remark (`030 1234567 (mobil)`).
fn without_remark(text: &str, region: Option<Region>) -> Option<PhoneNumber> {
    let number = PHONE_NUMBER_UTIL.parse(text, region).ok();
    let extension = number.as_ref().is_some_and(|number| number.extension.is_some());
    if extension || !text.contains(char::is_alphabetic) {
        return number;
    }
    let bare = PHONE_NUMBER_UTIL
        .parse(text.replace(char::is_alphabetic, ""), region)
        .ok();
    if bare.as_ref().is_some_and(is_valid) {
        return bare;
    }
    number.filter(is_valid).or(bare)
}

/// A zero that the parser leaves in front of a number it doesn't belong to: after a country code it is the trunk prefix
/// of a country that has none (`+34 (0)…`); a national number is unusable with it, it may be one of another country.
fn without_zero(text: &str, mut number: PhoneNumber) -> Option<PhoneNumber> {
    if !number.italian_leading_zero() || is_valid(&number) {
        return Some(number);
    }
    let one = number.number_of_leading_zeros.is_none();
    number.italian_leading_zero = None;
    (one && text.contains('+') && is_valid(&number)).then_some(number)
}

/// The number with its first digits taken for the code of its own country, if that makes a valid one: people leave out
/// the plus (`49151…`) more often than the trunk prefix (`0` of the German area code `0491`).
fn with_own_code(text: &str, number: &PhoneNumber) -> Option<PhoneNumber> {
    let code = u64::try_from(number.country_code).ok()?;
    let length = code.checked_ilog10()?;
    let rest = number.national_number.checked_ilog10()?.checked_sub(length)?;
    if number.national_number / 10_u64.pow(rest) != code {
        return None;
    }
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let abroad = PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).ok()?;
    (abroad.country_code == number.country_code && is_valid(&abroad)).then_some(abroad)
}

fn is_valid(number: &PhoneNumber) -> bool {
    PHONE_NUMBER_UTIL.is_valid_number(number)
}

#[cfg(test)]
mod tests {
    use super::normalize_phone;

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
    // Remarks, and letters that stand for digits.
    #[case("030 1234567 (mobil)", Some("DE"), Some("+49301234567"))]
    #[case("020 7946 0958 (Büro)", Some("GB"), Some("+442079460958"))]
    #[case("Tel. 0151 23456789", Some("DE"), Some("+4915123456789"))]
    #[case("1-800-FLOWERS", Some("US"), Some("+18003569377"))]
    #[case("0800 REWE JAS", Some("DE"), Some("+498007393527"))]
    #[case("(800) 555-0100 123#", Some("US"), Some("+18005550100"))]
    // A trunk zero where none is dialled.
    #[case("+34 (0)612 34 56 78", None, Some("+34612345678"))]
    #[case("+57 (0)321 1234567", None, Some("+573211234567"))]
    #[case("0612 34 56 78", Some("ES"), None)]
    // The country's code without plus.
    #[case("4915123456789", Some("DE"), Some("+4915123456789"))]
    #[case("62 812 345 678", Some("ID"), Some("+62812345678"))]
    #[case("4921 12345", Some("DE"), Some("+492112345"))]
    #[case("04921 12345", Some("DE"), Some("+49492112345"))]
    #[case("+49 4921 12345", Some("DE"), Some("+49492112345"))]
    #[case("039 1234567", Some("IT"), Some("+390391234567"))]
    #[case("(55) 98765-4321", Some("BR"), Some("+5555987654321"))]
    fn rules(#[case] value: &str, #[case] region: Option<&str>, #[case] expected: Option<&str>) {
        assert_eq!(normalize_phone(value, region).as_deref(), expected);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]
        /// Whatever a person typed: an E.164 number or none, never a panic.
        #[test]
        fn always_e164_or_none(
            text in "(\\+|00|011|0)?[0-9 ()/.x*#é-]{0,18}",
            region in proptest::option::of("(DE|AT|CH|US|GB|FR|IT|BR|AR|MX|RU|JP|IN|AU|HU|LT|CN|AQ|TF|KZ)"),
        ) {
            if let Some(number) = normalize_phone(&text, region.as_deref()) {
                let digits = number.strip_prefix('+').unwrap_or_default();
                proptest::prop_assert!((7..=15).contains(&digits.len()), "{number}");
                proptest::prop_assert!(!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
            }
        }
    }
}
