//! From the ledger's classes (rows of one outcome, reason and detail) to what a user reads: counts that obey the law of
//! conservation, and reasons in their order of precedence.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::brief::clip;
use super::outcome::{Outcome, explain_detail, explain_reason, reason};
use super::refusals;

/// Most classes shown; the rest is folded into `Other` of their outcome.
pub const MAX_CLASSES: usize = 32;

/// Most characters of a message: Google's texts must not make a status too large to be written.
const MAX_MESSAGE: usize = 1024;

/// Most causes that the message of one reason names.
const MAX_CAUSES: usize = 3;

/// Rows of one class, as the ledger counts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassCount {
    pub outcome: Outcome,
    /// Reason, or Google's code in CamelCase.
    pub reason: String,
    /// The verbatim code behind a rejection, or what [`explain_detail`] knows; else empty.
    pub detail: String,
    /// How many rows.
    pub count: u64,
    /// How many of them are due, whatever the gates say.
    pub due: u64,
    /// How many of them were uploaded or rejected since [`super::delivering::window_start`].
    pub recent: u64,
    /// When the last row came into it.
    pub last: Timestamp,
}

/// What holds back all conversions of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventGates {
    /// The event or one of its accounts is suspended.
    pub suspended: bool,
    /// An account, or the conversion action, is not ready.
    pub account_not_ready: bool,
    /// The action was created too recently.
    pub action_too_new: bool,
}

/// One line of `status.sync.reasons`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonCount {
    pub outcome: Outcome,
    pub reason: String,
    /// How many rows.
    pub count: u64,
    /// When the last row came into it.
    pub last: Timestamp,
    /// What it means and what to do.
    pub message: String,
}

/// Counts of an event: `observed = uploaded + processing + pending + skipped + rejected`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// All occurrences.
    pub observed: u64,
    /// By outcome; an outcome without rows is absent.
    pub by_outcome: BTreeMap<Outcome, u64>,
    /// Classes, largest first.
    pub reasons: Vec<ReasonCount>,
}

impl Counts {
    /// Rows of one outcome.
    pub fn count_of(&self, outcome: Outcome) -> u64 {
        self.by_outcome.get(&outcome).copied().unwrap_or(0)
    }
}

/// Pending reasons in the order in which they are shown when several hold. Others come after these.
const PRECEDENCE: [&str; 8] = [
    reason::IN_FLIGHT,
    reason::SUSPENDED,
    reason::ACCOUNT_NOT_READY,
    reason::AWAITING_CLICK_ID,
    reason::AWAITING_CONSENT,
    reason::NOT_DUE,
    reason::ACTION_TOO_NEW,
    reason::CLICK_TOO_RECENT,
];

fn reason_rank(reason: &str) -> usize {
    PRECEDENCE.iter().position(|r| *r == reason).unwrap_or(PRECEDENCE.len())
}

impl EventGates {
    fn closed_reason(self) -> Option<&'static str> {
        [
            (self.suspended, reason::SUSPENDED),
            (self.account_not_ready, reason::ACCOUNT_NOT_READY),
            (self.action_too_new, reason::ACTION_TOO_NEW),
        ]
        .into_iter()
        .find_map(|(closed, reason)| closed.then_some(reason))
    }

    /// The reason to show for a pending row: a closed gate's if the row is due or the gate comes before the row's own
    /// reason in [`PRECEDENCE`], else its own.
    pub fn shown_reason(self, own: &str, due: bool) -> &str {
        match self.closed_reason() {
            Some(gate) if own != reason::IN_FLIGHT && (due || reason_rank(gate) < reason_rank(own)) => gate,
            _ => own,
        }
    }
}

/// Adds up an event's classes under its gates.
pub fn count_classes(classes: &[ClassCount], gates: EventGates) -> Counts {
    let mut counts = Counts::default();
    let mut lines: BTreeMap<(Outcome, &str), ReasonLine> = BTreeMap::new();
    for class in classes {
        counts.observed += class.count;
        *counts.by_outcome.entry(class.outcome).or_default() += class.count;
        let parts = if class.outcome == Outcome::Pending {
            let due = class.due.min(class.count);
            vec![
                (gates.shown_reason(&class.reason, true), due),
                (gates.shown_reason(&class.reason, false), class.count - due),
            ]
        } else {
            vec![(class.reason.as_str(), class.count)]
        };
        for (reason, count) in parts.into_iter().filter(|(_, n)| *n > 0) {
            if class.outcome != Outcome::Uploaded {
                add_to_line(&mut lines, class, reason, count);
            }
        }
    }
    let lines = lines.into_iter();
    counts.reasons = limit_lines(
        lines
            .map(|((outcome, reason), line)| line.into_reason_count(outcome, reason))
            .collect(),
    );
    counts
}

