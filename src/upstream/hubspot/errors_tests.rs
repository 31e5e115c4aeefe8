use reqwest::header::HeaderMap;
use serde_json::json;

use super::*;

fn verdict(status: u16, body: &Value) -> (Cause, QuickRetry) {
    let verdict = classify_error(status, &ErrorBody::from_value(body));
    (verdict.cause, verdict.again)
}

#[test]
fn every_row_of_the_status_table() {
    let none = json!({});
    let category = |category: &str| json!({ "category": category, "message": "m" });
    let policy = |policy: &str| json!({ "errorType": "RATE_LIMIT", "policyName": policy });
    let rows = [
        (400, category("VALIDATION_ERROR"), Cause::Refused, QuickRetry::No),
        (401, none.clone(), Cause::CredentialsRejected, QuickRetry::No),
        (403, category("MISSING_SCOPES"), Cause::MissingScope, QuickRetry::No),
        (403, category("FORBIDDEN"), Cause::AccessDenied, QuickRetry::No),
        (403, none.clone(), Cause::AccessDenied, QuickRetry::No),
        (404, category("OBJECT_NOT_FOUND"), Cause::NotFound, QuickRetry::No),
        (404, none.clone(), Cause::UnsupportedVersion, QuickRetry::No),
        (408, none.clone(), Cause::Unavailable, QuickRetry::No),
        (410, none.clone(), Cause::UnsupportedVersion, QuickRetry::No),
        (414, none.clone(), Cause::Refused, QuickRetry::No),
        (423, none.clone(), Cause::Unavailable, QuickRetry::Locked),
        (429, policy("SECONDLY"), Cause::RateLimited, QuickRetry::Secondly),
        (
            429,
            policy("TEN_SECONDLY_ROLLING"),
            Cause::RateLimited,
            QuickRetry::TenSecondly,
        ),
        (429, policy("DAILY"), Cause::QuotaExhausted, QuickRetry::No),
        (429, none.clone(), Cause::RateLimited, QuickRetry::Soon),
        (477, none.clone(), Cause::Unavailable, QuickRetry::No),
        (500, none.clone(), Cause::Unavailable, QuickRetry::Soon),
        (502, none.clone(), Cause::Unavailable, QuickRetry::Soon),
        (503, none.clone(), Cause::Unavailable, QuickRetry::Soon),
        (504, none.clone(), Cause::Unavailable, QuickRetry::Soon),
        (521, none.clone(), Cause::Unavailable, QuickRetry::No),
        (522, none.clone(), Cause::Unavailable, QuickRetry::No),
        (523, none.clone(), Cause::Unavailable, QuickRetry::No),
        (524, none.clone(), Cause::Unavailable, QuickRetry::No),
        (525, none.clone(), Cause::Unavailable, QuickRetry::No),
        (526, none.clone(), Cause::Unavailable, QuickRetry::No),
        (530, none.clone(), Cause::CredentialsRejected, QuickRetry::No),
        (418, none.clone(), Cause::Refused, QuickRetry::No),
        (599, none.clone(), Cause::Unavailable, QuickRetry::No),
        (302, none.clone(), Cause::Malformed, QuickRetry::No),
        (700, none, Cause::Malformed, QuickRetry::No),
    ];
    for (status, body, cause, again) in rows {
        assert_eq!(verdict(status, &body), (cause, again), "{status} {body}");
    }
}

#[test]
fn newer_rate_limit_bodies_name_the_limit_in_the_message_only() {
    let body = |message: &str| json!({ "category": "RATE_LIMITS", "message": message });
    assert_eq!(
        verdict(429, &body("You have reached your daily limit.")),
        (Cause::QuotaExhausted, QuickRetry::No)
    );
    assert_eq!(
        verdict(429, &body("You have reached your secondly limit.")),
        (Cause::RateLimited, QuickRetry::Secondly)
    );
    let ten = body("You have reached your ten_secondly_rolling limit.");
    assert_eq!(verdict(429, &ten), (Cause::RateLimited, QuickRetry::TenSecondly));
    assert_eq!(verdict(400, &ten), (Cause::RateLimited, QuickRetry::TenSecondly));
}

