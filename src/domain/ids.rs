//! Identifiers of the outside world as types of their own, so that a portal can't be passed where a contact is wanted.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::api::AdNetwork;

/// A HubSpot portal (account), also called hub id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortalId(pub u64);

/// A HubSpot contact record (`hs_object_id`). Numeric: compared as an integer, never as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContactId(pub u64);

impl ContactId {
    /// Stands for a contact that is not known (yet): HubSpot's ids begin at 1.
    pub const UNKNOWN: Self = Self(0);
    /// An id that no contact has: HubSpot's have twelve digits or so. A question for it tells whether such questions
    /// are answered.
    pub const NOBODY: Self = Self(9_007_199_254_740_991);
}

/// A HubSpot deal record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DealId(pub u64);

impl DealId {
    /// As [`ContactId::NOBODY`].
    pub const NOBODY: Self = Self(ContactId::NOBODY.0);
}

/// A Google Ads conversion action; the same number is Data Manager's `productDestinationId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(pub u64);

macro_rules! display_number {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    )*};
}
display_number!(PortalId, ContactId, DealId, ActionId);

/// A Google Ads customer id: exactly ten digits, kept without dashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerId(String);

/// A customer id that is not ten digits (dashes allowed).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a Google Ads customer id (ten digits, dashes optional)")]
pub struct BadCustomerId(String);

impl CustomerId {
    /// The ten digits, as the API's paths and headers want them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account of an ad network that owns conversion actions. Its id is text: each network has ids of its own shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdAccountKey {
    pub network: AdNetwork,
    /// The id there, as its API writes it.
    pub id: String,
}

/// A conversion action: what uploads, the ledger and the registry know it by, whichever network it is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionKey {
    /// The account that owns it.
    pub account: AdAccountKey,
    /// Its id in that account, as the network's API writes it.
    pub id: String,
}

impl CustomerId {
    /// The account as every ad network's accounts are named.
    pub fn account_key(&self) -> AdAccountKey {
        AdAccountKey {
            network: AdNetwork::Google,
            id: self.0.clone(),
        }
    }

    /// An action of this account as every ad network's actions are named.
    pub fn action_key(&self, id: ActionId) -> ActionKey {
        ActionKey {
            account: self.account_key(),
            id: id.to_string(),
        }
    }
}

impl FromStr for CustomerId {
    type Err = BadCustomerId;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let digits: String = s.chars().filter(|c| *c != '-').collect();
        if digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(digits))
        } else {
            Err(BadCustomerId(s.to_owned()))
        }
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The deduplication key that Google sees for one conversion: `hs-` and 40 hex digits.
///
/// SHA-256 of `v1|portalId|canonicalContact|stageValue|epochMillis`, first 20 bytes.
/// Nothing of the cluster, the event or the action is in it, so that a re-created event,
/// a restored cluster or a lost ledger can't count a conversion twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 20]);

impl TransactionId {
    /// The id of the entry of the contact with this `canonical` id into `stage` (internal value) at `at_ms` (epoch
    /// milliseconds, from the property's history).
    pub fn for_lifecycle(portal: PortalId, canonical: ContactId, stage: &str, at_ms: i64) -> Self {
        Self::digest(&format!("v1|{portal}|{canonical}|{stage}|{at_ms}"))
    }

    fn digest(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let mut id = [0; 20];
        id.copy_from_slice(&digest[..20]);
        Self(id)
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hs-")?;
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// A text that is no transaction id of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a transaction id")]
pub struct BadTransactionId;

impl FromStr for TransactionId {
    type Err = BadTransactionId;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bytes = s
            .strip_prefix("hs-")
            .and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(BadTransactionId)
    }
}

/// How the ledger knows an occurrence. Nothing of a person is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OccurrenceKey {
    /// What the transaction id was made of, as far as it keeps keys in the order in which occurrences are found: rows
    /// that are noted together lie together. Equal transaction ids have equal sort keys.
    pub sort_key: i64,
    /// The id itself.
    pub transaction: TransactionId,
}

impl OccurrenceKey {
    /// The key of a lifecycle occurrence: contacts are read in the order of their ids.
    pub fn for_lifecycle(portal: PortalId, canonical: ContactId, stage: &str, at_ms: i64) -> Self {
        Self {
            sort_key: canonical.0.cast_signed(),
            transaction: TransactionId::for_lifecycle(portal, canonical, stage, at_ms),
        }
    }

    /// The key of a submission of `form` (GUID). Google never sees it: the order id of an enhancement is the
    /// submission's `conversionId` itself (docs/reference/google.md 4.4).
    pub fn for_submission(portal: PortalId, form: &str, conversion_id: &str) -> Self {
        Self::unordered(TransactionId::digest(&format!(
            "v1|{portal}|form|{form}|{conversion_id}"
        )))
    }

    /// The key of a submission that came without a `conversionId` (old data; docs/reference/hubspot.md 7.2): its
    /// millisecond. Two of one millisecond count as one, and neither can be sent.
    pub fn for_nameless_submission(portal: PortalId, form: &str, at_ms: i64) -> Self {
        Self::unordered(TransactionId::digest(&format!("v1|{portal}|form|{form}|at|{at_ms}")))
    }

    fn unordered(transaction: TransactionId) -> Self {
        let begin: u64 = transaction
            .0
            .iter()
            .take(8)
            .fold(0, |begin, byte| begin << 8 | u64::from(*byte));
        Self {
            sort_key: begin.cast_signed(),
            transaction,
        }
    }
}

/// What Google keeps conversions of one action apart by: `transactionId` in Data Manager, `orderId` in the Ads API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrderId {
    /// Made by us, for a lifecycle conversion.
    Lifecycle(TransactionId),
    /// A submission's `conversionId`, which the web tag sends as `transaction_id` (docs/reference/hubspot.md 7.2).
    Submission(String),
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lifecycle(id) => id.fmt(f),
            Self::Submission(id) => f.write_str(id),
        }
    }
}

/// Namespace and name of a Kubernetes object of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    pub namespace: String,
    pub name: String,
}

impl ObjectKey {
    /// A key from its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn transaction_ids_are_stable_and_short_enough_for_google() {
        let id = TransactionId::for_lifecycle(PortalId(62515), ContactId(151), "customer", 1_762_074_843_512);
        // First 40 hex digits of: printf 'v1|62515|151|customer|1762074843512' | sha256sum
        assert_eq!(id.to_string(), "hs-5192c28f41660d3a20d7a45b89ed1493eb7bb2d1");
        assert!(id.to_string().len() <= 64);
    }

    #[test]
    fn transaction_ids_come_back_from_their_text() {
        let id = TransactionId([0xab; 20]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for other in [
            "",
            "hs-",
            "abab",
            "hs-ab",
            &id.to_string().to_uppercase(),
            &format!("{id}ab"),
        ] {
            assert_eq!(other.parse::<TransactionId>(), Err(BadTransactionId), "{other}");
        }
    }

    #[test]
    fn customer_ids_lose_their_dashes() {
        assert_eq!("123-456-7890".parse::<CustomerId>().unwrap().as_str(), "1234567890");
        assert!("123".parse::<CustomerId>().is_err());
        assert!("12345678901".parse::<CustomerId>().is_err());
        assert!("12345678a0".parse::<CustomerId>().is_err());
    }
}
