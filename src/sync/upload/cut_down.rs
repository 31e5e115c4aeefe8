//! How a refused request is cut down to the rows that it was refused for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tracing::debug;

use super::Uploader;
use super::round_queue::{QueuedRequest, RoundQueue};
use crate::domain::batch::{FinalVerdict, RefusalPlan, cut_down_refused, halve_rows};
use crate::ports::ledger::{BatchRow, RowUpdate};
use crate::ports::sink::IngestError;
use crate::ports::{Cause, Effect, UpstreamError};
use crate::sync::prepare::PreparedRow;
use crate::sync::upload::upload_route::row_updates;

impl Uploader {
    /// How to cut a refused request down; `None` if rows are not the reason of the failure.
    pub(super) fn plan_resend(
        &mut self,
        failure: &IngestError,
        ready: &[PreparedRow],
        rows: &[(BatchRow, usize)],
    ) -> Option<RefusalPlan> {
        if failure.error.effect != Effect::None {
            return None;
        }
        match failure.error.cause {
            Cause::Refused | Cause::NameTaken => {}
            // Nobody has said anything about a conversion: one that is alone waits.
            Cause::TooLarge if ready.len() > 1 => return Some(halve_rows(ready.len())),
            _ => return None,
        }
        let destination_of: Vec<_> = rows.iter().map(|(_, d)| *d).collect();
        let mut plan = cut_down_refused(&destination_of, failure.code.as_ref(), &failure.complaints);
        plan.doubt_unconfirmed(self.final_words_of(ready));
        debug!(account = %self.key, rows = ready.len(), bad = plan.row_results.len(), "request refused, sent again in smaller ones");
        Some(plan)
    }

    /// Takes what an answer says for good of these rows, by their places.
    /// True if the answer before said the same: then it is settled.
    pub(super) fn final_words_of<'a>(
        &'a mut self,
        ready: &'a [PreparedRow],
    ) -> impl FnMut(usize, FinalVerdict) -> bool + use<'a> {
        |index, word| {
            let Some(row) = ready.get(index).map(|ready| ready.row.id) else {
                return false;
            };
            let repeated = self.final_words.is_repeated(row, &word);
            if repeated {
                self.final_words.forget(&row);
            }
            repeated
        }
    }

    /// The updates of the rows whose result is known; the others go again at once.
    pub(super) fn cut_down(
        &mut self,
        queued: QueuedRequest,
        plan: RefusalPlan,
        error: &UpstreamError,
        queue: &mut RoundQueue,
        now: Timestamp,
    ) -> Vec<RowUpdate> {
        queue.clear_other_half(queued.refused);
        if plan.unnamed && queued.rows.len() == 1 && !self.is_singled_out(&queued) {
            return self.suspect_row(queued, &plan, error, queue);
        }
        let QueuedRequest { route, rows, .. } = queued;
        self.report_results(route, &rows, &plan.row_results, now);
        let updates = row_updates(&self.ctx, &rows, &plan.row_results, None, now);
        let refused = plan.unnamed.then(|| self.lone_rows.record_refused());
        let mut by_index: BTreeMap<usize, PreparedRow> = rows.into_iter().enumerate().collect();
        let again = plan.resend.into_iter().map(|rows| QueuedRequest {
            route,
            rows: rows.into_iter().filter_map(|i| by_index.remove(&i)).collect(),
            refused,
        });
        let mut requests: Vec<QueuedRequest> = again.collect();
        if plan.unnamed && self.lone_rows.is_right_first() {
            requests.reverse();
        }
        queue.push_cut_down(requests);
        updates
    }
}
