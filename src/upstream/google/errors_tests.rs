#![allow(clippy::panic)]

use serde_json::json;

use super::*;
use crate::upstream::google::test_support::ads_error;

fn failure(api: Api, kind: CallKind, status: u16, body: &str) -> CallFailure {
    let answer = RawAnswer {
        api,
        kind,
        partial: false,
        status,
        body: body.into(),
        request_id: Some("req-1".to_owned()),
        retry_after: None,
    };
    match answer.into_json() {
        Ok(json) => panic!("no error: {}", *json),
        Err(failure) => *failure,
    }
}

fn failed_change(api: Api, status: u16, body: &str) -> CallFailure {
    failure(api, CallKind::Changes, status, body)
}

fn failed_read(api: Api, status: u16, body: &str) -> CallFailure {
    failure(api, CallKind::Reads, status, body)
}

fn ads(status: u16, key: &str, name: &str, extra: &Value) -> CallFailure {
    failed_change(Api::Ads, status, &ads_error(status, key, name, extra).to_string())
}

fn info(reason: &str, status: u16, metadata: &Value) -> String {
    json!({"error": {"code": status, "status": "PERMISSION_DENIED", "message": "x",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
            "metadata": metadata}]}})
    .to_string()
}

/// Status, key, name; cause, effect of a mutate.
type AdsRow = (u16, &'static str, &'static str, Cause, Effect);

const ADS_ERRORS: &[AdsRow] = &[
    (
        400,
        "conversionActionError",
        "DUPLICATE_NAME",
        Cause::NameTaken,
        Effect::None,
    ),
    (400, "mutateError", "RESOURCE_NOT_FOUND", Cause::NotFound, Effect::None),
    (
        400,
        "requestError",
        "UNSUPPORTED_VERSION",
        Cause::UnsupportedVersion,
        Effect::None,
    ),
    (
        401,
        "authenticationError",
        "OAUTH_TOKEN_REVOKED",
        Cause::CredentialsRejected,
        Effect::None,
    ),
    (
        403,
        "authorizationError",
        "USER_PERMISSION_DENIED",
        Cause::AccessDenied,
        Effect::None,
    ),
    (
        403,
        "notAllowlistedError",
        "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
        Cause::NotAllowlisted,
        Effect::None,
    ),
    (
        429,
        "quotaError",
        "RESOURCE_EXHAUSTED",
        Cause::QuotaExhausted,
        Effect::None,
    ),
    (
        429,
        "quotaError",
        "RESOURCE_TEMPORARILY_EXHAUSTED",
        Cause::RateLimited,
        Effect::None,
    ),
    (
        500,
        "internalError",
        "INTERNAL_ERROR",
        Cause::Unavailable,
        Effect::Unknown,
    ),
    (
        400,
        "internalError",
        "TRANSIENT_ERROR",
        Cause::Unavailable,
        Effect::Unknown,
    ),
    (
        409,
        "databaseError",
        "CONCURRENT_MODIFICATION",
        Cause::Unavailable,
        Effect::Unknown,
    ),
    (
        400,
        "databaseError",
        "CONCURRENT_MODIFICATION",
        Cause::Unavailable,
        Effect::Unknown,
    ),
    (
        400,
        "databaseError",
        "DATA_CONSTRAINT_VIOLATION",
        Cause::Unavailable,
        Effect::None,
    ),
    (409, "aNewError", "A_NEW_NAME", Cause::Unavailable, Effect::Unknown),
    (425, "aNewError", "A_NEW_NAME", Cause::Unavailable, Effect::None),
    (400, "aNewError", "A_NEW_NAME", Cause::Refused, Effect::None),
    (403, "aNewError", "A_NEW_NAME", Cause::AccessDenied, Effect::None),
    (503, "aNewError", "A_NEW_NAME", Cause::Unavailable, Effect::Unknown),
];

#[test]
fn every_class_of_ads_errors() {
    for &(status, key, name, cause, effect) in ADS_ERRORS {
        let error = ads(status, key, name, &Value::Null).error;
        assert_eq!((error.cause, error.effect), (cause, effect), "{key} {name}");
        assert_eq!(error.code.as_deref(), Some(name));
        assert_eq!(error.status, Some(status));
    }
}

#[test]
fn the_message_names_code_field_and_request_and_no_value() {
    let error = ads(400, "conversionActionError", "DUPLICATE_NAME", &Value::Null).error;
    assert_eq!(
        error.message,
        "DUPLICATE_NAME: operations[0].create.name The value … is wrong. (request-id req-1)"
    );
    assert_eq!(error.request_id.as_deref(), Some("req-1"));
    assert_eq!(error.to_string(), format!("Google Ads: {}", error.message));
}

