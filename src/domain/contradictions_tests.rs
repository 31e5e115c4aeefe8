//! What a status proves that contradicts itself, or gives no reason: nothing.

use proptest::prelude::*;

use super::*;

const GCLID: &str = "INVALID_GCLID";
const SILENT: &str = "UNSPECIFIED";

fn uncounted(name: &str, rows: &[usize]) -> ReportedFailure {
    ReportedFailure {
        count: None,
        ..failure(name, 0, rows)
    }
}

fn of_ten(progress: RequestProgress, failures: &[ReportedFailure]) -> BTreeMap<usize, RowResult> {
    told(progress, &(0..10).collect::<Vec<_>>(), failures)
}

fn all() -> Vec<usize> {
    (0..10).collect()
}

#[rstest::rstest]
#[case::outside(RequestProgress::PartlyFailed, vec![failure(GCLID, 3, &[0, 1, 77])])]
#[case::twice(RequestProgress::PartlyFailed, vec![failure(GCLID, 3, &[0, 1, 1])])]
#[case::no_number(RequestProgress::PartlyFailed, vec![failure(GCLID, 2, &[0, NO_ROW])])]
#[case::more_named_than_counted(RequestProgress::PartlyFailed, vec![failure(GCLID, 1, &[0, 1])])]
#[case::counted_none(RequestProgress::PartlyFailed, vec![failure(GCLID, 0, &[0])])]
#[case::not_counted(RequestProgress::PartlyFailed, vec![uncounted(GCLID, &[0])])]
#[case::beside_a_right_one(RequestProgress::PartlyFailed, vec![failure(GCLID, 1, &[0]), failure("NO_CONSENT", 1, &[77])])]
#[case::all_in_part(RequestProgress::PartlyFailed, vec![failure(GCLID, 10, &all())])]
#[case::all_in_part_unnamed(RequestProgress::PartlyFailed, vec![failure(GCLID, 10, &[])])]
#[case::all_in_part_for_two_reasons(RequestProgress::PartlyFailed, vec![failure(GCLID, 5, &all()[..5]), failure("NO_CONSENT", 5, &all()[5..])])]
#[case::none_in_part(RequestProgress::PartlyFailed, vec![])]
#[case::fewer_than_all(RequestProgress::Failed, vec![failure(GCLID, 9, &all()[..9])])]
#[case::all_and_one_twice(RequestProgress::Failed, vec![failure(GCLID, 10, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 8])])]
#[case::success_beside_what_cannot_be_read(RequestProgress::Succeeded, vec![uncounted(SILENT, &[])])]
#[case::success_beside_failures(RequestProgress::Succeeded, vec![failure(GCLID, 1, &[0])])]
#[case::without_a_reason(RequestProgress::Failed, vec![failure(SILENT, 10, &all())])]
#[case::without_a_reason_unnamed(RequestProgress::Failed, vec![failure(SILENT, 10, &[])])]
#[case::without_a_reason_beside_one(RequestProgress::Failed, vec![failure(SILENT, 10, &[]), failure(GCLID, 1, &[])])]
fn nothing_is_known_of_any_row(#[case] progress: RequestProgress, #[case] failures: Vec<ReportedFailure>) {
    assert_eq!(of_ten(progress, &failures), all_unknown(&all()));
}

