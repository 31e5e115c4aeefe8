//! HubSpot, version 2026-09.

use axum::Router;

use crate::world::Shared;

pub mod admin;
pub mod generate;
pub mod state;

/// Upstream routes.
pub fn router(_shared: Shared) -> Router {
    Router::new()
}
