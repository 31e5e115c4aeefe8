//! What the schema of a definition says of a manifest: types, unknown fields, enums and bounds, each by its field, as
//! the API server would say it. Its rules (CEL) and what may be changed only the API server knows.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};
use serde_json::Value;

use crate::cli::output::foreign;

/// Most mistakes of one manifest that are named.
const MOST: usize = 10;

/// The mistakes of a manifest, each as a sentence that names the field and what it takes; empty if there is none.
pub(super) fn find_mistakes(path: &str, given: &Value, schema: &JSONSchemaProps) -> Vec<String> {
    let mut found = Vec::new();
    judge(path, given, schema, &mut found);
    if found.len() > MOST {
        let more = found.len() - MOST;
        found.truncate(MOST);
        found.push(format!("And {more} more."));
    }
    found
}

fn judge(path: &str, given: &Value, schema: &JSONSchemaProps, into: &mut Vec<String>) {
    if let Some(wanted) = schema.type_.as_deref().filter(|wanted| !is_of(wanted, given)) {
        into.push(format!(
            "{path} must be {}, but is {}.",
            type_words(wanted),
            describe_value(given)
        ));
        return;
    }
    if let Some(allowed) = &schema.enum_
        && !allowed.iter().any(|one| one.0 == *given)
    {
        let names: Vec<_> = allowed.iter().filter_map(|one| one.0.as_str()).collect();
        into.push(format!(
            "{path} must be {}, but is {}.",
            either(&names),
            describe_value(given)
        ));
        return;
    }
    match given {
        Value::Object(fields) => judge_fields(path, fields, schema, into),
        Value::Array(items) => judge_items(path, items, schema, into),
        Value::String(text) => judge_text(path, text, schema, into),
        Value::Number(number) => judge_number(path, number.as_f64().unwrap_or_default(), schema, into),
        Value::Null | Value::Bool(_) => {}
    }
}

fn judge_fields(path: &str, given: &serde_json::Map<String, Value>, schema: &JSONSchemaProps, into: &mut Vec<String>) {
    for name in schema.required.iter().flatten() {
        // A null is as good as no field: the API server drops it.
        if given.get(name).is_none_or(Value::is_null) {
            into.push(format!("{path}.{name} is missing. Add it."));
        }
    }
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        let field = format!("{path}.{}", foreign(name));
        match schema.properties.as_ref().and_then(|known| known.get(name)) {
            Some(schema) => judge(&field, value, schema, into),
            None => into.push(format!("There is no field {field}. Correct or remove it.")),
        }
    }
}

fn judge_items(path: &str, items: &[Value], schema: &JSONSchemaProps, into: &mut Vec<String>) {
    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
    judge_count(path, "entries", count, (schema.min_items, schema.max_items), into);
    if let Some(JSONSchemaPropsOrArray::Schema(of_item)) = &schema.items {
        for (number, item) in items.iter().enumerate() {
            judge(&format!("{path}[{number}]"), item, of_item, into);
        }
    }
}

fn judge_text(path: &str, text: &str, schema: &JSONSchemaProps, into: &mut Vec<String>) {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    judge_count(path, "characters", length, (schema.min_length, schema.max_length), into);
    if schema.format.as_deref() == Some("date-time") && text.parse::<jiff::Timestamp>().is_err() {
        let given = foreign(text);
        into.push(format!(
            "{path} must be a time like 2026-11-01T00:00:00Z, but is {given:?}."
        ));
    }
}

/// `of`: what is counted.
fn judge_count(path: &str, of: &str, count: i64, (least, most): (Option<i64>, Option<i64>), into: &mut Vec<String>) {
    if let Some(most) = most.filter(|most| count > *most) {
        into.push(format!("{path} has {count} {of}, but takes at most {most}."));
    }
    if let Some(least) = least.filter(|least| count < *least) {
        into.push(format!("{path} has {count} {of}, but needs at least {least}."));
    }
}

fn judge_number(path: &str, number: f64, schema: &JSONSchemaProps, into: &mut Vec<String>) {
    if let Some(most) = schema.maximum.filter(|most| number > *most) {
        into.push(format!("{path} must be at most {most}, but is {number}."));
    }
    if let Some(least) = schema.minimum.filter(|least| number < *least) {
        into.push(format!("{path} must be at least {least}, but is {number}."));
    }
}

fn is_of(wanted: &str, given: &Value) -> bool {
    match wanted {
        "object" => given.is_object(),
        "array" => given.is_array(),
        "string" => given.is_string(),
        "integer" => given.is_i64() || given.is_u64(),
        "number" => given.is_number(),
        "boolean" => given.is_boolean(),
        // A type of tomorrow: the API server knows it.
        _ => true,
    }
}

fn type_words(wanted: &str) -> &'static str {
    match wanted {
        "object" => "a mapping of fields",
        "array" => "a list",
        "string" => "a string (write it in quotes)",
        "integer" => "a whole number (without quotes)",
        "number" => "a number (without quotes)",
        _ => "a boolean (true or false, without quotes)",
    }
}

/// What stands in a field, short.
fn describe_value(given: &Value) -> String {
    match given {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the string {:?}", foreign(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping of fields".to_owned(),
    }
}

/// `a`, `a or b`, `a, b or c`.
fn either(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
