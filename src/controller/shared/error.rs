//! Why a reconcile could not be finished.

use std::time::Duration;

use crate::ports::ledger::LedgerError;
use crate::ports::unreached::describe_unreached;

/// Why a reconcile could not be finished. Holds no secret value: Kubernetes' words about a Secret name it only.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Kubernetes API refused or failed.
    #[error("Kubernetes API, {what}: {}", describe_kube(source))]
    Kube {
        /// What was being done.
        what: &'static str,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// The object was changed meanwhile: nothing was written, the next pass sees the change.
    #[error("{what}: the object was changed by another client meanwhile")]
    Conflict {
        /// What was being done.
        what: &'static str,
    },
    /// The Kubernetes API did not answer in time.
    #[error("Kubernetes API, {what}: no answer in time")]
    NoAnswer {
        /// What was being done.
        what: &'static str,
    },
    /// What the Kubernetes API answered is no object of the kind.
    #[error("Kubernetes API, {what}: the answer cannot be read: {why}")]
    Unreadable {
        /// What was being done.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The Kubernetes API refuses something that it may allow in a moment.
    #[error("Kubernetes API, {what}: refused; tried again before it is believed")]
    Refused {
        /// What was being done.
        what: &'static str,
    },
    /// A status cannot be written as JSON: a bug.
    #[error("the status cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The whole reconcile took too long.
    #[error("the reconcile took longer than {} s", .0.as_secs())]
    TooLong(Duration),
    /// A bug in the operator.
    #[error("the reconcile panicked; the log says where")]
    Panic,
}

impl Error {
    /// Wraps an error of the client; a conflict becomes [`Error::Conflict`].
    pub fn from_kube(what: &'static str, source: kube::Error) -> Self {
        match &source {
            kube::Error::Api(status) if status.is_conflict() => Self::Conflict { what },
            _ => Self::Kube {
                what,
                source: Box::new(source),
            },
        }
    }

    /// How long the Kubernetes API asked us to wait, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Kube { source, .. } = self else { return None };
        let kube::Error::Api(status) = source.as_ref() else {
            return None;
        };
        let seconds = status.details.as_ref().map_or(0, |d| d.retry_after_seconds);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Name of the class, for metrics.
    pub const fn result_label(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::TooLong(_) => "timeout",
            Self::Panic => "panic",
            _ => "error",
        }
    }
}

/// What the API server says of a field that a definition lacks.
const UNKNOWN_FIELD: &str = "field not declared in schema";

/// What the client of the Kubernetes API says: an answer without its dump, a failed connection with its reason.
pub fn describe_kube(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        let way_out = if status.message.contains(UNKNOWN_FIELD) {
            ". The definitions in this cluster are of an older version than the operator, so no status can be written: \
             upgrade them (`adconversion crds | kubectl apply --server-side -f -`, or with the chart)"
        } else {
            ""
        };
        return format!("{} ({}){way_out}", status.message, status.reason);
    }
    if let kube::Error::Service(failed) = error {
        return describe_unreached(failed.as_ref());
    }
    let mut inner = std::error::Error::source(error);
    let mut reason = String::new();
    while let Some(error) = inner {
        reason = error.to_string();
        inner = error.source();
    }
    let outer = error.to_string();
    if reason.is_empty() || outer.contains(&reason) {
        outer
    } else {
        format!("{outer}: {reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_that_are_too_old_are_named() {
        let of = |message: &str| {
            let status = kube::core::Status {
                message: message.into(),
                ..kube::core::Status::default()
            };
            describe_kube(&kube::Error::Api(Box::new(status)))
        };
        assert!(of(".status.sync.ledgerId: field not declared in schema").contains("adconversion crds"));
        assert!(!of("secrets is forbidden").contains("definitions"));
    }

    #[test]
    fn the_kubernetes_api_is_quoted_once() {
        let status = kube::core::Status {
            message: "secrets is forbidden".into(),
            reason: "Forbidden".into(),
            code: 403,
            ..kube::core::Status::default()
        };
        let text = describe_kube(&kube::Error::Api(Box::new(status)));
        assert_eq!(text, "secrets is forbidden (Forbidden)");
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let text = describe_kube(&kube::Error::Service(Box::new(refused)));
        assert_eq!(text, "connection refused");
    }
}