/// Rows of one outcome and reason, whatever their details.
#[derive(Default)]
struct ReasonLine {
    /// How many have each message.
    messages: BTreeMap<String, u64>,
    last: Timestamp,
}

impl ReasonLine {
    fn into_reason_count(self, outcome: Outcome, reason: &str) -> ReasonCount {
        let mut messages: Vec<_> = self.messages.iter().collect();
        messages.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let message = match messages[..] {
            [(message, _)] => clip(message, MAX_MESSAGE),
            ref several => several_causes(several),
        };
        ReasonCount {
            outcome,
            reason: reason.to_owned(),
            count: self.messages.values().sum(),
            last: self.last,
            message,
        }
    }
}

/// The largest causes of one line, each with its count.
fn several_causes(causes: &[(&String, &u64)]) -> String {
    let (named, others) = causes.split_at(causes.len().min(MAX_CAUSES));
    let each: Vec<_> = named.iter().map(|(m, count)| format!("{count} of them: {m}")).collect();
    let rest = match others.len() {
        0 => String::new(),
        n => format!(
            " And {} more, of {n} other causes.",
            others.iter().map(|(_, count)| **count).sum::<u64>()
        ),
    };
    clip(&each.join(" "), MAX_MESSAGE.saturating_sub(rest.chars().count())) + &rest
}

fn add_to_line<'a>(
    lines: &mut BTreeMap<(Outcome, &'a str), ReasonLine>,
    class: &'a ClassCount,
    reason: &'a str,
    count: u64,
) {
    let line = lines.entry((class.outcome, reason)).or_default();
    *line.messages.entry(reason_message(reason, &class.detail)).or_default() += count;
    line.last = line.last.max(class.last);
}

/// What a reason means and what to do. A `detail` that is not the operator's own is Google's verbatim code; then the
/// reason is that code too, even if it is spelled like one of ours (`NoConsent`).
fn reason_message(reason: &str, detail: &str) -> String {
    if let Some(text) = explain_detail(detail) {
        return text.to_owned();
    }
    let meaning = refusals::explain_rejection(reason).filter(|_| !detail.is_empty());
    match (meaning, explain_reason(reason)) {
        (None, Some(text)) => text.to_owned(),
        (None, None) if detail.is_empty() => "Google rejected these conversions for good.".to_owned(),
        _ => rejected_message("these conversions", detail, meaning),
    }
}

fn rejected_message(what: &str, code: &str, meaning: Option<&str>) -> String {
    let meaning = meaning.unwrap_or("The code is Google's; its documentation says what it means.");
    format!("Google rejected {what} for good: {code}. {meaning}")
}

/// Why one conversion was rejected, and what to do. `code` is Google's, verbatim; empty if only halving singled it out.
pub fn rejection_message(reason: &str, code: &str) -> String {
    match explain_reason(reason).filter(|_| code.is_empty()) {
        Some(text) => text.to_owned(),
        None => clip(
            &rejected_message("this conversion", code, refusals::explain_rejection(reason)),
            MAX_MESSAGE,
        ),
    }
}

/// Largest classes first; beyond the limit one `Other` for each outcome.
fn limit_lines(mut lines: Vec<ReasonCount>) -> Vec<ReasonCount> {
    lines.sort_by(|a, b| {
        b.count
            .cmp(&a.count)
            .then_with(|| (a.outcome, &a.reason).cmp(&(b.outcome, &b.reason)))
    });
    if lines.len() <= MAX_CLASSES {
        return lines;
    }
    let mut others: BTreeMap<Outcome, ReasonCount> = BTreeMap::new();
    for line in lines.split_off(MAX_CLASSES) {
        let other = others.entry(line.outcome).or_insert_with(|| ReasonCount {
            reason: reason::OTHER.to_owned(),
            count: 0,
            message: reason::OTHER_MESSAGE.to_owned(),
            ..line.clone()
        });
        other.count += line.count;
        other.last = other.last.max(line.last);
    }
    lines.extend(others.into_values());
    lines
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
