//! Whatever Google answers to whichever call, nothing panics.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer};

use crate::domain::ids::ActionId;
use crate::domain::request_report::destination_results;
use crate::ports::ads::{ActionFields, Goal};
use crate::ports::hostile_answers::{AnyAnswer, bodies, often_200, within};
use crate::ports::sink::DestinationStatus;
use crate::ports::{GoogleClients, GoogleConnector as _, GoogleCredentials};
use crate::upstream::google::GoogleConnector;
use crate::upstream::google::test_support::{cid, clicks, connector, secret, token};

const NAMES: &[&str] = &[
    "results",
    "nextPageToken",
    "customer",
    "id",
    "resourceName",
    "conversionAction",
    "status",
    "type",
    "name",
    "clickThroughLookbackWindowDays",
    "valueSettings",
    "tagSnippets",
    "conversionTrackingSetting",
    "metrics",
    "segments",
    "allConversions",
    "error",
    "details",
    "@type",
    "errors",
    "errorCode",
    "location",
    "fieldPathElements",
    "fieldName",
    "index",
    "message",
    "quotaErrorDetails",
    "retryDelay",
    "partialFailureError",
    "code",
    "requestId",
    "requestStatusPerDestination",
    "requestStatus",
    "errorInfo",
    "errorCounts",
    "recordCount",
    "reason",
    "recordIndices",
    "destination",
    "productDestinationId",
    "operatingAccount",
    "accountId",
    "eventsIngestionStatus",
    "fieldWarnings",
    "access_token",
    "expires_in",
    "scope",
];

/// Right answers to the calls, one of each shape.
fn right() -> Vec<Value> {
    let failure = json!({"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure", "requestId": "r",
         "errors": [{"errorCode": {"quotaError": "RESOURCE_EXHAUSTED"}, "message": "m",
            "details": {"quotaErrorDetails": {"rateScope": "DEVELOPER", "retryDelay": "1s"}},
            "location": {"fieldPathElements": [{"fieldName": "operations", "index": 1}, {"fieldName": "conversions", "index": 0}]}}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.1s"},
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "QUOTA", "domain": "d", "metadata": {"service": "s"}},
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "events[0].x", "description": "d", "reason": "R"}]}]});
    vec![
        json!({"results": [{
            "customer": {"id": "1234567890", "descriptiveName": "n", "currencyCode": "EUR", "timeZone": "UTC", "manager": false,
                "testAccount": false, "conversionTrackingSetting": {"conversionTrackingId": "1", "acceptedCustomerDataTerms": true,
                "conversionTrackingStatus": "CONVERSION_TRACKING_MANAGED_BY_SELF",
                "googleAdsConversionCustomer": "customers/1234567890", "enhancedConversionsForLeadsEnabled": true}},
            "conversionAction": {"resourceName": "customers/1234567890/conversionActions/7", "id": "7", "name": "n",
                "status": "ENABLED", "type": "UPLOAD_CLICKS", "category": "PURCHASE", "origin": "WEBSITE",
                "ownerCustomer": "customers/1234567890", "primaryForGoal": true, "countingType": "ONE_PER_CLICK",
                "clickThroughLookbackWindowDays": "90", "viewThroughLookbackWindowDays": "1", "valueSettings": {"defaultValue": 1.5},
                "tagSnippets": [{"type": "WEBPAGE", "pageFormat": "HTML", "eventSnippet": "'send_to': 'AW-1/x'"}]},
            "customerConversionGoal": {"resourceName": "customers/1/customerConversionGoals/PURCHASE~WEBSITE", "category": "PURCHASE",
                "origin": "WEBSITE", "biddable": true},
            "segments": {"conversionAction": "customers/1234567890/conversionActions/7"},
            "metrics": {"allConversions": 1.5, "conversions": 1.0}}]}),
        json!({"requestId": "r-1", "fieldWarnings": [{"field": "f", "reason": "R", "description": "d"}]}),
        json!({"requestStatusPerDestination": [{"destination": {"reference": "d0", "productDestinationId": "99",
            "operatingAccount": {"accountId": "1234567890"}}, "requestStatus": "PARTIAL_SUCCESS",
            "eventsIngestionStatus": {"recordCount": "3"},
            "errorInfo": {"errorCounts": [{"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_INVALID_GCLID", "recordIndices": ["0"]}]}}]}),
        json!({"results": [{"gclid": "g"}, {}], "partialFailureError": failure, "jobId": "1"}),
        json!({"mutateOperationResponses": [], "results": [{"resourceName": "customers/1234567890/conversionActions/7"}]}),
        json!({"error": failure}),
    ]
}

