//! What to do about an event's conversion action: adopt, map, create, correct, or say why not. One step at a time, from
//! what Google has and what the status remembers; the name is the only key Google keeps unique.

use super::action::{ActionFields, ConversionAction, ENABLED, EXTERNAL, REMOVED};
use super::ids::ActionId;
use crate::api::reasons::reason;
use crate::api::{ActionOrigin, CREATE_AGAIN};

/// The end of an advice to give an action up. Conversions may have gone to that action, and must not count for the new
/// one too.
pub const NEW_ACTION: &str = "delete the event and create it again, with the time from which conversions are to go to the other action as spec.startTime";

/// Said of what an event that is there cannot do any more.
pub const IN_NEW_EVENT: &str = " in a new event";

/// Which action a manifest wants.
#[derive(Debug, Clone, PartialEq)]
pub enum WantedAction<'a> {
    /// One of our own.
    Create {
        /// Declared fields: enforced.
        declared: &'a ActionFields,
        /// All fields of a new one.
        full: &'a ActionFields,
    },
    /// An existing one by id, never touched.
    Id(ActionId),
    /// An existing one by exact name, never touched.
    Name(&'a str),
}

/// What we know of the action from earlier passes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownAction {
    /// Its id, once recorded.
    pub id: Option<ActionId>,
    /// How we came by it.
    pub origin: Option<ActionOrigin>,
    /// The name under which a create is under way whose outcome is not recorded.
    pub creating: Option<String>,
    /// It was created a moment ago, so Google's lists may not show it yet.
    pub just_created: bool,
}

/// What Google has.
#[derive(Debug, Clone, Copy)]
pub struct ShownActions<'a> {
    /// Actions of the account.
    pub actions: &'a [ConversionAction],
    /// True if they were read just now, so that a missing name is really free.
    pub live: bool,
    /// Actions that belong to other events, with words for the event.
    pub others: &'a [(ActionId, String)],
}

/// The next step.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionStep {
    /// The action is as declared.
    Keep {
        id: ActionId,
        /// How we come by it.
        origin: ActionOrigin,
    },
    /// The action differs from the manifest in these fields.
    Correct {
        id: ActionId,
        /// How we come by it.
        origin: ActionOrigin,
        /// Fields to write.
        fields: Box<ActionFields>,
        /// The first difference, for people: `name is "A", declared "B"`.
        difference: String,
    },
    /// The name seems free: read the account live before anything is created.
    LookLive,
    /// The name is free: note the attempt in the status, then create.
    Create,
    /// A create is under way with an unknown outcome and nothing is there yet: look again until Google has settled.
    AwaitCreate,
    /// It was created a moment ago and Google does not list it yet: look again.
    AwaitListing,
    /// A person must act.
    Stalled {
        /// Condition reason.
        reason: &'static str,
        /// What is wrong and the ways out.
        message: String,
    },
}

/// The next step for an event whose trigger needs actions of type `kind`.
pub fn next_step(wanted: &WantedAction<'_>, kind: &str, known: &KnownAction, seen: ShownActions<'_>) -> ActionStep {
    match wanted {
        WantedAction::Id(id) => map_existing(
            seen.actions.iter().find(|a| a.id == *id),
            &format!("id {id}"),
            kind,
            seen.live,
        ),
        WantedAction::Name(name) => {
            let wanted = |a: &&ConversionAction| known.id.map_or(a.is_named(name), |id| a.id == id);
            // Removed actions may share a name with one that is there.
            let found = seen.actions.iter().filter(wanted);
            let found = found.min_by_key(|a| (a.status == REMOVED, a.name != *name));
            map_existing(found, &format!("name {name:?}"), kind, seen.live)
        }
        WantedAction::Create { declared, full } => match known.id {
            Some(id) => keep_or_correct(id, known, declared, seen),
            None => adopt_or_create(declared, full, kind, known, seen),
        },
    }
}

