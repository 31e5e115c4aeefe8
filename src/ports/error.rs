//! One error type for every call to HubSpot and Google: what happened, whether the call may have taken effect, and
//! what the service said, verbatim if it is a code.

use jiff::SignedDuration;

/// What a failed call means for us. Decided once, in the clients, from status and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The token is refused also after one refresh, or could not be had at all (revoked, expired, wrong). A person must
    /// act.
    CredentialsRejected,
    /// The token lacks a scope. A person must act; the token itself is valid.
    MissingScope,
    /// The credential's user has no access to this account or object. A person must act.
    AccessDenied,
    /// The API is switched off in the Cloud project. A person must act; the message names the API.
    ServiceDisabled,
    /// The project or customer may not use this feature (Google's allow lists). A person must act.
    NotAllowlisted,
    /// A short-term limit; `retry_after` says how long.
    RateLimited,
    /// A daily quota is used up; `retry_after` says how long if known.
    QuotaExhausted,
    /// Not reached, timed out, or a failure on the other side that may pass.
    Unavailable,
    /// The request itself is refused for good (4xx with a reason). `code` holds it.
    Refused,
    /// The object does not exist.
    NotFound,
    /// Another object has the name that was asked for.
    NameTaken,
    /// The API version or path does not exist any more.
    UnsupportedVersion,
    /// The answer could not be understood (truncated, HTML, wrong type).
    Malformed,
    /// The answer is good, but larger than the limit. A smaller part of it may be asked for.
    TooLarge,
}

/// Whether a failed call may have taken effect on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Certainly not: refused, or never sent.
    None,
    /// Unknown: sent, and no answer that settles it.
    Unknown,
}

/// Whether a call changes something on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    Reads,
    Changes,
}

impl CallKind {
    /// True for a call that changes something: it is never repeated by itself.
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Changes)
    }

    /// What a call of this kind may have done that was begun and got no answer, or none that can be understood.
    pub const fn effect_without_answer(self) -> Effect {
        match self {
            Self::Reads => Effect::None,
            Self::Changes => Effect::Unknown,
        }
    }
}

/// A failed call to HubSpot or Google. Holds no token and no personal data: `message` is made of codes, field names and
/// the service's own words with values cut out, at most 512 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service}: {message}")]
pub struct UpstreamError {
    /// `HubSpot`, `Google Ads`, `Data Manager` or `Google OAuth`.
    pub service: &'static str,
    /// What it means for us.
    pub cause: Cause,
    /// Whether the call may have taken effect.
    pub effect: Effect,
    /// The service's own code, verbatim (`DUPLICATE_NAME`, `MISSING_SCOPES`, `invalid_grant`), if it gave one.
    pub code: Option<String>,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// For people.
    pub message: String,
    /// How long the service wants us to wait (`Retry-After`, `retryDelay`).
    pub retry_after: Option<SignedDuration>,
    /// The service's id of the request (`request-id`, `correlationId`), for support.
    pub request_id: Option<String>,
    /// True if the call was not made because no token could be
    /// had: then the reason is not what the call was to ask for.
    pub about_token: bool,
}

impl UpstreamError {
    /// An error with nothing but a cause and a message; the rest empty, effect none.
    pub fn new(service: &'static str, cause: Cause, message: impl Into<String>) -> Self {
        Self {
            service,
            cause,
            effect: Effect::None,
            code: None,
            status: None,
            message: message.into(),
            retry_after: None,
            request_id: None,
            about_token: false,
        }
    }

    /// The error without the id of the request, which differs with every try: a status that held it would be written
    /// again each time. The log has it.
    pub fn without_request_id(&self) -> String {
        let text = self.to_string();
        match &self.request_id {
            Some(id) => text.replace(&format!(" (request-id {id})"), ""),
            None => text,
        }
    }

