//! Maps Google's errors about a whole request to their cause (errors about rows: [`super::row_classes`]). Pure and
//! total: an unknown name is mapped by its HTTP status. Sources: docs/reference/google.md 2.4, 4.5, 6.5.

use crate::ports::Cause;

/// What an error of the Google Ads API means: `key` is the one key of `errorCode` (`quotaError`), `name` its value.
/// `None`: not in the table, the HTTP status decides.
#[expect(clippy::match_same_arms, reason = "a table reads by group, not by result")]
pub(crate) fn ads_cause(key: &str, name: &str) -> Option<Cause> {
    let cause = match (key, name) {
        // The customer id is wrong or out of reach, not the credential.
        ("authenticationError", "CUSTOMER_NOT_FOUND" | "CLIENT_CUSTOMER_ID_INVALID") => Cause::AccessDenied,
        ("authenticationError", _) => Cause::CredentialsRejected,
        ("authorizationError" | "resourceAccessDeniedError", _) => Cause::AccessDenied,
        ("operationAccessDeniedError", "OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE") => Cause::NotFound,
        (
            "operationAccessDeniedError",
            "ACTION_NOT_PERMITTED" | "MUTATE_ACTION_NOT_PERMITTED_FOR_CLIENT" | "MUTATE_NOT_PERMITTED_FOR_CUSTOMER",
        ) => Cause::AccessDenied,
        ("notAllowlistedError", _) => Cause::NotAllowlisted,
        ("quotaError", "RESOURCE_EXHAUSTED" | "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION") => {
            Cause::QuotaExhausted
        }
        ("quotaError", "ACCESS_PROHIBITED") => Cause::AccessDenied,
        ("quotaError", _) => Cause::RateLimited,
        ("internalError", "ERROR_CODE_NOT_PUBLISHED") | ("requestError", "UNSUPPORTED_VERSION") => {
            Cause::UnsupportedVersion
        }
        ("internalError", _)
        | ("databaseError", "CONCURRENT_MODIFICATION" | "DATA_CONSTRAINT_VIOLATION")
        | ("requestError", "RPC_DEADLINE_TOO_SHORT") => Cause::Unavailable,
        ("mutateError" | "requestError", "RESOURCE_NOT_FOUND") => Cause::NotFound,
        ("conversionActionError", "DUPLICATE_NAME") => Cause::NameTaken,
        // Ids that a person wrote into the account: wrong until they are changed.
        ("headerError", "INVALID_LOGIN_CUSTOMER_ID")
        | (
            "requestError",
            "CLOUD_PROJECT_NOT_FOUND"
            | "INVALID_CUSTOMER_ID"
            | "LOGIN_CUSTOMER_ID_PARAMETER_MISSING"
            | "CANNOT_BE_EXECUTED_BY_MANAGER_ACCOUNT",
        ) => Cause::AccessDenied,
        (key, _) if REFUSED_KEYS.contains(&key) => Cause::Refused,
        _ => return None,
    };
    Some(cause)
}

/// Groups in which every name that is not listed above means that this request is refused for good.
const REFUSED_KEYS: [&str; 23] = [
    "conversionUploadError",
    "conversionAdjustmentUploadError",
    "conversionActionError",
    "partialFailureError",
    "databaseError",
    "requestError",
    "headerError",
    "fieldError",
    "fieldMaskError",
    "dateError",
    "mutateError",
    "stringLengthError",
    "stringFormatError",
    "rangeError",
    "collectionSizeError",
    "distinctError",
    "currencyCodeError",
    "resourceCountLimitExceededError",
    "operationAccessDeniedError",
    "newResourceCreationError",
    "sizeLimitError",
    "queryError",
    "customerError",
];

/// True for a key of `errorCode` that the table knows.
pub(crate) fn is_known_key(key: &str) -> bool {
    REFUSED_KEYS.contains(&key)
}

/// True if Google says that it failed in the middle: a change may have happened although an answer came.
pub(crate) fn leaves_effect_open(key: &str, name: &str) -> bool {
    match (key, name) {
        ("internalError", name) => name != "ERROR_CODE_NOT_PUBLISHED",
        ("databaseError", name) => name == "CONCURRENT_MODIFICATION",
        _ => false,
    }
}

