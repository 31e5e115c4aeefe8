//! What Google really counted: the yardstick of every test.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::dm::store::{ClickKind, Conversion, Totals};
use super::state::Google;
use super::web::Enhancement;
use super::with_google;
use crate::world::Shared;

/// Query of the tally.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Only this action.
    action_id: Option<u64>,
    /// Leave the list of conversions out.
    #[serde(default)]
    summary: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    customer_id: &'a str,
    conversion_action_id: String,
    transaction_id: &'a str,
    event_timestamp: Timestamp,
    value: Option<f64>,
    currency: Option<&'a str>,
    click_id_kind: Option<ClickKind>,
    click_id: Option<&'a str>,
    user_identifiers: usize,
    identifiers: &'a [String],
    consent: Option<&'a str>,
    accepted_count: u64,
    repeated: u64,
    adjusted: u64,
    request_ids: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tally<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    conversions: Option<Vec<Row<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enhancements: Option<Vec<&'a Enhancement>>,
    #[serde(flatten)]
    summary: Value,
}

fn totals_json(totals: &Totals) -> Value {
    json!({
        "conversions": totals.conversions,
        "acceptedCount": totals.accepted,
        "repeated": totals.repeated,
        "adjusted": totals.adjusted,
        "failed": totals.failed,
    })
}

/// Counts: per action, overall, waiting and failed.
fn summary(google: &Google, only: Option<u64>) -> Value {
    let mut overall = Totals::default();
    let mut actions = Vec::new();
    for (id, totals) in google
        .ingestion
        .totals
        .iter()
        .filter(|(id, _)| only.is_none_or(|only| only == **id))
    {
        overall.add(totals);
        let mut entry = totals_json(totals);
        entry["conversionActionId"] = json!(id.to_string());
        if let Some(action) = google.actions.get(id) {
            entry["customerId"] = json!(action.owner);
            entry["name"] = json!(action.name);
        }
        actions.push(entry);
    }
    json!({
        "totals": totals_json(&overall),
        "actions": actions,
        "processing": google.ingestion.processing,
        "failed": google.ingestion.failed,
        "requests": google.ingestion.requests.len(),
        "enhanced": google.web.enhancements.len(),
        "enhancementsFailed": google.web.failed,
    })
}

fn row<'a>(google: &'a Google, conversion: &'a Conversion) -> Row<'a> {
    let click = conversion.click.as_ref();
    Row {
        customer_id: google
            .actions
            .get(&conversion.action)
            .map_or("", |action| &action.owner),
        conversion_action_id: conversion.action.to_string(),
        transaction_id: &conversion.transaction_id,
        event_timestamp: conversion.time,
        value: conversion.value,
        currency: conversion.currency.as_deref(),
        click_id_kind: click.map(|(kind, _)| *kind),
        click_id: click.map(|(_, id)| id.as_str()),
        user_identifiers: conversion.identifiers.len(),
        identifiers: &conversion.identifiers,
        consent: conversion.consent.as_deref(),
        accepted_count: conversion.accepted,
        repeated: conversion.repeated,
        adjusted: conversion.adjusted,
        request_ids: &conversion.requests,
    }
}

fn tally<'a>(google: &'a Google, filter: &Filter) -> Tally<'a> {
    let conversions = (!filter.summary).then(|| match filter.action_id {
        Some(id) => google
            .ingestion
            .of_action(id)
            .map(|conversion| row(google, conversion))
            .collect(),
        None => google
            .ingestion
            .conversions
            .iter()
            .map(|conversion| row(google, conversion))
            .collect(),
    });
    let of_action = |(id, _): &(u64, String)| filter.action_id.is_none_or(|only| *id == only);
    let all = google.web.enhancements.iter();
    let enhancements = (!filter.summary).then(|| {
        all.filter(|(key, _)| of_action(key))
            .map(|(_, enhancement)| enhancement)
            .collect()
    });
    Tally {
        conversions,
        enhancements,
        summary: summary(google, filter.action_id),
    }
}

/// The tally with its list, of all actions or one.
pub fn full(google: &Google, action: Option<u64>) -> Value {
    serde_json::to_value(tally(
        google,
        &Filter {
            action_id: action,
            summary: false,
        },
    ))
    .unwrap_or(Value::Null)
}

/// `GET /admin/google/tally`: `?actionId=` for one action, `?summary=true` for counts alone.
pub async fn handle(State(shared): State<Shared>, Query(filter): Query<Filter>) -> Response {
    // Written straight to text: a list of hundreds of thousands of rows would be slow as a tree of values.
    let text = with_google(&shared, |google, _| serde_json::to_vec(&tally(google, &filter)));
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({"error": error.to_string()})),
        )
            .into_response(),
    }
}
