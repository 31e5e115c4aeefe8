//! The Data Manager API, v1: `events:ingest` and `requestStatus:retrieve`.

pub mod destinations;
pub mod events;
pub mod identifiers;
pub mod process;
pub mod request;
pub mod status;
pub mod store;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::auth::{DATA_MANAGER, Principal, Unusable};
use super::reply::{self, Refusal, error_info};
use super::schema::{Violation, parse, snake};
use super::state::Google;
use super::with_google;
use crate::world::Shared;
use destinations::Refused;

const SERVICE: &str = "datamanager.googleapis.com";

/// A field that refuses the request.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Path in `snake_case`, with indices; empty when none is named.
    pub field: String,
    /// An `ErrorReason` name.
    pub reason: String,
    /// What is wrong.
    pub description: String,
}

impl Fault {
    /// A fault of a field.
    pub fn new(field: impl Into<String>, reason: &str, description: &str) -> Self {
        Self {
            field: field.into(),
            reason: reason.to_owned(),
            description: description.to_owned(),
        }
    }
}

/// A field that is ignored.
#[derive(Clone, Debug)]
pub struct Warning {
    /// Path in `snake_case`, with indices.
    pub field: String,
    /// A `WarningReason` name.
    pub reason: &'static str,
    /// What is wrong.
    pub description: &'static str,
}

/// The refusal of a whole request, with the fields that caused it.
fn fast_fail(google: &Google, reason: &str, faults: &[Fault], request_id: &str) -> Refusal {
    let settings = &google.settings;
    let named = faults.iter().filter(|fault| !fault.field.is_empty());
    let limit = if settings.no_violations {
        0
    } else {
        settings.max_violations.unwrap_or(usize::MAX)
    };
    let violations: Vec<Value> = named
        .take(limit)
        .map(|fault| {
            let reason = settings.reason_override.as_ref().unwrap_or(&fault.reason);
            json!({"field": fault.field, "description": fault.description, "reason": reason})
        })
        .collect();
    let mut details = vec![
        error_info(reason, SERVICE, &json!({"requestId": request_id})),
        json!({"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id}),
    ];
    if !violations.is_empty() {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}));
    }
    Refusal::new(
        400,
        "INVALID_ARGUMENT",
        "There was a problem with the request.",
        details,
    )
}

/// Authentication, the API's switch, scope and quota.
fn admit(google: &mut Google, headers: &HeaderMap, kind: &'static str, now: Timestamp) -> Result<Principal, Refusal> {
    let principal = google.credentials.principal(headers, now).map_err(|why| {
        let reason = match why {
            Unusable::Missing => "CREDENTIALS_MISSING",
            Unusable::Invalid | Unusable::Revoked => "ACCESS_TOKEN_INVALID",
            Unusable::Expired => "ACCESS_TOKEN_EXPIRED",
        };
        reply::unauthenticated(reason, SERVICE)
    })?;
    if google.settings.data_manager_disabled {
        return Err(reply::service_disabled(SERVICE, "Data Manager API", &principal.project));
    }
    if !principal.scopes.contains(DATA_MANAGER) {
        return Err(reply::scope_insufficient(SERVICE));
    }
    google
        .book_request(&principal.project, kind, now)
        .map_err(|wait| exhausted(kind, &principal.project, wait))?;
    Ok(principal)
}

fn exhausted(kind: &str, project: &str, wait: SignedDuration) -> Refusal {
    let metadata = json!({
        "service": SERVICE,
        "consumer": format!("projects/{project}"),
        "quota_limit": format!("{kind}PerMinutePerProject"),
        "quota_metric": format!("{SERVICE}/{}_requests", snake(kind)),
    });
    let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{}s", wait.as_secs().max(1))});
    let info = error_info("RATE_LIMIT_EXCEEDED", "googleapis.com", &metadata);
    Refusal::new(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for quota metric.",
        vec![info, retry],
    )
}

fn respond(answer: Result<Value, Refusal>) -> Response {
    match answer {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// `POST /v1/events:ingest`.
pub async fn ingest(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    respond(with_google(&shared, |google, now| {
        let principal = admit(google, &headers, "IngestionRequests", now)?;
        reply::query(uri.query(), &[])?;
        reply::require_json(&headers)?;
        let message = parse(&body, &request::INGEST).map_err(|violations| reply::malformed(&violations))?;
        take_in(google, &message, &principal, now)
    }))
}

fn take_in(google: &mut Google, message: &Value, principal: &Principal, now: Timestamp) -> Result<Value, Refusal> {
    let request_id = google.fresh_id();
    let found = match destinations::check(google, message, principal, now) {
        Ok(found) => found,
        Err(Refused::Faults(faults)) => return Err(fast_fail(google, "INVALID_ARGUMENT", &faults, &request_id)),
        Err(Refused::Permission) => {
            let info = error_info("PERMISSION_DENIED", SERVICE, &json!({"requestId": request_id}));
            let request = json!({"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id});
            return Err(Refusal::new(
                403,
                "PERMISSION_DENIED",
                "The caller does not have permission",
                vec![info, request],
            ));
        }
    };
    let mut checked = events::check(google, message, &found, now);
    for event in &checked.events {
        if let Some(bad) = google.ingestion.bad_rows.get(&event.transaction_id) {
            let field = if bad.named {
                format!("events.events[{}].{}", event.index, bad.field)
            } else {
                String::new()
            };
            checked
                .faults
                .push(Fault::new(field, &bad.reason, "The event is not valid."));
        }
    }
    if !checked.faults.is_empty() {
        return Err(fast_fail(google, "INVALID_ARGUMENT", &checked.faults, &request_id));
    }
    let mut answer = json!({"requestId": request_id});
    if !checked.warnings.is_empty() {
        let list = checked
            .warnings
            .iter()
            .map(|w| json!({"reason": w.reason, "description": w.description, "field": w.field}));
        answer["fieldWarnings"] = list.collect();
    }
    if message["validateOnly"] != true {
        let due = now
            .checked_add(google.settings.processing_delay)
            .unwrap_or(Timestamp::MAX);
        let request = store::Request {
            project: principal.project.clone(),
            at: now,
            destinations: found,
            events: checked.events,
            forgotten: false,
            outcome: None,
        };
        google.ingestion.enqueue(request_id, request, due);
        google.settle(now);
    }
    Ok(answer)
}

/// `GET /v1/requestStatus:retrieve`.
pub async fn retrieve(State(shared): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    respond(with_google(&shared, |google, now| {
        let principal = admit(google, &headers, "StatusRequests", now)?;
        let pairs = reply::query(uri.query(), &["requestId"])?;
        let [(_, id)] = pairs.as_slice() else {
            let description = "requestId must be given exactly once.".to_owned();
            return Err(reply::malformed(&[Violation {
                field: "request_id".to_owned(),
                description,
            }]));
        };
        let own_id = google.fresh_id();
        status::answer(google, id, &principal.project, now).map_err(|reason| {
            let fault = Fault::new("request_id", reason, "The status of the request cannot be retrieved.");
            fast_fail(google, reason, &[fault], &own_id)
        })
    }))
}
