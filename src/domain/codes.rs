//! Every code Google may attach to a row, and what it means for the row: one table, total over the published enums
//! (reference notes, Google 4.3, 4.4, 6.5, 6.6 and appendix B). Names Google adds later are tolerated: they reject the row
//! and surface verbatim.

use super::outcome::reason;

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wait, then send again; the pending reason to show.
    Wait(&'static str),
    /// Google has it already: counts as uploaded.
    Delivered,
    /// The account or the action is not set up for it. Tied to a row it rejects the row, else the rows wait.
    Account,
    /// The request was too large or repeated itself: smaller requests.
    Split,
    /// The row is refused for good.
    Rejected,
    /// An answer about a request, not about rows: Google does not know it (any more).
    Forgotten,
    /// A name we don't know.
    Unknown,
}

const PREFIXES: [&str; 2] = ["PROCESSING_ERROR_REASON_", "PROCESSING_ERROR_"];

/// The code without Google's prefix.
fn bare(code: &str) -> &str {
    PREFIXES.iter().find_map(|p| code.strip_prefix(p)).unwrap_or(code)
}

/// The reason users read for a rejected row: prefix stripped, CamelCase.
pub fn camel_case(code: &str) -> String {
    bare(code)
        .split('_')
        .flat_map(|word| {
            let mut chars = word.chars();
            chars
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(chars.flat_map(char::to_lowercase))
        })
        .filter(char::is_ascii_alphanumeric)
        .take(100)
        .collect()
}

/// What a code means, with or without prefix.
pub fn classify(code: &str) -> Class {
    let code = bare(code);
    match code {
        "TOO_RECENT_CLICK" | "TOO_RECENT_CALL" | "TOO_RECENT_EVENT" => Class::Wait(reason::CLICK_TOO_RECENT),
        "DESTINATION_TOO_RECENTLY_CREATED"
        | "CONVERSION_ACTION_TOO_RECENTLY_CREATED"
        | "TOO_RECENT_CONVERSION_ACTION" => Class::Wait(reason::ACTION_TOO_NEW),
        "CONVERSION_NOT_FOUND" | "TOO_RECENT_CONVERSION" => Class::Wait(reason::AWAITING_WEB_CONVERSION),
        "RESOURCE_EXHAUSTED" => Class::Wait(reason::QUOTA_EXHAUSTED),
        "INTERNAL_ERROR" | "DEADLINE_EXCEEDED" => Class::Wait(reason::UPSTREAM_UNAVAILABLE),
        "DUPLICATE_TRANSACTION_ID"
        | "DUPLICATE_GCLID"
        | "ORDER_ID_ALREADY_IN_USE"
        | "CLICK_CONVERSION_ALREADY_EXISTS"
        | "CALL_CONVERSION_ALREADY_EXISTS"
        | "CONVERSION_ALREADY_ENHANCED"
        | "MORE_RECENT_RESTATEMENT_FOUND"
        | "RESTATEMENT_ALREADY_EXISTS" => Class::Delivered,
        "TOO_MANY_EVENTS"
        | "TOO_MANY_DESTINATIONS"
        | "DUPLICATE_DESTINATION_REFERENCE"
        | "TOO_MANY_CONVERSIONS_IN_REQUEST"
        | "DUPLICATE_ORDER_ID"
        | "DUPLICATE_CLICK_CONVERSION_IN_REQUEST"
        | "DUPLICATE_CALL_CONVERSION_IN_REQUEST"
        | "TOO_MANY_ADJUSTMENTS_IN_REQUEST"
        | "DUPLICATE_ADJUSTMENT_IN_REQUEST"
        | "DUPLICATE_ENHANCEMENT_IN_REQUEST" => Class::Split,
        "INVALID_REQUEST_ID" | "REQUEST_TOO_OLD" => Class::Forgotten,
        _ if ACCOUNT.contains(&code) => Class::Account,
        _ if REJECTED.contains(&code) => Class::Rejected,
        _ => Class::Unknown,
    }
}

