//! One row of an answer, or one detail of an error, holds something that JSON readers refuse a whole answer for. It
//! takes nothing else along, and nothing is called uploaded for it.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

use crate::domain::batch::NO_ROW;
use crate::domain::evidence::{Evidence, NamedDestination};
use crate::ports::Cause;
use crate::upstream::google::test_support::{cid, clicks, clients, server};

const SEARCH: &str = "/v26/customers/1234567890/googleAds:search";

/// Nested deeper than anything is read, a number beyond all limits, half a character.
fn parts() -> [String; 4] {
    let deep = |levels: usize| format!("{}{}", r#"{"a":["#.repeat(levels), "]}".repeat(levels));
    [deep(65), deep(300), "1e400".to_owned(), r#""\ud800""#.to_owned()]
}

/// An answer in which `"@"` is such a part.
fn spoilt(status: u16, body: &Value, part: &str) -> ResponseTemplate {
    let text = body.to_string().replace("\"@\"", part);
    ResponseTemplate::new(status).set_body_raw(text, "application/json")
}

async fn answering(at: &str, answer: ResponseTemplate) -> (wiremock::MockServer, crate::ports::GoogleClients) {
    let server = server().await;
    Mock::given(path(at)).respond_with(answer).mount(&server).await;
    let clients = clients(&server).await;
    (server, clients)
}

#[tokio::test]
async fn of_conversion_actions_and_customers() {
    for part in parts() {
        let action = |id: &str, name: &str| {
            json!({"conversionAction": {"id": id, "name": name, "status": "ENABLED", "type": "UPLOAD_CLICKS",
                "tagSnippets": [{"eventSnippet": name}]}, "metrics": name})
        };
        let body = json!({"results": [action("1", "one"), action("2", "@"), action("3", "three")], "x": "@"});
        let (_server, clients) = answering(SEARCH, spoilt(200, &body, &part)).await;
        let actions = clients.ads.read_actions(&cid("1234567890")).await.unwrap();
        let found: Vec<_> = actions
            .iter()
            .map(|action| (action.id.0, action.name.as_str()))
            .collect();
        assert_eq!(found, [(1, "one"), (2, ""), (3, "three")]);

        // What it is about would be taken for missing.
        let body = json!({"results": [action("1", "one"), action("@", "two")]});
        let (_server, clients) = answering(SEARCH, spoilt(200, &body, &part)).await;
        let error = clients.ads.read_actions(&cid("1234567890")).await.err().unwrap();
        assert_eq!(error.cause, Cause::Malformed);
        let body = json!({"results": [action("1", "one")], "nextPageToken": "@"});
        let (_server, clients) = answering(SEARCH, spoilt(200, &body, &part)).await;
        let error = clients.ads.read_actions(&cid("1234567890")).await.err().unwrap();
        assert_eq!(error.cause, Cause::Malformed);

        let body = json!({"results": [{"customer": {"id": "1234567890", "descriptiveName": "@", "currencyCode": "EUR",
            "conversionTrackingSetting": {"googleAdsConversionCustomer": "customers/1234567890"}}}]});
        let (_server, clients) = answering(SEARCH, spoilt(200, &body, &part)).await;
        let customer = clients.ads.read_customer(&cid("1234567890")).await.unwrap();
        assert_eq!(
            (customer.descriptive_name, customer.currency_code.as_deref()),
            (None, Some("EUR"))
        );
    }
}

#[tokio::test]
async fn of_uploads() {
    let at = "/v26/customers/1234567890:uploadClickConversions";
    let order = clicks(1).rows[0].order.to_string();
    for part in parts() {
        let error = |index: Value| {
            json!({"errorCode": {"conversionUploadError": "EXPIRED_EVENT"}, "message": "@", "trigger": "@",
                "location": {"fieldPathElements": [{"fieldName": "conversions", "index": index}]}})
        };
        let of = |index: Value, second: Value| {
            json!({"partialFailureError": {"code": 3, "details": [{"errors": [error(index)], "x": "@"}]},
                "results": [{}, second, {"orderId": order, "x": "@"}]})
        };
        let body = of(json!(0), json!({"orderId": "@", "gclid": "Cj0-secret"}));
        let (_server, google) = answering(at, spoilt(200, &body, &part)).await;
        let answer = google.clicks.upload_rows(&clicks(3)).await.unwrap();
        assert_eq!(answer.evidence, [Evidence::None, Evidence::OfAnother, Evidence::Taken]);
        assert_eq!(answer.errors.iter().map(|e| e.row).collect::<Vec<_>>(), [Some(0)]);

        // Nobody knows which row it is about: it may be any.
        let body = of(json!("@"), json!({"orderId": order}));
        let (_server, google) = answering(at, spoilt(200, &body, &part)).await;
        let answer = google.clicks.upload_rows(&clicks(3)).await.unwrap();
        assert_eq!(answer.errors.iter().map(|e| e.row).collect::<Vec<_>>(), [Some(NO_ROW)]);
    }
}

#[tokio::test]
async fn of_statuses() {
    for part in parts() {
        let entry = |action: &str, records: &str, count: &str, account: &str| {
            json!({"destination": {"productDestinationId": action, "operatingAccount": {"accountId": account}}, "x": "@",
                "requestStatus": "SUCCESS", "eventsIngestionStatus": {"recordCount": records},
                "errorInfo": {"errorCounts": [{"reason": "@", "recordCount": count}]}})
        };
        let mut whole = entry("8", "2", "0", "1234567890");
        whole["errorInfo"]["errorCounts"] = json!("@");
        let list = json!({"requestStatusPerDestination": [entry("7", "2", "0", "1234567890"), entry("@", "@", "@", "@"), whole]});
        let (_server, google) = answering("/v1/requestStatus:retrieve", spoilt(200, &list, &part)).await;
        let read = google.sink.request_status("r-1").await.unwrap();
        assert_eq!(
            read.iter().map(|s| s.report.records).collect::<Vec<_>>(),
            [Some(2), None, Some(2)]
        );
        let none_of_ours = NamedDestination {
            action: Some(None),
            account: Some(None),
        };
        assert_eq!(read[1].destination, none_of_ours);
        // One that can't be counted may have failed: it is not said that none has.
        let failed = read
            .iter()
            .map(|s| s.report.failures.iter().map(|e| e.count).collect::<Vec<_>>());
        assert_eq!(failed.collect::<Vec<_>>(), [[Some(0)], [None], [None]]);
    }
}

#[tokio::test]
async fn of_errors() {
    for part in parts() {
        let body = json!({"error": {"code": 403, "message": "@", "status": "PERMISSION_DENIED", "details": ["@",
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
             "metadata": {"service": "googleads.googleapis.com", "x": "@"}}]}});
        let (_server, google) = answering(SEARCH, spoilt(403, &body, &part)).await;
        let error = google.ads.read_goals(&cid("1234567890")).await.err().unwrap();
        assert_eq!(
            (error.cause, error.code.as_deref()),
            (Cause::ServiceDisabled, Some("SERVICE_DISABLED"))
        );
    }
}
