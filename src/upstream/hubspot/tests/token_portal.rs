//! A bought token is used for reads only if it opens the portal that the account may use.

use wiremock::matchers::{body_string_contains, header};

use super::*;
use crate::domain::ids::PortalId;
use crate::ports::Cause;
use crate::ports::crm::Crm;

const TOKENS: &str = "/oauth/2026-09/token";
const KEYS: [(&str, &str); 3] = [("clientId", "cid"), ("clientSecret", "cs"), ("refreshToken", "rt")];
const RIGHT: u64 = 62515;
const OTHER: u64 = 777;

/// An answer of the token endpoint, and what is said of its token.
fn bought(token: &str, named: Option<u64>) -> ResponseTemplate {
    ok(&json!({ "access_token": token, "expires_in": 1_800, "hub_id": named }))
}

/// What the introspection says of a token, and what the account details say with it.
async fn told(bench: &Bench, token: &str, introspection: ResponseTemplate, details: ResponseTemplate) {
    Mock::given(path("/oauth/2026-09/token/introspect"))
        .and(body_string_contains(format!("token={token}&")))
        .respond_with(introspection)
        .mount(&bench.server)
        .await;
    let bearer = format!("Bearer {token}");
    Mock::given(path(DETAILS))
        .and(header("authorization", bearer.as_str()))
        .respond_with(details)
        .mount(&bench.server)
        .await;
}

fn active(portal: u64) -> ResponseTemplate {
    ok(&json!({ "active": true, "hub_id": portal }))
}

fn inactive() -> ResponseTemplate {
    ok(&json!({ "active": false }))
}

fn opens(portal: u64) -> ResponseTemplate {
    let mut told = details();
    told["portalId"] = json!(portal);
    ok(&told)
}

/// Tokens in turn, and a property that may be read with each.
async fn bench(tokens: &[(&str, Option<u64>)]) -> (Bench, Arrivals) {
    let bench = Bench::new().await;
    let answers = tokens.iter().map(|(token, named)| bought(token, *named)).collect();
    let purchases = bench.turns(TOKENS, answers).await;
    let names = json!({ "results": [{ "name": "email" }] });
    bench.get(PROPERTIES, ok(&names)).await;
    (bench, purchases)
}

async fn client_of_right(bench: &Bench) -> Arc<HubSpot> {
    let client = bench.connector.client_for(&secret(&KEYS)).unwrap();
    assert_eq!(client.read_portal().await.unwrap().id, PortalId(RIGHT));
    Crm::token_info(&*client).await.unwrap();
    client.may_use(PortalId(RIGHT));
    client.property_names().await.unwrap();
    client
}

/// Bearers of the calls that read something.
async fn readers(bench: &Bench) -> Vec<String> {
    let requests = bench.server.received_requests().await.unwrap();
    let reads = requests.iter().filter(|request| request.url.path() == PROPERTIES);
    let bearer = |request: &Request| request.headers["authorization"].to_str().unwrap().to_owned();
    reads.map(bearer).collect()
}

fn count(bench: &Bench, name: &str) -> usize {
    bench.noted.calls().iter().filter(|(call, _)| *call == name).count()
}

#[tokio::test]
async fn a_token_of_another_portal_reads_nothing_and_another_is_bought() {
    for (named, introspection) in [
        (Some(OTHER), active(RIGHT)),
        (None, active(OTHER)),
        (Some(RIGHT), active(OTHER)),
        (Some(RIGHT), inactive()),
        (None, status(503)),
    ] {
        let (bench, purchases) = bench(&[("at-1", None), ("at-2", named), ("at-3", None)]).await;
        told(&bench, "at-1", active(RIGHT), opens(RIGHT)).await;
        told(&bench, "at-2", introspection, opens(OTHER)).await;
        told(&bench, "at-3", active(RIGHT), opens(RIGHT)).await;
        let client = client_of_right(&bench).await;
        assert_eq!(count(&bench, "introspect"), 1, "the account's check has asked");
        client.drop_token().await;
        for _ in 0..5 {
            let error = failed(client.property_names().await);
            assert_eq!(error.cause, Cause::Unavailable);
            assert!(
                error.message.contains("of portal 777") && error.retry_after.is_some(),
                "{error:?}"
            );
            // Also the account's check is told to wait: one odd answer is no mismatch.
            assert_eq!(failed(client.read_portal().await).cause, Cause::Unavailable);
        }
        assert_eq!(purchases.all().len(), 2, "not in a tight loop");
        client.drop_token().await;
        for _ in 0..3 {
            client.property_names().await.unwrap();
        }
        assert_eq!(purchases.all().len(), 3);
        assert_eq!(readers(&bench).await[1..], ["Bearer at-3"; 3]);
    }
}

#[tokio::test]
async fn each_new_token_is_asked_about_once() {
    let (bench, purchases) = bench(&[("at-1", None), ("at-2", Some(RIGHT))]).await;
    told(&bench, "at-1", active(RIGHT), opens(RIGHT)).await;
    told(&bench, "at-2", active(RIGHT), opens(RIGHT)).await;
    let client = client_of_right(&bench).await;
    client.drop_token().await;
    let all = futures::future::join_all((0..5).map(|_| client.property_names())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((purchases.all().len(), count(&bench, "introspect")), (2, 2));
    assert_eq!(count(&bench, "account-info"), 1);
}

#[tokio::test]
async fn without_a_named_portal_nothing_is_read() {
    let (bench, purchases) = bench(&[("at-1", None), ("at-2", Some(RIGHT))]).await;
    told(&bench, "at-1", active(RIGHT), opens(RIGHT)).await;
    told(&bench, "at-2", status(404), status(401)).await;
    let client = client_of_right(&bench).await;
    client.drop_token().await;
    let error = failed(client.property_names().await);
    assert_eq!(error.cause, Cause::Unavailable, "{error:?}");
    assert_eq!(failed(client.property_names().await).cause, Cause::Unavailable);
    assert_eq!((purchases.all().len(), readers(&bench).await.len()), (2, 1));
}

#[tokio::test]
async fn where_the_introspection_does_not_tell_the_account_details_do() {
    let (bench, _) = bench(&[("at-1", None)]).await;
    told(&bench, "at-1", status(404), opens(RIGHT)).await;
    let client = client_of_right(&bench).await;
    client.property_names().await.unwrap();
    assert_eq!(count(&bench, "account-info"), 2, "by the check, and once more");
}

/// Then it is no odd answer, and the account's check says what a person must do.
#[tokio::test]
async fn the_check_sees_a_portal_that_stays_another() {
    let (bench, purchases) = bench(&[("at-1", None), ("at-2", None)]).await;
    told(&bench, "at-1", active(RIGHT), opens(RIGHT)).await;
    told(&bench, "at-2", active(OTHER), opens(OTHER)).await;
    let client = client_of_right(&bench).await;
    for _ in 0..2 {
        client.drop_token().await;
        failed(client.property_names().await);
    }
    assert_eq!(client.read_portal().await.unwrap().id, PortalId(OTHER));
    assert_eq!(Crm::token_info(&*client).await.unwrap().portal, Some(PortalId(OTHER)));
    assert_eq!(failed(client.property_names().await).cause, Cause::Unavailable);
    assert_eq!(purchases.all().len(), 3);
    // Whoever connects after nobody has used the client may be allowed another portal.
    client.may_use(PortalId(OTHER));
    failed(client.property_names().await);
    drop(client);
    let client = bench.connector.client_for(&secret(&KEYS)).unwrap();
    client.may_use(PortalId(OTHER));
    client.property_names().await.unwrap();
}
