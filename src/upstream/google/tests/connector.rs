#![allow(clippy::unwrap_used)]

use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::ports::{CallObserver, Cause, Effect, GoogleConnector as _, GoogleCredentials};
use crate::upstream::google::test_support::{
    TakenOver, ads_error, cid, clients, config, connect, connector, goals_error, http, refresh_secret, secret, server,
    token,
};
use crate::upstream::google::*;
use serde_json::json;

const GOALS: &str = "/v26/customers/1234567890/googleAds:search";

fn rows() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"results": []}))
}

#[tokio::test]
async fn connecting_calls_nobody_and_names_a_bad_key() {
    let server = MockServer::start().await;
    let (connector, _) = connector(&server.uri());
    assert!(
        connector
            .connect(GoogleCredentials::Secret(&refresh_secret()), None)
            .await
            .is_ok()
    );
    let invalid = connector
        .connect(GoogleCredentials::Secret(&secret(&[("clientId", "i")])), None)
        .await
        .err()
        .unwrap();
    assert!(invalid.message.contains("refreshToken"), "{invalid}");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn equal_credentials_share_a_token_and_other_ones_do_not() {
    let server = server().await;
    Mock::given(path(GOALS)).respond_with(rows()).mount(&server).await;
    let (connector, recorder) = connector(&server.uri());
    let owner = cid("1234567890");
    let one = connect(&connector).await;
    let two = connector
        .connect(GoogleCredentials::Secret(&refresh_secret()), Some(cid("9999999999")))
        .await
        .unwrap();
    one.ads.read_goals(&owner).await.unwrap();
    two.ads.read_goals(&owner).await.unwrap();
    let mut other = refresh_secret();
    other.extend(secret(&[("developerToken", "dev-1")]));
    let three = connector
        .connect(GoogleCredentials::Secret(&other), None)
        .await
        .unwrap();
    three.ads.read_goals(&owner).await.unwrap();
    let calls = recorder.0.lock().clone();
    let tokens = calls.iter().filter(|(api, ..)| *api == "token").count();
    assert_eq!(tokens, 2, "{calls:?}");
    assert_eq!(calls[1], ("googleAds", "search", Some(200)));

    let sent = server.received_requests().await.unwrap();
    let searches: Vec<_> = sent.iter().filter(|request| request.url.path() == GOALS).collect();
    let value = |index: usize, name: &str| {
        searches[index]
            .headers
            .get(name)
            .map(|value: &_| value.to_str().unwrap().to_owned())
    };
    assert_eq!(value(0, "authorization").as_deref(), Some("Bearer t-1"));
    assert_eq!(
        (value(0, "login-customer-id"), value(0, "developer-token")),
        (None, None)
    );
    assert_eq!(value(1, "login-customer-id").as_deref(), Some("9999999999"));
    assert_eq!(value(2, "developer-token").as_deref(), Some("dev-1"));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let server = MockServer::start().await;
    Mock::given(path("/token"))
        .respond_with(token("t-old"))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path("/token"))
        .respond_with(token("t-new"))
        .expect(1)
        .mount(&server)
        .await;
    let refused = ads_error(
        401,
        "authenticationError",
        "OAUTH_TOKEN_EXPIRED",
        &serde_json::Value::Null,
    );
    Mock::given(header("authorization", "Bearer t-old"))
        .respond_with(ResponseTemplate::new(401).set_body_json(refused))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(header("authorization", "Bearer t-new"))
        .respond_with(rows())
        .expect(1)
        .mount(&server)
        .await;
    let clients = clients(&server).await;
    clients.ads.read_goals(&cid("1234567890")).await.unwrap();
}

