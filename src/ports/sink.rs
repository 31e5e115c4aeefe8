//! The routes that conversions take to an ad network: what each can carry, what is sent, what is answered.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::error::UpstreamError;
use crate::domain::batch::Complaint;
use crate::domain::codes::Code;
pub use crate::domain::conversion::{ClickId, UserIdentifier};
pub use crate::domain::evidence::Evidence;
use crate::domain::evidence::NamedDestination;
use crate::domain::ids::{ActionKey, OrderId, TransactionId};
use crate::domain::request_report::RequestReport;
use crate::domain::trigger::TriggerKind;

/// No click has this id.
const NO_CLICK: &str = "EAIaIQobChMIvalidateonly";
/// SHA-256 of an empty text: the hash of no contact's data.
const HASH_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const JUST_NOW: SignedDuration = SignedDuration::from_secs(60);

/// A way conversions go to an ad network, as its client describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInfo {
    /// The route's name; no other route of the network has it.
    pub name: &'static str,
    /// The ad network's name for people.
    pub network: &'static str,
    /// The service that answers, as errors name it.
    pub service: &'static str,
    /// Most rows in one request.
    pub rows: usize,
    /// Most conversion actions in one request.
    pub destinations: usize,
    /// Whether the actions of a request must be of one account.
    pub one_account: bool,
    /// Whether it takes postal addresses.
    pub addresses: bool,
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
    /// True if a consent block stands in the manifest and consent was granted: sends `adUserData: CONSENT_GRANTED`.
    pub consent_granted: bool,
}

/// One upload, within the limits of its route.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// Destinations; rows point at them by index.
    pub destinations: Vec<ActionKey>,
    /// Rows; their order is what record indices refer to.
    pub rows: Vec<Conversion>,
}

/// What a dummy conversion is attributed by: a click id that no click has, the hash of an empty text, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DummyIdentity {
    pub click: bool,
    pub identifiers: bool,
}

impl DummyIdentity {
    /// As conversions of such events are attributed at least.
    pub const fn for_trigger(kind: TriggerKind) -> Self {
        Self {
            click: !kind.is_form(),
            identifiers: kind.is_form(),
        }
    }
}

impl UploadRequest {
    /// One dummy conversion, which belongs to nobody and is to be judged only.
    pub fn dummy(action: ActionKey, by: DummyIdentity, now: Timestamp) -> Self {
        let hash = || UserIdentifier::Email(HASH_OF_NOTHING.to_owned());
        let row = Conversion {
            destination: 0,
            order: OrderId::Lifecycle(TransactionId([0; 20])),
            at: now.saturating_sub(JUST_NOW).unwrap_or(now),
            value: None,
            click: by.click.then(|| ClickId::Gclid(NO_CLICK.to_owned())),
            identifiers: by.identifiers.then(hash).into_iter().collect(),
            consent_granted: by.identifiers,
        };
        Self {
            destinations: vec![action],
            rows: vec![row],
        }
    }
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestError {
    /// What happened; `Cause::Refused` for a refusal of what was sent, then `complaints` may name rows.
    pub error: UpstreamError,
    /// The code of the request as a whole; `None` if it says nothing beyond "refused".
    pub code: Option<Code>,
    /// The rows and destinations that the refusal names.
    pub complaints: Vec<Complaint>,
}

impl From<UpstreamError> for IngestError {
    fn from(error: UpstreamError) -> Self {
        Self {
            error,
            code: None,
            complaints: Vec::new(),
        }
    }
}

/// State of a request for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationStatus {
    /// The destination the status is about, as far as the answer names it.
    pub destination: NamedDestination,
    /// What it says of the rows that went there.
    pub report: RequestReport,
}

/// A route that accepts a request and says later what became of its rows, for one credential. Implementations keep the
/// limits of the network, renew the token once if it is refused, and never repeat an upload by themselves.
#[async_trait]
pub trait ConversionSink: Send + Sync {
    fn route_info(&self) -> RouteInfo;
    /// Sends rows. `Ok` is the network's id of the request: the rows are accepted, not yet counted.
    async fn ingest(&self, request: &UploadRequest) -> Result<String, IngestError>;
    /// Has the network judge rows as [`Self::ingest`] would send them. Nothing is taken or counted.
    async fn validate(&self, request: &UploadRequest) -> Result<(), IngestError>;
    /// What became of a request, one entry per destination.
    /// Errors: `Cause::NotFound` if the network does not know it (any more).
    async fn request_status(&self, request_id: &str) -> Result<Vec<DestinationStatus>, UpstreamError>;
}

/// Outcomes row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadAnswer {
    /// The network's id of the request, if it gives one: for the log.
    pub request_id: Option<String>,
    /// What `results` says of each row of the request, in its order.
    pub evidence: Vec<Evidence>,
    /// The errors that name a row; several may name the same.
    pub errors: Vec<Complaint>,
    /// The longest wait that an error asks for.
    pub retry_after: Option<SignedDuration>,
}

/// A route that answers row by row at once, for one credential. Implementations keep the
/// limits of the network, renew the token once if it is refused, and never repeat an upload
/// by themselves. An error that names no row concerns the whole request and is an `Err`.
#[async_trait]
pub trait RowUploads: Send + Sync {
    fn route_info(&self) -> RouteInfo;
    /// Sends rows. For a form's rows `click` is the click id of the page and `value` the restatement value.
    async fn upload_rows(&self, request: &UploadRequest) -> Result<UploadAnswer, IngestError>;
    /// Has the network judge rows as [`Self::upload_rows`] would send them; what it has against single rows. Nothing is
    /// taken or counted.
    async fn validate_rows(&self, request: &UploadRequest) -> Result<Vec<Complaint>, IngestError>;
}

/// A route, by when it reports what became of rows.
#[derive(Clone)]
pub enum Route {
    /// At once, row by row.
    AtOnce(Arc<dyn RowUploads>),
    /// Later, when asked.
    Polled(Arc<dyn ConversionSink>),
}

/// What a route answered.
pub enum RouteAnswer {
    /// Accepted under this request id, results later.
    Accepted(String),
    /// Results at once.
    Rows(UploadAnswer),
}

impl RouteAnswer {
    /// The network's id of the request, if the answer names one.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Accepted(id) => Some(id),
            Self::Rows(rows) => rows.request_id.as_deref(),
        }
    }
}

impl Route {
    /// The route as its client describes it.
    pub fn route_info(&self) -> RouteInfo {
        match self {
            Self::AtOnce(uploads) => uploads.route_info(),
            Self::Polled(sink) => sink.route_info(),
        }
    }

    /// Sends a request this way.
    pub async fn send_request(&self, request: &UploadRequest) -> Result<RouteAnswer, IngestError> {
        match self {
            Self::AtOnce(uploads) => uploads.upload_rows(request).await.map(RouteAnswer::Rows),
            Self::Polled(sink) => sink.ingest(request).await.map(RouteAnswer::Accepted),
        }
    }

    /// Has the network judge a request as it would an upload; what it has against single rows. Nothing is taken or
    /// counted.
    pub async fn validate_request(&self, request: &UploadRequest) -> Result<Vec<Complaint>, IngestError> {
        match self {
            Self::AtOnce(uploads) => uploads.validate_rows(request).await,
            Self::Polled(sink) => sink.validate(request).await.map(|()| Vec::new()),
        }
    }
}
