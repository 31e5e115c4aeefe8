//! The controller of `AdConversionEvent`: resolve what the manifest names, settle the conversion action, hand the event
//! to the sync loops, report.

mod action;
mod bidding;
mod cleanup;
mod deletion;
mod delivering;
mod news;
mod ownership;
mod refusal;
mod resolve;
mod status;
mod synced;
pub mod tag_config_map;
#[cfg(test)]
mod test_support;
mod transition_events;
mod trigger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::action::ActionOutcome;
use self::resolve::Resolved;
use super::{Action, Error, Object, Reconciler};
use crate::api::reasons::condition;
use crate::api::{AdConversionEvent, AdConversionEventStatus, ConversionActionStatus};
use crate::controller::shared::apply;
use crate::controller::shared::context::Context;
use crate::domain::brief::brief;
use crate::domain::conditions::find;
use crate::domain::ids::{ActionId, ObjectKey};
use crate::domain::outcome::Outcome;
use crate::domain::spec;
use crate::ops::metrics::EventCounts;
use crate::ports::ledger::{ActionKey, Tally, TrackRequest};
use crate::registry;
use crate::registry::BoundAction;

/// Looks again at least this often while rows wait: gates open by time alone.
const BUSY_PAUSE: Duration = Duration::from_secs(30);
/// Looks again at least this often.
const IDLE_PAUSE: Duration = Duration::from_mins(10);
/// An account has not been looked at since the process started.
const SOON: Duration = Duration::from_secs(1);

/// A reason why a person must act: condition reason and message.
pub type Stall = (&'static str, String);

/// The controller of `AdConversionEvent`.
pub struct EventController;

impl Reconciler for EventController {
    type Object = AdConversionEvent;

    async fn reconcile(event: Arc<AdConversionEvent>, ctx: Arc<Context>) -> Result<Action, Error> {
        if event.deleting() {
            return cleanup::cleanup(&ctx, &event).await;
        }
        let event = match apply::add_finalizer(&ctx, event.as_ref()).await? {
            Some(with_finalizer) => Arc::new(with_finalizer),
            None => event,
        };
        if news::requested(&ctx, &event) {
            return Ok(Action::requeue(SOON));
        }
        let mut resolved = resolve::resolve(&ctx, &event);
        if resolved.undecided && event.status.as_ref().is_some_and(|s| !s.conditions.is_empty()) {
            // The process has just started and the accounts are being looked at: what was said before stands.
            return Ok(Action::requeue(SOON));
        }
        if news::named_for_the_first_time(&ctx, &event, &resolved) {
            return Ok(Action::requeue(SOON));
        }
        let event = match trigger::record(&ctx, &event, resolved.trigger.as_ref()).await? {
            Some(recorded) => {
                resolved = resolve::resolve(&ctx, &recorded);
                Arc::new(recorded)
            }
            None => event,
        };
        let (event, mut outcome) = action::settle(&ctx, event, &resolved).await?;
        tag_config_map::publish(&ctx, &event, &resolved, &mut outcome).await;
        outcome.stall = outcome.stall.or_else(|| resolve::manager_account(&resolved));
        if news::for_a_changed_manifest(&ctx, &event, &resolved, &outcome) {
            return Ok(Action::requeue(SOON));
        }
        report(&ctx, &event, &resolved, outcome).await
    }

    fn gone(key: &ObjectKey, ctx: &Context) {
        ctx.registry.forget_event(key);
        ctx.rereads.forget(key);
    }
}

/// Hands the event to the sync loops, counts, and writes the status.
async fn report(
    ctx: &Context,
    event: &AdConversionEvent,
    resolved: &Resolved,
    outcome: ActionOutcome,
) -> Result<Action, Error> {
    let now = ctx.clock.now();
    let start = spec::effective_start(event, created(event));
    let bound = bound(ctx, resolved, &outcome.action);
    hand_over(ctx, event, resolved, &outcome, bound.clone(), start);
    let tally = tally(ctx, event, resolved, bound.as_ref(), start, now).await;
    let facts = status::Facts {
        event,
        resolved,
        outcome: &outcome,
        report: ctx.registry.report(&event.key()),
        tally,
        hold_until: bound.as_ref().and_then(|b| b.hold_until),
        start,
        now,
        failure_threshold: ctx.settings.failure_threshold,
    };
    let next = status::compose(&facts);
    measure(ctx, event, &next);
    let stalled = resolved.stall.is_some() || outcome.stall.is_some();
    let pending = next.sync.as_ref().is_some_and(|s| s.pending > 0);
    news::note_stall(ctx, event, resolved, &outcome);
    if apply::status(ctx, event, &next).await?.is_some() {
        transition_events::transitions(ctx, event, &next).await;
    }
    transition_events::pulled_back(ctx, event).await;
    let pause = if resolved.undecided {
        SOON
    } else if stalled {
        ctx.settings.stalled_probe_interval
    } else if pending {
        BUSY_PAUSE
    } else {
        IDLE_PAUSE
    };
    Ok(Action::requeue(
        outcome
            .retry
            .unwrap_or(pause)
            .min(pause)
            .min(until(bound.as_ref().and_then(|b| b.hold_until), now))
            .min(until(Some(start), now)),
    ))
}

/// Shows readiness and counts as metrics.
fn measure(ctx: &Context, event: &AdConversionEvent, status: &AdConversionEventStatus) {
    let key = event.key();
    let ready = match find(&status.conditions, condition::READY).map(|c| c.status.as_str()) {
        Some("True") => "True",
        Some("False") => "False",
        _ => "Unknown",
    };
    ctx.metrics.object(AdConversionEvent::KIND, &key, ready);
    let Some(sync) = &status.sync else { return };
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let outcomes = BTreeMap::from([
        (Outcome::Pending, count(sync.pending)),
        (Outcome::Processing, count(sync.processing)),
        (Outcome::Uploaded, count(sync.uploaded)),
        (Outcome::Skipped, count(sync.skipped)),
        (Outcome::Rejected, count(sync.rejected)),
    ]);
    let oldest_pending = sync.oldest_pending_time.as_ref().map(|t| t.0);
    ctx.metrics.event(
        &key,
        EventCounts {
            outcomes,
            oldest_pending,
            last_upload: sync.last_upload_time.as_ref().map(|t| t.0),
        },
    );
}

fn created(event: &AdConversionEvent) -> Timestamp {
    event
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |t| t.0)
}

