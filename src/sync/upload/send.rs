//! One request: ledger, call, ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::deferral::SendTurn;
use super::refresh::{Refreshed, Refreshes};
use super::request::{destination_of, destinations_of, to_conversion};
use super::round_queue::{QueuedRequest, RoundQueue};
use super::{AfterRequest, Uploader};
use crate::domain::backoff::backoff;
use crate::domain::batch::doubt_unconfirmed;
use crate::domain::brief::brief;
use crate::domain::outcome::Outcome;
use crate::ports::Effect;
use crate::ports::ledger::{BatchId, BatchResult, BatchRow, RowUpdate};
use crate::ports::pulse;
use crate::ports::sink::{IngestError, RouteAnswer, RouteInfo, UploadRequest};
use crate::ports::stopping::begin_unfinished_step;
use crate::registry::sync_error::SyncError;
use crate::registry::{Notice, Routes};
use crate::sync::prepare::{EligibleEvent, PreparedRow};
use crate::sync::upload::upload_route::{await_answer, row_results_of, row_updates, unanswered_rows};

/// Rows of which a code has said something for good once go again without a pause, for the second answer.
fn send_again(updates: &mut [RowUpdate], ready: &[PreparedRow], doubted: &BTreeSet<usize>, due: Timestamp) {
    let doubted = doubted.iter().filter_map(|index| ready.get(*index));
    let rows: BTreeSet<_> = doubted.map(|ready| ready.row.id).collect();
    for update in updates.iter_mut().filter(|update| rows.contains(&update.row)) {
        (update.due, update.failed_try) = (due, false);
    }
}

impl Uploader {
    /// Sends rows as requests: rows that must stay among themselves apart, within the limits of their route. What is
    /// not sent when the process stops, the account is no longer ready or the event no longer sends there stays due.
    pub(super) async fn send_all(
        &mut self,
        routes: &Routes,
        ready: Vec<PreparedRow>,
        stop: &CancellationToken,
    ) -> Result<AfterRequest, SyncError> {
        self.lone_rows.begin_round();
        let now = self.ctx.clock.now();
        self.states.values_mut().for_each(|state| state.begin_round(now));
        let sent = self.send_queue(routes, ready, stop).await;
        self.end_round();
        self.weigh_refusals(routes).await;
        sent
    }

    async fn send_queue(
        &mut self,
        routes: &Routes,
        ready: Vec<PreparedRow>,
        stop: &CancellationToken,
    ) -> Result<AfterRequest, SyncError> {
        let mut queue = RoundQueue::new(self.plan_requests(ready, routes));
        let mut without_turn = Vec::new();
        let mut refreshes = Refreshes::default();
        loop {
            pulse::beat();
            // What comes back first has waited longest.
            if let Some(refreshed) = refreshes.take_ended() {
                queue.push_first(self.take_up(refreshed)?);
            }
            let Some(queued) = queue.next_request() else {
                let Some(refreshed) = refreshes.next_ended().await else {
                    self.report_suspects(queue.suspects());
                    self.put_off_turns(&without_turn).await?;
                    let all_had_turns = without_turn.is_empty();
                    return Ok(if all_had_turns {
                        AfterRequest::GoOn
                    } else {
                        AfterRequest::RouteHeld
                    });
                };
                queue.push_last(self.take_up(refreshed)?);
                continue;
            };
            match self.turn_of(&queued) {
                SendTurn::Now => {}
                SendTurn::Later => {
                    without_turn.push(queued);
                    continue;
                }
                SendTurn::WithItsRoute => continue,
            }
            if stop.is_cancelled() || self.usable_routes().is_none() {
                return Ok(AfterRequest::EndRound);
            }
            if matches!(
                self.send_queued(routes, queued, &mut queue, &mut refreshes).await?,
                AfterRequest::EndRound
            ) {
                return Ok(AfterRequest::EndRound);
            }
        }
    }

