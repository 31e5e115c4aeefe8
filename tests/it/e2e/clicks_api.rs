//! Lifecycle conversions through `uploadClickConversions`, for projects that Google still lets use it.

use serde_json::json;

use super::Stage;
use super::judge::{action, calls};
use super::stage::{ago, condition, reason};

#[test]
fn click_uploads_through_the_google_ads_api() {
    let stage = Stage::start("clicks-api");
    stage.patch(
        "gaa/acme",
        &json!({"spec": {"uploads": {"clickConversions": "GoogleAds"}}}),
    );
    stage.event(
        "customers",
        "customer",
        &json!({"startTime": ago(86_400 * 5), "value": {"fixed": {"amount": "9", "currency": "EUR"}}}),
    );
    stage.condition("adce/customers", "Ready", "True", "");
    stage.contact(&[("customer", ago(3600))], Some("click-1"), &json!({}));
    let refused = stage.condition("gaa/acme", "Stalled", "True", "NotAllowlisted");
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("spec.uploads.clickConversions"),
        "{refused}"
    );
    stage.wait("adce/customers", "a row that waits for the account", |event| {
        let waits = reason(event, "Pending", "AccountNotReady") == 1;
        waits && condition(event, "AccountsReady")["status"] == "False"
    });
    stage.admin_call(
        "PATCH",
        "/google/accounts/1234567890",
        Some(&json!({"clickUploadsAllowed": true})),
    );
    let event = stage.settled("customers", 1);
    let accepted = stage.accepted(&action(&event));
    assert_eq!((accepted.len(), &accepted[0]["value"]), (1, &json!(9.0)));
    assert_eq!(calls(&stage, "events:ingest").len(), 0);
    stage.admin_call(
        "PATCH",
        "/google/accounts/1234567890",
        Some(&json!({"clickUploadsAllowed": false})),
    );
    stage.contact(&[("customer", ago(1800))], Some("click-2"), &json!({}));
    stage.condition("gaa/acme", "Stalled", "True", "NotAllowlisted");
    stage.patch(
        "gaa/acme",
        &json!({"spec": {"uploads": {"clickConversions": "DataManager"}}}),
    );
    let event = stage.settled("customers", 2);
    assert_eq!(stage.accepted(&action(&event)).len(), 2);
}

#[test]
fn an_address_alone_is_nothing_that_click_uploads_take() {
    let stage = Stage::start("clicks-address");
    let allowed = json!({"clickUploadsAllowed": true});
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&allowed));
    let uploads = json!({"spec": {"uploads": {"clickConversions": "GoogleAds"}}});
    stage.patch("gaa/acme", &uploads);
    let share = json!({"startTime": ago(86_400 * 5), "shareData": ["Email", "Address"]});
    stage.event("shared", "customer", &share);
    let mut person = json!({"firstname": "Ada", "lastname": "Example", "zip": "10115", "country": "Germany"});
    stage.contact(&[("customer", ago(3600))], None, &person);
    person["email"] = json!("ada@example.com");
    stage.contact(&[("customer", ago(3600))], None, &person);
    let event = stage.settled("shared", 2);
    assert_eq!(reason(&event, "Skipped", "NoSharedData"), 1, "{event:#}");
    let reasons = event["status"]["sync"]["reasons"].to_string();
    assert!(reasons.contains("uploads.clickConversions"), "{reasons}");
    let accepted = stage.accepted(&action(&event));
    assert_eq!((accepted.len(), &accepted[0]["userIdentifiers"]), (1, &json!(1)));
}
