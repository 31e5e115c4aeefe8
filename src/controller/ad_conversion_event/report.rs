//! The end of a pass: the event is handed to the sync loops, its conversions are counted, and its status is written.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::facts::{CountedRows, EventFacts};
use super::pauses::{BUSY_PAUSE, IDLE_PAUSE, SOON, time_until};
use super::reconciled_event::ReconciledEvent;
use super::resolve::Resolved;
use super::status;
use super::transition_events;
use crate::api::{ActionOrigin, AdConversionEvent, AdConversionEventStatus, ConversionActionStatus, SyncStatus};
use crate::controller::shared::apply;
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::controller::shared::object::Object;
use crate::controller::shared::reconciler::Action;
use crate::domain::brief::brief;
use crate::domain::conditions::ready_label;
use crate::domain::declared::Declared;
use crate::domain::ids::{ActionId, CustomerId};
use crate::domain::outcome::Outcome;
use crate::domain::time::{later, to_signed};
use crate::ops::metrics::EventCounts;
use crate::ports::ledger::{LedgerError, RowCounts, StreamRequest};
use crate::registry::{BoundAction, CountedStream, Event};

/// Hands the event to the sync loops, counts, and writes the status. `event` is the object as it was last written.
pub(crate) async fn report_event(
    ctx: &Context,
    event: &AdConversionEvent,
    reconciled: &ReconciledEvent,
) -> Result<Action, Error> {
    let ReconciledEvent {
        resolved,
        outcome,
        stall,
    } = reconciled;
    let declared = &resolved.declared;
    let now = ctx.clock.now();
    let bound = bound_action(ctx, declared, &outcome.action);
    hand_over(ctx, reconciled, bound.clone());
    let counted = count_rows(ctx, resolved, bound.as_ref(), now).await;
    let uncounted = counted.is_err();
    let facts = EventFacts {
        before: event.status.clone().unwrap_or_default(),
        requested: event.requested_at(),
        resolved,
        outcome,
        stall: stall.as_ref(),
        report: ctx.registry.event_report(&declared.key),
        counted: counted.unwrap_or_default(),
        held: bound.as_ref().and_then(|bound| bound.held(now)),
        now,
        failure_threshold: ctx.settings.failure_threshold,
    };
    let next = status::compose_status(&facts);
    note_counted(ctx, &facts);
    export_metrics(ctx, &facts, &next);
    let written = apply::apply_status(ctx, event, &next).await?.is_some();
    transition_events::publish_pass(ctx, event, written.then_some(&next)).await;
    let pause = if resolved.undecided {
        SOON
    } else if stall.is_some() {
        ctx.settings.stalled_probe_interval
    } else {
        pause_of(next.sync.as_ref(), uncounted)
    };
    let hold_until = bound.and_then(|bound| bound.hold_until);
    let opens = time_until(hold_until, now).min(time_until(Some(declared.start), now));
    Ok(Action::requeue(outcome.retry.unwrap_or(pause).min(pause).min(opens)))
}

/// The admin API lists the conversions behind the counts: it has to count by the same stream, start and gates.
fn note_counted(ctx: &Context, facts: &EventFacts<'_>) {
    let declared = facts.declared();
    if let Some(counted) = &facts.counted {
        let counted = CountedStream {
            stream: counted.stream,
            start: declared.start,
            gates: facts.closed_gates(),
        };
        ctx.registry.set_counted(&declared.key, counted);
    }
}

/// How long the event is left alone where nobody wakes it. `uncounted`: the ledger failed, so that its counts are those
/// of before, and whoever changed them last has woken it already.
fn pause_of(sync: Option<&SyncStatus>, uncounted: bool) -> Duration {
    if uncounted || sync.is_some_and(|sync| sync.pending > 0) {
        BUSY_PAUSE
    } else {
        IDLE_PAUSE
    }
}

