//! What answers mean that the Google Ads API gives row by row.

use super::*;

#[test]
fn rows_answered_one_by_one() {
    let complaints = [
        row(0, "CONVERSION_NOT_FOUND"),
        row(1, "CONVERSION_ALREADY_ENHANCED"),
        row(2, "INVALID_USER_IDENTIFIER"),
        row(2, "CONVERSION_NOT_FOUND"),
        row(3, "A_NAME_OF_2027"),
        row(4, "DUPLICATE_ENHANCEMENT_IN_REQUEST"),
    ];
    let mut evidence = [Evidence::None; 8];
    evidence[5] = Evidence::Taken;
    evidence[7] = Evidence::OfAnother;
    let row_results = row_by_row_results(&evidence, &complaints);
    let wait = |why, name: &str| RowResult::Wait(why, name.to_owned());
    assert_eq!(
        row_results,
        BTreeMap::from([
            (0, wait(reason::AWAITING_WEB_CONVERSION, "CONVERSION_NOT_FOUND")),
            (1, RowResult::Uploaded),
            (2, rejected("INVALID_USER_IDENTIFIER")),
            (3, rejected("A_NAME_OF_2027")),
            (
                4,
                wait(reason::UPSTREAM_UNAVAILABLE, "DUPLICATE_ENHANCEMENT_IN_REQUEST")
            ),
            (5, RowResult::Uploaded),
            (7, RowResult::Unknown(0)),
        ]),
        "nothing is said of row 6"
    );
}

#[rstest::rstest]
#[case::none("")]
#[case::one_that_says_nothing("UNSPECIFIED")]
fn a_failure_without_a_code_says_nothing_of_its_row(#[case] silent: &str) {
    let row_results = row_by_row_results(&[Evidence::None, Evidence::Taken], &[row(0, silent)]);
    let wanted = [(0, RowResult::Unknown(0)), (1, RowResult::Uploaded)];
    assert_eq!(row_results, BTreeMap::from(wanted));
    let named_again = [row(0, silent), row(0, "INVALID_USER_IDENTIFIER")];
    assert_eq!(
        row_by_row_results(&[Evidence::None], &named_again)[&0],
        rejected("INVALID_USER_IDENTIFIER")
    );
}

#[rstest::rstest]
#[case::waits("CONVERSION_NOT_FOUND")]
#[case::rejected("INVALID_USER_IDENTIFIER")]
#[case::nothing_said("")]
fn of_a_row_with_an_error_and_a_result_nothing_is_known(#[case] code: &str) {
    for evidence in [Evidence::Taken, Evidence::OfAnother] {
        let row_results = row_by_row_results(&[evidence, Evidence::Taken], &[row(0, code)]);
        let wanted = [(0, RowResult::Unknown(0)), (1, RowResult::Uploaded)];
        assert_eq!(row_results, BTreeMap::from(wanted));
    }
}

#[test]
fn a_failure_of_a_row_that_was_not_sent_may_mean_any() {
    let of_none = Complaint {
        row: None,
        ..row(0, "INVALID_USER_IDENTIFIER")
    };
    for complaint in [
        row(99, "INVALID_USER_IDENTIFIER"),
        row(NO_ROW, "INVALID_USER_IDENTIFIER"),
        row(2, ""),
        of_none,
    ] {
        let complaints = [row(0, "CONVERSION_NOT_FOUND"), complaint];
        let row_results = row_by_row_results(&[Evidence::None, Evidence::Taken], &complaints);
        let wanted = [(0, RowResult::Unknown(0)), (1, RowResult::Unknown(1))];
        assert_eq!(row_results, BTreeMap::from(wanted));
    }
}

#[test]
fn what_a_code_says_for_good_takes_two_answers_and_a_result_one() {
    let complaints = [
        row(0, "EXPIRED_EVENT"),
        row(1, "CONVERSION_ALREADY_ENHANCED"),
        row(2, "CONVERSION_NOT_FOUND"),
    ];
    let mut evidence = [Evidence::None; 4];
    evidence[3] = Evidence::Taken;
    let told = |before: &[(usize, FinalVerdict)]| {
        let mut row_results = row_by_row_results(&evidence, &complaints);
        let doubted = doubt_unconfirmed(&evidence, &mut row_results, |row, word| before.contains(&(row, word)));
        (doubted, row_results)
    };
    let (doubted, row_results) = told(&[]);
    assert_eq!(doubted, [0, 1].into());
    assert_eq!(
        (&row_results[&0], &row_results[&1]),
        (&RowResult::Unknown(0), &RowResult::Unknown(0))
    );
    assert_eq!(row_results[&3], RowResult::Uploaded, "its result is there");
    assert!(matches!(row_results[&2], RowResult::Wait(..)));
    let (doubted, row_results) = told(&[(0, FinalVerdict::Rejected), (1, FinalVerdict::Rejected)]);
    assert_eq!(doubted, [1].into(), "it was called something else before");
    assert_eq!(row_results[&0], rejected("EXPIRED_EVENT"));
    let (doubted, row_results) = told(&[(0, FinalVerdict::Rejected), (1, FinalVerdict::Delivered)]);
    assert!(doubted.is_empty());
    assert_eq!(row_results[&1], RowResult::Uploaded);
}
