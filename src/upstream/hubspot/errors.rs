//! Turns HubSpot's answers into errors: one table from status and body to [`Cause`], and messages without values.

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::config::SERVICE;
use super::token_errors::token_code;
use crate::ports::{Cause, UpstreamError};
use crate::upstream::http::json;
use crate::upstream::http::limits::MESSAGE_LIMIT;
use crate::upstream::http::prose::keep_prose;
use crate::upstream::http::text::{bounded_message, valid_code, valid_id};
use crate::upstream::http::unreached::describe_call;
pub(crate) use crate::upstream::http::wait::answer_date;
use crate::upstream::http::wait::retry_after;
use crate::upstream::{REDIRECT, is_redirect};

/// Whether one call may be repeated at once, and after what kind of pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuickRetry {
    /// Not inside this call.
    No,
    /// After a failure of HubSpot or of the connection.
    Soon,
    /// After the answer that a record is locked by bulk work.
    Locked,
    /// After the limit of one second was hit.
    Secondly,
    /// After the limit of ten seconds was hit, or a short one of unknown name.
    TenSecondly,
}

/// What a status means: its cause and whether to repeat the call at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ErrorClass {
    cause: Cause,
    again: QuickRetry,
}

/// The parts of an error body that we read. All of them are optional, because gateways and HubSpot's edge omit some.
#[derive(Default)]
pub(crate) struct ErrorBody {
    pub(crate) category: Option<String>,
    sub_category: Option<String>,
    /// True for an item of an association read that only says that there are no associations.
    pub(crate) no_associations: bool,
    policy: Option<String>,
    scopes: Vec<String>,
    /// Of an item of a batch: the inputs it is about, as they were asked for. Addresses too: never to be shown.
    pub(crate) inputs: Vec<String>,
    message: String,
    request_id: Option<String>,
}

impl ErrorBody {
    /// Reads a body; one that is not a JSON object gives an empty one.
    fn parse(body: &[u8], about_token: bool) -> Self {
        let Some(value) = json::read_json(body) else {
            return Self::default();
        };
        let read = Self::from_value(&value);
        let category = read.category.or_else(|| token_code(&value).filter(|_| about_token));
        Self { category, ..read }
    }

    /// Reads an error object, also one inside a batch answer.
    pub(crate) fn from_value(value: &Value) -> Self {
        let message = value
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let named = |key: &str| value.get(key).and_then(Value::as_str).and_then(valid_code);
        Self {
            category: named("category"),
            sub_category: named("subCategory"),
            // `subCategory` is an untyped object in batch answers.
            no_associations: ["category", "subCategory"]
                .into_iter()
                .filter_map(|key| value.get(key))
                .any(|sub| sub.to_string().contains("NO_ASSOCIATIONS_FOUND")),
            policy: named("policyName").or_else(|| policy_in(&message)),
            scopes: missing_scopes(value),
            inputs: inputs_of(value),
            request_id: ["correlationId", "requestId"]
                .into_iter()
                .find_map(|key| value.get(key).and_then(Value::as_str).and_then(valid_id)),
            message,
        }
    }

    /// True for an item that says that a record does not exist (any more), which is not a failure.
    pub(crate) fn is_not_found(&self) -> bool {
        self.is_category("OBJECT_NOT_FOUND") || self.is_category("NOT_FOUND")
    }

    /// True for an item that is about the token or its limits, not about a record.
    pub(crate) fn concerns_the_call(&self) -> bool {
        self.blames_token() || self.is_category("RATE_LIMITS")
    }

    /// True for an item that says that the token lacks a scope.
    pub(crate) fn blames_token(&self) -> bool {
        self.is_category("MISSING_SCOPES")
    }

    /// True if it names the limit that was hit, or says that one was.
    fn names_limit(&self) -> bool {
        self.policy.is_some() || self.is_category("RATE_LIMITS")
    }

    fn is_category(&self, category: &str) -> bool {
        self.category.as_deref() == Some(category)
    }
}

