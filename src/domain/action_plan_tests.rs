//! Table of the plan's steps.

use super::super::action::UPLOAD_CLICKS;
use super::*;

fn action(id: u64, name: &str) -> ConversionAction {
    ConversionAction {
        id: ActionId(id),
        resource_name: format!("customers/1/conversionActions/{id}"),
        name: name.into(),
        status: ENABLED.into(),
        kind: UPLOAD_CLICKS.into(),
        origin: Some("WEBSITE".into()),
        category: Some("CONVERTED_LEAD".into()),
        primary_for_goal: Some(true),
        counting_type: Some("ONE_PER_CLICK".into()),
        attribution_model: Some("GOOGLE_ADS_LAST_CLICK".into()),
        click_window_days: Some(90),
        view_window_days: Some(1),
        default_value: None,
        default_currency: None,
        always_use_default_value: None,
        event_snippets: vec![],
    }
}

fn full() -> ActionFields {
    ActionFields {
        name: Some("X".into()),
        category: Some("CONVERTED_LEAD".into()),
        ..ActionFields::default()
    }
}

fn declared() -> ActionFields {
    ActionFields {
        name: Some("X".into()),
        ..ActionFields::default()
    }
}

fn step(known: &KnownAction, actions: &[ConversionAction], live: bool) -> ActionStep {
    let (declared, full) = (declared(), full());
    let wanted = WantedAction::Create {
        declared: &declared,
        full: &full,
    };
    next_step(
        &wanted,
        UPLOAD_CLICKS,
        known,
        ShownActions {
            actions,
            live,
            others: &[],
        },
    )
}

fn reason_of(step: &ActionStep) -> &str {
    match step {
        ActionStep::Stalled { reason, .. } => reason,
        _ => "",
    }
}

#[test]
fn a_free_name_is_looked_up_live_then_created() {
    assert_eq!(step(&KnownAction::default(), &[], false), ActionStep::LookLive);
    assert_eq!(step(&KnownAction::default(), &[], true), ActionStep::Create);
    let removed = ConversionAction {
        status: REMOVED.into(),
        ..action(1, "X")
    };
    assert_eq!(step(&KnownAction::default(), &[removed], true), ActionStep::Create);
}

#[test]
fn the_same_action_is_adopted_and_anything_else_is_a_conflict() {
    let keep = ActionStep::Keep {
        id: ActionId(1),
        origin: ActionOrigin::Adopted,
    };
    assert_eq!(step(&KnownAction::default(), &[action(1, "X")], true), keep);
    for other in [
        ConversionAction {
            kind: "WEBPAGE".into(),
            ..action(1, "X")
        },
        ConversionAction {
            category: Some("PURCHASE".into()),
            ..action(1, "X")
        },
        ConversionAction {
            status: "HIDDEN".into(),
            ..action(1, "X")
        },
        ConversionAction {
            attribution_model: Some("EXTERNAL".into()),
            ..action(1, "X")
        },
    ] {
        let step = step(&KnownAction::default(), &[other], true);
        assert_eq!(reason_of(&step), reason::NAME_CONFLICT);
    }
}

#[test]
fn after_a_lost_reply_the_action_found_is_ours() {
    let creating = KnownAction {
        creating: Some("X".into()),
        ..KnownAction::default()
    };
    assert_eq!(step(&creating, &[], true), ActionStep::AwaitCreate);
    let keep = ActionStep::Keep {
        id: ActionId(7),
        origin: ActionOrigin::Created,
    };
    assert_eq!(step(&creating, &[action(7, "X")], true), keep);
}

#[test]
fn an_action_of_another_event_is_never_taken() {
    let (declared, full) = (declared(), full());
    let wanted = WantedAction::Create {
        declared: &declared,
        full: &full,
    };
    let actions = [action(1, "X")];
    let others = [(ActionId(1), "event marketing/other".to_owned())];
    let seen = ShownActions {
        actions: &actions,
        live: true,
        others: &others,
    };
    assert_eq!(
        reason_of(&next_step(&wanted, UPLOAD_CLICKS, &KnownAction::default(), seen)),
        reason::OWNERSHIP_CONFLICT
    );
}

