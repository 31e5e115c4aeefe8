//! The condition `Delivering`.

use super::assessment::EventAssessment;
use crate::api::reasons::reason;
use crate::domain::conditions::Status;
use crate::domain::delivering::{Delivered, SettledCount, judge_window};
use crate::domain::outcome::Outcome;

/// Status, reason and message of `Delivering`; `None` keeps the previous condition.
pub fn delivering_condition(facts: &EventAssessment<'_>) -> Option<(Status, &'static str, String)> {
    if let Some(refusal) = &facts.refusal {
        return Some((Status::False, reason::REFUSED, refusal.message.clone()));
    }
    let classes = &facts.counted.as_ref()?.counts.classes;
    let settled: Vec<_> = classes
        .iter()
        .filter(|class| class.recent > 0)
        .map(|class| SettledCount {
            rejected_as: (class.outcome == Outcome::Rejected).then_some(class.reason.as_str()),
            count: class.recent,
        })
        .collect();
    Some(match judge_window(&settled) {
        Delivered::MostRejected(message) => (Status::False, reason::MOST_REJECTED, message),
        Delivered::Taken(1) => conversions_taken("1 conversion was"),
        Delivered::Taken(count) => conversions_taken(&format!("{count} conversions were")),
    })
}

fn conversions_taken(what: &str) -> (Status, &'static str, String) {
    let message = format!("{what} uploaded in the last 24 hours.");
    (Status::True, reason::DELIVERING, message)
}
