//! Every code that Google may attach to a row or a request of an upload, and its class, which says who has to act: one
//! table for both APIs, total over the published enums (docs/reference/google.md 4.3 to 4.5, 6.5, 6.6, appendices A and
//! B). Names Google adds later are tolerated: they reject the row and surface verbatim.

use super::request_causes::{ads_cause, is_known_key};
use crate::domain::codes::{Class, Code, Matter};
use crate::domain::outcome::reason;
use crate::ports::Cause;
use crate::upstream::http::text::valid_code as clean;

/// A code of the Data Manager API; `None` for an empty text.
pub(crate) fn data_manager_code(text: &str) -> Option<Code> {
    to_code(text, upload_class)
}

/// A code of the Google Ads API: the one key of `errorCode` carries a part of the meaning. `None` for an empty text.
pub(crate) fn ads_code(key: &str, text: &str) -> Option<Code> {
    to_code(text, |name| ads_class(key, name))
}

/// A text that is not a code may hold anything, also the values that were sent: only that there was one is kept.
fn to_code(text: &str, class_of: impl Fn(&str) -> Class) -> Option<Code> {
    if text.is_empty() {
        return None;
    }
    Some(match clean(text) {
        Some(name) => Code::new(&*name, bare_name(&name), class_of(&name)),
        None => silent_code("UNKNOWN"),
    })
}

/// The code that stands for a missing or unreadable one.
pub(crate) fn silent_code(name: &str) -> Code {
    Code::new(name, name, Class::SaysNothing)
}

/// The class of a complaint about a destination: it is about the action, whatever its code, unless the code names
/// another matter or a wait. `whole`: the code of the request, which stands in for a complaint without one.
pub(crate) fn of_destination(code: Option<Code>, whole: Option<&Code>) -> Code {
    let code = code.or_else(|| whole.cloned());
    code.unwrap_or_else(|| Code::new(DESTINATION, DESTINATION, upload_class(DESTINATION)))
}

/// The name for a destination that is refused without a code.
const DESTINATION: &str = "INVALID_DESTINATION";

const PREFIXES: [&str; 2] = ["PROCESSING_ERROR_REASON_", "PROCESSING_ERROR_"];

/// The name without Google's prefix.
pub(crate) fn bare_name(name: &str) -> &str {
    PREFIXES.iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name)
}

/// A code that says nothing beyond "refused" where it stands for a whole request.
pub(crate) fn is_mere_refusal(code: &Code) -> bool {
    code.class == Class::SaysNothing || bare_name(&code.name) == "INVALID_ARGUMENT"
}

fn ads_class(key: &str, name: &str) -> Class {
    match named_class(key, name) {
        // Other keys already say that it does not concern the row.
        Class::Rejected | Class::Unknown if SILENT.contains(&name) => Class::SaysNothing,
        class => class,
    }
}

fn named_class(key: &str, name: &str) -> Class {
    match (key, name) {
        ("conversionUploadError" | "conversionAdjustmentUploadError", _) => upload_class(name),
        ("databaseError", "REQUEST_TOO_LARGE") | ("sizeLimitError", _) => Class::TooLarge,
        ("conversionActionError", _) => Class::Blocked(Matter::Action),
        // What is wrong with the row has a name only in a later version of the API.
        ("internalError", "ERROR_CODE_NOT_PUBLISHED") => Class::Rejected,
        _ => ads_cause(key, name).map_or(Class::Unknown, |cause| class_of(cause, key)),
    }
}

/// The class of a failed request's cause where it is given for a row.
fn class_of(cause: Cause, key: &str) -> Class {
    match cause {
        Cause::CredentialsRejected
        | Cause::MissingScope
        | Cause::AccessDenied
        | Cause::ServiceDisabled
        | Cause::UnsupportedVersion => Class::Blocked(Matter::Account),
        Cause::NotAllowlisted => Class::Blocked(Matter::NotAllowlisted),
        Cause::NotFound => Class::Blocked(Matter::Action),
        Cause::RateLimited | Cause::QuotaExhausted => Class::Wait(reason::QUOTA_EXHAUSTED),
        Cause::Unavailable => Class::Wait(reason::UPSTREAM_UNAVAILABLE),
        Cause::Refused | Cause::NameTaken | Cause::Malformed | Cause::TooLarge if is_known_key(key) => Class::Rejected,
        Cause::Refused | Cause::NameTaken | Cause::Malformed | Cause::TooLarge => Class::Unknown,
    }
}

/// The names of both APIs' upload errors, with or without prefix.
fn upload_class(name: &str) -> Class {
    let name = bare_name(name);
    match name {
        "TOO_RECENT_CLICK" | "TOO_RECENT_CALL" | "TOO_RECENT_EVENT" => Class::Wait(reason::CLICK_TOO_RECENT),
        "DESTINATION_TOO_RECENTLY_CREATED"
        | "CONVERSION_ACTION_TOO_RECENTLY_CREATED"
        | "TOO_RECENT_CONVERSION_ACTION" => Class::Wait(reason::ACTION_TOO_NEW),
        "CONVERSION_NOT_FOUND" | "TOO_RECENT_CONVERSION" => Class::Wait(reason::AWAITING_WEB_CONVERSION),
        "RESOURCE_EXHAUSTED" => Class::Wait(reason::QUOTA_EXHAUSTED),
        "INTERNAL_ERROR" | "DEADLINE_EXCEEDED" => Class::Wait(reason::UPSTREAM_UNAVAILABLE),
        "INVALID_REQUEST_ID" | "REQUEST_TOO_OLD" => Class::Forgotten,
        "NOT_ALLOWLISTED" => Class::Blocked(Matter::NotAllowlisted),
        _ if DELIVERED.contains(&name) => Class::Delivered,
        _ if TOO_LARGE.contains(&name) => Class::TooLarge,
        _ if ACCOUNT.contains(&name) => Class::Blocked(Matter::Account),
        _ if TERMS.contains(&name) => Class::Blocked(Matter::Terms),
        _ if ENHANCEMENTS.contains(&name) => Class::Blocked(Matter::Enhancements),
        _ if ACTION.contains(&name) => Class::Blocked(Matter::Action),
        _ if REJECTED.contains(&name) => Class::Rejected,
        _ if SILENT.contains(&name) => Class::SaysNothing,
        _ => Class::Unknown,
    }
}

