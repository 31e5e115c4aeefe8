//! Which conversion actions can be taken over as they are, and why others cannot.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::manifest::{Common, NEEDS_CONSENT, Takeover, TriggerText, build, object_name};
use super::trigger::{Assigned, assigned, form_in, stage_in};
use crate::api::{AdConversionEvent, AdConversionEventStatus, Time};
use crate::cli::output::printable;
use crate::controller::ad_conversion_event::preview::{OtherEvent, OtherEvents, Preview};
use crate::domain::action::{ConversionAction, ENABLED, UPLOAD_CLICKS, WEBPAGE};
use crate::domain::action_plan::ActionStep;
use crate::domain::declared::{Declared, DeclaredAction};
use crate::domain::ids::ObjectKey;
use crate::registry::{Forms, GoogleAccount, HubSpotAccount};

/// Said of every event of a form: what goes to Google of a person is for its owner to decide.
const SHARES: &str = "spec.shareData lets Google have the contact's e-mail address, hashed. Check that it may.";

/// What people gave on the command line.
pub(super) struct Given<'a> {
    pub(super) common: Common<'a>,
    pub(super) stages: &'a [Assigned],
    pub(super) forms: &'a [Assigned],
    /// The operator makes the goals of its own actions biddable.
    pub(super) manages_goals: bool,
    pub(super) now: Timestamp,
}

/// A manifest, and what people should know of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImportedEvent {
    pub(super) name: String,
    pub(super) action: String,
    /// Name of the action.
    pub(super) title: String,
    /// Where the stage or form comes from.
    pub(super) note: String,
    pub(super) manifest: Value,
}

/// An action that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SkippedAction {
    pub(super) action: String,
    /// Name of the action.
    pub(super) title: String,
    /// Why, in the middle of a sentence.
    pub(super) why: String,
}

/// What became of the actions of an account.
#[derive(Debug, Default)]
pub(super) struct Imported {
    pub(super) events: Vec<ImportedEvent>,
    pub(super) left_out: Vec<SkippedAction>,
}

type DeclaredEvent = (Declared, Option<AdConversionEventStatus>);

/// What an import is made from.
struct Picker<'a> {
    account: &'a GoogleAccount,
    portal: &'a HubSpotAccount,
    /// The events that there are already.
    events: &'a [DeclaredEvent],
    given: &'a Given<'a>,
}

/// Makes manifests of all actions that an event may use. `events`: those that are there; `taken`: names of objects.
pub(super) fn pick_actions(
    account: &GoogleAccount,
    portal: &HubSpotAccount,
    events: &[DeclaredEvent],
    given: &Given<'_>,
    taken: &mut BTreeSet<String>,
) -> Imported {
    let picker = Picker {
        account,
        portal,
        events,
        given,
    };
    let mut imported = Imported::default();
    for action in account.actions() {
        let title = printable(&action.name);
        match picker.pick(action, taken) {
            Ok(event) => imported.events.push(event),
            Err(why) => imported.left_out.push(SkippedAction {
                action: action.id.to_string(),
                title,
                why: printable(&why),
            }),
        }
    }
    imported
}

