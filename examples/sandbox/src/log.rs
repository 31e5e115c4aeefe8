//! The log of upstream requests, for tests that check what was called and how often.

use std::collections::{BTreeMap, VecDeque};

use axum::http::{HeaderMap, Method, Uri, header};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::edge::Service;

/// Entries kept; older ones are dropped.
pub const MAX_ENTRIES: usize = 200_000;
/// Bytes of request bodies kept in total; beyond it the oldest entries are dropped.
pub const MAX_BODY_BYTES: usize = 512 << 20;
/// Form fields that never appear in the log.
const SECRET_FIELDS: [&str; 6] = [
    "client_secret",
    "refresh_token",
    "token",
    "assertion",
    "subject_token",
    "tokenKey",
];

/// One upstream request.
#[derive(Clone, Debug)]
pub struct Entry {
    number: u64,
    time: Timestamp,
    service: Service,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    authorized: bool,
    body: Option<Bytes>,
    is_form: bool,
    status: Option<u16>,
    fault: Option<String>,
}

/// How a request ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The status that was answered; `None` if the connection was closed without an answer.
    pub status: Option<u16>,
    /// The fault that fired, if one did.
    pub fault: Option<String>,
}

/// One row of the summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SummaryRow {
    /// Simulated service.
    pub service: Service,
    /// HTTP method.
    pub method: String,
    /// Path in which every segment that is an id reads `{id}`.
    pub path: String,
    /// Number of requests.
    pub count: u64,
    /// Of these, refused as too many (429).
    pub refused: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: u64,
    refused: u64,
}

/// All requests that reached the upstream port, oldest first.
#[derive(Debug, Default)]
pub struct RequestLog {
    entries: VecDeque<Entry>,
    last_number: u64,
    body_bytes: usize,
    counts: BTreeMap<(Service, String, String), Count>,
}

impl RequestLog {
    /// Notes that a request arrived and returns its number (starting at 1). The outcome follows with [`Self::finish`].
    pub fn begin(
        &mut self,
        time: Timestamp,
        service: Service,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> u64 {
        self.last_number += 1;
        let path = uri
            .path_and_query()
            .map_or_else(|| uri.path().to_owned(), ToString::to_string);
        let key = (service, method.to_string(), template(uri.path()));
        self.counts.entry(key).or_default().all += 1;
        self.body_bytes += body.len();
        self.entries.push_back(Entry {
            number: self.last_number,
            time,
            service,
            method: method.clone(),
            path,
            headers: kept_headers(headers),
            authorized: headers.contains_key(header::AUTHORIZATION),
            body: (!body.is_empty()).then(|| body.clone()),
            is_form: header_text(headers, "content-type")
                .is_some_and(|t| t.starts_with("application/x-www-form-urlencoded")),
            status: None,
            fault: None,
        });
        self.shrink();
        self.last_number
    }

    /// Notes how the request of that number ended.
    pub fn finish(&mut self, number: u64, outcome: Outcome) {
        if let Some(entry) = self.entry_mut(number) {
            let refused = outcome.status == Some(429);
            let key = refused.then(|| (entry.service, entry.method.to_string(), template(path_of(&entry.path))));
            entry.status = outcome.status;
            entry.fault = outcome.fault;
            if let Some(count) = key.and_then(|key| self.counts.get_mut(&key)) {
                count.refused += 1;
            }
        }
    }

    /// Entries with a number greater than `since`, of one service if named, as JSON.
    pub fn list(&self, since: u64, service: Option<Service>) -> Value {
        let rows = self
            .entries
            .iter()
            .filter(|e| e.number > since && service.is_none_or(|s| s == e.service));
        Value::Array(rows.map(Entry::to_json).collect())
    }

    /// Counts by service, method and path template, over everything since the log was last cleared.
    pub fn summary(&self) -> Vec<SummaryRow> {
        let row = |((service, method, path), count): (&(Service, String, String), &Count)| SummaryRow {
            service: *service,
            method: method.clone(),
            path: path.clone(),
            count: count.all,
            refused: count.refused,
        };
        self.counts.iter().map(row).collect()
    }

    /// Number of the last request.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Forgets all entries and counts; numbering goes on.
    pub fn clear(&mut self) {
        *self = Self {
            last_number: self.last_number,
            ..Self::default()
        };
    }

    fn entry_mut(&mut self, number: u64) -> Option<&mut Entry> {
        let first = self.entries.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.entries.get_mut(index)
    }

    fn shrink(&mut self) {
        while self.entries.len() > MAX_ENTRIES || (self.body_bytes > MAX_BODY_BYTES && self.entries.len() > 1) {
            if let Some(old) = self.entries.pop_front() {
                self.body_bytes -= old.body.map_or(0, |b| b.len());
            }
        }
    }
}

impl Entry {
    fn to_json(&self) -> Value {
        let headers: serde_json::Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.clone())))
            .collect();
        json!({
            "number": self.number,
            "time": self.time.to_string(),
            "service": self.service,
            "method": self.method.as_str(),
            "path": self.path,
            "headers": headers,
            "authorization": self.authorized,
            "body": self.body.as_ref().map(|b| readable(b, self.is_form)),
            "status": self.status,
            "fault": self.fault,
        })
    }
}

