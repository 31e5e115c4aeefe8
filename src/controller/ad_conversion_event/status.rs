//! The status of an event, from everything known: pure.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::assessment::EventAssessment;
use super::bidding::set_bidding;
use super::delivering::delivering_condition;
use super::facts::EventFacts;
use super::resolve::AccountsReadiness;
use super::subject::Subject;
use super::synced::synced_condition;
use crate::api::reasons::{condition, reason};
use crate::api::{
    AdConversionEventStatus, AttributionStatus, LastError, MAX_LAST_ERRORS, Outcome as ShownOutcome, OutcomeReason,
    SyncStatus, Time,
};
use crate::domain::brief::shorten;
use crate::domain::conditions::{Conditions, MAX_MESSAGE, Status, Summary, find_condition};
use crate::domain::counts::{ReasonCount, count_classes, rejection_message};
use crate::domain::ids::ContactId;
use crate::domain::outcome::Outcome;
use crate::domain::time::to_signed;
use crate::domain::trigger::Trigger;
use crate::ports::ledger::{Rejection, RowCounts};
use crate::registry::{ErrorNote, HeldBack};

/// The status that says all this.
pub fn compose_status(facts: &EventFacts<'_>) -> AdConversionEventStatus {
    let facts = &EventAssessment::from_facts(facts);
    let before = &facts.before;
    let generation = facts.declared().generation;
    let mut conditions = Conditions::new(&before.conditions, generation, facts.now);
    set_accounts_ready(&mut conditions, facts);
    set_action_ready(&mut conditions, facts);
    set_bidding(&mut conditions, facts);
    if let Some((status, why, message)) = delivering_condition(facts) {
        conditions.set(condition::DELIVERING, status, why, &message);
    } else {
        conditions.restate(condition::DELIVERING);
    }
    let (status, why, message) = synced_condition(facts);
    conditions.set(condition::SYNCED, status, why, &message);
    conditions.remove(condition::DELETION_BLOCKED);
    let mut summary = with_note_on_start(ready_summary(facts), facts);
    // If Google takes nothing, Ready says so and stays True: the event itself is usable.
    if let (Summary::Ready { message, .. }, Some(delivering)) = (&mut summary, conditions.get(condition::DELIVERING))
        && delivering.status == Status::False.as_str()
    {
        message.clone_from(&delivering.message);
    }
    conditions.summarize(&summary);
    AdConversionEventStatus {
        observed_generation: generation,
        last_handled_reconcile_at: facts
            .requested
            .map(str::to_owned)
            .or_else(|| before.last_handled_reconcile_at.clone()),
        conditions: conditions.into_sorted(),
        trigger: facts.resolved.trigger.clone(),
        conversion_action: Some(facts.outcome.action.clone()).filter(|a| a.id.is_some() || a.creation.is_some()),
        sync: sync_status(facts)
            .or_else(|| before.sync.clone())
            .or_else(|| Some(start_alone(facts))),
        attribution: attribution_status(facts).or_else(|| before.attribution.clone()),
    }
}

/// What Google attributes to the action over the last 30 full days of the account's zone.
fn attribution_status(facts: &EventAssessment<'_>) -> Option<AttributionStatus> {
    let id = &facts.outcome.found.as_ref()?.id;
    let snapshot = facts.resolved.google_snapshot()?;
    let (list, at) = snapshot.attribution.as_ref()?;
    let zone = snapshot
        .customer
        .time_zone
        .as_deref()
        .and_then(|name| TimeZone::get(name).ok());
    let today = at.to_zoned(zone.unwrap_or(TimeZone::UTC)).start_of_day().ok()?;
    let start = today.checked_sub(30.days()).ok()?;
    let found = list.iter().find(|a| a.action == *id);
    let number = |n: Option<f64>| Some(format!("{}", n.unwrap_or_default()));
    Some(AttributionStatus {
        start_time: Some(Time(start.timestamp())),
        all_conversions: number(found.map(|a| a.all_conversions)),
        conversions: number(found.map(|a| a.conversions)),
        last_update_time: Some(Time(*at)),
    })
}

