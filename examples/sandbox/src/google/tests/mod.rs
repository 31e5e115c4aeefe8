//! The simulated Google services, driven through their routers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod actions;
mod ads;
mod destinations;
mod ingest;
mod processing;
mod token;
mod uploads;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::google::{admin_router, router};
use crate::options::Options;
use crate::world::{Shared, World, lock};

/// The default account.
const CUSTOMER: &str = "1234567890";
/// Its manager.
const MANAGER: &str = "9876543210";
/// A SHA-256 in hex.
const HASH: &str = "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4";

/// An answer: status, headers, body (text that is not JSON as a string).
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    /// `key.NAME` of all Google Ads errors.
    fn ads_errors(&self) -> Vec<String> {
        let details = self.body["error"]["details"].as_array().cloned().unwrap_or_default();
        names_in(&details)
    }

    /// Reason of the first `ErrorInfo`.
    fn info_reason(&self) -> &str {
        self.body["error"]["details"][0]["reason"].as_str().unwrap_or_default()
    }

    /// `field reason` of all violations.
    fn violations(&self) -> Vec<String> {
        let details = self.body["error"]["details"].as_array().cloned().unwrap_or_default();
        let list = details.iter().filter_map(|detail| detail["fieldViolations"].as_array());
        list.flatten()
            .map(|v| {
                format!(
                    "{} {}",
                    v["field"].as_str().unwrap_or("-"),
                    v["reason"].as_str().unwrap_or("-")
                )
            })
            .collect()
    }
}

fn names_in(details: &[Value]) -> Vec<String> {
    let errors = details
        .iter()
        .filter_map(|detail| detail["errors"].as_array())
        .flatten();
    errors
        .filter_map(|error| error["errorCode"].as_object()?.iter().next())
        .map(|(key, name)| format!("{key}.{}", name.as_str().unwrap_or_default()))
        .collect()
}

/// A sandbox with an access token.
struct Sandbox {
    shared: Shared,
    token: String,
}

impl Sandbox {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let mut sandbox = Self {
            shared: World::shared(&options),
            token: String::new(),
        };
        sandbox.login().await;
        sandbox
    }

    async fn login(&mut self) {
        let reply = self.form("grant_type=refresh_token&client_id=sandbox-client&client_secret=sandbox-secret&refresh_token=sandbox-refresh").await;
        self.token = reply.body["access_token"].as_str().expect("a token").to_owned();
    }

    async fn send(&self, admin: bool, request: Request<Body>) -> Reply {
        let router = if admin {
            admin_router(self.shared.clone())
        } else {
            router(self.shared.clone())
        };
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    async fn form(&self, body: &str) -> Reply {
        let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
        self.send(false, request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    /// A POST with extra headers.
    async fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::post(path);
        let bearer = format!("Bearer {}", self.token);
        for (name, value) in [("content-type", "application/json"), ("authorization", &bearer)] {
            if !headers.iter().any(|(given, _)| *given == name) {
                request = request.header(name, value);
            }
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        self.send(false, request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, body, &[]).await
    }

    async fn get(&self, path: &str) -> Reply {
        let request = Request::get(path).header("authorization", format!("Bearer {}", self.token));
        self.send(false, request.body(Body::empty()).unwrap()).await
    }

    /// An admin call that must succeed.
    async fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let reply = self.send(true, request.body(Body::from(text)).unwrap()).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        reply.body
    }

    async fn set(&self, settings: Value) {
        self.admin("PATCH", "/settings", &settings).await;
    }

    fn advance(&self, span: &str) {
        lock(&self.shared).clock.advance(span.parse().unwrap());
    }

    /// The present plus a span, as the APIs write it.
    fn time(&self, span: &str) -> String {
        let span: SignedDuration = span.parse().unwrap();
        (lock(&self.shared).clock.now() + span).to_string()
    }

    fn click(&self, gclid: &str, ago: &str) {
        let mut world = lock(&self.shared);
        let at = world.clock.now() - ago.parse::<SignedDuration>().unwrap();
        world.google.register_click(gclid, at);
    }

    /// Creates an action through the API and returns its id.
    async fn action(&self, fields: Value) -> String {
        let mut create = json!({"name": "Customer", "type": "UPLOAD_CLICKS", "category": "CONVERTED_LEAD"});
        create
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let reply = self.mutate(&json!({"operations": [{"create": create}]})).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let name = reply.body["results"][0]["resourceName"].as_str().unwrap();
        name.rsplit('/').next().unwrap().to_owned()
    }

    async fn mutate(&self, body: &Value) -> Reply {
        self.post(&format!("/v26/customers/{CUSTOMER}/conversionActions:mutate"), body)
            .await
    }

    async fn search(&self, query: &str) -> Reply {
        self.post(
            &format!("/v26/customers/{CUSTOMER}/googleAds:search"),
            &json!({"query": query}),
        )
        .await
    }

    fn event(&self, transaction: &str, gclid: &str) -> Value {
        json!({
            "transactionId": transaction,
            "eventTimestamp": self.time("-1m"),
            "eventSource": "WEB",
            "adIdentifiers": {"gclid": gclid},
        })
    }

    async fn ingest(&self, action: &str, events: Vec<Value>) -> Reply {
        self.post("/v1/events:ingest", &request(action, events)).await
    }

    /// Ingests, waits out the processing and returns the status of the only destination.
    async fn outcome(&self, action: &str, events: Vec<Value>) -> Value {
        let reply = self.ingest(action, events).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        self.advance("3s");
        let id = reply.body["requestId"].as_str().unwrap().to_owned();
        self.status(&id).await.body["requestStatusPerDestination"][0].clone()
    }

    async fn status(&self, id: &str) -> Reply {
        self.get(&format!("/v1/requestStatus:retrieve?requestId={id}")).await
    }

    async fn tally(&self) -> Value {
        self.admin("GET", "/tally", &Value::Null).await
    }
}

/// An ingest request with one destination.
fn request(action: &str, events: Vec<Value>) -> Value {
    with(
        &json!({"destinations": [destination(action)], "encoding": "HEX"}),
        "events",
        Value::Array(events),
    )
}

/// Cases written as lines `path | JSON (null: taken out) | what is expected`; `HASH` stands for a hash.
fn cases(table: &str) -> Vec<(String, Value, String)> {
    let line = |line: &str| {
        let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let change = serde_json::from_str(&parts[1].replace("HASH", HASH)).expect(line);
        (parts[0].to_owned(), change, parts[2].to_owned())
    };
    table.trim().lines().map(line).collect()
}

fn destination(action: &str) -> Value {
    json!({"operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": CUSTOMER}, "productDestinationId": action})
}

/// `value` with one member (path with dots) changed; `Null` takes it out.
fn with(value: &Value, path: &str, change: Value) -> Value {
    let mut out = value.clone();
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = parents
        .split('.')
        .filter(|p| !p.is_empty())
        .fold(&mut out, |place, part| match part.parse::<usize>() {
            Ok(index) => &mut place[index],
            Err(_) => &mut place[part],
        });
    if change.is_null() {
        parent.as_object_mut().unwrap().remove(last);
    } else if let Ok(index) = last.parse::<usize>() {
        parent[index] = change;
    } else {
        parent[last] = change;
    }
    out
}