/// The same for an HTTP status. 409 means that an operation was broken off in favour of another one, which is often an
/// earlier request of ours whose effect nobody has seen.
pub(crate) const fn status_leaves_effect_open(status: u16) -> bool {
    matches!(status, 408 | 409 | 500..)
}

/// What a `google.rpc.ErrorInfo` reason means, for both APIs. `None`: the HTTP status decides.
/// `limit` is `metadata.quota_limit`, if given.
pub(crate) fn reason_cause(reason: &str, limit: Option<&str>) -> Option<Cause> {
    Some(match reason {
        "SERVICE_DISABLED" | "API_DISABLED" => Cause::ServiceDisabled,
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => Cause::MissingScope,
        "RATE_LIMIT_EXCEEDED" | "RESOURCE_QUOTA_EXCEEDED" | "RESOURCE_EXHAUSTED" => exhausted_cause(limit),
        "NOT_ALLOWLISTED" => Cause::NotAllowlisted,
        "PERMISSION_DENIED" => Cause::AccessDenied,
        "ACCESS_TOKEN_EXPIRED" | "ACCESS_TOKEN_TYPE_UNSUPPORTED" | "CREDENTIALS_MISSING" | "ACCOUNT_STATE_INVALID" => {
            Cause::CredentialsRejected
        }
        _ => return None,
    })
}

/// A used-up quota is a daily one if its name says so, otherwise one that refills within minutes.
pub(crate) fn exhausted_cause(limit: Option<&str>) -> Cause {
    match limit {
        Some(name) if name.to_ascii_lowercase().contains("day") => Cause::QuotaExhausted,
        _ => Cause::RateLimited,
    }
}

/// What an HTTP status means if nothing better is known.
pub(crate) fn status_cause(status: u16) -> Cause {
    match status {
        401 => Cause::CredentialsRejected,
        403 => Cause::AccessDenied,
        404 => Cause::UnsupportedVersion,
        408 | 409 | 425 | 500.. => Cause::Unavailable,
        429 => Cause::RateLimited,
        400..=499 => Cause::Refused,
        _ => Cause::Malformed,
    }
}

/// What a `google.rpc.Code` means where nothing else explains an error. Only the codes that speak of the request itself
/// refuse it: a conversion is never rejected because a service was down (docs/reference/google.md 8).
pub(crate) fn canonical_cause(code: Option<i64>) -> Cause {
    match code {
        // INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED
        Some(3 | 5 | 6 | 9 | 11 | 12) => Cause::Refused,
        Some(7) => Cause::AccessDenied,
        Some(8) => Cause::RateLimited,
        Some(16) => Cause::CredentialsRejected,
        _ => Cause::Unavailable,
    }
}

/// True for codes of the token endpoint by which Google says that it will do better later.
pub(crate) fn is_passing(code: &str) -> bool {
    matches!(code, "internal_failure" | "server_error" | "temporarily_unavailable")
}

