#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const HUGE: u64 = i64::MAX as u64 - 1;

fn count(rows: u64, limit: u64, total: u64, continues: bool) -> PageCount {
    PageCount {
        rows,
        limit,
        total: Some(total),
        continues,
    }
}

#[rstest]
#[case::last(count(2, 200, 2, false), false)]
#[case::nothing(count(0, 200, 0, false), false)]
#[case::full(count(200, 200, 900, true), false)]
#[case::exactly_full(count(200, 200, 200, false), false)]
#[case::fewer_than_counted(count(2, 200, 6, true), true)]
#[case::without_a_row(count(0, 200, 1, false), true)]
#[case::one_is_missing(count(199, 200, 900, true), true)]
#[case::another_page_of_a_short_one(count(2, 200, 2, true), true)]
#[case::without_a_count(PageCount { rows: 2, limit: 200, total: None, continues: false }, false)]
#[case::without_a_count_and_short(PageCount { rows: 2, limit: 200, total: None, continues: true }, true)]
fn pages_that_show_less_than_they_count(#[case] page: PageCount, #[case] short: bool) {
    assert_eq!(page.is_short(), short);
}

fn turns(pages: &[(PageCount, Option<u64>)]) -> Vec<PagingStep> {
    let mut paging = SearchPaging::starting_at(ContactId(0));
    let turn = |(count, next): &(PageCount, Option<u64>)| paging.turn(count, next.map(ContactId));
    pages.iter().map(turn).collect()
}

fn page(bound: u64) -> PagingStep {
    PagingStep::Page(ContactId(bound))
}

#[test]
fn a_page_that_leads_too_far_is_asked_for_again() {
    let full = |total| count(3, 3, total, true);
    let (last, nothing) = (count(3, 3, 3, false), count(0, 3, 0, false));
    assert_eq!(turns(&[(full(6), Some(3)), (last, None)]), [page(3), PagingStep::End]);
    // Behind the bound nobody is counted, where three must be.
    let astray = [(full(6), Some(HUGE)), (nothing, None), (full(6), Some(3)), (last, None)];
    assert_eq!(turns(&astray), [page(HUGE), page(0), page(3), PagingStep::End]);
    // The later page is the wrong one: the bound is the same both times, and believed.
    let fewer = [(full(6), Some(3)), (nothing, None), (full(6), Some(3)), (last, None)];
    assert_eq!(turns(&fewer), [page(3), page(0), page(3), PagingStep::End]);
    // Deleted meanwhile: the count stays lower.
    let deleted = [
        (full(6), Some(3)),
        (count(1, 3, 1, false), None),
        (full(4), Some(3)),
        (count(1, 3, 1, false), None),
    ];
    assert_eq!(turns(&deleted), [page(3), page(0), page(3), PagingStep::End]);
    // More came: nothing is doubted.
    assert_eq!(turns(&[(full(6), Some(3)), (full(9), Some(6))]), [page(3), page(6)]);
    // Further and further astray, for ever.
    let hostile: Vec<_> = (0..9)
        .map(|n| {
            if n % 2 == 0 {
                (full(9), Some(HUGE - n))
            } else {
                (nothing, None)
            }
        })
        .collect();
    assert!(turns(&hostile).contains(&PagingStep::GiveUp));
}

/// One answer of a search that is not as it should be.
#[derive(Debug, Clone)]
struct Lie {
    call: usize,
    kept: usize,
    further: u64,
    total: Option<u64>,
}

fn lies() -> impl Strategy<Value = Option<Lie>> {
    let lie = (
        1_usize..12,
        0_usize..6,
        prop_oneof![Just(HUGE), 1_u64..400],
        proptest::option::of(0_u64..100),
    );
    proptest::option::of(lie.prop_map(|(call, kept, further, total)| Lie {
        call,
        kept,
        further,
        total,
    }))
}

proptest! {
    /// A portal from which contacts are deleted all the while, and one answer behind the first that is not true: it
    /// shows rows that lead too far, or counts what is not so. Whoever is there all the time is found, and the search
    /// ends.
    #[test]
    fn nobody_is_passed_over(
        ids in proptest::collection::btree_set(1_u64..400, 0..80),
        deleted in proptest::collection::vec(proptest::option::of(0_u64..400), 0..120),
        limit in 2_u64..7,
        lie in lies(),
    ) {
        let mut living = ids.clone();
        let mut deletions = deleted.iter();
        let (mut seen, mut excused, mut calls) = (BTreeSet::new(), BTreeSet::new(), 0);
        let mut paging = SearchPaging::starting_at(ContactId(0));
        let mut bound = 0;
        loop {
            let mut tries = 0;
            let (page, rows) = loop {
                if let Some(Some(id)) = deletions.next() {
                    living.remove(id);
                }
                let behind: Vec<u64> = living.iter().copied().filter(|id| *id > bound).collect();
                let mut rows: Vec<u64> = behind.iter().copied().take(usize::try_from(limit).unwrap()).collect();
                let mut total = behind.len() as u64;
                if let Some(lie) = lie.as_ref().filter(|lie| lie.call == calls) {
                    let mut shown = rows.clone();
                    shown.truncate(lie.kept);
                    let last = shown.last().copied().unwrap_or(bound);
                    shown.push(last.saturating_add(lie.further).min(HUGE));
                    shown.truncate(rows.len().max(1));
                    let counted = lie.total.unwrap_or(total);
                    // One that shows all it counts can't be told from a true one.
                    if counted > shown.len() as u64 {
                        // Nor can an id in place of another one that leads past nobody else.
                        excused.extend(rows.iter().copied().filter(|_| lie.further != HUGE));
                        (rows, total) = (shown, counted);
                    }
                }
                calls += 1;
                let page = count(rows.len() as u64, limit, total, total > rows.len() as u64);
                tries += 1;
                if !page.is_short() || tries > 3 {
                    break (page, rows);
                }
            };
            prop_assert!(calls < 1_000, "no end");
            seen.extend(rows.iter().copied());
            let next = rows.last().filter(|_| page.total > Some(page.rows)).map(|id| ContactId(*id));
            match paging.turn(&page, next) {
                PagingStep::Page(next) => bound = next.0,
                PagingStep::End => break,
                PagingStep::GiveUp => prop_assert!(false, "one wrong answer is no reason to give up"),
            }
        }
        let passed: Vec<_> = living.difference(&seen).filter(|id| !excused.contains(*id)).collect();
        prop_assert!(passed.is_empty(), "{:?}", passed);
    }
}
