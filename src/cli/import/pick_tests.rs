#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::cli::import::manifest::ConsentText;
use crate::domain::ids::ActionId;
use crate::ports::ads::Customer;
use crate::ports::crm::{Form, Stage};
use crate::registry::GoogleSnapshot;
use crate::registry::test_support::{customer, google_account, hubspot_account, snapshot};

const FORM: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";

pub(crate) fn action(id: u64, name: &str, kind: &str) -> ConversionAction {
    ConversionAction {
        id: ActionId(id),
        resource_name: String::new(),
        name: name.to_owned(),
        status: "ENABLED".to_owned(),
        kind: kind.to_owned(),
        origin: Some("WEBSITE".to_owned()),
        category: Some("CONVERTED_LEAD".to_owned()),
        primary_for_goal: Some(true),
        counting_type: Some("ONE_PER_CLICK".to_owned()),
        attribution_model: None,
        click_window_days: Some(90),
        view_window_days: Some(1),
        default_value: None,
        default_currency: None,
        always_use_default_value: None,
        event_snippets: Vec::new(),
    }
}

fn account(actions: Vec<ConversionAction>, owner: &str) -> GoogleAccount {
    let customer = Customer {
        conversion_customer: owner.parse().unwrap(),
        ..customer()
    };
    google_account(Some(GoogleSnapshot {
        actions: Arc::new(actions),
        ..snapshot(customer)
    }))
}

fn portal() -> HubSpotAccount {
    HubSpotAccount {
        stages: Arc::new(vec![Stage {
            value: "customer".to_owned(),
            label: "Customer".to_owned(),
        }]),
        properties: Arc::new(vec!["ads_consent".to_owned(), "hs_google_click_id".to_owned()]),
        forms: Forms::Listed(Arc::new(vec![Form {
            id: FORM.to_owned(),
            name: "Demo request".to_owned(),
        }])),
        ..hubspot_account()
    }
}

/// How people ask.
#[derive(Default)]
struct Asked {
    adopt: bool,
    consent: bool,
    manages_goals: bool,
    stages: Vec<Assigned>,
}

fn picked(account: &GoogleAccount, events: &[DeclaredEvent], asked: &Asked) -> Imported {
    let key = ObjectKey::new("marketing", "acme");
    let consent = ConsentText {
        property: "ads_consent".to_owned(),
        value: "true".to_owned(),
    };
    let given = Given {
        common: Common {
            google: &key,
            hubspot: &key,
            way: if asked.adopt {
                Takeover::Adopt
            } else {
                Takeover::Existing
            },
            consent: asked.consent.then_some(&consent),
        },
        stages: &asked.stages,
        forms: &[],
        manages_goals: asked.manages_goals,
        now: Timestamp::UNIX_EPOCH,
    };
    pick_actions(account, &portal(), events, &given, &mut BTreeSet::new())
}

/// Why this one action is not imported; empty if it is.
fn why(action: ConversionAction, asked: &Asked) -> String {
    let imported = picked(&account(vec![action], "1234567890"), &[], asked);
    match (imported.events.as_slice(), imported.left_out.as_slice()) {
        ([_], []) => String::new(),
        ([], [left]) => left.why.clone(),
        _ => panic!("{imported:?}"),
    }
}

#[rstest]
#[case::fits(action(7, "HubSpot - Customer", UPLOAD_CLICKS), "")]
#[case::removed(ConversionAction { status: "REMOVED".to_owned(), ..action(7, "Customer", UPLOAD_CLICKS) }, "REMOVED")]
#[case::hidden(ConversionAction { status: "HIDDEN".to_owned(), ..action(7, "Customer", UPLOAD_CLICKS) }, "HIDDEN")]
#[case::other_type(action(7, "Customer", "AD_CALL"), "AD_CALL")]
#[case::external(ConversionAction { attribution_model: Some("EXTERNAL".to_owned()), ..action(7, "Customer", UPLOAD_CLICKS) }, "EXTERNAL")]
#[case::no_stage(action(7, "Purchase", UPLOAD_CLICKS), "--stage 7=STAGE")]
#[case::form_without_consent(action(7, "Demo request", WEBPAGE), "--consent")]
#[case::unseen(action(7, "Purchase\u{1b}[2J", UPLOAD_CLICKS), "--stage")]
fn only_what_an_event_may_use_is_imported(#[case] action: ConversionAction, #[case] part: &str) {
    let said = why(action, &Asked::default());
    assert!(said.contains(part) && said.is_empty() == part.is_empty(), "{said}");
}

#[test]
fn a_form_is_found_by_its_name() {
    let asked = Asked {
        consent: true,
        ..Asked::default()
    };
    let one = account(vec![action(7, "Demo request (HubSpot form)", WEBPAGE)], "1234567890");
    let imported = picked(&one, &[], &asked);
    assert_eq!(
        imported.events[0].manifest["spec"]["trigger"]["formSubmission"]["formId"],
        FORM
    );
    let note = &imported.events[0].note;
    assert!(note.contains("spec.shareData lets Google have"), "{note}");
    let elsewhere = account(vec![action(7, "Demo request", WEBPAGE)], "9876543210");
    let imported = picked(&elsewhere, &[], &asked);
    assert!(imported.left_out[0].why.contains("cross-account"), "{imported:?}");
}

#[test]
fn what_people_say_counts_more_than_a_name() {
    let asked = Asked {
        stages: vec!["7=Customer".parse().unwrap()],
        ..Asked::default()
    };
    let one = account(vec![action(7, "Purchase", UPLOAD_CLICKS)], "1234567890");
    let imported = picked(&one, &[], &asked);
    assert_eq!(
        imported.events[0].manifest["spec"]["trigger"]["lifecycleStage"]["stage"],
        "Customer"
    );
    let unknown = Asked {
        stages: vec!["7=Nobody".parse().unwrap()],
        ..Asked::default()
    };
    let imported = picked(&one, &[], &unknown);
    assert!(imported.left_out[0].why.contains("Nobody"), "{imported:?}");
}

#[test]
fn an_adopted_action_is_kept_as_it_is_or_not_imported() {
    let adopt = Asked {
        adopt: true,
        ..Asked::default()
    };
    assert_eq!(why(action(7, "Customer", UPLOAD_CLICKS), &adopt), "");
    let odd = ConversionAction {
        category: Some("DOWNLOAD".to_owned()),
        ..action(7, "Customer", UPLOAD_CLICKS)
    };
    assert!(why(odd, &adopt).contains("DOWNLOAD"));
    let managed = Asked {
        manages_goals: true,
        ..adopt
    };
    assert!(why(action(7, "Customer", UPLOAD_CLICKS), &managed).contains("manageAccountGoals"));
}

#[test]
fn what_an_event_uses_already_is_not_imported_twice() {
    let user = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": "first", "namespace": "marketing"},
        "spec": {
            "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
            "trigger": {"lifecycleStage": {"stage": "customer"}}, "conversionAction": {"existing": {"id": "7"}},
        },
    });
    let event: AdConversionEvent = serde_json::from_value(user).unwrap();
    let events = [(Declared::from_manifest(&event), None)];
    let two = account(
        vec![
            action(7, "Customer", UPLOAD_CLICKS),
            action(8, "Customer (HubSpot)", UPLOAD_CLICKS),
        ],
        "1234567890",
    );
    let imported = picked(&two, &events, &Asked::default());
    assert!(
        imported.left_out[0].why.contains("event marketing/first"),
        "{imported:?}"
    );
    assert_eq!(imported.events[0].action, "8");
}
