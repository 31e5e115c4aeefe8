//! Search filters: parsing with the types of the properties, and evaluation.

use serde::Deserialize;

use super::{
    catalogue::{Kind, Origin},
    record::{Key, Record},
    reply::Answer,
    store::Store,
};

/// A filter as written in a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilterRequest {
    property_name: String,
    operator: String,
    value: Option<String>,
    high_value: Option<String>,
    values: Option<Vec<String>>,
}

/// A filter ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Filter {
    key: Key,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Has,
    HasNot,
    /// On record ids: inclusive bounds and negation.
    Id(Vec<u64>, Bounds, bool),
    /// On points in time in milliseconds.
    Time(Bounds, bool),
    Number(Vec<f64>, f64, f64, bool, [bool; 2]),
    OneOf(Vec<String>, bool),
    Token(String, bool),
}

/// Inclusive bounds.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    low: i64,
    high: i64,
}

impl Bounds {
    fn holds(self, value: i64) -> bool {
        self.low <= value && value <= self.high
    }
}

impl Filter {
    /// Checks a filter against the property it names.
    pub fn parse(store: &Store, request: &FilterRequest) -> Result<Self, Answer> {
        let name = &request.property_name;
        let (key, property) = store.catalogue.find(name).ok_or_else(|| {
            Answer::invalid(format!(
                "There was a problem with the request. Property values were not valid: property {name} does not exist"
            ))
        })?;
        let is_id = property.origin == Origin::ObjectId;
        let test = match (request.operator.as_str(), property.kind) {
            ("HAS_PROPERTY", _) => Test::Has,
            ("NOT_HAS_PROPERTY", _) => Test::HasNot,
            ("CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN", Kind::String) => {
                Test::Token(one(request)?.to_lowercase(), request.operator.starts_with("NOT"))
            }
            ("EQ" | "NEQ" | "LT" | "LTE" | "GT" | "GTE" | "BETWEEN" | "IN" | "NOT_IN", Kind::Number) if is_id => {
                id_test(request)?
            }
            ("EQ" | "NEQ" | "LT" | "LTE" | "GT" | "GTE" | "BETWEEN", Kind::DateTime | Kind::Date) => {
                let (bounds, negated) = bounds(request, "a timestamp in epoch milliseconds")?;
                Test::Time(bounds, negated)
            }
            ("EQ" | "NEQ" | "LT" | "LTE" | "GT" | "GTE" | "BETWEEN" | "IN" | "NOT_IN", Kind::Number) => {
                number_test(request)?
            }
            ("EQ" | "NEQ", kind) => Test::OneOf(vec![folded(one(request)?, kind)], request.operator == "NEQ"),
            ("IN" | "NOT_IN", Kind::String | Kind::Enumeration | Kind::Bool) => {
                // Values for text properties have to be given in lower case; others never match.
                Test::OneOf(many(request)?.to_vec(), request.operator == "NOT_IN")
            }
            (operator, kind) => {
                return Err(Answer::invalid(format!(
                    "Operator {operator} is not valid for property {name} of type {}",
                    kind.name()
                )));
            }
        };
        Ok(Self { key, test })
    }

