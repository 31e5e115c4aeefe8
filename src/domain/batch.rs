//! What the answer to a request means for its rows: fast fails are cut down to the bad rows, and what is said row by row is
//! tied to them by index. What became of an accepted request is told later ([`super::request_report`]).

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

/// What stands where the index of a row belongs and is none: of no row of any request.
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
    /// The code, if it says anything.
    fn telling_code(&self) -> Option<&Code> {
        self.code.as_ref().filter(|code| code.class != Class::SaysNothing)
    }

    /// True where it names a row that was not sent with these: of another request, or garbled.
    fn is_of_another(&self, rows: usize) -> bool {
        self.row.is_some_and(|row| row >= rows)
    }
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

    /// Takes back what the refusal says of rows by name and for good, but for what an earlier answer has said too
    /// (`is_repeated`): one answer may be odd, so they go again, as a request among themselves.
    pub fn doubt_first_words(&mut self, mut is_repeated: impl FnMut(usize, FinalWord) -> bool) {
        if self.unnamed {
            return;
        }
        let is_first =
            |row: &usize, result: &mut RowResult| FinalWord::of(result).is_some_and(|word| !is_repeated(*row, word));
        let doubted: Vec<usize> = self.row_results.extract_if(.., is_first).map(|(row, _)| row).collect();
        self.resend.extend(Some(doubted).filter(|rows| !rows.is_empty()));
    }
}

/// What a code says of a row for good. It takes two answers: what follows can't be taken back, and one answer may be odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalWord {
    /// Refused.
    Rejected,
    /// The ad network has it already.
    Delivered,
}

impl FinalWord {
    /// What a result that comes from a code says for good, if it does.
    const fn of(row_result: &RowResult) -> Option<Self> {
        match row_result {
            RowResult::Rejected(..) => Some(Self::Rejected),
            RowResult::Uploaded => Some(Self::Delivered),
            RowResult::Wait(..) | RowResult::Blocked(_) | RowResult::Unknown(_) => None,
        }
    }
}

/// Takes back what an answer row by row says of rows for good, by a code, but for what an earlier answer has said too
/// (`is_repeated`): these rows are of unknown outcome. That a row itself was taken, which a result proves, takes one answer.
/// Returns which rows these are.
pub fn doubt_first_words(
    evidence: &[Evidence],
    row_results: &mut BTreeMap<usize, RowResult>,
    mut is_repeated: impl FnMut(usize, FinalWord) -> bool,
) -> BTreeSet<usize> {
    let mut doubted = BTreeSet::new();
    for (row, row_result) in row_results {
        let is_proven = *row_result == RowResult::Uploaded && evidence.get(*row) == Some(&Evidence::Taken);
        let word = FinalWord::of(row_result).filter(|_| !is_proven);
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

/// Of several reasons for one row the hardest wins: for good before a person before waiting before not known before
/// delivered.
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
/// Rows named with a code of their own get their result and the rest goes again as one request. Rows of a named
/// destination wait for the account or the action. If nothing is named, a code that speaks of these or of a wait holds all
/// rows, of each action apart where there are several; for any other code the request is halved, until a row is alone.
/// A refusal that also names a row that was not sent may be that of another request: it names none.
pub fn cut_down_refused(destination_of: &[usize], code: Option<&Code>, complaints: &[Complaint]) -> Refusal {
    let rows = destination_of.len();
    let of_another = complaints.iter().any(|complaint| complaint.is_of_another(rows));
    let row_results = if of_another {
        BTreeMap::new()
    } else {
        named_results(destination_of, code, complaints)
    };
    if !row_results.is_empty() {
        let rest: Vec<_> = (0..rows).filter(|r| !row_results.contains_key(r)).collect();
        return Refusal::named(row_results, if rest.is_empty() { vec![] } else { vec![rest] });
    }
    let first = complaints.iter().find_map(Complaint::telling_code).or(code);
    if let Some(row_result) = result_for_all(first) {
        return all_wait(destination_of, &row_result);
    }
    if rows > 1 {
        let too_many = first.is_some_and(|code| code.class == Class::TooLarge);
        return Refusal {
            unnamed: !too_many,
            ..halve_rows(rows)
        };
    }
    let telling = first.filter(|code| !of_another && code.class != Class::SaysNothing);
    // Without a code all that is known is that it was refused.
    let refused = || RowResult::Rejected(reason::INVALID_ARGUMENT.into(), String::new());
    let row_result = telling.map_or_else(refused, row_result_of);
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

/// Results of the rows and destinations that complaints name. A complaint about the size of the request is none about the
/// row that stands where it became too large.
fn named_results(
    destination_of: &[usize],
    code: Option<&Code>,
    complaints: &[Complaint],
) -> BTreeMap<usize, RowResult> {
    let rows = destination_of.len();
    let mut row_results = BTreeMap::new();
    for complaint in complaints {
        // The code of the request may be about anything else: what is said of a row has one of its own.
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
    let code = code?;
    match code.class {
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

/// Results of the rows of a request that was answered row by row: what the results say of each, and `complaints` about
/// which failed and why. Rows of which neither is said are absent: they go again. A row that stood twice in a request
/// goes again by itself. A complaint about a row that was not sent may mean any: then nothing is known of all. Nor is
/// anything known of a row that has both a complaint and a result, or a complaint without a code that says anything.
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

/// The outcome of none of these rows is known.
pub fn all_unknown(members: &[usize]) -> BTreeMap<usize, RowResult> {
    let half = members.len().div_ceil(2);
    let of = |(i, row): (usize, &usize)| (*row, RowResult::Unknown(u8::from(i >= half)));
    members.iter().enumerate().map(of).collect()
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
