//! Settings, armed rows, clicks, requests and quotas.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Refusal, merged, read};
use crate::google::dm::store::{Armed, BadRow};
use crate::google::state::Settings;
use crate::google::with_google;
use crate::world::Shared;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BadRowsForm {
    transaction_ids: Vec<String>,
    #[serde(default = "invalid_event")]
    reason: String,
    #[serde(default = "transaction_id")]
    field: String,
    #[serde(default)]
    named: bool,
}

fn invalid_event() -> String {
    "INVALID_EVENT".into()
}

fn transaction_id() -> String {
    "transaction_id".into()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OutcomesForm {
    transaction_ids: Vec<String>,
    reason: String,
    times: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Click {
    click_id: String,
    time: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClicksForm {
    clicks: Vec<Click>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebConversion {
    transaction_id: String,
    /// Absent: now.
    time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebForm {
    conversions: Vec<WebConversion>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ForgetForm {
    /// Absent: all that exist.
    request_ids: Option<Vec<String>>,
}

/// All switches.
pub async fn settings(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| Json(json!(google.settings)))
}

/// Moves some switches. Durations are texts such as `2s` or `PT6H`.
pub async fn change(State(shared): State<Shared>, body: Bytes) -> Answer {
    with_google(&shared, |google, now| {
        let settings: Settings = merged(&google.settings, &body)?;
        google.settings = settings;
        google.settle(now);
        Ok(Json(json!(google.settings)))
    })
}

/// Makes transactions refuse every request they come in, with or without naming the row.
pub async fn bad_rows(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: BadRowsForm = read(&body)?;
    with_google(&shared, |google, _| {
        for id in form.transaction_ids {
            let row = BadRow {
                reason: form.reason.clone(),
                field: form.field.clone(),
                named: form.named,
            };
            google.ingestion.bad_rows.insert(id, row);
        }
    });
    Ok(Json(json!({})))
}

/// Disarms all bad rows.
pub async fn clear_bad_rows(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| google.ingestion.bad_rows.clear());
    Json(json!({}))
}

/// Makes transactions fail while they are processed, always or a number of times. Reasons without prefix get the usual
/// one.
pub async fn outcomes(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: OutcomesForm = read(&body)?;
    if form.reason.is_empty() {
        return Err(Refusal::bad("reason must not be empty"));
    }
    let full = form.reason.starts_with("PROCESSING_ERROR_");
    let reason = if full {
        form.reason
    } else {
        format!("PROCESSING_ERROR_REASON_{}", form.reason)
    };
    with_google(&shared, |google, _| {
        for id in form.transaction_ids {
            google.ingestion.armed.insert(
                id,
                Armed {
                    reason: reason.clone(),
                    left: form.times,
                },
            );
        }
    });
    Ok(Json(json!({})))
}

/// Disarms all outcomes.
pub async fn clear_outcomes(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| google.ingestion.armed.clear());
    Json(json!({}))
}

/// Makes clicks known, overwriting the time of known ones.
pub async fn clicks(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: ClicksForm = read(&body)?;
    with_google(&shared, |google, _| {
        google
            .clicks
            .extend(form.clicks.into_iter().map(|click| (click.click_id, click.time)));
    });
    Ok(Json(json!({})))
}

/// Tells of conversions that web tags reported.
pub async fn web_conversions(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: WebForm = read(&body)?;
    with_google(&shared, |google, now| {
        for report in form.conversions {
            let time = report.time.unwrap_or(now);
            google.web.report(&report.transaction_id, time, now);
        }
    });
    Ok(Json(json!({})))
}

/// Ingested requests, oldest first.
pub async fn requests(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| {
        let mut list: Vec<_> = google.ingestion.requests.iter().collect();
        list.sort_by_key(|(id, request)| (request.at, (*id).clone()));
        let rows = list.iter().map(|(id, request)| {
            let rows: u32 = request.outcome.iter().flatten().map(|outcome| outcome.rows).sum();
            json!({
                "requestId": id,
                "time": request.at,
                "destinations": request.destinations.len(),
                "processed": request.outcome.is_some(),
                "rows": if request.outcome.is_some() { u64::from(rows) } else { request.events.len() as u64 },
                "forgotten": request.forgotten,
            })
        });
        Json(json!({"requests": rows.collect::<Vec<_>>()}))
    })
}

/// Makes the status of requests unreadable (`INVALID_REQUEST_ID`); what they carried is processed all the same.
pub async fn forget(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: ForgetForm = read(&body)?;
    with_google(&shared, |google, _| {
        for (id, request) in &mut google.ingestion.requests {
            if form.request_ids.as_ref().is_none_or(|ids| ids.contains(id)) {
                request.forgotten = true;
            }
        }
    });
    Ok(Json(json!({})))
}

/// What each project has used within the window.
pub async fn quota(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| {
        let list = google
            .quotas
            .iter()
            .map(|((project, kind), window)| json!({"project": project, "kind": kind, "used": window.used()}));
        Json(json!({"quotas": list.collect::<Vec<_>>()}))
    })
}

/// Empties all windows.
pub async fn reset_quota(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| google.quotas.clear());
    Json(json!({}))
}
