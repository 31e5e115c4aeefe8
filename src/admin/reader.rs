//! Who reads an answer: a program, or a person with a browser.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::Uri;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;

/// Who reads what is said instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Program,
    /// A browser that asks for a page.
    Person,
}

impl Reader {
    /// Who asks for this. What lies under `/v1` is for programs.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let pages = accepts.is_some_and(|accepts| accepts.contains("text/html"));
        if pages && !uri.path().starts_with("/v1/") {
            Self::Person
        } else {
            Self::Program
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri, &parts.headers))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("/nosuch", Some("text/html,application/xhtml+xml;q=0.9"), Reader::Person)]
    #[case("/v1/nosuch", Some("text/html"), Reader::Program)]
    #[case("/nosuch", Some("*/*"), Reader::Program)]
    #[case("/nosuch", None, Reader::Program)]
    fn browsers_ask_for_pages(#[case] path: &str, #[case] accepts: Option<&'static str>, #[case] reader: Reader) {
        let accepts = accepts.map(|accepts| (ACCEPT, accepts.parse().unwrap()));
        assert_eq!(
            Reader::of(&path.parse().unwrap(), &accepts.into_iter().collect()),
            reader
        );
    }
}
