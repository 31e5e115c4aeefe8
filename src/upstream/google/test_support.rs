//! What the tests of this module share: a connector against a mock server, a Secret, an observer.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::auth::endpoint::Endpoint;
use super::auth::token::{KeptToken, TokenSource};
use super::{GoogleConfig, GoogleConnector, Timeouts};
use crate::domain::ids::{ActionId, CustomerId, OrderId, TransactionId};
use crate::ports::sink::{ClickId, Conversion, UploadRequest};
use crate::ports::work_permit::{NoPermit, WorkPermit};
use crate::ports::{CallObserver, GoogleClients, GoogleConnector as _, GoogleCredentials, SecretData, UpstreamError};
pub(crate) use crate::upstream::test_support::secret;

/// An RSA key made for these tests; it opens nothing.
pub(crate) const TEST_KEY: &str = include_str!("testdata/service_account_key.pem");

/// Counts nothing.
pub(crate) struct Silent;

impl CallObserver for Silent {
    fn observe_call(&self, _: &'static str, _: &'static str, _: Option<u16>, _: Duration) {}
    fn observe_throttling(&self, _: &'static str, _: Duration) {}
}

/// Records the calls that it observes.
#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Mutex<Vec<(&'static str, &'static str, Option<u16>)>>);

impl CallObserver for Recorder {
    fn observe_call(&self, api: &'static str, method: &'static str, status: Option<u16>, _: Duration) {
        self.0.lock().push((api, method, status));
    }
    fn observe_throttling(&self, _: &'static str, _: Duration) {}
}

pub(crate) fn refresh_secret() -> SecretData {
    secret(&[
        ("clientId", "id-1"),
        ("clientSecret", " secret-1\n"),
        ("refreshToken", "refresh-1"),
    ])
}

pub(crate) fn cid(text: &str) -> CustomerId {
    text.parse().unwrap()
}

pub(crate) fn config(base: &str) -> GoogleConfig {
    GoogleConfig {
        ads_endpoint: format!("{base}/"),
        ads_version: "v26".to_owned(),
        data_manager_endpoint: base.to_owned(),
        token_endpoint: format!("{base}/token"),
        timeouts: Timeouts {
            read: Duration::from_secs(2),
            mutate: Duration::from_millis(500),
            ingest: Duration::from_millis(500),
            retry_pause: Duration::from_millis(1),
            ..Timeouts::default()
        },
        ..GoogleConfig::default()
    }
}

/// An address at which nobody gives tokens.
pub(crate) const NO_TOKENS: &str = "http://127.0.0.1:9/token";

/// The endpoint of tokens at this address.
pub(crate) fn token_endpoint(url: impl Into<String>) -> Endpoint {
    Endpoint {
        http: http(),
        url: url.into(),
        timeout: Duration::from_secs(5),
        observer: Arc::new(Silent),
    }
}

pub(crate) fn http() -> reqwest::Client {
    // Installed by whichever test is first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    crate::upstream::client_builder(&["http://127.0.0.1"]).build().unwrap()
}

pub(crate) fn connector(base: &str) -> (GoogleConnector, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    (
        GoogleConnector::new(config(base), http(), Arc::clone(&recorder) as Arc<dyn CallObserver>),
        recorder,
    )
}

/// A server that gives tokens for the refresh token of [`refresh_secret`].
pub(crate) async fn server() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(body_string_contains("refresh_token=refresh-1"))
        .respond_with(token("t-1"))
        .mount(&server)
        .await;
    server
}

pub(crate) fn token(value: &str) -> ResponseTemplate {
    let scope = crate::upstream::google::auth::token::SCOPES.join(" ");
    ResponseTemplate::new(200)
        .set_body_json(json!({"access_token": value, "expires_in": 3599, "scope": scope, "token_type": "Bearer"}))
}

pub(crate) async fn clients(server: &MockServer) -> GoogleClients {
    connect(&connector(&server.uri()).0).await
}

/// Clients of the credentials of [`refresh_secret`].
pub(crate) async fn connect(connector: &GoogleConnector) -> GoogleClients {
    let secret = refresh_secret();
    connector
        .connect(GoogleCredentials::Secret(&secret), None)
        .await
        .unwrap()
}

/// The error that a read of an account's goals ends with.
pub(crate) async fn goals_error(clients: &GoogleClients) -> UpstreamError {
    clients.ads.read_goals(&cid("1234567890")).await.err().unwrap()
}

/// Permits so many changes; then another operator has taken over.
pub(crate) struct TakenOver(AtomicU32);

impl TakenOver {
    pub(crate) fn after(changes: u32) -> Arc<Self> {
        Arc::new(Self(AtomicU32::new(changes)))
    }
}

#[async_trait]
impl WorkPermit for TakenOver {
    async fn confirm_permit(&self) -> Result<(), NoPermit> {
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| NoPermit {
            why: "another operator has taken over the ledger".to_owned(),
        })
    }
}

/// An upload of these rows to one action.
pub(crate) fn upload(rows: Vec<Conversion>) -> UploadRequest {
    UploadRequest {
        destinations: vec![cid("1234567890").action_key(ActionId(99))],
        rows,
    }
}

/// An upload of so many conversions by click id.
pub(crate) fn clicks(rows: usize) -> UploadRequest {
    let row = Conversion {
        destination: 0,
        order: OrderId::Lifecycle(TransactionId([1; 20])),
        at: "2026-11-20T12:00:00Z".parse().unwrap(),
        value: None,
        click: Some(ClickId::Gclid("Cj0-secret".to_owned())),
        identifiers: Vec::new(),
        consent_granted: false,
    };
    upload(vec![row; rows])
}

/// A `GoogleAdsFailure` with one error.
pub(crate) fn ads_error(status: u16, key: &str, name: &str, extra: &Value) -> Value {
    let mut error = json!({
        "errorCode": {key: name},
        "message": "The value 'Anna' is wrong.",
        "trigger": {"stringValue": "Anna"},
        "location": {"fieldPathElements": [{"fieldName": "operations", "index": 0}, {"fieldName": "create"}, {"fieldName": "name"}]},
    });
    if !extra.is_null() {
        error["details"] = extra.clone();
    }
    json!({"error": {"code": status, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure",
            "errors": [error], "requestId": "req-body"}]}})
}

/// The error of a source that fetches no token.
pub(crate) async fn token_error(source: &dyn TokenSource) -> UpstreamError {
    source.fetch_token(KeptToken::Allowed).await.err().unwrap()
}

/// The token that a source fetches; it must.
pub(crate) async fn fetched_token(source: &dyn TokenSource) -> String {
    let token = source.fetch_token(KeptToken::Allowed).await.ok().unwrap();
    token.value.expose_secret().to_owned()
}
