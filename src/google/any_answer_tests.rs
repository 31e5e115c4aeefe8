//! Whatever Google answers to whichever call, nothing panics.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use wiremock::matchers::{any as anything, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::GoogleConnector;
use super::test_support::{cid, connector, secret, token};
use crate::domain::batch::{Failure, Report, is_finished, results};
use crate::domain::ids::{ActionId, OrderId, TransactionId};
use crate::sync::ports::ads::{ActionFields, Goal};
use crate::sync::ports::any_json::{any_json, edited, edits};
use crate::sync::ports::sink::{ClickId, Conversion, Destination, DestinationStatus, UploadRequest};
use crate::sync::ports::{GoogleClients, GoogleConnector as _, GoogleCredentials};

/// Longest time for one call; an answer may ask to come back later.
const LIMIT: Duration = Duration::from_millis(250);

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

fn request() -> UploadRequest {
    let row = Conversion {
        destination: 0,
        order: OrderId::Lifecycle(TransactionId([1; 20])),
        at: "2026-11-20T12:00:00Z".parse().unwrap(),
        value: None,
        click: Some(ClickId::Gclid("Cj0-secret".to_owned())),
        identifiers: Vec::new(),
        consent_granted: false,
    };
    UploadRequest {
        destinations: vec![Destination {
            customer: cid("1234567890"),
            action: ActionId(99),
        }],
        login: None,
        rows: vec![row; 3],
    }
}

/// As the poller does.
fn judge(statuses: &[DestinationStatus]) {
    for status in statuses {
        let report = Report {
            status: &status.status,
            records: status.records,
            failures: status
                .errors
                .iter()
                .map(|error| Failure {
                    code: &error.code,
                    count: error.count,
                    rows: &error.rows,
                })
                .collect(),
        };
        let _ = (results(&report, &[0, 2], 3), is_finished(&status.status));
    }
}

async fn within<T>(call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(LIMIT, call).await.ok()
}

/// Every call once.
async fn call_all(clients: &GoogleClients) {
    let (owner, fields) = (cid("1234567890"), ActionFields::default());
    within(clients.ads.customer(&owner)).await;
    within(clients.ads.actions(&owner)).await;
    within(clients.ads.actions_named(&owner, "n")).await;
    let goals = within(clients.ads.goals(&owner)).await;
    within(clients.ads.attribution(&owner)).await;
    within(clients.ads.create_action(&owner, &fields)).await;
    within(clients.ads.update_action(&owner, ActionId(7), &fields)).await;
    within(clients.ads.remove_action(&owner, ActionId(7))).await;
    if let Some(Ok(goals)) = goals {
        for goal in goals.iter().take(1) {
            let goal: &Goal = goal;
            within(clients.ads.set_goal_biddable(&owner, goal, true)).await;
        }
    }
    within(clients.sink.ingest(&request())).await;
    if let Some(Ok(statuses)) = within(clients.sink.request_status("r-1")).await {
        judge(&statuses);
    }
    within(clients.uploads.upload_clicks(&request())).await;
    within(clients.uploads.enhance(&request())).await;
}

/// Clients of their own: the limits and the token of those before are not theirs.
async fn clients(connector: &GoogleConnector, case: &Cell<u32>) -> GoogleClients {
    case.set(case.get() + 1);
    let client = format!("id-{}", case.get());
    let data = secret(&[
        ("clientId", &client),
        ("clientSecret", "s"),
        ("refreshToken", "refresh-1"),
    ]);
    connector.connect(GoogleCredentials::Secret(&data), None).await.unwrap()
}

/// A server that answers every call alike, by what is put there.
async fn serve(answer: Arc<Mutex<ResponseTemplate>>) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/token"))
        .respond_with(token("t-1"))
        .with_priority(1)
        .mount(&server)
        .await;
    let respond = move |_: &Request| answer.lock().unwrap().clone();
    Mock::given(anything())
        .respond_with(respond)
        .with_priority(2)
        .mount(&server)
        .await;
    server
}

#[test]
fn no_answer_to_any_call_panics() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = Arc::new(Mutex::new(ResponseTemplate::new(200)));
    let server = runtime.block_on(serve(answer.clone()));
    let shapes = right();
    let right_shape =
        (0..shapes.len(), edits(NAMES)).prop_map(move |(which, edits)| edited(shapes[which].clone(), &edits));
    let bodies = prop_oneof![3 => right_shape, 1 => any_json(NAMES)];
    let statuses =
        prop_oneof![4 => Just(200_u16), 1 => proptest::sample::select(vec![204_u16, 302, 400, 403, 404, 409])];
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (connector, case) = (connector(&server.uri()).0, Cell::new(0));
    TestRunner::new(config)
        .run(&(statuses, bodies), |(status, body)| {
            *answer.lock().unwrap() = ResponseTemplate::new(status).set_body_json(&body);
            runtime.block_on(async { call_all(&clients(&connector, &case).await).await });
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_answer_of_the_token_endpoint_panics() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let right = json!({"access_token": "t", "expires_in": 3599, "scope": "https://www.googleapis.com/auth/adwords", "token_type": "Bearer"});
    let wrong = json!({"error": "invalid_grant", "error_description": "d", "error_subtype": "s"});
    let bodies = prop_oneof![
        edits(NAMES).prop_map(move |edits| edited(right.clone(), &edits)),
        edits(NAMES).prop_map(move |edits| edited(wrong.clone(), &edits)),
        any_json(NAMES),
    ];
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let answer = Arc::new(Mutex::new(ResponseTemplate::new(200)));
    let server = runtime.block_on(async {
        let server = MockServer::start().await;
        let answer = answer.clone();
        let respond = move |_: &Request| answer.lock().unwrap().clone();
        Mock::given(anything()).respond_with(respond).mount(&server).await;
        server
    });
    let (connector, case) = (connector(&server.uri()).0, Cell::new(0));
    TestRunner::new(config)
        .run(
            &(proptest::sample::select(vec![200_u16, 400, 401]), bodies),
            |(status, body)| {
                *answer.lock().unwrap() = ResponseTemplate::new(status).set_body_json(&body);
                runtime.block_on(async {
                    within(clients(&connector, &case).await.ads.goals(&cid("1234567890")))
                        .await
                        .map(drop)
                });
                Ok(())
            },
        )
        .unwrap();
}
