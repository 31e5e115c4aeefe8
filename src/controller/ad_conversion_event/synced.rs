//! The condition `Synced`: whether HubSpot is read and conversions are sent, and nothing that is not so.

use super::assessment::EventAssessment;
use super::resolve::AccountsReadiness;
use crate::api::reasons::reason;
use crate::domain::brief::counted;
use crate::domain::conditions::Status;
use crate::registry::HeldBack;

/// Status, reason and message.
pub(crate) fn synced_condition(facts: &EventAssessment<'_>) -> (Status, &'static str, String) {
    if let Some((why, _)) = facts.stall {
        let message =
            "Nothing is read from HubSpot or sent to Google while the event is stalled. See the condition Stalled.";
        return (Status::False, why, message.to_owned());
    }
    if !facts.resolved.hubspot_read
        && let Some((why, message)) = why_unread(&facts.resolved.accounts)
    {
        let new = why == reason::PROGRESSING;
        let status = if new { Status::Unknown } else { Status::False };
        return (status, why, message.to_owned());
    }
    if let Some((error, _)) = facts.failing {
        let why = match error.reason.as_str() {
            r if r == reason::RATE_LIMITED => reason::RATE_LIMITED,
            r if r == reason::LEDGER_FULL => reason::LEDGER_FULL,
            _ if facts.report.ledger.error.as_deref() == Some(error) => reason::LEDGER_UNAVAILABLE,
            _ if facts.report.feed.error.as_deref() == Some(error) => reason::SOURCE_UNAVAILABLE,
            _ => reason::UPSTREAM_UNAVAILABLE,
        };
        return (Status::False, why, error.message.clone());
    }
    if let Some(refusal) = &facts.refusal {
        return (Status::False, reason::REFUSED, refusal.message.clone());
    }
    if !facts.made_a_pass {
        let message = "HubSpot has not been read for this event yet.";
        return (Status::Unknown, reason::PROGRESSING, message.to_owned());
    }
    let unknown = facts.counted.as_ref().map_or(0, |counted| counted.counts.long_unknown);
    let note = note_on_unknown(unknown, &facts.declared().key.name);
    match why_deferred(facts) {
        None => (
            Status::True,
            reason::RUN_SUCCEEDED,
            format!("HubSpot is read and due conversions are sent.{note}"),
        ),
        Some(why) => {
            let message = format!("HubSpot is read. {why}{note}");
            // Without an action no conversion has ever gone: there is no success to speak of.
            if facts.outcome.action.id.is_none() {
                (Status::Unknown, reason::PROGRESSING, message)
            } else {
                (Status::True, reason::RUN_SUCCEEDED, message)
            }
        }
    }
}

/// Conversions whose outcome stays unknown: how many, and the way out. They end by themselves or never.
fn note_on_unknown(count: u64, event: &str) -> String {
    if count == 0 {
        return String::new();
    }
    let conversions = counted(count, "conversion");
    format!(
        " Google's answers have not shown for more than a day what became of {conversions} (OutcomeUnknown). They are sent again under the same ids, so none counts twice. `adconversion conversions {event} --reason OutcomeUnknown -o csv` lists them with the ids that Google's support can look for."
    )
}

/// Why HubSpot is not read, if an account is the reason.
fn why_unread(accounts: &AccountsReadiness) -> Option<(&'static str, &'static str)> {
    match accounts {
        AccountsReadiness::Ready => None,
        AccountsReadiness::Suspended(_) => Some((
            reason::SUSPENDED,
            "HubSpot is not read while its account is suspended. See the condition AccountsReady.",
        )),
        AccountsReadiness::NotReady(why, _) => Some((
            why,
            "HubSpot is not read until its account is ready. See the condition AccountsReady.",
        )),
    }
}

