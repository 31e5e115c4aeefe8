//! Internal numbers of the ledger, and the account that sends a batch.

use crate::api::AdNetwork;
use crate::domain::ids::ObjectKey;

/// Internal number of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub i64);

/// Internal number of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(pub i64);

/// Internal number of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub i64);

/// Internal number of an account's round over the contacts of its portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookerId(pub i64);

/// The account object whose uploader sends a batch. Each network has a kind of its own, and two kinds may have objects
/// of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sender {
    /// The network of the account.
    pub network: AdNetwork,
    pub account: ObjectKey,
}

impl Sender {
    /// A `GoogleAdsAccount`.
    pub const fn google(account: ObjectKey) -> Self {
        Self {
            network: AdNetwork::Google,
            account,
        }
    }
}
