#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::domain::declared::Declared;
use crate::registry::test_support::hubspot_account;

const ONE: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";
const TWO: &str = "11111111-ebdd-44c0-bd94-15c012bbbfbf";
const THREE: &str = "22222222-ebdd-44c0-bd94-15c012bbbfbf";

fn account(forms: Forms) -> HubSpotAccount {
    HubSpotAccount {
        forms,
        ..hubspot_account()
    }
}

fn listed(forms: &[(&str, &str)]) -> HubSpotAccount {
    let form = |(id, name): &(&str, &str)| Form {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
    };
    account(Forms::Listed(Arc::new(forms.iter().map(form).collect())))
}

fn event(form: &str, resolved: Option<(&str, &str)>) -> AdConversionEvent {
    let status = resolved.map(
        |(id, label)| json!({"conditions": [], "trigger": {"type": "FormSubmission", "formId": id, "label": label}}),
    );
    serde_json::from_value(json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": "demo", "namespace": "web"},
        "spec": {
            "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
            "trigger": {"formSubmission": {"formId": form}},
            "consent": {"property": "ads_consent", "grantedValues": ["true"]},
            "shareData": ["Email"],
        },
        "status": status,
    }))
    .unwrap()
}

/// What the manifest names, looked up.
fn looked_up(event: &AdConversionEvent, hubspot: Option<&HubSpotAccount>) -> Result<Option<Subject>, Stall> {
    let before = resolved_before(event.status.as_ref());
    resolve_subject(&Declared::from_manifest(event).trigger, before.as_ref(), hubspot)
}

#[rstest]
#[case::guid(ONE, None, Ok(ONE))]
#[case::guid_in_capitals("78C2891F-EBDD-44C0-BD94-15C012BBBFBF", None, Ok(ONE))]
#[case::name("Demo request", None, Ok(ONE))]
#[case::renamed_since("Old name", Some((ONE, "Old name")), Ok(ONE))]
#[case::two_of_a_name("Newsletter", None, Err("The forms are: 1111"))]
#[case::one_of_two_by_guid(THREE, None, Ok(THREE))]
#[case::kept_where_the_name_became_ambiguous("Newsletter", Some((TWO, "Newsletter")), Ok(TWO))]
#[case::unknown(
    "Demo",
    None,
    Err("or add the form in HubSpot. It has: 78c2891f-ebdd-44c0-bd94-15c012bbbfbf (\"Demo request\"), ")
)]
#[case::other_case("demo request", None, Err("no form with GUID or name \"demo request\""))]
#[case::corrected(ONE, Some(("Demo reqest", "Demo reqest")), Ok(ONE))]
#[case::never_found("Typo", Some(("Typo", "Typo")), Err("Set spec.trigger.formSubmission.formId to one that exists"))]
#[case::gone(
    "Other",
    Some(("33333333-ebdd-44c0-bd94-15c012bbbfbf", "Other")),
    Err("any more (it was found before as \"Other\"). The trigger cannot be changed any more. To set \
         spec.trigger.formSubmission.formId to one that exists, or add the form in HubSpot: delete the event and create \
         it again; set spec.startTime to what status.sync.startTime says now to keep its counts. It has:")
)]
fn forms(#[case] wanted: &str, #[case] resolved: Option<(&str, &str)>, #[case] expected: Result<&str, &str>) {
    let account = listed(&[(TWO, "Newsletter"), (ONE, "Demo request"), (THREE, "Newsletter")]);
    match (looked_up(&event(wanted, resolved), Some(&account)), expected) {
        (Ok(Some(subject)), Ok(id)) => assert_eq!(subject.trigger, Trigger::Form(id.to_owned())),
        (Err((reason, message)), Err(words)) => {
            assert_eq!(reason, "FormNotFound");
            assert!(message.contains(words), "{message}");
        }
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn before_the_forms_are_read_what_was_resolved_stands() {
    let unread = account(Forms::Unread);
    assert_eq!(looked_up(&event("Demo", None), Some(&unread)), Ok(None));
    assert_eq!(looked_up(&event("Demo", None), None), Ok(None));
    let known = looked_up(&event("Demo", Some((ONE, "Demo"))), Some(&unread))
        .unwrap()
        .unwrap();
    assert_eq!(known.trigger, Trigger::Form(ONE.into()));
    assert_eq!(
        looked_up(&event("Demo", Some(("Demo", "Demo"))), Some(&unread)),
        Ok(None),
        "a name is no GUID"
    );
}

#[test]
fn a_missing_scope_says_what_to_add() {
    let denied = account(Forms::Denied("HubSpot: MISSING_SCOPES".into()));
    let (reason, message) = looked_up(&event(ONE, None), Some(&denied)).unwrap_err();
    assert_eq!(reason, "MissingScope");
    assert!(message.contains("scope \"forms\""), "{message}");
}

/// The trigger stands in the status once it resolved, and not before: so long it may be corrected.
#[test]
fn the_status_has_no_trigger_that_never_resolved() {
    let account = listed(&[(ONE, "Demo request")]);
    let shown = |event: &AdConversionEvent| {
        let found = looked_up(event, Some(&account)).unwrap_or(None);
        trigger_status(found.as_ref(), resolved_before(event.status.as_ref()).as_ref())
    };
    assert_eq!(shown(&event("Typo", None)), None);
    assert_eq!(
        shown(&event("Typo", Some(("Typo", "Typo")))),
        None,
        "written by an earlier version"
    );
    let found = shown(&event("Demo request", None)).unwrap();
    assert_eq!(
        (found.form_id.as_deref(), found.label.as_deref()),
        (Some(ONE), Some("Demo request"))
    );
    let gone = shown(&event("Other", Some((TWO, "Other")))).unwrap();
    assert_eq!(
        (gone.form_id.as_deref(), gone.label.as_deref()),
        (Some(TWO), Some("Other"))
    );
}

#[rstest]
#[case::name("Demo request", None, true)]
#[case::guid(ONE, None, false)]
#[case::guid_in_capitals("78C2891F-EBDD-44C0-BD94-15C012BBBFBF", None, false)]
#[case::resolved_before("Demo request", Some((ONE, "Demo request")), false)]
fn a_name_is_confirmed_before_it_is_bound(
    #[case] wanted: &str,
    #[case] resolved: Option<(&str, &str)>,
    #[case] first: bool,
) {
    let event = event(wanted, resolved);
    let found = looked_up(&event, Some(&listed(&[(ONE, "Demo request")])))
        .unwrap()
        .unwrap();
    let before = resolved_before(event.status.as_ref());
    let named = Declared::from_manifest(&event).trigger;
    assert_eq!(is_first_by_name(&named, before.as_ref(), &found), first);
}

#[test]
fn forms_are_found_by_the_name_they_have_and_shown_without_what_nobody_sees() {
    let name = "\u{1f469}\u{200d}\u{1f4bb} Demo ";
    let account = listed(&[(ONE, name)]);
    for wanted in [name, name.trim()] {
        let found = looked_up(&event(wanted, None), Some(&account)).unwrap().unwrap();
        assert_eq!(found.trigger, Trigger::Form(ONE.to_owned()));
        assert_eq!(found.label, "\u{1f469}\u{1f4bb} Demo ");
    }
}
