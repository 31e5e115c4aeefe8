//! The controller of `AdConversionEvent`: resolve what the manifest names, settle the conversion action, hand the event
//! to the sync loops, report.
//!
//! Each step narrows what the next one holds: the object becomes a [`Declared`] manifest, that becomes
//! [`resolve::Resolved`], that [`reconciled_event::ReconciledEvent`], and that a status. The object itself stays only
//! to be written; its spec is not read again.

mod action;
mod assessment;
mod awaited_reads;
mod bidding;
mod deletion;
mod deletion_blocked;
mod delivering;
mod facts;
mod ownership;
mod pauses;
pub mod preview;
mod reconciled_event;
mod refusal;
mod report;
mod resolve;
mod stall;
mod status;
mod subject;
mod synced;
mod tag_config_map;
#[cfg(test)]
mod test_support;
mod transition_events;
mod trigger;

use std::sync::Arc;

pub(in crate::controller) use self::pauses::SOON;
use self::reconciled_event::ReconciledEvent;
use self::report::report_event;
use self::resolve::resolve_event;
use self::tag_config_map::Tags;
use crate::api::AdConversionEvent;
use crate::controller::shared::apply;
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::controller::shared::object::Object;
use crate::controller::shared::reconciler::{Action, Reconciler};
use crate::domain::declared::Declared;
use crate::domain::ids::ObjectKey;

/// The controller of `AdConversionEvent`, with what it remembers.
#[derive(Default)]
pub struct EventController {
    tags: Tags,
}

impl Reconciler for EventController {
    type Object = AdConversionEvent;

    async fn reconcile(&self, event: Arc<AdConversionEvent>, ctx: Arc<Context>) -> Result<Action, Error> {
        let declared = Declared::from_manifest(&event).as_of(ctx.clock.now());
        if declared.deleting {
            return deletion::clean_up(&ctx, &declared, &event).await;
        }
        let event = match apply::add_finalizer(&ctx, event.as_ref()).await? {
            Some(with_finalizer) => Arc::new(with_finalizer),
            None => event,
        };
        if awaited_reads::awaits_requested_read(&ctx, &event, &declared) {
            return Ok(Action::requeue(SOON));
        }
        let mut resolved = resolve_event(&ctx, declared, event.status.as_ref());
        if resolved.undecided && !event.conditions().is_empty() {
            // The process has just started and the accounts are being looked at: what was said before stands.
            return Ok(Action::requeue(SOON));
        }
        if awaited_reads::named_for_the_first_time(&ctx, &resolved) {
            return Ok(Action::requeue(SOON));
        }
        let event = match trigger::record_trigger(&ctx, &event, resolved.trigger.as_ref()).await? {
            Some(recorded) => {
                resolved = resolve_event(&ctx, resolved.declared, recorded.status.as_ref());
                Arc::new(recorded)
            }
            None => event,
        };
        let (event, mut outcome) = action::reconcile_action(&ctx, event, &resolved).await?;
        tag_config_map::publish_tag(&ctx, &self.tags, &event, &resolved, &mut outcome).await;
        let reconciled = ReconciledEvent::new(resolved, outcome);
        let (declared, stall) = (&reconciled.resolved.declared, reconciled.stall.as_ref());
        let seen = event.status.as_ref().and_then(|s| s.observed_generation);
        if awaited_reads::waits_to_heal(&ctx, declared, seen, stall) {
            return Ok(Action::requeue(SOON));
        }
        report_event(&ctx, &event, &reconciled).await
    }

    fn object_gone(&self, key: &ObjectKey, ctx: &Context) {
        ctx.registry.forget_event(key);
        ctx.rereads.forget(key);
    }
}
