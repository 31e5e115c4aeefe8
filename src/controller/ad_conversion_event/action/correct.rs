//! Correcting an action that differs from the manifest.

use super::keep::keep_action;
use super::work::{AfterStep, Work, end_pass};
use crate::api::reasons::{condition, event as happened};
use crate::api::{ActionOrigin, AdConversionEventStatus};
use crate::controller::shared::error::Error;
use crate::controller::shared::recorder::Severity;
use crate::domain::action::ActionFields;
use crate::domain::conditions::is_true;
use crate::domain::ids::ActionId;
use crate::ports::stopping::begin_unfinished_step;

/// Writes the declared fields that differ.
pub(crate) async fn correct_fields(
    work: &mut Work<'_>,
    (id, origin): (ActionId, ActionOrigin),
    fields: &ActionFields,
    difference: &str,
) -> Result<AfterStep, Error> {
    let before = work.event.status.as_ref();
    let drifted = work.current.id.is_some() && was_as_declared(before, work.resolved.declared.generation);
    if drifted {
        let note = format!("Conversion action {id} differs from the manifest: it has {difference}.");
        work.publish_event(Severity::Warning, happened::DRIFT_DETECTED, &note)
            .await;
    }
    let answer = work.ads.update_action(&work.owner, id, fields).await;
    let _step = begin_unfinished_step();
    if let Err(error) = answer {
        // Writing the same values again is harmless, so an unknown outcome is simply tried again.
        let mut outcome = work.refused_call(&error);
        outcome.found = work.actions.iter().find(|a| a.id == id).cloned();
        return Ok(end_pass(outcome));
    }
    let (why, note) = if drifted {
        (
            happened::DRIFT_CORRECTED,
            format!("Conversion action {id} has its declared settings again. Before, it had {difference}."),
        )
    } else {
        (
            happened::CONVERSION_ACTION_UPDATED,
            format!("Updated conversion action {id}. Before, it had {difference}."),
        )
    };
    work.publish_event(Severity::Normal, why, &note).await;
    let mut written = work.actions.iter().find(|action| action.id == id).cloned();
    if let Some(action) = &mut written {
        action.set_fields(fields);
    }
    work.refresh_snapshot().await;
    // Whatever was read just now: a later read that shows something else wakes the
    // event, so that an update that Google has confirmed and not kept is seen.
    work.show_written(written.as_slice());
    keep_action(work, id, origin).await
}

/// True if the action was last seen as this generation of the manifest declares it, so that somebody else has changed
/// it since. An update of ours that failed, or whose reply was lost, leaves a status of the same generation.
fn was_as_declared(before: Option<&AdConversionEventStatus>, generation: Option<i64>) -> bool {
    before.is_some_and(|status| {
        status.observed_generation == generation && is_true(&status.conditions, condition::CONVERSION_ACTION_READY)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reasons::reason;
    use crate::domain::conditions::{Conditions, Status};

    #[test]
    fn nobody_has_changed_an_action_whose_own_update_failed() {
        let status = |generation: i64, ready: Status, why: &'static str| {
            let mut conditions = Conditions::new(&[], Some(generation), jiff::Timestamp::UNIX_EPOCH);
            conditions.set(condition::CONVERSION_ACTION_READY, ready, why, "");
            AdConversionEventStatus {
                observed_generation: Some(generation),
                conditions: conditions.into_sorted(),
                ..AdConversionEventStatus::default()
            }
        };
        let as_declared = status(2, Status::True, reason::CREATED);
        assert!(was_as_declared(Some(&as_declared), Some(2)));
        assert!(!was_as_declared(Some(&as_declared), Some(3)));
        let failed = status(3, Status::False, reason::UPSTREAM_UNAVAILABLE);
        assert!(!was_as_declared(Some(&failed), Some(3)));
        assert!(!was_as_declared(None, None));
    }
}