fn map_existing(found: Option<&ConversionAction>, what: &str, kind: &str, live: bool) -> ActionStep {
    match found {
        None if !live => ActionStep::LookLive,
        None => ActionStep::Stalled {
            reason: reason::EXTERNAL_RESOURCE_NOT_FOUND,
            message: format!(
                "The Google Ads account has no conversion action of its own with {what}; actions of a manager account can't be used. Create the action in Google Ads. If the name or id in spec.conversionAction.existing is a mistake, {CREATE_AGAIN}."
            ),
        },
        Some(action) if action.status == REMOVED && !live => ActionStep::LookLive,
        Some(action) if action.status == REMOVED => ActionStep::Stalled {
            reason: reason::EXTERNAL_RESOURCE_REMOVED,
            message: format!(
                "The conversion action with {} is removed in Google Ads. To use another action: {NEW_ACTION}.",
                with_id(what, action.id)
            ),
        },
        Some(action) if action.status != ENABLED => not_enabled(action),
        Some(action) if action.attributes_externally() => externally_attributed(action),
        Some(action) if action.kind != kind => ActionStep::Stalled {
            reason: reason::INVALID_SPEC,
            message: format!(
                "The conversion action with {} is of type {}; this trigger needs {kind}. To map another action: {CREATE_AGAIN}.",
                with_id(what, action.id),
                action.kind
            ),
        },
        Some(action) => ActionStep::Keep {
            id: action.id,
            origin: ActionOrigin::Mapped,
        },
    }
}

/// How the manifest names an action, with the id that Google has given it.
fn with_id(what: &str, id: ActionId) -> String {
    let by_id = format!("id {id}");
    if what == by_id {
        by_id
    } else {
        format!("{what} ({by_id})")
    }
}

/// Google records nothing for an action that is not enabled.
fn not_enabled(action: &ConversionAction) -> ActionStep {
    ActionStep::Stalled {
        reason: reason::INVALID_SPEC,
        message: format!(
            "Conversion action {} {:?} has the status {} in Google Ads and records no conversions. Enable it in Google Ads. To use another action: {NEW_ACTION}.",
            action.id, action.name, action.status
        ),
    }
}

/// The Data Manager API takes nothing for such actions, and click uploads would have to say which click earns what.
fn externally_attributed(action: &ConversionAction) -> ActionStep {
    ActionStep::Stalled {
        reason: reason::INVALID_SPEC,
        message: format!(
            "Conversion action {} {:?} is of type {} with the attribution model {EXTERNAL}, which takes no uploads. Choose another attribution model for it in Google Ads. To use another action: {NEW_ACTION}.",
            action.id, action.name, action.kind
        ),
    }
}

fn keep_or_correct(id: ActionId, known: &KnownAction, declared: &ActionFields, seen: ShownActions<'_>) -> ActionStep {
    let origin = known.origin.unwrap_or(ActionOrigin::Created);
    let Some(action) = seen.actions.iter().find(|a| a.id == id) else {
        if !seen.live {
            return ActionStep::LookLive;
        }
        if known.just_created {
            return ActionStep::AwaitListing;
        }
        return ActionStep::Stalled {
            reason: reason::EXTERNAL_RESOURCE_NOT_FOUND,
            message: format!(
                "Google Ads no longer knows conversion action {id}. To have a new one created, or to map another one: {NEW_ACTION}."
            ),
        };
    };
    if action.status == REMOVED {
        return ActionStep::Stalled {
            reason: reason::EXTERNAL_RESOURCE_REMOVED,
            message: format!(
                "Conversion action {id} was removed in Google Ads, and Google can't bring it back. To have a new one created, or to map another one: {NEW_ACTION}."
            ),
        };
    }
    // An adopted action may be hidden on purpose, so it is not enabled. One of our own was created enabled, and is
    // enabled again.
    if action.status != ENABLED && origin == ActionOrigin::Adopted {
        return not_enabled(action);
    }
    if action.attributes_externally() {
        return externally_attributed(action);
    }
    if let Some(name) = &declared.name
        && let Some(taken) = seen
            .actions
            .iter()
            .find(|a| a.id != id && a.name == *name && a.status != REMOVED)
    {
        return name_conflict(taken, "the name this event's action is to have", &action.kind);
    }
    match field_differences(action, declared) {
        Some((fields, difference)) => ActionStep::Correct {
            id,
            origin,
            fields: Box::new(fields),
            difference,
        },
        None => ActionStep::Keep { id, origin },
    }
}