/// The error of an answer without headers.
fn error_of(status: u16, body: &Value) -> UpstreamError {
    let body = body.to_string();
    answer_error(
        status,
        &HeaderMap::new(),
        body.as_bytes(),
        Some(""),
        Timestamp::UNIX_EPOCH,
    )
    .0
}

#[test]
fn missing_scopes_are_named_wherever_they_stand() {
    for key in ["requiredGranularScopes", "requiredScopes", "missingScopes"] {
        let body = json!({ "errors": [{ "context": { key: ["crm.objects.deals.read"] } }] });
        let error = error_of(403, &body);
        assert_eq!(error.cause, Cause::MissingScope);
        assert!(error.message.contains("crm.objects.deals.read"), "{}", error.message);
    }
}

#[test]
fn values_are_cut_out_of_messages() {
    let sent = r#"{"properties":["no_such_property","hs_v2_date_entered_1066237962"]}"#;
    for (message, expected) in [
        (
            r#"Property "no_such_property" does not exist"#,
            "Property no_such_property does not exist",
        ),
        (r#"Property "ann_lee" does not exist"#, "Property … does not exist"),
        (
            r#"Property "hs_v2_date_entered_1066237962" does not exist"#,
            "Property hs_v2_date_entered_1066237962 does not exist",
        ),
        (
            "There is no hs_v2_date_entered_1066237962.",
            "There is no hs_v2_date_entered_1066237962.",
        ),
        ("There is no hs_v2_date_entered_555.", "There is no …"),
        ("'O'Brien' isn't an option", "… isn't an option"),
        (r#"value "a \"b\" secret" is bad"#, "value … is bad"),
        ("value “Ann Lee” is bad", "value … is bad"),
        ("never closed 'Ann Lee is bad", "never closed …"),
        ("ann@example.com is bad", "… is bad"),
        ("phone +491711234567 is bad", "phone … is bad"),
        ("click EAIaIQobChMI2abcDEF9 is bad", "click … is bad"),
        ("Ann Lee and pat-na1-abc and ya29.x are bad", "… and … and … are bad"),
        (
            r#"Property values were not valid: [{"name":"Ann"}] Ann"#,
            "Property values were not valid:",
        ),
        (
            "The maximum number of inputs is 50",
            "The maximum number of inputs is 50",
        ),
    ] {
        assert_eq!(without_values(message, sent), expected);
    }
}

#[test]
fn only_categories_about_the_request_show_the_servers_words() {
    let body = json!({ "category": "OBJECT_NOT_FOUND", "message": "Ann is gone", "correlationId": "c-1" });
    let error = error_of(404, &body);
    assert!(!error.to_string().contains("Ann"));
    assert_eq!(error.code.as_deref(), Some("OBJECT_NOT_FOUND"));
    assert_eq!(error.request_id.as_deref(), Some("c-1"));
}

#[test]
fn messages_are_bounded() {
    let body = json!({ "category": "VALIDATION_ERROR", "message": "far too long ".repeat(100) });
    let error = error_of(400, &body);
    assert_eq!(error.message.chars().count(), 512);
}

#[test]
fn a_redirect_names_itself_and_codes_are_codes() {
    let (error, again) = answer_error(302, &HeaderMap::new(), b"", Some(""), Timestamp::UNIX_EPOCH);
    assert_eq!((error.cause, again), (Cause::Malformed, QuickRetry::No));
    assert!(error.message.contains("redirect"), "{error}");
    for odd in ["anna maier, +49 30 123456", "4930123456789", &"A".repeat(1 << 20)] {
        let body = json!({ "category": odd, "subCategory": odd, "policyName": odd, "correlationId": odd });
        let error = error_of(400, &body);
        assert_eq!((error.code, error.message.as_str()), (None, "HTTP 400"));
    }
}
