//! Admin routes of HubSpot: portals, contacts, merges, deals, generated data, what is expected.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{delete, get, patch, post},
};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{
    admin_deals, admin_deletion, admin_forms, admin_portals, expected, generate, merge, odd,
    record::EVERYTHING,
    store::{Change, instant, iso},
    tick,
};
use crate::{
    admin::Refusal,
    random::Random,
    world::{Shared, World, lock},
};

/// What every admin call answers.
pub type Reply = Result<Json<Value>, Refusal>;

/// Routes under `/admin/hubspot`.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/portals", get(admin_portals::list).post(admin_portals::create))
        .route("/portals/{id}", patch(admin_portals::change))
        .route("/contacts", post(create_contacts))
        .route(
            "/contacts/{id}",
            get(show_contact).patch(change_contact).delete(admin_deletion::delete),
        )
        .route("/contacts/{id}/restore", post(admin_deletion::restore))
        .route("/merge", post(merge_contacts))
        .route("/deals", post(admin_deals::create))
        .route("/deals/{id}", patch(admin_deals::change).delete(admin_deals::delete))
        .route("/forms", post(admin_forms::create))
        .route("/forms/{id}", delete(admin_forms::delete))
        .route("/submissions", post(admin_forms::submit))
        .route("/submissions/generate", post(admin_forms::generate))
        .route("/expected-submissions", get(admin_forms::expected))
        .route("/odd", post(odd::arm).delete(odd::clear))
        .route("/generate", post(generate_contacts))
        .route("/expected", get(expected_entries))
        .route("/tick", post(tick_contacts))
        .with_state(shared)
}

/// Property values: text, numbers and booleans as written, null clears.
#[derive(Clone, Debug, Default)]
pub struct Properties(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let text = |value: Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(Self(raw.into_iter().map(|(name, value)| (name, text(value))).collect()))
    }
}

/// A point in time: ISO 8601 text or epoch milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Instant(pub i64);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Value::deserialize(deserializer)?;
        let ms = raw.as_i64().or_else(|| raw.as_str().and_then(instant));
        ms.map(Self)
            .ok_or_else(|| serde::de::Error::custom("a time is ISO 8601 text or epoch milliseconds"))
    }
}

