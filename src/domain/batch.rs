//! What the answer to a request means for its rows. A request that is refused as a whole is cut down to the bad rows;
//! results row by row are tied to rows by index. What became of an accepted request is reported later
//! ([`super::request_report`]).

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
    /// It waits until a person acts on the account or the action; the code is of [`Class::Blocked`].
    Blocked(Code),
    /// It is not known whether it failed. It stays processing and is sent again in a smaller request (0 or 1: in which
    /// half).
    Unknown(u8),
}

/// Stands for an index that can't be read: no row of any request has it.
pub const NO_ROW: usize = usize::MAX;

/// A part of a refusal that names rows or destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Row index, if named; [`NO_ROW`] if it can't be read.
    pub row: Option<usize>,
    /// Destination index, if named.
    pub destination: Option<usize>,
    /// The code, if there is one. A client gives each complaint about a destination one.
    pub code: Option<Code>,
}

impl Complaint {
    /// The code, unless it says nothing.
    fn telling_code(&self) -> Option<&Code> {
        self.code.as_ref().filter(|code| code.class != Class::SaysNothing)
    }

    /// True if it names a row that was not in the request: it is about another request, or garbled.
    fn belongs_to_another(&self, rows: usize) -> bool {
        self.row.is_some_and(|row| row >= rows)
    }
}

/// What to do after a request was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefusalPlan {
    /// Rows whose result is decided.
    pub row_results: BTreeMap<usize, RowResult>,
    /// Rows to send again at once, as requests of their own, each in the old order.
    pub resend: Vec<Vec<usize>>,
    /// The refusal says nothing about any row, not even that there are too many. The result of a row that was alone in
    /// the request then holds only if other requests are accepted meanwhile.
    pub unnamed: bool,
}

impl RefusalPlan {
    /// A plan for a refusal that says something about rows or destinations.
    const fn named(row_results: BTreeMap<usize, RowResult>, resend: Vec<Vec<usize>>) -> Self {
        Self {
            row_results,
            resend,
            unnamed: false,
        }
    }

    /// Takes back each final result of a row that the refusal names, unless an earlier answer has said the same
    /// (`is_repeated`): one answer may be odd. These rows are sent again, in a request of their own.
    pub fn doubt_unconfirmed(&mut self, mut is_repeated: impl FnMut(usize, FinalVerdict) -> bool) {
        if self.unnamed {
            return;
        }
        let is_first =
            |row: &usize, result: &mut RowResult| FinalVerdict::of(result).is_some_and(|word| !is_repeated(*row, word));
        let doubted: Vec<usize> = self.row_results.extract_if(.., is_first).map(|(row, _)| row).collect();
        self.resend.extend(Some(doubted).filter(|rows| !rows.is_empty()));
    }
}

/// A final result of a row that comes from a code. It takes two answers that agree: what follows can't be taken back,
/// and one answer may be odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalVerdict {
    /// Refused.
    Rejected,
    /// The ad network has it already.
    Delivered,
}

impl FinalVerdict {
    /// The final verdict of a result, if it is one.
    const fn of(row_result: &RowResult) -> Option<Self> {
        match row_result {
            RowResult::Rejected(..) => Some(Self::Rejected),
            RowResult::Uploaded => Some(Self::Delivered),
            RowResult::Wait(..) | RowResult::Blocked(_) | RowResult::Unknown(_) => None,
        }
    }
}

/// Takes back each final result that an answer row by row gives by a code, unless an earlier answer has said the same
/// (`is_repeated`): the outcome of these rows is unknown. One answer is enough where a result proves that the row was
/// taken. Returns the rows whose results were taken back.
pub fn doubt_unconfirmed(
    evidence: &[Evidence],
    row_results: &mut BTreeMap<usize, RowResult>,
    mut is_repeated: impl FnMut(usize, FinalVerdict) -> bool,
) -> BTreeSet<usize> {
    let mut doubted = BTreeSet::new();
    for (row, row_result) in row_results {
        let is_proven = *row_result == RowResult::Uploaded && evidence.get(*row) == Some(&Evidence::Taken);
        let word = FinalVerdict::of(row_result).filter(|_| !is_proven);
        if word.is_some_and(|word| !is_repeated(*row, word)) {
            *row_result = RowResult::Unknown(0);
            doubted.insert(*row);
        }
    }
    doubted
}

/// What a code means for the row it is about.
pub(super) fn row_result_of(code: &Code) -> RowResult {
    match code.class {
        Class::SaysNothing => RowResult::Unknown(0),
        Class::Wait(reason) => RowResult::Wait(reason, code.name.clone()),
        Class::Delivered => RowResult::Uploaded,
        Class::Blocked(_) => RowResult::Blocked(code.clone()),
        Class::TooLarge | Class::Rejected | Class::Forgotten | Class::Unknown => {
            RowResult::Rejected(code.reason.clone(), code.name.clone())
        }
    }
}

/// Of several reasons for one row the hardest wins: rejected, then blocked, then waiting, then unknown, then delivered.
const fn hardness(row_result: &RowResult) -> u8 {
    match row_result {
        RowResult::Uploaded => 0,
        RowResult::Unknown(_) => 1,
        RowResult::Wait(..) => 2,
        RowResult::Blocked(_) => 3,
        RowResult::Rejected(..) => 4,
    }
}

/// Records a result unless the row has one that is at least as hard.
pub(super) fn keep_hardest(row_results: &mut BTreeMap<usize, RowResult>, row: usize, row_result: RowResult) {
    if row_results
        .get(&row)
        .is_none_or(|known| hardness(&row_result) > hardness(known))
    {
        row_results.insert(row, row_result);
    }
}

