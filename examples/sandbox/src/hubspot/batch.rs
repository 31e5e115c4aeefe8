//! Batch reads of contacts and deals, with history.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    auth::Call,
    catalogue::Origin,
    odd::{Kind, Odd},
    record::{EVERYTHING, Record},
    reply::{Answer, Outcome},
    search::render,
    store::{Store, iso},
};

/// Inputs per call when history is asked for.
const MAX_WITH_HISTORY: usize = 50;
/// Inputs per call otherwise.
const MAX_PLAIN: usize = 100;

/// All of `inputs`, `properties` and `propertiesWithHistory` are required.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchRequest {
    inputs: Vec<Input>,
    properties: Vec<String>,
    properties_with_history: Vec<String>,
    id_property: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    id: String,
}

/// Contacts by id, or by e-mail address with `idProperty: "email"`.
pub fn contacts(call: &Call<'_>) -> Outcome {
    read(call, &call.portal.contacts, ("CONTACT", Kind::Contact))
}

/// Deals by id.
pub fn deals(call: &Call<'_>) -> Outcome {
    read(call, &call.portal.deals, ("DEAL", Kind::Deal))
}

fn read(call: &Call<'_>, store: &Store, (object, kind): (&str, Kind)) -> Outcome {
    let request: BatchRequest = call.json()?;
    check_size(&request)?;
    let by_email = match request.id_property.as_deref() {
        None | Some("hs_object_id") => false,
        Some("email") if object == "CONTACT" => true,
        Some(other) => return Err(Answer::invalid(format!("{other} is not a unique identifier property"))),
    };
    let mut found: Vec<&Record> = Vec::new();
    let mut missing: Vec<&str> = Vec::new();
    let mut errors: Vec<Value> = Vec::new();
    for input in &request.inputs {
        let record = if by_email {
            check_address(&input.id)?;
            store.by_email(&input.id)
        } else {
            let id = input
                .id
                .parse()
                .map_err(|_| Answer::invalid(format!("Invalid object id {:?}", input.id)))?;
            store.resolve(id)
        };
        let record = record.filter(|record| object != "CONTACT" || call.sees(record.id));
        let odd = record.and_then(|record| call.portal.odd.of(kind, &record.id.to_string()));
        if let Some(refusal) = odd.and_then(Odd::refusal) {
            return Err(refusal);
        }
        if let Some(error) = odd.and_then(|odd| odd.item_error(&input.id)) {
            errors.push(error);
            continue;
        }
        match record {
            // Several inputs may stand for one record (merged ids); it is returned once.
            Some(record) if found.iter().any(|known| known.id == record.id) => {}
            Some(record) => found.push(record),
            // Of missing ids some arrive as errors, others not at all (docs/reference/hubspot.md 4.4).
            None if !by_email && input.id.parse().is_ok_and(|id| store.is_purged(id)) => {}
            None => missing.push(&input.id),
        }
    }
    let shown = |record: &&Record| {
        call.portal
            .odd
            .apply(kind, &record.id.to_string(), one(store, record, &request))
    };
    let results: Vec<Value> = found.iter().map(shown).collect();
    errors.extend(missing_error(object, &missing));
    Ok(batch_answer(call.now, &results, &errors))
}

/// One malformed address has the whole batch refused.
fn check_address(address: &str) -> Result<(), Answer> {
    let parts: Vec<&str> = address.split('@').collect();
    let well_formed = match parts.as_slice() {
        [local, domain] => !local.is_empty() && domain.contains('.') && !address.contains(".."),
        _ => false,
    };
    if well_formed && !address.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(Answer::invalid(format!("Email address {address} is invalid")))
}

fn check_size(request: &BatchRequest) -> Result<(), Answer> {
    let inputs = request.inputs.len();
    if inputs == 0 {
        return Err(Answer::invalid("inputs must not be empty"));
    }
    if !request.properties_with_history.is_empty() && inputs > MAX_WITH_HISTORY {
        let message = "The maximum number of inputs supported in a batch request for property histories is 50";
        return Err(Answer::invalid(message));
    }
    if inputs > MAX_PLAIN {
        return Err(Answer::invalid(format!(
            "The maximum number of inputs supported in a batch request is {MAX_PLAIN}"
        )));
    }
    Ok(())
}

fn missing_error(object: &str, missing: &[&str]) -> Vec<Value> {
    if missing.is_empty() {
        return Vec::new();
    }
    let message =
        format!("Could not get some {object} objects, they may be deleted or not exist. Check that ids are valid.");
    vec![json!({"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": missing}})]
}

/// The frame of every batch answer: 207 when there are errors beside results.
pub fn batch_answer(now: i64, results: &[Value], errors: &[Value]) -> Answer {
    let mut body = json!({"status": "COMPLETE", "startedAt": iso(now), "completedAt": iso(now), "results": results});
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::MULTI_STATUS
    };
    if !errors.is_empty() {
        body["numErrors"] = Value::from(errors.len());
        body["errors"] = Value::from(errors.to_vec());
    }
    Answer { status, body }
}

fn one(store: &Store, record: &Record, request: &BatchRequest) -> Value {
    let names: Vec<&str> = request.properties.iter().map(String::as_str).collect();
    let mut result = render(store, record, &names, EVERYTHING);
    if !request.properties_with_history.is_empty() {
        let mut histories = Map::new();
        for name in &request.properties_with_history {
            if let Some((key, property)) = store.catalogue.find(name) {
                let rows = if property.origin == Origin::Stored {
                    stored(record.rows(key))
                } else {
                    computed(store, record, key)
                };
                histories.insert(name.clone(), rows);
            }
        }
        result["propertiesWithHistory"] = Value::Object(histories);
    }
    result
}

/// Newest first; a cleared property shows as a row with an empty value.
fn stored(rows: &[super::record::Row]) -> Value {
    let row = |row: &super::record::Row| {
        let mut json = json!({"value": row.value, "timestamp": iso(row.at), "sourceType": row.source});
        if row.source == "CRM_UI" {
            json["sourceId"] = Value::from("userId:100");
            json["updatedByUserId"] = Value::from(100);
        }
        json
    };
    rows.iter().rev().map(row).collect()
}

fn computed(store: &Store, record: &Record, key: super::record::Key) -> Value {
    let value = store.text(record, key, EVERYTHING);
    value
        .map(|v| json!({"value": v, "timestamp": iso(record.updated(EVERYTHING)), "sourceType": "CALCULATED"}))
        .into_iter()
        .collect()
}
