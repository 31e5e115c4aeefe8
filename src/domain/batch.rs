//! What the answer to a request means for its rows: fast fails are cut down to the bad rows, results are tied to rows by
//! index, and if it is not said which rows failed, no row counts as uploaded.

use std::collections::{BTreeMap, BTreeSet};

use super::codes::{Class, Code, Matter};
use super::evidence::Evidence;
use super::outcome::reason;

/// What becomes of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowResult {
    /// The ad network has it.
    Uploaded,
    /// Refused for good: reason for users, verbatim code.
    Rejected(String, String),
    /// Wait and send again: a pending reason, the verbatim code.
    Wait(&'static str, String),
    /// Waits for a person to act on the account or the action; the code is of [`Class::Blocked`].
    Blocked(Code),
    /// It is not known whether it failed: it stays processing and is sent again in a smaller request (0 or 1: which half).
    Unknown(u8),
}

/// A part of a refusal that names rows or destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Row index, if named.
    pub row: Option<usize>,
    /// Destination index, if named.
    pub destination: Option<usize>,
    /// The code, if it says anything. A client gives each complaint about a destination one.
    pub code: Option<Code>,
}

/// What to do after a request was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// Rows whose result is decided.
    pub row_results: BTreeMap<usize, RowResult>,
    /// Rows to send again at once, as requests of their own, each in the old order.
    pub resend: Vec<Vec<usize>>,
    /// Nothing was said of any of these rows, not even that the request has too many of them. The result of a row that was
    /// alone then holds only if others are accepted meanwhile.
    pub unnamed: bool,
}

impl Refusal {
    /// Something was said, of these rows or of where they go.
    const fn named(row_results: BTreeMap<usize, RowResult>, resend: Vec<Vec<usize>>) -> Self {
        Self {
            row_results,
            resend,
            unnamed: false,
        }
    }
}

/// What a code means for the row it is about; without a code all that is known is that the row was refused.
fn row_result_of(code: Option<&Code>) -> RowResult {
    let Some(code) = code else {
        return RowResult::Rejected(reason::INVALID_ARGUMENT.into(), String::new());
    };
    match code.class {
        Class::Wait(reason) => RowResult::Wait(reason, code.name.clone()),
        Class::Delivered => RowResult::Uploaded,
        Class::Blocked(_) => RowResult::Blocked(code.clone()),
        Class::Split | Class::Rejected | Class::Forgotten | Class::Unknown => {
            RowResult::Rejected(code.reason.clone(), code.name.clone())
        }
    }
}

/// Of several reasons for one row the hardest wins: for good before a person before waiting before not known before
/// delivered (DESIGN 3.6).
const fn hardness(row_result: &RowResult) -> u8 {
    match row_result {
        RowResult::Uploaded => 0,
        RowResult::Unknown(_) => 1,
        RowResult::Wait(..) => 2,
        RowResult::Blocked(_) => 3,
        RowResult::Rejected(..) => 4,
    }
}

/// Notes a result unless the row has one at least as hard.
fn keep_hardest(row_results: &mut BTreeMap<usize, RowResult>, row: usize, row_result: RowResult) {
    if row_results
        .get(&row)
        .is_none_or(|known| hardness(&row_result) > hardness(known))
    {
        row_results.insert(row, row_result);
    }
}

/// Cuts down a request that failed fast. `destination_of` has one entry per row; `code` is the request's own code.
///
/// Named rows get their result and the rest goes again as one request. Rows of a named destination wait for the account or
/// the action. If nothing is named, a code that speaks of these or of a wait holds all rows, of each action apart
/// where there are several; for any other code the request is halved, until a row is alone.
pub fn cut_down_refused(destination_of: &[usize], code: Option<&Code>, complaints: &[Complaint]) -> Refusal {
    let rows = destination_of.len();
    let row_results = named_results(destination_of, code, complaints);
    if !row_results.is_empty() {
        let rest: Vec<_> = (0..rows).filter(|r| !row_results.contains_key(r)).collect();
        return Refusal::named(row_results, if rest.is_empty() { vec![] } else { vec![rest] });
    }
    let first = complaints.iter().find_map(|c| c.code.as_ref()).or(code);
    if let Some(row_result) = result_for_all(first) {
        return all_wait(destination_of, &row_result);
    }
    if rows > 1 {
        let too_many = first.is_some_and(|code| code.class == Class::Split);
        return Refusal {
            unnamed: !too_many,
            ..halve_rows(rows)
        };
    }
    // What is said of a row that was not sent is said of none of ours.
    let of_another = complaints.iter().any(|c| c.row.is_some_and(|row| row >= rows));
    let row_result = row_result_of(first.filter(|_| !of_another));
    Refusal {
        unnamed: matches!(row_result, RowResult::Rejected(..)),
        ..Refusal::named(BTreeMap::from([(0, row_result)]), vec![])
    }
}

/// A request of so many rows in two halves, of which nothing is known.
pub fn halve_rows(rows: usize) -> Refusal {
    let all: Vec<_> = (0..rows).collect();
    let (left, right) = all.split_at(rows / 2);
    Refusal::named(BTreeMap::new(), vec![left.to_vec(), right.to_vec()])
}

