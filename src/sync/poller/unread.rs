//! Requests whose status could not be read, and what their events say of it.

use std::collections::BTreeMap;

use crate::domain::ids::ObjectKey;
use crate::sync::context::SyncContext;
use crate::sync::ports::ledger::{ActionKey, BatchId, OpenRequest};
use crate::sync::registry::{ErrorNote, Notice};

/// Most that are remembered: what their events say of them is the same.
const MOST: usize = 1_000;

/// Requests whose last look failed.
#[derive(Default)]
pub(super) struct Unread(BTreeMap<BatchId, (Vec<ActionKey>, ErrorNote)>);

impl Unread {
    /// The look at a request failed.
    pub(super) fn failed(&mut self, request: &OpenRequest, mut note: ErrorNote) {
        note.message = format!(
            "Google does not say what became of conversions it has accepted; they stay Processing and it is asked again. {}",
            note.message
        );
        if self.0.len() < MOST || self.0.contains_key(&request.batch) {
            self.0.insert(request.batch, (request.destinations.clone(), note));
        }
    }

    /// The status was read.
    pub(super) fn answered(&mut self, request: BatchId) {
        self.0.remove(&request);
    }

    /// Has each event of the account say what is so.
    pub(super) fn tell(&self, ctx: &SyncContext, account: &ObjectKey) {
        for event in ctx.registry.events_of_google(account) {
            let of_event = |(actions, _): &&(Vec<ActionKey>, ErrorNote)| {
                event.action.as_ref().is_some_and(|bound| actions.contains(&bound.key))
            };
            let note = self.0.values().find(of_event).map(|(_, note)| note.clone());
            let before = ctx.registry.report(&event.key).poll;
            match note {
                Some(note) if before.error.as_ref() != Some(&note) => {
                    ctx.registry.update_report(&event.key, |report| {
                        report.push_error(note.clone());
                        Notice::Soon.or_now(report.poll.failed(note))
                    });
                }
                None if before.failing_since.is_some() => {
                    let now = ctx.clock.now();
                    ctx.registry
                        .update_report(&event.key, |report| Notice::Quiet.or_now(report.poll.succeeded(now)));
                }
                _ => {}
            }
        }
    }
}
