#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::matchers::{body_json, body_partial_json, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::upstream::google::GoogleConnector;
use crate::upstream::google::ads::query;
use crate::upstream::google::test_support::{ads_error, cid, clients, config, connect, http, server};

const SEARCH: &str = "/v26/customers/1234567890/googleAds:search";
const MUTATE: &str = "/v26/customers/1234567890/conversionActions:mutate";

fn owner() -> CustomerId {
    cid("1234567890")
}

fn action_row(id: &str) -> Value {
    json!({"conversionAction": {"resourceName": format!("customers/1234567890/conversionActions/{id}"), "id": id,
        "name": "A", "status": "ENABLED", "type": "UPLOAD_CLICKS"}})
}

async fn answer(server: &MockServer, at: &str, response: ResponseTemplate, times: u64) {
    Mock::given(method("POST"))
        .and(path(at))
        .respond_with(response)
        .expect(times)
        .mount(server)
        .await;
}

#[tokio::test]
async fn all_pages_are_read_without_a_page_size() {
    let server = server().await;
    let query = query::ACTIONS;
    for (sent, page) in [
        (
            json!({"query": query}),
            json!({"results": [action_row("1")], "nextPageToken": "p2"}),
        ),
        (
            json!({"query": query, "pageToken": "p2"}),
            json!({"results": [action_row("2")], "nextPageToken": "p3"}),
        ),
        (json!({"query": query, "pageToken": "p3"}), json!({"nextPageToken": ""})),
    ] {
        Mock::given(path(SEARCH))
            .and(body_json(sent))
            .respond_with(ResponseTemplate::new(200).set_body_json(page))
            .expect(1)
            .mount(&server)
            .await;
    }
    let actions = clients(&server).await.ads.read_actions(&owner()).await.unwrap();
    assert_eq!(
        actions.iter().map(|action| action.id).collect::<Vec<_>>(),
        [ActionId(1), ActionId(2)]
    );
}

/// Why actions cannot be read from this server.
async fn cause_of_reading(server: &MockServer) -> Cause {
    let read = clients(server).await.ads.read_actions(&owner()).await;
    read.err().unwrap().cause
}

#[tokio::test]
async fn a_paging_that_stands_still_ends_in_an_error() {
    let server = server().await;
    let page = ResponseTemplate::new(200).set_body_json(json!({"results": [], "nextPageToken": "same"}));
    answer(&server, SEARCH, page, 2).await;
    assert_eq!(cause_of_reading(&server).await, Cause::Malformed);
}

/// Whatever the order of the rows; what Google defines itself names no owner.
#[tokio::test]
async fn actions_of_a_manager_are_left_out() {
    let server = server().await;
    let owned = |id: &str, owner: &str| {
        let mut row = action_row(id);
        row["conversionAction"]["ownerCustomer"] = json!(format!("customers/{owner}"));
        row
    };
    let rows = json!([
        owned("1", "9876543210"),
        owned("2", "1234567890"),
        owned("3", "9876543210"),
        action_row("4")
    ]);
    answer(
        &server,
        SEARCH,
        ResponseTemplate::new(200).set_body_json(json!({"results": rows})),
        2,
    )
    .await;
    let ads = clients(&server).await.ads;
    let ids = |actions: Vec<ConversionAction>| actions.iter().map(|action| action.id.0).collect::<Vec<_>>();
    assert_eq!(ids(ads.read_actions(&owner()).await.unwrap()), [2, 4]);
    assert_eq!(ids(ads.actions_named(&owner(), "A").await.unwrap()), [2, 4]);
}

#[tokio::test]
async fn a_row_without_an_id_is_not_passed_over() {
    let server = server().await;
    let page = json!({"results": [{"conversionAction": {"name": "A"}}]});
    answer(&server, SEARCH, ResponseTemplate::new(200).set_body_json(page), 1).await;
    assert_eq!(cause_of_reading(&server).await, Cause::Malformed);
}

