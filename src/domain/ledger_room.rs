//! Who may go on recording while the ledger's volume has little room left.
//!
//! All namespaces share the volume. One that fills it stops everybody, so the last of the room is for the others: a
//! namespace that holds more than an even share of the rows records nothing new until there is room again. Nothing is
//! lost: HubSpot has it, and the feeds do not move on.

use std::collections::BTreeMap;

/// The reserve is this part of the volume ([`PART`]: one tenth), but at least [`LEAST`] and at most [`MOST`] bytes.
const LEAST: u64 = 16 << 20;
const MOST: u64 = 256 << 20;
const PART: u64 = 10;

/// How much of a volume of this size is reserved for namespaces that hold little.
pub fn reserve_of(volume: u64) -> u64 {
    (volume / PART).clamp(LEAST, MOST)
}

/// True if a namespace holds more than an even share of all rows. A single namespace never does.
pub fn holds_too_much(namespace: &str, rows: &BTreeMap<String, u64>) -> bool {
    let own = u128::from(rows.get(namespace).copied().unwrap_or(0));
    let all: u128 = rows.values().map(|rows| u128::from(*rows)).sum();
    own * (rows.len() as u128) > all
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::small(64 << 20, 16 << 20)]
    #[case::of_the_chart(1 << 30, (1 << 30) / 10)]
    #[case::large(1 << 40, 256 << 20)]
    fn the_reserve_is_a_tenth_within_bounds(#[case] volume: u64, #[case] reserve: u64) {
        assert_eq!(reserve_of(volume), reserve);
    }

    #[rstest]
    #[case::alone(&[("a", 320_000)], &[])]
    #[case::one_fills_it(&[("a", 320_000), ("b", 3)], &["a"])]
    #[case::even(&[("a", 7), ("b", 7)], &[])]
    #[case::two_large(&[("a", 90), ("b", 80), ("c", 1)], &["a", "b"])]
    #[case::absurd(&[("a", u64::MAX), ("b", u64::MAX), ("c", 0)], &["a", "b"])]
    #[case::nothing_yet(&[("a", 0), ("b", 0)], &[])]
    fn who_holds_more_than_an_even_share_waits(#[case] rows: &[(&str, u64)], #[case] wait: &[&str]) {
        let rows: BTreeMap<String, u64> = rows.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
        let found: Vec<&str> = rows
            .keys()
            .map(String::as_str)
            .filter(|name| holds_too_much(name, &rows))
            .collect();
        assert_eq!(found, wait);
        assert!(!holds_too_much("new", &rows));
    }
}
