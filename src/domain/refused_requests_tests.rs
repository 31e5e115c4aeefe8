//! How requests are cut down that were refused as a whole.

use super::*;

#[test]
fn named_rows_are_cut_out_and_the_rest_goes_again() {
    let plan = cut_down_refused(&[0, 0, 0, 0], None, &[row(0, "INVALID_CURRENCY_CODE"), row(2, "")]);
    assert_eq!(plan.row_results[&0], rejected("INVALID_CURRENCY_CODE"));
    assert_eq!(plan.row_results.len(), 1, "row 2 is named, and nothing is said of it");
    assert_eq!(plan.resend, [vec![1, 2, 3]]);
}

/// The code of the request may be about anything else.
#[rstest::rstest]
#[case::without_a_code(None, vec![row(0, "")])]
#[case::with_one_that_says_nothing(None, vec![row(0, "UNSPECIFIED")])]
#[case::beside_the_code_of_the_request(Some("INVALID_CURRENCY_CODE"), vec![row(0, "")])]
#[case::beside_a_row_that_was_not_sent(None, vec![row(0, "INVALID_CURRENCY_CODE"), row(99, "INVALID_CURRENCY_CODE")])]
#[case::beside_an_index_that_is_none(None, vec![row(0, "INVALID_CURRENCY_CODE"), row(NO_ROW, "INVALID_CURRENCY_CODE")])]
fn a_row_that_is_named_like_this_is_not_named(#[case] whole: Option<&str>, #[case] complaints: Vec<Complaint>) {
    let many = cut_down_refused(&[0; 4], whole.map(code).as_ref(), &complaints);
    assert_eq!((many.row_results.len(), many.unnamed), (0, true), "{many:?}");
    assert_eq!(many.resend, [vec![0, 1], vec![2, 3]]);
    let alone = cut_down_refused(&[0], whole.map(code).as_ref(), &complaints);
    assert!(alone.unnamed, "{alone:?}");
}

#[test]
fn a_complaint_about_a_destination_is_about_the_action_whatever_it_is_called() {
    for (own, whole) in [
        (Some(code("INVALID_FORMAT")), None),
        (None, Some(code("INVALID_FORMAT"))),
    ] {
        let complaint = Complaint {
            row: None,
            destination: Some(0),
            code: own,
        };
        let plan = cut_down_refused(&[0], whole.as_ref(), &[complaint]);
        let action = |row_result: &RowResult| matches!(row_result, RowResult::Blocked(code) if code.class == Class::Blocked(Matter::Action));
        assert!(action(&plan.row_results[&0]), "{plan:?}");
    }
}

#[test]
fn without_a_name_the_request_is_halved_until_a_row_is_alone() {
    assert_eq!(cut_down_refused(&[0; 3], None, &[]).resend, [vec![0], vec![1, 2]]);
    let alone = cut_down_refused(&[0], None, &[]);
    assert_eq!(
        alone.row_results[&0],
        RowResult::Rejected("InvalidArgument".into(), String::new())
    );
    let coded = cut_down_refused(&[0], Some(&code("A_NAME_OF_2027")), &[]);
    assert_eq!(coded.row_results[&0], rejected("A_NAME_OF_2027"));
}

#[rstest::rstest]
#[case::bare(None, vec![], true)]
#[case::unknown(Some("A_NAME_OF_2027"), vec![], true)]
#[case::code_of_rows(Some("INVALID_CURRENCY_CODE"), vec![], true)]
#[case::too_large(Some("TOO_MANY_EVENTS"), vec![], true)]
#[case::too_large_at_itself(None, vec![row(0, "TOO_MANY_EVENTS")], true)]
#[case::outside(None, vec![row(99, "INVALID_CURRENCY_CODE")], true)]
#[case::outside_beside_a_code(Some("INVALID_CURRENCY_CODE"), vec![row(99, "")], true)]
#[case::delivered_outside(None, vec![row(99, "DUPLICATE_TRANSACTION_ID")], true)]
#[case::named_without_a_code(None, vec![row(0, "")], true)]
#[case::named_with_a_code_that_says_nothing(None, vec![row(0, "UNSPECIFIED")], true)]
#[case::named(None, vec![row(0, "INVALID_CURRENCY_CODE")], false)]
#[case::named_with_an_unknown_code(None, vec![row(0, "A_NAME_OF_2027")], false)]
fn a_row_alone_is_refused_for_itself_only_if_it_is_named(
    #[case] whole: Option<&str>,
    #[case] complaints: Vec<Complaint>,
    #[case] unnamed: bool,
) {
    let plan = cut_down_refused(&[0], whole.map(code).as_ref(), &complaints);
    assert_eq!(plan.unnamed, unnamed, "{plan:?}");
    assert!(matches!(plan.row_results[&0], RowResult::Rejected(..)));
}