/// Why nothing is sent, if so.
fn why_deferred(facts: &EventAssessment<'_>) -> Option<String> {
    let until = |what: &str| Some(format!("No conversion goes to Google {what}."));
    if facts.declared().suspended {
        return until("while the event is suspended (spec.suspend)");
    }
    match facts.resolved.accounts {
        AccountsReadiness::Suspended(_) => return until("while an account is suspended (see AccountsReady)"),
        AccountsReadiness::NotReady(..) => return until("until both accounts are ready (see AccountsReady)"),
        AccountsReadiness::Ready => {}
    }
    if facts.outcome.action.id.is_none() || !facts.outcome.usable {
        return until("until the conversion action is ready (see ConversionActionReady)");
    }
    match facts.held? {
        HeldBack::Until(hold) => until(&format!(
            "before {hold:.0}, because Google rejects conversions for newly created actions"
        )),
        HeldBack::WindowUnknown => until("until Google shows the conversion action with its click window"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::controller::ad_conversion_event::facts::CountedRows;
    use crate::controller::ad_conversion_event::test_support::{FactsParts, NOW};
    use crate::domain::click_window::ClickWindow;
    use crate::domain::ids::{ActionId, CustomerId};
    use crate::ports::ledger::{RowCounts, StreamId};
    use crate::registry::BoundAction;

    /// An event that works, and what is wrong with it.
    struct Case {
        suspended: bool,
        accounts: AccountsReadiness,
        hubspot_read: bool,
        stalled: bool,
        action: Option<&'static str>,
        usable: bool,
        read: bool,
        held: bool,
        window: bool,
        unknown: u64,
    }

    const WORKS: Case = Case {
        suspended: false,
        accounts: AccountsReadiness::Ready,
        hubspot_read: true,
        stalled: false,
        action: Some("1"),
        usable: true,
        read: true,
        held: false,
        window: true,
        unknown: 0,
    };

    fn run(case: &Case) -> String {
        let mut parts = FactsParts::working();
        parts.resolved.declared.suspended = case.suspended;
        parts.resolved.accounts = case.accounts.clone();
        parts.resolved.hubspot_read = case.hubspot_read;
        parts.resolved.stall = case
            .stalled
            .then(|| (reason::STAGE_NOT_FOUND, "No such stage.".to_owned()));
        parts.outcome.action.id = case.action.map(str::to_owned);
        parts.outcome.usable = case.usable;
        let mut facts = parts.facts();
        facts.report.feed.last_success = case.read.then_some(NOW);
        facts.counted = Some(CountedRows {
            stream: StreamId(1),
            counts: RowCounts {
                long_unknown: case.unknown,
                ..RowCounts::default()
            },
            ledger_id: String::new(),
        });
        let owner: CustomerId = "1234567890".parse().unwrap();
        let bound = BoundAction {
            key: owner.action_key(ActionId(1)),
            hold_until: case.held.then(|| NOW + jiff::SignedDuration::from_hours(6)),
            click_window: case.window.then_some(ClickWindow::WIDEST),
        };
        facts.held = bound.held(NOW);
        let (status, why, message) = synced_condition(&EventAssessment::from_facts(&facts));
        format!("{}/{why}: {message}", status.as_str())
    }

    fn unready() -> AccountsReadiness {
        AccountsReadiness::NotReady(reason::ACCOUNT_NOT_READY, String::new())
    }

    #[rstest]
    #[case::works(WORKS, "True/RunSucceeded: HubSpot is read and due conversions are sent.")]
    #[case::long_unknown(
        Case { unknown: 3, ..WORKS },
        "True/RunSucceeded: HubSpot is read and due conversions are sent. Google's answers have not shown for more than a \
         day what became of 3 conversions (OutcomeUnknown)."
    )]
    #[case::long_unknown_and_suspended(
        Case { unknown: 1, suspended: true, ..WORKS },
        "True/RunSucceeded: HubSpot is read. No conversion goes to Google while the event is suspended (spec.suspend). \
         Google's answers have not shown for more than a day what became of 1 conversion (OutcomeUnknown)."
    )]
    #[case::not_read_yet(Case { read: false, ..WORKS }, "Unknown/Progressing: HubSpot has not been read")]
    #[case::suspended(
        Case { suspended: true, ..WORKS },
        "True/RunSucceeded: HubSpot is read. No conversion goes to Google while the event is suspended"
    )]
    #[case::stalled(
        Case { stalled: true, ..WORKS },
        "False/StageNotFound: Nothing is read from HubSpot or sent to Google while the event is stalled."
    )]
    #[case::stalled_and_suspended(
        Case { stalled: true, suspended: true, ..WORKS },
        "False/StageNotFound: Nothing is read from HubSpot"
    )]
    #[case::no_action(
        Case { action: None, usable: false, ..WORKS },
        "Unknown/Progressing: HubSpot is read. No conversion goes to Google until the conversion action is ready"
    )]
    #[case::action_not_usable(
        Case { usable: false, ..WORKS },
        "True/RunSucceeded: HubSpot is read. No conversion goes to Google until the conversion action is ready"
    )]
    #[case::action_too_new(
        Case { held: true, ..WORKS },
        "True/RunSucceeded: HubSpot is read. No conversion goes to Google before 1970-01-01T06:00:00Z, because"
    )]
    #[case::window_unknown(
        Case { window: false, ..WORKS },
        "True/RunSucceeded: HubSpot is read. No conversion goes to Google until Google shows the conversion action with"
    )]
    #[case::action_too_new_and_window_unknown(
        Case { held: true, window: false, ..WORKS },
        "True/RunSucceeded: HubSpot is read. No conversion goes to Google before 1970-01-01T06:00:00Z, because"
    )]
    #[case::google_not_ready(
        Case { accounts: unready(), ..WORKS },
        "True/RunSucceeded: HubSpot is read. No conversion goes to Google until both accounts are ready"
    )]
    #[case::hubspot_not_ready(
        Case { accounts: unready(), hubspot_read: false, ..WORKS },
        "False/AccountNotReady: HubSpot is not read until its account is ready."
    )]
    #[case::google_suspended(
        Case { accounts: AccountsReadiness::Suspended(String::new()), ..WORKS },
        "True/RunSucceeded: HubSpot is read. No conversion goes to Google while an account is suspended"
    )]
    #[case::hubspot_suspended(
        Case { accounts: AccountsReadiness::Suspended(String::new()), hubspot_read: false, ..WORKS },
        "False/Suspended: HubSpot is not read while its account is suspended."
    )]
    fn only_what_is_so_is_said(#[case] case: Case, #[case] wanted: &str) {
        let shown = run(&case);
        assert!(shown.starts_with(wanted), "{shown}");
        assert_eq!(
            shown.contains("conversions are sent."),
            wanted.starts_with("True/RunSucceeded: HubSpot is read and due conversions are sent.")
        );
    }
}
