//! Creating an action: note the intent, create, record; and what to do when Google's answer is lost.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{ActionOutcome, LOOK_AGAIN, Next, Work, announce, done, failed, look, record, retrying, stalled};
use crate::api::reasons::reason;
use crate::api::{ActionOrigin, AdConversionEvent, ConversionActionStatus, CreationAttempt, Time};
use crate::controller::{Error, Object};
use crate::domain::action::REMOVED;
use crate::domain::ids::ActionId;
use crate::ports::{Cause, Effect, UpstreamError};
use crate::registry::sync_error::reason_of;

/// Notes the intent under a precondition, then creates. A stale cache gets a conflict and never comes to the create.
pub(crate) async fn create(
    work: &mut Work<'_>,
    event: &AdConversionEvent,
    current: &mut ConversionActionStatus,
) -> Result<Next, Error> {
    let name = work.full.name.clone().unwrap_or_default();
    // The outcome of an earlier try was never learned: what has the name by now is ours.
    let again = current.creation.as_ref().is_some_and(|earlier| earlier.name == name);
    let now = work.ctx.clock.now();
    current.creation = Some(CreationAttempt {
        attempt_id: format!("{}-{}", event.id(), now.as_millisecond()),
        name: name.clone(),
        name_was_free: true,
        started_at: Time(now),
    });
    let Some(acknowledged) = record(work.ctx, event, current).await? else {
        return Ok(Next::Again);
    };
    // Whatever comes of it is written onto the version that holds the intent: on the one before, it would be refused, and
    // a name that turned out to be a stranger's would be taken for ours in the next pass.
    Ok(match send_create(work, &acknowledged, current, again).await? {
        Next::Again => Next::Written(Box::new(acknowledged)),
        Next::Done(outcome) => Next::Ended(Box::new(acknowledged), outcome),
        later => later,
    })
}

async fn send_create(
    work: &mut Work<'_>,
    event: &AdConversionEvent,
    current: &mut ConversionActionStatus,
    again: bool,
) -> Result<Next, Error> {
    match work.ads.create_action(&work.owner, &work.full).await {
        Ok(id) => created(work, event, current, id).await,
        Err(error) if error.code.as_deref() == Some("DUPLICATE_NAME") => taken(work, current, again).await,
        Err(error) if error.effect == Effect::Unknown => {
            work.live = false;
            let message = format!(
                "Google's answer to the create was lost ({error}); looking for the action before anything else is tried."
            );
            Ok(done(retrying(
                current.clone(),
                reason::CREATE_RESULT_UNKNOWN,
                message,
                LOOK_AGAIN,
            )))
        }
        Err(error) => {
            current.creation = None;
            Ok(done(refused(work, current, &error)))
        }
    }
}

/// The reply came: the id is recorded before anything else.
async fn created(
    work: &mut Work<'_>,
    event: &AdConversionEvent,
    current: &mut ConversionActionStatus,
    id: ActionId,
) -> Result<Next, Error> {
    *current = ConversionActionStatus {
        customer_id: Some(work.owner.to_string()),
        id: Some(id.to_string()),
        resource_name: Some(format!("customers/{}/conversionActions/{id}", work.owner)),
        name: work.full.name.clone(),
        origin: Some(ActionOrigin::Created),
        create_time: Some(Time(work.ctx.clock.now())),
        send_to: None,
        creation: None,
    };
    let written = record(work.ctx, event, current).await?;
    announce(work, event, current, ActionOrigin::Created).await;
    if work.actions.iter().any(|a| a.id == id) {
        return Ok(written.map_or(Next::Again, |w| Next::Written(Box::new(w))));
    }
    // Google's reads may lag behind its writes: the action is ours all the same.
    let message = format!("Created conversion action {id}; Google does not list it yet.");
    let condition = Some((true, reason::CREATED, message));
    let outcome = ActionOutcome {
        action: current.clone(),
        found: None,
        usable: true,
        condition,
        stall: None,
        retry: Some(LOOK_AGAIN),
    };
    Ok(match written {
        Some(written) => Next::Ended(Box::new(written), Box::new(outcome)),
        None => done(outcome),
    })
}

/// Google says the name is taken: by whom decides the next look. A removed action that still holds it is nobody's. Where
/// an earlier try may have gone through, an action of the name that Google shows, or does not show yet, is ours.
async fn taken(work: &mut Work<'_>, current: &mut ConversionActionStatus, again: bool) -> Result<Next, Error> {
    let name = work.full.name.clone().unwrap_or_default();
    let attempt = current.creation.take().filter(|_| again);
    match work.ads.actions_named(&work.owner, &name).await {
        Ok(found) if again && found.is_empty() => {
            current.creation = attempt;
            let message = format!(
                "Google Ads says that {name:?} exists, so an earlier create has gone through; looking for it until it is listed."
            );
            let outcome = retrying(current.clone(), reason::CREATE_RESULT_UNKNOWN, message, LOOK_AGAIN);
            Ok(done(outcome))
        }
        Ok(found) if found.iter().all(|a| a.status == REMOVED) => {
            let holder = found.first().map_or_else(
                || "an action that this account does not own, or that can't be seen,".to_owned(),
                |a| format!("removed action {}", a.id),
            );
            let message =
                format!("Google Ads refuses the name {name:?}: {holder} still holds it. Change spec.eventName.");
            Ok(done(stalled(current.clone(), reason::NAME_CONFLICT, message)))
        }
        Ok(found) => {
            current.creation = attempt;
            work.actions.retain(|a| !found.iter().any(|f| f.id == a.id));
            work.actions.extend(found);
            work.live = true;
            Ok(Next::Again)
        }
        Err(error) => Ok(done(failed(work, current, reason::CREATE_FAILED, &error))),
    }
}

/// A create or update that certainly did not take effect.
pub(crate) fn refused(work: &Work<'_>, current: &ConversionActionStatus, error: &UpstreamError) -> ActionOutcome {
    if matches!(error.cause, Cause::Refused | Cause::NotFound) {
        let message = format!("Google Ads refuses the conversion action: {error}. Correct the manifest.");
        return ActionOutcome {
            usable: current.id.is_some(),
            ..stalled(current.clone(), reason::INVALID_SPEC, message)
        };
    }
    let why = if current.id.is_none() {
        reason::CREATE_FAILED
    } else {
        reason_of(error.cause)
    };
    failed(work, current, why, error)
}

/// The outcome of a create is unknown: look for it until Google's reads must have caught up, then create again.
pub(crate) async fn await_create(
    work: &mut Work<'_>,
    event: &AdConversionEvent,
    current: &mut ConversionActionStatus,
) -> Result<Next, Error> {
    let Some(attempt) = current.creation.clone() else {
        return Ok(Next::Again);
    };
    if !work.live {
        return look(work, current).await;
    }
    let now = work.ctx.clock.now();
    let settle = SignedDuration::try_from(work.ctx.settings.create_settle).unwrap_or_default();
    let waited = now.duration_since(attempt.started_at.0);
    if waited < settle {
        let left = Duration::try_from(settle - waited).unwrap_or_default() + Duration::from_millis(50);
        let message = format!(
            "The outcome of creating {:?} is not known; looking for it until {}.",
            attempt.name,
            end(attempt.started_at.0, settle)
        );
        return Ok(done(retrying(
            current.clone(),
            reason::CREATE_RESULT_UNKNOWN,
            message,
            left.min(LOOK_AGAIN),
        )));
    }
    create(work, event, current).await
}

fn end(start: Timestamp, wait: SignedDuration) -> Timestamp {
    start.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
