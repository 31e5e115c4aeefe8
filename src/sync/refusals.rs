//! What an ad network takes and refuses of the actions of one account, and whether a refusal may be a matter of the
//! whole account. Codes alone can't tell: a link between two accounts may be missing for one action only, and a feature
//! may be closed to one row. What the account's own words about rows and actions come to, a dummy conversion
//! decides: [`super::account_judgement`].

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::ports::UpstreamError;
use crate::ports::ledger::ActionKey;
use crate::ports::sink::DummyIdentity;

/// How long a dummy conversion that was let in counts as proof: a refusal that comes with each try is not checked each
/// time.
const LET_IN_HOLDS: SignedDuration = SignedDuration::from_mins(10);

/// A refusal of an action's rows that may be a matter of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// The route that the rows went by, or were asked about.
    pub route: &'static str,
    pub action: ActionKey,
    /// What the refused rows were to be found by.
    pub by: DummyIdentity,
    /// The refusal, as an error of the account.
    pub error: UpstreamError,
}

/// What the network took and refused of the actions of one account.
#[derive(Default)]
pub struct Refusals {
    taken: BTreeMap<ActionKey, Timestamp>,
    /// Actions of which nothing was taken since they were refused, and since when that is so.
    refused: BTreeMap<ActionKey, Timestamp>,
    /// By route: the first refusal that nobody has judged yet.
    latest: BTreeMap<&'static str, Suspicion>,
    /// By route: when a dummy conversion was let in last.
    let_in: BTreeMap<&'static str, Timestamp>,
}

impl Refusals {
    /// Rows of this action were taken.
    pub fn record_taken(&mut self, action: &ActionKey, now: Timestamp) {
        self.taken.insert(action.clone(), now);
        self.refused.remove(action);
    }

    /// The network refuses an action's rows for what it says of the account.
    pub fn record_refused(&mut self, suspicion: Suspicion, now: Timestamp) {
        self.taken.remove(&suspicion.action);
        self.refused.entry(suspicion.action.clone()).or_insert(now);
        self.latest.entry(suspicion.route).or_insert(suspicion);
    }

    /// A dummy conversion was let in by this route.
    pub fn record_let_in(&mut self, route: &'static str, now: Timestamp) {
        self.let_in.insert(route, now);
    }

    /// When rows of this action were taken last; `None` if it has been refused since.
    pub fn last_taken(&self, action: &ActionKey) -> Option<Timestamp> {
        self.taken.get(action).copied()
    }

    /// The refusals since the last call that may be a matter of the account, one of each route: nothing was taken
    /// since, of no action, and no dummy conversion was let in lately.
    pub fn take_suspicions(&mut self, now: Timestamp) -> Vec<Suspicion> {
        let latest = std::mem::take(&mut self.latest).into_values();
        latest
            .filter(|suspicion| self.may_be_of_account(suspicion, now))
            .collect()
    }

    fn may_be_of_account(&self, suspicion: &Suspicion, now: Timestamp) -> bool {
        let Some(since) = self.refused.get(&suspicion.action) else {
            return false;
        };
        let let_in = self.let_in.get(suspicion.route);
        let lately = let_in.is_some_and(|at| now.duration_since(*at).abs() < LET_IN_HOLDS);
        !lately && self.taken.values().all(|at| at < since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Cause;
    use crate::ports::test_support::at;
    use crate::sync::test_support::action;

    const ROUTE: &str = "DataManager";

    fn refused(id: u64) -> Suspicion {
        Suspicion {
            route: ROUTE,
            action: action(id),
            by: DummyIdentity {
                click: true,
                identifiers: false,
            },
            error: UpstreamError::new("Data Manager", Cause::AccessDenied, "x"),
        }
    }

    /// What happens, one a minute.
    #[derive(Clone, Copy)]
    enum Step {
        Taken(u64),
        Refused(u64),
        /// What an answer says of two actions comes at once.
        Both(u64, u64),
        LetIn,
        Pause(i64),
        /// Whether the account is suspected now.
        Suspected(bool),
    }
    use Step::{Both, LetIn, Pause, Refused, Suspected, Taken};

    #[rstest::rstest]
    #[case::nothing_known(&[Refused(1), Suspected(true)])]
    #[case::asked_once(&[Refused(1), Suspected(true), Suspected(false), Refused(1), Suspected(true)])]
    #[case::others_before_say_nothing_of_now(&[Taken(2), Refused(1), Suspected(true)])]
    #[case::others_of_the_same_answer(&[Both(2, 1), Suspected(false)])]
    #[case::others_since(&[Refused(1), Taken(2), Suspected(false), Pause(600), Refused(1), Suspected(false)])]
    #[case::its_own_since(&[Refused(1), Taken(1), Suspected(false)])]
    #[case::once_taken_a_new_one(&[Refused(1), Taken(1), Refused(1), Suspected(true)])]
    #[case::others_that_are_refused_by_now(&[Refused(1), Taken(2), Refused(2), Suspected(true)])]
    #[case::let_in_lately(&[Refused(1), Suspected(true), LetIn, Refused(1), Suspected(false), Pause(11), Refused(1), Suspected(true)])]
    fn a_refusal_may_be_the_accounts_until_anything_is_taken_or_let_in(#[case] steps: &[Step]) {
        let mut refusals = Refusals::default();
        let mut minute = 0;
        for step in steps {
            minute += 1;
            match *step {
                Taken(id) => refusals.record_taken(&action(id), at(minute * 60)),
                Refused(id) => refusals.record_refused(refused(id), at(minute * 60)),
                Both(taken, other) => {
                    refusals.record_refused(refused(other), at(minute * 60));
                    refusals.record_taken(&action(taken), at(minute * 60));
                }
                LetIn => refusals.record_let_in(ROUTE, at(minute * 60)),
                Pause(minutes) => minute += minutes,
                Suspected(expected) => assert_eq!(!refusals.take_suspicions(at(minute * 60)).is_empty(), expected),
            }
        }
    }

    #[test]
    fn each_route_is_suspected_by_itself() {
        let other = Suspicion {
            route: "GoogleAdsClicks",
            ..refused(2)
        };
        let mut refusals = Refusals::default();
        refusals.record_refused(refused(1), at(1));
        refusals.record_refused(other.clone(), at(1));
        refusals.record_let_in(ROUTE, at(1));
        assert_eq!(refusals.take_suspicions(at(1)), [other]);
    }
}
