//! The conversion action: carries out the plan of `domain::action_plan`, one effect at a time. The intent to create is
//! in the status, under a precondition, before Google is asked; a create is never repeated blindly.

mod correct;
mod create;
mod goal;
mod hands_off;
mod keep;
pub(crate) mod outcome;
mod work;

use std::sync::Arc;

use self::correct::correct_fields;
use self::create::{await_create, await_listing, create_action, is_just_created};
use self::keep::keep_action;
use self::outcome::{ActionOutcome, retrying_action, stalled_action, waiting_action};
use self::work::{AfterStep, LOOK_AGAIN, Work, end_pass, recorded_action};
use super::ownership::rightful_owner;
use super::resolve::Resolved;
use crate::api::reasons::reason;
use crate::api::{AdConversionEvent, ConversionActionStatus};
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::domain::action::{ActionFields, ConversionAction};
use crate::domain::action_plan::{ActionStep, KnownAction, ShownActions, WantedAction, next_step};
use crate::domain::declared::{Declared, DeclaredAction};
use crate::domain::ids::ActionId;
use crate::domain::ownership::named_for;

/// Most steps in one pass; each is an effect or a look.
const MAX_STEPS: usize = 6;

/// Brings the conversion action to what the manifest says, as far as it can be now. Returns the event as it is after
/// our own status writes.
pub async fn reconcile_action(
    ctx: &Context,
    event: Arc<AdConversionEvent>,
    resolved: &Resolved,
) -> Result<(Arc<AdConversionEvent>, ActionOutcome), Error> {
    let Some(mut work) = Work::begin(ctx, &event, resolved) else {
        let before = recorded_action(&event);
        let outcome = ActionOutcome {
            usable: before.id.is_some() && resolved.stall.is_none(),
            ..waiting_action(before, resolved.stall.is_some())
        };
        return Ok((event, outcome));
    };
    for _ in 0..MAX_STEPS {
        if let AfterStep::Done(outcome) = take_step(&mut work).await? {
            return Ok((work.event, *outcome));
        }
    }
    let message = "The conversion action keeps changing in Google Ads. The operator looks again shortly.".to_owned();
    let outcome = retrying_action(work.current, reason::DRIFTED, message, LOOK_AGAIN);
    Ok((work.event, outcome))
}

async fn take_step(work: &mut Work<'_>) -> Result<AfterStep, Error> {
    let next = planned_step(work);
    if let Some(outcome) = leave_alone(work, &next) {
        return Ok(end_pass(outcome));
    }
    if let Some(id) = newly_taken(work, &next)
        && work.sighted != Some(id)
    {
        work.sighted = Some(id);
        return Ok(work.read_all().await);
    }
    match next {
        ActionStep::Keep { id, origin } => keep_action(work, id, origin).await,
        ActionStep::Correct {
            id,
            origin,
            fields,
            difference,
        } => correct_fields(work, (id, origin), &fields, &difference).await,
        ActionStep::LookLive => Ok(work.read_live().await),
        ActionStep::Create => create_action(work).await,
        ActionStep::AwaitCreate => await_create(work).await,
        ActionStep::AwaitListing => Ok(await_listing(work)),
        ActionStep::Stalled { reason, message } => {
            // An attempt whose name turned out to be a stranger's is over.
            work.current.creation = None;
            Ok(end_pass(stalled_action(work.current.clone(), reason, message)))
        }
    }
}

/// The action that the next step would make the event's own because of its name. Everything that follows, also a change
/// of its name or its end, goes by that id: two reads must agree on it.
fn newly_taken(work: &Work<'_>, next: &ActionStep) -> Option<ActionId> {
    let by_name = work.current.id.is_none() && !matches!(work.resolved.declared.action, DeclaredAction::Id(_));
    match next {
        ActionStep::Keep { id, .. } | ActionStep::Correct { id, .. } if by_name => Some(*id),
        _ => None,
    }
}

/// The next step, from what the manifest says, the status remembers and Google has.
fn planned_step(work: &Work<'_>) -> ActionStep {
    let known = KnownAction {
        just_created: is_just_created(work),
        ..known_action(&work.current)
    };
    let others = owned_by_others(work, &known);
    let seen = ShownActions {
        actions: &work.actions,
        live: work.live,
        others: &others,
    };
    step_for(&work.resolved.declared, &work.full, &known, seen)
}

/// What the status remembers of the action.
pub(super) fn known_action(current: &ConversionActionStatus) -> KnownAction {
    KnownAction {
        id: current.id.as_deref().and_then(|id| id.parse().ok()),
        origin: current.origin,
        creating: current.creation.as_ref().map(|c| c.name.clone()),
        just_created: false,
    }
}

/// The next step for a manifest; `full`: the action it would have created.
pub(super) fn step_for(
    declared: &Declared,
    full: &ActionFields,
    known: &KnownAction,
    seen: ShownActions<'_>,
) -> ActionStep {
    let wanted = match &declared.action {
        DeclaredAction::Id(id) => WantedAction::Id(*id),
        DeclaredAction::Name(name) => WantedAction::Name(name),
        DeclaredAction::Create => WantedAction::Create {
            declared: &declared.fields,
            full,
        },
    };
    next_step(&wanted, declared.action_kind(), known, seen)
}

/// The actions under the name that the event wants which belong to other events, with words for the event.
fn owned_by_others(work: &Work<'_>, known: &KnownAction) -> Vec<(ActionId, String)> {
    let declared = &work.resolved.declared;
    let names = [known.creating.as_deref(), work.full.name.as_deref()];
    let is_wanted = |a: &&ConversionAction| names.iter().flatten().any(|name| a.is_named(name));
    let candidates = work.actions.iter().filter(is_wanted);
    let owned = candidates.filter_map(|action| {
        let other = rightful_owner(work.ctx, declared, &work.owner, action.id)?;
        Some((action.id, named_for(&declared.key.namespace, &other)))
    });
    owned.collect()
}

/// The end of the pass where the next step would write to Google, or ask it about an action that could not be made
/// anyway; nothing if the step may be taken.
fn leave_alone(work: &Work<'_>, next: &ActionStep) -> Option<ActionOutcome> {
    let why = work.hands_off?;
    let until = why.required_first();
    let (message, found) = match next {
        // Mapping and taking over write nothing to Google.
        ActionStep::Keep { .. } | ActionStep::AwaitListing | ActionStep::Stalled { .. } => return None,
        ActionStep::Correct { id, difference, .. } => (
            format!("Conversion action {id} has {difference}. It will be changed in Google Ads once {until}."),
            work.actions.iter().find(|a| a.id == *id).cloned(),
        ),
        ActionStep::LookLive => (
            format!("The operator will search for the conversion action in Google Ads once {until}."),
            None,
        ),
        ActionStep::Create | ActionStep::AwaitCreate => (
            format!("The conversion action will be created in Google Ads once {until}."),
            None,
        ),
    };
    Some(ActionOutcome {
        action: work.current.clone(),
        found,
        usable: work.current.id.is_some(),
        condition: Some((false, why.reason(), message)),
        stall: None,
        retry: None,
    })
}
