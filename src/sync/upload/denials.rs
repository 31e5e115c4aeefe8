//! Whether a refusal of the account is one. An ad network may deny a request for one of its rows, in the words that it has for
//! credentials which may do nothing. Then it takes a conversion of nobody, which it is asked to judge only, to the same actions.

use std::time::Duration;

use tokio::time::timeout;

use super::Uploader;
use super::request::destinations_of;
use crate::domain::batch::Complaint;
use crate::ports::sink::{AsNobody, IngestError, Route, UploadRequest};
use crate::ports::{Cause, UpstreamError};
use crate::sync::prepare::PreparedRow;

/// So long may a judgement take: a stop waits for it.
const LIMIT: Duration = Duration::from_secs(5);

/// True where the network itself denies the request for who makes it, for what this one may use, or because there is nothing at
/// its path.
const fn is_denial(error: &UpstreamError) -> bool {
    error.is_coded_answer() && (error.needs_a_person() || matches!(error.cause, Cause::NotFound))
}

/// True for an answer by which whoever asked may send to the action. What it says of the conversion of nobody is no matter.
fn lets_in(answer: &Result<Vec<Complaint>, IngestError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(refused) => refused.error.cause == Cause::Refused && refused.error.code.is_some(),
    }
}

impl Uploader {
    /// The failure of a request. Where the network denies it and lets in one for nobody to any of its actions right
    /// after it, it is one that may pass, and that a row may be the reason of.
    pub(super) async fn weigh_denial(&self, way: &Route, rows: &[PreparedRow], failure: IngestError) -> IngestError {
        if !is_denial(&failure.error) {
            return failure;
        }
        let asked = AsNobody {
            click: rows.iter().any(|ready| ready.prepared.click.is_some()),
            identifiers: rows.iter().any(|ready| !ready.prepared.identifiers.is_empty()),
        };
        for action in destinations_of(rows) {
            let nobody = UploadRequest::of_nobody(action, asked, self.ctx.clock.now());
            let Ok(answer) = timeout(LIMIT, way.validate_request(&nobody)).await else {
                break;
            };
            if lets_in(&answer) {
                let message = format!("{}; a conversion of nobody would be taken", failure.error.message);
                return UpstreamError {
                    cause: Cause::Unavailable,
                    message,
                    ..failure.error
                }
                .into();
            }
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(cause: Cause, code: Option<&str>, status: Option<u16>) -> UpstreamError {
        UpstreamError {
            code: code.map(str::to_owned),
            status,
            ..UpstreamError::new("Data Manager", cause, "")
        }
    }

    #[rstest::rstest]
    #[case::denied(Cause::AccessDenied, Some("PERMISSION_DENIED"), Some(403), true)]
    #[case::refused_token(Cause::CredentialsRejected, Some("UNAUTHENTICATED"), Some(401), true)]
    #[case::a_page(Cause::AccessDenied, None, Some(403), false)]
    #[case::not_called(Cause::AccessDenied, Some("PERMISSION_DENIED"), None, false)]
    #[case::switched_off(Cause::ServiceDisabled, Some("SERVICE_DISABLED"), Some(403), true)]
    #[case::not_allowlisted(Cause::NotAllowlisted, Some("NOT_ALLOWLISTED"), Some(403), true)]
    #[case::no_path(Cause::UnsupportedVersion, Some("NOT_FOUND"), Some(404), true)]
    #[case::nothing_there(Cause::NotFound, Some("NOT_FOUND"), Some(404), true)]
    #[case::a_limit(Cause::RateLimited, Some("RESOURCE_EXHAUSTED"), Some(429), false)]
    #[case::a_bad_row(Cause::Refused, Some("INVALID_ARGUMENT"), Some(400), false)]
    fn what_is_weighed(
        #[case] cause: Cause,
        #[case] code: Option<&str>,
        #[case] status: Option<u16>,
        #[case] weighed: bool,
    ) {
        assert_eq!(is_denial(&error(cause, code, status)), weighed);
    }

    #[test]
    fn a_denied_token_is_not_weighed() {
        let denied = UpstreamError {
            of_token: true,
            ..error(Cause::CredentialsRejected, Some("invalid_grant"), Some(400))
        };
        assert!(!is_denial(&denied));
    }

    #[rstest::rstest]
    #[case::denied_too(Cause::AccessDenied, false)]
    #[case::its_click_is_unknown(Cause::Refused, true)]
    #[case::down(Cause::Unavailable, false)]
    fn who_is_let_in(#[case] cause: Cause, #[case] expected: bool) {
        assert_eq!(lets_in(&Err(error(cause, Some("CODE"), Some(400)).into())), expected);
        assert!(lets_in(&Ok(Vec::new())));
    }
}
