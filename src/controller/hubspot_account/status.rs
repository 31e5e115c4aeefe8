//! The status of a HubSpot account.

use super::memory::HubSpotMemory;
use crate::api::{HubSpotAccount as Manifest, HubSpotAccountStatus, LifecycleStage, MAX_LIFECYCLE_STAGES, Time};
use crate::controller::shared::account::kind::CommonStatus;
use crate::controller::shared::context::Context;
use crate::controller::shared::object::Object;
use crate::domain::brief;

/// The status as it should be.
pub(super) fn compose_status(
    ctx: &Context,
    object: &Manifest,
    memory: &HubSpotMemory,
    common: &CommonStatus<'_>,
) -> HubSpotAccountStatus {
    let mut status = object.status.clone().unwrap_or_default();
    status.observed_generation = object.metadata.generation;
    status.last_handled_reconcile_at = object
        .requested_at()
        .map(str::to_owned)
        .or(status.last_handled_reconcile_at);
    status.conditions = common.conditions.to_vec();
    status.used_by = i64::try_from(common.users.len()).ok();
    if let Some(snapshot) = &memory.snapshot {
        status.portal_id = i64::try_from(snapshot.portal.id.0).ok();
        status.time_zone = if_known(&snapshot.portal.time_zone);
        status.company_currency = if_known(&snapshot.portal.company_currency);
        status.ui_domain = Some(snapshot.portal.ui_domain.clone());
        let stages = snapshot.stages.iter().take(MAX_LIFECYCLE_STAGES);
        let show = |stage: &crate::ports::crm::Stage| LifecycleStage {
            value: stage.value.clone(),
            label: brief::brief_name(&stage.label),
        };
        status.lifecycle_stages = stages.map(show).collect();
    }
    let feed = ctx.registry.feed_report(&object.key());
    status.change_detection = feed.change_detection.or(status.change_detection);
    if let Some(poll) = feed.last_poll {
        status.last_poll_time = Some(Time(poll));
    }
    if let Some(checked) = memory.state.checked {
        status.last_check_time = Some(Time(checked));
    }
    status
}

/// `None` for a text that HubSpot gave in no usable form, which is empty.
fn if_known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
