//! Conversions as the admin API lists them: those of the plan, and those that an operator has recorded.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::HOST;
use jiff::Timestamp;
use serde::Deserialize;
use tower::ServiceExt as _;

use crate::cli::command_error::CommandError;
use crate::domain::ids::ObjectKey;

/// Most bytes of a page.
const PAGE_BYTES: usize = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConversionEntry {
    /// When the stage was reached, or the form submitted.
    pub(super) time: Timestamp,
    pub(super) transaction_id: String,
    pub(super) contact_id: Option<String>,
    pub(super) outcome: String,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    /// A decimal.
    pub(super) value: Option<String>,
    pub(super) currency: Option<String>,
}

/// One page of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) conversions: Vec<ConversionEntry>,
    pub(super) next: Option<String>,
}

/// Where the list of an event is.
pub(super) fn list_path(event: &ObjectKey) -> [&str; 5] {
    ["v1", "events", &event.namespace, &event.name, "conversions"]
}

/// All conversions of an event that an admin API in this process lists; none while its stage or form is not known.
///
/// # Errors
/// If it fails.
pub(super) async fn list_all(admin: &Router, event: &ObjectKey) -> Result<Vec<ConversionEntry>, CommandError> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
        let request = Request::get(format!("/{}{query}", list_path(event).join("/")))
            .header(HOST, "localhost")
            .body(Body::empty())?;
        let answer = admin.clone().oneshot(request).await?;
        if answer.status() == axum::http::StatusCode::CONFLICT {
            return Ok(Vec::new());
        }
        let found = answer.status().is_success();
        let body = to_bytes(answer.into_body(), PAGE_BYTES).await?;
        if !found {
            return Err(format!(
                "the conversions could not be listed: {}",
                String::from_utf8_lossy(&body)
            )
            .into());
        }
        let page: Page = serde_json::from_slice(&body)?;
        all.extend(page.conversions);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}