#[tokio::test]
async fn customer_goals_and_actions_by_name() {
    let server = server().await;
    for (query, row) in [
        (
            query::CUSTOMER.to_owned(),
            json!({"customer": {"resourceName": "customers/1234567890", "currencyCode": "EUR",
                "conversionTrackingSetting": {"googleAdsConversionCustomer": "customers/1234567890"}}}),
        ),
        (
            query::GOALS.to_owned(),
            json!({"customerConversionGoal": {"category": "PURCHASE", "origin": "WEBSITE", "biddable": true}}),
        ),
        (query::actions_named("Anna's"), action_row("7")),
    ] {
        Mock::given(path(SEARCH))
            .and(body_partial_json(json!({"query": query})))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"results": [row]})))
            .expect(1)
            .mount(&server)
            .await;
    }
    let ads = clients(&server).await.ads;
    let customer = ads.read_customer(&owner()).await.unwrap();
    assert_eq!(
        (customer.currency_code.as_deref(), customer.conversion_customer),
        (Some("EUR"), owner())
    );
    assert!(ads.read_goals(&owner()).await.unwrap()[0].biddable);
    assert_eq!(ads.actions_named(&owner(), "Anna's").await.unwrap()[0].id, ActionId(7));
}

#[tokio::test]
async fn a_read_is_tried_three_times_and_a_change_once() {
    let server = server().await;
    answer(&server, SEARCH, ResponseTemplate::new(503), 3).await;
    answer(&server, MUTATE, ResponseTemplate::new(503), 1).await;
    let ads = clients(&server).await.ads;
    let read = ads.read_goals(&owner()).await.err().unwrap();
    assert_eq!((read.cause, read.effect), (Cause::Unavailable, Effect::None));
    let changed = ads.remove_action(&owner(), ActionId(1)).await.err().unwrap();
    assert_eq!(
        (changed.cause, changed.effect, changed.status),
        (Cause::Unavailable, Effect::Unknown, Some(503))
    );
}

#[tokio::test]
async fn a_short_wait_is_sat_out_and_a_long_one_holds_back_all() {
    let server = server().await;
    let quota = |delay: &str| {
        let extra = json!({"quotaErrorDetails": {"rateScope": "DEVELOPER", "retryDelay": delay}});
        ResponseTemplate::new(429).set_body_json(ads_error(429, "quotaError", "RESOURCE_EXHAUSTED", &extra))
    };
    let started = std::time::Instant::now();
    let short = Mock::given(path(SEARCH))
        .respond_with(quota("0.2s"))
        .up_to_n_times(1)
        .expect(1);
    short.mount(&server).await;
    let good = ResponseTemplate::new(200).set_body_json(json!({}));
    Mock::given(path(SEARCH))
        .respond_with(good)
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    let clients = clients(&server).await;
    assert!(clients.ads.read_goals(&owner()).await.unwrap().is_empty());
    assert!(started.elapsed() >= Duration::from_millis(200));

    answer(&server, SEARCH, quota("3600s"), 1).await;
    answer(&server, MUTATE, ResponseTemplate::new(200), 0).await;
    let first = clients.ads.read_goals(&owner()).await.err().unwrap();
    assert_eq!(
        (first.cause, first.retry_after),
        (Cause::QuotaExhausted, Some(jiff::SignedDuration::from_secs(3600)))
    );
    let second = clients.ads.remove_action(&owner(), ActionId(1)).await.err().unwrap();
    assert_eq!((second.cause, second.effect), (Cause::QuotaExhausted, Effect::None));
    assert!(second.retry_after.unwrap() > jiff::SignedDuration::from_secs(3590));
}

