use futures::future::join_all;
use wiremock::matchers::{body_string_contains, header};

use super::*;
use crate::domain::ids::PortalId;
use crate::ports::Cause;
use crate::ports::crm::{Crm, TokenInfo};

const TOKENS: &str = "/oauth/2026-09/token";
const KEYS: [(&str, &str); 3] = [
    ("clientId", "cid"),
    ("clientSecret", "cs-secret"),
    ("refreshToken", "rt-secret\n"),
];

fn bought(token: &str, life: u64) -> ResponseTemplate {
    ok(&json!({ "access_token": token, "refresh_token": "rt-secret", "expires_in": life, "token_type": "bearer" }))
}

async fn details_for(bench: &Bench, token: &str, answer: ResponseTemplate) {
    let bearer = format!("Bearer {token}");
    Mock::given(path(DETAILS))
        .and(header("authorization", bearer.as_str()))
        .respond_with(answer)
        .mount(&bench.server)
        .await;
}

fn client(bench: &Bench) -> Arc<HubSpot> {
    bench.connector.client_for(&secret(&KEYS)).unwrap()
}

#[tokio::test]
async fn one_purchase_serves_all_callers() {
    let bench = Bench::new().await;
    let purchases = bench
        .turns(TOKENS, vec![bought("at-1", 1_800).set_delay(Duration::from_millis(30))])
        .await;
    details_for(&bench, "at-1", ok(&details())).await;
    let client = client(&bench);
    assert!(
        join_all((0..5).map(|_| client.read_portal()))
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(purchases.all().len(), 1);
    let form = &bench.server.received_requests().await.unwrap()[0];
    let form = String::from_utf8(form.body.clone()).unwrap();
    assert_eq!(
        form,
        "grant_type=refresh_token&client_id=cid&client_secret=cs-secret&refresh_token=rt-secret"
    );
}

#[tokio::test]
async fn a_token_near_its_end_is_replaced() {
    let bench = Bench::new().await;
    let purchases = bench
        .turns(TOKENS, vec![bought("at-1", 1), bought("at-2", 1_800)])
        .await;
    for token in ["at-1", "at-2"] {
        details_for(&bench, token, ok(&details())).await;
    }
    let client = client(&bench);
    let renewed = async {
        while purchases.all().len() < 2 {
            client.read_portal().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), renewed).await.unwrap();
    client.read_portal().await.unwrap();
    assert_eq!(purchases.all().len(), 2);
}

/// One odd answer is not all that is left of the credentials.
#[tokio::test]
async fn a_newer_refresh_token_that_is_refused_gives_way_to_the_secrets() {
    let bench = Bench::new().await;
    let masked = ok(&json!({ "access_token": "at-1", "refresh_token": "********", "expires_in": 1_800 }));
    let refused = status(400).set_body_json(json!({ "error": "invalid_grant" }));
    let purchases = bench.turns(TOKENS, vec![masked, refused, bought("at-2", 1_800)]).await;
    details_for(&bench, "at-1", status(401)).await;
    details_for(&bench, "at-2", ok(&details())).await;
    client(&bench).read_portal().await.unwrap();
    let requests = bench.server.received_requests().await.unwrap();
    let forms = requests.iter().filter(|request| request.url.path() == TOKENS);
    let bodies: Vec<_> = forms
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .collect();
    assert_eq!(purchases.all().len(), 3);
    let with = |token: &str| {
        bodies
            .iter()
            .map(|body| body.ends_with(&format!("refresh_token={token}")))
            .collect::<Vec<_>>()
    };
    assert_eq!(with("rt-secret"), [true, false, true], "{bodies:?}");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let bench = Bench::new().await;
    let purchases = bench
        .turns(TOKENS, vec![bought("at-1", 1_800), bought("at-2", 1_800)])
        .await;
    details_for(&bench, "at-1", status(401)).await;
    details_for(&bench, "at-2", ok(&details())).await;
    let client_ = client(&bench);
    assert!(
        join_all((0..3).map(|_| client_.read_portal()))
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(purchases.all().len(), 2);

    let bench = Bench::new().await;
    let purchases = bench.turns(TOKENS, vec![bought("at-1", 1_800)]).await;
    details_for(&bench, "at-1", status(401)).await;
    let error = failed(client(&bench).read_portal().await);
    assert_eq!((error.cause, error.status), (Cause::CredentialsRejected, Some(401)));
    assert_eq!(purchases.all().len(), 2);
}

#[tokio::test]
async fn refused_purchases_say_what_is_refused_and_no_secret() {
    for (code, body) in [
        (
            400,
            json!({ "status": "BAD_REFRESH_TOKEN", "message": "refresh token rt-secret is invalid" }),
        ),
        (
            400,
            json!({ "error": "invalid_grant", "error_description": "rt-secret" }),
        ),
        (401, json!({ "category": "BAD_CLIENT", "message": "cs-secret" })),
    ] {
        let bench = Bench::new().await;
        let purchases = bench.turns(TOKENS, vec![status(code).set_body_json(&body)]).await;
        let error = failed(client(&bench).read_portal().await);
        assert_eq!(error.cause, Cause::CredentialsRejected);
        assert!(
            error.code.is_some() && error.message.contains("the refresh token or its client is refused"),
            "{error:?}"
        );
        assert!(!format!("{error:?}").contains("-secret"));
        assert_eq!(purchases.all().len(), 1);
    }
}

#[rstest::rstest]
#[case::a_page(status(403).set_body_string("<html>blocked</html>"))]
#[case::a_login(status(401))]
#[case::a_gateway(status(400).set_body_json(json!({ "error": "Forbidden" })))]
#[tokio::test]
async fn a_page_at_the_token_endpoint_condemns_no_credentials(#[case] page: ResponseTemplate) {
    let bench = Bench::new().await;
    bench.turns(TOKENS, vec![page]).await;
    let error = failed(client(&bench).read_portal().await);
    assert!(
        error.cause == Cause::Malformed && error.about_token && error.is_transient(),
        "{error:?}"
    );
    assert!(error.message.contains("none of HubSpot's"), "{error:?}");
}

#[tokio::test]
async fn pages_in_place_of_answers_cost_one_more_token() {
    let bench = Bench::new().await;
    let purchases = bench
        .turns(
            TOKENS,
            vec![bought("at-1", 1_800), bought("at-2", 1_800), bought("at-3", 1_800)],
        )
        .await;
    for token in ["at-1", "at-2", "at-3"] {
        details_for(&bench, token, status(401)).await;
    }
    let client = client(&bench);
    for _ in 0..5 {
        assert_eq!(failed(client.read_portal().await).cause, Cause::CredentialsRejected);
    }
    assert_eq!(purchases.all().len(), 2);
}

#[tokio::test]
async fn callers_that_waited_for_a_failed_purchase_share_its_failure() {
    let bench = Bench::new().await;
    let refused = status(400)
        .set_body_json(json!({ "error": "invalid_grant" }))
        .set_delay(Duration::from_millis(50));
    let purchases = bench.turns(TOKENS, vec![refused]).await;
    let client = client(&bench);
    let results = join_all((0..5).map(|_| client.read_portal())).await;
    assert!(
        results
            .into_iter()
            .all(|result| failed(result).cause == Cause::CredentialsRejected)
    );
    assert_eq!(purchases.all().len(), 1);
    failed(client.read_portal().await);
    assert_eq!(purchases.all().len(), 2, "a later caller tries for itself");
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_condemns_no_credentials() {
    let bench = Bench::new().await;
    let purchases = bench.turns(TOKENS, vec![status(503)]).await;
    assert_eq!(failed(client(&bench).read_portal().await).cause, Cause::Unavailable);
    assert_eq!(purchases.all().len(), 3);
    let bench = Bench::new().await;
    bench.turns(TOKENS, vec![ok(&json!({ "expires_in": 1_800 }))]).await;
    assert_eq!(failed(client(&bench).read_portal().await).cause, Cause::Malformed);
}

#[tokio::test]
async fn no_token_is_bought_inside_a_retry_after() {
    let bench = Bench::new().await;
    let purchases = bench.turns(TOKENS, vec![bought("at-1", 0)]).await;
    let limited = status(429).set_body_json(json!({"category": "RATE_LIMITS", "policyName": "TEN_SECONDLY_ROLLING"}));
    details_for(&bench, "at-1", limited.insert_header("retry-after", "60")).await;
    let client = client(&bench);
    for _ in 0..2 {
        assert_eq!(failed(client.read_portal().await).cause, Cause::RateLimited);
    }
    assert_eq!(purchases.all().len(), 1);
}

#[tokio::test]
async fn portal_and_scopes_by_introspection() {
    let told = |portal: Option<u64>| TokenInfo {
        portal: portal.map(PortalId),
        scopes: Some(vec!["forms".to_owned()]),
    };
    let active = |hub: serde_json::Value| ok(&json!({ "active": true, "scopes": ["forms"], "hub_id": hub }));
    for (answer, info) in [
        (ok(&json!({ "active": true, "scopes": ["forms"] })), told(None)),
        (active(json!(62515)), told(Some(62515))),
        (active(json!("62515")), told(Some(62515))),
        (active(json!(-1)), told(None)),
        (
            ok(&json!({ "active": false, "scopes": ["forms"], "hub_id": 62515 })),
            TokenInfo::default(),
        ),
        (status(400), TokenInfo::default()),
    ] {
        let bench = Bench::new().await;
        bench.turns(TOKENS, vec![bought("at-1", 1_800)]).await;
        Mock::given(path("/oauth/2026-09/token/introspect"))
            .and(body_string_contains(
                "client_id=cid&client_secret=cs-secret&token=at-1&token_type_hint=access_token",
            ))
            .respond_with(answer)
            .mount(&bench.server)
            .await;
        assert_eq!(client(&bench).token_info().await.unwrap(), info);
    }
}
