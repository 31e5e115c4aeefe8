#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU32, Ordering};

use secrecy::ExposeSecret;
use serde_json::json;
use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::ports::{CallObserver, SecretData};
use crate::upstream::google::auth::credentials;
use crate::upstream::google::auth::endpoint::{self, Endpoint};
use crate::upstream::google::test_support::{
    NO_TOKENS, TEST_KEY, fetched_token, refresh_secret, secret as data, token, token_endpoint, token_error,
};

/// The source of tokens that a Secret with these values makes, where the server gives them.
fn source(data: &SecretData, server: &MockServer) -> Box<dyn TokenSource> {
    let endpoint = token_endpoint(format!("{}/token", server.uri()));
    credentials::read_credentials(data, None, endpoint).unwrap().source
}

async fn answer(response: ResponseTemplate) -> Result<Token, UpstreamError> {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/token"))
        .respond_with(response)
        .expect(1)
        .mount(&server)
        .await;
    source(&refresh_secret(), &server).fetch_token(KeptToken::Allowed).await
}

async fn error(response: ResponseTemplate) -> UpstreamError {
    answer(response).await.err().unwrap()
}

#[tokio::test]
async fn a_refresh_token_is_posted_as_a_form_with_trimmed_values() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(header("content-type", "application/x-www-form-urlencoded"))
        .and(body_string_contains(
            "grant_type=refresh_token&client_id=id-1&client_secret=secret-1&refresh_token=refresh-1",
        ))
        .respond_with(token("t-9"))
        .expect(1)
        .mount(&server)
        .await;
    let source = source(&refresh_secret(), &server);
    assert_eq!(fetched_token(source.as_ref()).await, "t-9");
}

#[tokio::test]
async fn a_service_account_exchanges_a_signed_claim() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(body_string_contains(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ",
        ))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"access_token": "t-sa", "expires_in": 3599})))
        .expect(1)
        .mount(&server)
        .await;
    let file = json!({"type": "service_account", "client_email": "a@b.c", "private_key": TEST_KEY, "private_key_id": "k",
        "token_uri": "https://elsewhere.example.com/token"});
    let data = data(&[("credentials.json", &file.to_string())]);
    let source = source(&data, &server);
    assert_eq!(fetched_token(source.as_ref()).await, "t-sa");
    let sent = server.received_requests().await.unwrap();
    let assertion = String::from_utf8(sent[0].body.clone()).unwrap();
    // {"alg":"RS256","kid":"k","typ":"JWT"}
    assert!(
        assertion.contains("assertion=eyJhbGciOiJSUzI1NiIsImtpZCI6ImsiLCJ0eXAiOiJKV1QifQ."),
        "{assertion}"
    );
}

/// Hears when answers were made.
#[derive(Default)]
struct GooglesClock(parking_lot::Mutex<Option<jiff::Timestamp>>);

