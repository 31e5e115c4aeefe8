//! What takes two answers in a row that say the same: one may be odd or early, and what follows from it is for good.

use std::collections::BTreeMap;

/// By what was asked about: what the last answer said of it. A process that has just started knows nothing, and asks twice.
#[derive(Debug)]
pub struct LastAnswers<K, V> {
    said: BTreeMap<K, V>,
    most: usize,
}

impl<K: Ord, V: Clone + PartialEq> LastAnswers<K, V> {
    /// So many wait for their second answer at `most`. The first ones of more than that are asked about twice more.
    pub const fn new(most: usize) -> Self {
        let said = BTreeMap::new();
        Self { said, most }
    }

    /// Takes what an answer says. True if the answer before said the same.
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

    /// Nothing more is asked about this.
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
