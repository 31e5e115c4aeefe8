//! Kubernetes Events about transitions of an event's status.

use crate::api::reasons::event as happened;
use crate::api::{AdConversionEvent, AdConversionEventStatus, Outcome};
use crate::controller::shared::context::Context;
use crate::controller::shared::object::Object;
use crate::controller::shared::recorder::Severity;
use crate::domain::transitions::{Announcement, announcements};
use crate::registry::Notice;

/// Publishes what happened to an event in this pass: what changed between the status that the object had and the one
/// just written, if one was, and what the sync loops have to say.
pub async fn publish_pass(ctx: &Context, event: &AdConversionEvent, written: Option<&AdConversionEventStatus>) {
    if let Some(next) = written {
        publish_transitions(ctx, event, next).await;
    }
    pulled_back(ctx, event).await;
}

/// Publishes what changed between the status the object had and the one just written.
pub async fn publish_transitions(ctx: &Context, event: &AdConversionEvent, next: &AdConversionEventStatus) {
    let before = event.status.clone().unwrap_or_default();
    for change in changes_between(event, &before, next) {
        ctx.recorder
            .publish(event, (&change).into(), &change.reason, &change.message)
            .await;
    }
}

/// Says once that the event is read again from its start, as its stored cursor made no sense.
async fn pulled_back(ctx: &Context, event: &AdConversionEvent) {
    let mut news = None;
    ctx.registry.update_report(&event.key(), |report| {
        news = report.take_pulled_back();
        Notice::Quiet
    });
    let Some(cursor) = news else { return };
    let message = format!(
        "According to the ledger, HubSpot had been read up to {cursor:.0}, a time in the future. HubSpot is read again from \
         the start of the event, and no conversion is sent twice. Nothing to do. If it happens again, check the dates of \
         contacts and form submissions in HubSpot, and the clock of the node."
    );
    ctx.recorder
        .publish(event, Severity::Warning, happened::CURSOR_PULLED_BACK, &message)
        .await;
}

fn changes_between(
    event: &AdConversionEvent,
    before: &AdConversionEventStatus,
    next: &AdConversionEventStatus,
) -> Vec<Announcement> {
    let mut changes = announcements(&before.conditions, &next.conditions);
    changes.extend(new_rejections(before, next));
    changes.extend(rebuilt_counts(before, next));
    if next.last_handled_reconcile_at != before.last_handled_reconcile_at {
        let asked = next.last_handled_reconcile_at.as_deref().unwrap_or_default();
        let name = event.metadata.name.as_deref().unwrap_or_default();
        changes.push(Announcement {
            warning: false,
            reason: happened::RECONCILE_REQUEST_HANDLED.to_owned(),
            message: format!("{name} was reconciled as requested at {asked}."),
        });
    }
    changes
}

fn new_rejections(before: &AdConversionEventStatus, next: &AdConversionEventStatus) -> Option<Announcement> {
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
    let message = format!(
        "Google rejected conversions for good: {}. status.sync.reasons says why and what to do.",
        new.join(", ")
    );
    (!new.is_empty()).then(|| Announcement {
        warning: true,
        reason: happened::RECORDS_REJECTED.to_owned(),
        message,
    })
}

fn rebuilt_counts(before: &AdConversionEventStatus, next: &AdConversionEventStatus) -> Option<Announcement> {
    let id = |status: &AdConversionEventStatus| status.sync.as_ref().and_then(|s| s.ledger_id.clone());
    let (was, now) = (id(before)?, id(next)?);
    (was != now).then(|| Announcement {
        warning: true,
        reason: happened::LEDGER_REBUILT.to_owned(),
        message: "The ledger is not the one that this event was counted in. If that one was lost, this one is rebuilt \
                  from HubSpot and the counts start again. If this is reported again and again, another operator with \
                  a ledger of its own works in this namespace: let only one of them watch it. Google counts no \
                  conversion twice."
            .to_owned(),
    })
}
