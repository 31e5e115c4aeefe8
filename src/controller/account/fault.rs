//! What an upstream error means for an account, and what to do about it.

use crate::api::reasons::reason;
use crate::domain::account_trouble::{Fault, FaultKind};
use crate::sync::ports::{Cause, UpstreamError};

/// What an upstream error means for the account whose call it was.
pub fn fault(error: &UpstreamError) -> Fault {
    let (kind, reason, advice) = meaning(error);
    let mut text = error.to_string();
    if let Some(id) = &error.request_id {
        // It differs with every try: the status would be written again for it. The log has it.
        text = text.replace(&format!(" (request-id {id})"), "");
    }
    let advice = advice.replace("{service}", error.service);
    let end = if text.ends_with('.') || advice.is_empty() {
        ""
    } else {
        "."
    };
    let message = format!("{text}{end} {advice}").trim_end().to_owned();
    Fault {
        retry_after: error.retry_after,
        ..Fault::new(kind, reason, message)
    }
}

/// What it is, in one word, and what to do.
fn meaning(error: &UpstreamError) -> (FaultKind, &'static str, &'static str) {
    let code = error.code.as_deref().unwrap_or_default().to_ascii_lowercase();
    match error.cause {
        Cause::CredentialsRejected if code.contains("expired") => (
            FaultKind::Credentials,
            reason::TOKEN_EXPIRED,
            "Put a new token into the Secret.",
        ),
        Cause::CredentialsRejected if code == "invalid_client" || code == "unauthorized_client" => (
            FaultKind::Credentials,
            reason::SECRET_INVALID,
            "Correct the client id and secret in the Secret.",
        ),
        Cause::CredentialsRejected => (
            FaultKind::Credentials,
            reason::TOKEN_REVOKED,
            "Put working credentials into the Secret.",
        ),
        Cause::MissingScope => (
            FaultKind::Denied,
            reason::MISSING_SCOPE,
            "Grant the scope to the app or consent screen and put the new token into the Secret.",
        ),
        Cause::AccessDenied => (
            FaultKind::Denied,
            reason::ACCESS_DENIED,
            "Give the user or service account of these credentials access to the account (through a manager account: set \
             loginCustomerId).",
        ),
        Cause::ServiceDisabled => (
            FaultKind::Denied,
            reason::ACCESS_DENIED,
            "Enable the {service} API in the Google Cloud project of the credentials (APIs & Services > Library).",
        ),
        Cause::NotAllowlisted => (
            FaultKind::Denied,
            reason::NOT_ALLOWLISTED,
            "Set spec.uploads.clickConversions to DataManager.",
        ),
        Cause::UnsupportedVersion => (
            FaultKind::Denied,
            reason::UNSUPPORTED_API_VERSION,
            "Upgrade the operator, or correct the endpoint or API version in its flags.",
        ),
        Cause::NotFound => (
            FaultKind::Denied,
            reason::INVALID_SPEC,
            "Correct the account in the manifest.",
        ),
        Cause::Refused => (FaultKind::Denied, reason::ACCESS_DENIED, "See what the service says."),
        Cause::RateLimited | Cause::QuotaExhausted => (
            FaultKind::Limited,
            reason::RATE_LIMITED,
            "Nothing to do: it goes on when the quota refills.",
        ),
        Cause::Unavailable | Cause::Malformed => (FaultKind::Unavailable, reason::UPSTREAM_UNAVAILABLE, ""),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn error(cause: Cause, code: Option<&str>) -> UpstreamError {
        UpstreamError {
            code: code.map(str::to_owned),
            ..UpstreamError::new("Google Ads", cause, "what it said")
        }
    }

    #[rstest]
    #[case(
        Cause::CredentialsRejected,
        Some("invalid_grant"),
        FaultKind::Credentials,
        "TokenRevoked"
    )]
    #[case(
        Cause::CredentialsRejected,
        Some("EXPIRED_AUTHENTICATION"),
        FaultKind::Credentials,
        "TokenExpired"
    )]
    #[case(
        Cause::CredentialsRejected,
        Some("invalid_client"),
        FaultKind::Credentials,
        "SecretInvalid"
    )]
    #[case(Cause::CredentialsRejected, None, FaultKind::Credentials, "TokenRevoked")]
    #[case(Cause::MissingScope, None, FaultKind::Denied, "MissingScope")]
    #[case(Cause::AccessDenied, None, FaultKind::Denied, "AccessDenied")]
    #[case(Cause::ServiceDisabled, None, FaultKind::Denied, "AccessDenied")]
    #[case(Cause::NotAllowlisted, None, FaultKind::Denied, "NotAllowlisted")]
    #[case(Cause::UnsupportedVersion, None, FaultKind::Denied, "UnsupportedApiVersion")]
    #[case(Cause::NotFound, None, FaultKind::Denied, "InvalidSpec")]
    #[case(Cause::RateLimited, None, FaultKind::Limited, "RateLimited")]
    #[case(Cause::QuotaExhausted, None, FaultKind::Limited, "RateLimited")]
    #[case(Cause::Unavailable, None, FaultKind::Unavailable, "UpstreamUnavailable")]
    #[case(Cause::Malformed, None, FaultKind::Unavailable, "UpstreamUnavailable")]
    fn causes(#[case] cause: Cause, #[case] code: Option<&str>, #[case] kind: FaultKind, #[case] reason: &str) {
        let fault = fault(&error(cause, code));
        assert_eq!((fault.kind, fault.reason.as_str()), (kind, reason));
        assert!(
            fault.message.starts_with("Google Ads: what it said"),
            "{}",
            fault.message
        );
    }

    #[test]
    fn a_switched_off_api_says_where_to_switch_it_on() {
        let message = fault(&error(Cause::ServiceDisabled, None)).message;
        assert!(
            message.contains("Enable the Google Ads API") && message.contains("APIs & Services"),
            "{message}"
        );
    }

    #[test]
    fn two_tries_give_one_message() {
        let tried = |id: &str| UpstreamError {
            request_id: Some(id.to_owned()),
            ..UpstreamError::new("Google Ads", Cause::Unavailable, format!("INTERNAL (request-id {id})"))
        };
        assert_eq!(fault(&tried("a1")), fault(&tried("b2")));
        assert_eq!(fault(&tried("a1")).message, "Google Ads: INTERNAL");
    }
}
