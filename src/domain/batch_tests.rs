//! What answers of Data Manager mean for rows.

#![allow(clippy::type_complexity)]

use proptest::prelude::*;

use super::*;

fn row(row: usize, code: &str) -> Complaint<'_> {
    Complaint {
        row: Some(row),
        destination: None,
        code,
    }
}

#[test]
fn named_rows_are_cut_out_and_the_rest_goes_again() {
    let plan = refusal(
        &[0, 0, 0, 0],
        "INVALID_ARGUMENT",
        &[row(0, "INVALID_CURRENCY_CODE"), row(2, "")],
    );
    assert_eq!(
        plan.fates[&0],
        Fate::Rejected("InvalidCurrencyCode".into(), "INVALID_CURRENCY_CODE".into())
    );
    assert_eq!(
        plan.fates[&2],
        Fate::Rejected("InvalidArgument".into(), "INVALID_ARGUMENT".into())
    );
    assert_eq!(plan.resend, [vec![1, 3]]);
}

#[test]
fn an_account_code_rejects_its_row_but_stops_nobody_else() {
    let plan = refusal(&[0, 0], "", &[row(1, "INVALID_AD_IDENTIFIER_FOR_ACCOUNT")]);
    assert!(matches!(&plan.fates[&1], Fate::Rejected(r, _) if r == "InvalidAdIdentifierForAccount"));
    assert_eq!(plan.resend, [vec![0]]);
}

#[test]
fn a_bad_destination_holds_its_rows() {
    let complaint = Complaint {
        row: None,
        destination: Some(1),
        code: "INVALID_CONVERSION_ACTION_ID",
    };
    let plan = refusal(&[0, 1, 1, 0], "INVALID_ARGUMENT", &[complaint]);
    assert_eq!(plan.fates[&1], Fate::Wait(reason::ACCOUNT_NOT_READY));
    assert_eq!(plan.fates[&2], Fate::Wait(reason::ACCOUNT_NOT_READY));
    assert_eq!(plan.resend, [vec![0, 3]]);
}

#[test]
fn without_a_name_the_request_is_halved_until_a_row_is_alone() {
    assert_eq!(refusal(&[0; 3], "INVALID_ARGUMENT", &[]).resend, [vec![0], vec![1, 2]]);
    let alone = refusal(&[0], "INVALID_ARGUMENT", &[]);
    assert_eq!(alone.fates[&0], Fate::Rejected("InvalidArgument".into(), String::new()));
    let coded = refusal(&[0], "SOMETHING_NEW", &[]);
    assert_eq!(
        coded.fates[&0],
        Fate::Rejected("SomethingNew".into(), "SOMETHING_NEW".into())
    );
}

#[test]
fn a_request_code_of_the_account_holds_all() {
    let plan = refusal(&[0, 0], "NOT_ALLOWLISTED", &[]);
    assert!(plan.resend.is_empty());
    assert!(plan.fates.values().all(|f| *f == Fate::Wait(reason::ACCOUNT_NOT_READY)));
}

#[test]
fn results_by_index() {
    let failures = [Failure {
        code: "PROCESSING_ERROR_REASON_INVALID_GCLID",
        count: 1,
        rows: &[4],
    }];
    let fates = results("PARTIAL_SUCCESS", &[3, 4, 5], &failures, false).unwrap_or_default();
    assert_eq!(fates[&3], Fate::Uploaded);
    assert!(matches!(&fates[&4], Fate::Rejected(r, _) if r == "InvalidGclid"));
    assert_eq!(fates[&5], Fate::Uploaded);
    assert_eq!(results("PROCESSING", &[3], &[], false), None);
    assert_eq!(results("REQUEST_STATUS_UNKNOWN", &[3], &[], false), None);
    assert_eq!(results("A_STATUS_OF_2027", &[3], &[], false), None);
}

#[test]
fn short_indices_leave_the_rest_unknown() {
    let failures = [Failure {
        code: "INVALID_GCLID",
        count: 2,
        rows: &[0],
    }];
    let fates = results("PARTIAL_SUCCESS", &[0, 1, 2], &failures, false).unwrap_or_default();
    assert!(matches!(fates[&0], Fate::Rejected(..)));
    assert_eq!(
        (fates[&1].clone(), fates[&2].clone()),
        (Fate::Unknown(0), Fate::Unknown(1))
    );
}

