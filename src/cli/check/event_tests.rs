#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::AdConversionEvent;
use crate::cli::check::report::ProbeVerdict;
use crate::controller::ad_conversion_event::preview::OtherEvent;
use crate::domain::action::{ConversionAction, Goal};
use crate::domain::declared::Declared;
use crate::ports::ads::Customer;
use crate::ports::crm::{Form, Stage};
use crate::registry::test_support::{customer, google_account, hubspot_account, snapshot};
use crate::registry::{DealAccess, Forms, GoogleAccount, GoogleSnapshot, HubSpotAccount};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn event(more: &Value) -> AdConversionEvent {
    let mut event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": "won", "namespace": "marketing", "creationTimestamp": "1970-01-01T00:00:00Z"},
        "spec": {
            "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"}, "eventName": "Won",
            "trigger": {"lifecycleStage": {"stage": "Customer"}},
        },
    });
    event["spec"]
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(event).unwrap()
}

fn action(id: u64, name: &str, category: &str) -> ConversionAction {
    ConversionAction {
        id: ActionId(id),
        resource_name: String::new(),
        name: name.to_owned(),
        status: "ENABLED".to_owned(),
        kind: "UPLOAD_CLICKS".to_owned(),
        origin: Some("WEBSITE".to_owned()),
        category: Some(category.to_owned()),
        primary_for_goal: Some(true),
        counting_type: Some("ONE_PER_CLICK".to_owned()),
        attribution_model: None,
        click_window_days: Some(90),
        view_window_days: None,
        default_value: None,
        default_currency: None,
        always_use_default_value: None,
        event_snippets: Vec::new(),
    }
}

fn google(actions: Vec<ConversionAction>, biddable: bool) -> GoogleAccount {
    let customer = Customer {
        accepted_customer_data_terms: false,
        ..customer()
    };
    google_account(Some(GoogleSnapshot {
        actions: Arc::new(actions),
        goals: Arc::new(vec![Goal {
            category: "CONVERTED_LEAD".to_owned(),
            origin: "WEBSITE".to_owned(),
            biddable,
        }]),
        ..snapshot(customer)
    }))
}

fn hubspot() -> HubSpotAccount {
    HubSpotAccount {
        stages: Arc::new(vec![Stage {
            value: "customer".to_owned(),
            label: "Customer".to_owned(),
        }]),
        properties: Arc::new(vec!["ads_consent".to_owned(), "hs_google_click_id".to_owned()]),
        forms: Forms::Listed(Arc::new(vec![Form {
            id: "78c2891f-ebdd-44c0-bd94-15c012bbbfbf".to_owned(),
            name: "Demo".to_owned(),
        }])),
        deals: DealAccess::Denied("no".to_owned()),
        ..hubspot_account()
    }
}

/// The line of this name.
fn line(more: &Value, google: &GoogleAccount, managed: bool, name: &str) -> Probe {
    let event = event(more);
    let declared = Declared::from_manifest(&event);
    let hubspot = hubspot();
    let preview = Preview {
        declared: &declared,
        status: None,
        google: Some(google),
        hubspot: Some(&hubspot),
        now: NOW,
    };
    let judged = judge_event(
        &preview,
        Surroundings {
            others: &OtherEvents::default(),
            all_known: true,
            managed_goals: managed,
        },
    );
    let mut all = judged.of_hubspot.into_iter().chain(judged.of_google);
    all.find(|probe| probe.name == name)
        .unwrap_or_else(|| panic!("no line {name}"))
}

