//! What the status of an accepted request says of its rows. Failures are tied to rows by index. If the status does not
//! say which rows failed, no row counts as uploaded; if it does not say why, none counts as rejected. A status that
//! contradicts itself proves nothing (docs/reference/google.md 6.6).

use std::collections::{BTreeMap, BTreeSet};

use super::batch::{RowResult, all_unknown, keep_hardest, row_result_of};
use super::codes::{Class, Code};

/// Rows of one destination that failed for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedFailure {
    pub code: Code,
    /// How many rows; `None` if the status does not say, or it can't be read.
    pub count: Option<u64>,
    /// Positions in the request; may be missing or short. [`super::batch::NO_ROW`] for one that can't be read.
    pub rows: Vec<usize>,
}

impl ReportedFailure {
    fn counted(&self) -> u64 {
        self.count.unwrap_or_default()
    }

    /// False if it can't be about a request of `sent` rows: it counts no rows, or fewer than it names, or names a row
    /// twice, or one that was not sent. It is usual that it names fewer rows than it counts.
    fn is_possible(&self, sent: usize) -> bool {
        let named: BTreeSet<_> = self.rows.iter().collect();
        let distinct = named.len() == self.rows.len() && self.rows.iter().all(|row| *row < sent);
        distinct && self.count.is_some_and(|count| count >= self.rows.len() as u64)
    }
}

/// How far the processing of a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestProgress {
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
    pub progress: RequestProgress,
    /// How many rows were counted; `None` if the ad network does not say.
    pub records: Option<u64>,
    /// Failures by reason.
    pub failures: Vec<ReportedFailure>,
}

impl RequestReport {
    /// True if it will not change any more.
    pub fn is_finished(&self) -> bool {
        self.progress != RequestProgress::Open
    }

    /// True if it can't all be true of a destination with `ours` of the `sent` rows of a request. A row may have failed
    /// for several reasons.
    fn contradicts_itself(&self, ours: usize, sent: usize) -> bool {
        let (ours, sent_rows) = (ours as u64, sent as u64);
        // Google documents the number as that of all events of the request; for a destination that some of them went to
        // it may be that of these.
        let Some(records) = self.records.filter(|records| [ours, sent_rows].contains(records)) else {
            return true;
        };
        if !self.failures.iter().all(|failure| failure.is_possible(sent)) {
            return true;
        }
        let named: BTreeSet<_> = self.failures.iter().flat_map(|failure| &failure.rows).collect();
        let most = self
            .failures
            .iter()
            .map(ReportedFailure::counted)
            .fold(0, u64::saturating_add);
        let largest = self
            .failures
            .iter()
            .map(ReportedFailure::counted)
            .max()
            .unwrap_or_default();
        let least = largest.max(named.len() as u64);
        match self.progress {
            _ if largest > records => true,
            RequestProgress::Open => false,
            RequestProgress::Succeeded => most > 0,
            RequestProgress::PartlyFailed => most == 0 || least >= records,
            RequestProgress::Failed => most < ours,
        }
    }
}

/// Results of the rows of one destination (`members`: their positions in the request, ascending) of a request of `sent`
/// rows. `None`: not finished, ask again. Never calls a row uploaded that may have failed, or rejected that may have
/// gone through: a report that counts another number of rows says nothing about ours, nor does one that contradicts
/// itself.
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
        RequestProgress::Succeeded => members.iter().map(|m| (*m, RowResult::Uploaded)).collect(),
        RequestProgress::Failed => attribute_failures(members, &report.failures, FailedShare::All),
        _ => attribute_failures(members, &report.failures, FailedShare::Some),
    })
}

/// How many of the rows a report says have failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FailedShare {
    Some,
    All,
}

fn attribute_failures(
    members: &[usize],
    failures: &[ReportedFailure],
    said: FailedShare,
) -> BTreeMap<usize, RowResult> {
    let inside: BTreeSet<usize> = members.iter().copied().collect();
    let mut row_results = BTreeMap::new();
    // More of our rows may have failed than are named.
    let mut unnamed = false;
    // How many rows of each failure are not named by an index. They may be rows of any destination.
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
        FailedShare::All => result_of_failed_rows(rest.len(), &of_any),
        // The request failed in part, and the status does not say which part: some rows may have gone through.
        FailedShare::Some if unnamed || row_results.is_empty() => None,
        FailedShare::Some => Some(RowResult::Uploaded),
    };
    let row_result = row_result.unwrap_or(RowResult::Unknown(0));
    row_results.extend(rest.into_iter().map(|row| (row, row_result.clone())));
    // Rows of which nothing is known are sent again in halves.
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
        // A status that gives no reason at all is no proof.
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
