//! What the log says about uploads: one line for each event of a request.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Uploader;
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::ports::ledger::StreamId;
use crate::ports::sink::IngestError;
use crate::sync::prepare::PreparedRow;

/// How long, in milliseconds, as the log has it.
fn in_millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

impl Uploader {
    /// The ad network took the request; `request` is its id of it, if it gives one.
    pub(crate) fn log_sent(&self, ready: &[PreparedRow], request: Option<&str>, elapsed: Duration) {
        for (event, rows) in self.rows_of(ready) {
            tracing::info!(%event, rows, request = request.unwrap_or("none"), ms = in_millis(elapsed), "uploaded");
        }
    }

    /// The ad network did not take it.
    pub(crate) fn log_failed(&self, ready: &[PreparedRow], failure: &IngestError, elapsed: Duration) {
        let error = &failure.error;
        let request = error.request_id.as_deref().unwrap_or("none");
        for (event, rows) in self.rows_of(ready) {
            tracing::warn!(%event, rows, request, ms = in_millis(elapsed), error = brief(error), "upload failed");
        }
    }

    /// How many of the rows are each event's.
    fn rows_of(&self, ready: &[PreparedRow]) -> BTreeMap<ObjectKey, usize> {
        let mut rows: BTreeMap<StreamId, usize> = BTreeMap::new();
        for ready in ready {
            *rows.entry(ready.row.stream).or_default() += 1;
        }
        let of = |(event, stream)| Some((event, *rows.get(&stream)?));
        self.events_of(ready).into_iter().filter_map(of).collect()
    }
}