#[test]
fn when_all_failed_no_indices_are_needed() {
    let all = [Failure {
        code: "EVENT_TOO_OLD",
        count: 2,
        rows: &[],
    }];
    let fates = results("FAILED", &[0, 1], &all, false).unwrap_or_default();
    assert!(
        fates
            .values()
            .all(|f| matches!(f, Fate::Rejected(r, _) if r == "EventTooOld"))
    );
    let account = [Failure {
        code: "TERMS_AND_CONDITIONS_NOT_SIGNED",
        count: 2,
        rows: &[],
    }];
    let fates = results("FAILED", &[0, 1], &account, false).unwrap_or_default();
    assert!(fates.values().all(|f| *f == Fate::Wait(reason::ACCOUNT_NOT_READY)));
    let silent = results("FAILED", &[0, 1], &[], false).unwrap_or_default();
    assert_eq!(silent[&0], Fate::Unknown(0));
}

proptest! {
    #[test]
    fn every_row_is_either_decided_or_sent_again(
        rows in 1_usize..40,
        named in proptest::collection::vec((0_usize..60, any::<bool>()), 0..10),
    ) {
        let destinations: Vec<usize> = (0..rows).map(|r| r % 3).collect();
        let complaints: Vec<_> = named
            .iter()
            .map(|(n, is_row)| Complaint {
                row: is_row.then_some(*n),
                destination: (!is_row).then_some(n % 4),
                code: "INVALID_FORMAT",
            })
            .collect();
        let plan = refusal(&destinations, "INVALID_ARGUMENT", &complaints);
        let mut seen: Vec<usize> = plan.fates.keys().copied().chain(plan.resend.iter().flatten().copied()).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..rows).collect::<Vec<_>>());
        prop_assert!(plan.resend.iter().all(|r| r.len() < rows || !plan.fates.is_empty()));
    }

    #[test]
    fn never_more_uploaded_than_google_says(
        size in 1_usize..30,
        counts in proptest::collection::vec((0_u64..10, 0_usize..5), 0..4),
    ) {
        let members: Vec<usize> = (0..size).collect();
        let rows: Vec<Vec<usize>> = counts.iter().map(|(c, k)| (0..(*k).min(usize::try_from(*c).unwrap_or(0))).collect()).collect();
        let failures: Vec<_> = counts.iter().zip(&rows)
            .map(|((count, _), rows)| Failure { code: "INVALID_GCLID", count: *count, rows }).collect();
        let fates = results("PARTIAL_SUCCESS", &members, &failures, false).unwrap_or_default();
        prop_assert_eq!(fates.len(), size);
        let missing = failures.iter().any(|f| f.count.max(1) > f.rows.iter().filter(|r| **r < size).count() as u64);
        if missing {
            prop_assert!(fates.values().all(|f| *f != Fate::Uploaded));
        }
    }
}

/// A Google of its own: some rows are bad, and its answers name at most `most` of them per reason.
struct Google {
    bad: BTreeMap<usize, &'static str>,
    most: usize,
    counts: bool,
}