    /// Sends what of a request may go this very moment; its events' counts change.
    async fn send_queued(
        &mut self,
        routes: &Routes,
        queued: QueuedRequest,
        queue: &mut RoundQueue,
        refreshes: &mut Refreshes,
    ) -> Result<AfterRequest, SyncError> {
        let (route, all) = (queued.route, queued.rows.len());
        let open = self.eligible_events();
        let rows = self.fit_to_send(&open, route, queued.rows, refreshes);
        let touched: BTreeSet<_> = rows.iter().map(|r| r.row.stream).collect();
        let rows = self.defer_closed(route, rows).await?;
        // The refusal may have been about those that don't go any more.
        let refused = queued.refused.filter(|_| rows.len() == all);
        let sent = if rows.is_empty() {
            AfterRequest::GoOn
        } else {
            let queued = QueuedRequest { route, rows, refused };
            self.send_request(routes, queued, queue).await?
        };
        for sendable in open.iter().filter(|s| touched.contains(&s.stream())) {
            self.ctx.registry.update_report(&sendable.event().key, |_| Notice::Soon);
        }
        Ok(sent)
    }

    /// The rows of a request that may go this very moment. Cutting a refused request down takes time: an event may have
    /// been suspended since its rows were collected, and where contacts were read too long ago, consent may be another:
    /// these are read again meanwhile.
    fn fit_to_send(
        &self,
        open: &[EligibleEvent],
        route: RouteInfo,
        mut rows: Vec<PreparedRow>,
        refreshes: &mut Refreshes,
    ) -> Vec<PreparedRow> {
        let streams: BTreeMap<_, _> = open.iter().map(|sendable| (sendable.stream(), sendable)).collect();
        rows.retain(|row| {
            streams
                .get(&row.row.stream)
                .is_some_and(|sendable| sendable.takes_row(row))
        });
        let now = self.ctx.clock.now();
        let age = self.ctx.settings.read_age();
        let (fresh, stale) = rows.into_iter().partition(|row| now.duration_since(row.read) <= age);
        refreshes.begin_refresh(&self.ctx, route, open, stale);
        fresh
    }

    /// Rows that were read again, as a request. What took too long again stays due: the next round reads it again.
    fn take_up(&self, refreshed: Refreshed) -> Result<QueuedRequest, SyncError> {
        for (sendable, error) in refreshed.read.failed {
            self.read_failed(&sendable, error);
        }
        if let Some(error) = refreshed.read.ledger {
            return Err(error.into());
        }
        let (now, age) = (self.ctx.clock.now(), self.ctx.settings.read_age());
        let mut ready = refreshed.read.ready;
        ready.retain(|row| now.duration_since(row.read) <= age);
        Ok(QueuedRequest {
            route: refreshed.route,
            rows: ready,
            refused: None,
        })
    }

    /// Sends one request: ledger, call, ledger. What of its rows goes again at once is put into the queue.
    async fn send_request(
        &mut self,
        routes: &Routes,
        queued: QueuedRequest,
        queue: &mut RoundQueue,
    ) -> Result<AfterRequest, SyncError> {
        let Some(route) = routes.route_named(queued.route.name) else {
            return Ok(AfterRequest::EndRound);
        };
        let ready = queued.rows.as_slice();
        let destinations = destinations_of(ready);
        let row = |r: &PreparedRow| BatchRow {
            row: r.row.id,
            value: r.value.clone(),
        };
        let rows: Vec<_> = ready
            .iter()
            .map(|r| (row(r), destination_of(&destinations, r)))
            .collect();
        let now = self.ctx.clock.now();
        let begun = self
            .ctx
            .ledger
            .begin_batch(&self.sender, &destinations, &rows, now)
            .await;
        self.must_recover |= begun.is_err();
        let id = begun?;
        let sent = ready.iter().map(|r| to_conversion(r, destination_of(&destinations, r)));
        let request = UploadRequest {
            rows: sent.collect(),
            destinations,
        };
        pulse::beat();
        let asked = Instant::now();
        let answer = await_answer(
            route.send_request(&request),
            self.time_limit(&queued, now),
            queued.route.service,
        )
        .await;
        // A stop that comes now waits until the answer is in the ledger.
        let _step = begin_unfinished_step();
        let elapsed = asked.elapsed();
        drop(request);
        let now = self.ctx.clock.now();
        match answer {
            Ok(answer) => {
                self.log_sent(ready, answer.request_id(), elapsed);
                self.record_answer(id, (&answer, elapsed), &queued, queue, now).await;
                Ok(AfterRequest::GoOn)
            }
            Err(failure) => {
                self.log_failed(ready, &failure, elapsed);
                let failure = self.weigh_denial(route, ready, failure).await;
                Ok(self.take_failure(id, queued, (&failure, elapsed), &rows, queue).await)
            }
        }
    }

