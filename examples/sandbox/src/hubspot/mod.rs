//! HubSpot, version 2026-09: contacts, lifecycle stages, deals, account, OAuth.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
    routing::{MethodRouter, get, post},
};

use self::{
    auth::{Bucket, Call, Gatekeeper},
    reply::{Answer, Outcome},
};
use crate::world::{Shared, lock};

pub mod account;
pub mod admin;
mod admin_deals;
mod admin_deletion;
mod admin_forms;
mod admin_portals;
pub mod assoc;
pub mod auth;
pub mod batch;
pub mod catalogue;
pub mod deal;
pub mod expected;
pub mod filter;
pub mod forms;
pub mod generate;
pub mod limits;
pub mod merge;
pub mod oauth;
pub mod odd;
pub mod record;
pub mod reply;
pub mod search;
pub mod state;
pub mod store;
pub mod tick;

const CONTACTS: Gatekeeper = Gatekeeper {
    scopes: &["crm.objects.contacts.read"],
    bucket: Bucket::Burst,
};
const SEARCH: Gatekeeper = Gatekeeper {
    bucket: Bucket::Search,
    ..CONTACTS
};
const DEALS: Gatekeeper = Gatekeeper {
    scopes: &["crm.objects.deals.read"],
    bucket: Bucket::Burst,
};
const ASSOCIATIONS: Gatekeeper = Gatekeeper {
    scopes: &[
        "crm.objects.contacts.read",
        "crm.objects.contacts.write",
        "crm.objects.deals.read",
        "crm.objects.deals.write",
    ],
    bucket: Bucket::Burst,
};
const PROPERTIES: Gatekeeper = Gatekeeper {
    scopes: &["crm.objects.contacts.read", "crm.schemas.contacts.read"],
    bucket: Bucket::Burst,
};
const PIPELINES: Gatekeeper = Gatekeeper {
    scopes: &["crm.objects.deals.read", "crm.schemas.deals.read"],
    bucket: Bucket::Burst,
};
const FORMS: Gatekeeper = Gatekeeper {
    scopes: &["forms"],
    bucket: Bucket::Burst,
};
const ANYONE: Gatekeeper = Gatekeeper {
    scopes: &[],
    bucket: Bucket::Burst,
};

/// Upstream routes.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route(
            "/crm/objects/2026-09/contacts/search",
            calls(&Method::POST, SEARCH, search::contacts),
        )
        .route(
            "/crm/objects/2026-09/contacts/batch/read",
            calls(&Method::POST, CONTACTS, batch::contacts),
        )
        .route(
            "/crm/objects/2026-09/deals/batch/read",
            calls(&Method::POST, DEALS, batch::deals),
        )
        .route(
            "/crm/associations/2026-09/contacts/deals/batch/read",
            calls(&Method::POST, ASSOCIATIONS, assoc::contacts_to_deals),
        )
        .route(
            "/crm/properties/2026-09/contacts",
            calls(&Method::GET, PROPERTIES, account::properties),
        )
        .route("/crm/properties/2026-09/contacts/{name}", get(one_property))
        .route(
            "/crm/pipelines/2026-09/deals",
            calls(&Method::GET, PIPELINES, account::pipelines),
        )
        .route(
            "/account-info/2026-09/details",
            calls(&Method::GET, ANYONE, account::details),
        )
        .route(
            "/account-info/2026-09/api-usage/daily/private-apps",
            calls(&Method::GET, ANYONE, account::daily_usage),
        )
        .route("/marketing/v3/forms", get(list_forms))
        .route("/marketing/v3/forms/{id}", get(one_form))
        .route("/form-integrations/v1/submissions/forms/{id}", get(submissions))
        .route("/oauth/2026-09/token", post(oauth_token))
        .route("/oauth/2026-09/token/introspect", post(introspect))
        .route("/oauth/v2/private-apps/get/access-token-info", post(token_info))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .with_state(shared)
}

type Endpoint = fn(&Call<'_>) -> Outcome;

fn calls(method: &Method, gatekeeper: Gatekeeper, endpoint: Endpoint) -> MethodRouter<Shared> {
    let handler = async move |State(shared): State<Shared>, headers: HeaderMap, body: Bytes| -> Response {
        gatekeeper.serve(&shared, &headers, &body, endpoint)
    };
    if *method == Method::POST {
        post(handler)
    } else {
        get(handler)
    }
}

async fn one_property(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    PROPERTIES.serve(&shared, &headers, &body, |call| account::property(call, &name))
}

async fn list_forms(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    FORMS.serve(&shared, &headers, &body, |call| forms::list(call, uri.query()))
}

async fn one_form(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    FORMS.serve(&shared, &headers, &body, |call| forms::get(call, &id))
}

async fn submissions(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    FORMS.serve(&shared, &headers, &body, |call| {
        forms::submissions(call, &id, uri.query())
    })
}

async fn oauth_token(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    oauth::token(&shared, &headers, &body)
}

async fn introspect(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    oauth::introspect(&shared, &headers, &body)
}

async fn token_info(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    oauth::token_info(&shared, &headers, &body)
}

async fn unknown_path(State(shared): State<Shared>, uri: Uri) -> Response {
    let answer = Answer::error(
        StatusCode::NOT_FOUND,
        "OBJECT_NOT_FOUND",
        format!("No resource at {}", uri.path()),
    );
    plain(&shared, answer)
}

async fn wrong_method(State(shared): State<Shared>, method: Method) -> Response {
    let answer = Answer::error(
        StatusCode::METHOD_NOT_ALLOWED,
        "VALIDATION_ERROR",
        format!("{method} is not allowed here"),
    );
    plain(&shared, answer)
}

fn plain(shared: &Shared, answer: Answer) -> Response {
    let correlation_id = lock(shared).hubspot.random.uuid();
    answer.into_response(&correlation_id, HeaderMap::new())
}
