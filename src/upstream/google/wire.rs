//! Lenient reading of Google's JSON: 64-bit numbers come as text or number, absent is not default.

use jiff::SignedDuration;
use serde_json::Value;

use crate::domain::batch::NO_ROW;
use crate::upstream::http::wait;

/// An integer written as number or text.
pub(crate) fn parse_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A non-negative integer, written as number or text.
pub(crate) fn parse_unsigned(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The place of a row in a request, written as number or text; [`NO_ROW`] for anything else.
pub(crate) fn parse_index(value: &Value) -> usize {
    let index = parse_unsigned(value).and_then(|index| usize::try_from(index).ok());
    index.unwrap_or(NO_ROW)
}

/// A floating point number written as number or text.
pub(crate) fn parse_double(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

/// A protobuf duration in JSON (`"30s"`, `"1.5s"`), as a wait.
pub(crate) fn parse_duration(value: &Value) -> Option<SignedDuration> {
    wait::of_seconds(value.as_str()?.strip_suffix('s')?.parse().ok()?)
}

/// A text, unless absent or empty. Numbers count as text: ids come either way.
pub(crate) fn parse_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The last part of a resource name.
pub(crate) fn last_part(resource: &str) -> &str {
    resource.rsplit('/').next().unwrap_or(resource)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_as_text_or_number() {
        assert_eq!(parse_integer(&json!("90")), Some(90));
        assert_eq!(parse_integer(&json!(90)), Some(90));
        assert_eq!(parse_integer(&json!(null)), None);
        assert_eq!(parse_unsigned(&json!("18446744073709551615")), Some(u64::MAX));
        assert_eq!(parse_unsigned(&json!(-1)), None);
        assert_eq!(parse_double(&json!("12.5")), Some(12.5));
        assert_eq!((parse_double(&json!("inf")), parse_double(&json!("NaN"))), (None, None));
        assert_eq!(parse_text(&json!(7)).as_deref(), Some("7"));
        assert_eq!(parse_text(&json!("")), None);
        assert_eq!(last_part("customers/1/conversionActions/22"), "22");
    }
}
