//! What proves that an answer is about our rows (DESIGN 3.6, "Evidence"): a row is called uploaded on nothing less.

use super::ids::{ActionId, CustomerId};

/// What a result says of the row at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// No result for it.
    None,
    /// The row was taken.
    Taken,
    /// There is a result that names another conversion, or stands where places mean nothing.
    OfAnother,
}

/// The destination an entry of a request's status names. Outer `None`: it names none; inner `None`: one that can't be
/// read, and so is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedDestination {
    /// The conversion action.
    pub action: Option<Option<ActionId>>,
    /// The account that owns it.
    pub customer: Option<Option<CustomerId>>,
}

impl NamedDestination {
    fn contradicts(&self, customer: &CustomerId) -> bool {
        self.customer
            .as_ref()
            .is_some_and(|named| named.as_ref() != Some(customer))
    }

    fn names(&self, customer: &CustomerId, action: ActionId) -> bool {
        self.action == Some(Some(action)) && !self.contradicts(customer)
    }

    /// Says nothing of the destination, so that only its place can tell.
    fn is_silent(&self, customer: &CustomerId) -> bool {
        self.action.is_none() && !self.contradicts(customer)
    }
}

/// Which of the entries is about the destination that stood at `index` of the `sent` ones: the only one that names it, or
/// the one at its place, where that names none and there are as many entries as destinations were sent. `None` where
/// that can't be told: no entry, an entry of another destination, or two for one.
pub fn entry_of(
    entries: &[NamedDestination],
    index: usize,
    (customer, action): (&CustomerId, ActionId),
    sent: usize,
) -> Option<usize> {
    let mut named = (0..entries.len()).filter(|i| entries[*i].names(customer, action));
    match (named.next(), named.next()) {
        (Some(only), None) => Some(only),
        (Some(_), Some(_)) => None,
        (None, _) => (entries.len() == sent && entries.get(index)?.is_silent(customer)).then_some(index),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn customer(id: &str) -> CustomerId {
        id.parse().unwrap()
    }

    fn named(action: u64) -> NamedDestination {
        NamedDestination {
            action: Some(Some(ActionId(action))),
            customer: Some(Some(customer("1234567890"))),
        }
    }

    fn silent() -> NamedDestination {
        NamedDestination::default()
    }

    fn unreadable() -> NamedDestination {
        NamedDestination {
            action: Some(None),
            customer: None,
        }
    }

    fn of_stranger(action: u64) -> NamedDestination {
        NamedDestination {
            customer: Some(Some(customer("9999999999"))),
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
        let ours = customer("1234567890");
        assert_eq!(entry_of(&entries, index, (&ours, ActionId(7)), sent), wanted);
    }
}
