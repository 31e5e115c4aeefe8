//! Requests whose status the ad network denies, and whether that may be a matter of the account.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ports::UpstreamError;
use crate::ports::ledger::{ActionKey, BatchId, OpenRequest};

/// Most that are remembered: one more changes nothing.
const MOST: usize = 1_000;

/// Requests whose status the ad network denies us. Several may be a matter of the account, unless anything has shown
/// since that it is let in.
#[derive(Default)]
pub(super) struct Denied {
    since: BTreeMap<BatchId, Timestamp>,
    /// When the status of a request was read last, or a dummy conversion was let in.
    let_in: Option<Timestamp>,
    /// The last denial that nobody has judged yet, and an action of its request.
    latest: Option<(ActionKey, UpstreamError)>,
}

impl Denied {
    /// This one was denied.
    pub(super) fn record_denied(&mut self, request: &OpenRequest, error: &UpstreamError, now: Timestamp) {
        if self.since.len() < MOST {
            self.since.entry(request.batch).or_insert(now);
        }
        let action = request.destinations.first();
        self.latest = action.map(|action| (action.clone(), error.clone()));
    }

    /// The status of this one was read.
    pub(super) fn record_read(&mut self, request: BatchId, now: Timestamp) {
        self.since.remove(&request);
        self.record_let_in(now);
    }

    /// A dummy conversion was let in.
    pub(super) const fn record_let_in(&mut self, now: Timestamp) {
        self.let_in = Some(now);
    }

    /// The denial that may be a matter of the account.
    pub(super) fn take_suspicion(&mut self) -> Option<(ActionKey, UpstreamError)> {
        let open = |since: &&Timestamp| self.let_in.is_none_or(|let_in| let_in < **since);
        let several = self.since.values().filter(open).count() > 1;
        self.latest.take().filter(|_| several)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Cause;
    use crate::ports::test_support::at;
    use crate::sync::test_support::action;

    /// The network denies these requests at this time. Whether that may be a matter of the account.
    fn deny(denied: &mut Denied, requests: &[i64], second: i64) -> bool {
        let error = UpstreamError::new("Data Manager", Cause::AccessDenied, "x");
        for request in requests {
            let request = OpenRequest {
                batch: BatchId(*request),
                request_id: request.to_string(),
                accepted_at: at(0),
                polls: 0,
                poll_at: at(0),
                destinations: vec![action(7)],
                rows: Vec::new(),
            };
            denied.record_denied(&request, &error, at(second));
        }
        denied.take_suspicion().is_some()
    }

    #[test]
    fn several_denials_may_be_the_accounts_until_anything_shows_that_it_is_let_in() {
        let mut denied = Denied::default();
        assert!(!deny(&mut denied, &[1], 1));
        assert!(!deny(&mut denied, &[1], 2), "one alone");
        assert!(deny(&mut denied, &[2], 3));
        assert!(denied.take_suspicion().is_none(), "asked once");
        denied.record_read(BatchId(3), at(4));
        assert!(!deny(&mut denied, &[1, 2], 5), "their own by now");
        assert!(deny(&mut denied, &[4, 5], 6));
        denied.record_let_in(at(7));
        assert!(!deny(&mut denied, &[1, 2, 4, 5], 8), "a dummy conversion was let in");
    }
}