/// Code, number of rows, positions named.
type Answer = (&'static str, u64, Vec<usize>);

impl Google {
    /// Status and failures of a request of these rows, as positions in it.
    fn process(&self, rows: &[usize]) -> (&'static str, Vec<Answer>) {
        let mut failures: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for (position, row) in rows.iter().enumerate() {
            if let Some(code) = self.bad.get(row) {
                failures.entry(code).or_default().push(position);
            }
        }
        let failed: usize = failures.values().map(Vec::len).sum();
        let status = match failed {
            0 => "SUCCESS",
            all if all == rows.len() => "FAILED",
            _ => "PARTIAL_SUCCESS",
        };
        let shown = failures.into_iter().map(|(code, at)| {
            // Without a count only where nothing is named either.
            let count = if self.counts || self.most > 0 {
                at.len() as u64
            } else {
                0
            };
            (code, count, at.into_iter().take(self.most).collect())
        });
        (status, shown.collect())
    }

    fn settle(&self, rows: usize) -> BTreeMap<usize, Fate> {
        let mut settled = BTreeMap::new();
        let mut queue = vec![((0..rows).collect::<Vec<_>>(), false)];
        let mut requests = 0;
        while let Some((rows_of, cut)) = queue.pop() {
            requests += 1;
            assert!(requests <= 4 * rows, "no end");
            let (status, failures) = self.process(&rows_of);
            let failures: Vec<_> = failures
                .iter()
                .map(|(code, count, rows)| Failure {
                    code,
                    count: *count,
                    rows,
                })
                .collect();
            let members: Vec<usize> = (0..rows_of.len()).collect();
            let mut halves = [vec![], vec![]];
            for (position, fate) in results(status, &members, &failures, cut).unwrap_or_default() {
                match fate {
                    Fate::Unknown(half) => halves[usize::from(half)].push(rows_of[position]),
                    fate => assert_eq!(settled.insert(rows_of[position], fate), None),
                }
            }
            queue.extend(halves.into_iter().filter(|h| !h.is_empty()).map(|h| (h, true)));
        }
        settled
    }
}

fn bad_rows(rows: usize, picked: &[(usize, u8)]) -> BTreeMap<usize, &'static str> {
    const CODES: [&str; 3] = ["INVALID_GCLID", "INVALID_OPERATING_ACCOUNT_FOR_CLICK", "A_NAME_OF_2027"];
    picked
        .iter()
        .map(|(row, code)| (row % rows, CODES[usize::from(*code) % CODES.len()]))
        .collect()
}

proptest! {
    #[test]
    fn failures_are_attributed_in_the_end_whatever_google_names(
        rows in 2_usize..80,
        picked in proptest::collection::vec((0_usize..80, 0_u8..3), 0..12),
        most in 0_usize..4,
        counts in any::<bool>(),
    ) {
        let mut bad = bad_rows(rows, &picked);
        // Where all fail, an account's code is the account's matter.
        bad.remove(&0);
        let google = Google { bad, most, counts };
        let settled = google.settle(rows);
        prop_assert_eq!(settled.len(), rows);
        for (row, fate) in settled {
            match google.bad.get(&row) {
                None => prop_assert_eq!(fate, Fate::Uploaded),
                Some(&"INVALID_OPERATING_ACCOUNT_FOR_CLICK") => {
                    prop_assert!(matches!(fate, Fate::Rejected(..) | Fate::Wait(reason::ACCOUNT_NOT_READY)));
                }
                Some(code) => prop_assert_eq!(fate, rejected(code)),
            }
        }
    }

    #[test]
    fn a_refused_request_is_cut_down_to_its_bad_rows(
        rows in 1_usize..80,
        picked in proptest::collection::vec((0_usize..80, Just(0_u8)), 0..12),
        most in 0_usize..4,
    ) {
        let bad = bad_rows(rows, &picked);
        let mut fates: BTreeMap<usize, Fate> = BTreeMap::new();
        let mut queue = vec![(0..rows).collect::<Vec<_>>()];
        let mut requests = 0;
        while let Some(request) = queue.pop() {
            requests += 1;
            prop_assert!(requests <= 4 * rows, "no end");
            let wrong: Vec<usize> = (0..request.len()).filter(|i| bad.contains_key(&request[*i])).collect();
            if wrong.is_empty() {
                fates.extend(request.into_iter().map(|row| (row, Fate::Uploaded)));
                continue;
            }
            let complaints: Vec<_> = wrong.iter().take(most).map(|i| row(*i, "INVALID_GCLID")).collect();
            let plan = refusal(&vec![0; request.len()], "INVALID_ARGUMENT", &complaints);
            fates.extend(plan.fates.into_iter().map(|(i, fate)| (request[i], fate)));
            queue.extend(plan.resend.into_iter().map(|half| half.into_iter().map(|i| request[i]).collect()));
        }
        prop_assert_eq!(fates.len(), rows);
        for (row, fate) in fates {
            prop_assert_eq!(matches!(fate, Fate::Rejected(..)), bad.contains_key(&row));
        }
    }
}

