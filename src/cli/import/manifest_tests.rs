#![allow(clippy::unwrap_used)]

use rstest::rstest;

use super::*;
use crate::api::AdConversionEvent;
use crate::domain::declared::Declared;
use crate::domain::ids::ActionId;

fn action(name: &str) -> ConversionAction {
    ConversionAction {
        id: ActionId(7),
        resource_name: String::new(),
        name: name.to_owned(),
        status: "ENABLED".to_owned(),
        kind: "UPLOAD_CLICKS".to_owned(),
        origin: None,
        category: Some("CONVERTED_LEAD".to_owned()),
        primary_for_goal: Some(false),
        counting_type: Some("MANY_PER_CLICK".to_owned()),
        attribution_model: None,
        click_window_days: Some(30),
        view_window_days: Some(1),
        default_value: Some(5.0),
        default_currency: Some("EUR".to_owned()),
        always_use_default_value: Some(true),
        event_snippets: Vec::new(),
    }
}

fn manifest(action: &ConversionAction, trigger: &TriggerText, way: Takeover, consent: bool) -> Result<Value, String> {
    let key = ObjectKey::new("marketing", "acme");
    let consent_text = ConsentText {
        property: "ads_consent".to_owned(),
        value: "true".to_owned(),
    };
    let common = Common {
        google: &key,
        hubspot: &key,
        way,
        consent: consent.then_some(&consent_text),
    };
    build(action, "won", trigger, &common)
}

fn stage() -> TriggerText {
    TriggerText::Stage("customer".to_owned())
}

#[test]
fn an_existing_action_is_named_by_its_number_and_nothing_else_is_declared() {
    let manifest = manifest(&action("Won"), &stage(), Takeover::Existing, false).unwrap();
    let expected = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": "won", "namespace": "marketing"},
        "spec": {
            "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
            "trigger": {"lifecycleStage": {"stage": "customer"}},
            "conversionAction": {"existing": {"id": "7"}},
        },
    });
    assert_eq!(manifest, expected);
    serde_json::from_value::<AdConversionEvent>(manifest).unwrap();
}

#[test]
fn an_adopted_action_is_declared_as_it_is() {
    let action = action(" Won \"<b>\" ");
    let manifest = manifest(&action, &stage(), Takeover::Adopt, false).unwrap();
    let event: AdConversionEvent = serde_json::from_value(manifest).unwrap();
    let declared = Declared::from_manifest(&event).fields;
    assert_eq!(declared.name.as_deref(), Some("Won \"<b>\""));
    assert_eq!(declared.category, action.category);
    assert_eq!(declared.primary_for_goal, action.primary_for_goal);
    assert_eq!(declared.counting_type, action.counting_type);
    assert_eq!(declared.click_window_days, action.click_window_days);
    assert_eq!(declared.view_window_days, action.view_window_days);
}

#[rstest]
#[case::long(ConversionAction { name: "x".repeat(101), ..action("") }, "spec.eventName")]
#[case::control(action("a\tb"), "spec.eventName")]
#[case::category(ConversionAction { category: Some("DOWNLOAD".to_owned()), ..action("Won") }, "DOWNLOAD")]
#[case::no_category(ConversionAction { category: None, ..action("Won") }, "category")]
fn what_no_manifest_can_declare_is_not_adopted(#[case] action: ConversionAction, #[case] part: &str) {
    let why = manifest(&action, &stage(), Takeover::Adopt, false).unwrap_err();
    assert!(why.contains(part) && why.contains("--adopt"), "{why}");
    assert!(manifest(&action, &stage(), Takeover::Existing, false).is_ok());
}

#[test]
fn a_form_needs_consent_and_shares_an_address() {
    let form = TriggerText::Form("78c2891f-ebdd-44c0-bd94-15c012bbbfbf".to_owned());
    let why = manifest(&action("Demo"), &form, Takeover::Existing, false).unwrap_err();
    assert!(why.contains("--consent PROPERTY=VALUE"), "{why}");
    let manifest = manifest(&action("Demo"), &form, Takeover::Existing, true).unwrap();
    assert_eq!(manifest["spec"]["shareData"], json!(["Email"]));
    assert_eq!(manifest["spec"]["consent"]["grantedValues"], json!(["true"]));
    serde_json::from_value::<AdConversionEvent>(manifest).unwrap();
}

#[rstest]
#[case("HubSpot - Customer", "hubspot-customer")]
#[case("  Démo   request! ", "d-mo-request")]
#[case("東京", "action-7")]
#[case("\u{1b}[2J<script>\"x\"", "2j-script-x")]
#[case("-", "action-7")]
fn objects_get_names_that_kubernetes_takes(#[case] name: &str, #[case] expected: &str) {
    assert_eq!(object_name(&action(name), &mut BTreeSet::new()), expected);
}

#[test]
fn no_two_objects_have_one_name() {
    let mut taken = BTreeSet::from(["won".to_owned()]);
    assert_eq!(object_name(&action("Won"), &mut taken), "won-7");
    let long = object_name(&action(&"x".repeat(300)), &mut taken);
    assert!(long.len() <= 63, "{long}");
}