#[rstest]
#[case::by_label(json!({}), "stage", ProbeVerdict::Fine, "customer (\"Customer\")")]
#[case::unknown_stage(json!({"trigger": {"lifecycleStage": {"stage": "Kunde"}}}), "stage", ProbeVerdict::Finding, "spec.trigger.lifecycleStage.stage")]
#[case::form(json!({"trigger": {"formSubmission": {"formId": "Demo"}}}), "form", ProbeVerdict::Fine, "78c2891f")]
#[case::unknown_form(json!({"trigger": {"formSubmission": {"formId": "<b>\"x\""}}}), "form", ProbeVerdict::Finding, "spec.trigger.formSubmission.formId")]
#[case::properties(json!({"consent": {"property": "ads_consent", "grantedValues": ["x"]}}), "properties", ProbeVerdict::Fine, "ads_consent")]
#[case::unknown_property(json!({"clickIds": {"gclidProperty": "gclid"}}), "properties", ProbeVerdict::Finding, "spec.clickIds.gclidProperty")]
#[case::deals(json!({"value": {"dealAmount": {"default": {"amount": "1", "currency": "EUR"}}}}), "value", ProbeVerdict::Finding, "crm.objects.deals.read")]
#[case::start(json!({"startTime": "2026-01-01T00:00:00Z"}), "start", ProbeVerdict::Finding, "spec.startTime")]
#[case::terms(json!({"shareData": ["Email"]}), "customer data terms", ProbeVerdict::Finding, "spec.shareData")]
fn what_the_manifest_names(#[case] more: Value, #[case] name: &str, #[case] verdict: ProbeVerdict, #[case] part: &str) {
    let probe = line(&more, &google(vec![], true), false, name);
    assert_eq!(probe.verdict, verdict, "{probe:?}");
    assert!(probe.message.contains(part), "{probe:?}");
}

#[rstest]
#[case::created(json!({}), vec![], ProbeVerdict::Fine, "\"Won\" would be created (category ConvertedLead, one conversion a click, click window of 90 days")]
#[case::adopted(json!({}), vec![action(7, "Won", "CONVERTED_LEAD")], ProbeVerdict::Fine, "would be adopted as it is")]
#[case::corrected(
    json!({"conversionAction": {"create": {"category": "ConvertedLead", "clickThroughLookbackWindowDays": 30}}}),
    vec![action(7, "Won", "CONVERTED_LEAD")], ProbeVerdict::Fine, "clickThroughLookbackWindowDays 90 instead of 30"
)]
#[case::conflict(json!({}), vec![action(7, "Won", "SIGNUP")], ProbeVerdict::Finding, "spec.eventName")]
#[case::mapped(json!({"conversionAction": {"existing": {"id": "7"}}}), vec![action(7, "Other", "SIGNUP")], ProbeVerdict::Fine, "used as it is")]
#[case::mapped_and_gone(json!({"conversionAction": {"existing": {"id": "8"}}}), vec![action(7, "Other", "SIGNUP")], ProbeVerdict::Finding, "spec.conversionAction.existing")]
fn what_becomes_of_the_action(
    #[case] more: Value,
    #[case] actions: Vec<ConversionAction>,
    #[case] verdict: ProbeVerdict,
    #[case] part: &str,
) {
    let probe = line(&more, &google(actions, true), false, ACTION);
    assert_eq!(probe.verdict, verdict, "{probe:?}");
    assert!(probe.message.contains(part), "{probe:?}");
}

#[rstest]
#[case::biddable(true, true, false, ProbeVerdict::Fine)]
#[case::not_biddable(true, false, false, ProbeVerdict::Finding)]
#[case::managed(true, false, true, ProbeVerdict::Fine)]
#[case::secondary(false, false, false, ProbeVerdict::Skipped)]
fn the_account_goal(
    #[case] primary: bool,
    #[case] biddable: bool,
    #[case] managed: bool,
    #[case] verdict: ProbeVerdict,
) {
    let mut one = action(7, "Won", "CONVERTED_LEAD");
    one.primary_for_goal = Some(primary);
    let probe = line(&json!({}), &google(vec![one], biddable), managed, GOAL);
    assert_eq!(probe.verdict, verdict, "{probe:?}");
}

