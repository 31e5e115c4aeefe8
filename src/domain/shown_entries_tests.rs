use jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::contact::{HistoryEntry, Properties};
use crate::domain::occurrence::stage_entries;

fn shown(entries: &[i64]) -> ShownEntries {
    let of = (PortalId(7), "customer");
    ShownEntries::new(of, ContactId(1), [], entries.to_vec())
}

fn new_entries(entries: &[i64], known: &[i64]) -> Vec<i64> {
    let shown = shown(entries);
    let known: BTreeSet<i64> = known.iter().copied().collect();
    let shifted = shown.shifted_entries(&known);
    let is_new = |at: &i64| !known.contains(at) && !shifted.contains_key(at);
    entries.iter().copied().filter(is_new).collect()
}

#[rstest]
#[case::first_sight(&[40_123], &[], &[40_123])]
#[case::the_same(&[40_123], &[40_123], &[])]
#[case::cut_to_seconds(&[40_000], &[40_123], &[])]
#[case::was_cut_to_seconds(&[40_123], &[40_000], &[])]
#[case::a_millisecond(&[40_124], &[40_123], &[])]
#[case::a_second_earlier(&[39_123], &[40_123], &[])]
#[case::as_far_as_it_goes(&[45_123], &[40_123], &[])]
#[case::too_far(&[45_124], &[40_123], &[45_124])]
#[case::both_are_shown(&[40_123, 41_000], &[40_123], &[41_000])]
#[case::both_are_shifted(&[40_000, 41_000], &[40_500, 41_500], &[])]
#[case::onto_the_time_of_another(&[41_000, 42_000], &[40_000, 41_000], &[])]
#[case::one_stands_for_one(&[40_000, 41_000], &[40_500], &[41_000])]
#[case::the_first_is_left_for_the_first(&[39_000, 44_000], &[40_000, 45_000], &[])]
#[case::one_fell_out_of_the_history(&[90_000], &[40_000], &[90_000])]
fn entries_that_are_new(#[case] entries: &[i64], #[case] known: &[i64], #[case] expected: &[i64]) {
    assert_eq!(new_entries(entries, known), expected);
}

#[test]
fn what_is_shown_as_no_entry_is_shown_all_the_same() {
    let mut read = shown(&[40_000]);
    read.rows.insert(41_000);
    assert!(read.shifted_entries(&BTreeSet::from([41_000])).is_empty());
}

/// A contact with this history of its stage: values and times in milliseconds, oldest first.
fn contact(rows: &[(&str, i64)]) -> Contact {
    let row = |(value, at): &(&str, i64)| HistoryEntry {
        value: (*value).into(),
        at: Timestamp::from_millisecond(*at).unwrap(),
        by_merge: false,
    };
    Contact {
        requested_id: ContactId(1),
        id: ContactId(1),
        updated_at: None,
        as_of: None,
        properties: Properties::default(),
        history: vec![(LIFECYCLE_STAGE.into(), rows.iter().map(row).collect())],
        flaw: None,
    }
}

/// The entries that a read with this history adds to those that are known, for a contact of these other ids.
fn added(rows: &[(&str, i64)], others: &[u64], known: &BTreeSet<i64>) -> Vec<i64> {
    let contact = contact(rows);
    let entries = stage_entries(&contact, "customer", Timestamp::MIN);
    let entries: Vec<i64> = entries.into_iter().map(Timestamp::as_millisecond).collect();
    let others = others.iter().copied().map(ContactId);
    let shown = ShownEntries::new((PortalId(7), "customer"), ContactId(1), others, entries.clone());
    let shifted = shown.with_history_of(&contact).shifted_entries(known);
    let is_new = |at: &i64| !known.contains(at) && !shifted.contains_key(at);
    entries.into_iter().filter(is_new).collect()
}

/// The same in seconds.
fn added_seconds(rows: &[(&str, i64)], others: &[u64], known: &[i64]) -> Vec<i64> {
    let rows: Vec<_> = rows.iter().map(|(value, second)| (*value, second * 1_000)).collect();
    let known = known.iter().map(|second| second * 1_000).collect();
    let added = added(&rows, others, &known);
    added.into_iter().map(|at| at / 1_000).collect()
}

