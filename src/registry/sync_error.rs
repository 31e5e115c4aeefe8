//! Why a tick of a sync loop failed, and how that is shown.

use jiff::{SignedDuration, Timestamp};

use crate::api::reasons::reason;
use crate::ports::ledger::LedgerError;
use crate::ports::{Cause, UpstreamError};
use crate::registry::{ErrorNote, Side};

/// Why a tick of a loop failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SyncError {
    /// HubSpot or Google.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The ledger has little room left, and this namespace holds more than its share: nothing new is recorded.
    #[error(
        "the ledger's volume has little room left, and the events of this namespace hold more than an even share of it. Nothing new is recorded for them until there is room, and nothing is lost: HubSpot is read again from where it was left. Have the volume enlarged, or delete events that are not needed and wait until their conversions are archived"
    )]
    LedgerFull,
    /// The ledger: nothing may be sent.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl SyncError {
    /// How long the other side wants us to wait.
    pub fn retry_after(&self) -> Option<SignedDuration> {
        match self {
            Self::Upstream(error) => error.retry_after,
            Self::Ledger(_) | Self::LedgerFull => None,
        }
    }

    /// Which side of an event has failed, if this was met in the work of the side `work`.
    pub fn side(&self, work: Side) -> Side {
        match self {
            Self::Ledger(_) => Side::Ledger,
            Self::Upstream(_) | Self::LedgerFull => work,
        }
    }
}

/// Why credentials are refused. Only a token that has worked (`proven`) can have been revoked: one that never did is a
/// mistake in the Secret (neither HubSpot nor Google tells an unknown token from a revoked one), unless the service
/// itself names the reason (docs/reference/google.md 3 and 8, docs/reference/hubspot.md 8.3).
pub fn credentials_reason(error: &UpstreamError, proven: bool) -> &'static str {
    let code = error.code.as_deref().unwrap_or_default().to_ascii_lowercase();
    match code.as_str() {
        code if code.contains("expired") => reason::TOKEN_EXPIRED,
        "oauth_token_revoked" | "oauth_token_disabled" | "google_account_deleted" => reason::TOKEN_REVOKED,
        code if is_client(code) || code == "developer_token_invalid" => reason::SECRET_INVALID,
        // HubSpot's edge answers 530 to a token that does not have the form of one.
        _ if error.status == Some(530) => reason::SECRET_INVALID,
        _ if proven => reason::TOKEN_REVOKED,
        _ => reason::SECRET_INVALID,
    }
}

/// True for the codes of a token endpoint that refuses the OAuth client, not the token.
pub fn is_client(code: &str) -> bool {
    let codes = [
        "invalid_client",
        "unauthorized_client",
        "deleted_client",
        "disabled_client",
        "bad_client_id",
        "bad_client_secret",
    ];
    codes.iter().any(|known| known.eq_ignore_ascii_case(code))
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
        Cause::Unavailable
        | Cause::Malformed
        | Cause::TooLarge
        | Cause::Refused
        | Cause::NotFound
        | Cause::NameTaken => reason::UPSTREAM_UNAVAILABLE,
    }
}

/// The fault as a line of `status.sync.lastErrors`.
pub fn error_note(fault: &SyncError, now: Timestamp) -> ErrorNote {
    let reason = match fault {
        // The loops work with credentials that the account's own check has found good.
        SyncError::Upstream(error) if error.cause == Cause::CredentialsRejected => credentials_reason(error, true),
        SyncError::Upstream(error) => reason_of(error.cause),
        SyncError::Ledger(_) => reason::LEDGER_UNAVAILABLE,
        SyncError::LedgerFull => reason::LEDGER_FULL,
    };
    ErrorNote {
        time: now,
        reason: reason.to_owned(),
        message: match fault {
            SyncError::Upstream(error) => error.without_request_id(),
            SyncError::Ledger(error) => error.to_string(),
            SyncError::LedgerFull => fault.to_string(),
        },
        contact: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tries_give_one_note() {
        let tried = |id: &str| {
            let text = format!("INTERNAL (request-id {id})");
            let error = UpstreamError {
                request_id: Some(id.to_owned()),
                ..UpstreamError::new("Google Ads", Cause::Unavailable, text)
            };
            error_note(&error.into(), Timestamp::UNIX_EPOCH)
        };
        assert_eq!(tried("a1"), tried("b2"));
        assert_eq!(tried("a1").message, "Google Ads: INTERNAL");
    }
}
