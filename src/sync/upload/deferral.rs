//! Requests that fail as a whole, for what is no matter of their rows as far as anybody says: the ad network failed, or
//! its answer never came. Most such failures are of the way there, and it is left alone for a while. But one
//! conversion may be what the ad network, or a proxy, stumbles over each time: rows that were tried in vain go in ever
//! smaller requests, after all others, until only the row that it is about still waits. What else is tried on a route
//! in trouble: [`super::route_state`].

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::request::{destinations_of, is_known_to_fail};
use super::round_queue::{FailedRequest, QueuedRequest};
use super::route_state::{MOST_FAILING, RequestFailure, RouteState, TRIED, failing_row_pause};
use super::{AfterRequest, Uploader};
use crate::domain::backoff::backoff;
use crate::ports::UpstreamError;
use crate::ports::ledger::{BatchId, LedgerError, Row, RowUpdate};
use crate::ports::sink::IngestError;
use crate::sync::prepare::{PreparedRow, retry_later, row_update};
use crate::sync::upload::row_updates::isolation_group_of;

/// Of rows with so many tries, in the order of a request, which quarter each belongs to: `None` where it stays as it
/// is. Up to four are alone then. Quarters find one row among many in as few requests as halves do, and many bad ones
/// in fewer.
fn quarter_tried(attempts: &[u32]) -> Vec<Option<u8>> {
    let tried = attempts.iter().filter(|attempts| **attempts >= TRIED).count().max(1);
    let mut before = 0;
    let quarter = |attempts: &u32| {
        if *attempts < TRIED {
            return None;
        }
        let quarter = before * 4 / tried.max(4);
        before += 1;
        u8::try_from(quarter).ok()
    };
    attempts.iter().map(quarter).collect()
}

/// When a request of a round goes.
pub(super) enum SendTurn {
    Now,
    /// What may fail in this round has failed.
    Later,
    /// Once its route is tried again.
    WithItsRoute,
}

impl Uploader {
    pub(super) fn turn_of(&self, queued: &QueuedRequest) -> SendTurn {
        let Some(state) = self.states.get(queued.route.name) else {
            return SendTurn::Now;
        };
        let waits = is_known_to_fail(&queued.rows) && !state.may_try_failing_row(self.ctx.clock.now());
        if state.is_exhausted() || (waits && !state.is_closed()) {
            SendTurn::Later
        } else if state.is_closed() {
            SendTurn::WithItsRoute
        } else {
            SendTurn::Now
        }
    }

    /// Rows of which the answer to their request tells nothing wait, each by itself, and go apart once they were tried
    /// often.
    pub(super) fn put_off_unanswered(
        &self,
        batch: BatchId,
        ready: &[PreparedRow],
        unanswered: &BTreeSet<usize>,
        updates: &mut [RowUpdate],
        not_before: Timestamp,
    ) {
        let now = self.ctx.clock.now();
        let rows: Vec<&Row> = unanswered
            .iter()
            .filter_map(|index| ready.get(*index))
            .map(|ready| &ready.row)
            .collect();
        let attempts: Vec<u32> = rows.iter().map(|row| row.attempts).collect();
        for (row, quarter) in rows.into_iter().zip(quarter_tried(&attempts)) {
            for update in updates.iter_mut().filter(|update| update.row == row.id) {
                let pause = backoff(row.attempts, self.ctx.settings.backoff_max, 0);
                update.due = not_before.max(now.saturating_add(pause).unwrap_or(Timestamp::MAX));
                if let Some(quarter) = quarter {
                    update.isolation_group = isolation_group_of(batch, 0, quarter);
                }
            }
        }
    }

    /// The whole request waits: the ad network, the way to it, or the account has a problem, or a row of the request
    /// has one. Returns what becomes of the rows, and whether the others of the route go on.
    pub(super) fn defer_all(
        &mut self,
        batch: BatchId,
        queued: QueuedRequest,
        failure: &IngestError,
        took: Duration,
    ) -> (Vec<RowUpdate>, AfterRequest) {
        let (now, longest) = (self.ctx.clock.now(), self.ctx.settings.backoff_max);
        let error = &with_bounded_wait(&failure.error, longest);
        let rows: Vec<Row> = queued.rows.iter().map(|ready| ready.row.clone()).collect();
        let mut updates = retry_later(&self.ctx, &rows, error);
        let known = is_known_to_fail(&queued.rows);
        let state = self.states.entry(queued.route.name).or_default();
        let mut goes_on = false;
        if error.may_concern_a_part() {
            goes_on = state.is_troubled(now) || (known && state.is_answered());
            let failed = RequestFailure {
                actions: &destinations_of(&queued.rows),
                took,
                known_to_fail: known,
                retry_after: error.retry_after,
            };
            state.record_failed(&failed, longest, now);
            let least = if goes_on { TRIED } else { 0 };
            let attempts: Vec<u32> = rows.iter().map(|row| row.attempts.max(least)).collect();
            isolate(&mut updates, batch, &quarter_tried(&attempts));
        }
        if goes_on {
            let error = error.clone();
            self.failed.push(FailedRequest { queued, error });
            return (updates, AfterRequest::GoOn);
        }
        let due = state.hold(error.retry_after, longest, now);
        for update in &mut updates {
            update.due = due;
        }
        self.report_failed(&queued, error, true);
        (updates, AfterRequest::RouteHeld)
    }

