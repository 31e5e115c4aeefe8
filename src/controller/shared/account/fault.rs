//! What an upstream error means for an account, and what to do about it.

use crate::api::reasons::reason;
use crate::domain::account_health::{AccountFault, FaultKind};
use crate::ports::{Cause, UpstreamError};
use crate::registry::sync_error::{credentials_reason, is_client};

/// How errors of HubSpot's client call their service; all others are Google's.
const HUBSPOT: &str = "HubSpot";
const GIVE_ACCESS: &str = "Give the user or service account of these credentials access to the Google Ads account. If the access comes \
                           through a manager account, set spec.loginCustomerId.";

const ACTIVATE: &str = "Activate the account in Google Ads (an administrator reactivates a cancelled one under Admin > Preferences), or set \
                        spec.customerId to another account.";

/// What to do about a limit, for those who see what the operator says: it goes on.
pub const CONTINUES: &str = "Nothing to do: requests continue by themselves.";

/// From how many seconds on a message names a wait, if it also says what to do.
const LONG_WAIT: i64 = 60;

/// The credentials that an account uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CredentialUse<'a> {
    /// Name of the Secret; `None`: the operator's own credentials.
    pub secret: Option<&'a str>,
    /// They have worked before.
    pub proven: bool,
}

/// What an upstream error means for the account whose call it was. The error says what is, the advice what to do.
pub fn account_fault(error: &UpstreamError, used: CredentialUse<'_>) -> AccountFault {
    let (kind, reason, mut advice) = fault_meaning(error, used.proven);
    if used.secret.is_none() && kind == FaultKind::Credentials {
        advice = "Check the operator's Workload Identity, or set spec.credentialsSecretRef.";
    }
    let text = error.without_request_id();
    let secret = match used.secret {
        Some(name) => format!("the Secret {name}"),
        None => "the operator's own credentials".to_owned(),
    };
    let advice = advice
        .replace("{service}", error.service)
        .replace("{secret}", &secret)
        .replace("{flag}", version_flag(error.service));
    let wait = error
        .retry_after
        .filter(|wait| kind.stalls() && wait.as_secs() >= LONG_WAIT);
    let wait = wait.map(|wait| {
        let end = if text.ends_with('.') { "" } else { "." };
        format!(
            "{end} {} asked to wait {} s before the next call",
            error.service,
            wait.as_secs()
        )
    });
    let text = format!("{text}{}", wait.unwrap_or_default());
    let end = if text.ends_with('.') || advice.is_empty() {
        ""
    } else {
        "."
    };
    let message = format!("{text}{end} {advice}").trim_end().to_owned();
    AccountFault {
        retry_after: error.retry_after,
        ..AccountFault::new(kind, reason, message)
    }
}

fn version_flag(service: &str) -> &'static str {
    match service {
        HUBSPOT => "--hubspot-version",
        "Google Ads" => "--google-ads-version",
        _ => "--data-manager-endpoint",
    }
}

/// What it is, in one word, and what to do. Advice about HubSpot never speaks of Google, nor the other way round.
fn fault_meaning(error: &UpstreamError, proven: bool) -> (FaultKind, &'static str, &'static str) {
    let hubspot = error.service == HUBSPOT;
    match error.cause {
        Cause::CredentialsRejected => refusal_meaning(error, proven),
        Cause::MissingScope if hubspot => (
            FaultKind::Denied,
            reason::MISSING_SCOPE,
            "Add the scope to the app or service key and put its token into {secret}.",
        ),
        Cause::MissingScope => (
            FaultKind::Denied,
            reason::MISSING_SCOPE,
            "Grant access again with this scope and put the new credentials into {secret}.",
        ),
        Cause::AccessDenied if hubspot => (
            FaultKind::Denied,
            reason::ACCESS_DENIED,
            "Check the scopes of the app or service key, and that the portal's subscription includes this data.",
        ),
        Cause::AccessDenied => {
            let code = error.code.as_deref().unwrap_or_default();
            let closed = code.eq_ignore_ascii_case("CUSTOMER_NOT_ENABLED");
            let advice = if closed { ACTIVATE } else { GIVE_ACCESS };
            (FaultKind::Denied, reason::ACCESS_DENIED, advice)
        }
        Cause::ServiceDisabled => (
            FaultKind::Denied,
            reason::ACCESS_DENIED,
            "Enable the {service} API in the Google Cloud project of the credentials (APIs & Services > Library).",
        ),
        Cause::NotAllowlisted => (
            FaultKind::Denied,
            reason::NOT_ALLOWLISTED,
            "Set spec.uploads.clickConversions (for form events spec.uploads.enhancements) to DataManager.",
        ),
        Cause::UnsupportedVersion => (
            FaultKind::Denied,
            reason::UNSUPPORTED_API_VERSION,
            "Upgrade the operator, or correct its flag {flag}.",
        ),
        Cause::NotFound => (
            FaultKind::Denied,
            reason::INVALID_SPEC,
            "Correct the account in the manifest.",
        ),
        Cause::Refused | Cause::NameTaken => (
            FaultKind::Denied,
            reason::ACCESS_DENIED,
            "Check the account in the manifest. If it is right, report a bug in the operator.",
        ),
        Cause::RateLimited | Cause::QuotaExhausted => (FaultKind::Limited, reason::RATE_LIMITED, CONTINUES),
        Cause::Unavailable | Cause::Malformed | Cause::TooLarge => {
            (FaultKind::Unavailable, reason::UPSTREAM_UNAVAILABLE, "")
        }
    }
}