impl CallObserver for GooglesClock {
    fn observe_call(&self, _: &'static str, _: &'static str, _: Option<u16>, _: Duration) {}
    fn observe_throttling(&self, _: &'static str, _: Duration) {}

    fn observe_date(&self, _: &'static str, date: jiff::Timestamp) {
        *self.0.lock() = Some(date);
    }

    fn vendor_time(&self, _: &'static str) -> jiff::Timestamp {
        self.0.lock().unwrap_or_else(jiff::Timestamp::now)
    }
}

/// Whose clock is wrong, ours or a proxy's, is all the same.
#[tokio::test]
async fn a_claim_that_is_refused_for_its_times_goes_once_more_by_the_time_of_the_refusal() {
    let server = MockServer::start().await;
    let refused = ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_grant"}));
    let dated = refused.clone().insert_header("date", "Fri, 20 Nov 2026 12:00:00 GMT");
    let later = refused.insert_header("date", "Fri, 20 Nov 2026 12:00:05 GMT");
    let given = token("t-sa").insert_header("date", "Fri, 20 Nov 2026 12:00:00 GMT");
    for answer in [dated, given, later] {
        Mock::given(path("/token"))
            .respond_with(answer)
            .up_to_n_times(1)
            .mount(&server)
            .await;
    }
    let file = json!({"type": "service_account", "client_email": "a@b.c", "private_key": TEST_KEY});
    let endpoint = Endpoint {
        observer: Arc::new(GooglesClock::default()),
        ..token_endpoint(format!("{}/token", server.uri()))
    };
    let data = data(&[("credentials.json", &file.to_string())]);
    let source = credentials::read_credentials(&data, None, endpoint).unwrap().source;
    assert_eq!(fetched_token(source.as_ref()).await, "t-sa");
    let refusal = source.fetch_token(KeptToken::Allowed).await.err().unwrap();
    assert_eq!(refusal.cause, Cause::CredentialsRejected, "its times are in order");
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    let claims = requests.iter().map(|request| {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let claims = body.rsplit('.').nth(1).unwrap();
        let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["iat"]
            .as_i64()
            .unwrap()
    });
    let noon: jiff::Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let by_google = [noon.as_second(); 2];
    assert_eq!(claims.skip(1).collect::<Vec<_>>(), by_google);
}

#[tokio::test]
async fn refusals_keep_their_code_and_nothing_else_of_the_answer() {
    let refused = |status, code: &str| {
        ResponseTemplate::new(status)
            .set_body_json(json!({"error": code, "error_description": "token refresh-1 of anna"}))
    };
    let table = [
        (400, "invalid_grant", Cause::CredentialsRejected),
        (401, "invalid_client", Cause::CredentialsRejected),
        (400, "a_new_code", Cause::CredentialsRejected),
        (400, "invalid_scope", Cause::MissingScope),
        (400, "temporarily_unavailable", Cause::Unavailable),
        (500, "internal_failure", Cause::Unavailable),
    ];
    for (status, code, cause) in table {
        let error = error(refused(status, code)).await;
        assert_eq!((error.cause, error.code.as_deref()), (cause, Some(code)));
        assert_eq!((error.service, error.status), ("Google OAuth", Some(status)));
        assert!(
            error.message.starts_with(code) && !error.message.contains("anna"),
            "{}",
            error.message
        );
    }
}

#[tokio::test]
async fn other_answers_of_the_token_endpoint() {
    let busy = error(ResponseTemplate::new(429).insert_header("Retry-After", "7")).await;
    assert_eq!(
        (busy.cause, busy.retry_after),
        (Cause::Unavailable, Some(jiff::SignedDuration::from_secs(7)))
    );
    let hour = ResponseTemplate::new(503).insert_header("Retry-After", "99999999999");
    let page = error(hour.clone().set_body_string("<html>")).await;
    let made_up = error(hour.clone().set_body_json(json!({"error": "x"}))).await;
    let minute = Some(jiff::SignedDuration::from_mins(1));
    assert_eq!([page.retry_after, made_up.retry_after], [minute, minute]);
    let google = error(hour.set_body_json(json!({"error": "temporarily_unavailable"}))).await;
    assert_eq!(google.retry_after, Some(jiff::SignedDuration::from_hours(1)));
    assert_eq!(
        error(ResponseTemplate::new(404).set_body_string("<html>")).await.cause,
        Cause::Malformed
    );
    assert_eq!(
        error(ResponseTemplate::new(200).set_body_string("<html>")).await.cause,
        Cause::Malformed
    );
    assert_eq!(
        error(ResponseTemplate::new(200).set_body_json(json!({"expires_in": 5})))
            .await
            .cause,
        Cause::Malformed
    );
    let scope = json!({"access_token": "t", "scope": format!("openid {}", SCOPES[0])});
    let missing = error(ResponseTemplate::new(200).set_body_json(scope)).await;
    assert_eq!(missing.cause, Cause::MissingScope);
    assert!(
        missing.message.contains(SCOPES[1]) && !missing.message.contains(SCOPES[0]),
        "{}",
        missing.message
    );
}

#[tokio::test]
async fn nobody_at_the_endpoint_is_a_passing_failure() {
    let source = credentials::read_credentials(&refresh_secret(), None, token_endpoint(NO_TOKENS))
        .unwrap()
        .source;
    let nobody = token_error(source.as_ref()).await;
    assert_eq!(nobody.cause, Cause::Unavailable);
    assert!(nobody.message.starts_with("not reached"), "{}", nobody.message);
    // Somebody is there, but what comes is not what it says it is.
    let garbled = ResponseTemplate::new(200)
        .insert_header("Content-Encoding", "gzip")
        .set_body_string("{}");
    let garbled = error(garbled).await;
    assert_eq!(garbled.cause, Cause::Unavailable);
    assert!(
        garbled.message.starts_with("the answer broke off"),
        "{}",
        garbled.message
    );
}

/// Gives numbered tokens with an age, or fails.
struct Numbered {
    expiry: fn() -> Expiry,
    asked: Arc<AtomicU32>,
    fail_from: u32,
}

#[async_trait]
impl TokenSource for Numbered {
    async fn fetch_token(&self, _: KeptToken) -> Result<Token, UpstreamError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        // Lets the others come up to the lock while this one is at it.
        tokio::task::yield_now().await;
        if number >= self.fail_from {
            return Err(UpstreamError::new(SERVICE, Cause::Unavailable, "down"));
        }
        let value = SecretString::from(format!("t-{number}"));
        Ok(Token {
            value,
            expires: Some((self.expiry)()),
            quota_project: None,
        })
    }
}

