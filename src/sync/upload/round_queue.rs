//! The requests of one round, and what becomes of those that are cut down.

use std::collections::VecDeque;

use crate::domain::codes::Code;
use crate::ports::UpstreamError;
use crate::ports::sink::RouteInfo;
use crate::sync::prepare::PreparedRow;

/// Rows to send as one request.
pub(super) struct QueuedRequest<R = PreparedRow> {
    /// The way they go.
    pub route: RouteInfo,
    pub rows: Vec<R>,
    /// Which answer of this round refused them last, without naming a row
    /// ([`super::lone_rows::LoneRows::record_refused`]).
    pub refused: Option<u64>,
}

/// A row that was refused alone.
pub(super) struct Suspect<R = PreparedRow> {
    pub queued: QueuedRequest<R>,
    /// The code it was refused with.
    pub code: Code,
}

/// A request that failed for what may be a matter of its rows, until the end of its round tells.
pub(super) struct FailedRequest {
    pub queued: QueuedRequest,
    pub error: UpstreamError,
}

/// What is still to be sent in a round.
pub(super) struct RoundQueue<R = PreparedRow> {
    requests: VecDeque<QueuedRequest<R>>,
    /// Of requests that were refused; the next one last, and the largest first.
    halves: Vec<QueuedRequest<R>>,
    suspects: Vec<Suspect<R>>,
}

impl<R> RoundQueue<R> {
    pub(super) fn new(requests: Vec<(RouteInfo, Vec<R>)>) -> Self {
        let requests = requests.into_iter().map(|(route, rows)| QueuedRequest {
            route,
            rows,
            refused: None,
        });
        Self {
            requests: requests.collect(),
            halves: vec![],
            suspects: vec![],
        }
    }

    /// A request is cut down to its end before the next one goes.
    pub(super) fn next_request(&mut self) -> Option<QueuedRequest<R>> {
        self.halves.pop().or_else(|| self.requests.pop_front())
    }

    /// Before the other requests.
    pub(super) fn push_first(&mut self, queued: QueuedRequest<R>) {
        self.requests.push_front(queued);
    }

    /// After the other requests.
    pub(super) fn push_last(&mut self, queued: QueuedRequest<R>) {
        self.requests.push_back(queued);
    }

    /// What a refused request is cut down to goes next, in this order.
    pub(super) fn push_cut_down(&mut self, requests: Vec<QueuedRequest<R>>) {
        self.halves.extend(requests.into_iter().rev());
    }

    /// One half of a refused request was refused too: what was refused there says nothing of the other half.
    pub(super) fn clear_other_half(&mut self, refused: Option<u64>) {
        for queued in self.halves.iter_mut().filter(|queued| queued.refused == refused) {
            queued.refused = None;
        }
    }

    /// A row was refused alone. Its neighbours may be like it: the largest of the other halves goes next.
    pub(super) fn put_aside(&mut self, suspect: Suspect<R>) {
        self.suspects.push(suspect);
        if !self.halves.is_empty() {
            self.halves.rotate_left(1);
        }
    }

    /// Rows that were refused alone go next, those of which this is true.
    pub(super) fn send_suspects_again(&mut self, is_meant: impl Fn(&QueuedRequest<R>) -> bool) {
        let again = self.suspects.extract_if(.., |suspect| is_meant(&suspect.queued));
        self.halves.extend(again.map(|suspect| suspect.queued));
    }

    /// Rows that were refused alone and not sent again since.
    pub(super) fn suspects(&self) -> &[Suspect<R>] {
        &self.suspects
    }
}
