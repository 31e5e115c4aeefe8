//! Correcting an action that differs from the manifest.

use super::keep::keep;
use super::work::{Next, Work, done};
use crate::api::ActionOrigin;
use crate::api::reasons::event as happened;
use crate::controller::shared::error::Error;
use crate::controller::shared::recorder::Severity;
use crate::domain::action::{ActionFields, ConversionAction};
use crate::domain::ids::ActionId;

/// Writes the declared fields that differ.
pub(crate) async fn correct(
    work: &mut Work<'_>,
    (id, origin): (ActionId, ActionOrigin),
    fields: &ActionFields,
    difference: &str,
) -> Result<Next, Error> {
    let observed = work.event.status.as_ref().and_then(|s| s.observed_generation);
    let drifted = work.current.id.is_some() && observed == work.resolved.declared.generation;
    if drifted {
        let note = format!("Conversion action {id} differs from the manifest: {difference}.");
        work.tell(Severity::Warning, happened::DRIFT_DETECTED, &note).await;
    }
    if let Err(error) = work.ads.update_action(&work.owner, id, fields).await {
        // Writing the same values again is harmless, so an unknown outcome is simply tried again.
        let mut outcome = work.refused(&error);
        outcome.found = work.actions.iter().find(|a| a.id == id).cloned();
        return Ok(done(outcome));
    }
    let (why, note) = if drifted {
        (
            happened::DRIFT_CORRECTED,
            format!("Conversion action {id} is as declared again; {difference} before."),
        )
    } else {
        (
            happened::CONVERSION_ACTION_UPDATED,
            format!("Updated conversion action {id}: {difference}."),
        )
    };
    work.tell(Severity::Normal, why, &note).await;
    for action in work.actions.iter_mut().filter(|a| a.id == id) {
        overlay(action, fields);
    }
    work.refresh().await;
    keep(work, id, origin).await
}

/// The action as it is after our write.
fn overlay(action: &mut ConversionAction, fields: &ActionFields) {
    let ActionFields {
        name,
        kind: _,
        category,
        primary_for_goal,
        counting_type,
        click_window_days,
        view_window_days,
        default_value,
        default_currency,
        always_use_default_value,
        status,
    } = fields.clone();
    action.name = name.unwrap_or_else(|| action.name.clone());
    action.status = status.unwrap_or_else(|| action.status.clone());
    action.category = category.or_else(|| action.category.take());
    action.primary_for_goal = primary_for_goal.or(action.primary_for_goal);
    action.counting_type = counting_type.or_else(|| action.counting_type.take());
    action.click_window_days = click_window_days.or(action.click_window_days);
    action.view_window_days = view_window_days.or(action.view_window_days);
    action.default_value = default_value.or(action.default_value);
    action.default_currency = default_currency.or_else(|| action.default_currency.take());
    action.always_use_default_value = always_use_default_value.or(action.always_use_default_value);
}