/// Selects the portal; the default one if absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InPortal {
    /// Portal id.
    pub portal_id: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewContact {
    id: Option<String>,
    created_at: Option<Instant>,
    updated_at: Option<Instant>,
    #[serde(default)]
    properties: Properties,
    #[serde(default)]
    history: BTreeMap<String, Vec<HistoryRow>>,
    #[serde(default = "yes")]
    register_click: bool,
    #[serde(default)]
    index_lag_ms: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HistoryRow {
    value: String,
    timestamp: Instant,
    #[serde(default = "api")]
    source_type: String,
}

fn yes() -> bool {
    true
}

fn api() -> String {
    "API".to_owned()
}

async fn create_contacts(
    State(shared): State<Shared>,
    Query(query): Query<InPortal>,
    Json(body): Json<Vec<NewContact>>,
) -> Reply {
    let mut world = lock(&shared);
    let mut ids = Vec::with_capacity(body.len());
    for contact in &body {
        ids.push(create_contact(&mut world, query.portal_id, contact)?.to_string());
    }
    Ok(Json(json!({"ids": ids})))
}

fn create_contact(world: &mut World, portal: Option<u64>, contact: &NewContact) -> Result<u64, String> {
    let now = world.clock.now_ms();
    let created = contact.created_at.map_or(now, |at| at.0);
    if let Some(name) = contact
        .history
        .keys()
        .find(|name| contact.properties.0.contains_key(*name))
    {
        return Err(format!("{name} is given both as property and as history"));
    }
    let id = contact
        .id
        .as_deref()
        .map(|id| id.parse().map_err(|_| format!("{id:?} is no id")))
        .transpose()?;
    let portal = world.hubspot.portal_mut(portal)?;
    let id = portal.contacts.create(id, created, now)?;
    if let Some(record) = portal.contacts.records.get_mut(&id) {
        record.extra_lag = contact.index_lag_ms;
    }
    let mut clicks = Vec::new();
    let mut set = |name: &str, value: &str, at: i64, source: &str| {
        if name == "hs_google_click_id" && !value.is_empty() && contact.register_click {
            clicks.push((value.to_owned(), at));
        }
        let change = Change {
            value: value.to_owned(),
            at,
            recorded: now,
            source: source.to_owned().into(),
        };
        portal.contacts.set(id, name, change)
    };
    for (name, value) in &contact.properties.0 {
        set(name, value, created, "API")?;
    }
    for (name, rows) in &contact.history {
        for row in rows {
            set(name, &row.value, row.timestamp.0, &row.source_type)?;
        }
    }
    portal.touch_contact(id, contact.updated_at.map_or(now, |at| at.0), now)?;
    register(world, clicks);
    Ok(id)
}

fn register(world: &mut World, clicks: Vec<(String, i64)>) {
    for (gclid, at) in clicks {
        world
            .google
            .register_click(&gclid, Timestamp::from_millisecond(at).unwrap_or_default());
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ContactChange {
    #[serde(default)]
    properties: Properties,
    at: Option<Instant>,
    #[serde(default = "api")]
    source_type: String,
    #[serde(default = "yes")]
    register_click: bool,
    index_lag_ms: Option<i64>,
}

async fn change_contact(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Query(query): Query<InPortal>,
    Json(body): Json<ContactChange>,
) -> Reply {
    let mut world = lock(&shared);
    let now = world.clock.now_ms();
    let at = body.at.map_or(now, |at| at.0);
    let portal = world.hubspot.portal_mut(query.portal_id)?;
    let id = portal
        .contacts
        .resolve(id)
        .map(|record| record.id)
        .ok_or_else(|| format!("no contact {id}"))?;
    if let (Some(lag), Some(record)) = (body.index_lag_ms, portal.contacts.records.get_mut(&id)) {
        record.extra_lag = lag;
    }
    portal.change_contact(id, &body.properties.0, at, now, &body.source_type.into())?;
    let gclid = body
        .properties
        .0
        .get("hs_google_click_id")
        .filter(|value| !value.is_empty() && body.register_click);
    register(&mut world, gclid.map(|value| (value.clone(), at)).into_iter().collect());
    Ok(Json(json!({"id": id.to_string(), "at": iso(at)})))
}

async fn show_contact(State(shared): State<Shared>, Path(id): Path<u64>, Query(query): Query<InPortal>) -> Reply {
    let mut world = lock(&shared);
    let portal = world.hubspot.portal_mut(query.portal_id)?;
    let record = portal.contacts.resolve(id).ok_or_else(|| format!("no contact {id}"))?;
    let mut histories = serde_json::Map::new();
    for (key, rows) in record.all_rows() {
        let name = portal.contacts.catalogue.get(*key).map_or("", |p| &p.name);
        let rows = rows
            .iter()
            .map(|r| json!({"value": r.value, "timestamp": iso(r.at), "sourceType": r.source}))
            .collect();
        histories.insert(name.to_owned(), rows);
    }
    Ok(Json(json!({
        "id": record.id.to_string(), "createdAt": iso(record.created), "updatedAt": iso(record.updated(EVERYTHING)),
        "merged": record.merged.iter().map(u64::to_string).collect::<Vec<_>>(), "deals": record.links, "history": histories,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    ids: [Value; 2],
}

async fn merge_contacts(State(shared): State<Shared>, Query(query): Query<InPortal>, Json(body): Json<Merge>) -> Reply {
    let id = |value: &Value| {
        value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .ok_or("ids are record ids")
    };
    let (first, second) = (id(&body.ids[0])?, id(&body.ids[1])?);
    let mut world = lock(&shared);
    let now = world.clock.now_ms();
    let merged = merge::contacts(world.hubspot.portal_mut(query.portal_id)?, first, second, now)?;
    Ok(Json(json!({"id": merged.to_string()})))
}

async fn generate_contacts(State(shared): State<Shared>, Json(plan): Json<generate::Plan>) -> Reply {
    Ok(Json(generate::run(&mut lock(&shared), &plan)?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpectedQuery {
    portal_id: Option<u64>,
    stage: Option<String>,
    since: Option<String>,
    #[serde(default)]
    include_archived: bool,
}

async fn expected_entries(State(shared): State<Shared>, Query(query): Query<ExpectedQuery>) -> Reply {
    let since = match query.since.as_deref() {
        None => i64::MIN,
        Some(text) => instant(text).ok_or("since is ISO 8601 or epoch milliseconds")?,
    };
    let mut world = lock(&shared);
    let portal = world.hubspot.portal_mut(query.portal_id)?;
    let entries = expected::entries(portal, query.stage.as_deref(), since);
    Ok(Json(expected::to_json(&entries, query.include_archived)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tick {
    count: u32,
    seed: Option<u64>,
    portal_id: Option<u64>,
}

async fn tick_contacts(State(shared): State<Shared>, Json(body): Json<Tick>) -> Reply {
    let mut world = lock(&shared);
    let now = world.clock.now_ms();
    let mut random = Random::new(body.seed.unwrap_or_else(|| world.hubspot.random.bits()));
    let moved = tick::run(world.hubspot.portal_mut(body.portal_id)?, body.count, &mut random, now)?;
    Ok(Json(json!({"moved": moved})))
}
