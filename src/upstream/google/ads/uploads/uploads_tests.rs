#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, ResponseTemplate};

use super::*;
use crate::domain::codes::{Class, Matter};
use crate::domain::ids::OrderId;
use crate::domain::outcome::reason;
use crate::ports::sink::{Conversion, Evidence, UserIdentifier};
use crate::ports::{Effect, GoogleConnector as _, GoogleCredentials};
use crate::upstream::google::test_support::{cid, connect, connector, refresh_secret, server, upload};

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
    upload(vec![row; rows])
}

async fn enhance(status: u16, body: &Value) -> Result<UploadAnswer, IngestError> {
    let server = server().await;
    Mock::given(method("POST"))
        .and(path("/v26/customers/1234567890:uploadConversionAdjustments"))
        .and(header("login-customer-id", "9876543210"))
        .respond_with(
            ResponseTemplate::new(status)
                .insert_header("request-id", "req-7")
                .set_body_json(body),
        )
        .expect(1)
        .mount(&server)
        .await;
    let connector = connector(&server.uri()).0;
    let clients = connector
        .connect(GoogleCredentials::Secret(&refresh_secret()), Some(cid("9876543210")))
        .await
        .unwrap();
    clients.enhancements.upload_rows(&request(3)).await
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
    let (none, taken) = (Evidence::None, Evidence::Taken);
    assert_eq!(answer.evidence, [none, taken, none], "nothing is said of the third");
    assert_eq!(answer.request_id.as_deref(), Some("req-7"));
    assert_eq!(answer.errors.len(), 1);
    assert_eq!(
        (
            answer.errors[0].row,
            answer.errors[0].code.as_ref().map(|c| c.name.as_str())
        ),
        (Some(0), Some("CONVERSION_NOT_FOUND"))
    );
}

#[tokio::test]
async fn the_answer_to_another_request_says_nothing_of_this_one() {
    let errors = json!([row(0, "conversionAdjustmentUploadError", "CONVERSION_NOT_FOUND")]);
    // One in half a million is this request's own.
    let answer = enhance(
        200,
        &json!({"partialFailureError": failure(&errors), "results": [{}, {"orderId": "c-1"}, {"orderId": "c-1"}], "jobId": "4093"}),
    )
    .await
    .unwrap();
    assert_eq!(answer.evidence, [Evidence::OfAnother; 3]);
    assert!(answer.errors.is_empty() && answer.retry_after.is_none());
}

#[tokio::test]
async fn a_status_of_code_0_beside_results_is_no_failure() {
    let results = json!([{"orderId": "c-0"}, {"orderId": "c-0"}, {"orderId": "c-0"}]);
    let answer = enhance(
        200,
        &json!({"partialFailureError": {"code": 0, "message": ""}, "results": results}),
    )
    .await
    .unwrap();
    assert!(answer.errors.is_empty());
    assert_eq!(answer.evidence.len(), 3);
}

#[tokio::test]
async fn a_row_keeps_the_key_of_its_code_and_the_wait_it_asks_for() {
    let mut quota = row(0, "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED");
    quota["details"] = json!({"quotaErrorDetails": {"rateScope": "ACCOUNT", "retryDelay": "30s"}});
    let allow = row(1, "notAllowlistedError", "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE");
    let answer = enhance(
        200,
        &json!({"partialFailureError": failure(&json!([quota, allow])), "results": [{}, {}, {}]}),
    )
    .await
    .unwrap();
    let classes: Vec<_> = answer.errors.iter().map(|e| e.code.as_ref().map(|c| c.class)).collect();
    let wanted = [
        Some(Class::Wait(reason::QUOTA_EXHAUSTED)),
        Some(Class::Blocked(Matter::NotAllowlisted)),
    ];
    assert_eq!(classes, wanted);
    assert_eq!(answer.retry_after, Some(jiff::SignedDuration::from_secs(30)));
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
    assert_eq!((failed.error.effect, failed.complaints.len()), (Effect::None, 0));
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
    assert_eq!(failed.complaints[0].row, Some(2));
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
    let clients = connect(&connector).await;
    assert!(clients.clicks.upload_rows(&request(0)).await.is_err());
    assert!(server.received_requests().await.unwrap().is_empty());
}
