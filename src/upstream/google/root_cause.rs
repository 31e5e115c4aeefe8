//! Why a call got no answer.

use std::error::Error as _;

use super::redact::redact_words;

/// The innermost reason ("connection refused"), which holds neither address nor data.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut inner = error.source();
    while let Some(deeper) = inner.and_then(std::error::Error::source) {
        inner = Some(deeper);
    }
    inner
        .map(|reason| format!(": {}", redact_words(&reason.to_string())))
        .unwrap_or_default()
}
