//! The refusal in force: Google takes no conversion of an event, for no reason of single ones.

use jiff::Timestamp;

use super::status::Facts;
use crate::api::reasons::{condition, reason};
use crate::domain::conditions::find;
use crate::domain::delivering::refused_message;
use crate::domain::outcome::Outcome;

/// What every condition says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For people.
    pub message: String,
    /// Since when this process knows of it.
    pub since: Timestamp,
}

impl Facts<'_> {
    /// What the sync loops met, else what the status says from before the process started.
    pub fn refusal(&self) -> Option<Refusal> {
        let met = self.report.refused.as_ref().map(|refused| Refusal {
            message: refused_message(&refused.code),
            since: refused.since,
        });
        met.or_else(|| self.standing())
    }

    /// A refusal of which a process that has just started does not know yet stands until something is taken.
    fn standing(&self) -> Option<Refusal> {
        let before = self.event.status.as_ref()?;
        let said = find(&before.conditions, condition::DELIVERING).filter(|c| c.reason == reason::REFUSED)?;
        let mut classes = self.tally.as_ref()?.tally.classes.iter();
        let waits = classes.any(|c| matches!(c.outcome, Outcome::Pending | Outcome::Processing));
        (waits && !self.report.taken).then(|| Refusal {
            message: said.message.clone(),
            since: self.now,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::api::{AdConversionEventStatus, Condition, Time};
    use crate::controller::event::status::{Counted, compose};
    use crate::controller::event::test_support::{NOW, Parts};
    use crate::domain::codes::{Class, Code, Matter};
    use crate::domain::conditions::Status;
    use crate::sync::ports::ledger::{ClassCount, Tally};
    use crate::sync::registry::RefusedAt;

    const EARLIER: Timestamp = Timestamp::MIN;
    const SAID: &str = "Google refused before the process started.";

    /// An event whose `Delivering` said this before.
    fn said_before(why: &str) -> Parts {
        let mut parts = Parts::working();
        let said = Condition {
            type_: condition::DELIVERING.to_owned(),
            status: Status::False.as_str().to_owned(),
            reason: why.to_owned(),
            message: SAID.to_owned(),
            observed_generation: None,
            last_transition_time: Time(EARLIER),
        };
        parts.event.status = Some(AdConversionEventStatus {
            conditions: vec![said],
            ..AdConversionEventStatus::default()
        });
        parts
    }

    fn rows(outcome: Outcome) -> Counted {
        let class = ClassCount {
            outcome,
            reason: String::new(),
            detail: String::new(),
            count: 1,
            due: 0,
            recent: 1,
            last: NOW,
        };
        Counted {
            tally: Tally {
                classes: vec![class],
                ..Tally::default()
            },
            ledger_id: String::new(),
        }
    }

    /// What the loops met since the process started, what was said before, what the rows are in; what is in force.
    #[rstest]
    #[case::met(true, false, "", None, Some("ACTION_GONE"))]
    #[case::met_though_others_were_taken(true, true, "", None, Some("ACTION_GONE"))]
    #[case::met_counts_more_than_said(true, false, reason::REFUSED, Some(Outcome::Pending), Some("ACTION_GONE"))]
    #[case::said_and_waiting(false, false, reason::REFUSED, Some(Outcome::Pending), Some(SAID))]
    #[case::said_and_processing(false, false, reason::REFUSED, Some(Outcome::Processing), Some(SAID))]
    #[case::said_and_taken_since(false, true, reason::REFUSED, Some(Outcome::Pending), None)]
    #[case::said_and_nothing_waits(false, false, reason::REFUSED, Some(Outcome::Uploaded), None)]
    #[case::said_and_nothing_counted(false, false, reason::REFUSED, None, None)]
    #[case::something_else_was_said(false, false, reason::MOST_REJECTED, Some(Outcome::Pending), None)]
    #[case::never(false, false, "", Some(Outcome::Pending), None)]
    fn the_refusal_in_force_is_in_every_condition(
        #[case] met: bool,
        #[case] taken: bool,
        #[case] before: &str,
        #[case] row: Option<Outcome>,
        #[case] wanted: Option<&str>,
    ) {
        let parts = said_before(before);
        let mut facts = parts.facts();
        facts.tally = row.map(rows);
        facts.failure_threshold = Duration::ZERO;
        facts.report.taken = taken;
        if met {
            let code = Code {
                name: "ACTION_GONE".to_owned(),
                class: Class::Blocked(Matter::Action),
            };
            facts.report.note_refused(RefusedAt::Upload, &code, EARLIER);
        }
        let refusal = facts.refusal();
        let says = |message: &str| wanted.is_some_and(|text| message.contains(text));
        assert_eq!(refusal.is_some(), wanted.is_some(), "{refusal:?}");
        if let Some(refusal) = &refusal {
            assert!(says(&refusal.message), "{refusal:?}");
            assert_eq!(refusal.since, if met { EARLIER } else { NOW });
        }
        let status = compose(&facts);
        let concerned = [
            condition::DELIVERING,
            condition::SYNCED,
            condition::CONVERSION_ACTION_READY,
            condition::READY,
        ];
        for name in concerned {
            let found = find(&status.conditions, name);
            let refused = found.is_some_and(|c| c.status == Status::False.as_str() && says(&c.message));
            assert_eq!(refused, wanted.is_some(), "{name}: {found:?}");
        }
    }
}