/// As the poller does.
fn judge(statuses: &[DestinationStatus]) {
    for status in statuses {
        let _ = (
            destination_results(&status.report, &[0, 2], 3),
            status.report.is_finished(),
        );
    }
}

/// Every call once.
async fn call_all(clients: &GoogleClients) {
    let (owner, fields) = (cid("1234567890"), ActionFields::default());
    within(clients.ads.read_customer(&owner)).await;
    within(clients.ads.read_actions(&owner)).await;
    within(clients.ads.actions_named(&owner, "n")).await;
    let goals = within(clients.ads.read_goals(&owner)).await;
    within(clients.ads.read_attribution(&owner)).await;
    within(clients.ads.create_action(&owner, &fields)).await;
    within(clients.ads.update_action(&owner, ActionId(7), &fields)).await;
    within(clients.ads.remove_action(&owner, ActionId(7))).await;
    if let Some(Ok(goals)) = goals {
        for goal in goals.iter().take(1) {
            let goal: &Goal = goal;
            within(clients.ads.set_goal_biddable(&owner, goal, true)).await;
        }
    }
    within(clients.sink.ingest(&clicks(3))).await;
    within(clients.sink.validate(&clicks(3))).await;
    if let Some(Ok(statuses)) = within(clients.sink.request_status("r-1")).await {
        judge(&statuses);
    }
    within(clients.clicks.upload_rows(&clicks(3))).await;
    within(clients.enhancements.upload_rows(&clicks(3))).await;
    within(clients.clicks.validate_rows(&clicks(3))).await;
}

/// Clients of their own: the limits and the token of those before are not theirs.
async fn clients(connector: &GoogleConnector, case: u32) -> GoogleClients {
    let data = secret(&[
        ("clientId", &format!("id-{case}")),
        ("clientSecret", "s"),
        ("refreshToken", "refresh-1"),
    ]);
    connector.connect(GoogleCredentials::Secret(&data), None).await.unwrap()
}

#[test]
fn no_answer_to_any_call_panics() {
    let any = AnyAnswer::new();
    let server = any.block_on(MockServer::start());
    any.serve(&server);
    let tokens = Mock::given(path("/token")).respond_with(token("t-1"));
    any.block_on(tokens.with_priority(1).mount(&server));
    let connector = connector(&server.uri()).0;
    any.run(
        often_200(&[204, 302, 400, 403, 404, 409]),
        bodies(right(), NAMES),
        async |case| {
            call_all(&clients(&connector, case).await).await;
        },
    );
}

#[test]
fn no_answer_of_the_token_endpoint_panics() {
    let right = json!({"access_token": "t", "expires_in": 3599, "scope": "https://www.googleapis.com/auth/adwords", "token_type": "Bearer"});
    let wrong = json!({"error": "invalid_grant", "error_description": "d", "error_subtype": "s"});
    let any = AnyAnswer::new();
    let server = any.block_on(MockServer::start());
    any.serve(&server);
    let connector = connector(&server.uri()).0;
    any.run(
        proptest::sample::select(&[200, 400, 401]),
        bodies(vec![right, wrong], NAMES),
        async |case| {
            within(clients(&connector, case).await.ads.read_goals(&cid("1234567890"))).await;
        },
    );
}
