//! What a person is told to do about a conversion action.

use super::super::action::UPLOAD_CLICKS;
use super::*;

/// An action that Google has under the name that is wanted.
fn action(kind: &str, category: &str) -> ConversionAction {
    let fields = ActionFields {
        name: Some("X".into()),
        kind: Some(kind.into()),
        category: Some(category.into()),
        ..ActionFields::default()
    };
    #[allow(clippy::unwrap_used)]
    ConversionAction::created(&"1234567890".parse().unwrap(), ActionId(5), &fields)
}

fn message(wanted: &WantedAction<'_>, found: &ConversionAction) -> String {
    let seen = ShownActions {
        actions: std::slice::from_ref(found),
        live: true,
        others: &[],
    };
    match next_step(wanted, UPLOAD_CLICKS, &KnownAction::default(), seen) {
        ActionStep::Stalled { message, .. } => message,
        step => panic!("{step:?}"),
    }
}

#[test]
fn only_an_action_that_an_event_could_map_is_a_way_out() {
    let full = ActionFields {
        name: Some("X".into()),
        category: Some("CONVERTED_LEAD".into()),
        ..ActionFields::default()
    };
    let wanted = WantedAction::Create {
        declared: &full,
        full: &full,
    };
    let hidden = ConversionAction {
        status: "HIDDEN".into(),
        ..action(UPLOAD_CLICKS, "CONVERTED_LEAD")
    };
    for (found, mappable) in [
        (action(UPLOAD_CLICKS, "PURCHASE"), true),
        (action("AD_CALL", "CONVERTED_LEAD"), false),
        (hidden, false),
    ] {
        let said = message(&wanted, &found);
        assert!(said.contains("Change spec.eventName"), "{said}");
        assert_eq!(
            said.contains("spec.conversionAction.existing.id: \"5\""),
            mappable,
            "{said}"
        );
    }
}

#[test]
fn an_id_is_named_once() {
    let removed = ConversionAction {
        status: REMOVED.into(),
        ..action(UPLOAD_CLICKS, "PURCHASE")
    };
    let by_id = message(&WantedAction::Id(ActionId(5)), &removed);
    assert!(
        by_id.starts_with("The conversion action with id 5 is removed"),
        "{by_id}"
    );
    let by_name = message(&WantedAction::Name("X"), &removed);
    assert!(
        by_name.starts_with("The conversion action with name \"X\" (id 5) is removed"),
        "{by_name}"
    );
}
