#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::upstream::google::test_support::cid;

#[test]
fn names_are_quoted_for_the_query() {
    assert_eq!(gaql_literal("HubSpot - Customer"), "'HubSpot - Customer'");
    assert_eq!(gaql_literal(r"Anna's \ \' deal"), r"'Anna\'s \\ \\\' deal'");
    assert!(actions_named("x").ends_with("FROM conversion_action WHERE conversion_action.name = 'x'"));
}

#[test]
fn queries_have_single_blanks_and_no_filter() {
    for query in [CUSTOMER, ACTIONS, GOALS] {
        assert!(!query.contains("  ") && !query.contains("WHERE"), "{query}");
    }
}

#[test]
fn a_customer_is_read_with_defaults() {
    let asked = cid("1234567890");
    let row = json!({"customer": {"resourceName": "customers/1234567890", "id": "1234567890", "manager": true,
        "descriptiveName": "Acme", "currencyCode": "EUR", "timeZone": "Europe/Berlin",
        "conversionTrackingSetting": {"conversionTrackingId": "11", "crossAccountConversionTrackingId": 22,
            "conversionTrackingStatus": "A_NEW_STATUS", "acceptedCustomerDataTerms": true,
            "googleAdsConversionCustomer": "customers/9999999999", "effectiveEnablementSetting": "ON"}}});
    let read = parse_customer(&row, &asked).unwrap();
    assert_eq!(read.conversion_customer, cid("9999999999"));
    assert_eq!(read.conversion_tracking_id.as_deref(), Some("22"));
    assert_eq!(read.conversion_tracking_status.as_deref(), Some("A_NEW_STATUS"));
    assert!(read.manager && !read.test_account && read.accepted_customer_data_terms);

    let bare = parse_customer(
        &json!({"customer": {"resourceName": "customers/1234567890", "conversionTrackingSetting":
            {"conversionTrackingId": "0", "conversionTrackingStatus": "NOT_CONVERSION_TRACKED"}}}),
        &asked,
    )
    .unwrap();
    assert_eq!(bare.conversion_customer, asked);
    assert_eq!(bare.conversion_tracking_id, None);
    assert!(!bare.accepted_customer_data_terms);
    assert_eq!(bare.enablement, None);
}

#[test]
fn a_customer_is_the_requested_one_and_names_the_owner_of_its_actions() {
    let asked = cid("1234567890");
    let own = "customers/1234567890";
    let odd = [
        json!({}),
        json!({"customer": null}),
        json!({"customer": {"conversionTrackingSetting": {"googleAdsConversionCustomer": own}}}),
        json!({"customer": {"resourceName": "customers/9999999999", "conversionTrackingSetting": {"googleAdsConversionCustomer": own}}}),
        json!({"customer": {"id": "9999999999", "resourceName": own, "conversionTrackingSetting": {"googleAdsConversionCustomer": own}}}),
        json!({"customer": {"resourceName": own}}),
        json!({"customer": {"resourceName": own, "conversionTrackingSetting": null}}),
        json!({"customer": {"resourceName": own, "conversionTrackingSetting": {"googleAdsConversionCustomer": null}}}),
        json!({"customer": {"resourceName": own, "conversionTrackingSetting": {"googleAdsConversionCustomer": 7,
            "conversionTrackingStatus": "NOT_CONVERSION_TRACKED"}}}),
        json!({"customer": {"resourceName": own, "conversionTrackingSetting":
            {"conversionTrackingStatus": "CONVERSION_TRACKING_MANAGED_BY_SELF"}}}),
    ];
    for row in odd {
        assert!(parse_customer(&row, &asked).is_none(), "{row}");
    }
}

