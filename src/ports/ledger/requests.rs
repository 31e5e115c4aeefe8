//! Upload requests as the ledger keeps them.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::ids::{BatchId, RowId};
use super::rows::RowUpdate;
use crate::domain::ids::ActionKey;

/// A row as it goes into a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    pub row: RowId,
    /// Value and currency it is sent with.
    pub value: Option<(Decimal, String)>,
}

/// What a call's answer says about a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchResult {
    /// Accepted under this request id: its rows are processing (`AwaitingResult`); first look at `poll_at`.
    Accepted {
        /// Google's id.
        request_id: String,
        /// First look at its status.
        poll_at: Timestamp,
    },
    /// Google said at once what became of each row: `updates` names all of them; a row it does not name becomes pending
    /// `UpstreamUnavailable`, due at once, with its value kept.
    Answered {
        /// What becomes of its rows.
        updates: Vec<RowUpdate>,
        /// Google's id of the request, if it gave one.
        request_id: Option<String>,
    },
    /// Certainly not taken: the rows are as they were before the batch, apart from `updates`.
    Refused {
        /// What becomes of its rows; rows not named become pending (`OutcomeUnknown` ones: processing) with the reason
        /// they had, due at once.
        updates: Vec<RowUpdate>,
    },
    /// The outcome is not known: the rows keep their values for the repeat and get the `updates`.
    Unknown {
        /// What becomes of its rows (pending, with a due time).
        updates: Vec<RowUpdate>,
    },
}

/// A request whose outcome is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    pub batch: BatchId,
    /// Google's id.
    pub request_id: String,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// How often its status was asked.
    pub polls: u32,
    /// When to ask next.
    pub poll_at: Timestamp,
    /// Its destinations in order, as actions.
    pub destinations: Vec<ActionKey>,
    /// Its rows in request order.
    pub rows: Vec<OpenRow>,
}

/// A row of an accepted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRow {
    pub row: RowId,
    /// Index of its destination.
    pub destination: usize,
    /// See [`super::rows::Row::attempts`].
    pub attempts: u32,
    /// See [`super::rows::Row::isolation_group`].
    pub isolation_group: i64,
}

/// What a read of a request's status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusResult {
    pub batch: BatchId,
    /// Rows whose outcome is known now (or that go back to pending, or stay processing as `OutcomeUnknown`).
    pub updates: Vec<RowUpdate>,
    /// When to ask again; `None`: nothing more to ask, the request is closed.
    pub poll_at: Option<Timestamp>,
}