/// The account or the action must be changed.
const ACCOUNT: [&str; 42] = [
    // Data Manager, ErrorReason
    "INVALID_DESTINATION",
    "INVALID_CONVERSION_ACTION_ID",
    "INVALID_CONVERSION_ACTION_TYPE",
    "DESTINATION_ACCOUNT_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS",
    "DESTINATION_ACCOUNT_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS",
    "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED",
    "TERMS_AND_CONDITIONS_NOT_SIGNED",
    "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH",
    "DESTINATION_ACCOUNT_TYPE_MISMATCH",
    "MISMATCHED_ACCOUNT_TYPE",
    "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT",
    "UNSUPPORTED_OPERATING_ACCOUNT_FOR_DATA_PARTNER",
    "UNSUPPORTED_LINKED_ACCOUNT_FOR_DATA_PARTNER",
    "NOT_ALLOWLISTED",
    "CUSTOM_VARIABLE_NOT_ENABLED",
    "CUSTOM_VARIABLE_NOT_FOUND",
    "INVALID_AD_IDENTIFIER_FOR_ACCOUNT",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "ADVERTISER_TOS_NOT_ACCEPTED",
    "REQUIRED_PREREQUISITE_LINK_MISSING",
    "DIFFERENT_LOGIN_ACCOUNTS_NOT_ALLOWED_FOR_DATA_PARTNER",
    "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED",
    "ACCOUNT_INELIGIBLE_FOR_STORE_SALES",
    // Data Manager, ProcessingErrorReason
    "ONE_PER_CLICK_CONVERSION_ACTION_NOT_PERMITTED_WITH_BRAID",
    "EXTERNAL_ATTRIBUTION_DATA_MISSING",
    "INVALID_OPERATING_ACCOUNT_FOR_CLICK",
    "OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER",
    // Google Ads, ConversionUploadError
    "UNAUTHORIZED_CUSTOMER",
    "INVALID_CUSTOMER_FOR_CLICK",
    "INVALID_CUSTOMER_FOR_CALL",
    "CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS",
    "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS",
    "CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS",
    "NO_CONVERSION_ACTION_FOUND",
    "EXTERNAL_ATTRIBUTION_DATA_SET_FOR_NON_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
    "EXTERNAL_ATTRIBUTION_DATA_NOT_SET_FOR_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
    "ORDER_ID_NOT_PERMITTED_FOR_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
    "EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION_NOT_PERMITTED_WITH_USER_IDENTIFIER",
    // Google Ads, ConversionAdjustmentUploadError
    "CANNOT_RESTATE_CONVERSION_ACTION_THAT_ALWAYS_USES_DEFAULT_CONVERSION_VALUE",
    "CONVERSION_ACTION_NOT_ELIGIBLE_FOR_ENHANCEMENT",
    "CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCEMENT",
];

