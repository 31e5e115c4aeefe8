//! What one answer has said of requests: rows are settled once a second one says the same. Google's answers about a request may
//! be odd or early once, and what follows from them is for good.

use std::collections::BTreeMap;

use crate::domain::batch::RowResult;
use crate::ports::ledger::BatchId;

/// Most requests that wait for their second answer. The oldest of more than that are asked about twice more.
const MOST: usize = 1_000;

/// By request and place of the destination: what the last answer said of the rows.
#[derive(Default)]
pub(super) struct Settling(BTreeMap<(BatchId, usize), BTreeMap<usize, RowResult>>);

impl Settling {
    /// Takes what an answer says of the rows of a destination. True if the answer before said the same.
    pub(super) fn agrees(&mut self, of: (BatchId, usize), found: &BTreeMap<usize, RowResult>) -> bool {
        if self.0.get(&of) == Some(found) {
            return true;
        }
        if self.0.len() >= MOST {
            self.0.pop_first();
        }
        self.0.insert(of, found.clone());
        false
    }

    /// Nothing more is asked about the request.
    pub(super) fn forget(&mut self, request: BatchId) {
        self.0.retain(|(known, _), _| *known != request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_in_a_row_that_agree() {
        let mut settling = Settling::default();
        let of = |result: &RowResult| BTreeMap::from([(0, result.clone())]);
        let (taken, refused) = (RowResult::Uploaded, RowResult::Rejected("A".to_owned(), "B".to_owned()));
        let one = (BatchId(1), 0);
        assert!(!settling.agrees(one, &of(&refused)));
        assert!(!settling.agrees(one, &of(&taken)));
        assert!(!settling.agrees((BatchId(1), 1), &of(&taken)), "another destination");
        assert!(settling.agrees(one, &of(&taken)));
        settling.forget(BatchId(1));
        assert!(!settling.agrees(one, &of(&taken)));
        for batch in 0..2 * i64::try_from(MOST).unwrap_or_default() {
            settling.agrees((BatchId(batch), 0), &of(&taken));
        }
        assert_eq!(settling.0.len(), MOST);
    }
}