impl Picker<'_> {
    /// The manifest for one action.
    ///
    /// # Errors
    /// Why it cannot be imported, in the middle of a sentence.
    fn pick(&self, action: &ConversionAction, taken: &mut BTreeSet<String>) -> Result<ImportedEvent, String> {
        let given = self.given;
        if action.status != ENABLED {
            return Err(format!("its status is {}", printable(&action.status)));
        }
        if let Some(event) = user_of(action, self.events) {
            return Err(format!("event {event} uses it already"));
        }
        let (trigger, note) = match action.kind.as_str() {
            UPLOAD_CLICKS => stage_of(action, self.portal, given)?,
            WEBPAGE => form_of(action, self.portal, given)?,
            other => {
                return Err(format!(
                    "its type is {}: only {UPLOAD_CLICKS} (stages) and {WEBPAGE} (forms) take conversions of events",
                    printable(other)
                ));
            }
        };
        if given.common.way == Takeover::Adopt && given.manages_goals {
            return Err(
                "spec.manageAccountGoals of the account is true, so that the operator would make the goal of an adopted action \
                 biddable: leave out --adopt"
                    .to_owned(),
            );
        }
        let mut names = taken.clone();
        let name = object_name(action, &mut names);
        let manifest = build(action, &name, &trigger, &given.common)?;
        let used = self.used_action(&manifest)?;
        if used != action.id.to_string() {
            return Err(format!("the manifest would use conversion action {used} instead"));
        }
        *taken = names;
        Ok(ImportedEvent {
            name,
            action: action.id.to_string(),
            title: printable(&action.name),
            note,
            manifest,
        })
    }

    /// The action that the operator would use for a manifest, as it is.
    ///
    /// # Errors
    /// Why it would change something, or stall: by the rules of the operator itself.
    fn used_action(&self, manifest: &Value) -> Result<String, String> {
        let mut event: AdConversionEvent =
            serde_json::from_value(manifest.clone()).map_err(|error| error.to_string())?;
        event.metadata.creation_timestamp = Some(Time(self.given.now));
        let declared = Declared::from_manifest(&event);
        let preview = Preview {
            declared: &declared,
            status: None,
            google: Some(self.account),
            hubspot: Some(self.portal),
            now: self.given.now,
        };
        let others: OtherEvents<'_> = self
            .events
            .iter()
            .map(|(declared, status)| OtherEvent {
                declared,
                status: status.as_ref(),
            })
            .collect();
        let trigger = preview.trigger();
        if let Some((_, why)) = preview.stall(&trigger, &others) {
            return Err(why);
        }
        let subject = trigger.subject.ok_or("its stage or form is not known")?;
        if let Some((_, why)) = preview.manager_account(Some(&subject)) {
            return Err(why);
        }
        match preview.action_step(&subject, &others) {
            Some(ActionStep::Keep { id, .. }) => Ok(id.to_string()),
            Some(ActionStep::Correct { difference, .. }) => {
                Err(format!("the operator would change it: it has {difference}"))
            }
            Some(ActionStep::Stalled { message, .. }) => Err(message),
            Some(ActionStep::Create | ActionStep::LookLive | ActionStep::AwaitCreate | ActionStep::AwaitListing)
            | None => Err("the operator would not find it again".to_owned()),
        }
    }
}

/// The event that has an action, or names it.
fn user_of(action: &ConversionAction, events: &[DeclaredEvent]) -> Option<ObjectKey> {
    let uses = |(declared, status): &&DeclaredEvent| {
        let recorded = status
            .as_ref()
            .and_then(|status| status.conversion_action.as_ref()?.id.as_deref());
        let named = match &declared.action {
            DeclaredAction::Id(id) => *id == action.id,
            DeclaredAction::Name(name) => action.is_named(name),
            DeclaredAction::Create => false,
        };
        named || recorded == Some(action.id.to_string().as_str())
    };
    events.iter().find(uses).map(|(declared, _)| declared.key.clone())
}

fn stage_of(
    action: &ConversionAction,
    portal: &HubSpotAccount,
    given: &Given<'_>,
) -> Result<(TriggerText, String), String> {
    if let Some(stage) = assigned(given.stages, action.id) {
        return Ok((
            TriggerText::Stage(stage.to_owned()),
            "The stage is as --stage says.".to_owned(),
        ));
    }
    let id = action.id;
    let stage =
        stage_in(&action.name, &portal.stages).map_err(|why| format!("{why}: name it with --stage {id}=STAGE"))?;
    let note = format!(
        "The stage was found in the action's name: {} ({}). Check it.",
        stage.value, stage.label
    );
    Ok((TriggerText::Stage(stage.value.clone()), printable(&note)))
}

fn form_of(
    action: &ConversionAction,
    portal: &HubSpotAccount,
    given: &Given<'_>,
) -> Result<(TriggerText, String), String> {
    if given.common.consent.is_none() {
        return Err(NEEDS_CONSENT.to_owned());
    }
    if let Some(form) = assigned(given.forms, action.id) {
        return Ok((
            TriggerText::Form(form.to_owned()),
            format!("The form is as --form says. {SHARES}"),
        ));
    }
    let forms = match &portal.forms {
        Forms::Listed(forms) => forms,
        Forms::Denied(why) => return Err(format!("HubSpot does not let the token see forms ({why})")),
        Forms::Failed(why) => return Err(format!("HubSpot's list of forms can't be read ({why})")),
        Forms::Unread => return Err("the forms of the portal were not read".to_owned()),
    };
    let id = action.id;
    let form = form_in(&action.name, forms).map_err(|why| format!("{why}: name it with --form {id}=FORM"))?;
    let note = format!(
        "The form was found in the action's name: {} ({}). Check it. {SHARES}",
        form.id, form.name
    );
    Ok((TriggerText::Form(form.id.clone()), printable(&note)))
}

#[cfg(test)]
pub(super) use tests::action as some_action;

#[cfg(test)]
#[path = "pick_tests.rs"]
mod tests;
