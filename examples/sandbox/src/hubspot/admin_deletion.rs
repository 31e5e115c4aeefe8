//! Admin calls that delete contacts and restore them.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::admin::Reply;
use crate::{
    admin::Refusal,
    world::{Shared, lock},
};

/// How long HubSpot keeps what was deleted, milliseconds.
const KEPT: i64 = 90 * 86_400_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deletion {
    portal_id: Option<u64>,
    /// A privacy deletion: for good.
    #[serde(default)]
    gdpr: bool,
}

/// `DELETE /contacts/{id}`, with `gdpr=true` for good.
pub async fn delete(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Query(query): Query<Deletion>,
) -> Result<StatusCode, Refusal> {
    let mut world = lock(&shared);
    let now = world.clock.now_ms();
    let portal = world.hubspot.portal_mut(query.portal_id)?;
    let id = portal
        .contacts
        .resolve(id)
        .map(|record| record.id)
        .ok_or_else(|| format!("no contact {id}"))?;
    if let Some(record) = portal.contacts.records.get_mut(&id) {
        record.archived = true;
        record.archived_at = now;
        record.purged = query.gdpr;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /contacts/{id}/restore`: within 90 days, and not after a privacy deletion.
pub async fn restore(State(shared): State<Shared>, Path(id): Path<u64>, Query(query): Query<Deletion>) -> Reply {
    let mut world = lock(&shared);
    let now = world.clock.now_ms();
    let portal = world.hubspot.portal_mut(query.portal_id)?;
    let record = portal
        .contacts
        .records
        .get_mut(&id)
        .ok_or_else(|| format!("no contact {id}"))?;
    if !record.archived || record.purged || now - record.archived_at > KEPT {
        return Err(format!("contact {id} is not among those that can be restored").into());
    }
    record.archived = false;
    Ok(Json(json!({"id": id.to_string()})))
}