/// What is wrong if credentials are refused: the token, the OAuth client, or the user whose token it is.
fn refusal_meaning(error: &UpstreamError, proven: bool) -> (FaultKind, &'static str, &'static str) {
    let code = error.code.as_deref().unwrap_or_default().to_ascii_uppercase();
    let denied = |advice| (FaultKind::Denied, reason::ACCESS_DENIED, advice);
    match code.as_str() {
        // Google knows the token; the user behind it may not use the API.
        "NOT_ADS_USER" => return denied(GIVE_ACCESS),
        "TWO_STEP_VERIFICATION_NOT_ENROLLED" | "ADVANCED_PROTECTION_NOT_ENROLLED" => {
            return denied("Switch this protection on for the Google account of these credentials.");
        }
        "ORGANIZATION_NOT_RECOGNIZED"
        | "ORGANIZATION_NOT_APPROVED"
        | "ORGANIZATION_NOT_ASSOCIATED_WITH_DEVELOPER_TOKEN" => {
            return denied("Have Google approve the organization of the Google Cloud project.");
        }
        _ => {}
    }
    let reason = credentials_reason(error, proven);
    let hubspot = error.service == HUBSPOT;
    let advice = match reason {
        _ if code == "DEVELOPER_TOKEN_INVALID" => "Correct or remove developerToken in {secret}.",
        _ if is_client(&code) => "Correct the id and secret of the OAuth client in {secret}.",
        reason::SECRET_INVALID if hubspot => {
            "HubSpot does not know this token: check that {secret} holds the complete token and nothing else."
        }
        reason::SECRET_INVALID => {
            "Google does not know these credentials: check that they are complete. For a refresh token, check that {secret} holds the client that it was granted to."
        }
        _ if hubspot => "Put a new token into {secret}.",
        _ => "Put new credentials into {secret}.",
    };
    (FaultKind::Credentials, reason, advice)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use rstest::rstest;

    use super::*;

    const WORKED: CredentialUse<'static> = CredentialUse {
        secret: Some("google-ads"),
        proven: true,
    };
    const NEVER_WORKED: CredentialUse<'static> = CredentialUse {
        proven: false,
        ..WORKED
    };

    #[test]
    fn a_refusal_with_a_long_wait_says_both_and_a_wait_gives_no_advice_about_access() {
        let asked = |cause, seconds| UpstreamError {
            retry_after: Some(SignedDuration::from_secs(seconds)),
            ..error(cause, None)
        };
        let said = |cause, seconds| account_fault(&asked(cause, seconds), WORKED).message;
        assert_eq!(
            said(Cause::AccessDenied, 3600),
            format!("Google Ads: what it said. Google Ads asked to wait 3600 s before the next call. {GIVE_ACCESS}")
        );
        assert_eq!(
            said(Cause::AccessDenied, 5),
            format!("Google Ads: what it said. {GIVE_ACCESS}")
        );
        let held = account_fault(&asked(Cause::RateLimited, 3600), WORKED);
        assert_eq!(
            (held.kind, held.reason.as_str()),
            (FaultKind::Limited, reason::RATE_LIMITED)
        );
        assert_eq!(
            held.message,
            "Google Ads: what it said. Nothing to do: requests continue by themselves."
        );
    }

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
    #[case(Cause::CredentialsRejected, Some("NOT_ADS_USER"), FaultKind::Denied, "AccessDenied")]
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
        let fault = account_fault(&error(cause, code), WORKED);
        assert_eq!((fault.kind, fault.reason.as_str()), (kind, reason));
        assert!(
            fault.message.starts_with("Google Ads: what it said"),
            "{}",
            fault.message
        );
    }

    /// Only what has worked can have been revoked.
    #[rstest]
    #[case::mistyped_token("HubSpot", Some("INVALID_AUTHENTICATION"), 401, NEVER_WORKED, "SecretInvalid")]
    #[case::token_taken_back("HubSpot", Some("INVALID_AUTHENTICATION"), 401, WORKED, "TokenRevoked")]
    #[case::no_token_at_all("HubSpot", None, 530, WORKED, "SecretInvalid")]
    #[case::token_that_ended("HubSpot", Some("EXPIRED_AUTHENTICATION"), 401, NEVER_WORKED, "TokenExpired")]
    #[case::mistyped_refresh_token("HubSpot", Some("invalid_grant"), 400, NEVER_WORKED, "SecretInvalid")]
    #[case::app_uninstalled("HubSpot", Some("BAD_REFRESH_TOKEN"), 400, WORKED, "TokenRevoked")]
    #[case::other_client("HubSpot", Some("BAD_CLIENT_ID"), 400, WORKED, "SecretInvalid")]
    #[case::mistyped_grant("Google OAuth", Some("invalid_grant"), 400, NEVER_WORKED, "SecretInvalid")]
    #[case::grant_taken_back("Google OAuth", Some("invalid_grant"), 400, WORKED, "TokenRevoked")]
    #[case::client_deleted("Google OAuth", Some("deleted_client"), 401, WORKED, "SecretInvalid")]
    #[case::google_says_revoked("Google Ads", Some("OAUTH_TOKEN_REVOKED"), 401, NEVER_WORKED, "TokenRevoked")]
    #[case::google_says_expired("Google Ads", Some("OAUTH_TOKEN_EXPIRED"), 401, WORKED, "TokenExpired")]
    #[case::developer_token("Google Ads", Some("DEVELOPER_TOKEN_INVALID"), 401, WORKED, "SecretInvalid")]
    fn refused_credentials(
        #[case] service: &'static str,
        #[case] code: Option<&str>,
        #[case] status: u16,
        #[case] used: CredentialUse<'_>,
        #[case] reason: &str,
    ) {
        let error = UpstreamError {
            code: code.map(str::to_owned),
            status: Some(status),
            ..UpstreamError::new(service, Cause::CredentialsRejected, "refused")
        };
        let fault = account_fault(&error, used);
        assert_eq!((fault.kind, fault.reason.as_str()), (FaultKind::Credentials, reason));
        assert!(fault.message.contains("Secret google-ads"), "{}", fault.message);
    }

    #[test]
    fn advice_about_one_service_does_not_speak_of_the_other() {
        for cause in [
            Cause::CredentialsRejected,
            Cause::MissingScope,
            Cause::AccessDenied,
            Cause::UnsupportedVersion,
            Cause::NotFound,
            Cause::Refused,
            Cause::RateLimited,
            Cause::Unavailable,
        ] {
            for used in [WORKED, NEVER_WORKED] {
                let used = CredentialUse {
                    secret: Some("s"),
                    ..used
                };
                let message = |service| account_fault(&UpstreamError::new(service, cause, "x"), used).message;
                let hubspot = message("HubSpot");
                assert!(
                    !hubspot.contains("oogle") && !hubspot.contains("loginCustomerId"),
                    "{hubspot}"
                );
                let google = message("Google Ads");
                assert!(!google.to_lowercase().contains("hubspot"), "{google}");
            }
        }
    }

    #[test]
    fn a_closed_account_is_to_be_activated_whoever_has_access() {
        let message = |code| account_fault(&error(Cause::AccessDenied, Some(code)), WORKED).message;
        let closed = message("CUSTOMER_NOT_ENABLED");
        assert!(
            closed.contains("Activate the account") && !closed.contains("loginCustomerId"),
            "{closed}"
        );
        assert!(message("USER_PERMISSION_DENIED").contains("loginCustomerId"));
    }

    #[test]
    fn a_switched_off_api_says_where_to_switch_it_on() {
        let message = account_fault(&error(Cause::ServiceDisabled, None), WORKED).message;
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
        assert_eq!(account_fault(&tried("a1"), WORKED), account_fault(&tried("b2"), WORKED));
        assert_eq!(account_fault(&tried("a1"), WORKED).message, "Google Ads: INTERNAL");
    }
}
