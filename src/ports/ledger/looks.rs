//! Checks ("looks") which of the contacts that the ledger names HubSpot has deleted.

use jiff::Timestamp;

use super::ids::LookerId;
use crate::domain::ids::{ContactId, ObjectKey, PortalId};

/// Who looks: a HubSpot account, and the portal that it reads. Accounts of one portal may see different contacts of it,
/// so each has a round and findings of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looker {
    pub portal: PortalId,
    /// The HubSpot account object.
    pub account: ObjectKey,
}

/// How far an account's round over all contacts of its portal that the ledger names has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookRound {
    /// How many there were when it began.
    pub contacts: u64,
    /// The last one that was looked for; [`ContactId::UNKNOWN`]: none yet.
    pub after: ContactId,
    /// When that one was looked for; if there was none yet, when the round began.
    pub looked_at: Timestamp,
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookResult {
    /// Contacts that HubSpot has, by any id that leads to them.
    pub seen: Vec<ContactId>,
    /// Contacts that it does not have.
    pub missing: Vec<ContactId>,
    /// The round goes on behind this contact; `None`: it has ended, and the next one begins.
    pub after: Option<ContactId>,
    pub at: Timestamp,
}

/// What one erasure did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// Contacts that the ledger no longer names.
    pub contacts: Vec<(PortalId, ContactId)>,
    /// Where the next erasure goes on; `None`: there are no more contacts to look at.
    pub behind: Option<(LookerId, ContactId)>,
}
