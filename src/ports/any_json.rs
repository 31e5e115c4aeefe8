//! Arbitrary JSON for property tests: of any shape, and of the right shape with some parts replaced.

use proptest::prelude::*;
use serde_json::{Map, Number, Value};

/// Numbers and texts at the edges of what can be counted, timed or cut.
fn leaf() -> impl Strategy<Value = Value> {
    let number = |text: &str| text.parse::<Number>().map_or(Value::Null, Value::Number);
    let edges = [
        "0",
        "-1",
        "1e308",
        "-1e308",
        "0.1",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "253402300800000",
        "-377705116800001",
    ];
    let numbers: Vec<Value> = edges.iter().map(|text| number(text)).collect();
    let mut texts: Vec<Value> = edges.iter().map(|text| Value::from(*text)).collect();
    texts.extend(
        [
            "9999-12-30T22:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "-009999-01-02T01:59:59Z",
            "1e300s",
            "9223372036854775807s",
            "-1s",
            "customers/1/conversionActions/18446744073709551616",
            "ä\u{301}€\u{1f600}",
            "::;;1:2:3;x;18446744073709551615:",
            "PROCESSING_ERROR_REASON_",
            "SUCCESS",
            "FAILED",
            "PARTIAL_SUCCESS",
            "",
        ]
        .map(Value::from),
    );
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(numbers),
        proptest::sample::select(texts),
        "\\PC{0,40}".prop_map(Value::from),
    ]
}

/// Any JSON; the names of its members are often of these.
pub fn any_json(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 5, move |inner| {
        let name = prop_oneof![
            4 => proptest::sample::select(names).prop_map(str::to_owned),
            1 => "\\PC{0,12}",
        ];
        let members = proptest::collection::vec((name, inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..5).prop_map(Value::Array),
            members.prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Parts of a value to replace: which, and by what.
pub type Edits = Vec<(prop::sample::Index, Value)>;

/// Some replacements.
pub fn edits(names: &'static [&'static str]) -> impl Strategy<Value = Edits> {
    proptest::collection::vec((any::<prop::sample::Index>(), any_json(names)), 1..4)
}

/// The value with these parts replaced.
pub fn edited(mut value: Value, edits: &Edits) -> Value {
    for (which, with) in edits {
        let mut left = which.index(count(&value));
        replace(&mut value, &mut left, with);
    }
    value
}

fn count(value: &Value) -> usize {
    let inner: usize = match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    };
    inner + 1
}

/// True if it was done.
fn replace(value: &mut Value, left: &mut usize, with: &Value) -> bool {
    if *left == 0 {
        *value = with.clone();
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(list) => list.iter_mut().any(|inner| replace(inner, left, with)),
        Value::Object(members) => members.values_mut().any(|inner| replace(inner, left, with)),
        _ => false,
    }
}
