//! The request-status poller: one per Google account. Asks what became of accepted requests, 30 minutes after they were
//! accepted and then at growing pauses (docs/reference/google.md 6.6), and ties the results to rows. A request whose
//! status can't be read keeps no other from being asked about.

mod denials;
mod denied;
mod inherited;
mod unread;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::denied::Denied;
use self::unread::UnreadRequests;
use super::context::SyncContext;
use super::delivery::{self, Delivery};
use crate::domain::backoff::backoff;
use crate::domain::batch::{RowResult, all_unknown};
use crate::domain::brief::brief;
use crate::domain::evidence::entry_of;
use crate::domain::ids::ObjectKey;
use crate::domain::last_answers::LastAnswers;
use crate::domain::request_report::destination_results;
use crate::domain::time::{later, to_std};
use crate::ports::ledger::{ActionKey, BatchId, OpenRequest, OpenRow, RowUpdate, Sender, StatusResult};
use crate::ports::pulse;
use crate::ports::sink::{ConversionSink, DestinationStatus, RouteInfo};
use crate::ports::{Cause, UpstreamError};
use crate::registry::sync_error::{SyncError, error_note};
use crate::registry::{AdAccount, Notice, RefusedAt};
use crate::sync::refusals::Refusals;
use crate::sync::upload::{isolation_group_of, row_result_update};

/// Most requests asked about in one round.
const MAX_REQUESTS: usize = 50;
/// Looks at least this often whether an answer is due.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Longest pause before the second look that has to confirm an answer.
const SECOND_LOOK: SignedDuration = SignedDuration::from_secs(30);
/// Shortest pause between two looks at a request.
const SHORTEST: SignedDuration = SignedDuration::from_millis(200);
/// Most destinations of requests that wait for their second answer.
const MOST_UNCONFIRMED: usize = 1_000;
/// After so many requests in a row without an answer a round ends: the service is not answering.
const GIVE_UP: usize = 3;

/// The poller of one Google account.
pub struct Poller {
    key: ObjectKey,
    /// How the ledger knows the uploader of this account.
    sender: Sender,
    ctx: Arc<SyncContext>,
    uploaded: Arc<Notify>,
    failures: u32,
    unread: UnreadRequests,
    denied: Denied,
    /// What results say of the account.
    refusals: Refusals,
    /// By request and place of the destination: what the last answer said of the rows.
    results: LastAnswers<(BatchId, usize), BTreeMap<usize, RowResult>>,
}

impl Poller {
    /// The poller of this account; `uploaded` wakes it.
    pub fn new(sender: Sender, ctx: Arc<SyncContext>, uploaded: Arc<Notify>) -> Self {
        Self {
            key: sender.account.clone(),
            sender,
            ctx,
            uploaded,
            failures: 0,
            unread: UnreadRequests::default(),
            denied: Denied::default(),
            refusals: Refusals::default(),
            results: LastAnswers::new(MOST_UNCONFIRMED),
        }
    }