/// The table: status, category and policy of an answer, and what they mean (docs/reference/hubspot.md 8.2 and 8.3).
fn classify_error(status: u16, body: &ErrorBody) -> ErrorClass {
    let (cause, again) = match status {
        // No limit is named.
        429 if !body.names_limit() => (Cause::RateLimited, QuickRetry::Soon),
        _ if status >= 400 && (status == 429 || body.is_category("RATE_LIMITS")) => {
            limited_cause(body.policy.as_deref())
        }
        // The edge answers a malformed token with 530.
        401 | 530 => (Cause::CredentialsRejected, QuickRetry::No),
        403 if body.is_category("MISSING_SCOPES") || !body.scopes.is_empty() => (Cause::MissingScope, QuickRetry::No),
        403 => (Cause::AccessDenied, QuickRetry::No),
        // A missing object has a category; a path that is gone gets the web server's page.
        404 if body.category.is_some() => (Cause::NotFound, QuickRetry::No),
        404 | 410 => (Cause::UnsupportedVersion, QuickRetry::No),
        423 => (Cause::Unavailable, QuickRetry::Locked),
        500 | 502..=504 => (Cause::Unavailable, QuickRetry::Soon),
        // 477: the portal moves to another data centre, for up to a day. 521 to 526: the edge can't reach HubSpot.
        408 | 477 | 501 | 505..=599 => (Cause::Unavailable, QuickRetry::No),
        // 400: the request itself (too long, unknown property); 414: the URL.
        400..=499 => (Cause::Refused, QuickRetry::No),
        _ => (Cause::Malformed, QuickRetry::No),
    };
    ErrorClass { cause, again }
}

fn limited_cause(policy: Option<&str>) -> (Cause, QuickRetry) {
    match policy {
        Some("DAILY") => (Cause::QuotaExhausted, QuickRetry::No),
        Some("SECONDLY") => (Cause::RateLimited, QuickRetry::Secondly),
        _ => (Cause::RateLimited, QuickRetry::TenSecondly),
    }
}

/// Newer bodies have no `policyName`; the message names the limit ("You have reached your daily limit.").
fn policy_in(message: &str) -> Option<String> {
    let message = message.to_ascii_lowercase();
    let policy = ["ten_secondly_rolling", "secondly", "daily"]
        .into_iter()
        .find(|policy| message.contains(&format!("your {policy} limit")))?;
    Some(policy.to_ascii_uppercase())
}

/// The error of an answer without success. `sent` is the body of our request, by which our property names are told from
/// values in the server's message; `None` if the request asked for a token. `now` is HubSpot's time.
pub(crate) fn answer_error(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    sent: Option<&str>,
    now: Timestamp,
) -> (UpstreamError, QuickRetry) {
    let parsed = ErrorBody::parse(body, sent.is_none());
    let verdict = classify_error(status, &parsed);
    let mut error = UpstreamError::new(
        SERVICE,
        verdict.cause,
        describe_error(status, verdict.cause, &parsed, sent.unwrap_or_default()),
    );
    error.status = Some(status);
    error.retry_after = retry_after(headers, now);
    let names_limit = parsed.names_limit();
    error.request_id = request_id(headers).or(parsed.request_id);
    error.code = match verdict.cause {
        Cause::RateLimited | Cause::QuotaExhausted if !names_limit => None,
        Cause::RateLimited | Cause::QuotaExhausted => parsed.policy.or(parsed.category),
        _ => parsed.category,
    };
    (error, verdict.again)
}

/// The error of one entry of `errors` in a batch answer (207).
pub(crate) fn item_error(body: ErrorBody, status: u16, sent: &str) -> UpstreamError {
    let cause = match body.category.as_deref() {
        Some("VALIDATION_ERROR") => Cause::Refused,
        Some("MISSING_SCOPES") => Cause::MissingScope,
        Some("RATE_LIMITS") => limited_cause(body.policy.as_deref()).0,
        Some("FORBIDDEN") => Cause::AccessDenied,
        _ => Cause::Unavailable,
    };
    let mut error = UpstreamError::new(SERVICE, cause, describe_error(status, cause, &body, sent));
    error.status = Some(status);
    error.code = body.category;
    error.request_id = body.request_id;
    error
}

/// An answer that can't be understood. `what` names fields and positions only.
pub(crate) fn malformed_answer(what: impl AsRef<str>) -> UpstreamError {
    UpstreamError::new(
        SERVICE,
        Cause::Malformed,
        bounded_message(format!("the answer can't be understood: {}", what.as_ref())),
    )
}

/// The error of a request that is not sent because HubSpot would refuse it.
pub(crate) fn refused_request(code: &str, what: impl AsRef<str>) -> UpstreamError {
    let message = bounded_message(format!("not sent: {}", what.as_ref()));
    UpstreamError {
        code: Some(code.to_owned()),
        ..UpstreamError::new(SERVICE, Cause::Refused, message)
    }
}

/// A read of more inputs than HubSpot allows in one call. `read` says what it is, `inputs` what it asks for.
pub(crate) fn too_many_inputs(read: &str, count: usize, inputs: &str, limit: usize) -> UpstreamError {
    refused_request(
        "BATCH_TOO_LARGE",
        format!("{read} of {count} {inputs}, allowed are {limit}"),
    )
}

