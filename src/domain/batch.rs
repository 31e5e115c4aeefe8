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
        Class::Account | Class::Split | Class::Rejected | Class::Forgotten | Class::Unknown => rejected(code),
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
/// Where nothing is named, a code that speaks of the account or of Google holds all rows, of each action apart where
/// there are several; for any other code the request is halved, until a row is alone.
pub fn refusal(destination_of: &[usize], code: &str, complaints: &[Complaint<'_>]) -> Refusal {
    let rows = destination_of.len();
    let fates = named(destination_of, code, complaints);
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
    if let Some(why) = hold(code) {
        return held(destination_of, why);
    }
    if rows == 1 {
        return Refusal {
            fates: BTreeMap::from([(0, single(code))]),
            resend: vec![],
        };
    }
    let all: Vec<_> = (0..rows).collect();
    let (left, right) = all.split_at(rows / 2);
    Refusal {
        fates,
        resend: vec![left.to_vec(), right.to_vec()],
    }
}

/// Fates of the rows and destinations that complaints name. A complaint about the size of the request is none about the
/// row that stands where it became too large.
fn named(destination_of: &[usize], code: &str, complaints: &[Complaint<'_>]) -> BTreeMap<usize, Fate> {
    let rows = destination_of.len();
    let mut fates = BTreeMap::new();
    for complaint in complaints {
        let code = if complaint.code.is_empty() {
            code
        } else {
            complaint.code
        };
        if rows > 1 && classify(code) == Class::Split {
            continue;
        }
        match (complaint.row, complaint.destination) {
            (Some(row), _) if row < rows => {
                fates.entry(row).or_insert_with(|| fate_of_row(code));
            }
            (None, Some(destination)) => {
                let why = hold(code).unwrap_or(reason::ACCOUNT_NOT_READY);
                for row in (0..rows).filter(|r| destination_of[*r] == destination) {
                    fates.entry(row).or_insert(Fate::Wait(why));
                }
            }
            _ => {}
        }
    }
    fates
}

/// The pending reason of a whole request refused with this code; `None` where one row may have spoilt it.
fn hold(code: &str) -> Option<&'static str> {
    match classify(code) {
        Class::Account => Some(reason::ACCOUNT_NOT_READY),
        Class::Wait(reason::CLICK_TOO_RECENT) => None,
        Class::Wait(why) => Some(why),
        _ => None,
    }
}

/// All rows wait; where it may be a matter of one action among several, each action goes again by itself first.
fn held(destination_of: &[usize], why: &'static str) -> Refusal {
    let mut by_action: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, destination) in destination_of.iter().enumerate() {
        by_action.entry(*destination).or_default().push(row);
    }
    if by_action.len() > 1 && matches!(why, reason::ACCOUNT_NOT_READY | reason::ACTION_TOO_NEW) {
        return Refusal {
            fates: BTreeMap::new(),
            resend: by_action.into_values().collect(),
        };
    }
    Refusal {
        fates: (0..destination_of.len()).map(|row| (row, Fate::Wait(why))).collect(),
        resend: vec![],
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

/// Fates of the rows of a request that was answered row by row (reference notes, Google 2.4): `taken` says for which of
/// them Google gave a result, `complaints` which failed and why. Rows of which neither is said are absent: they go again.
/// Of several codes of one row the worst counts. A row that stood twice in a request goes again by itself.
pub fn partial(taken: &[bool], complaints: &[Complaint<'_>]) -> BTreeMap<usize, Fate> {
    let mut fates: BTreeMap<usize, Fate> = BTreeMap::new();
    for complaint in complaints {
        let Some(row) = complaint.row else { continue };
        let fate = match classify(complaint.code) {
            Class::Split => Fate::Wait(reason::UPSTREAM_UNAVAILABLE),
            _ => fate_of_row(complaint.code),
        };
        let worse = fates.get(&row).is_none_or(|known| badness(&fate) > badness(known));
        if worse {
            fates.insert(row, fate);
        }
    }
    for (row, taken) in taken.iter().enumerate() {
        if *taken {
            fates.entry(row).or_insert(Fate::Uploaded);
        }
    }
    fates
}

const fn badness(fate: &Fate) -> u8 {
    match fate {
        Fate::Uploaded => 0,
        Fate::Unknown(_) => 1,
        Fate::Wait(_) => 2,
        Fate::Rejected(..) => 3,
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
/// `cut`: the request is what was cut out of a larger one of which other rows went through.
/// `None`: not finished, ask again. Never calls a row uploaded that Google may have failed.
pub fn results(status: &str, members: &[usize], failures: &[Failure<'_>], cut: bool) -> Option<BTreeMap<usize, Fate>> {
    let said = match status {
        "SUCCESS" if failures.iter().all(|f| f.count == 0 && f.rows.is_empty()) => {
            return Some(members.iter().map(|m| (*m, Fate::Uploaded)).collect());
        }
        "SUCCESS" | "PARTIAL_SUCCESS" => Said::SomeFailed,
        "FAILED" => Said::AllFailed,
        _ => return None,
    };
    Some(attribute(members, failures, said, cut))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    SomeFailed,
    AllFailed,
}

fn attribute(members: &[usize], failures: &[Failure<'_>], said: Said, cut: bool) -> BTreeMap<usize, Fate> {
    let inside: BTreeSet<usize> = members.iter().copied().collect();
    let mut fates = BTreeMap::new();
    let mut unnamed: Vec<(&str, u64)> = Vec::new();
    for failure in failures {
        let named: BTreeSet<_> = failure.rows.iter().filter(|r| inside.contains(r)).collect();
        for row in &named {
            fates.entry(**row).or_insert_with(|| fate_of_row(failure.code));
        }
        // A reason without a number failed at least one row.
        let count = failure.count.max(1);
        let missing = count.saturating_sub(named.len() as u64);
        if missing > 0 {
            unnamed.push((failure.code, missing));
        }
    }
    let rest: Vec<usize> = members.iter().copied().filter(|m| !fates.contains_key(m)).collect();
    let fate_of_rest = match (unnamed.as_slice(), said) {
        // "In part", and no part is named.
        ([], Said::SomeFailed) if fates.is_empty() && rest.len() > 1 => None,
        ([], Said::SomeFailed) => Some(Fate::Uploaded),
        (unnamed, said) => fate_of_rest(rest.len(), unnamed, said, cut && members.len() == 1),
    };
    let half = rest.len().div_ceil(2);
    for (i, row) in rest.into_iter().enumerate() {
        fates.insert(row, fate_of_rest.clone().unwrap_or(Fate::Unknown(u8::from(i >= half))));
    }
    fates
}

/// What became of so many rows some or all of which failed for these reasons; `None` where that can't be told apart.
fn fate_of_rest(rest: usize, unnamed: &[(&str, u64)], said: Said, singled_out: bool) -> Option<Fate> {
    let failed: u64 = unnamed.iter().map(|(_, n)| n).sum();
    if said == Said::SomeFailed && failed < rest as u64 {
        return None;
    }
    match unnamed {
        [] if rest == 1 => Some(rejected("")),
        // Its neighbours went through, so it is no matter of the account.
        [(code, _), ..] if singled_out => Some(fate_of_row(code)),
        [(code, _), ..] if rest == 1 => Some(fate_of_many(code)),
        [(code, _)] if classify(code) != Class::Split => Some(fate_of_many(code)),
        _ => None,
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
