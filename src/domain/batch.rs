//! What an answer of Data Manager means for the rows of a request: fast fails are cut down to the bad rows, results are
//! tied to rows by index, and where Google does not say which rows failed, nobody is called uploaded.

use std::collections::{BTreeMap, BTreeSet};

use super::codes::{Class, camel_case, classify};
use super::outcome::reason;

/// What becomes of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Google has it.
    Uploaded,
    /// Refused for good: reason for users, verbatim code.
    Rejected(String, String),
    /// Wait and send again; a pending reason.
    Wait(&'static str),
    /// Failed or not, nobody can tell: stays processing, goes again in a smaller request (0 or 1: which half).
    Unknown(u8),
}

/// A part of a refusal that names rows or destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint<'a> {
    /// Row index, if named.
    pub row: Option<usize>,
    /// Destination index, if named.
    pub destination: Option<usize>,
    /// Google's code, maybe empty.
    pub code: &'a str,
}

/// What to do after a request was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// Rows whose fate is decided.
    pub fates: BTreeMap<usize, Fate>,
    /// Rows to send again at once, as requests of their own, each in the old order.
    pub resend: Vec<Vec<usize>>,
}

/// A rejection by this code; a code that says nothing becomes `InvalidArgument`.
fn rejected(code: &str) -> Fate {
    if code.is_empty() {
        Fate::Rejected(reason::INVALID_ARGUMENT.into(), String::new())
    } else {
        Fate::Rejected(camel_case(code), code.to_owned())
    }
}

/// A code tied to a row is a matter of that row, also where it speaks of the account.
fn fate_of_row(code: &str) -> Fate {
    match classify(code) {
        Class::Wait(reason) => Fate::Wait(reason),
        Class::Delivered => Fate::Uploaded,
        Class::Account | Class::Split | Class::Rejected | Class::Unknown => rejected(code),
    }
}

/// A code that comes without a row index: a matter of the account where it speaks of it.
fn fate_of_many(code: &str) -> Fate {
    match classify(code) {
        Class::Account => Fate::Wait(reason::ACCOUNT_NOT_READY),
        _ => fate_of_row(code),
    }
}

/// Cuts down a request that failed fast. `destination_of` has one entry per row; `code` is the request's own code.
///
/// Named rows get their fate and the rest goes again as one request. Rows of a named destination wait for the account.
/// Where nothing is named the request is halved, until a row is alone.
pub fn refusal(destination_of: &[usize], code: &str, complaints: &[Complaint<'_>]) -> Refusal {
    let rows = destination_of.len();
    let mut fates = BTreeMap::new();
    for complaint in complaints {
        let code = if complaint.code.is_empty() {
            code
        } else {
            complaint.code
        };
        match (complaint.row, complaint.destination) {
            (Some(row), _) if row < rows => {
                fates.entry(row).or_insert_with(|| fate_of_row(code));
            }
            (None, Some(destination)) => {
                let fate = match fate_of_many(code) {
                    Fate::Wait(reason) => Fate::Wait(reason),
                    _ => Fate::Wait(reason::ACCOUNT_NOT_READY),
                };
                for row in (0..rows).filter(|r| destination_of[*r] == destination) {
                    fates.entry(row).or_insert_with(|| fate.clone());
                }
            }
            _ => {}
        }
    }
    if !fates.is_empty() {
        let rest: Vec<_> = (0..rows).filter(|r| !fates.contains_key(r)).collect();
        let resend = if rest.is_empty() { vec![] } else { vec![rest] };
        return Refusal { fates, resend };
    }
    let code = complaints
        .iter()
        .map(|c| c.code)
        .find(|c| !c.is_empty())
        .unwrap_or(code);
    match fate_of_many(code) {
        fate @ Fate::Wait(_) => Refusal {
            fates: (0..rows).map(|r| (r, fate.clone())).collect(),
            resend: vec![],
        },
        _ if rows == 1 => Refusal {
            fates: BTreeMap::from([(0, single(code))]),
            resend: vec![],
        },
        _ => {
            let all: Vec<_> = (0..rows).collect();
            let (left, right) = all.split_at(rows / 2);
            Refusal {
                fates,
                resend: vec![left.to_vec(), right.to_vec()],
            }
        }
    }
}

/// The last row of a bisection: its own code where Google gave one, else only that the request was refused.
fn single(code: &str) -> Fate {
    if code == "INVALID_ARGUMENT" {
        rejected("")
    } else {
        fate_of_row(code)
    }
}

/// Rows of one destination that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Google's code, verbatim.
    pub code: &'a str,
    /// How many rows.
    pub count: u64,
    /// Positions in the request; may be missing or short.
    pub rows: &'a [usize],
}

