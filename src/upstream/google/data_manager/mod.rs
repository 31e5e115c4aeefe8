//! The Data Manager API client: ingests rows, and reads the status of ingest requests (docs/reference/google.md 6).

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use self::request::UploadPurpose;
use super::config::NETWORK;
use super::errors::{Api, CallFailure, Parsed};
use super::own_errors::{unsent_request, unusable_answer};
use super::row_classes::{data_manager_code, silent_code};
use super::session::{Call, Session};
use super::wire::{parse_index, parse_text, parse_unsigned};
use crate::domain::batch::NO_ROW;
use crate::domain::codes::Class;
use crate::domain::evidence::NamedDestination;
use crate::domain::ids::CustomerId;
use crate::domain::request_report::{ReportedFailure, RequestProgress, RequestReport};
use crate::ports::sink::{ConversionSink, DestinationStatus, IngestError, RouteInfo, UploadRequest};
use crate::ports::{CallKind, Cause, UpstreamError};
use crate::upstream::http::text::{valid_code, valid_id};

/// The Data Manager API of one set of credentials. The URL has been `/v1` through all of its releases.
pub(crate) struct DataManagerClient {
    session: Arc<Session>,
    login: Option<CustomerId>,
}

/// Most rows in one request (docs/reference/google.md 1.4).
pub const MAX_ROWS: usize = 2000;
/// Most destinations in one request (docs/reference/google.md 1.4).
const MAX_DESTINATIONS: usize = 10;

impl DataManagerClient {
    /// `login`: sent as `loginAccount` of every destination, if set.
    pub(crate) fn new(session: Arc<Session>, login: Option<CustomerId>) -> Self {
        Self { session, login }
    }

    /// Sends rows, to be counted or only validated.
    async fn send(&self, request: &UploadRequest, purpose: UploadPurpose) -> Result<Parsed, IngestError> {
        if let Some(error) = check_request(request) {
            return Err(error);
        }
        let body = request::ingest_body(request, self.login.as_ref(), purpose);
        let body = body.ok_or_else(|| unsent_request(Api::DataManager, "a row points at no destination"))?;
        let call = Call {
            api: Api::DataManager,
            method: "ingestEvents",
            path: "/v1/events:ingest".to_owned(),
            query: &[],
            body: Some(body),
            kind: purpose.call_kind(),
            partial: false,
            timeout: self.session.config().timeouts.ingest,
            customer: None,
            login: None,
        };
        Ok(self.session.call(&call).await.map_err(|failure| *failure)?)
    }
}

/// The error of a request that can't be sent; `None` if it can.
fn check_request(request: &UploadRequest) -> Option<IngestError> {
    let (rows, destinations) = (request.rows.len(), request.destinations.len());
    if rows == 0 || rows > MAX_ROWS || destinations == 0 || destinations > MAX_DESTINATIONS {
        let why = format!("{rows} rows, {destinations} destinations");
        return Some(unsent_request(Api::DataManager, why));
    }
    None
}

#[async_trait]
impl ConversionSink for DataManagerClient {
    fn route_info(&self) -> RouteInfo {
        RouteInfo {
            name: "DataManager",
            network: NETWORK,
            service: Api::DataManager.service_name(),
            rows: MAX_ROWS,
            destinations: MAX_DESTINATIONS,
            one_account: false,
            addresses: true,
        }
    }

    async fn ingest(&self, request: &UploadRequest) -> Result<String, IngestError> {
        let answer = self.send(request, UploadPurpose::Count).await?;
        let Some(id) = answer["requestId"].as_str().and_then(valid_id) else {
            let what = "the answer holds no usable requestId";
            return Err(unusable_answer(Api::DataManager, CallKind::Changes, what).into());
        };
        for (reason, count) in field_warnings(&answer) {
            tracing::debug!(reason, count, "Data Manager left out optional fields");
        }
        Ok(id)
    }

    async fn validate(&self, request: &UploadRequest) -> Result<(), IngestError> {
        self.send(request, UploadPurpose::Judge).await.map(|_| ())
    }

