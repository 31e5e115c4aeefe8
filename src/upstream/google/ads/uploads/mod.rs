//! Uploads through the Google Ads API: enhancements, and click conversions where they are still taken
//! (docs/reference/google.md 4). Answered row by row.

use std::sync::Arc;

use async_trait::async_trait;

use crate::upstream::google::ads::uploads::partial_failure::{evidence, retry_after, violations};
use crate::upstream::google::errors::Api;
use crate::upstream::google::session::{Call, Session};

use crate::domain::ids::CustomerId;
use crate::ports::sink::{AdsUploads, IngestError, MAX_ROWS, UploadAnswer, UploadRequest};
use crate::ports::{Cause, UpstreamError};

/// The uploads of one set of credentials, by way of one manager or directly.
pub(crate) struct UploadsClient {
    session: Arc<Session>,
    login: Option<CustomerId>,
}

impl UploadsClient {
    pub(crate) fn new(session: Arc<Session>, login: Option<CustomerId>) -> Self {
        Self { session, login }
    }

    async fn upload(
        &self,
        method: &'static str,
        request: &UploadRequest,
        body: Option<Vec<u8>>,
    ) -> Result<UploadAnswer, IngestError> {
        let Some((body, first)) = body.zip(request.destinations.first()) else {
            return Err(refused("not sent: a row points at no destination"));
        };
        if request.rows.is_empty() || request.rows.len() > MAX_ROWS {
            return Err(refused("not sent: too few or too many rows"));
        }
        let config = self.session.config();
        let call = Call {
            api: Api::Ads,
            method,
            path: format!("/{}/customers/{}:{method}", config.ads_version, first.customer),
            query: &[],
            body: Some(body),
            mutating: true,
            partial: true,
            timeout: config.timeouts.ingest,
            customer: Some(&first.customer),
            login: self.login.as_ref(),
        };
        let (answer, request_id) = self.session.call_with_id(&call).await.map_err(|failure| *failure)?;
        Ok(UploadAnswer {
            request_id,
            evidence: evidence(&answer, request),
            errors: violations(&answer),
            retry_after: retry_after(&answer),
        })
    }
}

/// A request we would not send: it can only be refused.
fn refused(what: &str) -> IngestError {
    UpstreamError::new(Api::Ads.service(), Cause::Refused, what).into()
}

#[async_trait]
impl AdsUploads for UploadsClient {
    async fn upload_clicks(&self, request: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        self.upload("uploadClickConversions", request, request::clicks(request))
            .await
    }

    async fn enhance(&self, request: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        self.upload("uploadConversionAdjustments", request, request::enhancements(request))
            .await
    }
}

pub mod partial_failure;
pub mod request;
#[cfg(test)]
#[path = "uploads_tests.rs"]
mod tests;
