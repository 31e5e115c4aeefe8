//! Uploads through the Google Ads API: enhancements, and click conversions where they are still taken (reference notes,
//! Google 4).

use std::sync::Arc;

use async_trait::async_trait;

use super::errors::Api;
use super::session::Session;
use crate::domain::ids::CustomerId;
use crate::sync::ports::sink::{AdsUploads, IngestError, UploadAnswer, UploadRequest};
use crate::sync::ports::{Cause, UpstreamError};

/// The uploads of one set of credentials.
pub(super) struct UploadsClient {
    _session: Arc<Session>,
    _login: Option<CustomerId>,
}

impl UploadsClient {
    pub(super) fn new(session: Arc<Session>, login: Option<CustomerId>) -> Self {
        Self {
            _session: session,
            _login: login,
        }
    }
}

#[async_trait]
impl AdsUploads for UploadsClient {
    async fn upload_clicks(&self, _request: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        Err(IngestError {
            error: UpstreamError::new(Api::Ads.service(), Cause::Refused, "not built"),
            violations: Vec::new(),
        })
    }

    async fn enhance(&self, _request: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        Err(IngestError {
            error: UpstreamError::new(Api::Ads.service(), Cause::Refused, "not built"),
            violations: Vec::new(),
        })
    }
}
