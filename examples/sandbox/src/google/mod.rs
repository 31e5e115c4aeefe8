//! Google's token endpoint, the part of the Google Ads API (v26) a conversion uploader uses, and the Data Manager API
//! (v1).
//!
//! Requests are walked against descriptors of the documented messages: an unknown name, a wrong type, an unknown enum
//! value or a `null` refuses the request, as strictly as or more strictly than the documentation asks for.

pub mod admin;
pub mod ads;
pub mod auth;
pub mod currency;
pub mod dm;
pub mod encoding;
pub mod reply;
pub mod schema;
pub mod state;
pub mod tally;
pub mod token;
pub mod web;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get, post};
use jiff::Timestamp;

use crate::world::{Shared, lock};
use state::Google;

/// Largest accepted request body in bytes; a full Data Manager batch stays far below.
const MAX_BODY: usize = 64 << 20;

/// The routes of the simulated Google services, for the upstream port.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/token", post(token::handle))
        .route("/v1/events:ingest", post(dm::ingest))
        .route("/v1/requestStatus:retrieve", get(dm::retrieve))
        .route(
            "/{version}/customers:listAccessibleCustomers",
            any(ads::list_accessible),
        )
        .route("/{version}/customers/{*rest}", any(ads::handle))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

/// The routes by which a test or a person arranges Google's side; the core nests them under `/admin/google`.
pub fn admin_router(shared: Shared) -> Router {
    admin::router()
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

/// Runs `f` on Google's state at the present sandbox time, after everything that was due has been processed.
pub(crate) fn with_google<T>(shared: &Shared, f: impl FnOnce(&mut Google, Timestamp) -> T) -> T {
    let mut world = lock(shared);
    let now = world.clock.now();
    world.google.settle(now);
    f(&mut world.google, now)
}