/// Until a time ahead of us: the end of the hold on a new action, a start in the future.
fn until(time: Option<Timestamp>, now: Timestamp) -> Duration {
    time.and_then(|until| Duration::try_from(until.duration_since(now)).ok())
        .filter(|wait| !wait.is_zero())
        .map_or(IDLE_PAUSE, |wait| wait + Duration::from_millis(100))
}

/// The action as the sync loops need it: known by id, and, for one of our own, held back while Google finds it too new.
fn bound(ctx: &Context, resolved: &Resolved, action: &ConversionActionStatus) -> Option<BoundAction> {
    let key = ActionKey {
        customer: action.customer_id.as_deref()?.parse().ok()?,
        action: action.id.as_deref()?.parse::<ActionId>().ok()?,
    };
    let created_here = action.origin == Some(crate::api::ActionOrigin::Created);
    let hold = jiff::SignedDuration::try_from(ctx.settings.new_action_hold).unwrap_or_default();
    let hold_until = action
        .create_time
        .as_ref()
        .filter(|_| created_here)
        .and_then(|t| t.0.saturating_add(hold).ok());
    let click_window_days = resolved.known_action(key.action).and_then(|a| a.click_window_days);
    Some(BoundAction {
        key,
        hold_until,
        click_window_days,
    })
}

/// Registers the event, or takes it out while it is stalled: then no work is done for it.
fn hand_over(
    ctx: &Context,
    event: &AdConversionEvent,
    resolved: &Resolved,
    outcome: &ActionOutcome,
    bound: Option<BoundAction>,
    start: Timestamp,
) {
    let stalled = resolved.stall.is_some() || outcome.stall.is_some();
    let (Some(subject), false) = (&resolved.subject, stalled) else {
        ctx.registry.remove_event(&event.key());
        return;
    };
    ctx.registry.set_event(registry::Event {
        key: event.key(),
        uid: event.id(),
        hubspot: resolved.hubspot_key.clone(),
        google: resolved.google_key.clone(),
        trigger: subject.trigger.clone(),
        start,
        action: bound.filter(|_| outcome.usable),
        rules: spec::rules(&event.spec),
        suspended: event.spec.suspend,
        skip_missed: event.spec.resume_policy == crate::api::ResumePolicy::SkipMissed,
    });
}

/// The counts of the event's track; `None` while the portal or the stage is not known, or the ledger fails.
async fn tally(
    ctx: &Context,
    event: &AdConversionEvent,
    resolved: &Resolved,
    bound: Option<&BoundAction>,
    start: Timestamp,
    now: Timestamp,
) -> Option<status::Counted> {
    let portal = resolved.portal?;
    let trigger = &resolved.subject.as_ref()?.trigger;
    let action = bound.map(|b| b.key.clone());
    let request = TrackRequest::new(event.key(), event.id(), portal, trigger, action);
    let read = async {
        let track = ctx.ledger.track(&request).await?;
        let tally: Tally = ctx.ledger.tally(track, start, now).await?;
        let id = ctx.ledger.id().await?;
        Ok::<_, crate::ports::ledger::LedgerError>(status::Counted { tally, ledger_id: id.0 })
    };
    match read.await {
        Ok(counted) => Some(counted),
        Err(error) => {
            tracing::error!(event = %event.key(), error = brief(&error), "counts could not be read");
            None
        }
    }
}
