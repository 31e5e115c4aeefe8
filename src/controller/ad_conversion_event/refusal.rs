//! The refusal in force: Google takes no conversion of an event, for no reason of single ones.

use jiff::Timestamp;

use super::facts::EventFacts;
use crate::api::reasons::{condition, reason};
use crate::domain::conditions::find_condition;
use crate::domain::delivering::refused_message;
use crate::domain::outcome::Outcome;

/// What every condition says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentRefusal {
    /// For people.
    pub message: String,
    /// Since when this process knows of it.
    pub since: Timestamp,
}

impl EventFacts<'_> {
    /// What the sync loops met, else what the status says from before the process started.
    pub fn current_refusal(&self) -> Option<CurrentRefusal> {
        let Some(refused) = &self.report.refused else {
            return self.standing_refusal();
        };
        let google = self.resolved.google.as_ref();
        let kind = self.declared().trigger_kind();
        // Whoever sets `spec.uploads` to the other interface has done what the message asked for.
        let left = google.is_some_and(|account| account.service_name(kind) != refused.via);
        (!left).then(|| CurrentRefusal {
            message: refused_message(&refused.code, kind),
            since: refused.since,
        })
    }

    /// A refusal of which a process that has just started does not know yet stands until something is taken.
    fn standing_refusal(&self) -> Option<CurrentRefusal> {
        let said =
            find_condition(&self.before.conditions, condition::DELIVERING).filter(|c| c.reason == reason::REFUSED)?;
        let mut classes = self.counted.as_ref()?.counts.classes.iter();
        let waits = classes.any(|c| matches!(c.outcome, Outcome::Pending | Outcome::Processing));
        (waits && !self.report.taken).then(|| CurrentRefusal {
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
    use crate::api::{Condition, Time, UploadApi, Uploads};
    use crate::controller::ad_conversion_event::facts::CountedRows;
    use crate::controller::ad_conversion_event::status::compose_status;
    use crate::controller::ad_conversion_event::test_support::{FactsParts, NOW};
    use crate::domain::codes::{Class, Code, Matter};
    use crate::domain::conditions::Status;
    use crate::domain::counts::ClassCount;
    use crate::domain::declared::NamedTrigger;
    use crate::domain::trigger::TriggerKind;
    use crate::ports::ledger::RowCounts;
    use crate::registry::test_support::google_account;
    use crate::registry::{GoogleAccount, RefusedAt};

    const EARLIER: Timestamp = Timestamp::MIN;
    const SWITCHED: Uploads = Uploads {
        click_conversions: UploadApi::GoogleAds,
        enhancements: UploadApi::DataManager,
    };
    const SAID: &str = "Google refused before the process started.";

    /// An event whose `Delivering` said this before.
    fn said_before(why: &str) -> FactsParts {
        let mut parts = FactsParts::working();
        let said = Condition {
            type_: condition::DELIVERING.to_owned(),
            status: Status::False.as_str().to_owned(),
            reason: why.to_owned(),
            message: SAID.to_owned(),
            observed_generation: None,
            last_transition_time: Time(EARLIER),
        };
        parts.before.conditions = vec![said];
        parts
    }

    fn rows(outcome: Outcome) -> CountedRows {
        let class = ClassCount {
            outcome,
            reason: String::new(),
            detail: String::new(),
            count: 1,
            due: 0,
            recent: 1,
            last: NOW,
        };
        CountedRows {
            stream: crate::ports::ledger::StreamId(1),
            counts: RowCounts {
                classes: vec![class],
                ..RowCounts::default()
            },
            ledger_id: String::new(),
        }
    }

    fn google(uploads: Uploads) -> GoogleAccount {
        GoogleAccount {
            uploads,
            ..google_account(None)
        }
    }

    /// The message told people to use the other API: an event that does so no
    /// longer meets the refusal, nor one that the status says from before.
    #[rstest]
    #[case::clicks_as_refused(TriggerKind::Stage, UploadApi::DataManager, Uploads::default(), true)]
    #[case::clicks_switched(TriggerKind::Stage, UploadApi::DataManager, SWITCHED, false)]
    #[case::clicks_switched_back(TriggerKind::Stage, UploadApi::GoogleAds, Uploads::default(), false)]
    #[case::forms_as_refused(TriggerKind::Form, UploadApi::GoogleAds, Uploads::default(), true)]
    #[case::forms_switched(TriggerKind::Form, UploadApi::GoogleAds, SWITCHED, false)]
    #[case::forms_switched_back(TriggerKind::Form, UploadApi::DataManager, Uploads::default(), false)]
    #[case::forms_are_of_another_switch(
        TriggerKind::Form,
        UploadApi::GoogleAds,
        Uploads { click_conversions: UploadApi::GoogleAds, ..Uploads::default() },
        true
    )]
    fn a_switch_of_the_interface_ends_a_refusal(
        #[case] kind: TriggerKind,
        #[case] refused_by: UploadApi,
        #[case] now: Uploads,
        #[case] stands: bool,
        #[values(RefusedAt::Upload, RefusedAt::Result)] at: RefusedAt,
    ) {
        let mut parts = said_before(reason::REFUSED);
        parts.resolved.google = Some(google(now));
        if kind.is_form() {
            parts.resolved.declared.trigger = NamedTrigger::Form(String::new());
        }
        let mut facts = parts.facts();
        facts.counted = Some(rows(Outcome::Pending));
        let code = Code::test("TERMS", Class::Blocked(Matter::Terms));
        facts
            .report
            .record_refused(at, refused_by.service_name(), &code, EARLIER);
        assert_eq!(facts.current_refusal().is_some(), stands);
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
        facts.counted = row.map(rows);
        facts.failure_threshold = Duration::ZERO;
        facts.report.taken = taken;
        if met {
            let code = Code::test("ACTION_GONE", Class::Blocked(Matter::Action));
            let via = UploadApi::DataManager.service_name();
            facts.report.record_refused(RefusedAt::Upload, via, &code, EARLIER);
        }
        let refusal = facts.current_refusal();
        let says = |message: &str| wanted.is_some_and(|text| message.contains(text));
        assert_eq!(refusal.is_some(), wanted.is_some(), "{refusal:?}");
        if let Some(refusal) = &refusal {
            assert!(says(&refusal.message), "{refusal:?}");
            assert_eq!(refusal.since, if met { EARLIER } else { NOW });
        }
        let status = compose_status(&facts);
        let concerned = [
            condition::DELIVERING,
            condition::SYNCED,
            condition::CONVERSION_ACTION_READY,
            condition::READY,
        ];
        for name in concerned {
            let found = find_condition(&status.conditions, name);
            let refused = found.is_some_and(|c| c.status == Status::False.as_str() && says(&c.message));
            assert_eq!(refused, wanted.is_some(), "{name}: {found:?}");
        }
    }
}
