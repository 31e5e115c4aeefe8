//! Requests whose status could not be read, and what their events say of it.

use std::collections::BTreeMap;

use crate::domain::ids::ObjectKey;
use crate::ports::ledger::{ActionKey, BatchId, OpenRequest};
use crate::registry::{ErrorNote, Notice, Side};
use crate::sync::context::SyncContext;

/// Most that are remembered: what their events say of them is the same.
const MOST: usize = 1_000;

/// Requests whose last look failed.
#[derive(Default)]
pub(crate) struct UnreadRequests(BTreeMap<BatchId, (Vec<ActionKey>, ErrorNote)>);

impl UnreadRequests {
    /// The look at a request failed.
    pub(crate) fn record_failure(&mut self, (request, network): (&OpenRequest, &str), mut note: ErrorNote) {
        note.message = format!(
            "{network} does not say what became of conversions that it has accepted. They stay Processing, and the operator asks again. {}",
            note.message
        );
        if self.0.len() < MOST || self.0.contains_key(&request.batch) {
            self.0.insert(request.batch, (request.destinations.clone(), note));
        }
    }

    /// The status was read.
    pub(crate) fn record_answer(&mut self, request: BatchId) {
        self.0.remove(&request);
    }

    /// Has each event of the account say what is so.
    pub(crate) fn report_unread(&self, ctx: &SyncContext, account: &ObjectKey) {
        for event in ctx.registry.events_of_ad_account(account) {
            let of_event = |(actions, _): &&(Vec<ActionKey>, ErrorNote)| {
                event.action.as_ref().is_some_and(|bound| actions.contains(&bound.key))
            };
            let note = self.0.values().find(of_event).map(|(_, note)| note.clone());
            let before = ctx.registry.event_report(&event.key).poll;
            match note {
                Some(note) if before.error.as_deref() != Some(&note) => {
                    ctx.registry
                        .update_report(&event.key, |report| report.record_failure(Side::Poll, note));
                }
                None if before.failing_since.is_some() => {
                    let now = ctx.clock.now();
                    ctx.registry.update_report(&event.key, |report| {
                        Notice::Quiet.or_now(report.poll.record_success(now))
                    });
                }
                _ => {}
            }
        }
    }
}
