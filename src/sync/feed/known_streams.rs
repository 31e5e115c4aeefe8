//! The streams of events, asked for once: a pass over thousands of events would else ask the ledger about each.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::ids::{ObjectKey, PortalId};
use crate::ports::ledger::{Ledger, LedgerError, StreamId, StreamRequest};
use crate::ports::pulse;
use crate::registry::Event;

/// Streams of events whose action is known: these do not change as long as the question is the same.
#[derive(Default)]
pub(crate) struct KnownStreams(HashMap<ObjectKey, (StreamRequest, StreamId)>);

impl KnownStreams {
    /// The stream of each of these events, in their order. Others are forgotten.
    pub(crate) async fn find_streams(
        &mut self,
        ledger: &dyn Ledger,
        portal: PortalId,
        events: &[Arc<Event>],
    ) -> Result<Vec<StreamId>, LedgerError> {
        let mut known = std::mem::take(&mut self.0);
        let mut streams = Vec::with_capacity(events.len());
        for event in events {
            let action = event.action.as_ref().map(|action| action.key.clone());
            let request = StreamRequest::new(event.key.clone(), event.uid.clone(), portal, &event.trigger, action);
            let stream = match known.remove(&event.key) {
                Some((asked, stream)) if asked == request => stream,
                _ => {
                    pulse::beat();
                    ledger.stream_for(&request).await?
                }
            };
            streams.push(stream);
            if request.action.is_some() {
                self.0.insert(event.key.clone(), (request, stream));
            }
        }
        Ok(streams)
    }
}
