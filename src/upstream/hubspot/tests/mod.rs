mod absent;
mod any_answer;
mod batches;
mod broken_searches;
mod connect;
mod deals;
mod faults;
mod forms;
mod further_addresses;
mod large;
mod limits;
mod oauth;
mod refusals;
mod refused_properties;
mod search;
mod times;
mod token_portal;
mod unkept;
mod whole;

use std::sync::Arc;

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{HubSpot, HubSpotConfig, HubSpotConnector, RetryWaits};
use crate::ports::{CallObserver, UpstreamError};
use crate::upstream::test_support::secret;

const TOKEN: &str = "pat-eu1-secret-token";
const SEARCH: &str = "/crm/objects/2026-09/contacts/search";
const READ: &str = "/crm/objects/2026-09/contacts/batch/read";
const DEALS: &str = "/crm/objects/2026-09/deals/batch/read";
const PROPERTIES: &str = "/crm/properties/2026-09/contacts";
const DETAILS: &str = "/account-info/2026-09/details";

/// Notes what it is told.
#[derive(Default)]
struct Noted {
    calls: Mutex<Vec<(&'static str, Option<u16>)>>,
    throttled: Mutex<Vec<Duration>>,
}

impl CallObserver for Noted {
    fn observe_call(&self, api: &'static str, method: &'static str, status: Option<u16>, _elapsed: Duration) {
        assert_eq!(api, "hubspot");
        self.calls.lock().push((method, status));
    }
    fn observe_throttling(&self, _api: &'static str, wait: Duration) {
        self.throttled.lock().push(wait);
    }
}

impl Noted {
    fn calls(&self) -> Vec<(&'static str, Option<u16>)> {
        self.calls.lock().clone()
    }
}

/// A server, and how to get clients for it. All waits are short.
struct Bench {
    server: MockServer,
    noted: Arc<Noted>,
    connector: HubSpotConnector,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut HubSpotConfig)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        let ms = Duration::from_millis;
        let mut config = HubSpotConfig {
            endpoint: format!("{}/", server.uri()),
            ..HubSpotConfig::default()
        };
        config.timeout = Duration::from_secs(5);
        config.waits = RetryWaits {
            server: ms(5),
            locked: ms(10),
            secondly: ms(30),
            ten_secondly: ms(60),
            longest: ms(1_500),
            ..RetryWaits::default()
        };
        change(&mut config);
        let noted = Arc::new(Noted::default());
        let connector = HubSpotConnector::new(
            config,
            crate::upstream::client_builder(&["http://127.0.0.1"]).build().unwrap(),
            noted.clone(),
        );
        Self {
            server,
            noted,
            connector,
        }
    }

    fn client(&self) -> Arc<HubSpot> {
        self.connector.client_for(&secret(&[("accessToken", TOKEN)])).unwrap()
    }

    async fn post(&self, at: &str, answer: ResponseTemplate) {
        Mock::given(method("POST"))
            .and(path(at))
            .respond_with(answer)
            .mount(&self.server)
            .await;
    }

    async fn get(&self, at: &str, answer: ResponseTemplate) {
        Mock::given(method("GET"))
            .and(path(at))
            .respond_with(answer)
            .mount(&self.server)
            .await;
    }

    /// Answers in turn; the last one stays.
    async fn turns(&self, at: &str, answers: Vec<ResponseTemplate>) -> Arrivals {
        let arrivals = Arrivals::default();
        let noted = arrivals.clone();
        let respond = move |_: &Request| {
            let mut noted = noted.0.lock();
            noted.push(Instant::now());
            answers[(noted.len() - 1).min(answers.len() - 1)].clone()
        };
        Mock::given(path(at)).respond_with(respond).mount(&self.server).await;
        arrivals
    }

    async fn bodies(&self) -> Vec<Value> {
        let requests = self.server.received_requests().await.unwrap();
        requests
            .iter()
            .map(|request| serde_json::from_slice(&request.body).unwrap_or(Value::Null))
            .collect()
    }
}

/// When requests came in.
#[derive(Clone, Default)]
struct Arrivals(Arc<Mutex<Vec<Instant>>>);

impl Arrivals {
    fn all(&self) -> Vec<Instant> {
        self.0.lock().clone()
    }
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn status(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
}

fn details() -> Value {
    json!({ "portalId": 62515, "timeZone": "US/Eastern", "companyCurrency": "USD", "uiDomain": "app.hubspot.com" })
}

fn limit(policy: &str) -> ResponseTemplate {
    let body =
        json!({ "status": "error", "errorType": "RATE_LIMIT", "policyName": policy, "message": "You have reached" });
    status(429).set_body_json(body)
}

/// The error of a result whose success has no `Debug`.
fn failed<T>(result: Result<T, UpstreamError>) -> UpstreamError {
    result.err().expect("a failure")
}
