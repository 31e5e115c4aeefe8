//! Admin routes of HubSpot.

use axum::Router;

use crate::world::Shared;

/// Routes under `/admin/hubspot`.
pub fn router(_shared: Shared) -> Router {
    Router::new()
}
