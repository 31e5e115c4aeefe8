//! What the tests of this module share: a connector against a mock server, a Secret, an observer.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use std::time::Duration;

use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::{Value, json};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{GoogleConfig, GoogleConnector, Timeouts};
use crate::domain::ids::{ActionId, CustomerId, OrderId, TransactionId};
use crate::ports::sink::{ClickId, Conversion, UploadRequest};
use crate::ports::{CallObserver, GoogleClients, GoogleConnector as _, GoogleCredentials, SecretData};

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

pub(crate) fn secret(pairs: &[(&str, &str)]) -> SecretData {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretString::from(*value)))
        .collect()
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
    connector(&server.uri())
        .0
        .connect(GoogleCredentials::Secret(&refresh_secret()), None)
        .await
        .unwrap()
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
