//! Answers that no service gives, or a stranger in between: none costs memory, time, secrets or a wrong picture.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::domain::request_report::RequestProgress;
use crate::ports::ads::GoogleAds;
use crate::ports::{Cause, Effect, UpstreamError};
use crate::upstream::google::test_support::{Silent, cid, clicks, clients, config, connect, goals_error, http, server};
use crate::upstream::google::{GoogleConfig, GoogleConnector, Timeouts};
use crate::upstream::http::body::BOMB;
use crate::upstream::http::memory::{KEPT, TURN_OF_TESTS, ends_in};

const SEARCH: &str = "/v26/customers/1234567890/googleAds:search";
const PERSON: &str = "Anna Maier, anna@example.com, +49 30 1234567, Hauptstr. 1";

async fn goals(response: ResponseTemplate) -> UpstreamError {
    let server = server().await;
    Mock::given(path(SEARCH)).respond_with(response).mount(&server).await;
    goals_error(&clients(&server).await).await
}

#[tokio::test]
async fn a_bomb_is_not_unpacked_in_good_answers_nor_in_errors() {
    let _turn = TURN_OF_TESTS.lock().await;
    for status in [200, 400, 503] {
        let packed = ResponseTemplate::new(status)
            .insert_header("content-encoding", "gzip")
            .set_body_bytes(BOMB);
        let error = goals(packed).await;
        assert_eq!((error.cause, error.status), (Cause::Malformed, Some(status)), "{error}");
        assert!(error.message.contains("larger than"), "{error}");
    }
}

