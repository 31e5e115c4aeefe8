//! Reads the errors of token endpoints, which have a form of their own.

use serde_json::Value;

use crate::upstream::http::text::valid_code;

/// Errors of a token endpoint by RFC 6749 (5.2), as it spells them.
const OAUTH_ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// The code that token endpoints give in place of a category: an `error` (RFC 6749), or a `status` in capitals, as
/// HubSpot writes it. Other words come from somebody in between, and so do these in another answer.
pub(crate) fn token_code(value: &Value) -> Option<String> {
    let named = |key: &str| value.get(key).and_then(Value::as_str).and_then(valid_code);
    let is_code = |status: &String| status.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    named("error")
        .filter(|error| OAUTH_ERRORS.contains(&error.as_str()))
        .or_else(|| named("status").filter(is_code))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[rstest::rstest]
    #[case::revoked(json!({ "error": "invalid_grant", "error_description": "x" }), Some("invalid_grant"))]
    #[case::the_client(json!({ "error": "invalid_client" }), Some("invalid_client"))]
    #[case::hubspots(json!({ "status": "BAD_REFRESH_TOKEN", "message": "x" }), Some("BAD_REFRESH_TOKEN"))]
    #[case::a_gateway(json!({ "error": "Forbidden" }), None)]
    #[case::a_gateway_by_status(json!({ "status": "unauthorized" }), None)]
    #[case::nothing(json!({ "status": "error", "message": "x" }), None)]
    #[case::a_number(json!({ "status": 403, "error": "Forbidden" }), None)]
    fn codes_are_those_of_the_endpoints_own_form(#[case] body: Value, #[case] expected: Option<&str>) {
        assert_eq!(token_code(&body).as_deref(), expected);
    }
}
