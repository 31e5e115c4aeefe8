//! Partial failure of the Google Ads API: which error is about which row (reference notes, Google 2.4). Pure.

use serde_json::Value;

use super::redact::{code, field_path};
use crate::sync::ports::sink::Violation;

/// Names under which a request's rows may stand in a field path, in both spellings.
const ROWS: [&str; 4] = [
    "conversions",
    "conversionAdjustments",
    "conversion_adjustments",
    "operations",
];

/// The row an error of a `GoogleAdsFailure` is about; `None`: the whole request. An absent index is not row 0.
pub(super) fn row_of(error: &Value) -> Option<usize> {
    let elements = error["location"]["fieldPathElements"].as_array()?;
    let element = elements
        .iter()
        .find(|element| element["fieldName"].as_str().is_some_and(|name| ROWS.contains(&name)))?;
    super::wire::unsigned(&element["index"]).and_then(|index| usize::try_from(index).ok())
}

/// `operations[0].create.name` out of `fieldPathElements`.
pub(super) fn location(elements: &Value) -> String {
    let steps = elements.as_array().into_iter().flatten().map(|element| {
        let name = field_path(element["fieldName"].as_str().unwrap_or_default());
        match super::wire::integer(&element["index"]) {
            Some(index) => format!("{name}[{index}]"),
            None => name,
        }
    });
    steps.collect::<Vec<_>>().join(".")
}

fn errors(failure: &Value) -> impl Iterator<Item = &Value> {
    failure["errors"].as_array().into_iter().flatten()
}

fn details(status: &Value) -> impl Iterator<Item = &Value> {
    status["details"].as_array().into_iter().flatten()
}

/// What is wrong with single rows, out of a whole answer.
pub(super) fn violations(answer: &Value) -> Vec<Violation> {
    details(&answer["partialFailureError"])
        .flat_map(row_violations)
        .collect()
}

/// What is wrong with single rows, out of one `GoogleAdsFailure`.
pub(super) fn row_violations(failure: &Value) -> Vec<Violation> {
    let of = |error: &Value| {
        let row = row_of(error)?;
        let name = error["errorCode"].as_object()?.values().next()?.as_str()?;
        Some(Violation {
            row: Some(row),
            destination: None,
            field: location(&error["location"]["fieldPathElements"]),
            reason: code(name).unwrap_or_default(),
        })
    };
    errors(failure).filter_map(of).collect()
}

/// True where an answer has failed rows and no error about the request as a whole.
pub(super) fn rows_only(answer: &Value) -> bool {
    let mut all = details(&answer["partialFailureError"]).flat_map(errors).peekable();
    answer.get("error").is_none() && all.peek().is_some() && all.all(|error| row_of(error).is_some())
}

/// For each result whether Google gave anything: results of failed rows are empty objects.
pub(super) fn taken(answer: &Value) -> Vec<bool> {
    let results = answer["results"].as_array().into_iter().flatten();
    results
        .map(|result| result.as_object().is_some_and(|o| !o.is_empty()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(path: &Value) -> Value {
        json!({"errorCode": {"conversionAdjustmentUploadError": "CONVERSION_NOT_FOUND"}, "message": "m",
            "location": {"fieldPathElements": path}})
    }

    #[test]
    fn rows_are_named_in_either_spelling_and_row_0_only_by_its_index() {
        let row = |path| row_of(&error(&path));
        assert_eq!(
            row(json!([{"fieldName": "conversions", "index": 3}, {"fieldName": "gclid"}])),
            Some(3)
        );
        assert_eq!(
            row(json!([{"fieldName": "conversionAdjustments", "index": "0"}])),
            Some(0)
        );
        assert_eq!(
            row(json!([{"fieldName": "conversion_adjustments", "index": 1}])),
            Some(1)
        );
        assert_eq!(row(json!([{"fieldName": "conversions"}])), None);
        assert_eq!(row(json!([{"fieldName": "customer_id", "index": 1}])), None);
        assert_eq!(row_of(&json!({"errorCode": {}})), None);
    }

    #[test]
    fn an_error_without_a_row_concerns_the_request() {
        let of = |errors: Value| json!({"partialFailureError": {"code": 3, "details": [{"errors": errors}]}});
        let row = error(&json!([{"fieldName": "conversions", "index": 0}]));
        let whole = error(&json!([]));
        assert!(rows_only(&of(json!([row]))));
        assert!(!rows_only(&of(json!([row, whole]))));
        assert!(!rows_only(&of(json!([]))));
        assert!(!rows_only(
            &json!({"error": {}, "partialFailureError": {"details": [{"errors": [row]}]}})
        ));
    }

    #[test]
    fn empty_results_are_failed_rows() {
        let answer = json!({"results": [{"orderId": "a"}, {}, null]});
        assert_eq!(taken(&answer), [true, false, false]);
        assert_eq!(taken(&json!({})), Vec::<bool>::new());
    }
}
