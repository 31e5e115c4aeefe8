//! From an answer of Google's to one [`UpstreamError`]: pure, for both APIs. Understands `google.rpc.Status` with
//! `GoogleAdsFailure`, `ErrorInfo`, `BadRequest`, `RetryInfo` (docs/reference/google.md 2.4, 6.5), a list around it,
//! and answers that are no JSON. Field texts that may echo what was sent (`trigger`, `description`) are never read.

use std::ops::Deref;

use jiff::SignedDuration;
use serde_json::Value;

pub(crate) use super::api::Api;
use super::own_errors::malformed_answer;
use super::redact::redact_words;
use super::request_causes;
use super::row_classes::{ads_code, data_manager_code, is_mere_refusal};
use super::wire::{parse_duration, parse_integer};
use crate::domain::codes::Code;
use crate::ports::sink::IngestError;
use crate::ports::{CallKind, Cause, Effect, UpstreamError};
use crate::upstream::google::ads::uploads::partial_failure::{
    any_taken, field_location, partial_status, row_of, row_violations, rows_only,
};
use crate::upstream::google::field_path::{Violation, parse_violation};
use crate::upstream::http::body::Body;
use crate::upstream::http::json;
use crate::upstream::http::memory::Share;
use crate::upstream::http::text::{bounded_message, valid_code, valid_id};
use crate::upstream::http::wait;
use crate::upstream::{REDIRECT, is_redirect};

/// An answer before it is interpreted.
pub(crate) struct RawAnswer {
    /// The API that answered.
    pub(crate) api: Api,
    /// Whether the call reads or changes something.
    pub(crate) kind: CallKind,
    /// True if failed rows are no failure of the call.
    pub(crate) partial: bool,
    pub(crate) status: u16,
    /// The body, decompressed.
    pub(crate) body: Body,
    /// The `request-id` header.
    pub(crate) request_id: Option<String>,
    /// The `Retry-After` header.
    pub(crate) retry_after: Option<SignedDuration>,
}

/// A good answer, parsed. Don't wait for another call while holding one: it may hold a share of the process's memory.
pub(crate) struct Parsed {
    json: Value,
    /// Length of its text in bytes.
    pub(crate) size: usize,
    _share: Share,
}

impl Deref for Parsed {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.json
    }
}

/// A failed call with what the port's error has no room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallFailure {
    /// The port's error.
    pub(crate) error: UpstreamError,
    /// True if the quota that was hit is the customer's, not the project's.
    pub(crate) account_only: bool,
    /// The code of the request as a whole; `None` if it says nothing beyond "refused".
    pub(crate) code: Option<Code>,
    /// Fields Google complained about.
    pub(crate) violations: Vec<Violation>,
}

impl From<UpstreamError> for Box<CallFailure> {
    fn from(error: UpstreamError) -> Self {
        Box::new(CallFailure {
            error,
            account_only: false,
            code: None,
            violations: Vec::new(),
        })
    }
}

impl From<CallFailure> for IngestError {
    fn from(failure: CallFailure) -> Self {
        let complaint = |violation: Violation| violation.into_complaint(failure.code.as_ref());
        Self {
            complaints: failure.violations.into_iter().map(complaint).collect(),
            error: failure.error,
            code: failure.code,
        }
    }
}

/// What the parts of a `google.rpc.Status` say.
#[derive(Default)]
struct StatusParts {
    cause: Option<Cause>,
    code: Option<String>,
    /// The code with its meaning, where the Google Ads API gave it a key.
    keyed: Option<Code>,
    text: String,
    request_id: Option<String>,
    retry_after: Option<SignedDuration>,
    account_only: bool,
    effect_open: bool,
    violations: Vec<Violation>,
}

impl RawAnswer {
    /// The JSON of a good answer, or what went wrong. HTTP 200 with an error inside is an error.
    pub(crate) fn into_json(self) -> Result<Parsed, Box<CallFailure>> {
        if is_redirect(self.status) {
            return Err(self.malformed_error(REDIRECT).into());
        }
        let json = json::read_json(self.body.bytes());
        if !(200..300).contains(&self.status) {
            return Err(Box::new(self.to_failure(json.as_ref())));
        }
        let parsed = |json, body: Body| Parsed {
            json,
            size: body.bytes().len(),
            _share: body.into_share(),
        };
        match json {
            Some(json) if self.partial && rows_only(&json) => Ok(parsed(json, self.body)),
            Some(json) if status_of(&json).is_some() => Err(Box::new(self.to_failure(Some(&json)))),
            Some(json @ Value::Object(_)) => Ok(parsed(json, self.body)),
            _ => Err(self.malformed_error("the answer is not a JSON object").into()),
        }
    }

    /// An error about a good status with a body that can't be understood.
    pub(crate) fn malformed_error(&self, what: &str) -> UpstreamError {
        malformed_answer(self.api, self.kind, self.status, self.request_id.clone(), what)
    }