#[test]
fn long_messages_keep_the_request_id() {
    let mut body = ads_error(400, "fieldError", "REQUIRED", &Value::Null);
    body["error"]["details"][0]["errors"][0]["message"] = Value::from("very long words ".repeat(100));
    let message = failed_read(Api::Ads, 400, &body.to_string()).error.message;
    assert!(
        message.chars().count() <= 512 && message.ends_with("(request-id req-1)"),
        "{message}"
    );
}

#[test]
fn retry_delay_and_scope_of_a_quota() {
    let quota =
        |scope: &str| json!({"quotaErrorDetails": {"rateScope": scope, "rateName": "x", "retryDelay": "30.5s"}});
    let failed = ads(429, "quotaError", "RESOURCE_EXHAUSTED", &quota("ACCOUNT"));
    assert_eq!(failed.error.retry_after, Some(SignedDuration::from_millis(30_500)));
    assert!(failed.account_only);
    assert!(!ads(429, "quotaError", "RESOURCE_EXHAUSTED", &quota("DEVELOPER")).account_only);
    let absurd = json!({"quotaErrorDetails": {"retryDelay": "99999999s"}});
    assert_eq!(
        ads(429, "quotaError", "X", &absurd).error.retry_after,
        Some(SignedDuration::from_hours(1))
    );
}

#[test]
fn an_error_in_a_list_is_read_like_one_without() {
    let body = json!([ads_error(400, "queryError", "BAD_FIELD_NAME", &Value::Null)]).to_string();
    let error = failed_read(Api::Ads, 400, &body).error;
    assert_eq!(
        (error.cause, error.code.as_deref()),
        (Cause::Refused, Some("BAD_FIELD_NAME"))
    );
}

#[test]
fn a_partial_failure_is_a_failure() {
    let name = "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE";
    let mut body = json!({"results": [{}]});
    body["partialFailureError"] = ads_error(3, "notAllowlistedError", name, &Value::Null)["error"].clone();
    let error = failed_change(Api::Ads, 200, &body.to_string()).error;
    assert_eq!((error.cause, error.effect), (Cause::NotAllowlisted, Effect::None));
    assert_eq!((error.code.as_deref(), error.status), (Some(name), Some(200)));
}

#[test]
fn switched_off_apis_and_missing_scopes_are_named() {
    for (api, host) in [
        (Api::Ads, "googleads.googleapis.com"),
        (Api::DataManager, "datamanager.googleapis.com"),
    ] {
        let metadata = json!({"service": host, "consumer": "projects/4711"});
        let error = failed_change(api, 403, &info("SERVICE_DISABLED", 403, &metadata)).error;
        assert_eq!(
            (error.cause, error.code.as_deref()),
            (Cause::ServiceDisabled, Some("SERVICE_DISABLED"))
        );
        assert!(
            error.message.contains(host) && error.message.contains("4711"),
            "{}",
            error.message
        );
        let error = failed_change(api, 403, &info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", 403, &metadata)).error;
        assert_eq!(error.cause, Cause::MissingScope);
        assert!(error.message.contains(api.oauth_scope()), "{}", error.message);
    }
}

#[test]
fn the_quota_that_is_used_up_is_named() {
    let metadata = json!({"quota_limit": "IngestionRequestsPerDayPerProject"});
    let error = failed_change(Api::DataManager, 429, &info("RATE_LIMIT_EXCEEDED", 429, &metadata)).error;
    assert_eq!((error.cause, error.effect), (Cause::QuotaExhausted, Effect::None));
    assert!(
        error.message.contains("IngestionRequestsPerDayPerProject"),
        "{}",
        error.message
    );
    let minute = json!({"quota_limit": "IngestionRequestsPerMinutePerProject"});
    let error = failed_change(Api::DataManager, 429, &info("RATE_LIMIT_EXCEEDED", 429, &minute)).error;
    assert_eq!(error.cause, Cause::RateLimited);
}

/// A partial failure without details is read by its canonical code: what is not about the rows leaves them open.
#[test]
fn a_partial_failure_without_details_refuses_only_by_its_code() {
    for (code, cause, effect) in [
        (json!(14), Cause::Unavailable, Effect::Unknown),
        (json!(13), Cause::Unavailable, Effect::Unknown),
        (json!("4"), Cause::Unavailable, Effect::Unknown),
        (json!(null), Cause::Unavailable, Effect::Unknown),
        (json!(8), Cause::RateLimited, Effect::None),
        (json!(3), Cause::Refused, Effect::None),
    ] {
        let body = json!({"results": [{}], "partialFailureError": {"code": code, "message": "x"}}).to_string();
        let error = failed_change(Api::Ads, 200, &body).error;
        assert_eq!((error.cause, error.effect), (cause, effect), "{code}");
    }
}

#[test]
fn answers_that_are_not_googles() {
    let table = [
        (400, Cause::Malformed, Effect::None),
        (401, Cause::Malformed, Effect::None),
        (403, Cause::Malformed, Effect::None),
        (404, Cause::UnsupportedVersion, Effect::None),
        (408, Cause::Unavailable, Effect::Unknown),
        (413, Cause::TooLarge, Effect::None),
        (429, Cause::RateLimited, Effect::None),
        (409, Cause::Malformed, Effect::Unknown),
        (502, Cause::Unavailable, Effect::Unknown),
        (200, Cause::Malformed, Effect::Unknown),
    ];
    for (status, cause, effect) in table {
        let error = failed_change(Api::Ads, status, "<html>anna@example.com</html>").error;
        assert_eq!((error.cause, error.effect), (cause, effect), "{status}");
        assert!(!error.message.contains("anna"), "{}", error.message);
        // What changes nothing can't have had an effect.
        assert_eq!(failed_read(Api::Ads, status, "<html>").error.effect, Effect::None);
    }
    assert_eq!(
        failed_change(Api::Ads, 200, "{\"results\": [").error.cause,
        Cause::Malformed
    );
    assert_eq!(failed_change(Api::Ads, 200, "\"text\"").error.cause, Cause::Malformed);
}

#[test]
fn a_fast_fail_names_rows_and_destinations() {
    let body = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "anna@example.com", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INVALID_ARGUMENT",
         "domain": "datamanager.googleapis.com", "metadata": {"requestId": "dm-7"}},
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [
            {"field": "events.events[12].event_source", "description": "anna@example.com", "reason": "REQUIRED_FIELD_MISSING"},
            {"field": "destinations[0].product_destination_id", "description": "x", "reason": "INVALID_CONVERSION_ACTION_ID"}]}]}});
    let failed = failed_change(Api::DataManager, 400, &body.to_string());
    assert_eq!(
        (failed.error.cause, failed.error.effect),
        (Cause::Refused, Effect::None)
    );
    // The reason of what concerns no row is the request's; a row's reason stays with the row.
    assert_eq!(failed.error.code.as_deref(), Some("INVALID_CONVERSION_ACTION_ID"));
    assert_eq!(
        failed.violations,
        [
            Violation {
                row: Some(12),
                destination: None,
                field: "events.events[12].event_source".to_owned(),
                code: data_manager_code("REQUIRED_FIELD_MISSING")
            },
            Violation {
                row: None,
                destination: Some(0),
                field: "destinations[0].product_destination_id".to_owned(),
                code: data_manager_code("INVALID_CONVERSION_ACTION_ID")
            },
        ]
    );
    assert!(
        failed
            .error
            .message
            .contains("REQUIRED_FIELD_MISSING at events.events[12].event_source")
    );
    assert!(!failed.error.message.contains("anna"), "{}", failed.error.message);
}

