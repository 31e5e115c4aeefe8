//! The place in a list of conversions, as a word that clients hand back unread.

use jiff::Timestamp;

use crate::domain::ids::TransactionId;
use crate::ports::ledger::view::Cursor;

/// The word of a place.
pub(super) fn to_word(cursor: &Cursor) -> String {
    match cursor {
        Cursor::Kept { sort_key, transaction } => format!("kept.{sort_key}.{transaction}"),
        Cursor::Archived {
            occurred_at,
            transaction,
        } => format!("archived.{}.{transaction}", occurred_at.as_millisecond()),
    }
}

/// The place of a word; `None` if it is none.
pub(super) fn from_word(word: &str) -> Option<Cursor> {
    let mut parts = word.splitn(3, '.');
    let (list, number, transaction) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    let transaction: TransactionId = transaction.parse().ok()?;
    match list {
        "kept" => Some(Cursor::Kept {
            sort_key: number,
            transaction,
        }),
        "archived" => Some(Cursor::Archived {
            occurred_at: Timestamp::from_millisecond(number).ok()?,
            transaction,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_comes_back_as_it_was(number in -1_000_000_000_000_i64..1_000_000_000_000, id in any::<[u8; 20]>()) {
            let kept = Cursor::Kept { sort_key: number, transaction: TransactionId(id) };
            prop_assert_eq!(from_word(&to_word(&kept)), Some(kept));
            let archived = Cursor::Archived {
                occurred_at: Timestamp::from_millisecond(number).unwrap_or_default(),
                transaction: TransactionId(id),
            };
            prop_assert_eq!(from_word(&to_word(&archived)), Some(archived));
        }

        #[test]
        fn any_word_is_a_place_or_none(word in "\\PC{0,80}") {
            let _ = from_word(&word);
        }
    }
}
