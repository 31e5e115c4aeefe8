//! Decisions that take two answers in a row that agree: one answer may be odd or early, and the decision can't be taken
//! back.

use std::collections::BTreeMap;

/// The last answer about each subject. A process that has just started remembers none, and asks twice.
#[derive(Debug)]
pub struct LastAnswers<K, V> {
    said: BTreeMap<K, V>,
    most: usize,
}

impl<K: Ord, V: Clone + PartialEq> LastAnswers<K, V> {
    /// At most `most` subjects wait for their second answer. If there are more, the first of them are forgotten and
    /// take two more answers.
    pub const fn new(most: usize) -> Self {
        let said = BTreeMap::new();
        Self { said, most }
    }

    /// Records what an answer says. True if the answer before it said the same.
    pub fn is_repeated(&mut self, of: K, said: &V) -> bool {
        if self.said.get(&of) == Some(said) {
            return true;
        }
        if self.said.len() >= self.most {
            self.said.pop_first();
        }
        self.said.insert(of, said.clone());
        false
    }

    /// Forgets a subject that is no longer asked about.
    pub fn forget(&mut self, of: &K) {
        self.said.remove(of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_two_answers_in_a_row_that_say_the_same() {
        let mut last = LastAnswers::new(10);
        assert!(!last.is_repeated(1, &"refused"));
        assert!(!last.is_repeated(1, &"taken"), "another answer");
        assert!(!last.is_repeated(2, &"taken"), "about something else");
        assert!(last.is_repeated(1, &"taken"));
        assert!(last.is_repeated(1, &"taken"), "until it is forgotten");
        last.forget(&1);
        assert!(!last.is_repeated(1, &"taken"));
        for of in 0..20 {
            last.is_repeated(of, &"refused");
        }
        assert_eq!(last.said.len(), 10);
    }
}