fn set_accounts_ready(conditions: &mut Conditions, facts: &EventAssessment<'_>) {
    match &facts.resolved.accounts {
        AccountsReadiness::Ready => {
            conditions.set(
                condition::ACCOUNTS_READY,
                Status::True,
                reason::ACCOUNTS_READY,
                "Both accounts are ready.",
            );
        }
        AccountsReadiness::Suspended(message) => {
            conditions.set(condition::ACCOUNTS_READY, Status::False, reason::SUSPENDED, message);
        }
        AccountsReadiness::NotReady(why, message) => {
            conditions.set(condition::ACCOUNTS_READY, Status::False, why, message);
        }
    }
}

fn set_action_ready(conditions: &mut Conditions, facts: &EventAssessment<'_>) {
    // While the accounts are ready, what Google refuses is a matter of the action.
    if let (Some(refusal), AccountsReadiness::Ready) = (&facts.refusal, &facts.resolved.accounts) {
        conditions.set(
            condition::CONVERSION_ACTION_READY,
            Status::False,
            reason::REFUSED,
            &refusal.message,
        );
        return;
    }
    match &facts.outcome.condition {
        Some((ready, why, message)) => {
            conditions.set(condition::CONVERSION_ACTION_READY, Status::from(*ready), why, message);
        }
        None => conditions.restate(condition::CONVERSION_ACTION_READY),
    }
}

/// Why Synced is False, and since when.
fn why_unsynced(facts: &EventAssessment<'_>) -> Option<(String, Timestamp)> {
    let failing = facts.failing.map(|(error, since)| (error.message.clone(), since));
    let refused = || {
        facts
            .refusal
            .as_ref()
            .map(|refusal| (refusal.message.clone(), refusal.since))
    };
    failing.or_else(refused)
}

fn ready_summary(facts: &EventAssessment<'_>) -> Summary {
    let unready = unusable_summary(facts).or_else(|| sync_summary(facts));
    unready.unwrap_or_else(|| Summary::Ready {
        reason: reason::SUCCEEDED.to_owned(),
        message: ready_message(facts),
    })
}

/// Why the event is not ready whatever the loops say: by itself, its accounts or its conversion action.
fn unusable_summary(facts: &EventAssessment<'_>) -> Option<Summary> {
    if facts.declared().suspended {
        return Some(Summary::Suspended {
            message: "Suspended: conversions are observed and wait. Set spec.suspend to false to continue.".to_owned(),
        });
    }
    if let Some((why, message)) = facts.stall {
        return Some(Summary::Stalled {
            reason: (*why).to_owned(),
            message: message.clone(),
        });
    }
    match &facts.resolved.accounts {
        AccountsReadiness::NotReady(reason::PROGRESSING, message) => {
            return Some(Summary::Progressing {
                message: message.clone(),
            });
        }
        AccountsReadiness::NotReady(why, message) => {
            return Some(Summary::Waiting {
                reason: (*why).to_owned(),
                message: message.clone(),
            });
        }
        AccountsReadiness::Suspended(message) => {
            return Some(Summary::Suspended {
                message: message.clone(),
            });
        }
        AccountsReadiness::Ready => {}
    }
    match &facts.outcome.condition {
        Some((false, why, message)) if *why == reason::PROGRESSING => {
            return Some(Summary::Progressing {
                message: message.clone(),
            });
        }
        Some((false, _, message)) => {
            return Some(Summary::Failing {
                reason: reason::PROVISIONING_FAILED.to_owned(),
                message: message.clone(),
            });
        }
        _ => {}
    }
    None
}

/// Why the event is not ready by what its loops report.
fn sync_summary(facts: &EventAssessment<'_>) -> Option<Summary> {
    if let Some((message, since)) = why_unsynced(facts) {
        let limit = to_signed(facts.failure_threshold);
        // What failed for too long before this process started, and has not succeeded since, fails still.
        let known = find_condition(&facts.before.conditions, condition::READY);
        let failed = known.is_some_and(|c| c.status == Status::False.as_str() && c.reason == reason::SYNC_FAILING);
        let too_long = failed || facts.now.duration_since(since) >= limit;
        if too_long || !facts.made_a_pass {
            return Some(Summary::Failing {
                reason: reason::SYNC_FAILING.to_owned(),
                message,
            });
        }
    } else if !facts.made_a_pass {
        return Some(Summary::Progressing {
            message: "HubSpot is being read.".to_owned(),
        });
    }
    None
}