#[test]
fn only_declared_fields_are_corrected() {
    let known = KnownAction {
        id: Some(ActionId(1)),
        origin: Some(ActionOrigin::Created),
        creating: None,
        just_created: false,
    };
    let edited = ConversionAction {
        name: "Y".into(),
        counting_type: Some("MANY_PER_CLICK".into()),
        ..action(1, "X")
    };
    let ActionStep::Correct { fields, difference, .. } = step(&known, &[edited], false) else {
        unreachable!("a renamed action is corrected")
    };
    assert_eq!(
        *fields,
        ActionFields {
            name: Some("X".into()),
            ..ActionFields::default()
        }
    );
    assert_eq!(difference, r#"name "Y" instead of "X""#);
    let hidden = ConversionAction {
        status: "HIDDEN".into(),
        ..action(1, "X")
    };
    assert!(matches!(step(&known, &[hidden], false), ActionStep::Correct { fields, .. } if fields.status.is_some()));
}

#[test]
fn a_removed_or_vanished_action_needs_a_person() {
    let known = KnownAction {
        id: Some(ActionId(1)),
        origin: Some(ActionOrigin::Created),
        creating: None,
        just_created: false,
    };
    let removed = ConversionAction {
        status: REMOVED.into(),
        ..action(1, "X")
    };
    assert_eq!(
        reason_of(&step(&known, &[removed], true)),
        reason::EXTERNAL_RESOURCE_REMOVED
    );
    assert_eq!(step(&known, &[], false), ActionStep::LookLive);
    assert_eq!(reason_of(&step(&known, &[], true)), reason::EXTERNAL_RESOURCE_NOT_FOUND);
    let new = KnownAction {
        just_created: true,
        ..known.clone()
    };
    assert_eq!(step(&new, &[], false), ActionStep::LookLive);
    assert_eq!(step(&new, &[], true), ActionStep::AwaitListing);
    let taken = [action(1, "Y"), action(2, "X")];
    assert_eq!(reason_of(&step(&known, &taken, true)), reason::NAME_CONFLICT);
}

#[test]
fn mapping_changes_nothing() {
    let actions = [ConversionAction {
        category: Some("DEFAULT".into()),
        primary_for_goal: Some(false),
        ..action(5, "Demo")
    }];
    let seen = ShownActions {
        actions: &actions,
        live: true,
        others: &[],
    };
    let mapped = ActionStep::Keep {
        id: ActionId(5),
        origin: ActionOrigin::Mapped,
    };
    assert_eq!(
        next_step(
            &WantedAction::Id(ActionId(5)),
            UPLOAD_CLICKS,
            &KnownAction::default(),
            seen
        ),
        mapped
    );
    assert_eq!(
        next_step(
            &WantedAction::Name("Demo"),
            UPLOAD_CLICKS,
            &KnownAction::default(),
            seen
        ),
        mapped
    );
    let none = next_step(
        &WantedAction::Name("demo"),
        UPLOAD_CLICKS,
        &KnownAction::default(),
        seen,
    );
    assert_eq!(reason_of(&none), reason::EXTERNAL_RESOURCE_NOT_FOUND);
    let kind = next_step(&WantedAction::Id(ActionId(5)), "WEBPAGE", &KnownAction::default(), seen);
    assert_eq!(reason_of(&kind), reason::INVALID_SPEC);
}

/// A mapped action, by id and by name, in each state that records nothing: what is said of it.
#[test]
fn a_mapped_action_that_records_nothing_needs_a_person() {
    let with = |change: &dyn Fn(&mut ConversionAction)| {
        let mut changed = action(5, "Demo");
        change(&mut changed);
        changed
    };
    for (mapped, why, word) in [
        (
            with(&|a| a.status = "HIDDEN".into()),
            reason::INVALID_SPEC,
            "status HIDDEN",
        ),
        (
            with(&|a| a.status = "UNSPECIFIED".into()),
            reason::INVALID_SPEC,
            "status UNSPECIFIED",
        ),
        (
            with(&|a| a.status = REMOVED.into()),
            reason::EXTERNAL_RESOURCE_REMOVED,
            "removed",
        ),
        (
            with(&|a| a.kind = "STORE_VISITS".into()),
            reason::INVALID_SPEC,
            "type STORE_VISITS",
        ),
        (
            with(&|a| a.attribution_model = Some("EXTERNAL".into())),
            reason::INVALID_SPEC,
            "EXTERNAL",
        ),
    ] {
        let actions = [mapped];
        let seen = ShownActions {
            actions: &actions,
            live: true,
            others: &[],
        };
        for wanted in [WantedAction::Id(ActionId(5)), WantedAction::Name("Demo")] {
            let ActionStep::Stalled { reason, message } =
                next_step(&wanted, UPLOAD_CLICKS, &KnownAction::default(), seen)
            else {
                panic!("{actions:?} can't be used");
            };
            assert_eq!(reason, why, "{message}");
            assert!(message.contains(word) && message.contains('5'), "{message}");
        }
    }
}

#[test]
fn a_name_means_the_action_that_is_there() {
    let removed = ConversionAction {
        status: REMOVED.into(),
        ..action(4, "Demo")
    };
    let actions = [removed.clone(), action(5, "Demo")];
    let seen = |actions, live| ShownActions {
        actions,
        live,
        others: &[],
    };
    let mapped = |seen| {
        next_step(
            &WantedAction::Name("Demo"),
            UPLOAD_CLICKS,
            &KnownAction::default(),
            seen,
        )
    };
    let keep = ActionStep::Keep {
        id: ActionId(5),
        origin: ActionOrigin::Mapped,
    };
    assert_eq!(mapped(seen(&actions, false)), keep);
    // A new one may have the name by now.
    assert_eq!(mapped(seen(&[removed], false)), ActionStep::LookLive);
}

/// What a person hides stays hidden, unless the operator made it; nothing is sent to it meanwhile.
#[test]
fn an_adopted_action_that_is_hidden_needs_a_person() {
    let of = |origin| KnownAction {
        id: Some(ActionId(1)),
        origin: Some(origin),
        creating: None,
        just_created: false,
    };
    let hidden = [ConversionAction {
        status: "HIDDEN".into(),
        ..action(1, "X")
    }];
    let adopted = step(&of(ActionOrigin::Adopted), &hidden, false);
    assert_eq!(reason_of(&adopted), reason::INVALID_SPEC);
    assert!(matches!(
        step(&of(ActionOrigin::Created), &hidden, false),
        ActionStep::Correct { .. }
    ));
    let external = [ConversionAction {
        attribution_model: Some("EXTERNAL".into()),
        ..action(1, "X")
    }];
    for origin in [ActionOrigin::Created, ActionOrigin::Adopted] {
        assert_eq!(reason_of(&step(&of(origin), &external, false)), reason::INVALID_SPEC);
    }
}

#[test]
fn names_are_compared_as_google_has_them() {
    // Joined emoji, Persian with a joiner, a soft hyphen: characters that nobody sees are part of a name.
    for name in [
        "\u{1f469}\u{200d}\u{1f4bb}",
        "\u{62e}\u{200c}\u{647}",
        "soft\u{ad}hyphen",
        " x",
        "y ",
    ] {
        let fields = ActionFields {
            name: Some(name.into()),
            ..ActionFields::default()
        };
        for listed in [name, name.trim()] {
            assert_eq!(field_differences(&action(1, listed), &fields), None, "{listed:?}");
        }
        let seen = [action(1, name)];
        let seen = ShownActions {
            actions: &seen,
            live: true,
            others: &[],
        };
        let step = next_step(&WantedAction::Name(name), UPLOAD_CLICKS, &KnownAction::default(), seen);
        assert!(
            matches!(step, ActionStep::Keep { id: ActionId(1), .. }),
            "{name:?}: {step:?}"
        );
    }
    let fields = ActionFields {
        name: Some("softhyphen".into()),
        ..ActionFields::default()
    };
    assert!(field_differences(&action(1, "soft\u{ad}hyphen"), &fields).is_some());
    let both = [action(1, "x "), action(2, "x")];
    let both = ShownActions {
        actions: &both,
        live: true,
        others: &[],
    };
    let step = next_step(&WantedAction::Name("x"), UPLOAD_CLICKS, &KnownAction::default(), both);
    assert!(matches!(step, ActionStep::Keep { id: ActionId(2), .. }), "{step:?}");
}
