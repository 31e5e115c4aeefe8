#![allow(clippy::unwrap_used)]

use kube::CustomResourceExt as _;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::api::AdConversionEvent;

/// The mistakes of an event with this field beside what it needs.
fn mistakes(field: &str, value: Value) -> Vec<String> {
    let crd = AdConversionEvent::crd();
    let schema = crd.spec.versions[0].schema.as_ref().unwrap();
    let schema = &schema.open_api_v3_schema.as_ref().unwrap().properties.as_ref().unwrap()["spec"];
    let mut spec = json!({"googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
        "trigger": {"lifecycleStage": {"stage": "customer"}}});
    spec[field] = value;
    find_mistakes("spec", &spec, schema)
}

#[rstest]
#[case::boolean("suspend", json!("maybe"), "spec.suspend must be a boolean (true or false, without quotes), but is the string \"maybe\".")]
#[case::number("conversionAction", json!({"create": {"clickThroughLookbackWindowDays": "90"}}),
    "spec.conversionAction.create.clickThroughLookbackWindowDays must be a whole number (without quotes), but is the string \"90\".")]
#[case::fraction("conversionAction", json!({"create": {"clickThroughLookbackWindowDays": 1.5}}),
    "spec.conversionAction.create.clickThroughLookbackWindowDays must be a whole number (without quotes), but is the number 1.5.")]
#[case::most("conversionAction", json!({"create": {"clickThroughLookbackWindowDays": 91}}),
    "spec.conversionAction.create.clickThroughLookbackWindowDays must be at most 90, but is 91.")]
#[case::least("conversionAction", json!({"create": {"viewThroughLookbackWindowDays": -1}}),
    "spec.conversionAction.create.viewThroughLookbackWindowDays must be at least 1, but is -1.")]
#[case::string("eventName", json!(5), "spec.eventName must be a string (write it in quotes), but is the number 5.")]
#[case::amount("value", json!({"fixed": {"amount": 5.5, "currency": "EUR"}}),
    "spec.value.fixed.amount must be a string (write it in quotes), but is the number 5.5.")]
#[case::one_of("deletionPolicy", json!("Keep"), "spec.deletionPolicy must be Orphan or Delete, but is the string \"Keep\".")]
#[case::only("adNetwork", json!("Bing"), "spec.adNetwork must be Google, but is the string \"Bing\".")]
#[case::entry("shareData", json!(["Email", "Fax"]), "spec.shareData[1] must be Email, Phone or Address, but is the string \"Fax\".")]
#[case::few("consent", json!({"property": "x", "grantedValues": []}), "spec.consent.grantedValues has 0 entries, but needs at least 1.")]
#[case::mapping("trigger", json!("customer"), "spec.trigger must be a mapping of fields, but is the string \"customer\".")]
#[case::list("shareData", json!("Email"), "spec.shareData must be a list, but is the string \"Email\".")]
#[case::unknown("shareEverything", json!(true), "There is no field spec.shareEverything. Correct or remove it.")]
#[case::deep("clickIds", json!({"gclid": "x"}), "There is no field spec.clickIds.gclid. Correct or remove it.")]
#[case::missing("hubSpotAccountRef", json!({}), "spec.hubSpotAccountRef.name is missing. Add it.")]
#[case::no_value("hubSpotAccountRef", json!(null), "spec.hubSpotAccountRef is missing. Add it.")]
#[case::time("startTime", json!("yesterday"), "spec.startTime must be a time like 2026-11-01T00:00:00Z, but is \"yesterday\".")]
#[case::long("eventName", json!("n".repeat(1 << 20)), "spec.eventName has 1048576 characters, but takes at most 100.")]
fn each_mistake_names_its_field_and_what_it_takes(#[case] field: &str, #[case] value: Value, #[case] expected: &str) {
    assert_eq!(mistakes(field, value), [expected]);
}

#[test]
fn what_is_right_has_no_mistake() {
    let right = [
        ("suspend", json!(false)),
        ("eventName", json!(null)),
        ("startTime", json!("2026-11-01T00:00:00+01:00")),
        ("shareData", json!(["Email", "Phone"])),
        (
            "conversionAction",
            json!({"create": {"category": "Purchase", "clickThroughLookbackWindowDays": 30}}),
        ),
        (
            "value",
            json!({"dealAmount": {"default": {"amount": "1.50", "currency": "EUR"}}}),
        ),
    ];
    for (field, value) in right {
        assert_eq!(mistakes(field, value), Vec::<String>::new(), "{field}");
    }
}

#[test]
fn texts_of_others_stay_short_and_many_mistakes_are_counted() {
    let odd = format!("\u{1b}[2J{}", "x".repeat(1 << 20));
    let said = mistakes("deletionPolicy", json!(odd)).concat() + &mistakes(&odd, json!(1)).concat();
    assert!(said.chars().count() < 600 && !said.contains('\u{1b}'), "{said}");
    let many: serde_json::Map<_, _> = (0..50).map(|n| (format!("f{n}"), json!(1))).collect();
    let said = mistakes("clickIds", Value::Object(many));
    assert_eq!((said.len(), said[MOST].as_str()), (MOST + 1, "And 40 more."));
}