/// The values of every enum for "none" and for "one that this version of the API has no name for".
const SILENT: [&str; 4] = [
    "UNSPECIFIED",
    "UNKNOWN",
    "ERROR_REASON_UNSPECIFIED",
    "REASON_UNSPECIFIED",
];

/// Google already has the conversion.
const DELIVERED: [&str; 8] = [
    "DUPLICATE_TRANSACTION_ID",
    "DUPLICATE_GCLID",
    "ORDER_ID_ALREADY_IN_USE",
    "CLICK_CONVERSION_ALREADY_EXISTS",
    "CALL_CONVERSION_ALREADY_EXISTS",
    "CONVERSION_ALREADY_ENHANCED",
    "MORE_RECENT_RESTATEMENT_FOUND",
    "RESTATEMENT_ALREADY_EXISTS",
];

/// The request was too large or repeated itself.
const TOO_LARGE: [&str; 10] = [
    "TOO_MANY_EVENTS",
    "TOO_MANY_DESTINATIONS",
    "DUPLICATE_DESTINATION_REFERENCE",
    "TOO_MANY_CONVERSIONS_IN_REQUEST",
    "DUPLICATE_ORDER_ID",
    "DUPLICATE_CLICK_CONVERSION_IN_REQUEST",
    "DUPLICATE_CALL_CONVERSION_IN_REQUEST",
    "TOO_MANY_ADJUSTMENTS_IN_REQUEST",
    "DUPLICATE_ADJUSTMENT_IN_REQUEST",
    "DUPLICATE_ENHANCEMENT_IN_REQUEST",
];

/// The account, or how accounts are linked, must be changed.
const ACCOUNT: [&str; 11] = [
    "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH",
    "DESTINATION_ACCOUNT_TYPE_MISMATCH",
    "MISMATCHED_ACCOUNT_TYPE",
    "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT",
    "UNSUPPORTED_OPERATING_ACCOUNT_FOR_DATA_PARTNER",
    "UNSUPPORTED_LINKED_ACCOUNT_FOR_DATA_PARTNER",
    "PERMISSION_DENIED",
    "REQUIRED_PREREQUISITE_LINK_MISSING",
    "DIFFERENT_LOGIN_ACCOUNTS_NOT_ALLOWED_FOR_DATA_PARTNER",
    "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED",
    "ACCOUNT_INELIGIBLE_FOR_STORE_SALES",
];

/// The customer data terms are not accepted, or a policy about customer data forbids it.
const TERMS: [&str; 7] = [
    "DESTINATION_ACCOUNT_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS",
    "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED",
    "TERMS_AND_CONDITIONS_NOT_SIGNED",
    "ADVERTISER_TOS_NOT_ACCEPTED",
    "CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS",
    "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS",
    "CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCEMENT",
];

/// Enhanced conversions are switched off.
const ENHANCEMENTS: [&str; 2] = [
    "DESTINATION_ACCOUNT_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS",
    "CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS",
];

/// The conversion action is unknown, of another account, or of a kind that takes no such upload.
const ACTION: [&str; 14] = [
    "INVALID_DESTINATION",
    "INVALID_CONVERSION_ACTION_ID",
    "INVALID_CONVERSION_ACTION_TYPE",
    "NOT_FOUND",
    "EXTERNAL_ATTRIBUTION_DATA_MISSING",
    "NO_CONVERSION_ACTION_FOUND",
    "EXTERNAL_ATTRIBUTION_DATA_SET_FOR_NON_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
    "EXTERNAL_ATTRIBUTION_DATA_NOT_SET_FOR_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
    "ORDER_ID_NOT_PERMITTED_FOR_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
    "EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION_NOT_PERMITTED_WITH_USER_IDENTIFIER",
    "CANNOT_RESTATE_CONVERSION_ACTION_THAT_ALWAYS_USES_DEFAULT_CONVERSION_VALUE",
    "CONVERSION_ACTION_NOT_ELIGIBLE_FOR_ENHANCEMENT",
    "CUSTOM_VARIABLE_NOT_ENABLED",
    "CUSTOM_VARIABLE_NOT_FOUND",
];

/// The row is refused for good. Among these are clicks of another account: no set-up of an account could make it take
/// them.
const REJECTED: [&str; 100] = [
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
    // The click belongs to another account, or its kind does not fit the action
    "INVALID_AD_IDENTIFIER_FOR_ACCOUNT",
    "ONE_PER_CLICK_CONVERSION_ACTION_NOT_PERMITTED_WITH_BRAID",
    "INVALID_OPERATING_ACCOUNT_FOR_CLICK",
    "OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER",
    "UNAUTHORIZED_CUSTOMER",
    "INVALID_CUSTOMER_FOR_CLICK",
    "INVALID_CUSTOMER_FOR_CALL",
];

#[cfg(test)]
#[path = "row_classes_tests.rs"]
mod tests;