/// What a refusal of the token endpoint means (docs/reference/google.md 8). `code` is the `error` field.
pub(crate) fn token_cause(status: u16, code: Option<&str>) -> Cause {
    match code {
        Some(code) if is_passing(code) => Cause::Unavailable,
        _ if status == 429 || status == 408 || status >= 500 => Cause::Unavailable,
        Some("invalid_scope") => Cause::MissingScope,
        Some(_) => Cause::CredentialsRejected,
        None => Cause::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_about_the_request_refuse_it() {
        let refused: Vec<i64> = (-1..=20)
            .filter(|code| canonical_cause(Some(*code)) == Cause::Refused)
            .collect();
        assert_eq!(refused, [3, 5, 6, 9, 11, 12]);
        for code in [None, Some(1), Some(2), Some(4), Some(13), Some(14), Some(i64::MAX)] {
            assert_eq!(canonical_cause(code), Cause::Unavailable, "{code:?}");
        }
    }

    #[test]
    fn the_table_names_a_cause_for_every_key_an_uploader_meets() {
        for key in REFUSED_KEYS {
            assert_eq!(ads_cause(key, "SOMETHING_NEW"), Some(Cause::Refused), "{key}");
        }
        for key in [
            "authenticationError",
            "authorizationError",
            "notAllowlistedError",
            "quotaError",
            "internalError",
        ] {
            assert!(
                ads_cause(key, "SOMETHING_NEW").is_some_and(|c| c != Cause::Refused),
                "{key}"
            );
        }
        assert_eq!(ads_cause("brandNewError", "X"), None);
    }

    #[test]
    fn names_with_a_meaning_of_their_own() {
        let table = [
            ("quotaError", "RESOURCE_EXHAUSTED", Cause::QuotaExhausted),
            (
                "quotaError",
                "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION",
                Cause::QuotaExhausted,
            ),
            ("quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", Cause::RateLimited),
            (
                "quotaError",
                "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION",
                Cause::RateLimited,
            ),
            ("quotaError", "ACCESS_PROHIBITED", Cause::AccessDenied),
            ("authenticationError", "OAUTH_TOKEN_REVOKED", Cause::CredentialsRejected),
            ("authenticationError", "NOT_ADS_USER", Cause::CredentialsRejected),
            ("authenticationError", "CUSTOMER_NOT_FOUND", Cause::AccessDenied),
            ("authorizationError", "USER_PERMISSION_DENIED", Cause::AccessDenied),
            (
                "authorizationError",
                "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION",
                Cause::AccessDenied,
            ),
            ("resourceAccessDeniedError", "WRITE_ACCESS_DENIED", Cause::AccessDenied),
            (
                "operationAccessDeniedError",
                "OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE",
                Cause::NotFound,
            ),
            ("headerError", "INVALID_LOGIN_CUSTOMER_ID", Cause::AccessDenied),
            ("headerError", "INVALID_LINKED_CUSTOMER_ID", Cause::Refused),
            ("requestError", "INVALID_CUSTOMER_ID", Cause::AccessDenied),
            ("mutateError", "RESOURCE_NOT_FOUND", Cause::NotFound),
            ("requestError", "RESOURCE_NOT_FOUND", Cause::NotFound),
            ("requestError", "UNSUPPORTED_VERSION", Cause::UnsupportedVersion),
            ("internalError", "ERROR_CODE_NOT_PUBLISHED", Cause::UnsupportedVersion),
            ("internalError", "TRANSIENT_ERROR", Cause::Unavailable),
            ("databaseError", "CONCURRENT_MODIFICATION", Cause::Unavailable),
            ("databaseError", "REQUEST_TOO_LARGE", Cause::Refused),
            ("conversionActionError", "DUPLICATE_NAME", Cause::NameTaken),
            (
                "notAllowlistedError",
                "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
                Cause::NotAllowlisted,
            ),
        ];
        for (key, name, cause) in table {
            assert_eq!(ads_cause(key, name), Some(cause), "{key} {name}");
        }
    }

    #[test]
    fn statuses_and_reasons_fall_into_classes() {
        assert_eq!(status_cause(503), Cause::Unavailable);
        assert_eq!(status_cause(429), Cause::RateLimited);
        assert_eq!(status_cause(404), Cause::UnsupportedVersion);
        assert_eq!(status_cause(413), Cause::Refused);
        assert_eq!(reason_cause("SERVICE_DISABLED", None), Some(Cause::ServiceDisabled));
        assert_eq!(
            reason_cause("RATE_LIMIT_EXCEEDED", Some("WritesPerDayPerProject")),
            Some(Cause::QuotaExhausted)
        );
        assert_eq!(
            reason_cause("RATE_LIMIT_EXCEEDED", Some("WritesPerMinutePerProject")),
            Some(Cause::RateLimited)
        );
        assert_eq!(reason_cause("INVALID_EVENT", None), None);
    }

    #[test]
    fn token_errors_fall_into_classes() {
        assert_eq!(token_cause(400, Some("invalid_grant")), Cause::CredentialsRejected);
        assert_eq!(token_cause(401, Some("invalid_client")), Cause::CredentialsRejected);
        assert_eq!(token_cause(400, Some("invalid_scope")), Cause::MissingScope);
        assert_eq!(token_cause(400, Some("temporarily_unavailable")), Cause::Unavailable);
        assert_eq!(token_cause(503, None), Cause::Unavailable);
        assert_eq!(token_cause(429, None), Cause::Unavailable);
        assert_eq!(token_cause(404, None), Cause::Malformed);
    }
}
