//! The streams of events, asked for once: a pass over thousands of events would else ask the ledger about each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pass::Member;
use crate::domain::ids::PortalId;
use crate::ports::ledger::{Ledger, LedgerError, StreamId, StreamRequest};
use crate::ports::pulse;
use crate::registry::Event;

/// Streams of events whose action is known: these do not change as long as the question is the same.
#[derive(Default)]
pub(crate) struct KnownStreams {
    portal: Option<PortalId>,
    streams: BTreeMap<Member, StreamId>,
}

impl KnownStreams {
    /// The stream of each of these events, in their order. Others are forgotten.
    pub(crate) async fn find_streams(
        &mut self,
        ledger: &dyn Ledger,
        portal: PortalId,
        events: &[Arc<Event>],
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
                ledger.stream_for(&request).await?
            };
            streams.push(stream);
            if member.action().is_some() {
                self.streams.insert(member, stream);
            }
        }
        Ok(streams)
    }
}
