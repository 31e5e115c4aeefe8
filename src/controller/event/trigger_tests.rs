#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::domain::ids::ObjectKey;
use crate::sync::registry::{DealAccess, Readiness};

const ONE: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";
const TWO: &str = "11111111-ebdd-44c0-bd94-15c012bbbfbf";
const THREE: &str = "22222222-ebdd-44c0-bd94-15c012bbbfbf";

fn account(forms: Forms) -> HubSpotAccount {
    HubSpotAccount {
        key: ObjectKey::new("web", "acme"),
        crm: None,
        readiness: Readiness::Ready,
        portal: None,
        stages: Arc::default(),
        properties: Arc::default(),
        forms,
        deals: DealAccess::Unasked,
        interval: Duration::from_mins(1),
        default_region: None,
    }
}

fn listed(forms: &[(&str, &str)]) -> HubSpotAccount {
    let form = |(id, name): &(&str, &str)| Form {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
    };
    account(Forms::Listed(
        Arc::new(forms.iter().map(form).collect()),
        jiff::Timestamp::UNIX_EPOCH,
    ))
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

#[rstest]
#[case::guid(ONE, None, Ok(ONE))]
#[case::guid_in_capitals("78C2891F-EBDD-44C0-BD94-15C012BBBFBF", None, Ok(ONE))]
#[case::name("Demo request", None, Ok(ONE))]
#[case::renamed_since("Old name", Some((ONE, "Old name")), Ok(ONE))]
#[case::two_of_a_name("Newsletter", None, Err("named \"Newsletter\": 1111"))]
#[case::one_of_two_by_guid(THREE, None, Ok(THREE))]
#[case::kept_where_the_name_became_ambiguous("Newsletter", Some((TWO, "Newsletter")), Ok(TWO))]
#[case::unknown(
    "Demo",
    None,
    Err("It has: 78c2891f-ebdd-44c0-bd94-15c012bbbfbf (\"Demo request\"), ")
)]
#[case::other_case("demo request", None, Err("no form with GUID or name \"demo request\""))]
#[case::gone("Other", Some(("33333333-ebdd-44c0-bd94-15c012bbbfbf", "Other")), Err("no form"))]
fn forms(#[case] wanted: &str, #[case] resolved: Option<(&str, &str)>, #[case] expected: Result<&str, &str>) {
    let account = listed(&[(TWO, "Newsletter"), (ONE, "Demo request"), (THREE, "Newsletter")]);
    match (subject(&event(wanted, resolved), Some(&account)), expected) {
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
    assert_eq!(subject(&event("Demo", None), Some(&unread)), Ok(None));
    assert_eq!(subject(&event("Demo", None), None), Ok(None));
    let known = subject(&event("Demo", Some((ONE, "Demo"))), Some(&unread))
        .unwrap()
        .unwrap();
    assert_eq!(known.trigger, Trigger::Form(ONE.into()));
    assert_eq!(
        subject(&event("Demo", Some(("Demo", "Demo"))), Some(&unread)),
        Ok(None),
        "a name is no GUID"
    );
}

#[test]
fn a_missing_scope_says_what_to_add() {
    let denied = account(Forms::Denied("HubSpot: MISSING_SCOPES".into()));
    let (reason, message) = subject(&event(ONE, None), Some(&denied)).unwrap_err();
    assert_eq!(reason, "MissingScope");
    assert!(message.contains("scope \"forms\""), "{message}");
}

/// What stands in the status counts as found from then on.
#[test]
fn only_what_was_found_is_shown() {
    let wanted = event(ONE, None);
    for account in [account(Forms::Unread), listed(&[(TWO, "Newsletter")])] {
        let found = subject(&wanted, Some(&account)).ok().flatten();
        assert_eq!(trigger_status(&wanted, found.as_ref()), None);
    }
    let found = subject(&wanted, Some(&listed(&[(ONE, "Demo")]))).unwrap();
    let shown = trigger_status(&wanted, found.as_ref()).unwrap();
    assert_eq!(
        (shown.form_id.as_deref(), shown.label.as_deref()),
        (Some(ONE), Some("Demo"))
    );
    let known = event(ONE, Some((ONE, "Demo")));
    assert_eq!(trigger_status(&known, None).unwrap().label.as_deref(), Some("Demo"));
}
