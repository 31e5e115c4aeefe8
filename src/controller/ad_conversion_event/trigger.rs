//! What the manifest's trigger names: a lifecycle stage by value or label, a form by GUID or name.

use super::stall::Stall;
use super::subject::Subject;
use crate::api::reasons::reason;
use crate::api::{AdConversionEvent, AdConversionEventStatus, CREATE_AGAIN, TriggerStatus, TriggerType};
use crate::controller::shared::apply;
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::domain::brief;
use crate::domain::declared::NamedTrigger;
use crate::domain::trigger::Trigger;
use crate::ports::crm::Form;
use crate::registry::{Forms, HubSpotAccount};

/// Most candidates that a message names.
const MAX_NAMED: usize = 20;

/// What the manifest's trigger is.
pub(crate) struct ResolvedTrigger {
    /// The stage or form; `None`: not known yet.
    pub subject: Option<Subject>,
    /// HubSpot does not have what the manifest names.
    pub stall: Option<Stall>,
    /// The manifest names it by label or name, and that stands for this one for the first time.
    pub first_by_name: bool,
    /// As the status shows it.
    pub shown: Option<TriggerStatus>,
    /// What the event is compared with others by: the trigger resolved before, else what the manifest says.
    pub claimed: Trigger,
}

/// Looks up the trigger. Whether the subject `counts` yet is for the caller to say: it may lack something else.
pub(crate) fn resolve_trigger(
    named: &NamedTrigger,
    status: Option<&AdConversionEventStatus>,
    hubspot: Option<&HubSpotAccount>,
    counts: bool,
) -> ResolvedTrigger {
    let before = resolved_before(status);
    let (subject, stall) = match resolve_subject(named, before.as_ref(), hubspot) {
        Ok(subject) => (subject.filter(|_| counts), None),
        Err(stall) => (None, Some(stall)),
    };
    let first = |found: &Subject| is_first_by_name(named, before.as_ref(), found);
    ResolvedTrigger {
        first_by_name: subject.as_ref().is_some_and(first),
        shown: trigger_status(subject.as_ref(), before.as_ref()),
        claimed: trigger_of(named, before),
        subject,
        stall,
    }
}

/// Looks up the trigger; one resolved `before` is kept, as labels
/// and names may change at any time. `None`: not known yet.
fn resolve_subject(
    named: &NamedTrigger,
    before: Option<&Subject>,
    hubspot: Option<&HubSpotAccount>,
) -> Result<Option<Subject>, Stall> {
    match named {
        NamedTrigger::Stage(wanted) => resolve_stage(before, wanted, hubspot),
        NamedTrigger::Form(wanted) => resolve_form(before, wanted, hubspot),
    }
}

fn resolve_stage(
    before: Option<&Subject>,
    wanted: &str,
    hubspot: Option<&HubSpotAccount>,
) -> Result<Option<Subject>, Stall> {
    let stages = hubspot.map(|h| h.stages.clone()).unwrap_or_default();
    if stages.is_empty() {
        return Ok(before.cloned());
    }
    let known = before.and_then(|b| b.trigger.stage());
    let found = known
        .and_then(|value| stages.iter().find(|s| s.value == value))
        .or_else(|| stages.iter().find(|s| s.value == wanted))
        .or_else(|| stages.iter().find(|s| s.label.trim() == wanted.trim()))
        .or_else(|| {
            stages
                .iter()
                .find(|s| s.label.trim().eq_ignore_ascii_case(wanted.trim()))
        });
    let subject = found.map(|stage| Subject {
        trigger: Trigger::Stage(stage.value.clone()),
        label: brief::brief_name(&stage.label),
    });
    subject.map(Some).ok_or_else(|| {
        let names: Vec<_> = stages
            .iter()
            .take(MAX_NAMED)
            .map(|s| format!("{} ({:?})", s.value, s.label))
            .collect();
        let what = format!("lifecycle stage with value or label {wanted:?}");
        let message = missing_message(&what, "stage", "spec.trigger.lifecycleStage.stage", before, &names);
        (reason::STAGE_NOT_FOUND, message)
    })
}

fn resolve_form(
    before: Option<&Subject>,
    wanted: &str,
    hubspot: Option<&HubSpotAccount>,
) -> Result<Option<Subject>, Stall> {
    let forms = match hubspot.map(|h| &h.forms) {
        None | Some(Forms::Unread | Forms::Failed(_)) => return Ok(before.cloned()),
        Some(Forms::Denied(why)) => {
            return Err((
                reason::MISSING_SCOPE,
                format!(
                    "HubSpot does not let the token see forms ({why}). Add the scope \"forms\" to the app or service key, and put its token into the Secret."
                ),
            ));
        }
        Some(Forms::Listed(forms)) => forms,
    };
    let subject = |form: &Form| Subject {
        trigger: Trigger::Form(form.id.clone()),
        label: brief::brief_name(&form.name),
    };
    let known = before.and_then(|b| b.trigger.form());
    let by_id = |id: &str| forms.iter().find(|f| f.id.eq_ignore_ascii_case(id));
    if let Some(form) = known.and_then(by_id).or_else(|| by_id(wanted)) {
        return Ok(Some(subject(form)));
    }
    let named: Vec<&Form> = forms.iter().filter(|f| f.name.trim() == wanted.trim()).collect();
    match named.as_slice() {
        [form] => Ok(Some(subject(form))),
        [] => Err((reason::FORM_NOT_FOUND, unknown_form(wanted, before, forms))),
        several => {
            let ids: Vec<_> = several.iter().take(MAX_NAMED).map(|f| f.id.as_str()).collect();
            let message = format!(
                "HubSpot has {} forms named {wanted:?}. {} The forms are: {}.",
                several.len(),
                way_out(
                    "the GUID of the one that is meant",
                    "spec.trigger.formSubmission.formId",
                    before
                ),
                ids.join(", ")
            );
            Err((reason::FORM_NOT_FOUND, message))
        }
    }
}