#[tokio::test]
async fn pages_without_end_are_left() {
    let server = server().await;
    let page = |request: &Request| {
        let asked: Value = request.body_json().unwrap();
        let number: u64 = asked["pageToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let row = json!({"customerConversionGoal": {"category": "PURCHASE", "origin": "WEBSITE"}});
        let rows = vec![row; 10];
        ResponseTemplate::new(200).set_body_json(json!({"results": rows, "nextPageToken": (number + 1).to_string()}))
    };
    Mock::given(path(SEARCH)).respond_with(page).mount(&server).await;
    let error = goals_error(&clients(&server).await).await;
    assert!(error.message.contains("does not end"), "{error}");
    let sent = server.received_requests().await.unwrap().len();
    assert!(sent < 30, "{sent} requests");
}

/// For what must not depend on how busy the machine is: large pages, and memory that other tests hold.
const LONG: Duration = Duration::from_mins(1);

/// The client of an account whose reads may take so long.
async fn ads_within(server: &MockServer, read: Duration) -> Arc<dyn GoogleAds> {
    let config = GoogleConfig {
        timeouts: Timeouts {
            read,
            ..Timeouts::default()
        },
        ..config(&server.uri())
    };
    let connector = GoogleConnector::new(config, http(), Arc::new(Silent));
    connect(&connector).await.ads
}

#[tokio::test]
async fn large_pages_count_together() {
    let _turn = TURN_OF_TESTS.lock().await;
    let server = server().await;
    let page = |request: &Request| {
        let asked: Value = request.body_json().unwrap();
        let number: u64 = asked["pageToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let goal = json!({"category": "PURCHASE", "origin": "WEBSITE"});
        let row = json!({"customerConversionGoal": goal, "other": "x".repeat(5_000_000)});
        ResponseTemplate::new(200).set_body_json(json!({"results": [row], "nextPageToken": (number + 1).to_string()}))
    };
    Mock::given(path(SEARCH)).respond_with(page).mount(&server).await;
    let ads = ads_within(&server, LONG).await;
    let error = ads.read_goals(&cid("1234567890")).await.err().unwrap();
    assert!(error.message.contains("together are too large"), "{error}");
}

#[tokio::test]
async fn what_large_searches_keep_counts_for_all_together() {
    let _turn = TURN_OF_TESTS.lock().await;
    let server = server().await;
    let page = |request: &Request| {
        let asked: Value = request.body_json().unwrap();
        let goal = json!({"customerConversionGoal": {"category": "PURCHASE", "origin": "WEBSITE"}});
        let next = if asked["pageToken"].is_null() { "1" } else { "" };
        let filling = "x".repeat(2_000_000);
        ResponseTemplate::new(200).set_body_json(json!({"results": [goal], "other": filling, "nextPageToken": next}))
    };
    Mock::given(path(SEARCH)).respond_with(page).mount(&server).await;
    let ads = ads_within(&server, Duration::from_millis(800)).await;
    let mut held = KEPT.share();
    held.grow(32 << 20, ends_in(Duration::from_secs(20))).await.unwrap();
    held.complete();
    let error = ads.read_goals(&cid("1234567890")).await.err().unwrap();
    assert_eq!(error.cause, Cause::Unavailable);
    assert!(error.message.contains("no memory"), "{error}");
    drop(held);
    let ads = ads_within(&server, LONG).await;
    assert_eq!(ads.read_goals(&cid("1234567890")).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_search_has_a_limit_of_its_own() {
    let server = server().await;
    let page = |request: &Request| {
        let asked: Value = request.body_json().unwrap();
        let number: u64 = asked["pageToken"].as_str().map_or(0, |token| token.parse().unwrap());
        ResponseTemplate::new(200)
            .set_body_json(json!({"nextPageToken": (number + 1).to_string()}))
            .set_delay(Duration::from_millis(150))
    };
    Mock::given(path(SEARCH)).respond_with(page).mount(&server).await;
    let quick = GoogleConfig {
        timeouts: Timeouts {
            read: Duration::from_millis(200),
            ..Timeouts::default()
        },
        ..config(&server.uri())
    };
    let connector = GoogleConnector::new(quick, http(), Arc::new(Silent));
    let clients = connect(&connector).await;
    let started = Instant::now();
    let error = goals_error(&clients).await;
    assert!(error.message.contains("not finished within"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn redirects_are_errors_that_name_themselves_and_nothing_goes_elsewhere() {
    for status in [301, 302, 303, 307, 308] {
        let (server, other) = (server().await, MockServer::start().await);
        let away = ResponseTemplate::new(status).insert_header("location", format!("{}/stolen", other.uri()));
        Mock::given(method("POST"))
            .and(path("/v1/events:ingest"))
            .respond_with(away.clone())
            .mount(&server)
            .await;
        Mock::given(path(SEARCH))
            .respond_with(away.clone())
            .mount(&server)
            .await;
        let clients = clients(&server).await;
        let read = goals_error(&clients).await;
        assert_eq!((read.cause, read.effect), (Cause::Malformed, Effect::None));
        let sent = clients.sink.ingest(&clicks(1)).await.err().unwrap().error;
        assert_eq!((sent.cause, sent.effect), (Cause::Malformed, Effect::Unknown));
        for error in [read, sent] {
            assert!(error.message.contains("redirect"), "{error}");
            assert!(!error.message.contains("stolen"), "{error}");
        }
        assert!(other.received_requests().await.unwrap().is_empty(), "{status}");
    }
}

#[tokio::test]
async fn a_token_endpoint_neither_redirects_nor_floods_nor_puts_off_for_years() {
    let other = MockServer::start().await;
    let absurd = ResponseTemplate::new(503).insert_header("retry-after", "9999999999");
    let away = ResponseTemplate::new(307).insert_header("location", format!("{}/stolen", other.uri()));
    let flood = ResponseTemplate::new(200).set_body_string("x".repeat(100_000));
    let verbose = ResponseTemplate::new(400).set_body_json(json!({"error": PERSON.repeat(100)}));
    let mut errors = Vec::new();
    for response in [absurd, away, flood, verbose] {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(response).mount(&server).await;
        errors.push(goals_error(&clients(&server).await).await);
    }
    assert_eq!(errors[0].retry_after, Some(SignedDuration::from_mins(1)));
    assert!(errors[1].message.contains("redirect"), "{}", errors[1]);
    assert!(errors[2].message.contains("larger than"), "{}", errors[2]);
    assert_eq!(errors[3].code, None);
    assert!(!errors[3].message.contains("Anna"), "{}", errors[3]);
    assert!(other.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn waits_are_an_hour_at_most_wherever_they_stand_and_a_minute_without_a_word_of_googles() {
    let delay = |text: &str| {
        json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": text}]}})
    };
    let limit = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}});
    for (headers, body, minutes) in [
        (Some("9999999999"), json!({}), 1),
        (Some("9999999999"), limit.clone(), 60),
        (Some("Tue, 01 Jan 2199 00:00:00 GMT"), limit, 60),
        (None, delay("315576000000s"), 60),
        (None, delay("1e300s"), 60),
    ] {
        let mut response = ResponseTemplate::new(429).set_body_json(body);
        if let Some(text) = headers {
            response = response.insert_header("retry-after", text);
        }
        assert_eq!(
            goals(response).await.retry_after,
            Some(SignedDuration::from_mins(minutes)),
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn no_text_of_an_answer_passes_as_a_code_an_id_or_a_name_unread() {
    let long = PERSON.repeat(10_000);
    let status = json!({"requestStatusPerDestination": [{
        "requestStatus": long,
        "eventsIngestionStatus": {"recordCount": "1"},
        "errorInfo": {"errorCounts": [{"recordCount": "1", "reason": long, "recordIndices": ["0"]},
            {"recordCount": "18446744073709551615", "reason": "4930123456789"}]}}]});
    let server = server().await;
    let mount = async |at: &'static str, body: Value| {
        let response = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(path(at)).respond_with(response).mount(&server).await;
    };
    mount("/v1/requestStatus:retrieve", status).await;
    mount("/v1/events:ingest", json!({"requestId": long})).await;
    let action = json!({"resourceName": "customers/1234567890/conversionActions/7", "name": long, "status": long,
        "type": PERSON, "clickThroughLookbackWindowDays": "9223372036854775807", "viewThroughLookbackWindowDays": "-1",
        "valueSettings": {"defaultValue": "inf"}, "tagSnippets": [{"eventSnippet": long}]});
    mount(SEARCH, json!({"results": [{"conversionAction": action}]})).await;
    let clients = clients(&server).await;

    let told = clients.sink.request_status("r-1").await.unwrap();
    assert_eq!(told[0].report.progress, RequestProgress::Open);
    for error in &told[0].report.failures {
        assert_eq!(error.code.name, "UNKNOWN");
    }
    let refused = clients.sink.ingest(&clicks(1)).await.err().unwrap().error;
    assert!(
        refused.message.contains("requestId") && !refused.message.contains("Anna"),
        "{refused}"
    );
    let action = clients.ads.read_actions(&cid("1234567890")).await.unwrap().remove(0);
    assert_eq!(action.name.chars().count(), 256);
    assert_eq!(
        (action.status.as_str(), action.kind.as_str()),
        ("UNSPECIFIED", "UNSPECIFIED")
    );
    assert_eq!((action.click_window_days, action.view_window_days), (None, None));
    assert_eq!((action.default_value, action.event_snippets.len()), (None, 0));
}

/// Every field of a refusal that we read, with a person in it.
#[tokio::test]
async fn no_text_of_a_refusal_passes_as_a_code_or_an_id() {
    let info = |reason: &str, metadata: Value| json!({"@type": "google.rpc.ErrorInfo", "reason": reason, "metadata": metadata});
    let failed = json!({"errorCode": {"internalError": PERSON}, "message": "no"});
    let details = [
        json!({"@type": "google.rpc.RequestInfo", "requestId": PERSON}),
        info(PERSON, json!({"requestId": PERSON})),
        info("SERVICE_DISABLED", json!({"service": PERSON})),
        info("SERVICE_DISABLED", json!({"consumer": format!("projects/{PERSON}")})),
        info("RATE_LIMIT_EXCEEDED", json!({"quota_limit": PERSON})),
        json!({"@type": "google.ads.googleads.v26.errors.GoogleAdsFailure", "requestId": PERSON, "errors": [failed, failed]}),
    ];
    for detail in details {
        let body = json!({"error": {"code": 403, "status": PERSON, "message": PERSON, "details": [detail]}});
        let response = ResponseTemplate::new(403).insert_header("request-id", PERSON);
        let error = format!("{:?}", goals(response.set_body_json(body)).await);
        for part in ["Anna", "Maier", "1234567,", "Hauptstr"] {
            assert!(!error.contains(part), "{error}");
        }
    }
}
