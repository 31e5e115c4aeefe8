#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use wiremock::matchers::{body_partial_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::domain::codes::Code;
use crate::domain::outcome::reason;
use crate::ports::Effect;
use crate::ports::work_permit::{NoPermit, WorkPermit};
use crate::ports::{GoogleConnector as _, GoogleCredentials};
use crate::upstream::google::test_support::{clicks, clients, connect, connector, secret, server};

async fn ingest(response: ResponseTemplate) -> Result<String, IngestError> {
    let server = server().await;
    mount(&server, response, 1).await;
    clients(&server).await.sink.ingest(&clicks(2)).await
}

async fn mount(server: &MockServer, response: ResponseTemplate, times: u64) {
    Mock::given(method("POST"))
        .and(path("/v1/events:ingest"))
        .and(header("authorization", "Bearer t-1"))
        .and(header("content-type", "application/json"))
        .respond_with(response)
        .expect(times)
        .mount(server)
        .await;
}

fn good(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

#[tokio::test]
async fn an_accepted_request_gives_its_id() {
    let warnings = json!([{"reason": "WARNING_REASON_GENERIC", "description": "x", "field": "y"}]);
    let id = ingest(good(&json!({"requestId": "r-1", "fieldWarnings": warnings}))).await;
    assert_eq!(id.ok().as_deref(), Some("r-1"));
}

#[tokio::test]
async fn a_request_that_is_only_validated_says_so_and_needs_no_permit() {
    let server = server().await;
    Mock::given(method("POST"))
        .and(path("/v1/events:ingest"))
        .and(body_partial_json(json!({"validateOnly": true})))
        .respond_with(good(&json!({})))
        .expect(1)
        .mount(&server)
        .await;
    let connector = connector(&server.uri()).0.permitted_by(Arc::new(Nobody));
    let clients = connect(&connector).await;
    clients.sink.validate(&clicks(2)).await.unwrap();
    let refused = clients.sink.ingest(&clicks(2)).await.err().unwrap();
    assert!(refused.error.message.contains("only looks"), "{}", refused.error);
}

/// Permits nothing.
struct Nobody;

#[async_trait]
impl WorkPermit for Nobody {
    async fn confirm_permit(&self) -> Result<(), NoPermit> {
        Err(NoPermit {
            why: "this process only looks".to_owned(),
        })
    }
}

#[test]
fn a_warning_whose_reason_is_no_code_has_none() {
    let reasons = ["Anna Maier, anna@example.com", "WARNING_REASON_GENERIC", "4930123456"];
    let all: Vec<_> = reasons.iter().map(|reason| json!({"reason": reason})).collect();
    let counted = field_warnings(&json!({"fieldWarnings": all}));
    let expected = [("UNSPECIFIED", 2), ("WARNING_REASON_GENERIC", 1)];
    assert_eq!(
        counted,
        expected.map(|(reason, count)| (reason.to_owned(), count)).into()
    );
}

#[tokio::test]
async fn without_a_request_id_the_effect_is_open() {
    for response in [
        good(&json!({})),
        good(&json!({"requestId": ""})),
        ResponseTemplate::new(200).set_body_string("{\"requestI"),
        ResponseTemplate::new(500),
        good(&json!({"requestId": "r"})).set_delay(Duration::from_millis(900)),
    ] {
        let failed = ingest(response).await.err().unwrap();
        assert_eq!(failed.error.effect, Effect::Unknown, "{}", failed.error);
        assert!(failed.error.is_transient());
    }
}

#[tokio::test]
async fn a_fast_fail_names_the_row() {
    let body = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Cj0-secret", "details": [
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [
            {"field": "events.events[1].ad_identifiers.gclid", "description": "Cj0-secret", "reason": "INVALID_FORMAT"}]}]}});
    let failed = ingest(ResponseTemplate::new(400).set_body_json(body))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (failed.error.cause, failed.error.effect),
        (Cause::Refused, Effect::None)
    );
    assert_eq!(failed.error.code.as_deref(), Some("INVALID_ARGUMENT"));
    assert_eq!(
        (
            failed.complaints[0].row,
            failed.complaints[0].code.as_ref().map(|c| c.name.as_str())
        ),
        (Some(1), Some("INVALID_FORMAT"))
    );
    assert!(!failed.error.message.contains("secret"), "{}", failed.error);
}

#[tokio::test]
async fn an_ingest_is_never_repeated_and_its_gate_holds() {
    let server = server().await;
    mount(
        &server,
        ResponseTemplate::new(429)
            .insert_header("Retry-After", "60")
            .set_body_json(json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}})),
        1,
    )
    .await;
    let clients = clients(&server).await;
    for _ in 0..2 {
        let failed = clients.sink.ingest(&clicks(1)).await.err().unwrap().error;
        assert_eq!((failed.cause, failed.effect), (Cause::RateLimited, Effect::None));
        assert!(failed.retry_after.unwrap() > jiff::SignedDuration::from_secs(50));
    }
}

