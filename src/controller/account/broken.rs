//! Sync loops of an account that end unexpectedly, as people are told.

use crate::api::reasons::reason;
use crate::domain::account_trouble::Trouble;
use crate::sync::registry::{Broken, Readiness};

/// What is so and what to do.
pub fn message(broken: &Broken) -> String {
    format!(
        "{} has ended unexpectedly since {:.0} and is started again after a growing pause. This is a defect of the operator, \
         not of the account: report it with the operator's log line \"panic\", and update the operator.",
        broken.which.work(),
        broken.since
    )
}

/// What people are told where that is not what the sync loops work by: they try again what was refused, and broken ones are
/// started again.
pub fn told_apart(trouble: &Trouble, shown: &Readiness, broken: Option<&Broken>) -> Option<Readiness> {
    match (shown, broken) {
        (Readiness::NotReady { .. }, _) => trouble.trying().then(|| shown.clone()),
        (Readiness::Ready, Some(broken)) => Some(Readiness::NotReady {
            reason: reason::INTERNAL_ERROR.to_owned(),
            message: message(broken),
        }),
        _ => None,
    }
}
