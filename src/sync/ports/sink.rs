//! What we need of the Data Manager API: ingest conversions, ask what became of them.

use async_trait::async_trait;
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::UpstreamError;
pub use crate::domain::conversion::{ClickId, UserIdentifier};
use crate::domain::ids::{ActionId, CustomerId, TransactionId};

/// Most rows in one request (reference notes, Google 1.4).
pub const MAX_ROWS: usize = 2000;
/// Most destinations in one request (reference notes, Google 1.4).
pub const MAX_DESTINATIONS: usize = 10;

/// Where rows of a request go: one conversion action.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The account that owns the action.
    pub customer: CustomerId,
    /// The action.
    pub action: ActionId,
}

/// One conversion, ready to send. No `Debug`: it holds click ids and hashed identifiers.
#[derive(Clone, PartialEq, Eq)]
pub struct Conversion {
    /// Index into the request's destinations.
    pub destination: usize,
    /// Deduplication key.
    pub transaction: TransactionId,
    /// When the stage was reached.
    pub at: Timestamp,
    /// Value and ISO 4217 currency, always together.
    pub value: Option<(Decimal, String)>,
    /// The click id, if any.
    pub click: Option<ClickId>,
    /// Hashed identifiers, at most 10.
    pub identifiers: Vec<UserIdentifier>,
    /// True where a consent block stands in the manifest and consent was granted: sends `adUserData: CONSENT_GRANTED`.
    pub consent_granted: bool,
}

/// One ingest request: at most [`MAX_ROWS`] rows and [`MAX_DESTINATIONS`] destinations.
#[derive(Clone, PartialEq, Eq)]
pub struct IngestRequest {
    /// Destinations; rows point at them by index.
    pub destinations: Vec<Destination>,
    /// Sent as `loginAccount` of every destination where set.
    pub login: Option<CustomerId>,
    /// Rows; their order is what record indices refer to.
    pub rows: Vec<Conversion>,
}

/// Part of a refusal that Google tied to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Row index, where the field path names one (`events.events[3]…`).
    pub row: Option<usize>,
    /// Destination index, where the field path names one (`destinations[0]…`).
    pub destination: Option<usize>,
    /// The field path, verbatim.
    pub field: String,
    /// Google's `ErrorReason` name, verbatim; empty where it gave none.
    pub reason: String,
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestError {
    /// What happened; `Cause::Refused` for a fast fail (HTTP 400), then `violations` may name rows.
    pub error: UpstreamError,
    /// Fields Google complained about; empty where it named none.
    pub violations: Vec<Violation>,
}

/// State of a request for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationStatus {
    /// The action the status is about, where the answer names it; else the position decides.
    pub action: Option<ActionId>,
    /// `PROCESSING`, `SUCCESS`, `PARTIAL_SUCCESS`, `FAILED`, `REQUEST_STATUS_UNKNOWN` or a name we don't know, verbatim.
    pub status: String,
    /// Failures by reason.
    pub errors: Vec<ErrorCount>,
}

/// Rows that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCount {
    /// Google's `ProcessingErrorReason` name, verbatim with its prefix.
    pub reason: String,
    /// How many rows.
    pub count: u64,
    /// Which rows: positions in the request. May be missing or short.
    pub rows: Vec<usize>,
}

/// The Data Manager API of one credential. Implementations keep the request limits, refresh the token once on 401 and
/// never repeat an ingest by themselves. Errors have `service` "Data Manager".
#[async_trait]
pub trait ConversionSink: Send + Sync {
    /// Sends rows. `Ok` is Google's request id: the rows are accepted, not yet counted.
    async fn ingest(&self, request: &IngestRequest) -> Result<String, IngestError>;
    /// What became of a request, one entry per destination.
    /// Errors: code `INVALID_REQUEST_ID` or `REQUEST_TOO_OLD` where Google no longer knows it.
    async fn request_status(&self, request_id: &str) -> Result<Vec<DestinationStatus>, UpstreamError>;
}
