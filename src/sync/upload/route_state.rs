//! What an uploader knows of a route on which requests fail. A route that has failed several
//! times in a row is in trouble: it may be down, or some conversions may be what its
//! requests fail with, time after time. Then more than one request is tried a round, so that
//! those of others get through; how many may fail, and how long they may take, is limited.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::backoff::backoff;
use crate::domain::time::Wait;
use crate::ports::ledger::ActionKey;

/// After so many failed requests a row goes in a smaller one, and after so many a route counts as in trouble. A short
/// failure of the ad network's leaves its requests whole.
pub(super) const TRIED: u32 = 3;
/// Most requests of a route that may fail in one round: a route that is down is not asked about each of its rows.
pub(super) const MOST_FAILING: usize = 8;
/// Longest time that failing requests may take together in one round: the others wait as long.
const FAILING_TIME: Duration = Duration::from_secs(10);
/// How long the last answer counts as proof that the route works, and of how fast it is.
const ANSWER_HOLDS: SignedDuration = SignedDuration::from_mins(10);
/// Rows that fail each time are tried one by one, this part of the longest pause apart: 1,440 requests a day by
/// default, however many they are, of the 2,880 of the smallest quota (docs/reference/google.md 1.2).
const PART_OF_PAUSE: i32 = 5;
/// How long a route stays in trouble after a failure, at least.
const TROUBLE: SignedDuration = SignedDuration::from_mins(10);

/// What is known of a route.
#[derive(Default)]
pub(super) struct RouteState {
    /// Nothing is sent by this route before then.
    until: Option<Wait>,
    /// Rounds that failed in a row, with nothing answered.
    failures: u32,
    troubled_until: Option<Wait>,
    /// Actions whose requests failed and have not been answered since, by which failure was the last.
    failing: BTreeMap<ActionKey, u64>,
    counted: u64,
    /// No row that fails each time is tried before then.
    failing_row_after: Option<Wait>,
    /// When something was answered last, and how long that took.
    answered: Option<(Timestamp, Duration)>,
    round: Round,
}

/// What has happened in this round.
#[derive(Default)]
struct Round {
    answered: bool,
    held: bool,
    failed: usize,
    /// A request failed that was not known to.
    news: bool,
    spent: Duration,
    retry_after: Option<SignedDuration>,
}

/// One failed request whose rows may be the reason.
pub(super) struct RequestFailure<'a> {
    /// Where its rows go.
    pub actions: &'a [ActionKey],
    /// How long it took.
    pub took: Duration,
    /// It was a single row that is known to fail.
    pub known_to_fail: bool,
    pub retry_after: Option<SignedDuration>,
}

impl RouteState {
    pub(super) fn begin_round(&mut self, now: Timestamp) {
        self.round = Round::default();
        if !self.is_troubled(now) {
            self.failing.clear();
        }
    }

    pub(super) fn is_deferred(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|wait| !wait.is_over(now))
    }

    pub(super) fn is_troubled(&self, now: Timestamp) -> bool {
        self.troubled_until.is_some_and(|wait| !wait.is_over(now))
    }

    /// True if something was answered in this round.
    pub(super) const fn is_answered(&self) -> bool {
        self.round.answered
    }

    /// Which failure was the last of this action; `None` if it has been answered since, or never failed.
    pub(super) fn last_failure(&self, action: &ActionKey) -> Option<u64> {
        self.failing.get(action).copied()
    }

    pub(super) fn record_answered(&mut self, actions: &[ActionKey], took: Duration, now: Timestamp) {
        for action in actions {
            self.failing.remove(action);
        }
        self.answered = Some((now, took));
        self.round.answered = true;
        self.release();
    }

    /// The route works, whatever becomes of the rows.
    pub(super) fn release(&mut self) {
        (self.until, self.failures) = (None, 0);
    }

    pub(super) fn record_failed(
        &mut self,
        failure: &RequestFailure<'_>,
        longest_pause: SignedDuration,
        now: Timestamp,
    ) {
        for action in failure.actions {
            self.counted += 1;
            self.failing.insert(action.clone(), self.counted);
        }
        self.round.failed += 1;
        self.round.spent = self.round.spent.saturating_add(failure.took);
        self.round.news |= !failure.known_to_fail;
        self.round.retry_after = self.round.retry_after.max(failure.retry_after);
        if failure.known_to_fail {
            self.failing_row_after = Some(Wait::new(now, failing_row_pause(longest_pause)));
        }
        if failure.known_to_fail || self.is_troubled(now) {
            self.trouble(longest_pause, now);
        }
    }

    fn trouble(&mut self, longest_pause: SignedDuration, now: Timestamp) {
        let lasts = TROUBLE.max(longest_pause.saturating_mul(2));
        self.troubled_until = Some(Wait::new(now, lasts));
    }

    /// Nothing more goes by this route for a while; returns until when. The pause follows the failures of the route: a
    /// row that waits for a reason of its own lengthens nobody's.
    pub(super) fn hold(
        &mut self,
        asked: Option<SignedDuration>,
        longest_pause: SignedDuration,
        now: Timestamp,
    ) -> Timestamp {
        let due = self.wait(asked, longest_pause, now);
        self.round.held = true;
        self.failures = self.failures.saturating_add(1);
        if self.failures >= TRIED {
            self.trouble(longest_pause, now);
        }
        due
    }

    fn wait(&mut self, asked: Option<SignedDuration>, longest_pause: SignedDuration, now: Timestamp) -> Timestamp {
        let pause = backoff(self.failures, longest_pause, 0);
        let wait = Wait::new(now, asked.unwrap_or(pause));
        self.until = Some(wait);
        wait.end()
    }

    /// What failed in a round in which something was answered is a matter of its rows; else the route waits.
    pub(super) fn end_round(&mut self, longest_pause: SignedDuration, now: Timestamp) {
        let round = std::mem::take(&mut self.round);
        if round.held || round.failed == 0 {
            return;
        }
        if round.answered {
            self.release();
        } else if round.news {
            self.hold(round.retry_after, longest_pause, now);
        } else {
            self.wait(round.retry_after, longest_pause, now);
        }
    }

    /// True if nothing more goes by this route in this round.
    pub(super) fn is_closed(&self) -> bool {
        self.round.held || self.is_exhausted()
    }

    /// True if a row that fails each time may be tried.
    pub(super) fn may_try_failing_row(&self, now: Timestamp) -> bool {
        self.failing_row_after.is_none_or(|wait| wait.is_over(now))
    }

    /// True if as many requests of this round have failed, or for as long, as may.
    pub(super) fn is_exhausted(&self) -> bool {
        self.round.failed >= MOST_FAILING || self.round.spent >= FAILING_TIME
    }

    /// How long a request may take that will hardly be answered, where others are; `None`: as long as any.
    pub(super) fn time_limit(&self, now: Timestamp) -> Option<Duration> {
        let (at, took) = self.answered?;
        let left = FAILING_TIME.saturating_sub(self.round.spent);
        let usual = took.saturating_mul(4).max(Duration::from_secs(1));
        (now.duration_since(at) <= ANSWER_HOLDS).then_some(left.max(usual))
    }
}

/// How long after a row that failed as each time the next such row is tried.
pub(super) fn failing_row_pause(longest_pause: SignedDuration) -> SignedDuration {
    longest_pause / PART_OF_PAUSE
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "route_state_tests.rs"]
mod tests;