/// If the start in effect is not the declared one, Ready says so.
fn with_note_on_start(mut summary: Summary, facts: &EventAssessment<'_>) -> Summary {
    let note = facts.declared().note_on_start();
    if let (Some(note), Summary::Ready { message, .. } | Summary::Suspended { message }) = (note, &mut summary) {
        *message = format!("{message} {note}");
    }
    summary
}

fn ready_message(facts: &EventAssessment<'_>) -> String {
    let what = match &facts.resolved.subject {
        Some(Subject {
            trigger: Trigger::Form(_),
            label,
        }) => format!("Submissions of form {label:?}"),
        subject => format!(
            "Conversions of stage {:?}",
            subject.as_ref().map_or("", |s| s.label.as_str())
        ),
    };
    let action = facts.outcome.action.name.as_deref().unwrap_or_default();
    match facts.held {
        Some(HeldBack::Until(until)) => format!(
            "{what} are collected. Uploads to {action:?} start at {until:.0}, because Google rejects conversions for newly created actions."
        ),
        Some(HeldBack::WindowUnknown) => {
            format!("{what} are collected. Uploads to {action:?} start once Google shows it with its click window.")
        }
        None => format!("{what} are sent to {action:?}."),
    }
}

fn sync_status(facts: &EventAssessment<'_>) -> Option<SyncStatus> {
    let counted = facts.counted.as_ref()?;
    let counts = count_classes(&counted.counts.classes, facts.closed_gates());
    let of = |outcome| count_to_i64(counts.count_of(outcome));
    Some(SyncStatus {
        ledger_id: Some(counted.ledger_id.clone()),
        start_time: Some(Time(facts.declared().start)),
        observed: count_to_i64(counts.observed),
        uploaded: of(Outcome::Uploaded),
        processing: of(Outcome::Processing),
        pending: of(Outcome::Pending),
        skipped: of(Outcome::Skipped),
        rejected: of(Outcome::Rejected),
        oldest_pending_time: counted.counts.oldest_pending.map(Time),
        last_upload_time: counted.counts.last_upload.map(Time),
        reasons: counts.reasons.iter().filter_map(to_status).collect(),
        last_errors: last_errors(facts, &counted.counts),
    })
}

/// What went wrong last, newest first: reading or sending, and single conversions that were rejected.
fn last_errors(facts: &EventAssessment<'_>, counts: &RowCounts) -> Vec<LastError> {
    let mut all: Vec<_> = facts.report.errors.iter().map(last_error).collect();
    all.extend(counts.rejections.iter().map(to_last_error));
    all.sort_by_key(|error| std::cmp::Reverse(error.time.0));
    all.truncate(MAX_LAST_ERRORS);
    all
}

/// The start is known before anything else: who creates the event again needs it (the refusals say so).
fn start_alone(facts: &EventAssessment<'_>) -> SyncStatus {
    SyncStatus {
        start_time: Some(Time(facts.declared().start)),
        ..SyncStatus::default()
    }
}

fn count_to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn to_status(line: &ReasonCount) -> Option<OutcomeReason> {
    let outcome = match line.outcome {
        Outcome::Pending => ShownOutcome::Pending,
        Outcome::Processing => ShownOutcome::Processing,
        Outcome::Skipped => ShownOutcome::Skipped,
        Outcome::Rejected => ShownOutcome::Rejected,
        Outcome::Uploaded => return None,
    };
    Some(OutcomeReason {
        outcome,
        reason: line.reason.clone(),
        count: count_to_i64(line.count),
        last_time: Some(Time(line.last)),
        message: Some(line.message.clone()),
    })
}

fn last_error(note: &ErrorNote) -> LastError {
    LastError {
        time: Time(note.time),
        reason: note.reason.clone(),
        message: shorten(&note.message, MAX_MESSAGE).to_owned(),
        contact_id: note.contact.map(|c| c.to_string()),
    }
}

/// The last rejections as `status.sync.lastErrors` shows them.
fn to_last_error(rejection: &Rejection) -> LastError {
    LastError {
        time: Time(rejection.at),
        reason: rejection.reason.clone(),
        message: rejection_message(&rejection.reason, &rejection.detail),
        contact_id: (rejection.contact != ContactId::UNKNOWN).then(|| rejection.contact.to_string()),
    }
}
