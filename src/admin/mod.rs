//! The admin listener: a read-only API and a page for people who ask what
//! became of conversions. docs/admin-api.md has the shapes of the API.
//!
//! It listens on loopback inside the pod, so that whoever may forward a port there may ask. It shows no personal data:
//! ids of contacts, times, counts, and codes. It changes nothing, anywhere.

mod answer;
mod asked_contact;
mod contact;
mod conversions;
mod cursor;
mod deals;
mod event_state;
mod events;
mod explain;
mod guard;
mod nameless;
mod objects;
mod page;
mod parameters;
mod patience;
mod reader;
mod source;
#[cfg(test)]
mod test_support;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};

use self::answer::AdminRefusal;
pub use self::objects::EventStores;
use self::reader::Reader;
pub use self::source::{Admin, Source};

/// Most bytes of a question's body.
const BODY_BYTES: usize = 16 << 10;

/// The routes of the listener.
pub fn admin_router(admin: Admin) -> Router {
    let event = "/v1/events/{namespace}/{name}";
    Router::new()
        .route("/v1/events", get(events::list_events))
        .route(event, get(events::show_event))
        .route(&format!("{event}/conversions"), get(conversions::list_conversions))
        .route(&format!("{event}/explain"), post(explain::explain_contact))
        .merge(page::page_router())
        .fallback(async |reader: Reader| page::refuse(reader, &AdminRefusal::NoSuchPage))
        .method_not_allowed_fallback(async |reader: Reader| page::refuse(reader, &AdminRefusal::WrongMethod))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn(guard::check_request))
        .with_state(admin)
}