/// Which goal an action counts for is known before it is created: by its category, and by the origin that Google gives.
#[rstest]
#[case::biddable(true, false, ProbeVerdict::Fine, "Google bids by it")]
#[case::not_biddable(false, false, ProbeVerdict::Finding, "CONVERTED_LEAD / WEBSITE")]
#[case::managed(
    false,
    true,
    ProbeVerdict::Fine,
    "CONVERTED_LEAD / WEBSITE is not an account default yet. The operator makes it one"
)]
fn the_account_goal_of_an_action_that_would_be_created(
    #[case] biddable: bool,
    #[case] managed: bool,
    #[case] verdict: ProbeVerdict,
    #[case] part: &str,
) {
    let probe = line(&json!({}), &google(vec![], biddable), managed, GOAL);
    assert_eq!(probe.verdict, verdict, "{probe:?}");
    assert!(probe.message.contains(part), "{probe:?}");
    let other = json!({"conversionAction": {"create": {"category": "SubmitLeadForm"}}});
    let probe = line(&other, &google(vec![], biddable), managed, GOAL);
    assert_eq!(
        probe.verdict,
        ProbeVerdict::Skipped,
        "Google has no such goal yet: {probe:?}"
    );
}

#[test]
fn an_older_event_with_the_same_action_is_named() {
    let (mine, older) = (event(&json!({})), event(&json!({})));
    let mut older = Declared::from_manifest(&older);
    older.key = ObjectKey::new("marketing", "first");
    older.created = Timestamp::MIN;
    let declared = Declared::from_manifest(&mine);
    let (account, hubspot) = (google(vec![], true), hubspot());
    let preview = Preview {
        declared: &declared,
        status: None,
        google: Some(&account),
        hubspot: Some(&hubspot),
        now: NOW,
    };
    let other = OtherEvent {
        declared: &older,
        status: None,
    };
    let judged = judge_event(
        &preview,
        Surroundings {
            others: &[other].into_iter().collect(),
            all_known: true,
            managed_goals: false,
        },
    );
    let probe = &judged.of_google[0];
    assert_eq!(probe.reason.as_deref(), Some("OwnershipConflict"));
    assert!(probe.message.contains("event marketing/first"), "{probe:?}");
}

#[test]
fn whose_an_action_is_is_known_only_from_the_cluster() {
    let (declared, hubspot) = (Declared::from_manifest(&event(&json!({}))), hubspot());
    let account = google(vec![action(7, "Won", "CONVERTED_LEAD")], true);
    let preview = Preview {
        declared: &declared,
        status: None,
        google: Some(&account),
        hubspot: Some(&hubspot),
        now: NOW,
    };
    let said = |all_known| {
        let beside = Surroundings {
            others: &OtherEvents::default(),
            all_known,
            managed_goals: false,
        };
        judge_event(&preview, beside).of_google[0].message.clone()
    };
    assert!(said(true).contains("belongs to no event"), "{}", said(true));
    let unasked = said(false);
    assert!(
        unasked.contains("unless an event in the cluster has it") && !unasked.contains("belongs to no event"),
        "{unasked}"
    );
}

#[rstest]
#[case::missing(
    AccountView::Missing,
    false,
    ProbeVerdict::Finding,
    "correct spec.hubSpotAccountRef.name"
)]
#[case::missing_and_applied(AccountView::Missing, true, ProbeVerdict::Finding, "create it again")]
#[case::broken(AccountView::Broken, false, ProbeVerdict::Skipped, "its own lines")]
#[case::read(AccountView::Read(&()), false, ProbeVerdict::Fine, "can be used")]
fn accounts(
    #[case] account: AccountView<'_, ()>,
    #[case] applied: bool,
    #[case] verdict: ProbeVerdict,
    #[case] part: &str,
) {
    let key = ObjectKey::new("marketing", "acme");
    let probe = judge_account("HubSpotAccount", "spec.hubSpotAccountRef", &key, account, applied);
    assert_eq!(probe.verdict, verdict);
    assert!(probe.message.contains(part), "{probe:?}");
}
