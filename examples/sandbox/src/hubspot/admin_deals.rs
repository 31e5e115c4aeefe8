//! Admin calls that create, change and delete deals.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    admin::{InPortal, Instant, Properties, Reply},
    state::Portal,
    store::Change,
};
use crate::{
    admin::Refusal,
    world::{Shared, lock},
};

/// A deal to create, or what changes about one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DealBody {
    id: Option<String>,
    created_at: Option<Instant>,
    #[serde(default)]
    properties: Properties,
    #[serde(default)]
    contact_ids: Vec<String>,
}

impl DealBody {
    fn write(&self, portal: &mut Portal, deal: u64, at: i64, now: i64) -> Result<(), String> {
        for (name, value) in &self.properties.0 {
            let change = Change {
                value: value.clone(),
                at,
                recorded: now,
                source: "API".into(),
            };
            portal.deals.set(deal, name, change)?;
        }
        if let Some(record) = portal.deals.records.get_mut(&deal) {
            record.touch(now, now, now);
        }
        let contacts = self
            .contact_ids
            .iter()
            .map(|id| id.parse().map_err(|_| format!("{id:?} is no id")));
        portal.associate(deal, &contacts.collect::<Result<Vec<u64>, _>>()?, now)
    }
}

/// `POST /deals`.
pub async fn create(
    State(shared): State<Shared>,
    Query(query): Query<InPortal>,
    Json(body): Json<Vec<DealBody>>,
) -> Reply {
    let mut world = lock(&shared);
    let now = world.clock.now_ms();
    let portal = world.hubspot.portal_mut(query.portal_id)?;
    let mut ids = Vec::with_capacity(body.len());
    for deal in &body {
        let created = deal.created_at.map_or(now, |at| at.0);
        let wanted = deal
            .id
            .as_deref()
            .map(|id| id.parse().map_err(|_| format!("{id:?} is no id")))
            .transpose()?;
        let id = portal.deals.create(wanted, created, now)?;
        deal.write(portal, id, created, now)?;
        ids.push(id.to_string());
    }
    Ok(Json(json!({"ids": ids})))
}

/// `PATCH /deals/{id}`.
pub async fn change(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Query(query): Query<InPortal>,
    Json(body): Json<DealBody>,
) -> Reply {
    let mut world = lock(&shared);
    let now = world.clock.now_ms();
    let portal = world.hubspot.portal_mut(query.portal_id)?;
    portal.deals.resolve(id).ok_or_else(|| format!("no deal {id}"))?;
    body.write(portal, id, now, now)?;
    Ok(Json(json!({"id": id.to_string()})))
}

/// `DELETE /deals/{id}`: archives the deal.
pub async fn delete(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Query(query): Query<InPortal>,
) -> Result<StatusCode, Refusal> {
    let mut world = lock(&shared);
    let portal = world.hubspot.portal_mut(query.portal_id)?;
    let record = portal
        .deals
        .records
        .get_mut(&id)
        .ok_or_else(|| format!("no deal {id}"))?;
    record.archived = true;
    Ok(StatusCode::NO_CONTENT)
}
