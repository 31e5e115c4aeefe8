//! What the status of an accepted request says of its rows. Failures are tied to rows by index; if it is not said which rows
//! failed, no row counts as uploaded, and if it is not said why, none as rejected. What contradicts itself proves nothing
//! (docs/reference/google.md 6.6).

use std::collections::{BTreeMap, BTreeSet};

use super::batch::{RowResult, all_unknown, keep_hardest, row_result_of};
use super::codes::{Class, Code};

/// Rows of one destination that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    /// How many rows; `None` if that is not said or can't be read.
    pub count: Option<u64>,
    /// Positions in the request; may be missing or short. [`super::batch::NO_ROW`] for one that can't be read.
    pub rows: Vec<usize>,
}

impl Failure {
    fn counted(&self) -> u64 {
        self.count.unwrap_or_default()
    }

    /// False where it can't be about a request of so many rows: it counts none, or fewer than it names, or names one twice or
    /// one that was not sent. Fewer names than rows are usual.
    fn is_possible(&self, sent: usize) -> bool {
        let named: BTreeSet<_> = self.rows.iter().collect();
        let distinct = named.len() == self.rows.len() && self.rows.iter().all(|row| *row < sent);
        distinct && self.count.is_some_and(|count| count >= self.rows.len() as u64)
    }
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
pub struct RequestReport {
    /// How far it is.
    pub progress: Progress,
    /// How many rows were counted; `None` if the ad network does not say.
    pub records: Option<u64>,
    /// Failures by reason.
    pub failures: Vec<Failure>,
}

impl RequestReport {
    /// True if it will not change any more.
    pub fn is_finished(&self) -> bool {
        self.progress != Progress::Open
    }

    /// True where not all of it can be so, of `ours` rows of a request of `sent`. A row may have failed for several reasons.
    fn contradicts_itself(&self, ours: usize, sent: usize) -> bool {
        let (ours, sent_rows) = (ours as u64, sent as u64);
        // Google documents the number as that of all events of the request; for a destination that some of them went to it
        // may be that of these.
        let Some(records) = self.records.filter(|records| [ours, sent_rows].contains(records)) else {
            return true;
        };
        if !self.failures.iter().all(|failure| failure.is_possible(sent)) {
            return true;
        }
        let named: BTreeSet<_> = self.failures.iter().flat_map(|failure| &failure.rows).collect();
        let most = self.failures.iter().map(Failure::counted).fold(0, u64::saturating_add);
        let largest = self.failures.iter().map(Failure::counted).max().unwrap_or_default();
        let least = largest.max(named.len() as u64);
        match self.progress {
            _ if largest > records => true,
            Progress::Open => false,
            Progress::Succeeded => most > 0,
            Progress::PartlyFailed => most == 0 || least >= records,
            Progress::Failed => most < ours,
        }
    }
}

/// Results of the rows of one destination (`members`: their positions in the request, ascending) of a request of `sent` rows.
/// `None`: not finished, ask again. Never calls a row uploaded that may have failed, or rejected that may have gone through:
/// a report that counts another number of rows says nothing about ours, nor does one that contradicts itself.
pub fn destination_results(
    report: &RequestReport,
    members: &[usize],
    sent: usize,
) -> Option<BTreeMap<usize, RowResult>> {
    if !report.is_finished() {
        return None;
    }
    if report.contradicts_itself(members.len(), sent) {
        return Some(all_unknown(members));
    }
    Some(match report.progress {
        Progress::Succeeded => members.iter().map(|m| (*m, RowResult::Uploaded)).collect(),
        Progress::Failed => attribute_failures(members, &report.failures, ReportedFailure::AllFailed),
        _ => attribute_failures(members, &report.failures, ReportedFailure::SomeFailed),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReportedFailure {
    SomeFailed,
    AllFailed,
}

fn attribute_failures(members: &[usize], failures: &[Failure], said: ReportedFailure) -> BTreeMap<usize, RowResult> {
    let inside: BTreeSet<usize> = members.iter().copied().collect();
    let mut row_results = BTreeMap::new();
    // True if more of ours may have failed than are named.
    let mut unnamed = false;
    // Of the failures, what no index is given for: where other rows are named, these have failed, whoever's they are.
    let mut of_any: Vec<(&Code, u64)> = Vec::new();
    for failure in failures {
        let named: Vec<_> = failure.rows.iter().filter(|row| inside.contains(row)).collect();
        for row in &named {
            keep_hardest(&mut row_results, **row, row_result_of(&failure.code));
        }
        unnamed |= failure.counted() > named.len() as u64;
        let open = failure.counted().saturating_sub(failure.rows.len() as u64);
        if open > 0 {
            of_any.push((&failure.code, open));
        }
    }
    let rest: Vec<usize> = members
        .iter()
        .copied()
        .filter(|m| !row_results.contains_key(m))
        .collect();
    let row_result = match said {
        ReportedFailure::AllFailed => result_of_failed_rows(rest.len(), &of_any),
        // "In part", and no part is named: some rows may have gone through, and the answer does not say which.
        ReportedFailure::SomeFailed if unnamed || row_results.is_empty() => None,
        ReportedFailure::SomeFailed => Some(RowResult::Uploaded),
    };
    let row_result = row_result.unwrap_or(RowResult::Unknown(0));
    row_results.extend(rest.into_iter().map(|row| (row, row_result.clone())));
    // Those of which nothing is known go again in halves.
    let unknown = row_results
        .iter()
        .filter(|(_, result)| matches!(result, RowResult::Unknown(_)));
    let unknown: Vec<usize> = unknown.map(|(row, _)| *row).collect();
    row_results.extend(all_unknown(&unknown));
    row_results
}

/// The result of so many rows that all failed, for reasons that name none of them; `None` if these can't be told apart.
fn result_of_failed_rows(rest: usize, unnamed: &[(&Code, u64)]) -> Option<RowResult> {
    let failed = unnamed.iter().fold(0u64, |sum, (_, n)| sum.saturating_add(*n));
    match unnamed {
        // No reason at all: a status that says so little is no proof.
        [] => None,
        _ if rest == 1 => hardest_result(unnamed),
        [(code, _)] if failed >= rest as u64 && code.class != Class::TooLarge => Some(row_result_of(code)),
        _ => None,
    }
}

/// The hardest of the reasons for one row, the first of several alike.
fn hardest_result(codes: &[(&Code, u64)]) -> Option<RowResult> {
    let mut row_results = BTreeMap::new();
    for (code, _) in codes {
        keep_hardest(&mut row_results, 0, row_result_of(code));
    }
    row_results.remove(&0)
}
