//! Requests whose status could not be read, and what their events say of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::ids::ObjectKey;
use crate::ports::UpstreamError;
use crate::ports::ledger::{ActionKey, BatchId, OpenRequest};
use crate::registry::{ErrorNote, Notice, Side};
use crate::sync::context::SyncContext;

/// Most that are remembered: what their events say of them is the same.
const MOST: usize = 1_000;

/// Requests whose last look failed.
#[derive(Default)]
pub(crate) struct Unread(BTreeMap<BatchId, (Vec<ActionKey>, ErrorNote)>);

impl Unread {
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

/// Requests whose status we are denied. It is a matter of the account if several are denied, unless the status of
/// another one could be read since.
#[derive(Default)]
pub(crate) struct Denied {
    since: BTreeMap<BatchId, Timestamp>,
    last_read: Option<Timestamp>,
}

impl Denied {
    /// Whether a denial is about this request alone: credentials that were exchanged may not see what the old ones sent.
    pub(crate) fn is_its_own(&mut self, request: BatchId, error: &UpstreamError, now: Timestamp) -> bool {
        if !error.is_coded_answer() || !error.needs_a_person() {
            return false;
        }
        self.record_denied(request, now);
        !self.is_the_accounts()
    }

    /// This one was denied.
    fn record_denied(&mut self, request: BatchId, now: Timestamp) {
        if self.since.len() < MOST {
            self.since.entry(request).or_insert(now);
        }
    }

    /// The status of this one was read.
    pub(crate) fn record_read(&mut self, request: BatchId, now: Timestamp) {
        self.since.remove(&request);
        self.last_read = Some(now);
    }

    /// Nothing shows that it is a matter of single requests.
    fn is_the_accounts(&self) -> bool {
        let open = |since: &&Timestamp| self.last_read.is_none_or(|read| read < **since);
        self.since.values().filter(open).count() > 1
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn several_denials_are_the_accounts_until_another_request_is_read() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut denied = Denied::default();
        denied.record_denied(BatchId(1), at(1));
        denied.record_denied(BatchId(1), at(2));
        assert!(!denied.is_the_accounts(), "one alone");
        denied.record_denied(BatchId(2), at(3));
        assert!(denied.is_the_accounts());
        denied.record_read(BatchId(3), at(4));
        denied.record_denied(BatchId(1), at(5));
        denied.record_denied(BatchId(2), at(5));
        assert!(!denied.is_the_accounts(), "their own by now");
        denied.record_denied(BatchId(4), at(6));
        denied.record_denied(BatchId(5), at(6));
        assert!(denied.is_the_accounts());
    }
}
