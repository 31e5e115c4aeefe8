//! What answers of Data Manager mean for rows.

#![allow(clippy::type_complexity)]

use super::*;
use crate::domain::request_report::{ReportedFailure, RequestProgress, RequestReport, destination_results};

/// A code with the meaning its client would give it.
fn code(name: &str) -> Code {
    let class = match name {
        "INVALID_CONVERSION_ACTION_ID" => Class::Blocked(Matter::Action),
        "NOT_ALLOWLISTED" => Class::Blocked(Matter::NotAllowlisted),
        "TERMS_AND_CONDITIONS_NOT_SIGNED" => Class::Blocked(Matter::Terms),
        "INTERNAL_ERROR" => Class::Wait(reason::UPSTREAM_UNAVAILABLE),
        "CONVERSION_NOT_FOUND" => Class::Wait(reason::AWAITING_WEB_CONVERSION),
        "CONVERSION_ACTION_TOO_RECENTLY_CREATED" => Class::Wait(reason::ACTION_TOO_NEW),
        "TOO_RECENT_CLICK" => Class::Wait(reason::CLICK_TOO_RECENT),
        "CONVERSION_ALREADY_ENHANCED" | "DUPLICATE_TRANSACTION_ID" => Class::Delivered,
        "TOO_MANY_EVENTS" | "DUPLICATE_ENHANCEMENT_IN_REQUEST" => Class::TooLarge,
        "A_NAME_OF_2027" => Class::Unknown,
        "UNSPECIFIED" => Class::SaysNothing,
        _ => Class::Rejected,
    };
    Code::test(name, class)
}

fn row(row: usize, name: &str) -> Complaint {
    Complaint {
        row: Some(row),
        destination: None,
        code: (!name.is_empty()).then(|| code(name)),
    }
}

fn failure(name: &str, count: u64, rows: &[usize]) -> ReportedFailure {
    ReportedFailure {
        code: code(name),
        count: Some(count),
        rows: rows.to_vec(),
    }
}

/// The results under a report that counts as many rows as there are.
fn told(progress: RequestProgress, members: &[usize], failures: &[ReportedFailure]) -> BTreeMap<usize, RowResult> {
    let report = RequestReport {
        progress,
        records: Some(members.len() as u64),
        failures: failures.to_vec(),
    };
    let sent = members.last().map_or(0, |last| last + 1);
    destination_results(&report, members, sent).unwrap_or_default()
}

fn rejected(name: &str) -> RowResult {
    RowResult::Rejected(code(name).reason, name.to_owned())
}

fn blocked(name: &str) -> RowResult {
    RowResult::Blocked(code(name))
}

#[test]
fn a_click_of_another_account_concerns_its_row() {
    let plan = cut_down_refused(&[0, 0], None, &[row(1, "INVALID_AD_IDENTIFIER_FOR_ACCOUNT")]);
    assert_eq!(plan.row_results[&1], rejected("INVALID_AD_IDENTIFIER_FOR_ACCOUNT"));
    assert_eq!(plan.resend, [vec![0]]);
    let both = told(
        RequestProgress::Failed,
        &[0, 1],
        &[failure("OPERATING_ACCOUNT_MISMATCH", 2, &[])],
    );
    assert!(
        both.values()
            .all(|row_result| *row_result == rejected("OPERATING_ACCOUNT_MISMATCH"))
    );
}

#[test]
fn a_code_about_the_account_holds_the_rows_of_its_destination_wherever_it_comes() {
    let terms = "TERMS_AND_CONDITIONS_NOT_SIGNED";
    let by_row = cut_down_refused(&[0, 1, 1, 0], None, &[row(1, terms)]);
    assert_eq!(
        by_row.row_results,
        BTreeMap::from([(1, blocked(terms)), (2, blocked(terms))])
    );
    assert_eq!(by_row.resend, [vec![0, 3]]);
    let complaint = Complaint {
        row: None,
        destination: Some(1),
        code: Some(code("INVALID_CONVERSION_ACTION_ID")),
    };
    let by_destination = cut_down_refused(&[0, 1, 1, 0], None, &[complaint]);
    assert_eq!(by_destination.row_results[&1], blocked("INVALID_CONVERSION_ACTION_ID"));
    assert_eq!(by_destination.row_results[&2], blocked("INVALID_CONVERSION_ACTION_ID"));
    assert_eq!(by_destination.resend, [vec![0, 3]]);
    let whole = cut_down_refused(&[0, 0], Some(&code("NOT_ALLOWLISTED")), &[]);
    assert!(whole.resend.is_empty());
    assert!(whole.row_results.values().all(|f| *f == blocked("NOT_ALLOWLISTED")));
    let late = told(RequestProgress::Failed, &[0, 1], &[failure(terms, 2, &[])]);
    assert!(late.values().all(|f| *f == blocked(terms)));
    let named = told(RequestProgress::PartlyFailed, &[0, 1], &[failure(terms, 1, &[1])]);
    assert_eq!((&named[&0], &named[&1]), (&RowResult::Uploaded, &blocked(terms)));
}