#[tokio::test]
async fn changes_are_sent_as_documented() {
    let server = server().await;
    let name = ActionFields {
        name: Some("A".to_owned()),
        ..ActionFields::default()
    };
    let resource = "customers/1234567890/conversionActions/22";
    let made = ResponseTemplate::new(200).set_body_json(json!({"results": [{"resourceName": resource}]}));
    let mutate = |at: &str, body: Value| {
        Mock::given(method("POST"))
            .and(path(at.to_owned()))
            .and(body_json(body))
            .respond_with(made.clone())
            .expect(1)
    };
    mutate(MUTATE, json!({"operations": [{"create": {"name": "A"}}]}))
        .mount(&server)
        .await;
    let update = json!({"operations": [{"update": {"resourceName": resource, "name": "A"}, "updateMask": "name"}]});
    mutate(MUTATE, update).mount(&server).await;
    mutate(MUTATE, json!({"operations": [{"remove": resource}]}))
        .mount(&server)
        .await;
    let goal = Goal {
        category: "PURCHASE".to_owned(),
        origin: "WEBSITE".to_owned(),
        biddable: false,
    };
    let goals = "/v26/customers/1234567890/customerConversionGoals:mutate";
    let goal_name = "customers/1234567890/customerConversionGoals/PURCHASE~WEBSITE";
    let body =
        json!({"operations": [{"update": {"resourceName": goal_name, "biddable": true}, "updateMask": "biddable"}]});
    mutate(goals, body).mount(&server).await;

    let ads = clients(&server).await.ads;
    assert_eq!(ads.create_action(&owner(), &name).await.unwrap(), ActionId(22));
    ads.update_action(&owner(), ActionId(22), &name).await.unwrap();
    ads.update_action(&owner(), ActionId(22), &ActionFields::default())
        .await
        .unwrap();
    ads.remove_action(&owner(), ActionId(22)).await.unwrap();
    ads.set_goal_biddable(&owner(), &goal, true).await.unwrap();
}

#[tokio::test]
async fn a_refused_create_had_no_effect_and_keeps_its_code() {
    let server = server().await;
    let body = ads_error(400, "conversionActionError", "DUPLICATE_NAME", &Value::Null);
    let refused = ResponseTemplate::new(400)
        .set_body_json(body)
        .insert_header("request-id", "req-header");
    answer(&server, MUTATE, refused, 1).await;
    let error = clients(&server)
        .await
        .ads
        .create_action(&owner(), &ActionFields::default())
        .await
        .err()
        .unwrap();
    assert_eq!(
        (error.cause, error.effect, error.code.as_deref()),
        (Cause::NameTaken, Effect::None, Some("DUPLICATE_NAME"))
    );
    assert_eq!(error.request_id.as_deref(), Some("req-header"));
}

#[tokio::test]
async fn creates_without_a_clear_answer_may_have_happened() {
    for response in [
        ResponseTemplate::new(200).set_body_json(json!({"results": [{}]})),
        ResponseTemplate::new(200).set_body_string("{\"results\": [{\"resou"),
        ResponseTemplate::new(200)
            .set_body_json(json!({"results": []}))
            .set_delay(Duration::from_millis(900)),
    ] {
        let server = server().await;
        answer(&server, MUTATE, response, 1).await;
        let error = clients(&server)
            .await
            .ads
            .create_action(&owner(), &ActionFields::default())
            .await
            .err()
            .unwrap();
        assert_eq!(error.effect, Effect::Unknown, "{error}");
    }
}

/// A server that reads a request and answers with `reply`, then hangs up.
async fn rude(reply: &'static [u8]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _read = stream.read(&mut buffer).await;
            let _written = stream.write_all(reply).await;
        }
    });
    base
}

#[tokio::test]
async fn a_connection_lost_after_sending_leaves_the_effect_open() {
    for reply in [
        &b""[..],
        &b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"results\""[..],
    ] {
        let server = server().await;
        let mut config = config(&server.uri());
        config.ads_endpoint = rude(reply).await;
        let silent = std::sync::Arc::new(crate::upstream::google::test_support::Silent);
        let connector = GoogleConnector::new(config, http(), silent);
        let ads = connect(&connector).await.ads;
        let error = ads
            .create_action(&owner(), &ActionFields::default())
            .await
            .err()
            .unwrap();
        assert_eq!(
            (error.cause, error.effect),
            (Cause::Unavailable, Effect::Unknown),
            "{error}"
        );
        assert!(!error.message.contains("127.0.0.1"), "{error}");
    }
}