/// The error of a call without an answer. It leaves out the URL, which adds nothing.
pub(crate) fn unreached_error(error: &reqwest::Error) -> (UpstreamError, QuickRetry) {
    let (what, again) = if error.is_timeout() {
        ("no answer in time", QuickRetry::No)
    } else if error.is_builder() {
        ("the request can't be built: check the endpoint", QuickRetry::No)
    } else if error.is_connect() {
        ("can't connect", QuickRetry::Soon)
    } else {
        ("the connection broke", QuickRetry::Soon)
    };
    (
        UpstreamError::new(
            SERVICE,
            Cause::Unavailable,
            bounded_message(format!("{what}: {}", describe_call(error, str::to_owned))),
        ),
        again,
    )
}

fn describe_error(status: u16, cause: Cause, body: &ErrorBody, sent: &str) -> String {
    let mut text = format!("HTTP {status}");
    for part in [&body.category, &body.sub_category, &body.policy].into_iter().flatten() {
        text.push(' ');
        text.push_str(part);
    }
    let meaning = match (cause, status) {
        (Cause::CredentialsRejected, 530) => "the token does not have the form of a token",
        (Cause::CredentialsRejected, _) => "the token is refused",
        (Cause::UnsupportedVersion, _) => "this API version or path does not exist",
        (_, status) if is_redirect(status) => REDIRECT,
        (Cause::Unavailable, 477) => "the portal is being moved to another data centre",
        _ => "",
    };
    if !meaning.is_empty() {
        text.push_str(": ");
        text.push_str(meaning);
    }
    if cause == Cause::MissingScope && !body.scopes.is_empty() {
        text.push_str(": missing scopes: ");
        text.push_str(&body.scopes.join(", "));
        return bounded_message(text);
    }
    // The server's own words are shown only if they are about the request, not about a record.
    if matches!(
        body.category.as_deref(),
        Some("VALIDATION_ERROR" | "MISSING_SCOPES" | "RATE_LIMITS")
    ) {
        let words = without_values(&body.message, sent);
        if !words.is_empty() {
            text.push_str(": ");
            text.push_str(&words);
        }
    }
    bounded_message(text)
}

/// A server's message without what may be a value: prose and property names that we sent stay; quoted parts go as a
/// whole, and so does everything from an embedded JSON structure on.
fn without_values(message: &str, sent: &str) -> String {
    let plain = message.split(['{', '[']).next().unwrap_or_default();
    let mut unquoted = String::new();
    let mut chars = plain.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let apostrophe = matches!(c, '\'' | '’') && before.is_alphanumeric();
        let close = match c {
            '"' => Some('"'),
            '\'' | '‘' if !apostrophe => Some(if c == '\'' { '\'' } else { '’' }),
            '`' => Some('`'),
            '“' => Some('”'),
            '«' => Some('»'),
            _ => None,
        };
        before = c;
        let Some(close) = close else {
            unquoted.push(c);
            continue;
        };
        let mut quoted = String::new();
        let mut closed = false;
        while let Some(inner) = chars.next() {
            if inner == '\\' {
                chars.next();
                quoted.push('\\');
            } else if inner == close && !(close == '\'' && chars.peek().is_some_and(|next| next.is_alphanumeric())) {
                closed = true;
                break;
            } else {
                quoted.push(inner);
            }
        }
        unquoted.push_str(if closed && is_sent_name(&quoted, sent) {
            &quoted
        } else {
            "…"
        });
    }
    // A property's name may well look like a value: hs_v2_date_entered_1066237962.
    keep_prose(&unquoted, 4 * MESSAGE_LIMIT, |word| is_sent_name(word, sent))
}

fn is_sent_name(text: &str, sent: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && sent.contains(&format!("\"{text}\""))
}

fn missing_scopes(value: &Value) -> Vec<String> {
    let contexts = value
        .get("errors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .chain([value]);
    let mut scopes = Vec::new();
    for context in contexts.filter_map(|error| error.get("context")) {
        for key in ["requiredGranularScopes", "requiredScopes", "missingScopes"] {
            let listed = context.get(key).and_then(Value::as_array).into_iter().flatten();
            scopes.extend(listed.filter_map(Value::as_str).filter_map(valid_code));
        }
    }
    scopes.sort();
    scopes.dedup();
    scopes.truncate(20);
    scopes
}

/// The inputs that an item of a batch is about: its `id`, and the ids in its context, under whatever name.
fn inputs_of(value: &Value) -> Vec<String> {
    let texts = |value: &Value| match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        _ => Vec::new(),
    };
    let context = |key: &str| value.get("context")?.get(key);
    let named = ["ids", "id", "fromObjectId", "objectId"]
        .into_iter()
        .filter_map(context);
    let listed = |value: &Value| match value {
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        one => texts(one),
    };
    value.get("id").into_iter().chain(named).flat_map(listed).collect()
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    ["x-hubspot-correlation-id", "x-request-id"]
        .into_iter()
        .find_map(|name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .and_then(valid_id)
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "errors_tests.rs"]
mod tests;
