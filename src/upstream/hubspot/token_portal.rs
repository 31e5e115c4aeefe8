//! Checks which portal a bought token opens. A single answer of the token endpoint may carry the token of another
//! portal, so nothing is read with a token before HubSpot says that it belongs to the portal that the account may use.

use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::config::SERVICE;
use super::token::{OAuthKeys, Token};
use super::token_info::{ask_about_token, ask_details};
use super::transport::Transport;
use crate::domain::ids::PortalId;
use crate::ports::{Cause, UpstreamError};

/// The first pause before a token of another portal is replaced by a new one; it doubles each time.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Tokens of another portal in a row that are no longer a single
/// odd answer: the account's check may then see the portal.
const IN_A_ROW: u32 = 2;

/// What a token is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenPurpose {
    /// To find out which portal it opens.
    Check,
    /// To read what the portal holds.
    Read,
}

/// Keeps tokens of another portal from being used.
#[derive(Default)]
pub(crate) struct PortalGuard {
    in_a_row: u32,
    /// Until when nobody may read the pinned portal, and why.
    bar: Option<(Instant, PortalId, UpstreamError)>,
}

impl PortalGuard {
    /// The error with which reads of this portal are refused a token now; `None` if one may be bought.
    pub(crate) fn bar(&self, pinned: PortalId, now: Instant) -> Option<UpstreamError> {
        let (until, _, error) = self.bar.as_ref().filter(|(_, portal, _)| *portal == pinned)?;
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(UpstreamError {
            retry_after: SignedDuration::try_from(left).ok(),
            ..error.clone()
        })
    }

    /// True if even a token of another portal is given out for this.
    pub(crate) fn lets_through(&self, purpose: TokenPurpose) -> bool {
        purpose == TokenPurpose::Check && self.in_a_row >= IN_A_ROW
    }

    /// Notes that a bought token opens the `other` portal. Returns the error for the caller that wanted it.
    pub(crate) fn record_mismatch(&mut self, (right, other): (PortalId, PortalId), now: Instant) -> UpstreamError {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let pause = PAUSE
            .saturating_mul(1 << (self.in_a_row - 1).min(10))
            .min(LONGEST_PAUSE);
        let message = format!(
            "the token endpoint gave a token of portal {other}, while this account reads portal {right}. Nothing is read with \
             it, and another one is asked for"
        );
        tracing::warn!(portal = %right, other = %other, "a new HubSpot token belongs to another portal and is not used");
        let error = UpstreamError {
            retry_after: SignedDuration::try_from(pause).ok(),
            ..UpstreamError::new(SERVICE, Cause::Unavailable, message)
        };
        self.bar = Some((now + pause, right, error.clone()));
        error
    }

    /// Lets another token be bought at once.
    pub(crate) fn try_again(&mut self) {
        self.bar = None;
    }
}

/// The portal of a token that was just bought: by the introspection,
/// or by the account details if that does not name it.
pub(crate) async fn ask_portal(
    transport: &Transport,
    keys: &OAuthKeys,
    token: &Token,
) -> Result<PortalId, UpstreamError> {
    if let Ok(info) = ask_about_token(transport, Some(keys), token).await
        && let Some(portal) = info.portal
    {
        return Ok(portal);
    }
    match ask_details(transport, token).await {
        // A single new token that is refused says nothing about the credentials.
        Err(error) if error.needs_a_person() => Err(UpstreamError {
            cause: Cause::Unavailable,
            message: format!("nobody says to which portal a new token belongs: {}", error.message),
            ..error
        }),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_between_wrong_tokens_grow() {
        let (mut guard, mut now) = (PortalGuard::default(), Instant::now());
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            guard.record_mismatch((PortalId(1), PortalId(2)), now);
            assert!(guard.bar(PortalId(1), now + Duration::from_secs(seconds - 1)).is_some());
            now += Duration::from_secs(seconds);
            assert!(guard.bar(PortalId(1), now).is_none(), "{seconds}");
        }
    }
}