#[rstest::rstest]
#[case::bare(None, vec![], true)]
#[case::outside(None, vec![row(99, "INVALID_CURRENCY_CODE")], true)]
#[case::too_large(Some("TOO_MANY_EVENTS"), vec![], false)]
#[case::named(None, vec![row(0, "INVALID_CURRENCY_CODE")], false)]
fn halves_have_been_refused_once_unless_there_were_too_many_rows(
    #[case] whole: Option<&str>,
    #[case] complaints: Vec<Complaint>,
    #[case] unnamed: bool,
) {
    let plan = cut_down_refused(&[0; 4], whole.map(code).as_ref(), &complaints);
    assert_eq!(plan.unnamed, unnamed, "{plan:?}");
}

#[test]
fn what_is_delivered_or_waits_alone_needs_no_other_row() {
    for name in [
        "DUPLICATE_TRANSACTION_ID",
        "TOO_RECENT_CLICK",
        "INTERNAL_ERROR",
        "NOT_ALLOWLISTED",
    ] {
        let plan = cut_down_refused(&[0], Some(&code(name)), &[]);
        assert!(!plan.unnamed, "{plan:?}");
    }
}

#[test]
fn an_action_refused_without_a_name_is_found_among_the_others() {
    for name in ["CONVERSION_ACTION_TOO_RECENTLY_CREATED", "INVALID_CONVERSION_ACTION_ID"] {
        let plan = cut_down_refused(&[0, 1, 0], Some(&code(name)), &[]);
        assert!(plan.row_results.is_empty());
        assert_eq!(plan.resend, [vec![0, 2], vec![1]]);
    }
    let plan = cut_down_refused(&[0, 0], Some(&code("CONVERSION_ACTION_TOO_RECENTLY_CREATED")), &[]);
    assert!(
        plan.row_results
            .values()
            .all(|f| matches!(f, RowResult::Wait(reason::ACTION_TOO_NEW, _)))
    );
}

#[test]
fn a_request_that_is_too_large_is_split_and_rejects_nobody() {
    let plan = cut_down_refused(&[0, 0, 0, 0], None, &[row(3, "TOO_MANY_EVENTS")]);
    assert!(plan.row_results.is_empty());
    assert_eq!(plan.resend, [vec![0, 1], vec![2, 3]]);
}

#[test]
fn what_is_final_of_named_rows_takes_two_answers_that_name_them() {
    let complaints = [
        row(0, "INVALID_CURRENCY_CODE"),
        row(1, "TOO_RECENT_CLICK"),
        row(2, "DUPLICATE_TRANSACTION_ID"),
        row(3, "INVALID_CURRENCY_CODE"),
    ];
    let told = |before: &[(usize, FinalVerdict)]| {
        let mut plan = cut_down_refused(&[0; 5], None, &complaints);
        plan.doubt_unconfirmed(|row, word| before.contains(&(row, word)));
        plan
    };
    let (no, there) = (FinalVerdict::Rejected, FinalVerdict::Delivered);
    let plan = told(&[]);
    assert_eq!(plan.row_results.keys().collect::<Vec<_>>(), [&1], "it waits");
    assert_eq!(
        plan.resend,
        [vec![4], vec![0, 2, 3]],
        "those that are named among themselves"
    );
    let plan = told(&[(0, no), (2, there), (3, there)]);
    assert_eq!(plan.resend, [vec![4], vec![3]], "two words that differ");
    assert_eq!(plan.row_results[&0], rejected("INVALID_CURRENCY_CODE"));
    assert_eq!(plan.row_results[&2], RowResult::Uploaded);
    let plan = told(&[(0, no), (2, there), (3, no)]);
    assert_eq!(plan.resend, [vec![4]]);
}

#[test]
fn a_row_that_nobody_names_has_a_rule_of_its_own() {
    let mut alone = cut_down_refused(&[0], None, &[]);
    alone.doubt_unconfirmed(|_, _| false);
    assert!(matches!(alone.row_results[&0], RowResult::Rejected(..)) && alone.resend.is_empty());
}