#[test]
fn a_row_alone_gets_its_code_also_without_index_and_under_two_reasons() {
    let two = [
        Failure {
            code: "INVALID_GCLID",
            count: 1,
            rows: &[],
        },
        Failure {
            code: "EVENT_TOO_OLD",
            count: 1,
            rows: &[],
        },
    ];
    let fates = results("FAILED", &[0], &two, false).unwrap_or_default();
    assert_eq!(fates[&0], rejected("INVALID_GCLID"));
    let account = [Failure {
        code: "INVALID_OPERATING_ACCOUNT_FOR_CLICK",
        count: 1,
        rows: &[],
    }];
    let cut = results("FAILED", &[0], &account, true).unwrap_or_default();
    assert_eq!(
        cut[&0],
        rejected("INVALID_OPERATING_ACCOUNT_FOR_CLICK"),
        "its neighbours went through"
    );
    let alone = results("FAILED", &[0], &account, false).unwrap_or_default();
    assert_eq!(alone[&0], Fate::Wait(reason::ACCOUNT_NOT_READY));
}

#[test]
fn a_partial_success_that_names_nothing_calls_nobody_uploaded() {
    let fates = results("PARTIAL_SUCCESS", &[0, 1], &[], false).unwrap_or_default();
    assert_eq!(
        (fates[&0].clone(), fates[&1].clone()),
        (Fate::Unknown(0), Fate::Unknown(1))
    );
    let uncounted = [Failure {
        code: "INVALID_GCLID",
        count: 0,
        rows: &[],
    }];
    let fates = results("PARTIAL_SUCCESS", &[0, 1], &uncounted, false).unwrap_or_default();
    assert!(fates.values().all(|f| matches!(f, Fate::Unknown(_))));
}

#[test]
fn an_action_refused_without_a_name_is_told_from_the_others() {
    for code in ["CONVERSION_ACTION_TOO_RECENTLY_CREATED", "INVALID_CONVERSION_ACTION_ID"] {
        let plan = refusal(&[0, 1, 0], code, &[]);
        assert!(plan.fates.is_empty());
        assert_eq!(plan.resend, [vec![0, 2], vec![1]]);
    }
    let plan = refusal(&[0, 0], "CONVERSION_ACTION_TOO_RECENTLY_CREATED", &[]);
    assert!(plan.fates.values().all(|f| *f == Fate::Wait(reason::ACTION_TOO_NEW)));
}

#[test]
fn a_request_that_is_too_large_is_split_and_rejects_nobody() {
    let plan = refusal(&[0, 0, 0, 0], "INVALID_ARGUMENT", &[row(3, "TOO_MANY_EVENTS")]);
    assert!(plan.fates.is_empty());
    assert_eq!(plan.resend, [vec![0, 1], vec![2, 3]]);
}

#[test]
fn rows_answered_one_by_one() {
    let complaints = [
        row(0, "CONVERSION_NOT_FOUND"),
        row(1, "CONVERSION_ALREADY_ENHANCED"),
        row(2, "INVALID_USER_IDENTIFIER"),
        row(2, "CONVERSION_NOT_FOUND"),
        row(3, "A_NAME_OF_TOMORROW"),
        row(4, "DUPLICATE_ENHANCEMENT_IN_REQUEST"),
    ];
    let fates = partial(&[false, false, false, false, false, true, false], &complaints);
    let rejected = |reason: &str, code: &str| Fate::Rejected(reason.into(), code.into());
    assert_eq!(
        fates,
        BTreeMap::from([
            (0, Fate::Wait(reason::AWAITING_WEB_CONVERSION)),
            (1, Fate::Uploaded),
            (2, rejected("InvalidUserIdentifier", "INVALID_USER_IDENTIFIER")),
            (3, rejected("ANameOfTomorrow", "A_NAME_OF_TOMORROW")),
            (4, Fate::Wait(reason::UPSTREAM_UNAVAILABLE)),
            (5, Fate::Uploaded),
        ]),
        "nothing is said of row 6"
    );
}

#[test]
fn a_row_that_google_both_took_and_failed_is_not_uploaded() {
    let fates = partial(&[true], &[row(0, "CONVERSION_NOT_FOUND")]);
    assert_eq!(fates[&0], Fate::Wait(reason::AWAITING_WEB_CONVERSION));
}