/// One row, which was all of its request.
#[rstest::rstest]
#[case::another_index(failure(GCLID, 1, &[5]))]
#[case::no_index(failure(GCLID, 1, &[NO_ROW]))]
#[case::twice(failure(GCLID, 2, &[0, 0]))]
#[case::counted_none(failure(GCLID, 0, &[0]))]
#[case::counted_none_unnamed(failure(GCLID, 0, &[]))]
#[case::not_counted(uncounted(GCLID, &[0]))]
#[case::not_counted_unnamed(uncounted(GCLID, &[]))]
#[case::without_a_reason(failure(SILENT, 1, &[0]))]
#[case::without_a_reason_unnamed(failure(SILENT, 1, &[]))]
fn a_row_alone_is_not_rejected_for_what_proves_nothing(#[case] failure: ReportedFailure) {
    for progress in [
        RequestProgress::Succeeded,
        RequestProgress::PartlyFailed,
        RequestProgress::Failed,
    ] {
        let row_results = told(progress, &[0], std::slice::from_ref(&failure));
        if progress != RequestProgress::Succeeded || failure.count != Some(0) || !failure.rows.is_empty() {
            assert_eq!(row_results[&0], RowResult::Unknown(0), "{progress:?}");
        }
    }
    assert_eq!(
        told(RequestProgress::PartlyFailed, &[0], &[super::failure(GCLID, 1, &[0])])[&0],
        RowResult::Unknown(0)
    );
    assert_eq!(
        told(RequestProgress::Failed, &[0], &[super::failure(GCLID, 1, &[0])])[&0],
        rejected(GCLID)
    );
    assert_eq!(
        told(
            RequestProgress::Failed,
            &[0],
            &[super::failure("A_NAME_OF_2027", 1, &[])]
        )[&0],
        rejected("A_NAME_OF_2027")
    );
}

#[test]
fn rows_without_a_reason_go_again_in_halves_beside_those_that_have_one() {
    let found = of_ten(
        RequestProgress::PartlyFailed,
        &[failure(SILENT, 2, &[0, 1]), failure(GCLID, 1, &[9])],
    );
    assert_eq!(
        (&found[&0], &found[&1]),
        (&RowResult::Unknown(0), &RowResult::Unknown(1))
    );
    assert_eq!((&found[&5], &found[&9]), (&RowResult::Uploaded, &rejected(GCLID)));
}

fn any_failure() -> impl Strategy<Value = ReportedFailure> {
    let names = proptest::sample::select(vec![
        GCLID,
        SILENT,
        "A_NAME_OF_2027",
        "DUPLICATE_TRANSACTION_ID",
        "INTERNAL_ERROR",
    ]);
    let row = prop_oneof![8 => 0_usize..8, 1 => Just(NO_ROW), 1 => 8_usize..100];
    let rows = proptest::collection::vec(row, 0..8);
    (names, proptest::option::weighted(0.9, 0_u64..10), rows).prop_map(|(name, count, rows)| ReportedFailure {
        code: code(name),
        count,
        rows,
    })
}

proptest! {
    /// Google's rule book, from the other side: a row is rejected only with a reason, and only where the report can be
    /// about the rows of this request; it is called uploaded only where nothing that failed is open.
    #[test]
    fn no_row_is_decided_by_what_cannot_be(
        size in 1_usize..8,
        records in proptest::option::weighted(0.9, 1_u64..9),
        progress in proptest::sample::select(vec![RequestProgress::Succeeded, RequestProgress::PartlyFailed, RequestProgress::Failed]),
        failures in proptest::collection::vec(any_failure(), 0..4),
    ) {
        let members: Vec<usize> = (0..size).collect();
        let report = RequestReport { progress, records, failures: failures.clone() };
        let found = destination_results(&report, &members, size).unwrap_or_default();
        prop_assert_eq!(found.len(), size);
        let decided = found.values().any(|f| !matches!(f, RowResult::Unknown(_)));
        let possible = failures.iter().all(|f| {
            let mut rows = f.rows.clone();
            rows.sort_unstable();
            rows.dedup();
            rows.len() == f.rows.len() && rows.iter().all(|row| *row < size) && f.count.is_some_and(|n| (rows.len() as u64..=size as u64).contains(&n))
        });
        prop_assert!(!decided || (possible && records == Some(size as u64)), "{:?}", found);
        let total: u64 = failures.iter().filter_map(|f| f.count).sum();
        match progress {
            RequestProgress::Succeeded => prop_assert!(!decided || total == 0),
            RequestProgress::Failed => prop_assert!(!decided || total >= size as u64),
            _ => prop_assert!(!decided || (total > 0 && failures.iter().all(|f| f.count < Some(size as u64)))),
        }
        for (row, result) in &found {
            if let RowResult::Rejected(_, name) = result {
                let said = |f: &ReportedFailure| f.code.name == *name && (f.rows.contains(row) || f.count > Some(f.rows.len() as u64));
                prop_assert!(name != SILENT && failures.iter().any(said), "{row}: {result:?}");
            }
        }
    }
}
