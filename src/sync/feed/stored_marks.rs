//! How far the streams are covered, as the ledger remembers it.

use std::sync::Arc;

use jiff::SignedDuration;
use tracing::warn;

use super::Feed;
use crate::domain::time::later;
use crate::ports::ledger::{StreamId, Watermark};
use crate::registry::sync_error::SyncError;
use crate::registry::{Event, Notice};

/// How far a stored cursor may be ahead of this host's clock if nothing is known of HubSpot's.
const STORED_AHEAD: SignedDuration = SignedDuration::from_mins(10);

impl Feed {
    /// How far the streams of these events are covered. A cursor ahead of all clocks says nothing: the stream is read
    /// again from its start, and its event says so.
    pub(super) async fn stored_marks(
        &self,
        events: &[Arc<Event>],
        streams: &[StreamId],
    ) -> Result<Vec<Option<Watermark>>, SyncError> {
        let latest = later(self.portal_clock.latest(self.ctx.clock.now()), STORED_AHEAD);
        let mut marks = self.ctx.ledger.feed_marks(streams).await?;
        for (event, slot) in events.iter().zip(&mut marks) {
            let Some(mark) = slot.take_if(|mark| mark.cursor > latest) else {
                continue;
            };
            self.ctx.registry.update_report(&event.key, |report| {
                if report.pulled_back.is_some_and(|back| back.cursor == mark.cursor) {
                    return Notice::Quiet;
                }
                warn!(event = %event.key, cursor = %mark.cursor, "the stored cursor is ahead of HubSpot's clock; the event is read again from its start");
                report.pull_back(mark.cursor);
                Notice::Now
            });
        }
        Ok(marks)
    }
}