    async fn request_status(&self, request_id: &str) -> Result<Vec<DestinationStatus>, UpstreamError> {
        let call = Call {
            api: Api::DataManager,
            method: "retrieveRequestStatus",
            path: "/v1/requestStatus:retrieve".to_owned(),
            query: &[("requestId", request_id)],
            body: None,
            kind: CallKind::Reads,
            partial: false,
            timeout: self.session.config().timeouts.read,
            customer: None,
            login: None,
        };
        let answer = self
            .session
            .read_call(&call)
            .await
            .map_err(|failure| as_not_found(*failure))?;
        parse_statuses(&answer).ok_or_else(|| {
            let what = "the answer holds no requestStatusPerDestination";
            unusable_answer(Api::DataManager, CallKind::Reads, what)
        })
    }
}

/// Makes "not found" of the refusal with which Google answers about a request that it does not know (any more).
fn as_not_found(failure: CallFailure) -> UpstreamError {
    let mut error = failure.error;
    if failure.code.is_some_and(|code| code.class == Class::Forgotten) {
        error.cause = Cause::NotFound;
    }
    error
}

/// Fields that Google ignored, by reason. Descriptions are not read: they may echo values.
fn field_warnings(answer: &Value) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for warning in answer["fieldWarnings"].as_array().into_iter().flatten() {
        let reason = warning["reason"]
            .as_str()
            .and_then(valid_code)
            .unwrap_or_else(|| "UNSPECIFIED".to_owned());
        *counts.entry(reason).or_default() += 1;
    }
    counts
}

/// Reads a request status, in the order of the answer.
fn parse_statuses(answer: &Value) -> Option<Vec<DestinationStatus>> {
    let list = answer["requestStatusPerDestination"].as_array()?;
    let read = |status: &Value| DestinationStatus {
        destination: named_destination(&status["destination"]),
        report: RequestReport {
            progress: parse_progress(status["requestStatus"].as_str().unwrap_or_default()),
            records: parse_unsigned(&status["eventsIngestionStatus"]["recordCount"]),
            failures: error_counts(&status["errorInfo"]),
        },
    };
    Some(list.iter().map(read).collect())
}

/// `RequestStatus` (docs/reference/google.md 6.6); a request with an unknown status is asked about again.
fn parse_progress(status: &str) -> RequestProgress {
    match status {
        "SUCCESS" => RequestProgress::Succeeded,
        "PARTIAL_SUCCESS" => RequestProgress::PartlyFailed,
        "FAILED" => RequestProgress::Failed,
        _ => RequestProgress::Open,
    }
}

/// The destination that an entry names. One that can't be read is none of ours.
fn named_destination(destination: &Value) -> NamedDestination {
    let action = &destination["productDestinationId"];
    let customer = &destination["operatingAccount"]["accountId"];
    NamedDestination {
        action: (!action.is_null()).then(|| parse_unsigned(action).map(|id| id.to_string())),
        // With dashes or without, it is the same account.
        account: (!customer.is_null()).then(|| Some(parse_text(customer)?.parse::<CustomerId>().ok()?.to_string())),
    }
}

/// The failures by reason. An entry that can't be read says that something failed, but neither what nor how much.
fn error_counts(info: &Value) -> Vec<ReportedFailure> {
    match info {
        Value::Null => Vec::new(),
        Value::Object(_) => match &info["errorCounts"] {
            Value::Null => Vec::new(),
            Value::Array(counts) => counts.iter().map(error_count).collect(),
            odd => vec![error_count(odd)],
        },
        odd => vec![error_count(odd)],
    }
}

fn error_count(value: &Value) -> ReportedFailure {
    let code = value["reason"].as_str().and_then(data_manager_code);
    ReportedFailure {
        code: code.unwrap_or_else(|| silent_code("UNSPECIFIED")),
        count: parse_unsigned(&value["recordCount"]),
        rows: match &value["recordIndices"] {
            Value::Null => Vec::new(),
            Value::Array(indices) => indices.iter().map(parse_index).collect(),
            _ => vec![NO_ROW],
        },
    }
}

pub mod request;
#[cfg(test)]
#[path = "data_manager_tests.rs"]
mod tests;