/// In seconds: what is known, when a read shows entries then, and which of them is new.
#[rstest]
#[case::an_hour_off(&[4_000], &[400], &[])]
#[case::as_far_as_a_time_zone_may_be(&[4_000], &[4_000 + 86_400], &[])]
#[case::farther(&[4_000], &[4_001 + 86_400], &[4_001 + 86_400])]
#[case::shown_all_the_same(&[4_000], &[400, 4_000], &[400])]
#[case::one_stands_for_one(&[4_000], &[400, 500], &[500])]
fn a_known_entry_that_was_never_merged_away_is_the_one_shown(
    #[case] known: &[i64],
    #[case] entered: &[i64],
    #[case] expected: &[i64],
) {
    let rows: Vec<_> = entered
        .iter()
        .flat_map(|at| [("lead", at - 50), ("customer", *at)])
        .collect();
    assert_eq!(added_seconds(&rows, &[], known), expected);
    // A merge drops entries: those of both are two.
    let unknown: Vec<i64> = entered.iter().copied().filter(|at| !known.contains(at)).collect();
    assert_eq!(added_seconds(&rows, &[2], known), unknown);
}

/// In seconds: the history that a read shows, what is known, and which entries are new.
#[rstest]
#[case::dropped(&[("lead", 5_000), ("customer", 6_001)], &[4_000], &[6_001])]
#[case::dropped_with_the_row_after(&[("customer", 6_001), ("lead", 7_000)], &[4_000], &[6_001])]
#[case::dropped_at_the_time_of_the_oldest(&[("lead", 4_000), ("customer", 6_001)], &[4_000], &[6_001])]
#[case::missing_behind_the_oldest(&[("lead", 3_999), ("customer", 6_001)], &[4_000], &[])]
// Not yet cut, or the first entry at another time: there is one row, so none was dropped.
#[case::alone(&[("customer", 6_001)], &[4_000], &[])]
// The whole history in another time zone.
#[case::other_zone(&[("lead", 4_000), ("customer", 7_600)], &[4_000], &[])]
#[case::seconds_later(&[("customer", 4_003), ("lead", 5_000)], &[4_000], &[])]
// The row before the oldest had the same value: the read that found the next entry has seen that.
#[case::repeats(&[("customer", 5_000), ("lead", 6_000), ("customer", 7_000)], &[4_000, 7_000], &[])]
#[case::entered_since(&[("customer", 5_000), ("lead", 6_000), ("customer", 7_001)], &[4_000], &[5_000, 7_001])]
fn what_hubspot_has_dropped_from_the_history_is_not_missing(
    #[case] rows: &[(&str, i64)],
    #[case] known: &[i64],
    #[case] expected: &[i64],
) {
    assert_eq!(added_seconds(rows, &[], known), expected);
}

#[test]
fn only_times_near_an_entry_are_looked_up() {
    let near = shown(&[40_000, 90_000]).near_times(&[1, 35_000, 40_000, 44_999, 45_001, 86_000, 96_000]);
    assert_eq!(near, [35_000, 44_999, 86_000]);
}

#[test]
fn the_canonical_id_comes_first_and_no_id_twice() {
    let of = |c| OccurrenceKey::for_lifecycle(PortalId(7), ContactId(c), "customer", 9_000);
    let others = [ContactId(20), ContactId(30), ContactId(5)];
    let shown = ShownEntries::new((PortalId(7), "customer"), ContactId(20), others, vec![9_000]);
    assert_eq!(shown.keys_at(9_000), [of(20), of(30), of(5)]);
}

/// A read that is odd in one way.
fn distort(entries: &[i64], way: u8) -> Vec<i64> {
    let odd = |at: &i64| match way {
        0 => at - at % 1_000,
        1 => at + 1,
        2 => at - 1_000,
        _ => at + 4_000,
    };
    let mut odd: Vec<i64> = entries.iter().map(odd).collect();
    odd.dedup();
    odd
}