#[tokio::test]
async fn a_token_refused_twice_is_rejected_credentials() {
    let server = server().await;
    let refused = ads_error(
        401,
        "authenticationError",
        "OAUTH_TOKEN_REVOKED",
        &serde_json::Value::Null,
    );
    Mock::given(path(GOALS))
        .respond_with(ResponseTemplate::new(401).set_body_json(refused))
        .expect(2)
        .mount(&server)
        .await;
    let clients = clients(&server).await;
    let error = goals_error(&clients).await;
    assert_eq!(
        (error.cause, error.code.as_deref()),
        (Cause::CredentialsRejected, Some("OAUTH_TOKEN_REVOKED"))
    );
}

#[tokio::test]
async fn no_token_means_no_call_and_no_effect() {
    let server = MockServer::start().await;
    Mock::given(path("/token"))
        .respond_with(ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_grant"})))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path(GOALS))
        .respond_with(rows())
        .expect(0)
        .mount(&server)
        .await;
    let clients = clients(&server).await;
    let error = clients
        .ads
        .remove_action(&cid("1234567890"), crate::domain::ids::ActionId(1))
        .await
        .err()
        .unwrap();
    assert_eq!((error.cause, error.effect), (Cause::CredentialsRejected, Effect::None));
    assert_eq!(
        (error.service, error.code.as_deref()),
        ("Google OAuth", Some("invalid_grant"))
    );
}

#[tokio::test]
async fn nobody_there_is_a_passing_failure_without_effect() {
    let server = server().await;
    let mut config = config(&server.uri());
    config.ads_endpoint = "http://127.0.0.1:9".to_owned();
    let silent: Arc<dyn CallObserver> = Arc::new(crate::upstream::google::test_support::Silent);
    let connector = GoogleConnector::new(config, http(), silent);
    let clients = connect(&connector).await;
    let error = clients
        .ads
        .remove_action(&cid("1234567890"), crate::domain::ids::ActionId(1))
        .await
        .err()
        .unwrap();
    assert_eq!(
        (error.cause, error.effect, error.status),
        (Cause::Unavailable, Effect::None, None)
    );
}

#[tokio::test]
async fn the_identity_of_the_process_is_for_the_namespaces_it_was_started_for() {
    let of = async |allowed: &[&str], namespace: &str| {
        let config = GoogleConfig {
            ambient_namespaces: allowed.iter().map(|name| (*name).to_owned()).collect(),
            ..config("http://127.0.0.1:9")
        };
        let connector = GoogleConnector::new(config, http(), Arc::new(crate::upstream::google::test_support::Silent));
        let made = connector.connect(GoogleCredentials::Ambient { namespace }, None).await;
        made.err().map(|why| why.message)
    };
    let refused = of(&[], "marketing").await.unwrap();
    assert!(
        refused.contains("--ambient-credentials-namespaces=marketing"),
        "{refused}"
    );
    assert!(of(&["sales", "market"], "marketing").await.is_some());
    assert_eq!(of(&["sales", "marketing"], "marketing").await, None);
    assert_eq!(of(&["*"], "marketing").await, None);
}

/// A process that another one took over while it waited for a token changes nothing, and says that it did not.
#[tokio::test]
async fn nothing_is_changed_by_a_process_that_was_taken_over_while_it_waited() {
    let server = server().await;
    // The first token is refused: the call is made again with another one.
    Mock::given(method("POST"))
        .and(wiremock::matchers::path_regex("conversionActions:mutate"))
        .respond_with(ResponseTemplate::new(401))
        .expect(1)
        .mount(&server)
        .await;
    let connector = GoogleConnector::new(
        config(&server.uri()),
        http(),
        Arc::new(crate::upstream::google::test_support::Silent),
    );
    let connector = connector.permitted_by(TakenOver::after(1));
    let clients = connect(&connector).await;
    let removed = clients
        .ads
        .remove_action(&cid("1234567890"), crate::domain::ids::ActionId(1))
        .await;
    let error = removed.err().unwrap();
    assert_eq!((error.cause, error.effect), (Cause::Unavailable, Effect::None));
    assert!(error.message.contains("taken over"), "{error}");
}
