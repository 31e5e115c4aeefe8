//! Sync loops of an account that end unexpectedly, as the status reports them.

use crate::api::reasons::reason;
use crate::domain::account_health::AccountHealth;
use crate::registry::{BrokenLoop, Readiness};

/// What is wrong, and what to do.
pub fn broken_message(broken: &BrokenLoop) -> String {
    format!(
        "{} has failed since {:.0} and is restarted after growing pauses. This is a bug in the operator, not a fault of the \
         account: report it with the operator's log line \"panic\", and update the operator.",
        broken.which.stalled_work(),
        broken.since
    )
}

/// What the status shows if it differs from what the sync loops work by:
/// they try again what was refused, and broken ones are started again.
pub fn readiness_to_show(health: &AccountHealth, shown: &Readiness, broken: Option<&BrokenLoop>) -> Option<Readiness> {
    match (shown, broken) {
        (Readiness::NotReady { .. }, _) => health.is_retrying().then(|| shown.clone()),
        (Readiness::Ready, Some(broken)) => Some(Readiness::NotReady {
            reason: reason::INTERNAL_ERROR.to_owned(),
            message: broken_message(broken),
        }),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::registry::Loop;

    /// Events and people see that the account is not Ready; the
    /// loops, this one too once it is started again, work with it.
    #[test]
    fn a_broken_loop_makes_a_ready_account_not_ready_for_people_only() {
        let broken = BrokenLoop {
            which: Loop::Uploader,
            since: "2026-11-20T12:00:00Z".parse().unwrap(),
        };
        let told = |shown: &Readiness, broken| readiness_to_show(&AccountHealth::NONE, shown, broken);
        let Some(Readiness::NotReady { reason, message }) = told(&Readiness::Ready, Some(&broken)) else {
            panic!("not told");
        };
        assert_eq!(reason, "InternalError");
        assert!(
            message.starts_with("Sending to this account has failed since 2026-11-20T12:00:00Z")
                && message.contains("a bug in the operator"),
            "{message}"
        );
        assert_eq!(told(&Readiness::Ready, None), None);
        assert_eq!(told(&Readiness::Suspended, Some(&broken)), None);
        let denied = Readiness::NotReady {
            reason: "AccessDenied".to_owned(),
            message: "No.".to_owned(),
        };
        assert_eq!(
            told(&denied, Some(&broken)),
            None,
            "what keeps the loops from working stays"
        );
    }
}