    /// A request has failed; `whole`: with the whole route.
    fn report_failed(&self, queued: &QueuedRequest, error: &UpstreamError, whole: bool) {
        if whole {
            self.ctx.registry.ad_account_fault(&self.key, error);
        }
        for (event, _) in self.events_of(&queued.rows) {
            self.upload_failed(&event, &error.clone().into());
        }
    }

    /// What has failed while something else was answered is a matter of its rows; else the route waits.
    pub(super) fn end_round(&mut self) {
        for FailedRequest { queued, error } in std::mem::take(&mut self.failed) {
            let answered = self.states.get(queued.route.name).is_some_and(RouteState::is_answered);
            if answered && is_known_to_fail(&queued.rows) {
                self.note_poison(&queued, &error);
            } else {
                self.report_failed(&queued, &error, !answered);
            }
        }
        let (now, longest) = (self.ctx.clock.now(), self.ctx.settings.backoff_max);
        for state in self.states.values_mut() {
            state.end_round(longest, now);
        }
    }

    /// Requests that had no turn in this round wait for theirs: until then their contacts need not be read again.
    pub(super) async fn put_off_turns(&self, requests: &[QueuedRequest]) -> Result<(), LedgerError> {
        let now = self.ctx.clock.now();
        let mut updates = Vec::new();
        let poor = requests.iter().filter(|queued| self.prospects(&queued.rows).are_poor());
        let (known, poor): (Vec<&QueuedRequest>, Vec<&QueuedRequest>) =
            poor.partition(|queued| is_known_to_fail(&queued.rows));
        let longest = self.ctx.settings.backoff_max;
        let known = known
            .into_iter()
            .zip((1..).map(|place| failing_row_pause(longest).saturating_mul(place)));
        let interval = self.ctx.settings.upload_interval;
        let poor = poor.into_iter().zip((0..).map(|place| turn_after(place, interval)));
        for (queued, wait) in known.chain(poor) {
            let due = now.saturating_add(wait.min(longest)).unwrap_or(Timestamp::MAX);
            for row in queued.rows.iter().map(|ready| &ready.row) {
                updates.push(row_update(row, row.outcome, row.reason.clone(), due));
            }
        }
        if updates.is_empty() {
            return Ok(());
        }
        self.ctx.ledger.apply_updates(&updates, now).await
    }
}

/// What may be of one row of the request lets nobody wait longer than a failure without a word of waiting.
fn with_bounded_wait(error: &UpstreamError, longest: SignedDuration) -> UpstreamError {
    let wait = error.retry_after;
    UpstreamError {
        retry_after: if error.may_concern_a_part() {
            wait.min(Some(longest))
        } else {
            wait
        },
        ..error.clone()
    }
}

/// When the request at this place has its turn: so many of them may fail in a round.
fn turn_after(place: usize, interval: SignedDuration) -> SignedDuration {
    let rounds = i32::try_from(place / MOST_FAILING).unwrap_or(i32::MAX);
    interval.saturating_mul(rounds)
}

/// Rows that belong to a quarter get its number.
fn isolate<'a>(updates: impl IntoIterator<Item = &'a mut RowUpdate>, batch: BatchId, quarters: &[Option<u8>]) {
    for (update, quarter) in updates.into_iter().zip(quarters) {
        if let Some(quarter) = quarter {
            update.isolation_group = isolation_group_of(batch, 0, *quarter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::none(&[], &[])]
    #[case::a_short_failure(&[0, 2, 1], &[None, None, None])]
    #[case::four_are_alone(&[3, 4, 3, 9], &[Some(0), Some(1), Some(2), Some(3)])]
    #[case::three(&[3, 3, 3], &[Some(0), Some(1), Some(2)])]
    #[case::six(&[3, 3, 3, 3, 3, 3], &[Some(0), Some(0), Some(1), Some(2), Some(2), Some(3)])]
    #[case::among_fresh_ones(&[0, 3, 0, 3], &[None, Some(0), None, Some(1)])]
    #[case::one(&[0, 5], &[None, Some(0)])]
    fn only_rows_that_were_tried_go_apart(#[case] attempts: &[u32], #[case] quarters: &[Option<u8>]) {
        assert_eq!(quarter_tried(attempts), quarters);
    }

    #[rstest::rstest]
    #[case(0, 0)]
    #[case(7, 0)]
    #[case(8, 2)]
    #[case(80, 20)]
    fn who_had_no_turn_waits_for_it(#[case] place: usize, #[case] seconds: i64) {
        let wait = turn_after(place, SignedDuration::from_secs(2));
        assert_eq!(wait, SignedDuration::from_secs(seconds));
    }
}
