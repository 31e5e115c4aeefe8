//! What happens to every upstream request before and after the simulated service sees it: log, gate, faults.

use std::{fmt, io, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{HeaderValue, Request, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    faults::{Action, Verdict},
    gate::{Ticket, When},
    google, hubspot,
    log::Outcome,
    world::{Shared, lock},
};

/// Largest request body taken, in bytes.
const MAX_BODY: usize = 64 << 20;
/// Longest time a request stands at the gate, or hangs, before its connection is closed.
const GATE_LIMIT: Duration = Duration::from_mins(15);

/// The simulated services, told apart by path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Service {
    /// HubSpot.
    #[serde(rename = "hubspot")]
    HubSpot,
    /// Google Ads API.
    GoogleAds,
    /// Data Manager API.
    DataManager,
    /// Google's token endpoint.
    Token,
    /// A path none of them has.
    Other,
}

impl Service {
    /// The service a path belongs to.
    pub fn of(path: &str) -> Self {
        const HUBSPOT: [&str; 7] = [
            "/crm/",
            "/account-info/",
            "/oauth/",
            "/form-integrations/",
            "/marketing/",
            "/settings/",
            "/automation/",
        ];
        let first = path.split('/').nth(1).unwrap_or_default();
        let numbered = first
            .strip_prefix('v')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if HUBSPOT.iter().any(|prefix| path.starts_with(prefix)) {
            Self::HubSpot
        } else if path.ends_with("/token") || path.ends_with(":generateAccessToken") {
            Self::Token
        } else if first == "v1" {
            Self::DataManager
        } else if numbered {
            Self::GoogleAds
        } else {
            Self::Other
        }
    }
}

/// The connection has to be closed without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// The upstream side of the sandbox: one entry point for all services.
#[derive(Clone)]
pub struct Edge {
    shared: Shared,
    hubspot: Router,
    google: Router,
}

