//! Why a call got no answer.

use std::error::Error as _;

use super::redact::redact_words;
use crate::upstream::http::unreached::describe_call;

/// The innermost reason ("connection refused"), which holds neither an address but a proxy's nor data.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let reason = error.source().map(|_| describe_call(error, redact_words));
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}