#[test]
fn results_by_index() {
    let failures = [failure("INVALID_GCLID", 1, &[4])];
    let row_results = told(RequestProgress::PartlyFailed, &[3, 4, 5], &failures);
    assert_eq!(row_results[&3], RowResult::Uploaded);
    assert!(matches!(&row_results[&4], RowResult::Rejected(r, _) if r == "InvalidGclid"));
    assert_eq!(row_results[&5], RowResult::Uploaded);
    let open = RequestReport {
        progress: RequestProgress::Open,
        records: Some(1),
        failures: vec![],
    };
    assert_eq!(destination_results(&open, &[3], 1), None);
}

#[rstest::rstest]
#[case::as_many_as_went_there(Some(2), true)]
#[case::as_many_as_the_request_had(Some(5), true)]
#[case::fewer(Some(1), false)]
#[case::more(Some(6), false)]
#[case::not_said(None, false)]
fn a_report_about_another_number_of_rows_is_no_evidence(#[case] records: Option<u64>, #[case] evidence: bool) {
    for progress in [
        RequestProgress::Succeeded,
        RequestProgress::PartlyFailed,
        RequestProgress::Failed,
    ] {
        let failures = match progress {
            RequestProgress::Succeeded => vec![],
            RequestProgress::Failed => vec![failure("INVALID_GCLID", 2, &[3, 4])],
            _ => vec![failure("INVALID_GCLID", 1, &[4])],
        };
        let report = RequestReport {
            progress,
            records,
            failures,
        };
        let row_results = destination_results(&report, &[3, 4], 5).unwrap_or_default();
        assert_eq!(row_results.len(), 2);
        let told = row_results
            .values()
            .all(|row_result| !matches!(row_result, RowResult::Unknown(_)));
        assert_eq!(told, evidence, "{progress:?}: {row_results:?}");
    }
}

#[test]
fn of_several_reasons_for_one_row_the_hardest_wins() {
    let order = [
        "DUPLICATE_TRANSACTION_ID",
        "INTERNAL_ERROR",
        "NOT_ALLOWLISTED",
        "NO_CONSENT",
    ];
    let wanted = |name| match name {
        "INTERNAL_ERROR" => RowResult::Wait(reason::UPSTREAM_UNAVAILABLE, name.into()),
        "NOT_ALLOWLISTED" => blocked(name),
        name => rejected(name),
    };
    for (easy, one) in order.iter().enumerate() {
        for other in &order[easy + 1..] {
            for pair in [[*one, *other], [*other, *one]] {
                let named: Vec<_> = pair.iter().map(|name| failure(name, 1, &[0])).collect();
                assert_eq!(
                    told(RequestProgress::PartlyFailed, &[0, 1], &named)[&0],
                    wanted(*other),
                    "{pair:?}"
                );
                let alone: Vec<_> = pair.iter().map(|name| failure(name, 1, &[])).collect();
                assert_eq!(
                    told(RequestProgress::Failed, &[0], &alone)[&0],
                    wanted(*other),
                    "{pair:?} alone"
                );
                let complaints = pair.map(|name| row(0, name));
                assert_eq!(row_by_row_results(&[Evidence::None], &complaints)[&0], wanted(*other));
                assert_eq!(
                    cut_down_refused(&[0], None, &complaints).row_results[&0],
                    wanted(*other)
                );
            }
        }
    }
    let first = [row(0, "INVALID_GCLID"), row(0, "NO_CONSENT")];
    assert_eq!(
        row_by_row_results(&[Evidence::None], &first)[&0],
        rejected("INVALID_GCLID")
    );
}

#[test]
fn short_indices_leave_the_rest_unknown() {
    let row_results = told(
        RequestProgress::PartlyFailed,
        &[0, 1, 2],
        &[failure("INVALID_GCLID", 2, &[0])],
    );
    assert!(matches!(row_results[&0], RowResult::Rejected(..)));
    assert_eq!(
        (row_results[&1].clone(), row_results[&2].clone()),
        (RowResult::Unknown(0), RowResult::Unknown(1))
    );
    // The second reason may be the first row's too: then the other row went through.
    let two = [failure("INVALID_GCLID", 1, &[0]), failure("EVENT_TOO_OLD", 1, &[])];
    assert_eq!(
        told(RequestProgress::PartlyFailed, &[0, 1], &two)[&1],
        RowResult::Unknown(0)
    );
}

