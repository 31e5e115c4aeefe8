//! How late a time of HubSpot's clock can be. A record that claims a later one (an import with the year 9999) tells nothing of
//! that clock: no cursor follows it, as everything before a cursor counts as read.

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::Feed;
use crate::ports::ledger::{FeedMark, TrackId};
use crate::registry::sync_error::Fault;
use crate::registry::{Event, Notice};

/// How far a time may be ahead of the answer it came in: the clocks of HubSpot's servers may differ.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How far a stored cursor may be ahead of this host's clock where nothing is known of HubSpot's.
const STORED_AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// The latest time an answer can tell of. `answered`: its `Date`; without one this host's clock must do.
pub fn latest(answered: Option<Timestamp>, now: Timestamp) -> Timestamp {
    answered.unwrap_or(now).saturating_add(AHEAD).unwrap_or(Timestamp::MAX)
}

impl Feed {
    /// How far the tracks of these events are covered. A cursor ahead of all clocks says nothing: the track is read again
    /// from its start, and its event says so.
    pub(super) async fn marks(&self, events: &[Event], tracks: &[TrackId]) -> Result<Vec<Option<FeedMark>>, Fault> {
        let now = self.ctx.clock.now();
        let latest = self.present.known().map_or(now, |known| known.max(now));
        let latest = latest.saturating_add(STORED_AHEAD).unwrap_or(Timestamp::MAX);
        let mut marks = self.ctx.ledger.feed_marks(tracks).await?;
        for (event, slot) in events.iter().zip(&mut marks) {
            let Some(mark) = slot.take_if(|mark| mark.cursor > latest) else {
                continue;
            };
            self.ctx.registry.update_report(&event.key, |report| {
                if report.pulled_back.is_some_and(|told| told.cursor == mark.cursor) {
                    return Notice::Quiet;
                }
                warn!(event = %event.key, cursor = %mark.cursor, "the stored cursor is ahead of HubSpot's clock: read again from the start");
                report.pull_back(mark.cursor);
                Notice::Now
            });
        }
        Ok(marks)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_tells_of_what_is_to_come() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-20T12:00:00Z");
        assert_eq!(latest(None, now), at("2026-11-20T12:05:00Z"));
        assert_eq!(
            latest(Some(at("2026-11-20T09:00:00Z")), now),
            at("2026-11-20T09:05:00Z")
        );
        assert_eq!(latest(Some(Timestamp::MAX), now), Timestamp::MAX);
    }
}
