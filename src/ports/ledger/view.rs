//! Reads of the ledger for people. They change nothing and create no stream.

use async_trait::async_trait;
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{LedgerResult, StreamId};
use crate::domain::ids::{ContactId, TransactionId};
use crate::domain::outcome::Outcome;

/// Most conversions of a page.
pub const MAX_PAGE: usize = 1_000;

/// Which conversions of a stream to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionQuery {
    pub stream: StreamId,
    /// Only conversions that happened at or after this time.
    pub since: Timestamp,
    /// `None`: whatever their outcome.
    pub outcome: Option<Outcome>,
    /// Only conversions of these contacts; empty: of all. A conversion that is archived has no contact any more.
    pub contacts: Vec<ContactId>,
    /// Behind this one; `None`: from the first.
    pub after: Option<Cursor>,
    /// How many at most, up to [`MAX_PAGE`].
    pub limit: usize,
}

/// A place in the list of a stream's conversions. Rows come first, then archived ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Rows, in the order of their keys.
    Kept { sort_key: i64, transaction: TransactionId },
    /// Archived conversions, in the order of their times.
    Archived {
        occurred_at: Timestamp,
        transaction: TransactionId,
    },
}

/// A conversion as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedConversion {
    pub transaction: TransactionId,
    /// `None` if it is not known (yet), or not any more.
    pub contact: Option<ContactId>,
    /// The `conversionId` of the form submission that it is of.
    pub submission: Option<String>,
    pub occurred_at: Timestamp,
    pub outcome: Outcome,
    /// Reason, or Google's code in CamelCase.
    pub reason: String,
    /// The verbatim code behind a rejection, else empty.
    pub detail: String,
    /// `None` if it is archived.
    pub record: Option<ConversionRecord>,
}

/// What the ledger keeps of a conversion until it is archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionRecord {
    pub first_seen: Timestamp,
    /// When its outcome or reason last changed.
    pub changed_at: Timestamp,
    /// Not looked at before this; `None` if it does not wait.
    pub due: Option<Timestamp>,
    /// How often it was tried in vain since it last moved on.
    pub attempts: u32,
    /// An upload may have reached Google.
    pub sent: bool,
    /// The value that it was sent with, or is to be.
    pub value: Option<(Decimal, String)>,
    /// Google's id of the latest request that it took with this conversion.
    pub request_id: Option<String>,
}

/// One page of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionPage {
    pub conversions: Vec<ListedConversion>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<Cursor>,
}

/// How many conversions of one day had one outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCount {
    /// The beginning of the day, UTC.
    pub day: Timestamp,
    pub outcome: Outcome,
    pub count: u64,
}

/// Reads of the ledger for people who ask.
#[async_trait]
pub trait LedgerView: Send + Sync {
    /// One page of a stream's conversions.
    async fn list_conversions(&self, query: &ConversionQuery) -> LedgerResult<ConversionPage>;

    /// How many conversions of a stream happened on each day at or after `since`, by outcome, in the order of days.
    async fn count_days(&self, stream: StreamId, since: Timestamp) -> LedgerResult<Vec<DayCount>>;
}