#[test]
fn when_all_failed_no_indices_are_needed() {
    let row_results = told(RequestProgress::Failed, &[0, 1], &[failure("EVENT_TOO_OLD", 2, &[])]);
    assert!(row_results.values().all(|f| *f == rejected("EVENT_TOO_OLD")));
    assert_eq!(told(RequestProgress::Failed, &[0, 1], &[])[&0], RowResult::Unknown(0));
    let of_others = told(
        RequestProgress::Failed,
        &[0, 1],
        &[failure("EVENT_TOO_OLD", 2, &[2, 3])],
    );
    assert!(
        of_others.values().all(|f| matches!(f, RowResult::Unknown(_))),
        "{of_others:?}"
    );
    let fewer = told(RequestProgress::Failed, &[0, 1], &[failure("EVENT_TOO_OLD", 1, &[])]);
    assert!(fewer.values().all(|f| matches!(f, RowResult::Unknown(_))), "{fewer:?}");
}

#[test]
fn a_row_alone_gets_its_code_also_without_index_and_under_two_reasons() {
    let two = [failure("INVALID_GCLID", 1, &[]), failure("EVENT_TOO_OLD", 1, &[])];
    assert_eq!(told(RequestProgress::Failed, &[0], &two)[&0], rejected("INVALID_GCLID"));
}

#[test]
fn a_partial_success_that_names_nothing_calls_nobody_uploaded() {
    let row_results = told(RequestProgress::PartlyFailed, &[0, 1], &[]);
    assert_eq!(
        (row_results[&0].clone(), row_results[&1].clone()),
        (RowResult::Unknown(0), RowResult::Unknown(1))
    );
    let row_results = told(
        RequestProgress::PartlyFailed,
        &[0, 1],
        &[failure("INVALID_GCLID", 0, &[])],
    );
    assert!(row_results.values().all(|f| matches!(f, RowResult::Unknown(_))));
}

/// The row is number 3 of its request and the only one of its destination.
#[rstest::rstest]
#[case::nothing_named(RequestProgress::PartlyFailed, vec![], RowResult::Unknown(0))]
#[case::nothing_counted(RequestProgress::PartlyFailed, vec![failure("INVALID_GCLID", 0, &[])], RowResult::Unknown(0))]
#[case::another_row(RequestProgress::PartlyFailed, vec![failure("INVALID_GCLID", 1, &[2])], RowResult::Unknown(0))]
#[case::a_row_outside(RequestProgress::PartlyFailed, vec![failure("INVALID_GCLID", 1, &[99])], RowResult::Unknown(0))]
#[case::another_row_uncounted(RequestProgress::PartlyFailed, vec![failure("INVALID_GCLID", 0, &[2])], RowResult::Unknown(0))]
#[case::counted(RequestProgress::PartlyFailed, vec![failure("INVALID_GCLID", 1, &[])], RowResult::Unknown(0))]
#[case::more_counted(RequestProgress::PartlyFailed, vec![failure("INVALID_GCLID", 9, &[])], RowResult::Unknown(0))]
#[case::more_named(RequestProgress::PartlyFailed, vec![failure("INVALID_GCLID", 2, &[3])], RowResult::Unknown(0))]
#[case::all_failed_and_more(RequestProgress::Failed, vec![failure("INVALID_GCLID", 2, &[])], RowResult::Unknown(0))]
#[case::all_failed_and_more_named(RequestProgress::Failed, vec![failure("INVALID_GCLID", 9, &[3])], RowResult::Unknown(0))]
#[case::named(RequestProgress::PartlyFailed, vec![failure("INVALID_GCLID", 1, &[3])], RowResult::Unknown(0))]
#[case::another_and_itself(
    RequestProgress::PartlyFailed,
    vec![failure("NO_CONSENT", 1, &[2]), failure("INVALID_GCLID", 1, &[])],
    RowResult::Unknown(0)
)]
#[case::success(RequestProgress::Succeeded, vec![], RowResult::Uploaded)]
#[case::success_of_nothing_failed(RequestProgress::Succeeded, vec![failure("INVALID_GCLID", 0, &[])], RowResult::Uploaded)]
#[case::success_with_another_failed(RequestProgress::Succeeded, vec![failure("INVALID_GCLID", 1, &[2])], RowResult::Unknown(0))]
#[case::success_that_failed(RequestProgress::Succeeded, vec![failure("INVALID_GCLID", 1, &[])], RowResult::Unknown(0))]
#[case::success_that_failed_by_name(RequestProgress::Succeeded, vec![failure("INVALID_GCLID", 1, &[3])], RowResult::Unknown(0))]
#[case::failed_for_no_reason(RequestProgress::Failed, vec![], RowResult::Unknown(0))]
#[case::failed_uncounted(RequestProgress::Failed, vec![failure("INVALID_GCLID", 0, &[])], RowResult::Unknown(0))]
#[case::failed(RequestProgress::Failed, vec![failure("INVALID_GCLID", 1, &[])], rejected("INVALID_GCLID"))]
#[case::failed_by_name(RequestProgress::Failed, vec![failure("INVALID_GCLID", 1, &[3])], rejected("INVALID_GCLID"))]
#[case::failed_in_another(RequestProgress::Failed, vec![failure("INVALID_GCLID", 1, &[2])], RowResult::Unknown(0))]
#[case::failed_in_another_uncounted(RequestProgress::Failed, vec![failure("INVALID_GCLID", 0, &[2])], RowResult::Unknown(0))]
#[case::failed_in_a_row_outside(RequestProgress::Failed, vec![failure("INVALID_GCLID", 1, &[99])], RowResult::Unknown(0))]
#[case::failed_in_another_and_itself(
    RequestProgress::Failed,
    vec![failure("NO_CONSENT", 1, &[2]), failure("INVALID_GCLID", 1, &[])],
    rejected("INVALID_GCLID")
)]
fn a_row_alone_is_uploaded_only_where_nothing_says_otherwise(
    #[case] progress: RequestProgress,
    #[case] failures: Vec<ReportedFailure>,
    #[case] wanted: RowResult,
) {
    assert_eq!(told(progress, &[3], &failures)[&3], wanted);
}

