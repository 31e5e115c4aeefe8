//! `GoogleAdsFailure`: the error body of the Google Ads API.

use serde_json::{Value, json};

use crate::google::reply::Refusal;

/// An element of a location: field name and, for lists, the index.
pub type PathElement = (String, Option<usize>);

/// One error.
#[derive(Clone, Debug)]
pub struct AdsError(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    key: String,
    name: String,
    message: String,
    trigger: Option<String>,
    path: Vec<PathElement>,
    retry_delay: Option<i64>,
}

impl AdsError {
    /// An error `key.name` (for example `fieldError`, `REQUIRED`).
    pub fn new(key: impl Into<String>, name: impl Into<String>, message: impl Into<String>) -> Self {
        let (key, name, message) = (key.into(), name.into(), message.into());
        Self(Box::new(Parts {
            key,
            name,
            message,
            trigger: None,
            path: Vec::new(),
            retry_delay: None,
        }))
    }

    /// Names the value that caused it.
    #[must_use]
    pub fn trigger(mut self, text: impl Into<String>) -> Self {
        self.0.trigger = Some(text.into());
        self
    }

    /// Names the field: dots separate the elements, camelCase as in JSON.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.0
            .path
            .extend(path.split('.').map(|part| (crate::google::schema::snake(part), None)));
        self
    }

    /// Puts `operations[index]` and the kind of operation in front of the location.
    #[must_use]
    pub fn in_operation(mut self, index: usize, kind: &str) -> Self {
        let mut path = vec![("operations".to_owned(), Some(index))];
        if !kind.is_empty() {
            path.push((kind.to_owned(), None));
        }
        path.append(&mut self.0.path);
        self.0.path = path;
        self
    }

    /// Puts `list[index]` in front of the location.
    #[must_use]
    pub fn in_row(mut self, list: &str, index: usize) -> Self {
        self.0.path.insert(0, (crate::google::schema::snake(list), Some(index)));
        self
    }

    /// Adds the wait of a quota error, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: i64) -> Self {
        self.0.retry_delay = Some(seconds);
        self
    }

    fn to_json(&self) -> Value {
        let mut value = json!({"errorCode": {self.0.key.as_str(): self.0.name}, "message": self.0.message});
        if let Some(trigger) = &self.0.trigger {
            value["trigger"] = json!({"stringValue": trigger});
        }
        if !self.0.path.is_empty() {
            let elements: Vec<Value> = self
                .0
                .path
                .iter()
                .map(|(name, index)| {
                    index.map_or_else(
                        || json!({"fieldName": name}),
                        |i| json!({"fieldName": name, "index": i}),
                    )
                })
                .collect();
            value["location"] = json!({"fieldPathElements": elements});
        }
        if let Some(seconds) = self.0.retry_delay {
            let quota = json!({"rateScope": "DEVELOPER", "rateName": "Number of operations for explorer access", "retryDelay": format!("{seconds}s")});
            value["details"] = json!({"quotaErrorDetails": quota});
        }
        value
    }

    /// HTTP code and canonical name that go with the error.
    fn status(&self) -> (u16, &'static str) {
        match self.0.key.as_str() {
            "authenticationError" => (401, "UNAUTHENTICATED"),
            "authorizationError" | "notAllowlistedError" | "resourceAccessDeniedError" => (403, "PERMISSION_DENIED"),
            "quotaError" => (429, "RESOURCE_EXHAUSTED"),
            "internalError" => (500, "INTERNAL"),
            "mutateError" | "requestError" if self.0.name == "RESOURCE_NOT_FOUND" => (404, "NOT_FOUND"),
            _ => (400, "INVALID_ARGUMENT"),
        }
    }
}

fn failure(errors: &[AdsError], request_id: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure",
        "errors": errors.iter().map(AdsError::to_json).collect::<Vec<_>>(),
        "requestId": request_id,
    })
}

/// The refusal of a whole request.
pub fn refusal(errors: &[AdsError], request_id: &str) -> Refusal {
    let (code, status) = errors.first().map_or((500, "INTERNAL"), AdsError::status);
    let message = match status {
        "UNAUTHENTICATED" => "Request is missing required authentication credential. Expected OAuth 2 access token.",
        "PERMISSION_DENIED" => "The caller does not have permission",
        "RESOURCE_EXHAUSTED" => "Resource has been exhausted (e.g. check quota).",
        "NOT_FOUND" => "Requested entity was not found.",
        "INTERNAL" => "Internal error encountered.",
        _ => "Request contains an invalid argument.",
    };
    Refusal::new(code, status, message, vec![failure(errors, request_id)])
}

/// The status that stands in `partialFailureError` of an answer with HTTP 200.
pub fn partial(errors: &[AdsError], request_id: &str) -> Value {
    let message = errors
        .iter()
        .map(|e| e.0.message.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    json!({"code": 3, "message": message, "details": [failure(errors, request_id)]})
}