fn adopt_or_create(
    declared: &ActionFields,
    full: &ActionFields,
    kind: &str,
    known: &KnownAction,
    seen: ShownActions<'_>,
) -> ActionStep {
    // A create that is under way is finished under its own name, even if the manifest wants another name by now.
    let name = known.creating.as_deref().or(full.name.as_deref()).unwrap_or_default();
    let found = seen.actions.iter().filter(|a| a.is_named(name) && a.status != REMOVED);
    let found = found.min_by_key(|a| a.name != name);
    let Some(action) = found else {
        return match (&known.creating, seen.live) {
            (Some(_), _) => ActionStep::AwaitCreate,
            (None, false) => ActionStep::LookLive,
            (None, true) => ActionStep::Create,
        };
    };
    let ours = known.creating.as_deref() == Some(name);
    if let Some((_, owner)) = seen.others.iter().find(|(id, _)| *id == action.id) {
        return ActionStep::Stalled {
            reason: reason::OWNERSHIP_CONFLICT,
            message: format!(
                "Conversion action {} named {name:?} belongs to {owner}. Give this event another eventName, or delete one of the two.",
                action.id
            ),
        };
    }
    let usable = action.status == ENABLED && !action.attributes_externally();
    let same = usable && action.kind == kind && action.category == full.category;
    if !same {
        return name_conflict(action, "the name this event wants", kind);
    }
    let origin = if ours {
        ActionOrigin::Created
    } else {
        ActionOrigin::Adopted
    };
    match field_differences(action, declared) {
        Some((fields, difference)) => ActionStep::Correct {
            id: action.id,
            origin,
            fields: Box::new(fields),
            difference,
        },
        None => ActionStep::Keep { id: action.id, origin },
    }
}

/// `kind`: type of the actions that the trigger needs.
fn name_conflict(taken: &ConversionAction, what: &str, kind: &str) -> ActionStep {
    let usable = taken.status == ENABLED && !taken.attributes_externally() && taken.kind == kind;
    let mapped = if usable {
        format!(
            ", or map the action with spec.conversionAction.existing.id: \"{}\"{IN_NEW_EVENT}",
            taken.id
        )
    } else {
        String::new()
    };
    let attribution = if taken.attributes_externally() {
        ", attribution model EXTERNAL"
    } else {
        ""
    };
    ActionStep::Stalled {
        reason: reason::NAME_CONFLICT,
        message: format!(
            "Google Ads already has conversion action {} under {what}: {:?} ({}, {}, {}{attribution}). Change spec.eventName{mapped}.",
            taken.id,
            taken.name,
            taken.status,
            taken.kind,
            taken.category.as_deref().unwrap_or("no category")
        ),
    }
}

/// The declared fields that differ, and the first of them in words. A hidden action of ours is shown again.
fn field_differences(action: &ConversionAction, declared: &ActionFields) -> Option<(ActionFields, String)> {
    let mut fields = ActionFields::default();
    let mut first = None;
    let mut note = |what: &str, is: String, wanted: String| {
        first.get_or_insert_with(|| format!("{what} {is} instead of {wanted}"));
    };
    macro_rules! compare {
        ($member:ident, $what:literal, $is:expr) => {
            if declared.$member.is_some() && declared.$member != $is {
                note($what, in_words($is.as_ref()), in_words(declared.$member.as_ref()));
                fields.$member = declared.$member.clone();
            }
        };
    }
    if let Some(name) = declared.name.as_ref().filter(|name| !action.is_named(name)) {
        note("name", in_words(Some(&action.name)), in_words(Some(name)));
        fields.name = Some(name.clone());
    }
    compare!(category, "category", action.category);
    compare!(primary_for_goal, "includeInConversions", action.primary_for_goal);
    compare!(counting_type, "countingType", action.counting_type);
    compare!(
        click_window_days,
        "clickThroughLookbackWindowDays",
        action.click_window_days
    );
    compare!(
        view_window_days,
        "viewThroughLookbackWindowDays",
        action.view_window_days
    );
    if action.status != ENABLED {
        note("status", action.status.clone(), ENABLED.to_owned());
        fields.status = Some(ENABLED.to_owned());
    }
    first.map(|first| (fields, first))
}

fn in_words<T: std::fmt::Debug>(value: Option<&T>) -> String {
    value.map_or_else(|| "not set".to_owned(), |v| format!("{v:?}"))
}

#[cfg(test)]
#[path = "action_plan_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "action_plan_words_tests.rs"]
mod words_tests;
