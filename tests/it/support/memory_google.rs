//! Google in memory: it refuses what nobody asks of it, and takes every conversion.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use adconversion_operator::domain::batch::Complaint;
use adconversion_operator::domain::evidence::NamedDestination;
use adconversion_operator::domain::ids::{ActionId, CustomerId};
use adconversion_operator::domain::request_report::{RequestProgress, RequestReport};
use adconversion_operator::ports::ads::{ActionFields, Attribution, ConversionAction, Customer, Goal, GoogleAds};
use adconversion_operator::ports::sink::{
    ConversionSink, DestinationStatus, IngestError, RouteInfo, RowUploads, UploadAnswer, UploadRequest,
};
use adconversion_operator::ports::{Cause, UpstreamError};
use adconversion_operator::upstream::google;
use async_trait::async_trait;
use parking_lot::Mutex;
use rust_decimal::Decimal;

use super::{PERSON, unused};

/// The calls that no test with it makes.
pub struct Unused;

#[async_trait]
impl GoogleAds for Unused {
    async fn drop_token(&self) {}
    async fn read_customer(&self, _: &CustomerId) -> Result<Customer, UpstreamError> {
        Err(unused())
    }
    async fn read_actions(&self, _: &CustomerId) -> Result<Vec<ConversionAction>, UpstreamError> {
        Err(unused())
    }
    async fn actions_named(&self, _: &CustomerId, _: &str) -> Result<Vec<ConversionAction>, UpstreamError> {
        Err(unused())
    }
    async fn read_goals(&self, _: &CustomerId) -> Result<Vec<Goal>, UpstreamError> {
        Err(unused())
    }
    async fn read_attribution(&self, _: &CustomerId) -> Result<Vec<Attribution>, UpstreamError> {
        Err(unused())
    }
    async fn create_action(&self, _: &CustomerId, _: &ActionFields) -> Result<ActionId, UpstreamError> {
        Err(unused())
    }
    async fn update_action(&self, _: &CustomerId, _: ActionId, _: &ActionFields) -> Result<(), UpstreamError> {
        Err(unused())
    }
    async fn remove_action(&self, _: &CustomerId, _: ActionId) -> Result<(), UpstreamError> {
        Err(unused())
    }
    async fn set_goal_biddable(&self, _: &CustomerId, _: &Goal, _: bool) -> Result<(), UpstreamError> {
        Err(unused())
    }
}

#[async_trait]
impl RowUploads for Unused {
    fn route_info(&self) -> RouteInfo {
        RouteInfo {
            name: "unused",
            ..DATA_MANAGER
        }
    }
    async fn upload_rows(&self, _: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        Err(failed())
    }
    async fn validate_rows(&self, _: &UploadRequest) -> Result<Vec<Complaint>, IngestError> {
        Err(failed())
    }
}

fn failed() -> IngestError {
    unused().into()
}

/// A route with the limits of the Data Manager API.
pub const DATA_MANAGER: RouteInfo = RouteInfo {
    network: "Google",
    name: "memory",
    service: "Data Manager",
    rows: 2000,
    destinations: 10,
    one_account: false,
    addresses: true,
};

/// Serialises every request as the real client does, and says yes.
#[derive(Default)]
pub struct Sink {
    requests: AtomicUsize,
    asked: AtomicUsize,
    /// Rows so far.
    pub rows: AtomicUsize,
    /// It never answers an upload.
    pub never_answers: AtomicBool,
    /// It never tells what became of a request.
    pub never_tells: AtomicBool,
    /// So many uploads break the code that sends them, after they were taken.
    pub breaks: AtomicUsize,
    /// Requests of which it does not tell what became, and some whose report breaks the code that reads it.
    pub untold: Mutex<BTreeSet<String>>,
    /// The second kind.
    pub odd: Mutex<BTreeSet<String>>,
    sizes: Mutex<BTreeMap<String, u64>>,
    taken: Option<Mutex<Taken>>,
}

/// Each id with the values it came with.
pub type Taken = BTreeMap<String, Vec<Option<Decimal>>>;

impl Sink {
    /// One that remembers what it took.
    #[allow(dead_code)] // where only speed counts
    pub fn remembering() -> Self {
        Self {
            taken: Some(Mutex::default()),
            ..Self::default()
        }
    }

    /// Whether it was asked what became of every request.
    #[allow(dead_code)]
    pub fn all_told(&self) -> bool {
        self.asked.load(Ordering::Relaxed) >= self.requests.load(Ordering::Relaxed)
    }

    /// How many conversions these requests had.
    #[allow(dead_code)]
    pub fn size_of(&self, ids: &[&str]) -> u64 {
        let sizes = self.sizes.lock();
        ids.iter().filter_map(|id| sizes.get(*id)).sum()
    }

    /// What it took so far.
    #[allow(dead_code)]
    pub fn taken(&self) -> Taken {
        let taken = self.taken.as_ref().map(|taken| taken.lock().clone());
        taken.unwrap_or_default()
    }
}

#[async_trait]
impl ConversionSink for Sink {
    fn route_info(&self) -> RouteInfo {
        DATA_MANAGER
    }
    async fn ingest(&self, request: &UploadRequest) -> Result<String, IngestError> {
        if self.never_answers.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        std::hint::black_box(google::ingest_body(request, None, google::UploadPurpose::Count).expect("a body"));
        self.rows.fetch_add(request.rows.len(), Ordering::Relaxed);
        if let Some(taken) = &self.taken {
            let mut taken = taken.lock();
            for row in &request.rows {
                let value = row.value.as_ref().map(|(value, _)| *value);
                taken.entry(row.order.to_string()).or_default().push(value);
            }
        }
        let id = format!("r{}", self.requests.fetch_add(1, Ordering::Relaxed));
        let mut sizes = self.sizes.lock();
        sizes.insert(id.clone(), request.rows.len() as u64);
        drop(sizes);
        let left = self.breaks.load(Ordering::Relaxed);
        self.breaks.store(left.saturating_sub(1), Ordering::Relaxed);
        assert!(left == 0, "an answer of {PERSON}");
        Ok(id)
    }
    async fn validate(&self, _: &UploadRequest) -> Result<(), IngestError> {
        Err(failed())
    }
    async fn request_status(&self, id: &str) -> Result<Vec<DestinationStatus>, UpstreamError> {
        if self.never_tells.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.untold.lock().contains(id) {
            return Err(UpstreamError::new("memory", Cause::Unavailable, "no answer"));
        }
        let odd = self.odd.lock().contains(id);
        assert!(!odd, "a report of {PERSON}");
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(vec![DestinationStatus {
            destination: NamedDestination::default(),
            report: RequestReport {
                progress: RequestProgress::Succeeded,
                records: self.sizes.lock().get(id).copied(),
                failures: vec![],
            },
        }])
    }
}
