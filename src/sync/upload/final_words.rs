//! What a code has said of rows for good, once. A second answer that says the same settles them; one that says something else
//! is the first of its kind.

use std::collections::BTreeMap;

use crate::domain::batch::FinalWord;
use crate::ports::ledger::RowId;
use crate::sync::prepare::PreparedRow;

/// Most rows that wait for their second answer. Those that were recorded first of more than that are asked about twice more.
const MOST: usize = 10_000;

/// By row: what the last answer said. A process that has just started knows nothing, and asks twice.
#[derive(Default)]
pub(super) struct FinalWords(BTreeMap<RowId, FinalWord>);

impl FinalWords {
    /// Takes what an answer says of these rows, by their places. True if the answer before said the same: then it is settled.
    pub(super) fn of<'a>(&'a mut self, ready: &'a [PreparedRow]) -> impl FnMut(usize, FinalWord) -> bool + 'a {
        |index, word| {
            ready
                .get(index)
                .is_some_and(|ready| self.is_repeated(ready.row.id, word))
        }
    }

    fn is_repeated(&mut self, row: RowId, word: FinalWord) -> bool {
        if self.0.get(&row) == Some(&word) {
            self.0.remove(&row);
            return true;
        }
        if self.0.len() >= MOST {
            self.0.pop_first();
        }
        self.0.insert(row, word);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_in_a_row_that_say_the_same() {
        let mut words = FinalWords::default();
        assert!(!words.is_repeated(RowId(1), FinalWord::Rejected));
        assert!(!words.is_repeated(RowId(1), FinalWord::Delivered), "another word");
        assert!(!words.is_repeated(RowId(2), FinalWord::Delivered), "another row");
        assert!(words.is_repeated(RowId(1), FinalWord::Delivered));
        assert!(!words.is_repeated(RowId(1), FinalWord::Delivered), "it was settled");
        for row in 0..2 * i64::try_from(MOST).unwrap_or_default() {
            words.is_repeated(RowId(row), FinalWord::Rejected);
        }
        assert_eq!(words.0.len(), MOST);
    }
}
