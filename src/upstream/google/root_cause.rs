//! Why a call got no answer.

use std::error::Error as _;

use super::redact::redact_words;
use crate::ports::unreached::describe_unreached;

/// The innermost reason ("connection refused"), which holds neither address nor data.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let reason = error.source().map(describe_unreached);
    reason
        .map(|reason| format!(": {}", redact_words(&reason)))
        .unwrap_or_default()
}
