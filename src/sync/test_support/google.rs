//! Clients of Google that no test uses: what counts is that there are some, and what their routes carry.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::batch::Complaint;
use crate::domain::ids::{ActionId, CustomerId};
use crate::ports::ads::{ActionFields, Attribution, ConversionAction, Customer, Goal, GoogleAds};
use crate::ports::sink::{
    ConversionSink, DestinationStatus, IngestError, RouteInfo, RowUploads, UploadAnswer, UploadRequest,
};
use crate::ports::{Cause, GoogleClients, UpstreamError};

/// The answer to a call that no test makes.
pub(super) fn unused<T, E: From<UpstreamError>>() -> Result<T, E> {
    Err(UpstreamError::new("none", Cause::NotFound, "no test asks for this").into())
}

/// A route of this shape, over which nothing is sent.
pub(crate) struct Unused(pub(crate) RouteInfo);

/// A route of this name, with the limits of the Data Manager API.
pub(crate) const fn route_info(name: &'static str) -> RouteInfo {
    RouteInfo {
        name,
        network: "Google",
        service: "Data Manager",
        rows: 2_000,
        destinations: 10,
        one_account: false,
        addresses: true,
    }
}

/// Clients of which none is used.
pub(crate) fn unused_clients() -> GoogleClients {
    let unused = Arc::new(Unused(route_info("unused")));
    GoogleClients {
        ads: unused.clone(),
        sink: unused.clone(),
        clicks: unused.clone(),
        enhancements: unused,
    }
}

#[async_trait]
impl RowUploads for Unused {
    fn route_info(&self) -> RouteInfo {
        self.0
    }
    async fn upload_rows(&self, _: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        unused()
    }
    async fn validate_rows(&self, _: &UploadRequest) -> Result<Vec<Complaint>, IngestError> {
        unused()
    }
}

#[async_trait]
impl ConversionSink for Unused {
    fn route_info(&self) -> RouteInfo {
        self.0
    }
    async fn ingest(&self, _: &UploadRequest) -> Result<String, IngestError> {
        unused()
    }
    async fn validate(&self, _: &UploadRequest) -> Result<(), IngestError> {
        unused()
    }
    async fn request_status(&self, _: &str) -> Result<Vec<DestinationStatus>, UpstreamError> {
        unused()
    }
}

#[async_trait]
impl GoogleAds for Unused {
    async fn drop_token(&self) {}
    async fn read_customer(&self, _: &CustomerId) -> Result<Customer, UpstreamError> {
        unused()
    }
    async fn read_actions(&self, _: &CustomerId) -> Result<Vec<ConversionAction>, UpstreamError> {
        unused()
    }
    async fn actions_named(&self, _: &CustomerId, _: &str) -> Result<Vec<ConversionAction>, UpstreamError> {
        unused()
    }
    async fn read_goals(&self, _: &CustomerId) -> Result<Vec<Goal>, UpstreamError> {
        unused()
    }
    async fn read_attribution(&self, _: &CustomerId) -> Result<Vec<Attribution>, UpstreamError> {
        unused()
    }
    async fn create_action(&self, _: &CustomerId, _: &ActionFields) -> Result<ActionId, UpstreamError> {
        unused()
    }
    async fn update_action(&self, _: &CustomerId, _: ActionId, _: &ActionFields) -> Result<(), UpstreamError> {
        unused()
    }
    async fn remove_action(&self, _: &CustomerId, _: ActionId) -> Result<(), UpstreamError> {
        unused()
    }
    async fn set_goal_biddable(&self, _: &CustomerId, _: &Goal, _: bool) -> Result<(), UpstreamError> {
        unused()
    }
}