/// The row is refused for good, whatever we do.
const REJECTED: [&str; 93] = [
    // Data Manager, ErrorReason
    "INVALID_ARGUMENT",
    "REQUIRED_FIELD_MISSING",
    "INVALID_FORMAT",
    "INVALID_HEX_ENCODING",
    "INVALID_BASE64_ENCODING",
    "INVALID_SHA256_FORMAT",
    "INVALID_POSTAL_CODE",
    "INVALID_COUNTRY_CODE",
    "INVALID_REGION_CODE",
    "INVALID_SUBDIVISION_CODE",
    "INVALID_SUBCONTINENT_CODE",
    "INVALID_CONTINENT_CODE",
    "INVALID_DEVICE_CATEGORY",
    "INVALID_CURRENCY_CODE",
    "INVALID_NUMBER_FORMAT",
    "INVALID_ENUM_VALUE",
    "INVALID_EVENT",
    "INVALID_EVENT_NAME",
    "INVALID_MOBILE_ID_FORMAT",
    "INVALID_COUPON_CODE",
    "INVALID_PROPERTY_TYPE",
    "INVALID_STREAM_TYPE",
    "NO_IDENTIFIERS_PROVIDED",
    "EVENT_TIME_INVALID",
    "FIELD_VALUE_TOO_LONG",
    "FIELD_VALUE_TOO_SHORT",
    "TOO_MANY_USER_IDENTIFIERS",
    "TOO_MANY_ELEMENTS",
    "TOO_FEW_ELEMENTS",
    "MULTIPLE_DATA_TYPES_NOT_ALLOWED",
    "RESERVED_NAME_USED",
    "INVALID_CUSTOM_VARIABLE_VALUE",
    "CUSTOM_VARIABLE_VALUE_CONTAINS_PII",
    "INVALID_MERCHANT_ID",
    "INVALID_MERCHANT_FEED_LANGUAGE_CODE",
    "EVENT_SOURCE_AND_DESTINATION_MISMATCH",
    "THIRD_PARTY_USER_DATA_NOT_ALLOWED",
    // Data Manager, ProcessingErrorReason
    "DENIED_CONSENT",
    "NO_CONSENT",
    "UNKNOWN_CONSENT",
    "EVENT_TOO_OLD",
    "EXPIRED_CLICK",
    "EXPIRED_CALL",
    "CLICK_NOT_FOUND",
    "INVALID_CLICK",
    "INVALID_CALL",
    "INVALID_GCLID",
    "INVALID_GBRAID",
    "INVALID_WBRAID",
    "INVALID_AD_IDENTIFIERS",
    "CONVERSION_PRECEDES_CLICK",
    "INVALID_CUSTOM_VARIABLE",
    "USER_ID_NOT_FOUND",
    "USER_ID_NOT_FOUND_FOR_MATCH_ID",
    "USER_ID_NOT_FOUND_FOR_GCLID",
    "USER_ID_NOT_FOUND_FOR_DCLID",
    "USER_ID_NOT_FOUND_FOR_IMPRESSION_ID",
    "MATCH_ID_NOT_FOUND",
    "EVENT_ID_DECODE_ERROR",
    "ORIGINAL_CONVERSIONS_NOT_FOUND",
    "DECRYPTION_ERROR",
    "DEK_DECRYPTION_ERROR",
    "USER_IDENTIFIER_DECRYPTION_ERROR",
    "INVALID_KEK",
    "INVALID_WIP",
    "WIP_AUTH_FAILED",
    "KEK_PERMISSION_DENIED",
    "AWS_AUTH_FAILED",
    "INSUFFICIENT_MATCHED_TRANSACTIONS",
    "INSUFFICIENT_TRANSACTIONS",
    // Google Ads, ConversionUploadError
    "UNPARSEABLE_GCLID",
    "UNPARSEABLE_GBRAID",
    "UNPARSEABLE_WBRAID",
    "UNPARSEABLE_CALLERS_PHONE_NUMBER",
    "CONVERSION_TRACKING_NOT_ENABLED_AT_IMPRESSION_TIME",
    "CONVERSION_TRACKING_NOT_ENABLED_AT_CALL_TIME",
    "CALL_NOT_FOUND",
    "CONVERSION_PRECEDES_CALL",
    "CONVERSION_PRECEDES_EVENT",
    "CONVERSION_NOT_COMPLIANT_WITH_ATT_POLICY",
    "INVALID_USER_IDENTIFIER",
    "UNSUPPORTED_USER_IDENTIFIER",
    "GBRAID_WBRAID_BOTH_SET",
    "EXPIRED_EVENT",
    "EVENT_NOT_FOUND",
    "ORDER_ID_CONTAINS_PII",
    "INVALID_JOB_ID",
    // Google Ads, ConversionAdjustmentUploadError
    "CONVERSION_ALREADY_RETRACTED",
    "CONVERSION_EXPIRED",
    "ADJUSTMENT_PRECEDES_CONVERSION",
    "TOO_MANY_ADJUSTMENTS",
    "GCLID_DATE_TIME_PAIR_AND_ORDER_ID_BOTH_SET",
    "MISSING_ORDER_ID_FOR_WEBPAGE",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Published names by enum, those aside that an uploader of conversions never meets.
    fn published() -> Vec<(&'static str, &'static str)> {
        let mut heading = "";
        let mut names = Vec::new();
        for line in include_str!("codes_published.txt").lines() {
            match line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                Some(found) => heading = found,
                None if line.is_empty() || line.starts_with('#') || line.starts_with("- ") => {}
                None => names.push((heading, line)),
            }
        }
        names
    }

    #[test]
    fn no_published_name_is_unknown() {
        let names = published();
        for heading in [
            "ErrorReason",
            "ProcessingErrorReason",
            "ConversionUploadError",
            "ConversionAdjustmentUploadError",
        ] {
            let listed = names.iter().filter(|(h, _)| h.starts_with(heading)).count();
            assert!(listed >= 25, "{heading}: {listed}");
        }
        for (heading, name) in names {
            assert_ne!(classify(name), Class::Unknown, "{name} of {heading}");
            assert_eq!(classify(name), classify(bare(name)), "{name}");
        }
    }

    #[test]
    fn no_name_stands_in_the_table_that_nobody_published() {
        let published: Vec<_> = published().into_iter().map(|(_, name)| bare(name)).collect();
        for name in ACCOUNT.iter().chain(&REJECTED) {
            assert!(published.contains(name), "{name}");
        }
    }

    #[rstest::rstest]
    #[case("PROCESSING_ERROR_REASON_INVALID_GCLID", Class::Rejected, "InvalidGclid")]
    #[case(
        "PROCESSING_ERROR_OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER",
        Class::Account,
        "OperatingAccountMismatchForAdIdentifier"
    )]
    #[case(
        "CONVERSION_ACTION_TOO_RECENTLY_CREATED",
        Class::Wait(reason::ACTION_TOO_NEW),
        "ConversionActionTooRecentlyCreated"
    )]
    #[case("TOO_RECENT_CLICK", Class::Wait(reason::CLICK_TOO_RECENT), "TooRecentClick")]
    #[case("DUPLICATE_TRANSACTION_ID", Class::Delivered, "DuplicateTransactionId")]
    #[case("TOO_MANY_EVENTS", Class::Split, "TooManyEvents")]
    #[case("A_NAME_OF_2027", Class::Unknown, "ANameOf2027")]
    #[case("", Class::Unknown, "")]
    fn table(#[case] code: &str, #[case] class: Class, #[case] shown: &str) {
        assert_eq!(classify(code), class);
        assert_eq!(camel_case(code), shown);
    }

    #[test]
    fn no_name_stands_twice() {
        let mut all: Vec<_> = ACCOUNT.iter().chain(&REJECTED).collect();
        all.sort_unstable();
        let n = all.len();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