/// Fates of the rows of one destination (`members`: their positions in the request, ascending) under Google's `status`.
/// `None`: not finished, ask again. Never calls a row uploaded that Google may have failed.
pub fn results(status: &str, members: &[usize], failures: &[Failure<'_>]) -> Option<BTreeMap<usize, Fate>> {
    match status {
        "SUCCESS" if failures.iter().all(|f| f.count == 0 && f.rows.is_empty()) => {
            Some(members.iter().map(|m| (*m, Fate::Uploaded)).collect())
        }
        "SUCCESS" | "PARTIAL_SUCCESS" => Some(attribute(members, failures, false)),
        "FAILED" => Some(attribute(members, failures, true)),
        _ => None,
    }
}

fn attribute(members: &[usize], failures: &[Failure<'_>], all_failed: bool) -> BTreeMap<usize, Fate> {
    let inside: BTreeSet<usize> = members.iter().copied().collect();
    let mut fates = BTreeMap::new();
    let mut unnamed: Vec<(&str, u64)> = Vec::new();
    for failure in failures {
        let named: BTreeSet<_> = failure.rows.iter().filter(|r| inside.contains(r)).collect();
        for row in &named {
            fates.entry(**row).or_insert_with(|| fate_of_row(failure.code));
        }
        let missing = failure.count.saturating_sub(named.len() as u64);
        if missing > 0 {
            unnamed.push((failure.code, missing));
        }
    }
    let rest: Vec<usize> = members.iter().copied().filter(|m| !fates.contains_key(m)).collect();
    let failed: u64 = unnamed.iter().map(|(_, n)| n).sum();
    let all_rest_failed = all_failed || failed >= rest.len() as u64;
    let fate_of_rest = match unnamed.as_slice() {
        [] if all_failed && rest.len() == 1 => Some(rejected("")),
        [] if all_failed => None,
        [] => Some(Fate::Uploaded),
        [(code, _)] if all_rest_failed => Some(fate_of_many(code)),
        _ => None,
    };
    let half = rest.len().div_ceil(2);
    for (i, row) in rest.into_iter().enumerate() {
        fates.insert(row, fate_of_rest.clone().unwrap_or(Fate::Unknown(u8::from(i >= half))));
    }
    fates
}

#[cfg(test)]
mod tests {
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
        let fates = results("PARTIAL_SUCCESS", &[3, 4, 5], &failures).unwrap_or_default();
        assert_eq!(fates[&3], Fate::Uploaded);
        assert!(matches!(&fates[&4], Fate::Rejected(r, _) if r == "InvalidGclid"));
        assert_eq!(fates[&5], Fate::Uploaded);
        assert_eq!(results("PROCESSING", &[3], &[]), None);
        assert_eq!(results("REQUEST_STATUS_UNKNOWN", &[3], &[]), None);
        assert_eq!(results("A_STATUS_OF_2027", &[3], &[]), None);
    }

    #[test]
    fn short_indices_leave_the_rest_unknown() {
        let failures = [Failure {
            code: "INVALID_GCLID",
            count: 2,
            rows: &[0],
        }];
        let fates = results("PARTIAL_SUCCESS", &[0, 1, 2], &failures).unwrap_or_default();
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
        let fates = results("FAILED", &[0, 1], &all).unwrap_or_default();
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
        let fates = results("FAILED", &[0, 1], &account).unwrap_or_default();
        assert!(fates.values().all(|f| *f == Fate::Wait(reason::ACCOUNT_NOT_READY)));
        let silent = results("FAILED", &[0, 1], &[]).unwrap_or_default();
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
            let fates = results("PARTIAL_SUCCESS", &members, &failures).unwrap_or_default();
            prop_assert_eq!(fates.len(), size);
            let missing = failures.iter().any(|f| f.count > f.rows.iter().filter(|r| **r < size).count() as u64);
            if missing {
                prop_assert!(fates.values().all(|f| *f != Fate::Uploaded));
            }
        }
    }
}
