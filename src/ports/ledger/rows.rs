//! Rows of the ledger: as they are recorded, as they are read, and what becomes of them.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::ids::{RowId, StreamId};
use crate::domain::ids::{ContactId, OccurrenceKey, OrderId, TransactionId};
use crate::domain::outcome::Outcome;
use crate::domain::shown_entries::ShownEntries;

/// An occurrence to record, unless the stream has it under one of the `keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRow {
    /// Candidates: the first is the one to use, the others are those that other ids of the contact's lineage would
    /// give; a row that exists under any of them is this occurrence.
    pub keys: Vec<OccurrenceKey>,
    /// The contact's record id today; [`ContactId::UNKNOWN`] if a submission's contact was not found (yet).
    pub contact: ContactId,
    /// A submission's `conversionId`: what Google knows the conversion
    /// by. `None` for lifecycle rows and for submissions without one.
    pub submission: Option<String>,
    /// When the stage was reached, from the history; when the form was submitted.
    pub occurred_at: Timestamp,
    /// When we saw it first.
    pub first_seen: Timestamp,
    /// Pending or skipped.
    pub outcome: Outcome,
    /// Reason, see [`crate::domain::outcome::reason`].
    pub reason: Cow<'static, str>,
    /// Not looked at before this time.
    pub due: Timestamp,
    /// Seen while the event was suspended.
    pub while_suspended: bool,
    /// What the read showed of this contact's entries into the stage, including this one: an entry that is known under
    /// another time is not new. `None` for submissions, which have ids of their own.
    pub shown: Option<Arc<ShownEntries>>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Internal number.
    pub id: RowId,
    pub stream: StreamId,
    /// Deduplication key.
    pub transaction: TransactionId,
    /// The contact to read; [`ContactId::UNKNOWN`] if a submission's contact was not found (yet).
    pub contact: ContactId,
    /// See [`NewRow::submission`].
    pub submission: Option<String>,
    /// When the stage was reached, or the form submitted.
    pub occurred_at: Timestamp,
    /// When we saw it first.
    pub first_seen: Timestamp,
    /// Outcome so far.
    pub outcome: Outcome,
    /// Reason or Google's code (CamelCase).
    pub reason: String,
    /// Not looked at before this time.
    pub due: Timestamp,
    /// How often it was tried in vain since it last moved on; drives the backoff.
    pub attempts: u32,
    /// `Some` once an upload may have reached Google: then every repeat uses exactly this value, because another value
    /// under the same id *adjusts* the conversion. The inner `None`: sent without value.
    pub sent: Option<Option<(Decimal, String)>>,
    /// Rows with the same number must share a request with each other and with no one else (0: free). Used to cut down
    /// requests whose failures Google did not attribute.
    pub isolation_group: i64,
    /// Seen first while its event was suspended, which no resume has decided about ([`super::Ledger::resume_rows`]).
    pub while_suspended: bool,
}

impl Row {
    /// What Google knows the conversion by.
    pub fn order_id(&self) -> OrderId {
        let of_ours = || OrderId::Lifecycle(self.transaction);
        self.submission.clone().map_or_else(of_ours, OrderId::Submission)
    }
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowUpdate {
    pub row: RowId,
    /// Its outcome now.
    pub outcome: Outcome,
    /// Reason or Google's code (CamelCase).
    pub reason: Cow<'static, str>,
    /// The verbatim code behind a rejection, else empty.
    pub detail: String,
    /// Not looked at before this time (final outcomes: ignored).
    pub due: Timestamp,
    /// Count this as a failed try.
    pub failed_try: bool,
    /// See [`Row::isolation_group`].
    pub isolation_group: i64,
}
