//! The three ways of an upload to Google, and what each answers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::{UploadApi, Uploads};
use crate::domain::batch::{Complaint, Fate, partial};
use crate::domain::enhancement::next_look;
use crate::domain::outcome::reason;
use crate::ports::GoogleClients;
use crate::ports::ledger::RowUpdate;
use crate::ports::sink::{IngestError, MAX_DESTINATIONS, MAX_ROWS, UploadAnswer, UploadRequest};
use crate::sync::context::SyncContext;
use crate::sync::prepare::Ready;
use crate::sync::upload::row_updates::fate_update;

/// A way of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Data Manager: conversions and multi-source events; results come later.
    Ingest,
    /// `uploadClickConversions` of the Google Ads API.
    Clicks,
    /// `uploadConversionAdjustments` of the Google Ads API.
    Enhancements,
}

/// What Google answered.
pub enum Answer {
    /// Accepted under this request id, results later.
    Accepted(String),
    /// Results at once.
    Rows(UploadAnswer),
}

impl Answer {
    /// Google's id of the request, where the answer names one.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Accepted(id) => Some(id),
            Self::Rows(rows) => rows.request_id.as_deref(),
        }
    }
}

impl Lane {
    /// The way of an event's rows: `form`: a form event.
    pub const fn of(form: bool, uploads: Uploads) -> Self {
        match (form, uploads.click_conversions, uploads.enhancements) {
            (true, _, UploadApi::GoogleAds) => Self::Enhancements,
            (false, UploadApi::GoogleAds, _) => Self::Clicks,
            _ => Self::Ingest,
        }
    }

    /// Whose way it is.
    pub const fn api(self) -> UploadApi {
        match self {
            Self::Ingest => UploadApi::DataManager,
            Self::Clicks | Self::Enhancements => UploadApi::GoogleAds,
        }
    }

    /// Who answers, as errors name it.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Ingest => "Data Manager",
            Self::Clicks | Self::Enhancements => "Google Ads",
        }
    }

    /// Most conversion actions in one request.
    pub const fn max_destinations(self) -> usize {
        match self {
            Self::Ingest => MAX_DESTINATIONS,
            Self::Clicks | Self::Enhancements => MAX_ROWS,
        }
    }

    /// Sends a request this way.
    pub async fn send(self, clients: &GoogleClients, request: &UploadRequest) -> Result<Answer, IngestError> {
        match self {
            Self::Ingest => clients.sink.ingest(request).await.map(Answer::Accepted),
            Self::Clicks => clients.uploads.upload_clicks(request).await.map(Answer::Rows),
            Self::Enhancements => clients.uploads.enhance(request).await.map(Answer::Rows),
        }
    }
}

/// What an answer row by row means for the rows of the request. Rows of which Google said nothing have no fate.
pub fn fates(answer: &UploadAnswer) -> BTreeMap<usize, Fate> {
    let complaints: Vec<_> = answer
        .errors
        .iter()
        .map(|error| Complaint {
            row: error.row,
            destination: None,
            code: error.code.as_ref(),
        })
        .collect();
    partial(&answer.evidence, &complaints)
}

/// The updates that carry out fates. Nothing that waits goes before `not_before`.
pub fn updates(
    ctx: &SyncContext,
    ready: &[Ready],
    fates: &BTreeMap<usize, Fate>,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Vec<RowUpdate> {
    let of = |(index, fate): (&usize, &Fate)| {
        let row = &ready.get(*index)?.row;
        let mut update = fate_update(ctx, row.into(), fate, now);
        if matches!(fate, Fate::Wait(reason::AWAITING_WEB_CONVERSION, _)) {
            update.due = next_look(row.occurred_at, &ctx.settings.enhancement_limits(), now);
        }
        update.due = not_before.map_or(update.due, |time| update.due.max(time));
        Some(update)
    };
    fates.iter().filter_map(of).collect()
}
