//! The page for people without kubectl: which events there are, how each is doing, and the life of one contact. It is
//! made on the server and works without scripts.

mod chart;
mod conversions;
mod event;
mod frame;
mod list;
mod story;
mod table;

use axum::Form;
use axum::Router;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::Markup;
use serde::Deserialize;

use self::conversions::ListFilter;
use self::frame::failure_page;
use super::answer::AdminRefusal;
use super::asked_contact::{ContactQuestion, TOO_LONG};
use super::conversions::conversions_of;
use super::events::{ListParameters, describe_event, page_of};
use super::explain::explain;
use super::reader::Reader;
use super::source::Admin;
use crate::domain::brief::brief_name;
use crate::domain::ids::ObjectKey;
use crate::ports::ledger::view::MAX_PAGE;

const STYLE: &str = include_str!("style.css");
/// Events of one page.
const EVENTS: usize = 100;
/// Longest name of a namespace, in characters
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>).
const LONGEST_NAMESPACE: usize = 63;

/// The routes of the page.
pub(super) fn page_router() -> Router<Admin> {
    Router::new()
        .route("/", get(show_list))
        .route("/style.css", get(serve_style))
        .route("/events/{namespace}/{name}", get(show_event))
        .route("/events/{namespace}/{name}/conversions", get(show_conversions))
        .route("/events/{namespace}/{name}/explain", get(lead_back).post(show_story))
}

async fn serve_style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// The page, or one that says why there is none.
fn to_page(page: Result<Markup, AdminRefusal>) -> Response {
    match page {
        Ok(page) => Html(page.into_string()).into_response(),
        Err(refused) => (refused.status(), Html(failure_page(&refused).into_string())).into_response(),
    }
}

/// Says why there is no answer, so that whoever asked can read it.
pub(super) fn refuse(reader: Reader, refused: &AdminRefusal) -> Response {
    match reader {
        Reader::Program => refused.clone().into_response(),
        Reader::Person => to_page(Err(refused.clone())),
    }
}

/// The words of the rejection repeat it as it came.
fn unknown_parameter() -> AdminRefusal {
    AdminRefusal::Malformed("The address has a parameter that this page does not take.".to_owned())
}

async fn show_list(State(admin): State<Admin>, parameters: Result<Query<ListParameters>, QueryRejection>) -> Response {
    let page = || {
        let Query(mut parameters) = parameters.map_err(|_| unknown_parameter())?;
        parameters.limit = Some(EVENTS.to_string());
        // No namespace has a longer name, or such characters: what nobody can read is not shown again.
        let readable = |given: String| brief_name(&given).chars().take(LONGEST_NAMESPACE).collect();
        parameters.namespace = parameters.namespace.map(readable);
        for field in [&mut parameters.namespace, &mut parameters.state, &mut parameters.after] {
            field.take_if(|value| value.is_empty());
        }
        let source = admin.source()?;
        Ok(list::list_page(&page_of(&source, &parameters)?, &parameters))
    };
    to_page(page())
}

async fn show_event(State(admin): State<Admin>, Path((namespace, name)): Path<(String, String)>) -> Response {
    let page = async {
        let source = admin.source()?;
        let details = describe_event(&source, &ObjectKey::new(namespace, name)).await?;
        Ok(event::event_page(&details, source.clock.now()))
    };
    to_page(page.await)
}

async fn show_conversions(
    State(admin): State<Admin>,
    Path((namespace, name)): Path<(String, String)>,
    filter: Result<Query<ListFilter>, QueryRejection>,
) -> Response {
    let page = async {
        let Query(filter) = filter.map_err(|_| unknown_parameter())?;
        let parameters = filter.to_parameters()?;
        let key = ObjectKey::new(namespace, name);
        let source = admin.source()?;
        let list = conversions_of(&source, &key, &parameters, MAX_PAGE).await?;
        Ok(conversions::conversions_page(&key, &list, &filter))
    };
    to_page(page.await)
}

/// The address that a browser shows beside a story: who opens it again has not asked for anybody.
async fn lead_back(uri: Uri) -> Redirect {
    Redirect::to(uri.path().trim_end_matches("/explain"))
}

/// What the form on the page of an event sends.
#[derive(Deserialize)]
struct ContactForm {
    contact: String,
}

async fn show_story(
    State(admin): State<Admin>,
    Path((namespace, name)): Path<(String, String)>,
    asked: Result<Form<ContactForm>, FormRejection>,
) -> Response {
    let key = ObjectKey::new(namespace, name);
    let page = async {
        // What was sent may be an address: the words of the rejection may repeat it.
        let why = |rejection: FormRejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => TOO_LONG,
            _ => "Ask for one contact.",
        };
        let Form(asked) = asked.map_err(|rejection| AdminRefusal::Malformed(why(rejection).to_owned()))?;
        let source = admin.source()?;
        let explanation = explain(&source, &key, &ContactQuestion::about(&asked.contact)).await?;
        Ok(story::story_page(&key, &explanation))
    };
    match page.await {
        // The event is there: whoever asked may ask again.
        Err(refused @ (AdminRefusal::Malformed(_) | AdminRefusal::Failed(_))) => {
            let page = story::retry_page(&key, &refused.message());
            (refused.status(), Html(page.into_string())).into_response()
        }
        page => to_page(page),
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