    fn to_failure(&self, json: Option<&Value>) -> CallFailure {
        let Some(status) = json.and_then(status_of) else {
            return *Box::from(self.unreadable_error());
        };
        let mut parts = self.parts_of(status);
        // Beside an error about the whole request there are rows that Google took.
        parts.effect_open |= self.partial && json.is_some_and(any_taken);
        let cause = self.cause_of(&parts, status);
        // A failure inside HTTP 200 that is not about the request's content does not say what was done.
        parts.effect_open |= cause == Cause::Unavailable && (200..300).contains(&self.status);
        let effect = self.effect_of(parts.effect_open);
        let request_id = self.request_id.clone().or_else(|| parts.request_id.clone());
        let message = self.error_message(cause, &parts, request_id.as_deref());
        let error = UpstreamError {
            effect,
            code: parts.code,
            status: Some(self.status),
            retry_after: parts.retry_after.or(self.retry_after).map(wait::bounded_wait),
            request_id,
            ..UpstreamError::new(self.api.service_name(), cause, message)
        };
        CallFailure {
            code: request_code(&error, parts.keyed),
            error,
            account_only: parts.account_only,
            violations: parts.violations,
        }
    }

    /// No `google.rpc.Status` inside: something between us and Google answered, or the path is gone.
    fn unreadable_error(&self) -> UpstreamError {
        let cause = match self.status {
            // Not 401: an answer without an error of Google's does not come from whoever checks tokens.
            404 | 408 | 429 | 500.. => request_causes::status_cause(self.status),
            413 => Cause::TooLarge, // A proxy's limit, which smaller requests may pass.
            _ => Cause::Malformed,
        };
        let mut error = self.malformed_error("");
        error.cause = cause;
        error.effect = self.effect_of(false);
        error.retry_after = self.retry_after.map(wait::unsigned_wait);
        error.message = match cause {
            Cause::UnsupportedVersion => self.gone_message(),
            _ => format!("HTTP {}, and the body holds no error of Google's", self.status),
        };
        error
    }

    fn effect_of(&self, open: bool) -> Effect {
        let open = self.kind.is_change() && (open || request_causes::status_leaves_effect_open(self.status));
        if open { Effect::Unknown } else { Effect::None }
    }

    fn gone_message(&self) -> String {
        match self.api {
            Api::Ads => "HTTP 404: this version of the Google Ads API is not served".to_owned(),
            Api::DataManager => "HTTP 404: this path of the Data Manager API does not exist".to_owned(),
        }
    }

    fn cause_of(&self, parts: &StatusParts, status: &Value) -> Cause {
        // A fast fail is a refusal whatever its reason; the reason itself is in `code` and in the violations.
        if self.api == Api::DataManager && self.status == 400 {
            return Cause::Refused;
        }
        if let Some(cause) = parts.cause {
            return cause;
        }
        match self.status {
            404 if self.api == Api::DataManager && parts.code.is_some() && status["details"].is_array() => {
                Cause::NotFound
            }
            // An error inside HTTP 200: the canonical code stands in for the status.
            200..300 => request_causes::canonical_cause(parse_integer(&status["code"])),
            other => request_causes::status_cause(other),
        }
    }

    fn parts_of(&self, status: &Value) -> StatusParts {
        let mut parts = StatusParts::default();
        for detail in status["details"].as_array().into_iter().flatten() {
            let kind = detail["@type"].as_str().unwrap_or_default();
            if kind.ends_with("GoogleAdsFailure") || detail["errors"].is_array() {
                ads_failure(detail, &mut parts);
                if self.partial {
                    parts.violations.extend(row_violations(detail));
                }
            } else if kind.ends_with("google.rpc.ErrorInfo") {
                self.error_info(detail, &mut parts);
            } else if kind.ends_with("google.rpc.RetryInfo") {
                parts.retry_after = parts.retry_after.max(parse_duration(&detail["retryDelay"]));
            } else if kind.ends_with("google.rpc.BadRequest") {
                let found = detail["fieldViolations"].as_array().into_iter().flatten();
                parts.violations.extend(found.map(parse_violation));
            } else if kind.ends_with("google.rpc.RequestInfo") && parts.request_id.is_none() {
                parts.request_id = detail["requestId"].as_str().and_then(valid_id);
            }
        }
        if matches!(
            parts.code.as_deref(),
            None | Some("INVALID_ARGUMENT" | "ERROR_REASON_UNSPECIFIED")
        ) {
            // A reason tied to a row concerns that row only.
            let mut own = parts.violations.iter().filter(|v| v.row.is_none());
            let own = own.find_map(|v| Some(v.code.as_ref()?.name.clone()));
            parts.code = own
                .or(parts.code.take())
                .or_else(|| status["status"].as_str().and_then(valid_code));
        }
        parts
    }

