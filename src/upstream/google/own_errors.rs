//! Errors in the connector's own words, where Google named none: the answer is of no use, or the request was not sent.

use super::api::Api;
use crate::ports::sink::IngestError;
use crate::ports::{CallKind, Cause, UpstreamError};

/// The error of a good status with a body that can't be understood. A change may have happened.
pub(crate) fn malformed_answer(
    api: Api,
    kind: CallKind,
    status: u16,
    request_id: Option<String>,
    what: &str,
) -> UpstreamError {
    UpstreamError {
        effect: kind.effect_without_answer(),
        status: Some(status),
        request_id,
        ..UpstreamError::new(api.service_name(), Cause::Malformed, format!("HTTP {status}: {what}"))
    }
}

/// The error of an answer with status 200 that does not contain the requested data.
pub(crate) fn unusable_answer(api: Api, kind: CallKind, what: &str) -> UpstreamError {
    malformed_answer(api, kind, 200, None, what)
}

/// The error of a request that is not sent, because the API could only refuse it.
pub(crate) fn unsent_request(api: Api, why: impl std::fmt::Display) -> IngestError {
    UpstreamError::new(api.service_name(), Cause::Refused, format!("not sent: {why}")).into()
}
