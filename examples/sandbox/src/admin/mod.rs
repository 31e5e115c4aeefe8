//! The admin server: clock, faults, gate, request log, tally.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    edge::Service,
    faults::FaultRequest,
    gate::GateRequest,
    google, hubspot,
    world::{Shared, lock},
};

/// Routes of the admin server, those of the services included.
pub fn router(shared: Shared) -> Router {
    let own = Router::new()
        .route("/admin/healthz", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/admin/clock", get(read_clock).post(set_clock))
        .route("/admin/clock/advance", post(advance_clock))
        .route("/admin/faults", get(list_faults).post(arm_fault).delete(clear_faults))
        .route("/admin/flaky", post(set_flaky))
        .route("/admin/gate", get(read_gate).post(arm_gate).delete(open_gate))
        .route("/admin/requests", get(list_requests).delete(clear_requests))
        .route("/admin/requests/summary", get(summarise_requests))
        .route("/admin/tally", get(tally))
        .with_state(shared.clone());
    own.nest("/admin/hubspot", hubspot::admin::router(shared.clone()))
        .nest("/admin/google", google::admin_router(shared))
        .layer(DefaultBodyLimit::disable())
}

/// A refusal of the admin server: 400 with `{"error": "…"}`.
pub struct Refusal(pub String);

impl<T: Into<String>> From<T> for Refusal {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.0}))).into_response()
    }
}

async fn read_clock(State(shared): State<Shared>) -> Json<Value> {
    let clock = lock(&shared).clock;
    Json(
        json!({"now": clock.now().to_string(), "offsetSeconds": Duration::try_from(clock.offset().abs()).unwrap_or_default().as_secs_f64() * f64::from(clock.offset().signum())}),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetClock {
    now: Timestamp,
}

async fn set_clock(State(shared): State<Shared>, Json(body): Json<SetClock>) -> Json<Value> {
    lock(&shared).clock.set(body.now);
    read_clock(State(shared)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: f64,
}

async fn advance_clock(State(shared): State<Shared>, Json(body): Json<Advance>) -> Result<Json<Value>, Refusal> {
    let step = SignedDuration::try_from_secs_f64(body.seconds).map_err(|e| e.to_string())?;
    lock(&shared).clock.advance(step);
    Ok(read_clock(State(shared)).await)
}

async fn list_faults(State(shared): State<Shared>) -> Json<Value> {
    Json(lock(&shared).faults.to_json())
}

async fn arm_fault(State(shared): State<Shared>, Json(body): Json<FaultRequest>) -> Result<Json<Value>, Refusal> {
    let id = lock(&shared).faults.arm(body)?;
    Ok(Json(json!({"id": id})))
}

#[derive(Deserialize)]
struct ById {
    id: Option<String>,
}

async fn clear_faults(State(shared): State<Shared>, Query(query): Query<ById>) -> StatusCode {
    lock(&shared).faults.clear(query.id.as_deref());
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flaky {
    percent: u8,
}

async fn set_flaky(State(shared): State<Shared>, Json(body): Json<Flaky>) -> Result<StatusCode, Refusal> {
    if body.percent > 100 {
        return Err("percent is 0 to 100".into());
    }
    lock(&shared).faults.set_flaky(body.percent);
    Ok(StatusCode::NO_CONTENT)
}

async fn read_gate(State(shared): State<Shared>) -> Json<Value> {
    Json(lock(&shared).faults.gate.to_json())
}

async fn arm_gate(State(shared): State<Shared>, Json(body): Json<GateRequest>) -> Result<Json<Value>, Refusal> {
    let mut world = lock(&shared);
    world.faults.gate.arm(body)?;
    Ok(Json(world.faults.gate.to_json()))
}

async fn open_gate(State(shared): State<Shared>) -> StatusCode {
    lock(&shared).faults.gate.open();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct RequestFilter {
    #[serde(default)]
    since: u64,
    service: Option<Service>,
}

async fn list_requests(State(shared): State<Shared>, Query(query): Query<RequestFilter>) -> Json<Value> {
    Json(lock(&shared).log.list(query.since, query.service))
}

async fn clear_requests(State(shared): State<Shared>) -> StatusCode {
    lock(&shared).log.clear();
    StatusCode::NO_CONTENT
}

async fn summarise_requests(State(shared): State<Shared>) -> Json<Value> {
    let world = lock(&shared);
    Json(json!({"last": world.log.last_number(), "requests": world.log.summary()}))
}

async fn tally(State(shared): State<Shared>) -> Json<Value> {
    Json(lock(&shared).google.tally())
}
