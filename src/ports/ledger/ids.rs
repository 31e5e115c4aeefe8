//! Numbers of the ledger, and the key of an action.

use crate::domain::ids::{ActionId, CustomerId};

/// Internal number of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub i64);

/// Internal number of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub i64);

/// Internal number of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

/// Internal number of an account's round over the contacts of its portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookerId(pub i64);

/// The conversion action a track belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActionKey {
    /// The account that owns the action.
    pub customer: CustomerId,
    /// The action.
    pub action: ActionId,
}
