//! An action that is as declared: recorded, announced, remembered.

use super::goal;
use super::outcome::ActionOutcome;
use super::work::{AfterStep, Work, end_pass};
use crate::api::reasons::reason;
use crate::api::{ActionOrigin, ConversionActionStatus, Time};
use crate::controller::shared::error::Error;
use crate::domain::action::send_to;
use crate::domain::brief;
use crate::domain::ids::ActionId;

/// The action is as declared: it is recorded if that is new, and its goal looked after.
pub(crate) async fn keep_action(work: &mut Work<'_>, id: ActionId, origin: ActionOrigin) -> Result<AfterStep, Error> {
    let Some(action) = work.actions.iter().find(|a| a.id == id).cloned() else {
        return Ok(AfterStep::Again);
    };
    work.ctx.backoff.reset("ConversionAction", &work.account.key);
    let first = work.current.id.is_none();
    work.current = ConversionActionStatus {
        customer_id: Some(work.owner.to_string()),
        id: Some(id.to_string()),
        resource_name: Some(action.resource_name.clone()),
        name: Some(brief::brief_name(&action.name)),
        origin: Some(origin),
        create_time: create_time(work, id, origin).await?,
        send_to: send_to(&action.event_snippets),
        creation: None,
    };
    if first {
        let is_new = work.record_action().await?;
        work.announce_action(origin).await;
        work.ctx.ledger.forget_orphan(&work.owner.action_key(id)).await?;
        if is_new {
            return Ok(AfterStep::Again);
        }
    }
    goal::manage_goal(work, &action, origin).await;
    let word = match origin {
        ActionOrigin::Created => reason::CREATED,
        ActionOrigin::Adopted => reason::ADOPTED,
        ActionOrigin::Mapped => reason::MAPPED,
    };
    let message = format!("Conversion action {id} {:?} is as declared.", action.name);
    Ok(end_pass(ActionOutcome {
        action: work.current.clone(),
        found: Some(action),
        usable: true,
        condition: Some((true, word, message)),
        stall: None,
        retry: None,
    }))
}

/// When this operator created the action: what the status says, now for one found after a lost reply, or what our own
/// note of an earlier event remembers.
async fn create_time(work: &Work<'_>, id: ActionId, origin: ActionOrigin) -> Result<Option<Time>, Error> {
    let current = &work.current;
    if current.id.is_some() || origin == ActionOrigin::Mapped {
        return Ok(current.create_time.clone());
    }
    if origin == ActionOrigin::Created {
        let started = current.creation.as_ref().map(|c| c.started_at.clone());
        return Ok(started.or_else(|| Some(Time(work.ctx.clock.now()))));
    }
    let key = work.owner.action_key(id);
    let notes = work.ctx.ledger.orphan_notes(&key.account).await?;
    Ok(notes
        .into_iter()
        .find(|n| n.action == key)
        .and_then(|n| n.created_at)
        .map(Time))
}