fn fresh() -> Expiry {
    Expiry::after(Duration::from_hours(1))
}

fn ageing() -> Expiry {
    Expiry {
        replace_at: Instant::now(),
        ends_at: Instant::now() + Duration::from_secs(100),
    }
}

fn ended() -> Expiry {
    Expiry {
        replace_at: Instant::now(),
        ends_at: Instant::now(),
    }
}

fn cache(expiry: fn() -> Expiry, fail_from: u32) -> (TokenCache, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let source = Numbered {
        expiry,
        asked: Arc::clone(&asked),
        fail_from,
    };
    (TokenCache::new(Box::new(source)), asked)
}

#[test]
fn a_token_is_replaced_225_seconds_before_it_ends() {
    for (lifetime, used) in [(3600, 3375), (451, 226), (450, 225), (60, 30), (0, 0)] {
        let before = Instant::now();
        let expiry = Expiry::after(Duration::from_secs(lifetime));
        let left = expiry.replace_at.duration_since(before).as_secs();
        assert!((used..=used + 1).contains(&left), "{lifetime}: {left}");
        assert!(expiry.ends_at.duration_since(before) >= Duration::from_secs(lifetime));
    }
}

#[tokio::test]
async fn a_fresh_token_is_kept_and_an_ageing_one_replaced() {
    let (kept, asked) = cache(fresh, u32::MAX);
    kept.current_token().await.ok().unwrap();
    kept.current_token().await.ok().unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let (replaced, asked) = cache(ageing, u32::MAX);
    replaced.current_token().await.ok().unwrap();
    assert_eq!(
        replaced.current_token().await.ok().unwrap().value.expose_secret(),
        "t-2"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn no_lifetime_beyond_an_hour_is_believed() {
    for told in [json!(1_000_000_000), json!("86400"), json!(3600)] {
        let body = json!({"access_token": "t", "expires_in": told});
        let token = answer(ResponseTemplate::new(200).set_body_json(body))
            .await
            .ok()
            .unwrap();
        let left = token.expires.unwrap().ends_at.duration_since(Instant::now());
        assert!(left <= Duration::from_hours(1), "{told}: {left:?}");
    }
}

#[tokio::test]
async fn a_dropped_token_is_fetched_again_once() {
    let (cache, asked) = cache(fresh, u32::MAX);
    cache.current_token().await.ok().unwrap();
    cache.drop_token().await;
    for _ in 0..3 {
        assert_eq!(cache.current_token().await.ok().unwrap().value.expose_secret(), "t-2");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_passing_failure_is_bridged_while_the_old_token_lives() {
    let (bridged, _) = cache(ageing, 2);
    bridged.current_token().await.ok().unwrap();
    assert_eq!(bridged.current_token().await.ok().unwrap().value.expose_secret(), "t-1");
    let (dead, _) = cache(ended, 2);
    dead.current_token().await.ok().unwrap();
    assert_eq!(dead.current_token().await.err().unwrap().cause, Cause::Unavailable);
}

#[tokio::test]
async fn one_fetch_serves_all_who_wait() {
    let (cache, asked) = cache(fresh, u32::MAX);
    let all = futures::future::join_all((0..20).map(|_| cache.current_token())).await;
    assert!(
        all.iter()
            .all(|token| token.as_ref().is_ok_and(|token| token.value.expose_secret() == "t-1"))
    );
    let old = cache.current_token().await.ok().unwrap();
    let renewed = futures::future::join_all((0..20).map(|_| cache.renew_token(&old))).await;
    assert!(
        renewed
            .iter()
            .all(|token| token.as_ref().is_ok_and(|token| token.value.expose_secret() == "t-2"))
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn one_failure_serves_all_who_wait() {
    let (cache, asked) = cache(fresh, 1);
    let all = futures::future::join_all((0..20).map(|_| cache.current_token())).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(cache.current_token().await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn an_odd_text_says_nothing_of_scopes() {
    for (scope, told) in [
        ("NaN", false),
        ("1e400", false),
        ("", false),
        ("openid", true),
        (SCOPES[0], true),
    ] {
        let lacks = endpoint::token_of(
            &json!({"access_token": "t", "scope": scope}),
            super::ScopeCheck::Required,
        )
        .err();
        assert_eq!(
            lacks.map(|error| error.cause),
            told.then_some(Cause::MissingScope),
            "{scope}"
        );
    }
}
