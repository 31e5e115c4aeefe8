//! How a test or a person arranges Google's side. Bodies are JSON; unknown fields are refused with 400.

mod accounts;
mod actions;
mod credentials;
mod switches;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::tally;
use crate::world::Shared;

/// Keys of errors an account can be told to answer with.
pub const ARMABLE_KEYS: &[&str] = &[
    "authorizationError",
    "authenticationError",
    "notAllowlistedError",
    "quotaError",
    "internalError",
    "resourceAccessDeniedError",
];

/// A refusal: 400 for a bad request, 404 for something that does not exist.
pub struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }

    fn missing(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("no such {what}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// Answer of an admin handler.
type Answer = Result<Json<Value>, Refusal>;

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))
}

/// Overwrites the given members of `current` and reads the result strictly.
fn merged<T: Serialize + DeserializeOwned>(current: &T, body: &Bytes) -> Result<T, Refusal> {
    let mut value = serde_json::to_value(current).map_err(|error| Refusal::bad(error.to_string()))?;
    let change: serde_json::Map<String, Value> = read(body)?;
    if let Some(map) = value.as_object_mut() {
        map.extend(change);
    }
    serde_json::from_value(value).map_err(|error| Refusal::bad(error.to_string()))
}

/// The admin routes, relative to `/admin/google`.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/tally", get(tally::handle))
        .route("/accounts", get(accounts::list).post(accounts::create))
        .route("/accounts/{id}", patch(accounts::change).delete(accounts::remove))
        .route("/actions", get(actions::list).post(actions::create))
        .route("/actions/{id}", patch(actions::change).delete(actions::remove))
        .route("/goals", get(actions::goals).patch(actions::change_goal))
        .route("/credentials", get(credentials::list))
        .route("/credentials/clients", post(credentials::client))
        .route("/credentials/clients/{id}", delete(credentials::remove_client))
        .route("/credentials/refresh-tokens", post(credentials::refresh_token))
        .route("/credentials/service-accounts", post(credentials::service_account))
        .route("/credentials/revoke", post(credentials::revoke))
        .route("/credentials/forget-access-tokens", post(credentials::forget))
        .route("/settings", get(switches::settings).patch(switches::change))
        .route("/bad-rows", post(switches::bad_rows).delete(switches::clear_bad_rows))
        .route("/outcomes", post(switches::outcomes).delete(switches::clear_outcomes))
        .route("/clicks", post(switches::clicks))
        .route("/web-conversions", post(switches::web_conversions))
        .route("/requests", get(switches::requests))
        .route("/requests/forget", post(switches::forget))
        .route("/quota", get(switches::quota).delete(switches::reset_quota))
}
