//! `googleAds:search` and `googleAds:searchStream`.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use super::accounts::Account;
use super::action::Action;
use super::catalog::{self, FieldType};
use super::failure::AdsError;
use super::gaql::{self, Condition, Query};
use super::{Call, Denial, goals, report};
use crate::google::schema::{Kind, Message, camel, one};
use crate::google::state::Google;

static SETTINGS: Message = Message {
    fields: &[
        one("omitResults", Kind::Bool),
        one("returnSummaryRow", Kind::Bool),
        one("returnTotalResultsCount", Kind::Bool),
    ],
    one_of: &[],
};

static SEARCH: Message = Message {
    fields: &[
        one("query", Kind::Text),
        one("pageToken", Kind::Text),
        one("pageSize", Kind::Int32),
        one("validateOnly", Kind::Bool),
        one("searchSettings", Kind::Message(&SETTINGS)),
    ],
    one_of: &[],
};

static STREAM: Message = Message {
    fields: &[one("query", Kind::Text)],
    one_of: &[],
};

/// The paged form.
pub fn search(call: &mut Call<'_>) -> Result<Value, Denial> {
    call.book(1)?;
    let request = call.parse(&SEARCH)?;
    if request.get("pageSize").is_some() {
        let message = "Setting the page size is not supported, because Search Responses will have fixed page size.";
        return Err(AdsError::new("requestError", "PAGE_SIZE_NOT_SUPPORTED", message)
            .at("pageSize")
            .into());
    }
    let text = request["query"].as_str().unwrap_or_default();
    let query = gaql::parse(text)?;
    if request["validateOnly"] == true {
        return Ok(json!({}));
    }
    let rows = rows(call, &query)?;
    let start = page_start(&request, call.customer, text, rows.len())?;
    let size = call.google.settings.page_size.max(1);
    let mut answer = json!({"fieldMask": field_mask(&query), "queryResourceConsumption": "100"});
    let page: Vec<Value> = rows.iter().skip(start).take(size).cloned().collect();
    if !page.is_empty() && request["searchSettings"]["omitResults"] != true {
        answer["results"] = Value::Array(page);
    }
    if start + size < rows.len() {
        answer["nextPageToken"] = json!(page_token(call.customer, text, start + size));
    }
    if request["searchSettings"]["returnTotalResultsCount"] == true {
        answer["totalResultsCount"] = json!(rows.len().to_string());
    }
    Ok(answer)
}

/// The streamed form: an array of chunks.
pub fn stream(call: &mut Call<'_>) -> Result<Value, Denial> {
    call.book(1)?;
    let request = call.parse(&STREAM)?;
    let query = gaql::parse(request["query"].as_str().unwrap_or_default())?;
    let rows = rows(call, &query)?;
    let chunks: Vec<Value> = rows
        .chunks(call.google.settings.page_size.max(1))
        .map(|chunk| json!({"results": chunk, "fieldMask": field_mask(&query), "requestId": call.request_id}))
        .collect();
    Ok(Value::Array(chunks))
}

fn page_token(customer: &str, query: &str, start: usize) -> String {
    let mut hasher = DefaultHasher::new();
    (customer, query).hash(&mut hasher);
    format!("{:016x}{start:08x}", hasher.finish())
}

/// Where the asked page starts. A token fits only the query it was given out for.
fn page_start(request: &Value, customer: &str, query: &str, rows: usize) -> Result<usize, Denial> {
    let Some(token) = request["pageToken"].as_str().filter(|token| !token.is_empty()) else {
        return Ok(0);
    };
    let start = token
        .get(16..)
        .and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let start =
        start.filter(|start| *start > 0 && *start < rows.max(1) && page_token(customer, query, *start) == token);
    start.ok_or_else(|| {
        AdsError::new("requestError", "INVALID_PAGE_TOKEN", "Page token is invalid.")
            .at("pageToken")
            .into()
    })
}

fn field_mask(query: &Query) -> String {
    query
        .select
        .iter()
        .map(|field| camel(field))
        .collect::<Vec<_>>()
        .join(",")
}