/// Cuts down a request that failed fast. `destination_of` has one entry per row; `code` is the request's own code.
///
/// Rows that are named with a code of their own get their result, and the rest is sent again as one request. Rows of a
/// named destination wait for the account or the action. If nothing is named, a code about the account, the action or a
/// wait holds back all rows (those of each action apart, if there are several); for any other code the request is
/// halved, until a row is alone. A refusal that also names a row that was not sent may belong to another request, so it
/// counts as naming none.
pub fn cut_down_refused(destination_of: &[usize], code: Option<&Code>, complaints: &[Complaint]) -> RefusalPlan {
    let rows = destination_of.len();
    let of_another = complaints.iter().any(|complaint| complaint.belongs_to_another(rows));
    let row_results = if of_another {
        BTreeMap::new()
    } else {
        named_results(destination_of, code, complaints)
    };
    if !row_results.is_empty() {
        let rest: Vec<_> = (0..rows).filter(|r| !row_results.contains_key(r)).collect();
        return RefusalPlan::named(row_results, if rest.is_empty() { vec![] } else { vec![rest] });
    }
    let first = complaints.iter().find_map(Complaint::telling_code).or(code);
    if let Some(row_result) = result_for_all(first) {
        return all_wait(destination_of, &row_result);
    }
    if rows > 1 {
        let too_many = first.is_some_and(|code| code.class == Class::TooLarge);
        return RefusalPlan {
            unnamed: !too_many,
            ..halve_rows(rows)
        };
    }
    let telling = first.filter(|code| !of_another && code.class != Class::SaysNothing);
    // Without a code nothing is known but that it was refused.
    let refused = || RowResult::Rejected(reason::INVALID_ARGUMENT.into(), String::new());
    let row_result = telling.map_or_else(refused, row_result_of);
    RefusalPlan {
        unnamed: matches!(row_result, RowResult::Rejected(..)),
        ..RefusalPlan::named(BTreeMap::from([(0, row_result)]), vec![])
    }
}

/// Sends a request of `rows` rows again in two halves. Nothing is known of the rows.
pub fn halve_rows(rows: usize) -> RefusalPlan {
    let all: Vec<_> = (0..rows).collect();
    let (left, right) = all.split_at(rows / 2);
    RefusalPlan::named(BTreeMap::new(), vec![left.to_vec(), right.to_vec()])
}

/// Results of the rows and destinations that complaints name. A complaint about the size of the request does not count
/// for the row at which it became too large.
fn named_results(
    destination_of: &[usize],
    code: Option<&Code>,
    complaints: &[Complaint],
) -> BTreeMap<usize, RowResult> {
    let rows = destination_of.len();
    let mut row_results = BTreeMap::new();
    for complaint in complaints {
        // A complaint about a row counts only with a code of its
        // own: the code of the request may be about anything else.
        let own = complaint.telling_code();
        let code = own.or(code);
        if code.is_some_and(|code| code.class == Class::TooLarge) {
            continue;
        }
        match (complaint.row, complaint.destination) {
            (Some(row), _) if row < rows => {
                let Some(row_result) = own.map(row_result_of) else {
                    continue;
                };
                if matches!(row_result, RowResult::Blocked(_)) {
                    // This is not about the row: the others of its destination would meet the same, one by one.
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

/// The result of all rows of a request that was refused with this code; `None` if a single row may be the reason.
fn result_for_all(code: Option<&Code>) -> Option<RowResult> {
    let code = code?;
    match code.class {
        Class::Wait(reason::CLICK_TOO_RECENT) => None,
        Class::Blocked(_) | Class::Wait(_) => Some(row_result_of(code)),
        _ => None,
    }
}

/// All rows wait. If one action among several may be the reason, the rows of each action are sent again by themselves
/// first.
fn all_wait(destination_of: &[usize], row_result: &RowResult) -> RefusalPlan {
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
        return RefusalPlan::named(BTreeMap::new(), by_action.into_values().collect());
    }
    let all = (0..destination_of.len()).map(|row| (row, row_result.clone()));
    RefusalPlan::named(all.collect(), vec![])
}

/// Results of the rows of a request that was answered row by row: `evidence` is what the results say of each row,
/// `complaints` say which failed and why. Rows of which neither says anything are absent from the map and are sent
/// again. A row that stood twice in a request is sent again by itself. A complaint about a row that was not sent may
/// mean any row: then nothing is known of all of them. Nor is anything known of a row that has both a complaint and a
/// result, or a complaint whose code says nothing.
pub fn row_by_row_results(evidence: &[Evidence], complaints: &[Complaint]) -> BTreeMap<usize, RowResult> {
    let mut row_results: BTreeMap<usize, RowResult> = BTreeMap::new();
    for complaint in complaints {
        let Some(row) = complaint.row.filter(|row| *row < evidence.len()) else {
            return all_unknown(&(0..evidence.len()).collect::<Vec<_>>());
        };
        let row_result = match complaint.code.as_ref() {
            Some(code) if code.class == Class::TooLarge => {
                RowResult::Wait(reason::UPSTREAM_UNAVAILABLE, code.name.clone())
            }
            Some(code) => row_result_of(code),
            None => RowResult::Unknown(0),
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

/// The results of rows of which nothing is known: they are sent again in two halves.
pub fn all_unknown(members: &[usize]) -> BTreeMap<usize, RowResult> {
    let half = members.len().div_ceil(2);
    let of = |(i, row): (usize, &usize)| (*row, RowResult::Unknown(u8::from(i >= half)));
    members.iter().enumerate().map(of).collect()
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