#[test]
fn a_fast_fail_without_violations_keeps_its_code() {
    let metadata = json!({"requestId": "dm-8"});
    for reason in [
        "INVALID_REQUEST_ID",
        "REQUEST_TOO_OLD",
        "NOT_ALLOWLISTED",
        "A_NEW_REASON",
    ] {
        let failed = failed_read(Api::DataManager, 400, &info(reason, 400, &metadata));
        assert_eq!(
            (failed.error.cause, failed.error.code.as_deref()),
            (Cause::Refused, Some(reason))
        );
        assert!(failed.violations.is_empty());
    }
    let gone = failed_read(Api::DataManager, 404, &info("INVALID_REQUEST_ID", 404, &metadata)).error;
    assert_eq!(
        (gone.cause, gone.code.as_deref()),
        (Cause::NotFound, Some("INVALID_REQUEST_ID"))
    );
}

#[test]
fn a_status_without_details_falls_to_its_http_class() {
    let body = |status: &str| json!({"error": {"code": 0, "status": status, "message": "x"}}).to_string();
    let table = [
        (400, "FAILED_PRECONDITION", Cause::Refused),
        (403, "PERMISSION_DENIED", Cause::AccessDenied),
        (404, "NOT_FOUND", Cause::UnsupportedVersion),
        (429, "RESOURCE_EXHAUSTED", Cause::RateLimited),
        (503, "UNAVAILABLE", Cause::Unavailable),
        (504, "DEADLINE_EXCEEDED", Cause::Unavailable),
    ];
    for (http, status, cause) in table {
        let error = failed_read(Api::Ads, http, &body(status)).error;
        assert_eq!((error.cause, error.code.as_deref()), (cause, Some(status)));
    }
}

#[test]
fn wrong_types_inside_an_error_are_no_panic() {
    for body in [
        json!({"error": {"details": "x"}}),
        json!({"error": {"details": [7, null, {"@type": 1, "errors": [{"errorCode": [], "location": 3}]}]}}),
        json!({"error": {"details": [{"errors": [{"errorCode": {"a": {}}, "details": {"quotaErrorDetails": {"retryDelay": "-1s"}}}]}]}}),
    ] {
        assert_eq!(
            failed_change(Api::Ads, 400, &body.to_string()).error.cause,
            Cause::Refused
        );
    }
}