fn rows(call: &Call<'_>, query: &Query) -> Result<Vec<Value>, AdsError> {
    let google = &*call.google;
    let Some(account) = google.accounts.get(call.customer) else {
        return Ok(Vec::new());
    };
    if account.manager && query.select.iter().any(|field| field.starts_with("metrics.")) {
        let message = "Metrics cannot be requested for a manager account. To retrieve metrics, issue separate requests \
                       against each client account under the manager account.";
        return Err(gaql::error("REQUESTED_METRICS_FOR_MANAGER", message));
    }
    let customer = account.resource();
    let whole: Vec<Value> = match query.from.as_str() {
        "conversion_action" => actions(google, account)
            .map(|action| json!({"conversionAction": action, "customer": customer}))
            .collect(),
        "customer_conversion_goal" => google
            .goals
            .iter()
            .filter(|(key, _)| key.0 == call.customer)
            .map(|(key, biddable)| {
                let goal = json!({"resourceName": goals::name_of(key), "category": key.1, "origin": key.2, "biddable": biddable});
                json!({"customerConversionGoal": goal, "customer": customer})
            })
            .collect(),
        _ if reports(query) => report::rows(google, call.customer, query, call.now),
        _ => vec![json!({"customer": customer})],
    };
    let mut kept: Vec<Value> = whole
        .into_iter()
        .filter(|row| query.conditions.iter().all(|c| holds(row, c)))
        .collect();
    kept.sort_by(|a, b| compare_rows(a, b, query));
    let limit = query.limit.unwrap_or(usize::MAX);
    Ok(kept.iter().take(limit).map(|row| project(row, query)).collect())
}

/// The actions an account lists: its own, those of the account that tracks for it, and those of every manager above it.
/// All are named as if they were the account's; only the owner tells them apart.
fn actions<'a>(google: &'a Google, account: &'a Account) -> impl Iterator<Item = Value> + 'a {
    let id = account.customer_id.as_str();
    let listed = move |action: &&Action| {
        action.owner == id || action.owner == account.conversion_customer() || google.manages(&action.owner, id)
    };
    google.actions.values().filter(listed).map(move |action| {
        let tracking = google.accounts.get(&action.owner).unwrap_or(account).tracking_id();
        let counted = google.is_biddable(id, &action.category, &action.origin);
        let mut shown = action.resource(tracking, counted);
        shown["resourceName"] = json!(format!("customers/{id}/conversionActions/{}", action.id));
        shown
    })
}

fn reports(query: &Query) -> bool {
    query
        .select
        .iter()
        .any(|field| field.starts_with("segments.") || field.starts_with("metrics."))
}

fn field_of<'a>(row: &'a Value, field: &str) -> Option<&'a Value> {
    field.split('.').try_fold(row, |value, part| value.get(camel(part)))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn holds(row: &Value, condition: &Condition) -> bool {
    if condition.field == "segments.date" {
        // Applied while the report was summed up.
        return true;
    }
    let Some(value) = field_of(row, &condition.field) else {
        return condition.operator == "!=" || condition.operator == "NOT IN";
    };
    let kind = catalog::type_of(&condition.field).unwrap_or(FieldType::Text);
    let orders: Vec<Ordering> = condition
        .values
        .iter()
        .filter_map(|operand| compare(&plain(value), operand, kind))
        .collect();
    let first = orders.first().copied();
    match condition.operator.as_str() {
        "=" | "IN" => orders.contains(&Ordering::Equal),
        "!=" | "NOT IN" => !orders.contains(&Ordering::Equal),
        "<" => first == Some(Ordering::Less),
        "<=" => first.is_some_and(Ordering::is_le),
        ">" => first == Some(Ordering::Greater),
        ">=" => first.is_some_and(Ordering::is_ge),
        "BETWEEN" => first.is_some_and(Ordering::is_ge) && orders.get(1).is_some_and(|order| order.is_le()),
        _ => false,
    }
}

fn compare(left: &str, right: &str, kind: FieldType) -> Option<Ordering> {
    match kind {
        FieldType::Int | FieldType::Double => left.parse::<f64>().ok()?.partial_cmp(&right.parse().ok()?),
        FieldType::Bool => Some(left.cmp(&right.to_ascii_lowercase())),
        _ => Some(left.cmp(right)),
    }
}

fn compare_rows(a: &Value, b: &Value, query: &Query) -> Ordering {
    for (field, descending) in &query.order {
        let kind = catalog::type_of(field).unwrap_or(FieldType::Text);
        let order = match (field_of(a, field), field_of(b, field)) {
            (Some(a), Some(b)) => compare(&plain(a), &plain(b), kind).unwrap_or(Ordering::Equal),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        if order != Ordering::Equal {
            return if *descending { order.reverse() } else { order };
        }
    }
    Ordering::Equal
}

/// Only the selected fields. Google adds the resource name of each resource it shows.
fn project(row: &Value, query: &Query) -> Value {
    let mut out = json!({});
    for field in &query.select {
        let resource = camel(field.split('.').next().unwrap_or_default());
        if let Some(name) = row[&resource].get("resourceName") {
            out[&resource]["resourceName"] = name.clone();
        }
        if let Some(value) = field_of(row, field) {
            insert(&mut out, field, value);
        }
    }
    out
}

fn insert(out: &mut Value, field: &str, value: &Value) {
    let mut place = out;
    for part in field.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[camel(part)];
    }
    *place = value.clone();
}