/// Fates of the rows and destinations that complaints name. A complaint about the size of the request is none about the
/// row that stands where it became too large.
fn named_results(
    destination_of: &[usize],
    code: Option<&Code>,
    complaints: &[Complaint],
) -> BTreeMap<usize, RowResult> {
    let rows = destination_of.len();
    let mut row_results = BTreeMap::new();
    for complaint in complaints {
        let code = complaint.code.as_ref().or(code);
        if code.is_some_and(|code| code.class == Class::Split) {
            continue;
        }
        match (complaint.row, complaint.destination) {
            (Some(row), _) if row < rows => {
                let row_result = row_result_of(code);
                if matches!(row_result, RowResult::Blocked(_)) {
                    // No matter of this row: its neighbours would meet the same one by one.
                    block_destination(&mut row_results, destination_of, destination_of[row], &row_result);
                }
                keep_hardest(&mut row_results, row, row_result);
            }
            (None, Some(destination)) => {
                if let Some(row_result) = result_for_all(code).or_else(|| Some(blocked_action(code?))) {
                    block_destination(&mut row_results, destination_of, destination, &row_result);
                }
            }
            _ => {}
        }
    }
    row_results
}

fn block_destination(
    row_results: &mut BTreeMap<usize, RowResult>,
    destination_of: &[usize],
    destination: usize,
    row_result: &RowResult,
) {
    for (row, of) in destination_of.iter().enumerate() {
        if *of == destination {
            keep_hardest(row_results, row, row_result.clone());
        }
    }
}

/// A complaint about a destination is about the action, whatever the code is called.
fn blocked_action(code: &Code) -> RowResult {
    RowResult::Blocked(Code {
        class: Class::Blocked(Matter::Action),
        ..code.clone()
    })
}

/// The result of a whole request refused with this code; `None` if one row may have spoilt it.
fn result_for_all(code: Option<&Code>) -> Option<RowResult> {
    match code?.class {
        Class::Wait(reason::CLICK_TOO_RECENT) => None,
        Class::Blocked(_) | Class::Wait(_) => Some(row_result_of(code)),
        _ => None,
    }
}

/// All rows wait; where it may be a matter of one action among several, each action goes again by itself first.
fn all_wait(destination_of: &[usize], row_result: &RowResult) -> Refusal {
    let mut by_action: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, destination) in destination_of.iter().enumerate() {
        by_action.entry(*destination).or_default().push(row);
    }
    if by_action.len() > 1
        && matches!(
            row_result,
            RowResult::Blocked(_) | RowResult::Wait(reason::ACTION_TOO_NEW, _)
        )
    {
        return Refusal::named(BTreeMap::new(), by_action.into_values().collect());
    }
    let all = (0..destination_of.len()).map(|row| (row, row_result.clone()));
    Refusal::named(all.collect(), vec![])
}

/// Fates of the rows of a request that was answered row by row: what the results say of each, and `complaints` about
/// which failed and why. Rows of which neither is said are absent: they go again. A row that stood twice in a request
/// goes again by itself. A complaint about a row that was not sent may mean any: then nothing is known of all. Nor is
/// anything known of a row that has both a complaint and a result.
pub fn row_by_row_results(evidence: &[Evidence], complaints: &[Complaint]) -> BTreeMap<usize, RowResult> {
    let mut row_results: BTreeMap<usize, RowResult> = BTreeMap::new();
    for complaint in complaints {
        let Some(row) = complaint.row.filter(|row| *row < evidence.len()) else {
            return all_unknown(&(0..evidence.len()).collect::<Vec<_>>());
        };
        let row_result = match complaint.code.as_ref() {
            Some(code) if code.class == Class::Split => {
                RowResult::Wait(reason::UPSTREAM_UNAVAILABLE, code.name.clone())
            }
            code => row_result_of(code),
        };
        keep_hardest(&mut row_results, row, row_result);
    }
    for (row, evidence) in evidence.iter().enumerate() {
        let row_result = match evidence {
            Evidence::None => continue,
            Evidence::Taken if !row_results.contains_key(&row) => RowResult::Uploaded,
            Evidence::Taken | Evidence::OfAnother => RowResult::Unknown(0),
        };
        row_results.insert(row, row_result);
    }
    row_results
}

/// Rows of one destination that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    /// How many rows.
    pub count: u64,
    /// Positions in the request; may be missing or short.
    pub rows: Vec<usize>,
}

/// How far the processing of a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Under way, or not clear: ask again.
    Open,
    /// All rows went through.
    Succeeded,
    /// Some rows failed.
    PartlyFailed,
    /// All rows failed.
    Failed,
}

/// What a request's status says for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How far it is.
    pub progress: Progress,
    /// How many rows were counted; `None` if the ad network does not say.
    pub records: Option<u64>,
    /// Failures by reason.
    pub failures: Vec<Failure>,
}

