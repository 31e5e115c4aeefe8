//! What the listener says where it cannot answer: `{"error": {"reason", "message"}}` with an HTTP status.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::brief::{brief, brief_name};
use crate::domain::ids::ObjectKey;
use crate::ports::UpstreamError;
use crate::ports::ledger::LedgerError;

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AdminRefusal {
    NoSuchPage,
    /// The event is not there, or this operator does not watch its namespace.
    NoSuchEvent(ObjectKey),
    /// This process does not work (yet).
    StandsBy,
    /// The question cannot be understood: which part of it, and what it should be.
    Malformed(String),
    /// The event's trigger is not known yet, so that it has no conversions.
    NotResolved,
    /// The ledger or HubSpot failed.
    Failed(String),
    /// The `Host` is no address of this machine: a page of somebody else may be asking.
    ForeignHost,
    /// A browser asks for a page of somebody else.
    ForeignOrigin,
    /// The address takes another method.
    WrongMethod,
}

impl AdminRefusal {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPage | Self::NoSuchEvent(_) => StatusCode::NOT_FOUND,
            Self::StandsBy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotResolved => StatusCode::CONFLICT,
            Self::Failed(_) => StatusCode::BAD_GATEWAY,
            Self::ForeignHost | Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchPage => "NotFound",
            Self::NoSuchEvent(_) => "EventNotFound",
            Self::StandsBy => "StandsBy",
            Self::Malformed(_) => "BadRequest",
            Self::NotResolved => "NotResolved",
            Self::Failed(_) => "Failed",
            Self::ForeignHost => "ForeignHost",
            Self::ForeignOrigin => "ForeignOrigin",
            Self::WrongMethod => "MethodNotAllowed",
        }
    }

    /// What it means and what to do.
    pub(super) fn message(&self) -> String {
        match self {
            Self::NoSuchPage => {
                "There is nothing under this address. docs/admin-api.md lists the addresses.".to_owned()
            }
            Self::NoSuchEvent(key) => format!(
                "There is no event {} in namespace {}, or this operator does not watch that namespace (--watch-namespaces).",
                brief_name(&key.name),
                brief_name(&key.namespace)
            ),
            Self::StandsBy => {
                "This process stands by: another replica works, or the ledger is not open yet. Ask the replica that \
                 holds the Lease, or see /readyz."
                    .to_owned()
            }
            Self::NotResolved => {
                "The event's stage or form is not known yet, so it has no conversions. See its conditions.".to_owned()
            }
            Self::ForeignHost => "The Host of the request is neither localhost nor an IP address. Ask under \
                                  http://127.0.0.1:PORT, with the port that is forwarded."
                .to_owned(),
            Self::ForeignOrigin => "The Origin of the request is not the address that it was sent to.".to_owned(),
            Self::WrongMethod => {
                "This address takes another method. docs/admin-api.md lists the addresses with their methods."
                    .to_owned()
            }
            Self::Malformed(message) | Self::Failed(message) => message.clone(),
        }
    }
}

impl From<LedgerError> for AdminRefusal {
    fn from(error: LedgerError) -> Self {
        Self::Failed(brief(error))
    }
}

impl From<UpstreamError> for AdminRefusal {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(brief(error))
    }
}

impl IntoResponse for AdminRefusal {
    fn into_response(self) -> Response {
        let error = json!({"error": {"reason": self.reason(), "message": self.message()}});
        (self.status(), Json(error)).into_response()
    }
}
