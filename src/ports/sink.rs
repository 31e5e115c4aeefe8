//! The ways conversions go to Google: the Data Manager API (ingest, ask what became of them), and the uploads of the
//! Google Ads API.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::error::UpstreamError;
use crate::domain::codes::Code;
pub use crate::domain::conversion::{ClickId, UserIdentifier};
pub use crate::domain::evidence::Evidence;
use crate::domain::evidence::NamedDestination;
use crate::domain::ids::{ActionId, CustomerId, OrderId};

/// Most rows in one request (docs/reference/google.md 1.4).
pub const MAX_ROWS: usize = 2000;
/// Most destinations in one request (docs/reference/google.md 1.4).
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
    pub order: OrderId,
    /// When the stage was reached, or the form submitted.
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

/// One upload: at most [`MAX_ROWS`] rows and [`MAX_DESTINATIONS`] destinations. The Google Ads API takes the actions of
/// one customer in a request: that of the first destination.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// Destinations; rows point at them by index.
    pub destinations: Vec<Destination>,
    /// Data Manager: sent as `loginAccount` of every destination where set.
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
    /// Google's code; `None` where it gave none that says more than "refused".
    pub code: Option<Code>,
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestError {
    /// What happened; `Cause::Refused` for a fast fail (HTTP 400), then `violations` may name rows.
    pub error: UpstreamError,
    /// The code of the request as a whole; `None` where it says nothing beyond "refused".
    pub code: Option<Code>,
    /// Fields Google complained about; empty where it named none.
    pub violations: Vec<Violation>,
}

impl From<UpstreamError> for IngestError {
    fn from(error: UpstreamError) -> Self {
        Self {
            error,
            code: None,
            violations: Vec::new(),
        }
    }
}

/// State of a request for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationStatus {
    /// The destination the status is about, as far as the answer names it.
    pub destination: NamedDestination,
    /// `PROCESSING`, `SUCCESS`, `PARTIAL_SUCCESS`, `FAILED`, `REQUEST_STATUS_UNKNOWN` or a name we don't know, verbatim.
    pub status: String,
    /// How many rows Google counted for it; `None` where it does not say.
    pub records: Option<u64>,
    /// Failures by reason.
    pub errors: Vec<ErrorCount>,
}

/// Rows that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCount {
    /// Google's `ProcessingErrorReason`, verbatim with its prefix.
    pub code: Code,
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
    async fn ingest(&self, request: &UploadRequest) -> Result<String, IngestError>;
    /// What became of a request, one entry per destination.
    /// Errors: `Cause::NotFound` where Google does not know it (any more).
    async fn request_status(&self, request_id: &str) -> Result<Vec<DestinationStatus>, UpstreamError>;
}

/// Answer to an upload through the Google Ads API: per-row outcomes at once (docs/reference/google.md 2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadAnswer {
    /// Google's id of the request, where it gives one: for the log.
    pub request_id: Option<String>,
    /// What `results` says of each row of the request, in its order.
    pub evidence: Vec<Evidence>,
    /// The errors of `partialFailureError` that name a row; several may name the same.
    pub errors: Vec<Violation>,
    /// The longest wait that an error asks for.
    pub retry_after: Option<SignedDuration>,
}

/// The uploads of the Google Ads API of one credential. Implementations keep the limits, refresh the token once on 401
/// and never repeat an upload by themselves. Errors have `service` "Google Ads". An error inside HTTP 200 that names no
/// row concerns the whole request and is an `Err` too (`CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE` may come that way, and
/// row by row).
#[async_trait]
pub trait AdsUploads: Send + Sync {
    /// `uploadClickConversions`, for projects that may still use it (docs/reference/google.md 4.1 and 4.2).
    async fn upload_clicks(&self, request: &UploadRequest) -> Result<UploadAnswer, IngestError>;
    /// `uploadConversionAdjustments` of type `ENHANCEMENT` (docs/reference/google.md 4.4): the row's `click` is the gclid
    /// of the page, its `value` the restatement value.
    async fn enhance(&self, request: &UploadRequest) -> Result<UploadAnswer, IngestError>;
}
