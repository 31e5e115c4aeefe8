//! Which HubSpot portal a token opens, and when that is believed.
//!
//! The portal's id is part of every transaction id (docs/reference/hubspot.md 2.3). If a wrong portal were pinned
//! because of one odd answer, every conversion would count twice once that is corrected. So a portal is believed only
//! when two witnesses agree. Witnesses are the account details, what HubSpot says of the token, the manifest, and the
//! account details of the check before.

use super::account_health::{AccountFault, FaultKind};
use super::ids::PortalId;
use crate::api::reasons::reason;

/// Which portal the token must open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortalPin {
    /// `spec.portalId`.
    pub declared: Option<PortalId>,
    /// The portal that was read so far.
    pub pinned: Option<PortalId>,
    /// The portal that conversions of the account's events came from. It counts if nothing is pinned: an account that
    /// is created again under the name of a removed one takes over that one's events too.
    pub of_events: Option<PortalId>,
}

/// What one check has learned about the token's portal, by witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortalWitnesses {
    /// By the account details.
    pub details: PortalId,
    /// By what HubSpot says of the token; `None` if it does not say.
    pub token: Option<PortalId>,
    /// By the account details of the check before, with the same credentials.
    pub before: Option<PortalId>,
}

impl PortalPin {
    /// The fault, unless the token opens the right portal. A fault that stalls the account takes two witnesses too.
    pub fn check_portal(self, heard: PortalWitnesses) -> Result<(), AccountFault> {
        let opened = heard.details;
        let agreed = self.pinned.or(self.of_events);
        let right = agreed.or(self.declared);
        let declared_otherwise = self.declared.is_some_and(|declared| declared != opened);
        let fits = right == Some(opened) && !declared_otherwise;
        match heard.token {
            // Two witnesses have agreed on this portal before.
            _ if fits && agreed.is_some() => Ok(()),
            Some(token) if token != opened => Err(contradiction(opened, token)),
            // The manifest is the second witness.
            _ if fits => Ok(()),
            None if heard.before != Some(opened) => Err(second_look(opened)),
            _ => self.mismatch(opened).map_or(Ok(()), Err),
        }
    }

    fn mismatch(self, opened: PortalId) -> Option<AccountFault> {
        let message = match (self.declared, self.pinned, self.of_events) {
            (Some(declared), ..) if declared != opened => format!(
                "The token in the Secret belongs to HubSpot portal {opened}, but spec.portalId is {declared}. Put a token of \
                 portal {declared} into the Secret, or correct spec.portalId."
            ),
            (_, Some(pinned), _) if pinned != opened => format!(
                "The token in the Secret belongs to HubSpot portal {opened}, but this account has read portal {pinned} so far. \
                 Put a token of portal {pinned} back, or create another HubSpotAccount for portal {opened}."
            ),
            (_, None, Some(before)) if before != opened => format!(
                "The token in the Secret belongs to HubSpot portal {opened}, but the events that name this account have \
                 conversions of portal {before}: an earlier account of this name has read it. Put a token of portal {before} \
                 into the Secret. To read portal {opened}, create another HubSpotAccount with events of its own, or delete the \
                 events of this one and create them again."
            ),
            _ => return None,
        };
        Some(AccountFault::new(FaultKind::Denied, reason::PORTAL_MISMATCH, message))
    }
}

fn contradiction(details: PortalId, token: PortalId) -> AccountFault {
    let message = format!(
        "HubSpot contradicts itself: by the account details the token in the Secret belongs to portal {details}, by what HubSpot \
         says of the token to portal {token}. HubSpot is asked again until both agree. If this lasts, put a new token into the \
         Secret, and check what stands between the operator and HubSpot."
    );
    AccountFault::new(FaultKind::Unavailable, reason::UPSTREAM_UNAVAILABLE, message)
}

fn second_look(opened: PortalId) -> AccountFault {
    let message = format!(
        "HubSpot says that the token in the Secret belongs to portal {opened}, and is asked a second time before that is \
         believed. Nothing to do."
    );
    AccountFault::new(FaultKind::Unavailable, reason::PROGRESSING, message)
}

/// True if a second answer must confirm that this is the company's currency: values are sent in it, and what was sent
/// stays. A currency that can't be read (empty) does not change the one that is `known`.
pub fn is_currency_doubtful(known: &str, heard: &str) -> bool {
    !heard.is_empty() && heard != known
}

/// The company's currency after two answers: what both say, else what is `known`; empty if it is not.
pub fn agreed_currency<'a>(known: &'a str, first: &'a str, second: &str) -> &'a str {
    let agreed = first == second && !first.is_empty();
    if agreed { first } else { known }
}

#[cfg(test)]
#[path = "portal_pin_tests.rs"]
mod tests;