    /// The lowest record id this filter lets through.
    pub fn lowest_id(&self) -> u64 {
        match &self.test {
            Test::Id(ids, bounds, false) if ids.is_empty() => u64::try_from(bounds.low).unwrap_or(0),
            Test::Id(ids, _, false) => ids.iter().copied().min().unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether the record passes, as the index sees it at `horizon`.
    pub fn passes(&self, store: &Store, record: &Record, horizon: i64) -> bool {
        match &self.test {
            Test::Id(ids, bounds, negated) => {
                let found = if ids.is_empty() {
                    bounds.holds(i64::try_from(record.id).unwrap_or(i64::MAX))
                } else {
                    ids.contains(&record.id)
                };
                found != *negated
            }
            Test::Time(bounds, negated) => store
                .instant(record, self.key, horizon)
                .is_some_and(|ms| bounds.holds(ms) != *negated),
            test => {
                let text = store.text(record, self.key, horizon);
                text_passes(store, self.key, test, text.as_deref().filter(|t| !t.is_empty()))
            }
        }
    }
}

fn text_passes(store: &Store, key: Key, test: &Test, text: Option<&str>) -> bool {
    let Some(text) = text else {
        return matches!(test, Test::HasNot);
    };
    match test {
        Test::Has => true,
        Test::HasNot | Test::Id(..) | Test::Time(..) => false,
        Test::Number(values, low, high, negated, [open_low, open_high]) => text.parse::<f64>().is_ok_and(|number| {
            let above = if *open_low { number > *low } else { number >= *low };
            let below = if *open_high { number < *high } else { number <= *high };
            let listed = values.is_empty() || values.iter().any(|v| (v - number).abs() < f64::EPSILON);
            (above && below && listed) != *negated
        }),
        Test::OneOf(values, negated) => {
            let kind = store.catalogue.get(key).map_or(Kind::String, |p| p.kind);
            let has = |part: &str| values.iter().any(|v| *v == folded(part, kind));
            let found = if kind == Kind::Enumeration {
                text.split(';').any(has)
            } else {
                has(text)
            };
            found != *negated
        }
        Test::Token(pattern, negated) => {
            let found = text
                .to_lowercase()
                .split(|c: char| !c.is_alphanumeric())
                .any(|token| wildcard(pattern, token));
            // A value of a list counts as a token too.
            let listed = text
                .to_lowercase()
                .split([';', ' '])
                .any(|value| wildcard(pattern, value));
            (found || listed || wildcard(pattern, &text.to_lowercase())) != *negated
        }
    }
}

/// Text is compared without case; choices are compared as they are.
fn folded(value: &str, kind: Kind) -> String {
    if kind == Kind::String {
        value.to_lowercase()
    } else {
        value.to_owned()
    }
}

fn wildcard(pattern: &str, token: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => token.contains(rest.trim_end_matches('*')),
        (Some(rest), None) => token.ends_with(rest),
        (None, Some(rest)) => token.starts_with(rest),
        (None, None) => token == pattern,
    }
}

fn one(request: &FilterRequest) -> Result<&str, Answer> {
    match (&request.value, &request.values) {
        (Some(value), None) => Ok(value),
        _ => Err(Answer::invalid(format!("Operator {} requires value", request.operator))),
    }
}

fn many(request: &FilterRequest) -> Result<&[String], Answer> {
    match (&request.value, &request.values) {
        (None, Some(values)) if !values.is_empty() => Ok(values),
        _ => Err(Answer::invalid(format!(
            "Operator {} requires values",
            request.operator
        ))),
    }
}

/// Integer bounds of a comparison, and whether it is negated.
fn bounds(request: &FilterRequest, expected: &str) -> Result<(Bounds, bool), Answer> {
    let number = |text: &str| {
        text.parse::<i64>().map_err(|_| {
            Answer::invalid(format!(
                "Property {}: {text:?} is not {expected}",
                request.property_name
            ))
        })
    };
    let value = number(one(request)?)?;
    let (low, high) = match request.operator.as_str() {
        "LT" => (i64::MIN, value.saturating_sub(1)),
        "LTE" => (i64::MIN, value),
        "GT" => (value.saturating_add(1), i64::MAX),
        "GTE" => (value, i64::MAX),
        "BETWEEN" => {
            let high = request
                .high_value
                .as_deref()
                .ok_or_else(|| Answer::invalid("Operator BETWEEN requires highValue"))?;
            (value, number(high)?)
        }
        _ => (value, value),
    };
    Ok((Bounds { low, high }, request.operator == "NEQ"))
}

fn id_test(request: &FilterRequest) -> Result<Test, Answer> {
    if request.operator.ends_with("IN") {
        let ids = many(request)?.iter().map(|text| text.parse::<u64>());
        let ids = ids
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Answer::invalid("hs_object_id must be a number"))?;
        return Ok(Test::Id(
            ids,
            Bounds { low: 0, high: i64::MAX },
            request.operator == "NOT_IN",
        ));
    }
    let (bounds, negated) = bounds(request, "a number")?;
    Ok(Test::Id(Vec::new(), bounds, negated))
}

fn number_test(request: &FilterRequest) -> Result<Test, Answer> {
    let number = |text: &str| {
        text.parse::<f64>()
            .map_err(|_| Answer::invalid(format!("Property {}: {text:?} is not a number", request.property_name)))
    };
    let all = (f64::NEG_INFINITY, f64::INFINITY);
    if request.operator.ends_with("IN") {
        let values = many(request)?
            .iter()
            .map(|text| number(text))
            .collect::<Result<Vec<_>, _>>()?;
        return Ok(Test::Number(
            values,
            all.0,
            all.1,
            request.operator == "NOT_IN",
            [false; 2],
        ));
    }
    let value = number(one(request)?)?;
    let test = |low, high, open| Test::Number(Vec::new(), low, high, request.operator == "NEQ", open);
    Ok(match request.operator.as_str() {
        "LT" => test(all.0, value, [false, true]),
        "LTE" => test(all.0, value, [false; 2]),
        "GT" => test(value, all.1, [true, false]),
        "GTE" => test(value, all.1, [false; 2]),
        "BETWEEN" => {
            let high = request
                .high_value
                .as_deref()
                .ok_or_else(|| Answer::invalid("Operator BETWEEN requires highValue"))?;
            test(value, number(high)?, [false; 2])
        }
        _ => test(value, value, [false; 2]),
    })
}
