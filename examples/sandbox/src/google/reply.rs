//! Answers in the forms Google uses: `google.rpc.Status`, its details, and pages that are not JSON.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::schema::Violation;

/// A refusal with a `google.rpc.Status` body.
#[derive(Debug)]
pub struct Refusal {
    code: u16,
    body: Value,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal with the given HTTP code, canonical name, message and details.
    pub fn new(code: u16, status: &str, message: impl Into<String>, details: Vec<Value>) -> Self {
        let mut error = json!({"code": code, "message": message.into(), "status": status});
        if !details.is_empty() {
            error["details"] = Value::Array(details);
        }
        Self {
            code,
            body: json!({"error": error}),
            headers: Vec::new(),
        }
    }

    /// Adds a response header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body)).into_response();
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// A `google.rpc.ErrorInfo` detail.
pub fn error_info(reason: &str, domain: &str, metadata: &Value) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": domain, "metadata": metadata})
}

/// The front end's refusal of a request that does not fit its message.
pub fn malformed(violations: &[Violation]) -> Refusal {
    let list: Vec<Value> = violations
        .iter()
        .map(|v| {
            if v.field.is_empty() {
                json!({"description": v.description})
            } else {
                json!({"field": v.field, "description": v.description})
            }
        })
        .collect();
    let message = violations
        .iter()
        .map(|v| v.description.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let detail = json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": list});
    Refusal::new(400, "INVALID_ARGUMENT", message, vec![detail])
}

/// 401 for a request without usable credentials.
pub fn unauthenticated(reason: &str, service: &str) -> Refusal {
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
                   authentication credential.";
    let info = error_info(reason, "googleapis.com", &json!({"service": service}));
    Refusal::new(401, "UNAUTHENTICATED", message, vec![info]).with_header(
        "www-authenticate",
        "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"",
    )
}

/// 403 for a token that lacks the scope of the API.
pub fn scope_insufficient(service: &str) -> Refusal {
    let info = error_info(
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "googleapis.com",
        &json!({"service": service}),
    );
    Refusal::new(
        403,
        "PERMISSION_DENIED",
        "Request had insufficient authentication scopes.",
        vec![info],
    )
}

/// 403 for an API that is not enabled in the credential's project.
pub fn service_disabled(service: &str, title: &str, project: &str) -> Refusal {
    let url = format!("https://console.developers.google.com/apis/api/{service}/overview?project={project}");
    let message = format!(
        "{title} has not been used in project {project} before or it is disabled. Enable it by visiting {url} then retry. If \
         you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
    );
    let metadata = json!({"service": service, "consumer": format!("projects/{project}"), "serviceTitle": title, "activationUrl": url});
    let info = error_info("SERVICE_DISABLED", "googleapis.com", &metadata);
    let help = json!({"@type": "type.googleapis.com/google.rpc.Help", "links": [{"description": "Google developers console API activation", "url": url}]});
    Refusal::new(403, "PERMISSION_DENIED", message, vec![info, help])
}

/// The page Google shows for an address it does not serve.
pub fn not_found() -> Response {
    let page = "<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>\n<p><b>404.</b> <ins>That’s an error.</ins>\n\
                <p>The requested URL was not found on this server. <ins>That’s all we know.</ins>\n";
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "text/html; charset=UTF-8")],
        page,
    )
        .into_response()
}

/// Refuses a body that is not declared to be JSON.
pub fn require_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if declared
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    {
        return Ok(());
    }
    let description =
        format!("Invalid JSON payload received. Content-Type must be application/json, not {declared:?}.");
    Err(malformed(&[Violation {
        field: String::new(),
        description,
    }]))
}

/// Refuses query parameters other than the listed ones and `alt=json`; returns the values of the listed ones.
pub fn query(text: Option<&str>, known: &[&str]) -> Result<Vec<(String, String)>, Refusal> {
    let refuse = |description: String| {
        malformed(&[Violation {
            field: String::new(),
            description,
        }])
    };
    let pairs = super::encoding::form(text.unwrap_or_default()).ok_or_else(|| refuse("Malformed query.".to_owned()))?;
    let mut kept = Vec::new();
    for (name, value) in pairs {
        if known.contains(&name.as_str()) {
            kept.push((name, value));
        } else if name != "alt" || value != "json" {
            return Err(refuse(format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter."
            )));
        }
    }
    Ok(kept)
}