#[tokio::test]
async fn requests_that_can_only_be_refused_are_not_sent() {
    let server = server().await;
    mount(&server, good(&json!({"requestId": "r"})), 0).await;
    let sink = clients(&server).await.sink;
    let mut lost = clicks(1);
    lost.rows[0].destination = 1;
    for bad in [clicks(0), clicks(MAX_ROWS + 1), lost] {
        assert_eq!(sink.ingest(&bad).await.err().unwrap().error.cause, Cause::Refused);
    }
}

#[tokio::test]
async fn a_user_of_ambient_kind_names_the_project_to_bill() {
    let server = server().await;
    Mock::given(path("/v1/events:ingest"))
        .and(header("x-goog-user-project", "project-7"))
        .respond_with(good(&json!({"requestId": "r"})))
        .expect(1)
        .mount(&server)
        .await;
    let user = json!({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "refresh-1",
        "quota_project_id": "project-7"});
    let data = secret(&[("credentials.json", &user.to_string())]);
    let clients = connector(&server.uri())
        .0
        .connect(GoogleCredentials::Secret(&data), None)
        .await
        .unwrap();
    assert!(clients.sink.ingest(&clicks(1)).await.is_ok());
}

async fn status(response: ResponseTemplate) -> Result<Vec<DestinationStatus>, UpstreamError> {
    let server = server().await;
    Mock::given(method("GET"))
        .and(path("/v1/requestStatus:retrieve"))
        .and(query_param("requestId", "r/1 ü"))
        .respond_with(response)
        .mount(&server)
        .await;
    clients(&server).await.sink.request_status("r/1 ü").await
}

#[tokio::test]
async fn a_status_is_read_leniently_and_in_order() {
    let body = json!({"requestStatusPerDestination": [
        {"destination": {"reference": "d0", "productDestinationId": "99",
            "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1234567890"}},
         "requestStatus": "PARTIAL_SUCCESS", "eventsIngestionStatus": {"recordCount": "8"},
         "errorInfo": {"errorCounts": [
            {"reason": "PROCESSING_ERROR_REASON_TOO_RECENT_CLICK", "recordCount": "2", "recordIndices": [0, "4"]},
            {"reason": "A_NEW_REASON", "recordCount": 3},
            {"recordIndices": [7]}, {"reason": "anna@example.com, +49 30 123456", "recordCount": 1}]}},
        {"destination": {"productDestinationId": "no number"}, "requestStatus": "A_NEW_STATUS"},
        {}]});
    let read = status(good(&body)).await.unwrap();
    let count = |name: &str, bare: &str, class, count, rows: &[usize]| ReportedFailure {
        code: Code::new(name, bare, class),
        count,
        rows: rows.to_vec(),
    };
    assert_eq!(
        read[0],
        DestinationStatus {
            destination: NamedDestination {
                action: Some(Some("99".into())),
                account: Some(Some("1234567890".into())),
            },
            report: RequestReport {
                progress: RequestProgress::PartlyFailed,
                records: Some(8),
                failures: vec![
                    count(
                        "PROCESSING_ERROR_REASON_TOO_RECENT_CLICK",
                        "TOO_RECENT_CLICK",
                        Class::Wait(reason::CLICK_TOO_RECENT),
                        Some(2),
                        &[0, 4],
                    ),
                    count("A_NEW_REASON", "A_NEW_REASON", Class::Unknown, Some(3), &[]),
                    count("UNSPECIFIED", "UNSPECIFIED", Class::SaysNothing, None, &[7]),
                    // May hold anything: it is not kept.
                    count("UNKNOWN", "UNKNOWN", Class::SaysNothing, Some(1), &[]),
                ],
            },
        }
    );
    assert_eq!(
        (read[1].destination.action.clone(), read[1].report.progress),
        (Some(None), RequestProgress::Open)
    );
    assert_eq!(read[2].report.progress, RequestProgress::Open);
    assert_eq!(
        (&read[2].destination, read[2].report.records),
        (&NamedDestination::default(), None)
    );
}

#[tokio::test]
async fn a_forgotten_request_keeps_its_code() {
    for code in ["INVALID_REQUEST_ID", "REQUEST_TOO_OLD"] {
        let body = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "x", "details": [
            {"@type": "type.googleapis.com/google.rpc.BadRequest",
             "fieldViolations": [{"field": "request_id", "description": "x", "reason": code}]}]}});
        let error = status(ResponseTemplate::new(400).set_body_json(body))
            .await
            .err()
            .unwrap();
        assert_eq!((error.cause, error.code.as_deref()), (Cause::NotFound, Some(code)));
    }
    assert_eq!(status(good(&json!({}))).await.err().unwrap().cause, Cause::Malformed);
}

#[test]
fn a_status_of_any_other_name_is_asked_about_again() {
    let table = [
        ("SUCCESS", RequestProgress::Succeeded),
        ("PARTIAL_SUCCESS", RequestProgress::PartlyFailed),
        ("FAILED", RequestProgress::Failed),
        ("PROCESSING", RequestProgress::Open),
        ("REQUEST_STATUS_UNKNOWN", RequestProgress::Open),
        ("A_STATUS_OF_2027", RequestProgress::Open),
        ("", RequestProgress::Open),
    ];
    for (name, wanted) in table {
        assert_eq!(parse_progress(name), wanted, "{name}");
    }
}
