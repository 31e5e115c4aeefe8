//! HubSpot's answers: bodies of errors, headers.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

/// An answer before headers are added.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Body; the correlation id is added to errors later.
    pub body: Value,
}

/// Answer or error; both end up as a response.
pub type Outcome = Result<Answer, Answer>;

impl Answer {
    /// 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
        }
    }

    /// An error with a category.
    pub fn error(status: StatusCode, category: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            body: json!({"status": "error", "message": message.into(), "category": category}),
        }
    }

    /// 400 `VALIDATION_ERROR`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::error(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }

    /// 404 `OBJECT_NOT_FOUND`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::error(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", message)
    }

    /// 429 in the shape that still has `errorType` and `policyName`.
    pub fn too_many(policy: &str, message: &str, group: Option<String>) -> Self {
        let mut body = json!({"status": "error", "message": message, "errorType": "RATE_LIMIT", "policyName": policy});
        if let Some(group) = group {
            body["groupName"] = Value::from(group);
        }
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            body,
        }
    }

    /// 403 `MISSING_SCOPES`; any one of `scopes` would do.
    pub fn missing_scopes(scopes: &[&str]) -> Self {
        let page = "https://developers.hubspot.com/scopes";
        let mut answer = Self::error(
            StatusCode::FORBIDDEN,
            "MISSING_SCOPES",
            format!(
                "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: {page}."
            ),
        );
        answer.body["links"] = json!({"scopes": page});
        answer.body["errors"] = json!([{
            "message": "One or more of the following scopes are required.",
            "context": {"requiredGranularScopes": scopes},
        }]);
        answer
    }

    /// The response, with a correlation id in the headers and in the body of an error.
    pub fn into_response(mut self, correlation_id: &str, extra: HeaderMap) -> Response {
        if self.status.is_client_error() || self.status.is_server_error() {
            if self.body.is_object() {
                self.body["correlationId"] = Value::from(correlation_id);
            }
            if self.status == StatusCode::TOO_MANY_REQUESTS {
                self.body["requestId"] = Value::from(correlation_id);
            }
        }
        let mut response = Response::new(Body::from(self.body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(extra);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json;charset=utf-8"),
        );
        if let Ok(value) = HeaderValue::from_str(correlation_id) {
            headers.insert(HeaderName::from_static("x-hubspot-correlation-id"), value);
        }
        response
    }
}

/// The rate-limit headers of a call that is not a search; the daily ones are absent for OAuth apps.
pub fn rate_headers(max: u32, remaining: u32, daily: Option<(u64, u64)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put =
        |name: &'static str, value: u64| headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    put("x-hubspot-ratelimit-max", max.into());
    put("x-hubspot-ratelimit-remaining", remaining.into());
    put("x-hubspot-ratelimit-interval-milliseconds", 10_000);
    if let Some((limit, left)) = daily {
        put("x-hubspot-ratelimit-daily", limit);
        put("x-hubspot-ratelimit-daily-remaining", left);
    }
    headers
}
