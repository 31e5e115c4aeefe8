//! What proves that an answer is about our rows (docs/reference/google.md
//! 6.6): a row is called uploaded on nothing less.

use super::ids::ActionKey;

/// What a result says of the row at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// No result for it.
    None,
    /// The row was taken.
    Taken,
    /// There is a result, but it names another conversion or too little of this one, or its place says nothing.
    OfAnother,
}

/// The destination that an entry of a request's status names. Outer `None`: it names none. Inner `None`: it names one
/// that can't be read, which is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedDestination {
    /// The id of the conversion action.
    pub action: Option<Option<String>>,
    /// The id of the account that owns it.
    pub account: Option<Option<String>>,
}

impl NamedDestination {
    fn contradicts(&self, ours: &ActionKey) -> bool {
        let named = self.account.as_ref();
        named.is_some_and(|named| named.as_ref() != Some(&ours.account.id))
    }

    fn names_action(&self, ours: &ActionKey) -> bool {
        let named = self.action.as_ref();
        named.is_some_and(|named| named.as_ref() == Some(&ours.id)) && !self.contradicts(ours)
    }

    /// True if it does not say which destination it is about, so that only its place can tell.
    fn is_silent(&self, ours: &ActionKey) -> bool {
        self.action.is_none() && !self.contradicts(ours)
    }
}

/// Which of the entries is about the destination that stood at `index` of the `sent` ones: the only one that names it,
/// or the one at its place, where that names none and there are as many entries as destinations were sent. `None` where
/// that can't be told: no entry, an entry of another destination, or two for one.
pub fn entry_of(entries: &[NamedDestination], index: usize, ours: &ActionKey, sent: usize) -> Option<usize> {
    let mut named = (0..entries.len()).filter(|i| entries[*i].names_action(ours));
    match (named.next(), named.next()) {
        (Some(only), None) => Some(only),
        (Some(_), Some(_)) => None,
        (None, _) => (entries.len() == sent && entries.get(index)?.is_silent(ours)).then_some(index),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::ids::{ActionId, CustomerId};

    fn named(action: u64) -> NamedDestination {
        NamedDestination {
            action: Some(Some(action.to_string())),
            account: Some(Some("1234567890".into())),
        }
    }

    fn silent() -> NamedDestination {
        NamedDestination::default()
    }

    fn unreadable() -> NamedDestination {
        NamedDestination {
            action: Some(None),
            account: None,
        }
    }

    fn of_stranger(action: u64) -> NamedDestination {
        NamedDestination {
            account: Some(Some("9999999999".into())),
            ..named(action)
        }
    }

    #[rstest::rstest]
    #[case::by_name(vec![named(7)], 0, 1, Some(0))]
    #[case::by_name_elsewhere(vec![named(8), named(7)], 0, 2, Some(1))]
    #[case::by_name_among_fewer(vec![named(7)], 1, 2, Some(0))]
    #[case::by_place(vec![silent(), silent()], 1, 2, Some(1))]
    #[case::by_place_beside_a_name(vec![named(8), silent()], 1, 2, Some(1))]
    #[case::too_few_for_places(vec![silent()], 0, 2, None)]
    #[case::too_many_for_places(vec![silent(), silent()], 0, 1, None)]
    #[case::another_action(vec![named(8)], 0, 1, None)]
    #[case::another_account(vec![of_stranger(7)], 0, 1, None)]
    #[case::unreadable(vec![unreadable()], 0, 1, None)]
    #[case::two_for_one(vec![named(7), named(7)], 0, 2, None)]
    #[case::none(vec![], 0, 1, None)]
    fn only_what_names_our_destination_or_stands_in_its_place(
        #[case] entries: Vec<NamedDestination>,
        #[case] index: usize,
        #[case] sent: usize,
        #[case] wanted: Option<usize>,
    ) {
        let owner: CustomerId = "1234567890".parse().unwrap();
        assert_eq!(entry_of(&entries, index, &owner.action_key(ActionId(7)), sent), wanted);
    }
}