proptest! {
    /// Whichever of two reads is odd, and however near entries
    /// lie: each counts once, and what is added later counts.
    #[test]
    fn each_entry_counts_once(
        all in proptest::collection::btree_set(0_i64..30_000, 1..12),
        first in 1_usize..12,
        way in 0_u8..4,
        odd_first in proptest::bool::ANY,
    ) {
        let all: Vec<i64> = all.into_iter().collect();
        let first = &all[..first.min(all.len())];
        let odd = distort(first, way);
        // A row of times each shifted onto the next one is none that happens.
        prop_assume!(odd.iter().all(|at| !all.contains(at) || first.contains(at) && way == 0));
        let (earlier, later) = if odd_first { (odd.as_slice(), first) } else { (first, odd.as_slice()) };
        let mut known = new_entries(earlier, &[]);
        let before = known.len();
        prop_assert_eq!(before, earlier.len());
        known.extend(new_entries(later, &known));
        // Two that an odd read showed as one are two once they are shown.
        prop_assert_eq!(known.len(), before.max(later.len()));
        known.extend(new_entries(&all, &known));
        prop_assert_eq!(known.len(), all.len());
    }

    /// However few of the newest rows HubSpot shows, and whenever they are read: each entry that some read shows counts
    /// once. They are farther apart than a time may be off.
    #[test]
    fn each_entry_shown_counts_once_however_much_of_the_history_is_dropped(
        changes in proptest::collection::vec((LONGEST_SHIFT + 1..50_000_000_i64, 0_usize..3, proptest::bool::ANY), 1..60),
        most in 2_usize..12,
    ) {
        let mut rows: Vec<(&str, i64)> = Vec::new();
        let mut known = BTreeSet::new();
        let mut expected = BTreeSet::new();
        for (pause, value, is_read) in changes {
            let at = rows.last().map_or(0, |(_, at)| *at) + pause;
            // A time zone's step between two entries is not what is meant here.
            prop_assume!(rows.iter().all(|(_, earlier)| (at - earlier) % ZONES_APART != 0));
            let values: Vec<_> = ["customer", "lead", "", "subscriber"].into_iter().collect();
            let others: Vec<_> = values.into_iter().filter(|value| rows.last().is_none_or(|(last, _)| last != value)).collect();
            // Half of all changes are entries.
            let value = if others.contains(&"customer") && value > 0 { "customer" } else { others[value] };
            rows.push((value, at));
            if !is_read {
                continue;
            }
            let shown = &rows[rows.len().saturating_sub(most)..];
            expected.extend(shown.iter().filter(|(value, _)| *value == "customer").map(|(_, at)| *at));
            let new = added(shown, &[], &known);
            known.extend(new);
            prop_assert_eq!(&known, &expected);
        }
    }

    /// Read after every change, so that each row is the oldest one once: what repeats a value that is no longer shown is
    /// no entry where a later one is known.
    #[test]
    fn a_row_that_repeats_what_was_dropped_is_no_entry(
        pauses in proptest::collection::vec(LONGEST_SHIFT + 1..50_000_000_i64, 80),
        repeats in proptest::collection::vec(1_usize..4, 20),
        most in 6_usize..12,
    ) {
        let pattern = repeats.into_iter().flat_map(|times| std::iter::repeat_n("customer", times).chain(["lead"]));
        let mut rows: Vec<(&str, i64)> = Vec::new();
        let (mut known, mut expected) = (BTreeSet::new(), BTreeSet::new());
        for (value, pause) in pattern.zip(pauses) {
            let at = rows.last().map_or(0, |(_, at)| *at) + pause;
            prop_assume!(rows.iter().all(|(_, earlier)| (at - earlier) % ZONES_APART != 0));
            if value == "customer" && rows.last().is_none_or(|(last, _)| *last != value) {
                expected.insert(at);
            }
            rows.push((value, at));
            known.extend(added(&rows[rows.len().saturating_sub(most)..], &[], &known));
            prop_assert_eq!(&known, &expected);
        }
    }
}
