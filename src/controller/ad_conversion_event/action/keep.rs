//! An action that is as declared: recorded, announced, remembered.

use super::{ActionOutcome, Next, Work, done, goal, record};
use crate::api::reasons::{event as happened, reason};
use crate::api::{ActionOrigin, AdConversionEvent, ConversionActionStatus, Time};
use crate::controller::Error;
use crate::controller::shared::recorder::Severity;
use crate::domain::action::send_to;
use crate::domain::ids::ActionId;

/// The action is as declared: it is recorded where that is new, and its goal looked after.
pub(crate) async fn keep(
    work: &mut Work<'_>,
    event: &AdConversionEvent,
    current: &mut ConversionActionStatus,
    id: ActionId,
    origin: ActionOrigin,
) -> Result<Next, Error> {
    let Some(action) = work.actions.iter().find(|a| a.id == id).cloned() else {
        return Ok(Next::Again);
    };
    work.ctx.backoff.reset("ConversionAction", &work.account.key);
    let first = current.id.is_none();
    let next = ConversionActionStatus {
        customer_id: Some(work.owner.to_string()),
        id: Some(id.to_string()),
        resource_name: Some(action.resource_name.clone()),
        name: Some(action.name.clone()),
        origin: Some(origin),
        create_time: create_time(work, current, id, origin).await?,
        send_to: send_to(&action.event_snippets),
        creation: None,
    };
    if first {
        let written = record(work.ctx, event, &next).await?;
        current.clone_from(&next);
        announce(work, event, current, origin).await;
        work.ctx.ledger.forget_orphan(&work.owner, id).await?;
        if let Some(written) = written {
            return Ok(Next::Written(Box::new(written)));
        }
    }
    *current = next;
    goal::manage(work, event, &action, origin).await;
    let word = match origin {
        ActionOrigin::Created => reason::CREATED,
        ActionOrigin::Adopted => reason::ADOPTED,
        ActionOrigin::Mapped => reason::MAPPED,
    };
    let message = format!("Conversion action {id} {:?} is as declared.", action.name);
    Ok(done(ActionOutcome {
        action: current.clone(),
        found: Some(action),
        usable: true,
        condition: Some((true, word, message)),
        stall: None,
        retry: None,
    }))
}

/// When this operator created the action: what the status says, now for one found after a lost reply, or what our own
/// note of an earlier event remembers.
async fn create_time(
    work: &Work<'_>,
    current: &ConversionActionStatus,
    id: ActionId,
    origin: ActionOrigin,
) -> Result<Option<Time>, Error> {
    if current.id.is_some() || origin == ActionOrigin::Mapped {
        return Ok(current.create_time.clone());
    }
    if origin == ActionOrigin::Created {
        let started = current.creation.as_ref().map(|c| c.started_at.clone());
        return Ok(started.or_else(|| Some(Time(work.ctx.clock.now()))));
    }
    let notes = work.ctx.ledger.orphans(&work.owner).await?;
    Ok(notes
        .into_iter()
        .find(|n| n.action == id)
        .and_then(|n| n.created_at)
        .map(Time))
}

/// Tells people how the event came by its action, and has the shared snapshot show it.
pub(crate) async fn announce(
    work: &mut Work<'_>,
    event: &AdConversionEvent,
    current: &ConversionActionStatus,
    origin: ActionOrigin,
) {
    let (why, verb) = match origin {
        ActionOrigin::Created => (happened::CONVERSION_ACTION_CREATED, "Created"),
        ActionOrigin::Adopted => (happened::CONVERSION_ACTION_ADOPTED, "Adopted"),
        ActionOrigin::Mapped => (happened::CONVERSION_ACTION_MAPPED, "Mapped"),
    };
    let name = current.name.as_deref().unwrap_or_default();
    let id = current.id.as_deref().unwrap_or_default();
    let note = format!(
        "{verb} conversion action {id} {name:?} in Google Ads account {}.",
        work.owner
    );
    work.ctx.events.publish(event, Severity::Normal, why, &note).await;
    work.refresh().await;
}