impl Edge {
    /// All services over one world.
    pub fn new(shared: Shared) -> Self {
        let whole = |router: Router| router.layer(DefaultBodyLimit::disable());
        Self {
            hubspot: whole(hubspot::router(shared.clone())),
            google: whole(google::router(shared.clone())),
            shared,
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// [`Dropped`] when the connection must be closed without an answer.
    pub async fn exchange<B>(&self, request: Request<B>) -> Result<Response, Dropped>
    where
        B: http_body_util::BodyExt<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(Body::new(body), MAX_BODY)
            .await
            .map_err(|_| Dropped)?;
        let service = Service::of(parts.uri.path());
        let (number, verdict, ticket) = self.arrive(service, &parts, &body);
        let fault = verdict.id.clone();
        let answer = self.answer(service, parts, body, verdict, ticket).await;
        let status = answer.as_ref().ok().map(|response| response.status().as_u16());
        lock(&self.shared).log.finish(number, Outcome { status, fault });
        answer
    }

    fn arrive(&self, service: Service, parts: &Parts, body: &Bytes) -> (u64, Verdict, Option<Ticket>) {
        let mut world = lock(&self.shared);
        let now = world.clock.now();
        let number = world
            .log
            .begin(now, service, &parts.method, &parts.uri, &parts.headers, body);
        let path = parts.uri.path_and_query().map_or(parts.uri.path(), |p| p.as_str());
        let verdict = world.faults.decide(service, &parts.method, path, body);
        // Known now, as nobody comes back from a request that the client gives up.
        let fault = verdict.id.clone();
        world.log.finish(number, Outcome { status: None, fault });
        let ticket = world.faults.gate.count(service, &parts.method, parts.uri.path());
        (number, verdict, ticket)
    }

    async fn answer(
        &self,
        service: Service,
        parts: Parts,
        body: Bytes,
        verdict: Verdict,
        mut ticket: Option<Ticket>,
    ) -> Result<Response, Dropped> {
        if let Some(ticket) = ticket.take_if(|t| t.when == When::Before) {
            self.park(ticket).await?;
        }
        if !verdict.delay.is_zero() {
            tokio::time::sleep(verdict.delay).await;
        }
        let answer = match verdict.action {
            Some(Action::DropBefore) => Err(Dropped),
            Some(Action::Html) => Ok(html()),
            Some(Action::Status { status, headers, body }) => {
                let mut response = error_response(service, status, body);
                response.headers_mut().extend(headers);
                Ok(response)
            }
            Some(Action::DropAfter) => {
                self.apply(service, parts, body).await;
                Err(Dropped)
            }
            Some(Action::HangBefore) => hang().await,
            Some(Action::HangAfter) => {
                self.apply(service, parts, body).await;
                hang().await
            }
            Some(Action::Truncate(bytes)) => truncate(self.apply(service, parts, body).await, bytes).await,
            Some(Action::Delay(_)) | None => Ok(self.apply(service, parts, body).await),
        };
        if let Some(ticket) = ticket {
            self.park(ticket).await?;
        }
        answer
    }

    async fn park(&self, ticket: Ticket) -> Result<(), Dropped> {
        lock(&self.shared).faults.gate.reached();
        tokio::time::timeout(GATE_LIMIT, ticket.wait())
            .await
            .map_err(|_| Dropped)
    }

    async fn apply(&self, service: Service, parts: Parts, body: Bytes) -> Response {
        let request = Request::from_parts(parts, Body::from(body));
        let router = if service == Service::HubSpot {
            &self.hubspot
        } else {
            &self.google
        };
        let Ok(response) = router.clone().oneshot(request).await;
        response
    }
}

/// The body a service sends with an error of the infrastructure in front of it.
fn error_response(service: Service, status: StatusCode, body: Option<Value>) -> Response {
    let body = body.unwrap_or_else(|| match service {
        Service::HubSpot => json!({"status": "error", "message": "internal error", "correlationId": "00000000-0000-4000-a000-000000000000"}),
        _ => json!({"error": {"code": status.as_u16(), "message": "The service is currently unavailable.", "status": google_status(status)}}),
    });
    let (kind, text) = match body {
        Value::String(text) => ("text/plain; charset=utf-8", text),
        json => ("application/json", json.to_string()),
    };
    respond(status, kind, text)
}

fn google_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNAVAILABLE",
    }
}

/// A client that gives up closes the connection, which ends this earlier.
async fn hang() -> Result<Response, Dropped> {
    tokio::time::sleep(GATE_LIMIT).await;
    Err(Dropped)
}

fn html() -> Response {
    let page =
        "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
    respond(StatusCode::BAD_GATEWAY, "text/html; charset=utf-8", page.to_owned())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Announces the whole body, sends only the first bytes of it, then fails.
async fn truncate(response: Response, bytes: usize) -> Result<Response, Dropped> {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Dropped)?;
    let sent = whole.slice(..bytes.min(whole.len().saturating_sub(1)));
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let chunks = stream::unfold(Some(sent), |first| async move {
        if let Some(chunk) = first {
            return Some((Ok(chunk), None));
        }
        // Lets the server flush what it has before the failure closes the connection.
        tokio::task::yield_now().await;
        Some((Err(io::Error::other(Dropped)), None))
    });
    Ok(Response::from_parts(parts, Body::from_stream(chunks)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_told_apart_by_path() {
        let cases = [
            ("/crm/objects/2026-09/contacts/search", Service::HubSpot),
            ("/oauth/2026-09/token", Service::HubSpot),
            ("/token", Service::Token),
            ("/v1/token", Service::Token),
            ("/v1/events:ingest", Service::DataManager),
            ("/v26/customers/1:uploadClickConversions", Service::GoogleAds),
            ("/", Service::Other),
            ("/vx/a", Service::Other),
        ];
        for (path, service) in cases {
            assert_eq!(Service::of(path), service, "{path}");
        }
    }
}
