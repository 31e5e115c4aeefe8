//! A sandbox without sockets: requests go through the same entry points as those of a real connection.

use adconversion_sandbox::{
    admin,
    edge::Edge,
    hubspot::state::DEFAULT_TOKEN,
    options::Options,
    world::{Shared, World, lock},
};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request},
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tower::ServiceExt;

pub const SEARCH: &str = "/crm/objects/2026-09/contacts/search";
pub const READ: &str = "/crm/objects/2026-09/contacts/batch/read";
pub const READ_DEALS: &str = "/crm/objects/2026-09/deals/batch/read";
pub const ASSOCIATIONS: &str = "/crm/associations/2026-09/contacts/deals/batch/read";

pub struct Sandbox {
    edge: Edge,
    admin: Router,
    pub shared: Shared,
    pub token: String,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Sandbox {
    /// Without rate limits.
    pub fn new() -> Self {
        Self::with(&Options {
            no_rate_limits: true,
            ..Options::default()
        })
    }

    pub fn with(options: &Options) -> Self {
        let shared = World::shared(options);
        Self {
            edge: Edge::new(shared.clone()),
            admin: admin::router(shared.clone()),
            shared,
            token: DEFAULT_TOKEN.to_owned(),
        }
    }

    pub async fn send(&self, method: Method, path: &str, content_type: &str, body: String) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", content_type)
            .body(Body::from(body))
            .unwrap();
        let response = self.edge.exchange(request).await.expect("an answer");
        reply(response).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, "application/json", body.to_string())
            .await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "application/json", String::new()).await
    }

    pub async fn form(&self, path: &str, body: &str) -> Reply {
        self.send(Method::POST, path, "application/x-www-form-urlencoded", body.to_owned())
            .await
    }

    /// An admin call that must succeed.
    pub async fn admin(&self, method: Method, path: &str, body: &Value) -> Value {
        let reply = self.try_admin(method, path, body).await;
        assert!(reply.status < 300, "{path}: {} {}", reply.status, reply.body);
        reply.body
    }

    pub async fn try_admin(&self, method: Method, path: &str, body: &Value) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(format!("/admin{path}"))
            .header("content-type", "application/json");
        let response = self
            .admin
            .clone()
            .oneshot(request.body(Body::from(body.to_string())).unwrap())
            .await
            .unwrap();
        reply(response).await
    }

    /// Creates contacts and returns their ids.
    pub async fn contacts(&self, contacts: &Value) -> Vec<String> {
        ids(&self.admin(Method::POST, "/hubspot/contacts", contacts).await)
    }

    pub async fn deals(&self, deals: &Value) -> Vec<String> {
        ids(&self.admin(Method::POST, "/hubspot/deals", deals).await)
    }

    pub async fn patch_portal(&self, body: &Value) {
        self.admin(Method::PATCH, "/hubspot/portals/62515", body).await;
    }

    pub fn advance(&self, seconds: i64) {
        lock(&self.shared).clock.advance(SignedDuration::from_secs(seconds));
    }

    pub fn now(&self) -> i64 {
        lock(&self.shared).clock.now_ms()
    }

    /// Searches with one group of filters, sorted by id.
    pub async fn search(&self, filters: &Value) -> Reply {
        let body = json!({"filterGroups": [{"filters": filters}], "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                          "properties": ["email"], "limit": 200, "after": "0"});
        self.post(SEARCH, &body).await
    }

    pub async fn found(&self, filters: &Value) -> Vec<String> {
        let reply = self.search(filters).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.ids()
    }

    /// A batch read with history of `lifecyclestage`.
    pub async fn history(&self, ids: &[&str]) -> Reply {
        let inputs: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let body =
            json!({"inputs": inputs, "properties": ["lifecyclestage"], "propertiesWithHistory": ["lifecyclestage"]});
        self.post(READ, &body).await
    }
}

impl Reply {
    pub fn ids(&self) -> Vec<String> {
        let results = self.body["results"].as_array().expect("results");
        results.iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Asserts an error of HubSpot's shape.
    #[track_caller]
    pub fn refused(&self, status: u16, category: &str) {
        assert_eq!(
            (self.status, self.body["category"].as_str()),
            (status, Some(category)),
            "{}",
            self.body
        );
        assert!(
            self.body["correlationId"].as_str().is_some_and(|id| id.len() == 36),
            "{}",
            self.body
        );
        assert_eq!(self.body["status"], "error");
        assert!(self.headers.contains_key("x-hubspot-correlation-id"));
    }
}

fn ids(body: &Value) -> Vec<String> {
    body["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

async fn reply(response: axum::response::Response) -> Reply {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    }
}
