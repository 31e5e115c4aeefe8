//! The three ways of an upload to Google, and what each answers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::fates::fate_update;
use crate::api::{UploadApi, Uploads};
use crate::domain::batch::{Complaint, Fate, partial};
use crate::domain::enhancement::next_look;
use crate::domain::outcome::reason;
use crate::sync::context::SyncContext;
use crate::sync::event_loop::Ready;
use crate::sync::ports::GoogleClients;
use crate::sync::ports::ledger::RowUpdate;
use crate::sync::ports::sink::{IngestError, MAX_DESTINATIONS, MAX_ROWS, UploadAnswer, UploadRequest};

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
            Self::Rows(_) => None,
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

/// What an answer row by row means for the rows of the request. Rows of which Google said nothing get no update.
pub fn updates(ctx: &SyncContext, ready: &[Ready], answer: &UploadAnswer, now: Timestamp) -> Vec<RowUpdate> {
    let complaints: Vec<_> = answer
        .errors
        .iter()
        .map(|error| Complaint {
            row: error.row,
            destination: None,
            code: &error.reason,
        })
        .collect();
    let fates: BTreeMap<usize, Fate> = partial(&answer.taken, &complaints);
    let of = |(index, fate): (usize, Fate)| {
        let row = &ready.get(index)?.row;
        let mut update = fate_update(ctx, row.into(), &fate, now);
        if fate == Fate::Wait(reason::AWAITING_WEB_CONVERSION) {
            update.due = next_look(row.occurred_at, &ctx.settings.enhancement_limits(), now);
        }
        Some(update)
    };
    fates.into_iter().filter_map(of).collect()
}