/// Shows readiness and counts as metrics.
fn export_metrics(ctx: &Context, facts: &EventFacts<'_>, status: &AdConversionEventStatus) {
    let key = &facts.declared().key;
    ctx.metrics
        .set_object(AdConversionEvent::KIND, key, ready_label(&status.conditions));
    // Where the ledger can't be read, what was counted before still stands.
    let (Some(sync), Some(counted)) = (&status.sync, &facts.counted) else {
        return;
    };
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let outcomes = BTreeMap::from([
        (Outcome::Pending, count(sync.pending)),
        (Outcome::Processing, count(sync.processing)),
        (Outcome::Uploaded, count(sync.uploaded)),
        (Outcome::Skipped, count(sync.skipped)),
        (Outcome::Rejected, count(sync.rejected)),
    ]);
    // What is suspended waits as it should.
    let suspended = facts.closed_gates().suspended;
    let waiting_since = counted.counts.waiting_since.filter(|_| !suspended);
    ctx.metrics.set_event(
        key,
        EventCounts {
            outcomes,
            waiting_since,
            last_upload: sync.last_upload_time.as_ref().map(|t| t.0),
        },
    );
}

/// The action as the sync loops need it: known by id, and, for one of our own, held back while Google finds it too new.
/// Its window is what Google shows by now: this pass may have created the action.
fn bound_action(ctx: &Context, declared: &Declared, action: &ConversionActionStatus) -> Option<BoundAction> {
    let owner: CustomerId = action.customer_id.as_deref()?.parse().ok()?;
    let id: ActionId = action.id.as_deref()?.parse().ok()?;
    let created_here = action.origin == Some(ActionOrigin::Created);
    let hold = to_signed(ctx.settings.new_action_hold);
    let hold_until = action
        .create_time
        .as_ref()
        .filter(|_| created_here)
        // A time that has not come is of a clock that was ahead.
        .map(|t| later(t.0.min(ctx.clock.now()), hold));
    let google = ctx.registry.google_account(&declared.google);
    let snapshot = google.and_then(|account| account.snapshot);
    Some(BoundAction {
        key: owner.action_key(id),
        hold_until,
        click_window: snapshot
            .and_then(|snapshot| snapshot.click_window(id))
            .map(|window| window.with_declared(declared.fields.click_window_days)),
    })
}

/// Registers the event, or takes it out while it is stalled: then no work is done for it.
fn hand_over(ctx: &Context, reconciled: &ReconciledEvent, bound: Option<BoundAction>) {
    let declared = &reconciled.resolved.declared;
    let (Some(subject), None) = (&reconciled.resolved.subject, &reconciled.stall) else {
        ctx.registry.remove_event(&declared.key);
        return;
    };
    ctx.registry.set_event(Event {
        key: declared.key.clone(),
        uid: declared.uid.clone(),
        hubspot: declared.hubspot.clone(),
        google: declared.google.clone(),
        trigger: subject.trigger.clone(),
        start: declared.start,
        action: bound.filter(|_| reconciled.outcome.usable),
        rules: declared.rules.clone(),
        suspended: declared.suspended,
        resume_policy: declared.resume_policy,
    });
}

/// The counts of the event's stream; `None` while the portal or the stage is not known.
///
/// # Errors
/// Where the ledger fails; that is logged.
async fn count_rows(
    ctx: &Context,
    resolved: &Resolved,
    bound: Option<&BoundAction>,
    now: Timestamp,
) -> Result<Option<CountedRows>, LedgerError> {
    let declared = &resolved.declared;
    let (Some(subject), Some(portal)) = (&resolved.subject, resolved.portal) else {
        return Ok(None);
    };
    let (key, uid) = (declared.key.clone(), declared.uid.clone());
    let request = StreamRequest::new(key, uid, portal, &subject.trigger, bound.map(|b| b.key.clone()));
    let read = async {
        let stream = ctx.ledger.stream_for(&request).await?;
        let counts: RowCounts = ctx.ledger.count_rows(stream, declared.start, now).await?;
        let id = ctx.ledger.ledger_id().await?;
        Ok(Some(CountedRows {
            stream,
            counts,
            ledger_id: id.0,
        }))
    };
    read.await.inspect_err(|error: &LedgerError| {
        tracing::error!(event = %declared.key, error = brief(error), "counts could not be read");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_may_be_old_are_looked_at_again_soon() {
        let sync = |pending| SyncStatus {
            pending,
            processing: 40,
            ..SyncStatus::default()
        };
        assert_eq!(pause_of(Some(&sync(0)), false), IDLE_PAUSE);
        assert_eq!(pause_of(Some(&sync(1)), false), BUSY_PAUSE);
        assert_eq!(pause_of(Some(&sync(0)), true), BUSY_PAUSE);
        assert_eq!(pause_of(None, true), BUSY_PAUSE);
        assert_eq!(pause_of(None, false), IDLE_PAUSE);
    }
}
