//! What the ledger should do, as plain maps: a second reading of the port's documentation.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::api::ResumePolicy;
use crate::ports::ledger::{BatchId, BatchResult, StatusResult};

/// What a row may be told.
pub(super) fn kind(n: u8) -> (Outcome, &'static str, bool) {
    match n % 8 {
        0 => (Outcome::Pending, reason::UPSTREAM_UNAVAILABLE, true),
        1 => (Outcome::Pending, reason::AWAITING_CLICK_ID, false),
        2 => (Outcome::Processing, reason::OUTCOME_UNKNOWN, false),
        3 => (Outcome::Processing, reason::OUTCOME_UNKNOWN, true),
        4 => (Outcome::Uploaded, "Processed", false),
        5 => (Outcome::Skipped, reason::NO_CONSENT, false),
        6 => (Outcome::Rejected, "InvalidGclid", false),
        _ => (Outcome::Pending, reason::SUSPENDED, false),
    }
}

/// Those of the items whose bits are set.
pub(super) fn pick<T: Copy>(items: &[T], mask: u8) -> Vec<T> {
    items
        .iter()
        .enumerate()
        .filter(|(i, _)| mask >> (i % 8) & 1 == 1)
        .map(|(_, item)| *item)
        .collect()
}

/// One row, in the terms of the port.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::option_option)] // as the port has it
pub(super) struct Known {
    pub stream: StreamId,
    pub number: u8,
    pub outcome: Outcome,
    pub reason: String,
    /// `None`: does not wait.
    pub due: Option<Timestamp>,
    pub attempts: u32,
    pub isolation_group: i64,
    pub suspended: bool,
    pub sent: Option<Option<u32>>,
    pub batch: Option<BatchId>,
}

impl Known {
    fn in_flight(&self) -> bool {
        self.outcome == Outcome::Pending && self.due.is_none()
    }

    /// Neither waiting nor settled.
    pub(super) fn is_in_hands(&self) -> bool {
        self.due.is_none() && !self.outcome.is_final()
    }

    fn rank(&self) -> u8 {
        match self.outcome {
            Outcome::Uploaded => 6,
            Outcome::Rejected => 5,
            Outcome::Processing => 4,
            Outcome::Pending if self.in_flight() => 3,
            Outcome::Skipped => 2,
            Outcome::Pending if self.sent.is_some() => 1,
            Outcome::Pending => 0,
        }
    }

    fn fix(&mut self, value: Option<u32>) {
        self.sent = Some(self.sent.unwrap_or(value));
    }

    fn wait(&mut self, outcome: Outcome, reason: &str, due: Timestamp) {
        self.outcome = outcome;
        self.reason = reason.into();
        self.due = Some(due);
        self.batch = None;
    }

    fn update(&mut self, u: &RowUpdate) {
        if u.failed_try {
            self.attempts += 1;
        } else if self.due.is_none() || self.outcome != u.outcome {
            self.attempts = 0;
        }
        let waits = u.outcome == Outcome::Pending || u.reason == reason::OUTCOME_UNKNOWN;
        self.outcome = u.outcome;
        self.reason = u.reason.clone().into_owned();
        self.due = waits.then_some(u.due);
        self.isolation_group = u.isolation_group;
        if u.outcome != Outcome::Processing {
            self.batch = None;
        }
    }
}

/// A row of a batch: what it is sent with, and what it was.
struct Sent {
    row: RowId,
    value: Option<u32>,
    prior: (Outcome, String),
}

#[derive(Default)]
struct Request {
    accepted: bool,
    rows: Vec<Sent>,
}

#[derive(Default)]
pub(super) struct Model {
    pub rows: BTreeMap<RowId, Known>,
    requests: BTreeMap<BatchId, Request>,
    /// Occurrences folded into totals: stream, number, outcome, reason.
    pub folded: BTreeMap<(StreamId, u8), (Outcome, String)>,
    /// Distinct occurrences that were observed, per stream.
    pub observed: BTreeSet<(StreamId, u8)>,
}

