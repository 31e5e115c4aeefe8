//! Creating an action: note the intent, create, record; and what to do when Google's answer is lost.

use std::time::Duration;

use super::outcome::{ActionOutcome, retrying_action, stalled_action};
use super::work::{AfterStep, LOOK_AGAIN, Work, end_pass};
use crate::api::reasons::reason;
use crate::api::{ActionOrigin, ConversionActionStatus, CreationAttempt, Time};
use crate::controller::shared::error::Error;
use crate::domain::action::REMOVED;
use crate::domain::brief;
use crate::domain::ids::ActionId;
use crate::domain::time::{later, to_signed, to_std};
use crate::ports::stopping::begin_unfinished_step;
use crate::ports::{Cause, Effect};

/// Notes the intent under a precondition, then creates. A stale cache gets a conflict and never comes to the create.
pub(crate) async fn create_action(work: &mut Work<'_>) -> Result<AfterStep, Error> {
    let name = work.full.name.clone().unwrap_or_default();
    // The outcome of an earlier try was never learned: what has the name by now is ours.
    let earlier = work.current.creation.as_ref();
    let again = earlier.is_some_and(|earlier| earlier.name == name);
    let now = work.ctx.clock.now();
    work.current.creation = Some(CreationAttempt {
        attempt_id: format!("{}-{}", work.resolved.declared.uid, now.as_millisecond()),
        name: name.clone(),
        name_was_free: true,
        started_at: Time(now),
    });
    // Whatever comes of it is written onto the version that holds the intent: on the one before, it would be refused,
    // and a name that turned out to be a stranger's would be taken for ours in the next pass.
    if !work.record_action().await? {
        return Ok(AfterStep::Again);
    }
    send_create(work, again).await
}

async fn send_create(work: &mut Work<'_>, again: bool) -> Result<AfterStep, Error> {
    let answer = work.ads.create_action(&work.owner, &work.full).await;
    // A stop that comes now waits until the action is recorded.
    let _step = begin_unfinished_step();
    match answer {
        // An action that was there before was not made by this create: whoever answers so has told nothing of ours.
        Ok(id) if work.actions.iter().any(|a| a.id == id) => {
            let cause = format!("Google's answer to the create names conversion action {id}, which existed before");
            Ok(look_for_created(work, &cause))
        }
        Ok(id) => creation_confirmed(work, id).await,
        Err(error) if error.cause == Cause::NameTaken => Ok(name_taken(work, again).await),
        Err(error) if error.effect == Effect::Unknown => {
            let cause = format!("Google's reply to the create request was lost ({error})");
            Ok(look_for_created(work, &cause))
        }
        Err(error) => {
            work.current.creation = None;
            Ok(end_pass(work.refused_call(&error)))
        }
    }
}

/// The answer to a create tells nothing of our action.
fn look_for_created(work: &mut Work<'_>, cause: &str) -> AfterStep {
    work.live = false;
    let message = format!("{cause}. The operator searches for the action before it tries again.");
    creation_unknown(work, message, LOOK_AGAIN)
}

/// Whether the action was created is not known: it is looked for again after `wait`.
fn creation_unknown(work: &Work<'_>, message: String, wait: Duration) -> AfterStep {
    let current = work.current.clone();
    end_pass(retrying_action(current, reason::CREATE_RESULT_UNKNOWN, message, wait))
}

/// The reply came: the id is recorded before anything else.
async fn creation_confirmed(work: &mut Work<'_>, id: ActionId) -> Result<AfterStep, Error> {
    work.current = ConversionActionStatus {
        customer_id: Some(work.owner.to_string()),
        id: Some(id.to_string()),
        resource_name: Some(format!("customers/{}/conversionActions/{id}", work.owner)),
        name: work.full.name.as_deref().map(brief::brief_name),
        origin: Some(ActionOrigin::Created),
        create_time: Some(Time(work.ctx.clock.now())),
        send_to: None,
        creation: None,
    };
    work.record_action().await?;
    work.announce_action(ActionOrigin::Created).await;
    if work.actions.iter().any(|a| a.id == id) {
        return Ok(AfterStep::Again);
    }
    Ok(await_listing(work))
}

/// Google's reads may lag behind its writes: the action is ours all the same.
pub(crate) fn await_listing(work: &Work<'_>) -> AfterStep {
    let id = work.current.id.as_deref().unwrap_or_default();
    let message = format!("Created conversion action {id}; Google does not list it yet.");
    end_pass(ActionOutcome {
        action: work.current.clone(),
        found: None,
        usable: true,
        condition: Some((true, reason::CREATED, message)),
        stall: None,
        retry: Some(LOOK_AGAIN),
    })
}

/// Google's reads need not have caught up with the create of the event's action.
pub(crate) fn is_just_created(work: &Work<'_>) -> bool {
    let created_here = work.current.origin == Some(ActionOrigin::Created);
    let created = work.current.create_time.as_ref().filter(|_| created_here);
    let settle = to_signed(work.ctx.settings.create_settle);
    created.is_some_and(|created| work.ctx.clock.now() < later(created.0, settle))
}

/// Google says the name is taken: by whom decides the next look. A removed action that still holds it is nobody's.
/// Where an earlier try may have gone through, an action of the name that Google shows, or does not show yet, is ours.
async fn name_taken(work: &mut Work<'_>, again: bool) -> AfterStep {
    let name = work.full.name.clone().unwrap_or_default();
    let attempt = work.current.creation.take().filter(|_| again);
    match work.ads.actions_named(&work.owner, &name).await {
        Ok(found) if again && found.is_empty() => {
            work.current.creation = attempt;
            let message = format!(
                "Google Ads says that {name:?} exists, so an earlier create request has succeeded. The operator waits until Google lists it."
            );
            creation_unknown(work, message, LOOK_AGAIN)
        }
        Ok(found) if found.iter().all(|a| a.status == REMOVED) => {
            let holder = found.first().map_or_else(
                || "an action that this account does not own or cannot see".to_owned(),
                |a| format!("removed action {}", a.id),
            );
            let message =
                format!("Google Ads refuses the name {name:?} because {holder} still has it. Change spec.eventName.");
            end_pass(stalled_action(work.current.clone(), reason::NAME_CONFLICT, message))
        }
        Ok(found) => {
            work.current.creation = attempt;
            work.take_found(found);
            work.live = true;
            AfterStep::Again
        }
        Err(error) => end_pass(work.failed_call(reason::CREATE_FAILED, &error)),
    }
}

/// The outcome of a create is unknown: look for it until Google's reads must have caught up, then create again.
pub(crate) async fn await_create(work: &mut Work<'_>) -> Result<AfterStep, Error> {
    let Some(attempt) = work.current.creation.clone() else {
        return Ok(AfterStep::Again);
    };
    if !work.live {
        return Ok(work.read_live().await);
    }
    let now = work.ctx.clock.now();
    let settle = to_signed(work.ctx.settings.create_settle);
    let waited = now.duration_since(attempt.started_at.0);
    if waited < settle {
        let left = to_std(settle - waited) + Duration::from_millis(50);
        let message = format!(
            "It is not known whether {:?} was created. The operator searches for it until {}.",
            attempt.name,
            later(attempt.started_at.0, settle)
        );
        return Ok(creation_unknown(work, message, left.min(LOOK_AGAIN)));
    }
    create_action(work).await
}
