//! The streams of events, asked for once: a pass over thousands of events would else ask the ledger about each.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::pass::Member;
use crate::domain::ids::PortalId;
use crate::ports::ledger::{LedgerError, StreamId, StreamRequest};
use crate::ports::pulse;
use crate::registry::Event;
use crate::sync::context::SyncContext;

/// Streams of events whose action is known: these do not change as long as the question is the same.
#[derive(Default)]
pub(crate) struct KnownStreams {
    portal: Option<PortalId>,
    streams: BTreeMap<Member, StreamId>,
}

impl KnownStreams {
    /// The stream of each of these events, in their order. Others are forgotten. What is noted on them is remembered
    /// from `now` on, by our clock or HubSpot's, whichever is ahead.
    pub(crate) async fn find_streams(
        &mut self,
        ctx: &SyncContext,
        portal: PortalId,
        events: &[Arc<Event>],
        now: Timestamp,
    ) -> Result<Vec<StreamId>, LedgerError> {
        let mut known = std::mem::take(&mut self.streams);
        if self.portal.replace(portal) != Some(portal) {
            known.clear();
        }
        let mut streams = Vec::with_capacity(events.len());
        for event in events {
            let member = Member::new(event);
            let of_action = |(asked, _): &(Member, StreamId)| asked.action() == member.action();
            let stream = if let Some((_, stream)) = known.remove_entry(&member).filter(of_action) {
                stream
            } else {
                pulse::beat();
                let (key, uid, action) = (event.key.clone(), event.uid.clone(), member.action().cloned());
                let request = StreamRequest::new(key, uid, portal, &event.trigger, action);
                let stream = ctx.ledger.stream_for(&request).await?;
                if member.action().is_some() {
                    // Rows of the event may have moved there, or somebody else has noted some meanwhile.
                    ctx.recent_entries.watch_anew(stream, now);
                }
                stream
            };
            ctx.recent_entries.watch(stream, now);
            streams.push(stream);
            if member.action().is_some() {
                self.streams.insert(member, stream);
            }
        }
        Ok(streams)
    }
}

#[cfg(test)]
#[path = "known_streams_tests.rs"]
mod tests;
