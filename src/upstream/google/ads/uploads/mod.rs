//! Uploads through the Google Ads API: enhancements, and click conversions where they are still taken
//! (docs/reference/google.md 4). Answered row by row.

use std::sync::Arc;

use async_trait::async_trait;

use crate::upstream::google::ads::uploads::job::JobId;
pub(crate) use crate::upstream::google::ads::uploads::kind::UploadKind;
use crate::upstream::google::ads::uploads::partial_failure::{retry_after, row_complaints, row_evidence};
use crate::upstream::google::config::NETWORK;
use crate::upstream::google::data_manager::request::UploadPurpose;
use crate::upstream::google::errors::{Api, Parsed};
use crate::upstream::google::own_errors::unsent_request;
use crate::upstream::google::session::{Call, Session};

use crate::domain::batch::Complaint;
use crate::domain::ids::CustomerId;
use crate::ports::sink::{Evidence, IngestError, RouteInfo, RowUploads, UploadAnswer, UploadRequest};
use crate::ports::{Cause, UpstreamError};

/// Most rows in one request (docs/reference/google.md 1.4).
const MAX_ROWS: usize = 2000;

/// One kind of upload of one set of credentials, by way of one manager or directly.
pub(crate) struct UploadsClient {
    what: UploadKind,
    session: Arc<Session>,
    login: Option<CustomerId>,
}

impl UploadsClient {
    pub(crate) fn new(what: UploadKind, session: Arc<Session>, login: Option<CustomerId>) -> Self {
        Self { what, session, login }
    }

    /// Sends rows, to be counted or only validated.
    async fn send(&self, request: &UploadRequest, purpose: UploadPurpose) -> Result<Answered, IngestError> {
        let job = JobId::roll();
        let (method, body) = match self.what {
            UploadKind::Clicks => ("uploadClickConversions", request::clicks_body(request, purpose, job)),
            UploadKind::Enhancements => (
                "uploadConversionAdjustments",
                request::enhancements_body(request, purpose, job),
            ),
        };
        let Some((body, first)) = body.zip(request.destinations.first()) else {
            return Err(unsent_request(Api::Ads, "a row points at no destination"));
        };
        let Ok(owner) = first.account.id.parse::<CustomerId>() else {
            return Err(unsent_request(Api::Ads, "the account is not one of Google Ads"));
        };
        if request.rows.is_empty() || request.rows.len() > MAX_ROWS {
            return Err(unsent_request(Api::Ads, "too few or too many rows"));
        }
        let config = self.session.config();
        let call = Call {
            api: Api::Ads,
            method,
            path: format!("/{}/customers/{}:{method}", config.ads_version, owner),
            query: &[],
            body: Some(body),
            kind: purpose.call_kind(),
            partial: true,
            timeout: config.timeouts.ingest,
            customer: Some(&owner),
            login: self.login.as_ref(),
        };
        let (answer, request_id) = self.session.call_with_id(&call).await.map_err(|failure| *failure)?;
        Ok(Answered {
            is_of_another: !job.may_be_answered_by(&answer),
            answer,
            request_id,
        })
    }

    async fn upload_once(&self, request: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        let Answered {
            answer,
            request_id,
            is_of_another,
        } = self.send(request, UploadPurpose::Count).await?;
        if is_of_another {
            return Ok(UploadAnswer {
                request_id,
                evidence: vec![Evidence::OfAnother; request.rows.len()],
                errors: Vec::new(),
                retry_after: None,
            });
        }
        Ok(UploadAnswer {
            request_id,
            evidence: row_evidence(self.what, &answer, request),
            errors: row_complaints(&answer),
            retry_after: retry_after(&answer),
        })
    }
}

/// The answer to an upload.
struct Answered {
    answer: Parsed,
    /// Google's id of the request.
    request_id: Option<String>,
    /// True if it is the answer to another request, which says nothing about this one.
    is_of_another: bool,
}

#[async_trait]
impl RowUploads for UploadsClient {
    fn route_info(&self) -> RouteInfo {
        RouteInfo {
            name: match self.what {
                UploadKind::Clicks => "GoogleAdsClicks",
                UploadKind::Enhancements => "GoogleAdsEnhancements",
            },
            network: NETWORK,
            service: Api::Ads.service_name(),
            rows: MAX_ROWS,
            // Each row names its own destination, so their number has no limit of its own.
            destinations: MAX_ROWS,
            one_account: true,
            addresses: matches!(self.what, UploadKind::Enhancements),
        }
    }

    async fn upload_rows(&self, request: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        self.upload_once(request).await
    }

    async fn validate_rows(&self, request: &UploadRequest) -> Result<Vec<Complaint>, IngestError> {
        let answered = self.send(request, UploadPurpose::Judge).await?;
        if answered.is_of_another {
            let what = "the answer is to another request";
            return Err(UpstreamError::new(Api::Ads.service_name(), Cause::Malformed, what).into());
        }
        Ok(row_complaints(&answered.answer))
    }
}

mod echo;
mod job;
mod kind;
pub mod partial_failure;
pub mod request;
#[cfg(test)]
#[path = "uploads_tests.rs"]
mod tests;