impl Model {
    pub(super) fn batches(&self, accepted: bool) -> Vec<BatchId> {
        self.requests
            .iter()
            .filter(|(_, r)| r.accepted == accepted)
            .map(|(id, _)| *id)
            .collect()
    }

    pub(super) fn rows_of(&self, batch: BatchId) -> Vec<RowId> {
        self.requests[&batch].rows.iter().map(|s| s.row).collect()
    }

    /// Rows a batch may take: those that wait, and those that are settled.
    pub(super) fn free(&self) -> Vec<RowId> {
        self.rows
            .iter()
            .filter(|(_, r)| r.due.is_some() || r.outcome.is_final())
            .map(|(id, _)| *id)
            .collect()
    }

    pub(super) fn settle(&mut self, updates: &[RowUpdate]) {
        for u in updates {
            if let Some(row) = self.rows.get_mut(&u.row)
                && row.due.is_some()
            {
                row.update(u);
            }
        }
    }

    fn update(&mut self, batch: BatchId, updates: &[RowUpdate]) {
        for u in updates {
            if let Some(row) = self.rows.get_mut(&u.row)
                && row.batch == Some(batch)
            {
                row.update(u);
            }
        }
    }

    pub(super) fn begin(&mut self, batch: BatchId, rows: &[(RowId, Option<u32>)]) {
        let mut request = Request::default();
        for (id, value) in rows {
            let row = self.rows.get_mut(id).unwrap();
            request.rows.push(Sent {
                row: *id,
                value: *value,
                prior: (row.outcome, row.reason.clone()),
            });
            if !row.outcome.is_final() {
                row.outcome = Outcome::Pending;
                row.reason = reason::IN_FLIGHT.into();
                row.due = None;
                row.batch = Some(batch);
            }
        }
        self.requests.insert(batch, request);
    }

    pub(super) fn finish(&mut self, batch: BatchId, result: &BatchResult, now: Timestamp) {
        match result {
            BatchResult::Accepted { .. } => {
                self.requests.get_mut(&batch).unwrap().accepted = true;
                self.each(batch, |row, sent| {
                    row.fix(sent.value);
                    row.outcome = Outcome::Processing;
                    row.reason = reason::AWAITING_RESULT.into();
                });
            }
            BatchResult::Refused { updates } => {
                let taken = |u: &&RowUpdate| matches!(u.outcome, Outcome::Uploaded | Outcome::Processing);
                let taken: BTreeSet<_> = updates.iter().filter(taken).map(|u| u.row).collect();
                self.each(batch, |row, sent| {
                    if taken.contains(&sent.row) {
                        row.fix(sent.value);
                    }
                });
                self.update(batch, updates);
                self.each(batch, |row, sent| {
                    if row.in_flight() {
                        row.wait(sent.prior.0, &sent.prior.1, now);
                    }
                });
                self.close(batch, now);
            }
            BatchResult::Answered { updates, .. } | BatchResult::Unknown { updates } => {
                let open = |u: &&RowUpdate| u.outcome == Outcome::Pending;
                let answered = matches!(result, BatchResult::Answered { .. });
                let free: BTreeSet<_> = updates.iter().filter(open).map(|u| u.row).collect();
                self.each(batch, |row, sent| {
                    if !answered || !free.contains(&sent.row) {
                        row.fix(sent.value);
                    }
                });
                self.update(batch, updates);
                self.each(batch, |row, _| {
                    if row.in_flight() {
                        row.wait(Outcome::Pending, reason::UPSTREAM_UNAVAILABLE, now);
                    }
                });
                self.close(batch, now);
            }
        }
    }

    pub(super) fn recover(&mut self, now: Timestamp) -> usize {
        let before = self.rows.values().filter(|r| r.in_flight()).count();
        for batch in self.batches(false) {
            self.finish(batch, &BatchResult::Unknown { updates: vec![] }, now);
        }
        before
    }

