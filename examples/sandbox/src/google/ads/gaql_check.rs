//! What a query may ask: known fields, operators that fit them, operands that fit their type.

use super::catalog::{self, FieldType, RESOURCES};
use super::failure::AdsError;
use super::gaql::{Condition, Query, error};

/// Checks fields, operators and operands of a parsed query.
pub fn check(query: &Query) -> Result<(), AdsError> {
    if !RESOURCES.contains(&query.from.as_str()) {
        let message = format!("Error in query: invalid resource in FROM clause: {}.", query.from);
        return Err(error("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", message));
    }
    let ordered = query.order.iter().map(|(field, _)| field);
    for field in query
        .select
        .iter()
        .chain(query.conditions.iter().map(|c| &c.field))
        .chain(ordered)
    {
        if catalog::type_of(field).is_none() {
            return Err(error(
                "UNRECOGNIZED_FIELD",
                format!("Error in query: unrecognized field '{field}'."),
            )
            .trigger(field));
        }
        if !catalog::goes_with(field, &query.from) {
            let message = format!(
                "Error in query: '{field}' cannot be used with resource '{}'.",
                query.from
            );
            return Err(error("PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE", message).trigger(field));
        }
    }
    for (field, _) in &query.order {
        if !query.select.contains(field) {
            let message = format!("Error in query: '{field}' must be selected to be ordered by.");
            return Err(error("EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE", message).trigger(field));
        }
    }
    for condition in &query.conditions {
        check_condition(query, condition)?;
    }
    check_dates(query)
}

fn check_condition(query: &Query, condition: &Condition) -> Result<(), AdsError> {
    let field = &condition.field;
    let kind = catalog::type_of(field).unwrap_or(FieldType::Message);
    if (field.starts_with("segments.") || field.starts_with("metrics."))
        && field != "segments.date"
        && !query.select.contains(field)
    {
        let message = format!("Error in query: '{field}' must be selected to be filtered by.");
        return Err(error("EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE", message).trigger(field));
    }
    let compared = matches!(condition.operator.as_str(), "<" | "<=" | ">" | ">=" | "BETWEEN");
    let fits = match kind {
        FieldType::Message => false,
        FieldType::Text | FieldType::Enum(_) | FieldType::Bool => !compared && condition.operator != "DURING",
        FieldType::Date => !condition.operator.contains("IN") || condition.operator == "DURING",
        FieldType::Int | FieldType::Double => condition.operator != "DURING",
    };
    if !fits {
        let message = format!(
            "Error in query: operator '{}' is not valid for '{field}'.",
            condition.operator
        );
        return Err(error("INVALID_OPERATOR", message));
    }
    for value in &condition.values {
        let (good, name) = match kind {
            FieldType::Enum(names) => (
                names.contains(&value.as_str()) || value == "UNKNOWN" || value == "UNSPECIFIED",
                "BAD_ENUM_CONSTANT",
            ),
            FieldType::Int => (value.parse::<i64>().is_ok(), "BAD_NUMBER"),
            FieldType::Double => (value.parse::<f64>().is_ok_and(f64::is_finite), "BAD_NUMBER"),
            FieldType::Bool => (
                value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
                "BAD_VALUE",
            ),
            FieldType::Date if condition.operator != "DURING" => {
                (value.parse::<jiff::civil::Date>().is_ok(), "BAD_VALUE")
            }
            FieldType::Date => (super::report::RANGES.contains(&value.as_str()), "BAD_VALUE"),
            FieldType::Text | FieldType::Message => (true, ""),
        };
        if !good {
            let message = format!("Error in query: '{value}' is not valid for '{field}'.");
            return Err(error(name, message).trigger(value));
        }
    }
    Ok(())
}

/// A date among the selected fields needs a closed date range among the conditions.
fn check_dates(query: &Query) -> Result<(), AdsError> {
    let needed = query.select.iter().any(|field| field == "segments.date");
    let has = |operators: &[&str]| {
        query
            .conditions
            .iter()
            .any(|c| c.field == "segments.date" && operators.contains(&c.operator.as_str()))
    };
    let closed = has(&["DURING", "BETWEEN", "="]) || has(&[">", ">="]) && has(&["<", "<="]);
    if needed && !closed {
        let message = "Error in query: selecting 'segments.date' needs a finite date range in the WHERE clause.";
        return Err(error("EXPECTED_FILTERS_ON_DATE_RANGE", message));
    }
    Ok(())
}