#[test]
fn an_action_is_read_with_numbers_as_text_or_number() {
    let row = json!({"conversionAction": {"resourceName": "customers/1/conversionActions/22", "id": "22", "name": "A",
        "status": "HIDDEN", "type": "WEBPAGE", "origin": "WEBSITE", "category": "BRAND_NEW", "primaryForGoal": false,
        "countingType": "ONE_PER_CLICK", "clickThroughLookbackWindowDays": "90", "viewThroughLookbackWindowDays": 1,
        "attributionModelSettings": {"attributionModel": "EXTERNAL"}, "valueSettings": {"defaultValue": 2.5, "defaultCurrencyCode": "EUR", "alwaysUseDefaultValue": false},
        "tagSnippets": [{"type": "WEBPAGE", "pageFormat": "AMP", "eventSnippet": "amp"},
            {"type": "WEBPAGE", "pageFormat": "HTML", "globalSiteTag": "g", "eventSnippet": "html"}]}});
    let read = parse_action(&row).unwrap();
    assert_eq!(
        (read.id, read.status.as_str(), read.kind.as_str()),
        (ActionId(22), "HIDDEN", "WEBPAGE")
    );
    assert_eq!((read.click_window_days, read.view_window_days), (Some(90), Some(1)));
    assert_eq!(
        (read.primary_for_goal, read.always_use_default_value),
        (Some(false), Some(false))
    );
    assert_eq!(
        (read.default_value, read.default_currency.as_deref()),
        (Some(2.5), Some("EUR"))
    );
    assert_eq!(read.category.as_deref(), Some("BRAND_NEW"));
    assert!(read.attributes_externally());
    assert_eq!(read.event_snippets, ["html"]);

    let bare =
        parse_action(&json!({"conversionAction": {"resourceName": "customers/1/conversionActions/23"}})).unwrap();
    assert_eq!(bare.id, ActionId(23));
    assert_eq!((bare.primary_for_goal, bare.default_value), (None, None));
    assert!(parse_action(&json!({"conversionAction": {"name": "no id"}})).is_none());
}

#[test]
fn goals_without_the_flag_are_not_biddable() {
    let row = json!({"customerConversionGoal": {"category": "CONVERTED_LEAD", "origin": "WEBSITE"}});
    assert!(!parse_goal(&row).unwrap().biddable);
    assert!(parse_goal(&json!({"customerConversionGoal": {"origin": "WEBSITE"}})).is_none());
}

#[test]
fn a_create_holds_what_is_declared_and_nothing_else() {
    let fields = ActionFields {
        name: Some("A".to_owned()),
        kind: Some("UPLOAD_CLICKS".to_owned()),
        category: Some("CONVERTED_LEAD".to_owned()),
        primary_for_goal: Some(true),
        counting_type: Some("ONE_PER_CLICK".to_owned()),
        click_window_days: Some(90),
        default_value: Some(250.0),
        default_currency: Some("EUR".to_owned()),
        always_use_default_value: Some(false),
        ..ActionFields::default()
    };
    assert_eq!(
        create_body(&fields),
        json!({"operations": [{"create": {"name": "A", "type": "UPLOAD_CLICKS", "category": "CONVERTED_LEAD",
            "primaryForGoal": true, "countingType": "ONE_PER_CLICK", "clickThroughLookbackWindowDays": "90",
            "valueSettings": {"defaultValue": 250.0, "defaultCurrencyCode": "EUR", "alwaysUseDefaultValue": false}}}]})
    );
}

#[test]
fn an_update_masks_leaves() {
    let owner = cid("1234567890");
    let fields = ActionFields {
        kind: Some("WEBPAGE".to_owned()),
        name: Some("B".to_owned()),
        status: Some("ENABLED".to_owned()),
        view_window_days: Some(7),
        default_value: Some(1.5),
        ..ActionFields::default()
    };
    assert_eq!(
        update_body(&owner, ActionId(22), &fields).unwrap(),
        json!({"operations": [{"update": {"resourceName": "customers/1234567890/conversionActions/22", "name": "B",
            "status": "ENABLED", "viewThroughLookbackWindowDays": "7", "valueSettings": {"defaultValue": 1.5}},
            "updateMask": "name,status,viewThroughLookbackWindowDays,valueSettings.defaultValue"}]})
    );
    assert_eq!(update_body(&owner, ActionId(22), &ActionFields::default()), None);
}

#[test]
fn an_action_keeps_the_name_that_google_has() {
    for name in ["K\u{e4}ufe \u{1f469}\u{200d}\u{1f4bb}", " x", "soft\u{ad}hyphen"] {
        let row = json!({"conversionAction": {"id": "22", "name": name}});
        assert_eq!(parse_action(&row).unwrap().name, name);
    }
}