#[test]
fn a_row_alone_is_found_among_those_of_other_destinations() {
    let report = RequestReport {
        progress: RequestProgress::PartlyFailed,
        records: Some(4),
        failures: vec![failure("INVALID_GCLID", 2, &[2, 3])],
    };
    let row_results = destination_results(&report, &[3], 4).unwrap_or_default();
    assert_eq!(row_results[&3], rejected("INVALID_GCLID"));
}

/// The rows are numbers 3 and 4 of their request, which has others too.
#[rstest::rstest]
#[case::names_none_of_ours(vec![failure("INVALID_GCLID", 1, &[2])], RowResult::Unknown(0), RowResult::Unknown(1))]
#[case::outside(vec![failure("INVALID_GCLID", 1, &[99])], RowResult::Unknown(0), RowResult::Unknown(1))]
#[case::no_count(vec![failure("INVALID_GCLID", 0, &[])], RowResult::Unknown(0), RowResult::Unknown(1))]
#[case::one_of_ours_twice(vec![failure("INVALID_GCLID", 2, &[3, 3])], RowResult::Unknown(0), RowResult::Unknown(1))]
#[case::one_of_ours_and_one_outside(vec![failure("INVALID_GCLID", 2, &[3, 99])], RowResult::Unknown(0), RowResult::Unknown(1))]
#[case::one_without_a_count(vec![failure("INVALID_GCLID", 0, &[3])], RowResult::Unknown(0), RowResult::Unknown(1))]
#[case::one(vec![failure("INVALID_GCLID", 1, &[3])], rejected("INVALID_GCLID"), RowResult::Uploaded)]
fn in_part_the_other_row_is_uploaded_only_where_all_that_failed_is_named(
    #[case] failures: Vec<ReportedFailure>,
    #[case] first: RowResult,
    #[case] second: RowResult,
) {
    let row_results = told(RequestProgress::PartlyFailed, &[3, 4], &failures);
    assert_eq!((&row_results[&3], &row_results[&4]), (&first, &second));
}

#[test]
fn a_status_that_contradicts_itself_decides_nothing_of_many_rows() {
    let of = |progress, count, rows: &[usize]| told(progress, &[0, 1], &[failure("INVALID_GCLID", count, rows)]);
    for row_results in [
        of(RequestProgress::Succeeded, 1, &[0]),
        of(RequestProgress::Failed, 3, &[]),
        of(RequestProgress::Failed, 3, &[0, 1]),
        of(RequestProgress::PartlyFailed, 3, &[0]),
    ] {
        let wanted = [(0, RowResult::Unknown(0)), (1, RowResult::Unknown(1))];
        assert_eq!(row_results, BTreeMap::from(wanted));
    }
}

#[path = "contradictions_tests.rs"]
mod contradictions;
#[path = "batch_properties_tests.rs"]
mod properties;
#[path = "refused_requests_tests.rs"]
mod refused_requests;
#[path = "row_answers_tests.rs"]
mod row_answers;
