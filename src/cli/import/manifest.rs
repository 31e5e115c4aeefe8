//! The manifest of an event for a conversion action that exists.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::api::{GROUP, VERSION};
use crate::cli::output::printable;
use crate::domain::action::ConversionAction;
use crate::domain::brief::is_unseen;
use crate::domain::declared::category_of;
use crate::domain::ids::ObjectKey;

/// Longest name of an object that fits into a label too.
const MAX_NAME: usize = 63;
/// Longest name that a manifest takes (`spec.eventName`), in characters.
const MAX_EVENT_NAME: usize = 100;

/// Said of an action of a form where people named no consent.
pub(super) const NEEDS_CONSENT: &str =
    "an event of a form needs the contact property that holds the consent: name it with --consent PROPERTY=VALUE";

/// How an action is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takeover {
    /// Used as it is, never changed and never removed (`existing`).
    Existing,
    /// As one of the operator's own (`create`), declared as it is now and kept so.
    Adopt,
}

/// The stage or form of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TriggerText {
    Stage(String),
    Form(String),
}

/// The consent that a form event must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConsentText {
    pub(super) property: String,
    pub(super) value: String,
}

/// What events have in common.
#[derive(Debug, Clone)]
pub(super) struct Common<'a> {
    pub(super) google: &'a ObjectKey,
    pub(super) hubspot: &'a ObjectKey,
    pub(super) way: Takeover,
    /// Of form events.
    pub(super) consent: Option<&'a ConsentText>,
}

/// The manifest.
///
/// # Errors
/// Why an action cannot be declared as it is, for people.
pub(super) fn build(
    action: &ConversionAction,
    name: &str,
    trigger: &TriggerText,
    common: &Common<'_>,
) -> Result<Value, String> {
    let mut spec = Map::new();
    spec.insert("googleAdsAccountRef".to_owned(), json!({"name": common.google.name}));
    spec.insert("hubSpotAccountRef".to_owned(), json!({"name": common.hubspot.name}));
    let trigger = match trigger {
        TriggerText::Stage(stage) => json!({"lifecycleStage": {"stage": stage}}),
        TriggerText::Form(form) => {
            let consent = common.consent.ok_or(NEEDS_CONSENT)?;
            spec.insert(
                "consent".to_owned(),
                json!({"property": consent.property, "grantedValues": [consent.value]}),
            );
            spec.insert("shareData".to_owned(), json!(["Email"]));
            json!({"formSubmission": {"formId": form}})
        }
    };
    spec.insert("trigger".to_owned(), trigger);
    match common.way {
        Takeover::Existing => {
            let existing = json!({"existing": {"id": action.id.to_string()}});
            spec.insert("conversionAction".to_owned(), existing);
        }
        Takeover::Adopt => adopt(action, &mut spec)?,
    }
    Ok(json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "AdConversionEvent",
        "metadata": {"name": name, "namespace": common.google.namespace},
        "spec": spec,
    }))
}

/// Declares an action of the operator's own exactly as it is.
fn adopt(action: &ConversionAction, spec: &mut Map<String, Value>) -> Result<(), String> {
    let name = action.name.trim();
    let length = name.chars().count();
    if length == 0 || length > MAX_EVENT_NAME || name.contains(char::is_control) {
        return Err(format!(
            "its name does not fit spec.eventName (1 to {MAX_EVENT_NAME} characters on one line): leave out --adopt"
        ));
    }
    let category = action.category.as_deref().unwrap_or_default();
    let category = category_of(category).ok_or_else(|| {
        format!(
            "its category {} is not one that conversionAction.create takes: leave out --adopt",
            printable(category)
        )
    })?;
    let mut create = Map::new();
    create.insert("category".to_owned(), json!(category));
    let counting = match action.counting_type.as_deref() {
        Some("ONE_PER_CLICK") => Some("OnePerClick"),
        Some("MANY_PER_CLICK") => Some("ManyPerClick"),
        _ => None,
    };
    if let Some(counting) = counting {
        create.insert("countingType".to_owned(), json!(counting));
    }
    let windows = [
        ("clickThroughLookbackWindowDays", action.click_window_days, 90),
        ("viewThroughLookbackWindowDays", action.view_window_days, 30),
    ];
    for (field, days, most) in windows {
        if let Some(days) = days.filter(|days| (1..=most).contains(days)) {
            create.insert(field.to_owned(), json!(days));
        }
    }
    spec.insert("conversionAction".to_owned(), json!({"create": create}));
    spec.insert("eventName".to_owned(), json!(name));
    if let Some(primary) = action.primary_for_goal {
        spec.insert("includeInConversions".to_owned(), json!(primary));
    }
    Ok(())
}

/// A name for the object that no other has.
pub(super) fn object_name(action: &ConversionAction, taken: &mut BTreeSet<String>) -> String {
    let mut name = String::new();
    for c in action.name.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') && !is_unseen(c) {
            name.push('-');
        }
    }
    let id = format!("-{}", action.id);
    let short: String = name.chars().take(MAX_NAME - id.len()).collect();
    let short = short.trim_matches('-');
    let alone = if short.is_empty() {
        format!("action{id}")
    } else {
        short.to_owned()
    };
    let name = if taken.contains(&alone) {
        format!("{alone}{id}")
    } else {
        alone
    };
    taken.insert(name.clone());
    name
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
