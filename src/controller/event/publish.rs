//! Kubernetes Events about transitions of an event's status.

use crate::api::reasons::{condition, event as happened, reason};
use crate::api::{AdConversionEvent, AdConversionEventStatus, Outcome};
use crate::controller::context::Context;
use crate::controller::events::Severity;
use crate::domain::conditions::find;

/// Publishes what changed between the status the object had and the one just written.
pub async fn transitions(ctx: &Context, event: &AdConversionEvent, next: &AdConversionEventStatus) {
    let before = event.status.clone().unwrap_or_default();
    for (severity, why, note) in changes(event, &before, next) {
        ctx.events.publish(event, severity, why, &note).await;
    }
}

type Change = (Severity, &'static str, String);

fn changes(event: &AdConversionEvent, before: &AdConversionEventStatus, next: &AdConversionEventStatus) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(synced(before, next));
    changes.extend(stalled(before, next));
    changes.extend(suspended(before, next));
    changes.extend(rejected(before, next));
    changes.extend(rebuilt(before, next));
    if next.last_handled_reconcile_at != before.last_handled_reconcile_at {
        let asked = next.last_handled_reconcile_at.as_deref().unwrap_or_default();
        let name = event.metadata.name.as_deref().unwrap_or_default();
        let note = format!("Looked at {name} as requested at {asked}.");
        changes.push((Severity::Normal, happened::RECONCILE_REQUEST_HANDLED, note));
    }
    changes
}

fn synced(before: &AdConversionEventStatus, next: &AdConversionEventStatus) -> Option<Change> {
    let now = find(&next.conditions, condition::SYNCED)?;
    let was = find(&before.conditions, condition::SYNCED).map_or("Unknown", |c| c.status.as_str());
    match (was, now.status.as_str()) {
        (w, n) if w == n => None,
        (_, "False") if now.reason == reason::RATE_LIMITED => {
            Some((Severity::Warning, happened::RATE_LIMITED, now.message.clone()))
        }
        (_, "False") => Some((Severity::Warning, happened::SYNC_FAILED, now.message.clone())),
        (_, "True") => Some((Severity::Normal, happened::SYNC_COMPLETED, now.message.clone())),
        _ => None,
    }
}

fn stalled(before: &AdConversionEventStatus, next: &AdConversionEventStatus) -> Option<Change> {
    let now = find(&next.conditions, condition::STALLED)?;
    if find(&before.conditions, condition::STALLED).is_some_and(|was| was.reason == now.reason) {
        return None;
    }
    let why = match now.reason.as_str() {
        r if r == reason::NAME_CONFLICT => happened::NAME_CONFLICT,
        r if r == reason::OWNERSHIP_CONFLICT => happened::OWNERSHIP_CONFLICT,
        _ => happened::SYNC_FAILED,
    };
    Some((Severity::Warning, why, now.message.clone()))
}

fn suspended(before: &AdConversionEventStatus, next: &AdConversionEventStatus) -> Option<Change> {
    let is = |status: &AdConversionEventStatus| {
        find(&status.conditions, condition::READY).is_some_and(|c| c.reason == reason::SUSPENDED)
    };
    match (is(before), is(next)) {
        (false, true) => Some((
            Severity::Normal,
            happened::SUSPENDED,
            "Conversions are observed and wait until resumed.".to_owned(),
        )),
        (true, false) => Some((
            Severity::Normal,
            happened::RESUMED,
            "Conversions are sent again.".to_owned(),
        )),
        _ => None,
    }
}

fn rejected(before: &AdConversionEventStatus, next: &AdConversionEventStatus) -> Option<Change> {
    let reasons = |status: &AdConversionEventStatus| {
        let all = status.sync.as_ref().map(|s| s.reasons.clone()).unwrap_or_default();
        all.into_iter()
            .filter(|r| r.outcome == Outcome::Rejected)
            .collect::<Vec<_>>()
    };
    let known = reasons(before);
    let new: Vec<_> = reasons(next)
        .into_iter()
        .filter(|r| known.iter().all(|k| k.reason != r.reason))
        .map(|r| format!("{} ({})", r.reason, r.count))
        .collect();
    let note = format!(
        "Google refused conversions for good: {}. See status.sync.reasons.",
        new.join(", ")
    );
    (!new.is_empty()).then_some((Severity::Warning, happened::RECORDS_REJECTED, note))
}

fn rebuilt(before: &AdConversionEventStatus, next: &AdConversionEventStatus) -> Option<Change> {
    let id = |status: &AdConversionEventStatus| status.sync.as_ref().and_then(|s| s.ledger_id.clone());
    let (was, now) = (id(before)?, id(next)?);
    let note = "The ledger was lost and is rebuilt from HubSpot; counts start anew, Google counts nothing twice.";
    (was != now).then(|| (Severity::Warning, happened::LEDGER_REBUILT, note.to_owned()))
}
