//! The condition `Delivering`, and what it says about the conversion action.

use super::facts::Facts;
use crate::api::reasons::reason;
use crate::api::{Condition, LastError, Time};
use crate::domain::conditions::Status;
use crate::domain::counts;
use crate::domain::delivering::{Delivered, Settled, judge};
use crate::domain::ids::ContactId;
use crate::domain::outcome::Outcome;
use crate::ports::ledger::Rejection;

/// Status, reason and message of `Delivering`; `None` keeps what was said before.
pub fn delivering(facts: &Facts<'_>) -> Option<(Status, &'static str, String)> {
    if let Some(refusal) = facts.refusal() {
        return Some((Status::False, reason::REFUSED, refusal.message));
    }
    let classes = &facts.tally.as_ref()?.tally.classes;
    let settled: Vec<_> = classes
        .iter()
        .filter(|class| class.recent > 0)
        .map(|class| Settled {
            rejected_as: (class.outcome == Outcome::Rejected).then_some(class.detail.as_str()),
            count: class.recent,
        })
        .collect();
    Some(match judge(&settled) {
        Delivered::MostRejected(message) => (Status::False, reason::MOST_REJECTED, message),
        Delivered::Taken(1) => taken("1 conversion was"),
        Delivered::Taken(count) => taken(&format!("{count} conversions were")),
    })
}

fn taken(what: &str) -> (Status, &'static str, String) {
    let message = format!("{what} uploaded in the last 24 hours.");
    (Status::True, reason::DELIVERING, message)
}

/// Ready's message while what is sent does not arrive; its status is no matter of `Delivering`.
pub fn ready_message(delivering: &Condition) -> Option<String> {
    (delivering.status == Status::False.as_str()).then(|| delivering.message.clone())
}

/// The last rejections as `status.sync.lastErrors` shows them.
pub fn rejection(rejection: &Rejection) -> LastError {
    LastError {
        time: Time(rejection.at),
        reason: rejection.reason.clone(),
        message: counts::rejection(&rejection.reason, &rejection.detail),
        contact_id: (rejection.contact != ContactId::UNKNOWN).then(|| rejection.contact.to_string()),
    }
}