impl Report {
    /// True if it will not change any more.
    pub fn is_finished(&self) -> bool {
        self.progress != Progress::Open
    }
}

/// Fates of the rows of one destination (`members`: their positions in the request, ascending) of a request of `sent` rows.
/// `None`: not finished, ask again. Never calls a row uploaded that may have failed: a report that counts another number
/// of rows says nothing about ours, nor does one that contradicts itself: more failures than rows, success and failures.
/// Google documents the number as that of all events of the request; for a destination that some of them went to it may
/// be that of these.
pub fn destination_results(report: &Report, members: &[usize], sent: usize) -> Option<BTreeMap<usize, RowResult>> {
    if !report.is_finished() {
        return None;
    }
    let counted = |n: usize| report.records == Some(n as u64);
    let too_many = |failure: &Failure| report.records.is_none_or(|records| failure.count > records);
    let failed = |failure: &Failure| failure.count > 0 || !failure.rows.is_empty();
    if (!counted(members.len()) && !counted(sent)) || report.failures.iter().any(too_many) {
        return Some(all_unknown(members));
    }
    Some(match report.progress {
        Progress::Succeeded if report.failures.iter().any(failed) => all_unknown(members),
        Progress::Succeeded => members.iter().map(|m| (*m, RowResult::Uploaded)).collect(),
        Progress::Failed => attribute_failures(members, &report.failures, ReportedFailure::AllFailed),
        _ => attribute_failures(members, &report.failures, ReportedFailure::SomeFailed),
    })
}

/// The outcome of none of these rows is known.
pub fn all_unknown(members: &[usize]) -> BTreeMap<usize, RowResult> {
    let half = members.len().div_ceil(2);
    let of = |(i, row): (usize, &usize)| (*row, RowResult::Unknown(u8::from(i >= half)));
    members.iter().enumerate().map(of).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReportedFailure {
    SomeFailed,
    AllFailed,
}

fn attribute_failures(members: &[usize], failures: &[Failure], said: ReportedFailure) -> BTreeMap<usize, RowResult> {
    let inside: BTreeSet<usize> = members.iter().copied().collect();
    let mut row_results = BTreeMap::new();
    let mut unnamed: Vec<(&Code, u64)> = Vec::new();
    // Of these, what no index is given for: where other rows are named, these have failed, whoever's they are.
    let mut of_any: Vec<(&Code, u64)> = Vec::new();
    let mut of_one: Vec<(&Code, u64)> = Vec::new();
    for failure in failures {
        let named: BTreeSet<_> = failure.rows.iter().filter(|r| inside.contains(r)).collect();
        for row in &named {
            keep_hardest(&mut row_results, **row, row_result_of(Some(&failure.code)));
        }
        // A reason without a number failed at least one row.
        let missing = failure.count.max(1).saturating_sub(named.len() as u64);
        if missing > 0 {
            unnamed.push((&failure.code, missing));
        }
        let said_of: BTreeSet<_> = failure.rows.iter().collect();
        let open = failure.count.max(1).saturating_sub(said_of.len() as u64);
        if open > 0 {
            of_any.push((&failure.code, open));
        }
        // One that has a number and names no row, of ours or another's, can only mean the row that went there alone.
        if failure.count > 0 && failure.rows.is_empty() {
            of_one.push((&failure.code, missing));
        }
    }
    let rest: Vec<usize> = members
        .iter()
        .copied()
        .filter(|m| !row_results.contains_key(m))
        .collect();
    let row_result = match said {
        ReportedFailure::AllFailed => result_of_failed_rows(rest.len(), &of_any),
        ReportedFailure::SomeFailed if members.len() == 1 => hardest_result(&of_one),
        // "In part", and no part is named: some rows may have gone through, and the answer does not say which.
        ReportedFailure::SomeFailed if !unnamed.is_empty() || row_results.is_empty() => None,
        ReportedFailure::SomeFailed => Some(RowResult::Uploaded),
    };
    match row_result {
        Some(row_result) => row_results.extend(rest.into_iter().map(|row| (row, row_result.clone()))),
        None => row_results.extend(all_unknown(&rest)),
    }
    row_results
}

/// The result of so many rows that all failed, for reasons that name none of them; `None` if these can't be told apart.
fn result_of_failed_rows(rest: usize, unnamed: &[(&Code, u64)]) -> Option<RowResult> {
    let failed = unnamed.iter().fold(0u64, |sum, (_, n)| sum.saturating_add(*n));
    match unnamed {
        // No reason at all: a status that says so little is no proof.
        [] => None,
        _ if rest == 1 => hardest_result(unnamed),
        [(code, _)] if failed >= rest as u64 && code.class != Class::Split => Some(row_result_of(Some(code))),
        _ => None,
    }
}

/// The hardest of the reasons for one row, the first of several alike.
fn hardest_result(codes: &[(&Code, u64)]) -> Option<RowResult> {
    let mut row_results = BTreeMap::new();
    for (code, _) in codes {
        keep_hardest(&mut row_results, 0, row_result_of(Some(code)));
    }
    row_results.remove(&0)
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