    /// Asks when answers are due, until cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            pulse::beat();
            let round = self.run_round(&stop).await;
            self.unread.report_unread(&self.ctx, &self.key);
            let pause = match round {
                Ok(pause) => {
                    self.failures = 0;
                    pause
                }
                Err(fault) => {
                    warn!(account = %self.key, error = brief(&fault), "the status of requests could not be read");
                    let wait = backoff(self.failures, self.ctx.settings.backoff_max, 0);
                    self.failures = self.failures.saturating_add(1);
                    to_std(wait.max(fault.retry_after().unwrap_or_default()))
                }
            };
            pulse::rest(pause);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.uploaded.notified(), if self.failures == 0 => {}
            }
        }
    }

    /// Asks about every request that is due. Fails if the ledger does, or the ad network answered nothing at all.
    async fn run_round(&mut self, stop: &CancellationToken) -> Result<Duration, SyncError> {
        let account = self.ctx.registry.ad_account(&self.key);
        let owner = account.as_ref().and_then(|account| account.owner.clone());
        let Some(routes) = account.and_then(AdAccount::usable_routes) else {
            return Ok(MAX_PAUSE.min(Duration::from_secs(5)));
        };
        let results = &routes.results;
        if let Some(owner) = owner {
            self.adopt_requests(&owner).await?;
        }
        let due = self
            .ctx
            .ledger
            .open_requests(&self.sender, self.ctx.clock.now(), MAX_REQUESTS)
            .await?;
        let (mut answered, mut in_a_row, mut last) = (false, 0, None);
        for request in &due {
            if stop.is_cancelled() || in_a_row == GIVE_UP {
                break;
            }
            pulse::beat();
            match self.look_safely(results.as_ref(), request).await? {
                None => {
                    (answered, in_a_row) = (true, 0);
                    self.unread.record_answer(request.batch);
                    self.denied.record_read(request.batch, self.ctx.clock.now());
                }
                Some(error) => {
                    let own = self.is_its_own(request, &error);
                    let network = results.route_info().network;
                    self.put_off((request, network), &error, own).await?;
                    // A refusal that needs a person, or a limit, meets the other requests too.
                    let of_all = !own
                        && !error.is_unexplained()
                        && (error.needs_a_person()
                            || matches!(error.cause, Cause::RateLimited | Cause::QuotaExhausted));
                    in_a_row = if of_all { GIVE_UP } else { in_a_row + 1 };
                    last = Some(error);
                }
            }
        }
        self.weigh_refusals(&routes).await;
        if let Some(error) = last.filter(|_| !answered) {
            return Err(error.into());
        }
        let next = self.ctx.ledger.next_poll(&self.sender).await?;
        let now = self.ctx.clock.now();
        Ok(next.map_or(MAX_PAUSE, |t| to_std(t.duration_since(now))).min(MAX_PAUSE))
    }

    /// Asks about one request; returns the error if that failed. An answer
    /// that makes the code which reads it panic counts as no answer.
    async fn look_safely(
        &mut self,
        sink: &dyn ConversionSink,
        request: &OpenRequest,
    ) -> Result<Option<UpstreamError>, SyncError> {
        let looked = AssertUnwindSafe(self.check_request(sink, request)).catch_unwind().await;
        let broke = || {
            UpstreamError::new(
                sink.route_info().service,
                Cause::Malformed,
                "its answer broke the operator (see \"panic\" in the log)",
            )
        };
        match looked.unwrap_or_else(|_| Err(broke().into())) {
            Ok(()) => Ok(None),
            Err(SyncError::Upstream(error)) => Ok(Some(error)),
            Err(fault @ (SyncError::Ledger(_) | SyncError::LedgerFull)) => Err(fault),
        }
    }

    /// Asks about this request again after a pause, and has its events say so.
    /// `own`: it is about this request alone, so the account does not say so.
    async fn put_off(
        &mut self,
        (request, network): (&OpenRequest, &str),
        error: &UpstreamError,
        own: bool,
    ) -> Result<(), SyncError> {
        warn!(account = %self.key, request = %request.request_id, error = brief(error), "the status of a request could not be read");
        if !own {
            self.ctx.registry.ad_account_fault(&self.key, error);
        }
        let now = self.ctx.clock.now();
        let soonest = later(now, self.ctx.settings.backoff_max);
        let wanted = later(now, error.retry_after.unwrap_or_default());
        let again = StatusResult {
            batch: request.batch,
            updates: vec![],
            poll_at: Some(next_look(&self.ctx, request, now).min(soonest).max(wanted)),
        };
        self.ctx.ledger.record_status(&again, now).await?;
        self.unread
            .record_failure((request, network), error_note(&error.clone().into(), now));
        Ok(())
    }

    async fn check_request(&mut self, sink: &dyn ConversionSink, request: &OpenRequest) -> Result<(), SyncError> {
        let answer = sink.request_status(&request.request_id).await;
        let now = self.ctx.clock.now();
        let JudgedStatus {
            updates,
            done,
            unconfirmed,
        } = match answer {
            Ok(statuses) => self.judge_statuses(sink.route_info(), request, &statuses, now),
            Err(error) if is_forgotten(&error) => JudgedStatus {
                updates: self.send_again(request, now),
                done: true,
                unconfirmed: false,
            },
            Err(error) => return Err(error.into()),
        };
        if done {
            for index in 0..request.destinations.len() {
                self.results.forget(&(request.batch, index));
            }
        }
        let next = next_look(&self.ctx, request, now);
        let second = || next.min(second_look(&self.ctx, now));
        let poll_at = (!done).then(|| if unconfirmed { second() } else { next });
        let moved = !updates.is_empty();
        debug!(account = %self.key, request = %request.request_id, rows = updates.len(), done, "request status");
        self.ctx
            .ledger
            .record_status(
                &StatusResult {
                    batch: request.batch,
                    updates,
                    poll_at,
                },
                now,
            )
            .await?;
        if moved {
            for event in self.ctx.registry.events_of_ad_account(&self.key) {
                self.ctx.registry.update_report(&event.key, |_| Notice::Soon);
            }
        }
        Ok(())
    }

    /// The results of the rows of every destination that is finished by two answers.
    fn judge_statuses(
        &mut self,
        route: RouteInfo,
        request: &OpenRequest,
        statuses: &[DestinationStatus],
        now: Timestamp,
    ) -> JudgedStatus {
        let mut judged = JudgedStatus {
            updates: Vec::new(),
            done: true,
            unconfirmed: false,
        };
        let named: Vec<_> = statuses.iter().map(|s| s.destination.clone()).collect();
        let all_finished = !statuses.is_empty() && statuses.iter().all(|s| s.report.is_finished());
        for (index, action) in request.destinations.iter().enumerate() {
            let members: Vec<usize> = request
                .rows
                .iter()
                .enumerate()
                .filter(|(_, row)| row.destination == index)
                .map(|(i, _)| i)
                .collect();
            // The order of entries is not promised, and some are left out: one counts only if it is certain that it is
            // about this action (docs/reference/google.md 6.6).
            let row_results = match entry_of(&named, index, action, request.destinations.len()) {
                Some(entry) => destination_results(&statuses[entry].report, &members, request.rows.len()),
                // No entry is known to be about these rows, and none will be.
                None => all_finished.then(|| all_unknown(&members)),
            };
            // One odd answer must settle nothing: the first is only remembered, and the next look comes sooner.
            match row_results {
                Some(row_results) if self.results.is_repeated((request.batch, index), &row_results) => {
                    self.report_results(route, action, &row_results, now);
                    let updates = self.row_updates(request, &row_results, index, now);
                    judged.updates.extend(updates);
                }
                Some(_) => (judged.done, judged.unconfirmed) = (false, true),
                None => judged.done = false,
            }
        }
        judged
    }

    /// What the results of an action's rows say of the events that have the action.
    fn report_results(
        &mut self,
        route: RouteInfo,
        action: &ActionKey,
        row_results: &BTreeMap<usize, RowResult>,
        now: Timestamp,
    ) {
        let Some(found) = Delivery::from_results(row_results.values()) else {
            return;
        };
        self.note_delivery(route, action, &found, now);
        if matches!(found, Delivery::Failed(..)) {
            return;
        }
        for event in self.ctx.registry.events_of_ad_account(&self.key) {
            if event.action.as_ref().is_some_and(|bound| bound.key == *action) {
                let place = (RefusedAt::Result, route);
                delivery::report_delivery(&self.ctx.registry, &event.key, place, &found, now);
            }
        }
    }

    fn row_updates(
        &self,
        request: &OpenRequest,
        row_results: &BTreeMap<usize, RowResult>,
        destination: usize,
        now: Timestamp,
    ) -> Vec<RowUpdate> {
        row_results
            .iter()
            .filter_map(|(index, row_result)| {
                let row = request.rows.get(*index)?;
                let mut update = row_result_update(&self.ctx, row.into(), row_result, now);
                if let RowResult::Unknown(half) = row_result {
                    update.isolation_group = isolation_group_of(request.batch, destination, *half);
                }
                Some(update)
            })
            .collect()
    }

    /// The ad network has forgotten the request: its rows go again, under the same ids and values, in two halves. One
    /// of them may be what its requests are forgotten for each time.
    fn send_again(&self, request: &OpenRequest, now: Timestamp) -> Vec<RowUpdate> {
        let first = request.rows.len().div_ceil(2);
        let of = |(index, row): (usize, &OpenRow)| {
            let half = u8::from(index >= first);
            let mut update = row_result_update(&self.ctx, row.into(), &RowResult::Unknown(half), now);
            update.isolation_group = isolation_group_of(request.batch, row.destination, half);
            update
        };
        request.rows.iter().enumerate().map(of).collect()
    }
}

/// What an answer about a request comes to.
struct JudgedStatus {
    updates: Vec<RowUpdate>,
    /// Nothing more is to be asked.
    done: bool,
    /// Another answer has to say the same of some rows.
    unconfirmed: bool,
}

fn is_forgotten(error: &UpstreamError) -> bool {
    error.cause == Cause::NotFound
}

/// When an answer is asked for that is to say the same as the one before: soon beside the first pause.
fn second_look(ctx: &SyncContext, now: Timestamp) -> Timestamp {
    let pause = (ctx.settings.diagnostics_first_poll / 8).min(SECOND_LOOK);
    later(now, pause.max(SHORTEST))
}

/// The first pause times 1.3 for every look so far, at most the longest pause.
fn next_look(ctx: &SyncContext, request: &OpenRequest, now: Timestamp) -> Timestamp {
    let max = ctx.settings.diagnostics_max_poll;
    let mut pause = ctx.settings.diagnostics_first_poll;
    for _ in 0..request.polls.min(64) {
        pause = pause.checked_mul(13).map_or(max, |p| p / 10).min(max);
    }
    later(now, pause.max(SHORTEST))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
