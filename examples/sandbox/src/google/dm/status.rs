//! The answer of `requestStatus:retrieve`.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::store::{Outcome, Request};
use crate::google::state::{Google, Settings};

/// How long the status of a request can be read.
const RETENTION: SignedDuration = SignedDuration::from_hours(24 * 50);

/// The status of a request, or the reason why there is none.
pub fn answer(google: &Google, id: &str, project: &str, now: Timestamp) -> Result<Value, &'static str> {
    if id.is_empty() {
        return Err("REQUIRED_FIELD_MISSING");
    }
    let known = google
        .ingestion
        .requests
        .get(id)
        .filter(|request| request.project == project && !request.forgotten);
    let request = known.ok_or("INVALID_REQUEST_ID")?;
    if now.duration_since(request.at) > RETENTION {
        return Err("REQUEST_TOO_OLD");
    }
    let mut list: Vec<Value> = (0..request.destinations.len())
        .map(|position| per_destination(&google.settings, request, position))
        .collect();
    if google.settings.doubled_entries {
        list = list.into_iter().flat_map(|entry| [entry.clone(), entry]).collect();
    }
    Ok(json!({"requestStatusPerDestination": list}))
}

fn per_destination(settings: &Settings, request: &Request, position: usize) -> Value {
    let mut echo = request
        .destinations
        .get(position)
        .map_or(Value::Null, |destination| destination.echo.clone());
    if settings.misnamed_destinations {
        echo["productDestinationId"] = json!("1");
    }
    if settings.status_unknown {
        return json!({"destination": echo, "requestStatus": "REQUEST_STATUS_UNKNOWN"});
    }
    let Some(outcome) = request.outcome.as_ref().and_then(|outcomes| outcomes.get(position)) else {
        return json!({"destination": echo, "requestStatus": "PROCESSING"});
    };
    let failed: usize = outcome.failed.values().map(Vec::len).sum();
    let status = match failed {
        0 => "SUCCESS",
        all if all as u64 == u64::from(outcome.rows) => "FAILED",
        _ => "PARTIAL_SUCCESS",
    };
    let mut value = json!({
        "destination": echo,
        "requestStatus": status,
        "eventsIngestionStatus": {"recordCount": records(settings, outcome).to_string()},
    });
    if failed > 0 {
        value["errorInfo"] = json!({"errorCounts": error_counts(settings, outcome)});
    }
    value
}

fn records(settings: &Settings, outcome: &Outcome) -> i64 {
    i64::from(outcome.rows) + settings.record_count_off
}

fn error_counts(settings: &Settings, outcome: &Outcome) -> Vec<Value> {
    outcome
        .failed
        .iter()
        .map(|(reason, indices)| {
            let mut count = json!({"reason": reason, "recordCount": indices.len().to_string()});
            if !settings.omit_indices {
                let shown = indices.len().min(settings.max_indices.unwrap_or(usize::MAX));
                count["recordIndices"] = json!(indices[..shown]);
            }
            count
        })
        .collect()
}
