//! What would change at Google, field by field.

use serde::Serialize;

use crate::domain::action::{ActionFields, ConversionAction, Goal};
use crate::domain::ids::ActionId;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Create {
        id: ActionId,
        fields: Box<ActionFields>,
    },
    Update {
        id: ActionId,
        before: Box<ConversionAction>,
        fields: Box<ActionFields>,
    },
    /// An account goal, as it would be.
    Goal(Goal),
}

/// A field that would change. Absent values are not set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FieldChange {
    /// As the manifest calls it.
    pub(super) field: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<String>,
}

/// The fields that writing these would change of an action; of one that is not there all of them.
pub(super) fn field_changes(before: Option<&ConversionAction>, fields: &ActionFields) -> Vec<FieldChange> {
    let text = |text: &Option<String>| text.clone();
    let flag = |flag: &Option<bool>| flag.map(|flag| flag.to_string());
    let days = |days: &Option<i64>| days.map(|days| days.to_string());
    let amount = |amount: &Option<f64>| amount.map(|amount| amount.to_string());
    let was = |of: &dyn Fn(&ConversionAction) -> Option<String>| before.and_then(of);
    let pairs = [
        ("eventName", was(&|a| Some(a.name.clone())), text(&fields.name)),
        ("type", was(&|a| Some(a.kind.clone())), text(&fields.kind)),
        ("status", was(&|a| Some(a.status.clone())), text(&fields.status)),
        ("category", was(&|a| text(&a.category)), text(&fields.category)),
        (
            "includeInConversions",
            was(&|a| flag(&a.primary_for_goal)),
            flag(&fields.primary_for_goal),
        ),
        (
            "countingType",
            was(&|a| text(&a.counting_type)),
            text(&fields.counting_type),
        ),
        (
            "clickThroughLookbackWindowDays",
            was(&|a| days(&a.click_window_days)),
            days(&fields.click_window_days),
        ),
        (
            "viewThroughLookbackWindowDays",
            was(&|a| days(&a.view_window_days)),
            days(&fields.view_window_days),
        ),
        (
            "defaultValue",
            was(&|a| amount(&a.default_value)),
            amount(&fields.default_value),
        ),
        (
            "defaultCurrency",
            was(&|a| text(&a.default_currency)),
            text(&fields.default_currency),
        ),
        (
            "alwaysUseDefaultValue",
            was(&|a| flag(&a.always_use_default_value)),
            flag(&fields.always_use_default_value),
        ),
    ];
    let changes = pairs.into_iter().filter(|(_, from, to)| to.is_some() && from != to);
    changes
        .map(|(field, from, to)| FieldChange { field, from, to })
        .collect()
}

/// The fields of an action that would change by several writes
/// in a row: from what it is to what it would be in the end.
pub(super) fn joined(changes: Vec<FieldChange>) -> Vec<FieldChange> {
    let mut all: Vec<FieldChange> = Vec::new();
    for change in changes {
        match all.iter_mut().find(|known| known.field == change.field) {
            Some(known) => known.to = change.to,
            None => all.push(change),
        }
    }
    all.retain(|change| change.from != change.to);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action() -> ConversionAction {
        ConversionAction {
            id: ActionId(7),
            resource_name: "customers/1234567890/conversionActions/7".into(),
            name: "Old".into(),
            status: "ENABLED".into(),
            kind: "UPLOAD_CLICKS".into(),
            origin: None,
            category: Some("CONVERTED_LEAD".into()),
            primary_for_goal: Some(true),
            counting_type: Some("ONE_PER_CLICK".into()),
            attribution_model: None,
            click_window_days: Some(90),
            view_window_days: None,
            default_value: Some(1.0),
            default_currency: Some("EUR".into()),
            always_use_default_value: Some(false),
            event_snippets: vec![],
        }
    }

    fn lines(changes: &[FieldChange]) -> Vec<String> {
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".into());
        let one = |c: &FieldChange| format!("{}: {} -> {}", c.field, side(&c.from), side(&c.to));
        changes.iter().map(one).collect()
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let fields = ActionFields {
            name: Some("New".into()),
            category: Some("CONVERTED_LEAD".into()),
            click_window_days: Some(30),
            view_window_days: Some(3),
            primary_for_goal: Some(false),
            default_value: Some(250.5),
            ..ActionFields::default()
        };
        let changes = field_changes(Some(&action()), &fields);
        assert_eq!(
            lines(&changes),
            [
                "eventName: Old -> New",
                "includeInConversions: true -> false",
                "clickThroughLookbackWindowDays: 90 -> 30",
                "viewThroughLookbackWindowDays: - -> 3",
                "defaultValue: 1 -> 250.5",
            ]
        );
        assert!(field_changes(Some(&action()), &ActionFields::default()).is_empty());
    }

    #[test]
    fn of_an_action_that_is_created_all_is_new() {
        let fields = ActionFields {
            name: Some("New".into()),
            kind: Some("WEBPAGE".into()),
            counting_type: Some("MANY_PER_CLICK".into()),
            ..ActionFields::default()
        };
        let changes = field_changes(None, &fields);
        assert_eq!(
            lines(&changes),
            [
                "eventName: - -> New",
                "type: - -> WEBPAGE",
                "countingType: - -> MANY_PER_CLICK"
            ]
        );
    }

    #[test]
    fn two_writes_of_a_field_are_one_change() {
        let change = |from: &str, to: &str| FieldChange {
            field: "eventName",
            from: Some(from.into()),
            to: Some(to.into()),
        };
        assert_eq!(
            lines(&joined(vec![change("a", "b"), change("b", "c")])),
            ["eventName: a -> c"]
        );
        assert!(joined(vec![change("a", "b"), change("b", "a")]).is_empty());
    }
}