/// The body as tests want it: parsed JSON, an object of form fields without secrets, or text.
fn readable(body: &Bytes, is_form: bool) -> Value {
    if is_form {
        let fields = form_fields(body).into_iter().map(|(name, value)| {
            let shown = if SECRET_FIELDS.contains(&name.as_str()) {
                "[redacted]".to_owned()
            } else {
                value
            };
            (name, Value::from(shown))
        });
        return Value::Object(fields.collect());
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return Value::from(String::from_utf8_lossy(body).into_owned());
    };
    if let Value::Object(fields) = &mut value {
        for (_, secret) in fields
            .iter_mut()
            .filter(|(name, _)| SECRET_FIELDS.contains(&name.as_str()))
        {
            *secret = Value::from("[redacted]");
        }
    }
    value
}

/// Fields of an `application/x-www-form-urlencoded` body, in order; empty if it is not one.
pub fn form_fields(body: &[u8]) -> Vec<(String, String)> {
    let Ok(uri) = Uri::builder()
        .path_and_query(format!("/?{}", String::from_utf8_lossy(body).replace(' ', "+")))
        .build()
    else {
        return Vec::new();
    };
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map(|q| q.0)
        .unwrap_or_default()
}

/// A path without its query.
fn path_of(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

fn kept_headers(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    let kept = ["user-agent", "login-customer-id", "content-type", "x-goog-user-project"];
    kept.into_iter()
        .filter_map(|name| header_text(headers, name).map(|text| (name, text.to_owned())))
        .collect()
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The path with ids replaced: a segment of digits, or a GUID, becomes `{id}`; a custom verb after `:` stays.
pub fn template(path: &str) -> String {
    let segment = |part: &str| {
        let (head, verb) = part.split_once(':').map_or((part, None), |(h, v)| (h, Some(v)));
        let guid = head.len() == 36 && head.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let id = !head.is_empty() && (guid || head.chars().all(|c| c.is_ascii_digit()));
        let head = if id { "{id}" } else { head };
        verb.map_or_else(|| head.to_owned(), |v| format!("{head}:{v}"))
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn begin(log: &mut RequestLog, path: &str, body: &'static str, content_type: &str) -> u64 {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        headers.insert("authorization", "Bearer secret-token".parse().unwrap());
        let body = Bytes::from_static(body.as_bytes());
        log.begin(
            Timestamp::UNIX_EPOCH,
            Service::HubSpot,
            &Method::POST,
            &path.parse().unwrap(),
            &headers,
            &body,
        )
    }

    #[test]
    fn no_credential_reaches_the_log() {
        let mut log = RequestLog::default();
        let number = begin(
            &mut log,
            "/oauth/2026-09/token",
            "grant_type=refresh_token&client_secret=s1&refresh_token=s2",
            "application/x-www-form-urlencoded",
        );
        begin(
            &mut log,
            "/oauth/v2/private-apps/get/access-token-info",
            r#"{"tokenKey":"s3"}"#,
            "application/json",
        );
        log.finish(
            number,
            Outcome {
                status: Some(200),
                fault: None,
            },
        );
        let text = log.list(0, None).to_string();
        assert!(
            !["secret-token", "s1", "s2", "s3"]
                .iter()
                .any(|secret| text.contains(secret)),
            "{text}"
        );
        assert!(text.contains("\"grant_type\":\"refresh_token\"") && text.contains("\"authorization\":true"));
    }

    #[test]
    fn the_log_is_bounded_and_numbers_go_on() {
        let mut log = RequestLog::default();
        for _ in 0..MAX_ENTRIES + 5 {
            begin(&mut log, "/crm/objects/2026-09/contacts/12", "", "application/json");
        }
        assert_eq!(log.entries.len(), MAX_ENTRIES);
        assert_eq!(log.last_number(), MAX_ENTRIES as u64 + 5);
        let summary = log.summary();
        assert_eq!(summary.len(), 1);
        let too_many = |status| Outcome { status, fault: None };
        log.finish(log.last_number(), too_many(Some(429)));
        log.finish(log.last_number() - 1, too_many(Some(200)));
        assert_eq!(log.summary()[0].refused, 1);
        assert_eq!(
            (summary[0].path.as_str(), summary[0].count),
            ("/crm/objects/2026-09/contacts/{id}", MAX_ENTRIES as u64 + 5)
        );
    }

    #[test]
    fn templates_keep_verbs() {
        assert_eq!(
            template("/v26/customers/1234567890:uploadClickConversions"),
            "/v26/customers/{id}:uploadClickConversions"
        );
        assert_eq!(
            template("/marketing/v3/forms/78c2891f-ebdd-44c0-bd94-15c012bbbfbf"),
            "/marketing/v3/forms/{id}"
        );
    }
}