/// Forms that share a word with the wanted name come first.
fn unknown_form(wanted: &str, before: Option<&Subject>, forms: &[Form]) -> String {
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|w| w.len() > 2);
        parts.map(str::to_lowercase).collect()
    };
    let sought = words(wanted);
    let mut candidates: Vec<&Form> = forms.iter().collect();
    candidates.sort_by_key(|form| !words(&form.name).iter().any(|word| sought.contains(word)));
    let names: Vec<_> = candidates
        .iter()
        .take(MAX_NAMED)
        .map(|f| format!("{} ({:?})", f.id, f.name))
        .collect();
    let what = format!("form with GUID or name {wanted:?}");
    missing_message(&what, "form", "spec.trigger.formSubmission.formId", before, &names)
}

/// Says what HubSpot does not have and what to do. The names
/// come last: there may be more than a condition has room for.
fn missing_message(what: &str, kind: &str, field: &str, before: Option<&Subject>, names: &[String]) -> String {
    let found = before.map_or_else(String::new, |before| {
        format!(" any more (it was found before as {:?})", before.label)
    });
    let listed = if names.is_empty() {
        "It has none.".to_owned()
    } else {
        format!("It has: {}.", names.join(", "))
    };
    let way_out = way_out(&format!("one that exists, or add the {kind} in HubSpot"), field, before);
    format!("HubSpot has no {what}{found}. {way_out} {listed}")
}

/// A trigger that never resolved may be corrected; one that did cannot.
fn way_out(what: &str, field: &str, before: Option<&Subject>) -> String {
    match before {
        None => format!("Set {field} to {what}."),
        Some(_) => format!("The trigger cannot be changed any more. To set {field} to {what}: {CREATE_AGAIN}."),
    }
}

/// What an earlier pass resolved.
fn resolved_before(status: Option<&AdConversionEventStatus>) -> Option<Subject> {
    let status = status?.trigger.as_ref()?;
    let trigger = match (&status.stage, &status.form_id) {
        (Some(stage), _) => Trigger::Stage(stage.clone()),
        (None, Some(form)) if is_guid(form) => Trigger::Form(form.to_lowercase()),
        _ => return None,
    };
    let label = status.label.clone().unwrap_or_default();
    Some(Subject { trigger, label })
}

/// True for the form of a GUID: a name in the status of an earlier version was never found in HubSpot.
fn is_guid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The trigger as the status shows it: what it resolves to, or did before. Absent until it resolves for the first time;
/// so long its stage or form may be corrected in the manifest.
fn trigger_status(found: Option<&Subject>, before: Option<&Subject>) -> Option<TriggerStatus> {
    let Subject { trigger, label } = found.or(before)?;
    let label = Some(label.clone()).filter(|label| !label.is_empty());
    Some(match trigger {
        Trigger::Stage(stage) => TriggerStatus {
            type_: TriggerType::LifecycleStage,
            stage: Some(stage.clone()),
            form_id: None,
            label,
        },
        Trigger::Form(form) => TriggerStatus {
            type_: TriggerType::FormSubmission,
            stage: None,
            form_id: Some(form.clone()),
            label,
        },
    })
}

/// True if the manifest names the stage by its label, or the form by its name, and that resolves for the first time.
fn is_first_by_name(named: &NamedTrigger, before: Option<&Subject>, found: &Subject) -> bool {
    let by_id = match (&found.trigger, named) {
        (Trigger::Stage(value), NamedTrigger::Stage(stage)) => stage == value,
        (Trigger::Form(id), NamedTrigger::Form(form)) => form.eq_ignore_ascii_case(id),
        _ => false,
    };
    !by_id && before.is_none()
}

/// Writes a trigger that resolves for the first time into the status, before anything is done about it: from then on
/// the manifest cannot name another one. Returns the event as it is then, `None` if there was nothing to write.
pub async fn record_trigger(
    ctx: &Context,
    event: &AdConversionEvent,
    trigger: Option<&TriggerStatus>,
) -> Result<Option<AdConversionEvent>, Error> {
    let Some(trigger) = trigger.filter(|_| resolved_before(event.status.as_ref()).is_none()) else {
        return Ok(None);
    };
    let mut status = event.status.clone().unwrap_or_default();
    status.trigger = Some(trigger.clone());
    apply::apply_status(ctx, event, &status).await
}

/// The trigger that an event claims, see [`ResolvedTrigger::claimed`].
pub(crate) fn claimed_trigger(named: &NamedTrigger, status: Option<&AdConversionEventStatus>) -> Trigger {
    trigger_of(named, resolved_before(status))
}

/// The trigger resolved before, else what the manifest says.
fn trigger_of(named: &NamedTrigger, before: Option<Subject>) -> Trigger {
    let declared = || match named {
        NamedTrigger::Stage(stage) => Trigger::Stage(stage.clone()),
        NamedTrigger::Form(form) => Trigger::Form(form.to_lowercase()),
    };
    before.map_or_else(declared, |subject| subject.trigger)
}

#[cfg(test)]
#[path = "trigger_tests.rs"]
mod tests;
