//! Entries that a ledger knows by their time.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::StreamId;
use crate::domain::ids::ContactId;

/// A stream, and the time of an entry in milliseconds, as keys have it.
pub type EntryTime = (StreamId, i64);

/// Who is known to have entered at some times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownEntries {
    /// The contacts of rows.
    pub contacts: BTreeMap<EntryTime, BTreeSet<ContactId>>,
    /// Times at which somebody entered whose conversion is archived: the ledger does not say who.
    pub archived: BTreeSet<EntryTime>,
}