    /// True if waiting may help without anybody acting.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self.cause,
            Cause::RateLimited | Cause::QuotaExhausted | Cause::Unavailable | Cause::Malformed | Cause::TooLarge
        )
    }

    /// True for a refusal that holds no code of the service: it may come from a proxy or filter that objects to this
    /// one call. The service itself answers so for a path that is gone, but then the account's own check meets it too.
    pub const fn is_unexplained(&self) -> bool {
        self.code.is_none()
            && !self.about_token
            && matches!(
                self.cause,
                Cause::CredentialsRejected | Cause::AccessDenied | Cause::RateLimited | Cause::UnsupportedVersion
            )
    }

    /// True for an answer to this very call in which the service says by a code of its own why the call fails. A
    /// failure to get a token is no such answer.
    pub const fn is_coded_answer(&self) -> bool {
        self.code.is_some() && self.status.is_some() && !self.about_token
    }

    /// True for a failure whose reason may be one of the records, conversions or forms of the call, although it names
    /// none. If it comes again and again, each of these is tried by itself. A failure that says what is wrong with the
    /// call is none of this kind, nor is a refusal of a part for good, which the caller handles.
    pub const fn may_concern_a_part(&self) -> bool {
        match self.cause {
            _ if self.about_token => false,
            Cause::Unavailable | Cause::Malformed | Cause::TooLarge => true,
            // Without a status the call was not made, and its parts are not the reason.
            _ => self.status.is_some() && self.is_unexplained(),
        }
    }

    /// True for a failure that says nothing about the token or the account.
    pub const fn concerns_this_call(&self) -> bool {
        self.may_concern_a_part() && !matches!(self.cause, Cause::RateLimited)
    }

    /// True for a failure to read a list (of stages, forms, actions) that may concern that list alone, if the account's
    /// other calls are answered. A refusal may do so too.
    pub const fn may_concern_a_list(&self) -> bool {
        let refused = matches!(self.cause, Cause::AccessDenied | Cause::Refused | Cause::NotFound);
        (refused && self.status.is_some()) || self.concerns_this_call()
    }

    /// True if only a person can repair the account (credentials, scopes, permissions, switched-off APIs).
    pub const fn needs_a_person(&self) -> bool {
        matches!(
            self.cause,
            Cause::CredentialsRejected
                | Cause::MissingScope
                | Cause::AccessDenied
                | Cause::ServiceDisabled
                | Cause::NotAllowlisted
                | Cause::UnsupportedVersion
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::of_the_other_side(Cause::Unavailable, None, Some(500), true)]
    #[case::no_answer(Cause::Unavailable, None, None, true)]
    #[case::a_redirect(Cause::Malformed, None, Some(302), true)]
    #[case::too_large(Cause::TooLarge, None, Some(413), true)]
    #[case::a_login_page(Cause::CredentialsRejected, None, Some(401), true)]
    #[case::a_filter(Cause::AccessDenied, None, Some(403), true)]
    #[case::a_filter_that_slows_down(Cause::RateLimited, None, Some(429), true)]
    #[case::not_called(Cause::RateLimited, None, None, false)]
    #[case::the_token(Cause::CredentialsRejected, Some("UNAUTHENTICATED"), Some(401), false)]
    #[case::the_account(Cause::AccessDenied, Some("USER_PERMISSION_DENIED"), Some(403), false)]
    #[case::a_limit(Cause::RateLimited, Some("SECONDLY"), Some(429), false)]
    #[case::a_quota(Cause::QuotaExhausted, None, Some(429), false)]
    #[case::a_scope(Cause::MissingScope, None, Some(403), false)]
    #[case::an_api(Cause::ServiceDisabled, None, Some(403), false)]
    #[case::an_allow_list(Cause::NotAllowlisted, None, Some(403), false)]
    #[case::not_found_by_a_router(Cause::UnsupportedVersion, None, Some(404), true)]
    #[case::the_version(Cause::UnsupportedVersion, Some("UNSUPPORTED_VERSION"), Some(400), false)]
    #[case::refused(Cause::Refused, None, Some(400), false)]
    #[case::missing(Cause::NotFound, None, Some(404), false)]
    fn what_may_be_of_a_part_of_a_call(
        #[case] cause: Cause,
        #[case] code: Option<&str>,
        #[case] status: Option<u16>,
        #[case] may: bool,
    ) {
        let error = UpstreamError {
            code: code.map(str::to_owned),
            status,
            ..UpstreamError::new("HubSpot", cause, "")
        };
        assert_eq!(error.may_concern_a_part(), may);
        let error = UpstreamError {
            about_token: true,
            ..error
        };
        assert!(!error.may_concern_a_part() && !error.is_unexplained());
    }

    #[rstest::rstest]
    #[case::down(Cause::Unavailable, Some(500), true)]
    #[case::an_odd_row(Cause::Malformed, Some(200), true)]
    #[case::no_access_to_it(Cause::AccessDenied, Some(403), true)]
    #[case::a_query_that_is_refused(Cause::Refused, Some(400), true)]
    #[case::not_called(Cause::AccessDenied, None, false)]
    #[case::a_limit(Cause::RateLimited, Some(429), false)]
    #[case::the_quota(Cause::QuotaExhausted, Some(429), false)]
    #[case::switched_off(Cause::ServiceDisabled, Some(403), false)]
    #[case::a_scope(Cause::MissingScope, Some(403), false)]
    fn errors_that_do_not_concern_the_account(
        #[case] cause: Cause,
        #[case] status: Option<u16>,
        #[case] expected: bool,
    ) {
        let error = UpstreamError {
            status,
            code: Some("CODE".to_owned()),
            ..UpstreamError::new("Google Ads", cause, "")
        };
        assert_eq!(error.may_concern_a_list(), expected);
    }

    #[rstest::rstest]
    #[case::broken(Cause::Unavailable, None, true)]
    #[case::garbled(Cause::Malformed, None, true)]
    #[case::a_login_page(Cause::CredentialsRejected, None, true)]
    #[case::the_token(Cause::CredentialsRejected, Some("INVALID_AUTHENTICATION"), false)]
    #[case::a_scope(Cause::MissingScope, Some("MISSING_SCOPES"), false)]
    #[case::slow_down(Cause::RateLimited, None, false)]
    #[case::the_day_is_over(Cause::QuotaExhausted, Some("DAILY"), false)]
    #[case::a_router_page(Cause::UnsupportedVersion, None, true)]
    fn what_says_nothing_of_the_account(#[case] cause: Cause, #[case] code: Option<&str>, #[case] expected: bool) {
        let error = UpstreamError {
            code: code.map(str::to_owned),
            status: Some(500),
            ..UpstreamError::new("HubSpot", cause, "no")
        };
        assert_eq!(error.concerns_this_call(), expected);
    }
}
