//! Requests that fail as a whole, for what is no matter of their rows as far as anybody says: a failure of Google's, an answer
//! that never comes. Most such failures are of the way there, and it is left alone for a while. But one conversion may be what
//! Google, or a proxy, stumbles over each time: rows that were tried in vain go in ever smaller requests, after all others,
//! until only the row that it is about still waits.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Uploader;
use super::round_queue::Part;
use crate::domain::backoff::backoff;
use crate::ports::UpstreamError;
use crate::ports::ledger::{BatchId, Row, RowUpdate};
use crate::ports::sink::IngestError;
use crate::sync::prepare::{PreparedRow, retry_later};
use crate::sync::upload::row_updates::isolation_group_of;

/// So often a row was in a request that failed before it goes in a smaller one. A short failure of Google's leaves its
/// requests whole.
pub(super) const TRIED: u32 = 3;

/// Of how many rows in the order of a request each belongs to which half: `None` where it stays as it is.
fn halve_tried(attempts: &[u32]) -> Vec<Option<u8>> {
    let tried = attempts.iter().filter(|attempts| **attempts >= TRIED).count();
    let mut before = 0;
    let half = |attempts: &u32| {
        if *attempts < TRIED {
            return None;
        }
        before += 1;
        Some(u8::from(before > tried.div_ceil(2)))
    };
    attempts.iter().map(half).collect()
}

impl Uploader {
    /// True for a row that fails by itself again and again, while others went the same way in this round.
    pub(super) fn is_poison(&self, part: &Part, error: &UpstreamError) -> bool {
        let alone = matches!(part.rows.as_slice(), [row] if row.row.attempts >= TRIED);
        alone && error.may_be_of_a_part() && self.answered.contains(part.route.name)
    }

    /// Rows of which the answer to their request tells nothing wait, each by itself, and go apart once they were tried often.
    pub(super) fn put_off_untold(
        &self,
        batch: BatchId,
        ready: &[PreparedRow],
        untold: &BTreeSet<usize>,
        updates: &mut [RowUpdate],
        not_before: Timestamp,
    ) {
        let now = self.ctx.clock.now();
        let rows: Vec<&Row> = untold
            .iter()
            .filter_map(|index| ready.get(*index))
            .map(|ready| &ready.row)
            .collect();
        let attempts: Vec<u32> = rows.iter().map(|row| row.attempts).collect();
        for (row, half) in rows.into_iter().zip(halve_tried(&attempts)) {
            for update in updates.iter_mut().filter(|update| update.row == row.id) {
                let pause = backoff(row.attempts, self.ctx.settings.backoff_max, 0);
                update.due = not_before.max(now.saturating_add(pause).unwrap_or(Timestamp::MAX));
                if let Some(half) = half {
                    update.isolation_group = isolation_group_of(batch, 0, half);
                }
            }
        }
    }

    /// The whole request waits: the ad network, the way to it, or the account has a problem.
    pub(super) fn defer_all(
        &mut self,
        batch: BatchId,
        part: &Part,
        failure: &IngestError,
        now: Timestamp,
    ) -> Vec<RowUpdate> {
        let error = &failure.error;
        let rows: Vec<Row> = part.rows.iter().map(|ready| ready.row.clone()).collect();
        let mut updates = retry_later(&self.ctx, &rows, error);
        if self.is_poison(part, error) {
            self.note_poison(part, error);
            return updates;
        }
        self.ctx.registry.ad_account_fault(&self.key, error);
        for (event, _) in self.events_of(&part.rows) {
            self.upload_failed(&event, &error.clone().into());
        }
        // The pause follows the failures of the account: a row that waits for a reason of its own lengthens nobody's.
        let hold = self.held.entry(part.route.name).or_default();
        let pause = backoff(hold.failures, self.ctx.settings.backoff_max, 0);
        hold.failures = hold.failures.saturating_add(1);
        let due = now
            .saturating_add(error.retry_after.unwrap_or(pause))
            .unwrap_or(Timestamp::MAX);
        hold.until = Some(due);
        for update in &mut updates {
            update.due = due;
        }
        if error.may_be_of_a_part() {
            let attempts: Vec<u32> = rows.iter().map(|row| row.attempts).collect();
            for (update, half) in updates.iter_mut().zip(halve_tried(&attempts)) {
                if let Some(half) = half {
                    update.isolation_group = isolation_group_of(batch, 0, half);
                }
            }
        }
        updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::none(&[], &[])]
    #[case::a_short_failure(&[0, 2, 1], &[None, None, None])]
    #[case::all_tried(&[3, 4, 3, 9], &[Some(0), Some(0), Some(1), Some(1)])]
    #[case::an_odd_number(&[3, 3, 3], &[Some(0), Some(0), Some(1)])]
    #[case::among_fresh_ones(&[0, 3, 0, 3], &[None, Some(0), None, Some(1)])]
    #[case::one(&[0, 5], &[None, Some(0)])]
    fn only_rows_that_were_tried_go_apart(#[case] attempts: &[u32], #[case] halves: &[Option<u8>]) {
        assert_eq!(halve_tried(attempts), halves);
    }
}
