//! Whether what the ad network refuses of one action is a matter of the whole account: it is, unless another action's
//! rows have been taken since. Codes alone can't tell: a link between two accounts may be missing for one action only.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ports::UpstreamError;
use crate::ports::ledger::ActionKey;

/// What the ad network took and refused of the actions of one account.
#[derive(Default)]
pub struct Refusals {
    taken: BTreeMap<ActionKey, Timestamp>,
    refused: BTreeMap<ActionKey, Timestamp>,
    /// The first refusal since the last requests began.
    latest: Option<(ActionKey, UpstreamError)>,
}

impl Refusals {
    pub fn requests_begin(&mut self) {
        self.latest = None;
    }

    /// Rows of this action were taken.
    pub fn record_taken(&mut self, action: &ActionKey, now: Timestamp) {
        self.taken.insert(action.clone(), now);
        self.refused.remove(action);
    }

    /// The ad network refuses this action's rows for what it says of the account.
    pub fn record_refused(&mut self, action: &ActionKey, error: UpstreamError, now: Timestamp) {
        self.refused.entry(action.clone()).or_insert(now);
        self.latest.get_or_insert_with(|| (action.clone(), error));
    }

    /// The refusal of these requests, where it is a matter of the account.
    pub fn of_account(&mut self) -> Option<UpstreamError> {
        let (action, error) = self.latest.take()?;
        let since = self.refused.get(&action)?;
        let others = self.taken.iter().any(|(other, at)| *other != action && at >= since);
        (!others).then_some(error)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ports::Cause;
    use crate::ports::test_support::at;
    use crate::sync::test_support::action;

    #[test]
    fn what_is_taken_of_another_action_later_shows_that_the_account_is_let_in() {
        let error = || UpstreamError::new("Data Manager", Cause::AccessDenied, "x");
        let mut refusals = Refusals::default();
        refusals.record_taken(&action(2), at(1));
        refusals.requests_begin();
        refusals.record_refused(&action(1), error(), at(2));
        assert!(refusals.of_account().is_some(), "taken before says nothing of now");
        refusals.requests_begin();
        refusals.record_refused(&action(1), error(), at(3));
        refusals.record_taken(&action(2), at(3));
        assert!(refusals.of_account().is_none());
        // Later the refused ones are tried alone.
        refusals.requests_begin();
        refusals.record_refused(&action(1), error(), at(9));
        assert!(refusals.of_account().is_none());
        // Once taken itself, a new refusal is a new one.
        refusals.record_taken(&action(1), at(10));
        refusals.requests_begin();
        refusals.record_refused(&action(1), error(), at(11));
        assert!(refusals.of_account().is_some());
        refusals.requests_begin();
        assert!(refusals.of_account().is_none());
    }
}
