//! Why a turn of a sync loop failed, and how it is shown.

use jiff::{SignedDuration, Timestamp};

use super::ports::ledger::LedgerError;
use super::ports::{Cause, UpstreamError};
use super::registry::ErrorNote;
use crate::api::reasons::reason;

/// A turn of a loop failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// HubSpot or Google.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The ledger: nothing may be sent.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Fault {
    /// How long the other side wants us to wait.
    pub fn retry_after(&self) -> Option<SignedDuration> {
        match self {
            Self::Upstream(error) => error.retry_after,
            Self::Ledger(_) => None,
        }
    }
}

/// The reason of a failed call, as conditions and `lastErrors` show it.
pub const fn reason_of(cause: Cause) -> &'static str {
    match cause {
        Cause::CredentialsRejected => reason::TOKEN_REVOKED,
        Cause::MissingScope => reason::MISSING_SCOPE,
        Cause::AccessDenied | Cause::ServiceDisabled => reason::ACCESS_DENIED,
        Cause::NotAllowlisted => reason::NOT_ALLOWLISTED,
        Cause::RateLimited | Cause::QuotaExhausted => reason::RATE_LIMITED,
        Cause::UnsupportedVersion => reason::UNSUPPORTED_API_VERSION,
        Cause::Unavailable | Cause::Malformed | Cause::Refused | Cause::NotFound => reason::UPSTREAM_UNAVAILABLE,
    }
}

/// The fault as a line of `status.sync.lastErrors`.
pub fn note(fault: &Fault, now: Timestamp) -> ErrorNote {
    let reason = match fault {
        Fault::Upstream(error) => reason_of(error.cause),
        Fault::Ledger(_) => reason::LEDGER_UNAVAILABLE,
    };
    ErrorNote {
        time: now,
        reason: reason.to_owned(),
        message: fault.to_string(),
        contact: None,
    }
}