    fn error_info(&self, detail: &Value, parts: &mut StatusParts) {
        let reason = detail["reason"].as_str().unwrap_or_default();
        let metadata = &detail["metadata"];
        let limit = metadata["quota_limit"].as_str().and_then(valid_code);
        let cause = request_causes::reason_cause(reason, limit.as_deref());
        parts.cause = parts.cause.or(cause);
        if parts.code.is_none() {
            parts.code = valid_code(reason);
        }
        if parts.request_id.is_none() {
            parts.request_id = metadata["requestId"].as_str().and_then(valid_id);
        }
        let host = metadata["service"]
            .as_str()
            .and_then(valid_code)
            .unwrap_or_else(|| self.api.host().to_owned());
        match cause {
            Some(Cause::ServiceDisabled) => {
                let project = metadata["consumer"]
                    .as_str()
                    .map(|c| c.trim_start_matches("projects/"))
                    .and_then(valid_id);
                let project = project.map(|p| format!(" {p}")).unwrap_or_default();
                parts.text = format!(
                    "the API {host} ({}) is switched off in the Google Cloud project{project}",
                    self.api.service_name()
                );
            }
            Some(Cause::MissingScope) => {
                parts.text = format!(
                    "the token lacks the scope {} that {host} ({}) requires",
                    self.api.oauth_scope(),
                    self.api.service_name()
                );
            }
            _ => {
                if let Some(limit) = limit {
                    parts.text = format!("quota {limit} is used up");
                }
            }
        }
    }

    fn error_message(&self, cause: Cause, parts: &StatusParts, request_id: Option<&str>) -> String {
        let code = parts.code.as_deref().unwrap_or("no code");
        let mut text = parts.text.clone();
        if text.is_empty() && cause == Cause::UnsupportedVersion && self.status == 404 {
            text = self.gone_message();
        }
        if text.is_empty() {
            let named: Vec<String> = parts
                .violations
                .iter()
                .take(3)
                .map(|v| {
                    let name = v.code.as_ref().map_or("", |code| code.name.as_str());
                    format!("{name} at {}", v.field).trim().to_owned()
                })
                .collect();
            text = if named.is_empty() {
                format!("HTTP {}", self.status)
            } else {
                named.join("; ")
            };
        }
        let id = request_id.map(|id| format!(" (request-id {id})")).unwrap_or_default();
        let room = 500usize.saturating_sub(code.len() + id.len());
        let text: String = text.chars().take(room).collect();
        bounded_message(format!("{code}: {text}{id}"))
    }
}

/// The code of a request as a whole, with its meaning.
fn request_code(error: &UpstreamError, keyed: Option<Code>) -> Option<Code> {
    let of_data_manager = || error.code.as_deref().and_then(data_manager_code);
    keyed.or_else(of_data_manager).filter(|code| !is_mere_refusal(code))
}

/// The `google.rpc.Status` of an error, a list with one inside, or a partial failure (which for our single operations
/// is a failure like any other).
fn status_of(json: &Value) -> Option<&Value> {
    match json {
        Value::Array(items) => items.iter().find_map(status_of),
        Value::Object(map) => {
            let error = map
                .get("error")
                .filter(|status| status.as_object().is_some_and(|s| !s.is_empty()));
            error.or_else(|| partial_status(json))
        }
        _ => None,
    }
}

/// Reads a `GoogleAdsFailure`. The first error decides; the message names up to three.
fn ads_failure(detail: &Value, parts: &mut StatusParts) {
    if let Some(id) = detail["requestId"].as_str().and_then(valid_id) {
        parts.request_id = Some(id);
    }
    let mut texts = Vec::new();
    let errors = || detail["errors"].as_array().into_iter().flatten();
    // What concerns the whole request comes first.
    let (whole, rows): (Vec<_>, Vec<_>) = errors().partition(|error| row_of(error).is_none());
    for error in whole.into_iter().chain(rows) {
        let named = error["errorCode"].as_object().and_then(|codes| codes.iter().next());
        let (key, name) = named.map_or(("", ""), |(key, name)| {
            (key.as_str(), name.as_str().unwrap_or_default())
        });
        if parts.code.is_none() {
            parts.code = valid_code(name);
            parts.keyed = ads_code(key, name);
            parts.cause = request_causes::ads_cause(key, name);
        }
        parts.effect_open |= request_causes::leaves_effect_open(key, name);
        let quota = &error["details"]["quotaErrorDetails"];
        parts.retry_after = parts.retry_after.max(parse_duration(&quota["retryDelay"]));
        parts.account_only |= quota["rateScope"] == "ACCOUNT";
        let path = field_location(&error["location"]["fieldPathElements"]);
        let said = error["message"].as_str().map(redact_words).unwrap_or_default();
        let label = if texts.is_empty() {
            String::new()
        } else {
            format!("{} ", valid_code(name).unwrap_or_default())
        };
        texts.push(format!("{label}{path} {said}").trim().to_owned());
    }
    texts.truncate(3);
    parts.text = texts.join("; ");
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