    /// The request failed as a whole: it is cut down, or its rows wait.
    async fn take_failure(
        &mut self,
        id: BatchId,
        queued: QueuedRequest,
        (failure, took): (&IngestError, Duration),
        rows: &[(BatchRow, usize)],
        queue: &mut RoundQueue,
    ) -> AfterRequest {
        let now = self.ctx.clock.now();
        let (updates, sent) = match self.plan_resend(failure, &queued.rows, rows) {
            Some(plan) => {
                self.states.entry(queued.route.name).or_default().release();
                (
                    self.cut_down(queued, plan, &failure.error, queue, now),
                    AfterRequest::GoOn,
                )
            }
            None => self.defer_all(id, queued, failure, took),
        };
        let result = match failure.error.effect {
            Effect::None => BatchResult::Refused { updates },
            Effect::Unknown => BatchResult::Unknown { updates },
        };
        self.record_result(id, &result, now).await;
        sent
    }

    /// The ad network took the request: it says later, or has said row by row, what became of it.
    async fn record_answer(
        &mut self,
        id: BatchId,
        (answer, took): (&RouteAnswer, Duration),
        queued: &QueuedRequest,
        queue: &mut RoundQueue,
        now: Timestamp,
    ) {
        let (route, ready) = (queued.route, queued.rows.as_slice());
        let mut row_results = BTreeMap::new();
        let mut doubted = BTreeSet::new();
        if let RouteAnswer::Rows(rows) = answer {
            row_results = row_results_of(rows);
            doubted = doubt_unconfirmed(&rows.evidence, &mut row_results, self.final_words_of(ready));
        }
        let unanswered = unanswered_rows(&row_results, &doubted);
        let result = match answer {
            RouteAnswer::Accepted(request_id) => {
                let first_look = self.ctx.settings.diagnostics_first_poll;
                BatchResult::Accepted {
                    request_id: request_id.clone(),
                    poll_at: now.saturating_add(first_look).unwrap_or(Timestamp::MAX),
                }
            }
            RouteAnswer::Rows(rows) => {
                let asked = rows.retry_after.and_then(|wait| now.saturating_add(wait).ok());
                let mut updates = row_updates(&self.ctx, ready, &row_results, asked, now);
                let soonest = asked.unwrap_or(now).max(now);
                send_again(&mut updates, ready, &doubted, soonest);
                self.put_off_unanswered(id, ready, &unanswered, &mut updates, soonest);
                let taken = updates.iter().filter(|u| u.outcome == Outcome::Uploaded).count();
                debug!(account = %self.key, rows = ready.len(), taken, "answered");
                BatchResult::Answered {
                    updates,
                    request_id: rows.request_id.clone(),
                }
            }
        };
        self.record_result(id, &result, now).await;
        if unanswered.len() < ready.len() {
            let state = self.states.entry(route.name).or_default();
            state.record_answered(&destinations_of(ready), took, now);
        }
        if matches!(answer, RouteAnswer::Accepted(_)) {
            self.note_accepted(queued, None, queue);
            self.report_open(route, ready, now);
        } else {
            self.note_accepted(queued, Some(&row_results), queue);
            row_results.retain(|row, _| !unanswered.contains(row));
            self.report_results(route, ready, &row_results, now);
            self.report_unanswered(route, ready, &unanswered);
        }
        self.uploaded.notify_one();
    }

    /// Writes what came of a batch, however long the ledger fails: until then nothing else is sent. If the process ends
    /// meanwhile, the batch counts as unknown at the next start and goes again with the same ids and values.
    async fn record_result(&self, batch: BatchId, result: &BatchResult, now: Timestamp) {
        let mut failures = 0;
        while let Err(error) = self.ctx.ledger.finish_batch(batch, result, now).await {
            warn!(account = %self.key, error = brief(&error), "the answer to an upload could not be recorded, trying again");
            for event in self.ctx.registry.events_of_ad_account(&self.key) {
                self.upload_failed(&event.key, &error.clone().into());
            }
            let wait = backoff(failures, self.ctx.settings.backoff_max, 0);
            failures = failures.saturating_add(1);
            let pause = std::time::Duration::try_from(wait).unwrap_or_default();
            pulse::rest(pause);
            tokio::time::sleep(pause).await;
        }
    }
}