    pub(super) fn status(&mut self, result: &StatusResult, now: Timestamp) {
        self.update(result.batch, &result.updates);
        if result.poll_at.is_none() {
            self.close(result.batch, now);
        }
    }

    fn close(&mut self, batch: BatchId, now: Timestamp) {
        self.each(batch, |row, _| {
            let due = row.due;
            row.wait(Outcome::Processing, reason::OUTCOME_UNKNOWN, due.unwrap_or(now));
        });
        self.requests.remove(&batch);
    }

    /// Rows that still belong to the batch.
    fn each(&mut self, batch: BatchId, mut change: impl FnMut(&mut Known, &Sent)) {
        for sent in &self.requests[&batch].rows {
            if let Some(row) = self.rows.get_mut(&sent.row)
                && row.batch == Some(batch)
            {
                change(row, sent);
            }
        }
    }

    pub(super) fn resume(&mut self, stream: StreamId, policy: ResumePolicy, now: Timestamp) -> usize {
        let mut skipped = 0;
        for row in self.rows.values_mut().filter(|r| r.stream == stream && r.due.is_some()) {
            let skip = policy == ResumePolicy::SkipMissed;
            if skip && row.suspended && row.outcome == Outcome::Pending && row.sent.is_none() {
                skipped += 1;
                row.wait(Outcome::Skipped, reason::MISSED_WHILE_SUSPENDED, now);
                row.due = None;
                row.attempts = 0;
            }
            row.suspended = false;
        }
        self.release(stream, reason::SUSPENDED, now);
        skipped
    }

    pub(super) fn release(&mut self, stream: StreamId, reason: &str, now: Timestamp) {
        for row in self
            .rows
            .values_mut()
            .filter(|r| r.stream == stream && r.reason == reason)
        {
            row.due = row.due.map(|due| due.min(now));
        }
    }

    pub(super) fn of_number(&self, n: u64) -> Vec<RowId> {
        let of_it = self.rows.iter().filter(|(_, row)| u64::from(row.number) == n);
        of_it.map(|(id, _)| *id).collect()
    }

    /// What waits is skipped, and all its rows become totals.
    pub(super) fn erase(&mut self, n: u64) {
        for id in self.of_number(n) {
            let row = self.rows.remove(&id).unwrap();
            assert!(!row.is_in_hands());
            let settled = match row.due {
                Some(_) => (Outcome::Skipped, reason::CONTACT_DELETED.to_owned()),
                None => (row.outcome, row.reason),
            };
            self.folded.insert((row.stream, row.number), settled);
        }
    }

    pub(super) fn merge(&mut self, from: StreamId, to: StreamId) {
        for id in self
            .rows
            .iter()
            .filter(|(_, r)| r.stream == from)
            .map(|(id, _)| *id)
            .collect::<Vec<_>>()
        {
            let (number, rank) = (self.rows[&id].number, self.rows[&id].rank());
            if self.folded.contains_key(&(to, number)) {
                self.rows.remove(&id);
                continue;
            }
            let theirs = self.rows.iter().find(|(_, r)| r.stream == to && r.number == number);
            match theirs.map(|(id, r)| (*id, r.rank())) {
                Some((_, theirs)) if theirs >= rank => {
                    self.rows.remove(&id);
                    continue;
                }
                Some((theirs, _)) => {
                    self.rows.remove(&theirs);
                }
                None => {}
            }
            self.rows.get_mut(&id).unwrap().stream = to;
        }
        let folded = self.folded.keys().filter(|(stream, _)| *stream == from).copied();
        for (stream, number) in folded.collect::<Vec<_>>() {
            let settled = self.folded.remove(&(stream, number)).unwrap();
            let known = self.rows.values().any(|r| r.stream == to && r.number == number);
            if !known {
                self.folded.entry((to, number)).or_insert(settled);
            }
        }
        self.observed = self
            .observed
            .iter()
            .map(|(t, n)| (if *t == from { to } else { *t }, *n))
            .collect();
    }
}
