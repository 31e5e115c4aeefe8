#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, ResponseTemplate};

use super::*;
use crate::domain::ids::{ActionId, OrderId};
use crate::google::test_support::{cid, connector, refresh_secret, server};
use crate::sync::ports::sink::{Conversion, Destination, UserIdentifier};
use crate::sync::ports::{Effect, GoogleConnector as _};

fn request(rows: usize) -> UploadRequest {
    let row = Conversion {
        destination: 0,
        order: OrderId::Submission("c-1".into()),
        at: "2026-11-20T12:00:00Z".parse().unwrap(),
        value: None,
        click: None,
        identifiers: vec![UserIdentifier::Email("hash-of-anna".into())],
        consent_granted: true,
    };
    UploadRequest {
        destinations: vec![Destination {
            customer: cid("1234567890"),
            action: ActionId(99),
        }],
        login: None,
        rows: vec![row; rows],
    }
}

async fn enhance(status: u16, body: &Value) -> Result<UploadAnswer, IngestError> {
    let server = server().await;
    Mock::given(method("POST"))
        .and(path("/v26/customers/1234567890:uploadConversionAdjustments"))
        .and(header("login-customer-id", "9876543210"))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .expect(1)
        .mount(&server)
        .await;
    let connector = connector(&server.uri()).0;
    let clients = connector
        .connect(Some(&refresh_secret()), Some(cid("9876543210")))
        .await
        .unwrap();
    clients.uploads.enhance(&request(3)).await
}

fn failure(errors: &Value) -> Value {
    json!({"code": 3, "message": "Multiple errors", "details": [{
        "@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure", "errors": errors}]})
}

fn row(index: usize, key: &str, name: &str) -> Value {
    json!({"errorCode": {key: name}, "message": "The value 'anna@example.com' is wrong.",
        "trigger": {"stringValue": "anna@example.com"},
        "location": {"fieldPathElements": [{"fieldName": "conversion_adjustments", "index": index}, {"fieldName": "order_id"}]}})
}

#[tokio::test]
async fn rows_that_failed_are_named_and_the_others_taken() {
    let errors = json!([row(0, "conversionAdjustmentUploadError", "CONVERSION_NOT_FOUND")]);
    let answer = enhance(
        200,
        &json!({"partialFailureError": failure(&errors), "results": [{}, {"orderId": "c-1"}]}),
    )
    .await
    .unwrap();
    assert_eq!(answer.taken, [false, true], "nothing is said of the third");
    assert_eq!(answer.errors.len(), 1);
    assert_eq!(
        (answer.errors[0].row, answer.errors[0].reason.as_str()),
        (Some(0), "CONVERSION_NOT_FOUND")
    );
    assert_eq!(answer.errors[0].field, "conversion_adjustments[0].order_id");
}

#[rstest]
#[case::not_allowlisted(
    "notAllowlistedError",
    "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
    Cause::NotAllowlisted
)]
#[case::permission("authorizationError", "USER_PERMISSION_DENIED", Cause::AccessDenied)]
#[case::unknown("futureError", "A_NAME_OF_TOMORROW", Cause::Refused)]
#[tokio::test]
async fn an_error_inside_http_200_without_a_row_fails_the_request(
    #[case] key: &str,
    #[case] name: &str,
    #[case] cause: Cause,
) {
    let errors = json!([{"errorCode": {key: name}, "message": "no"}]);
    let failed = enhance(
        200,
        &json!({"partialFailureError": failure(&errors), "results": [{}, {}, {}]}),
    )
    .await
    .unwrap_err();
    assert_eq!((failed.error.cause, failed.error.code.as_deref()), (cause, Some(name)));
    assert_eq!((failed.error.effect, failed.violations.len()), (Effect::None, 0));
}

#[tokio::test]
async fn an_error_about_the_request_beside_rows_taken_leaves_the_effect_open() {
    let errors = json!([
        row(0, "conversionAdjustmentUploadError", "CONVERSION_NOT_FOUND"),
        {"errorCode": {"internalError": "INTERNAL_ERROR"}, "message": "no"}
    ]);
    let failed = enhance(
        200,
        &json!({"partialFailureError": failure(&errors), "results": [{}, {"orderId": "c-1"}]}),
    )
    .await
    .unwrap_err();
    assert_eq!(failed.error.code.as_deref(), Some("INTERNAL_ERROR"));
    assert_eq!(failed.error.effect, Effect::Unknown);
}

#[tokio::test]
async fn a_refusal_may_name_rows_and_never_shows_values() {
    let errors = json!([row(2, "fieldError", "INVALID_VALUE")]);
    let failed = enhance(400, &json!({"error": failure(&errors)})).await.unwrap_err();
    assert_eq!(failed.error.cause, Cause::Refused);
    assert_eq!(failed.error.effect, Effect::None);
    assert_eq!(failed.violations[0].row, Some(2));
    assert!(!format!("{failed:?}").contains("anna"), "{failed:?}");
}

#[tokio::test]
async fn a_broken_answer_leaves_the_effect_open() {
    let failed = enhance(503, &json!({})).await.unwrap_err();
    assert_eq!(failed.error.effect, Effect::Unknown);
}

#[tokio::test]
async fn nothing_is_sent_without_rows() {
    let server = server().await;
    let connector = connector(&server.uri()).0;
    let clients = connector.connect(Some(&refresh_secret()), None).await.unwrap();
    assert!(clients.uploads.upload_clicks(&request(0)).await.is_err());
    assert!(server.received_requests().await.unwrap().is_empty());
}
