//! Partial failure of the Google Ads API: which error is about which row (docs/reference/google.md 2.4). Pure.

use serde_json::Value;

use jiff::SignedDuration;

use crate::domain::batch::Complaint;
use crate::ports::sink::{Conversion, Evidence, UploadRequest};
use crate::upstream::google::ads::uploads::echo::{self, Echo};
use crate::upstream::google::ads::uploads::kind::UploadKind;
use crate::upstream::google::field_path::Violation;
use crate::upstream::google::redact::{MAX_STEPS, field_path};
use crate::upstream::google::row_classes::ads_code;
use crate::upstream::google::wire::{parse_duration, parse_index, parse_integer};

/// Names under which a request's rows may stand in a field path, in both spellings.
const ROWS: [&str; 4] = [
    "conversions",
    "conversionAdjustments",
    "conversion_adjustments",
    "operations",
];

/// The row an error of a `GoogleAdsFailure` is about; `None`: the whole request. An absent index is not row 0, and one
/// that can't be read is [`NO_ROW`].
pub(crate) fn row_of(error: &Value) -> Option<usize> {
    let elements = error["location"]["fieldPathElements"].as_array()?;
    let element = elements
        .iter()
        .find(|element| element["fieldName"].as_str().is_some_and(|name| ROWS.contains(&name)))?;
    let index = Some(&element["index"]).filter(|index| !index.is_null())?;
    Some(parse_index(index))
}

/// `operations[0].create.name` out of `fieldPathElements`.
pub(crate) fn field_location(elements: &Value) -> String {
    let steps = elements
        .as_array()
        .into_iter()
        .flatten()
        .take(MAX_STEPS)
        .map(|element| {
            let name = field_path(element["fieldName"].as_str().unwrap_or_default());
            match parse_integer(&element["index"]).filter(|index| (0..100_000).contains(index)) {
                Some(index) => format!("{name}[{index}]"),
                None => name,
            }
        });
    steps.collect::<Vec<_>>().join(".")
}

fn errors_of(failure: &Value) -> impl Iterator<Item = &Value> {
    failure["errors"].as_array().into_iter().flatten()
}

fn details_of(status: &Value) -> impl Iterator<Item = &Value> {
    status["details"].as_array().into_iter().flatten()
}

/// Google's complaints about single rows, out of a whole answer.
pub(crate) fn row_complaints(answer: &Value) -> Vec<Complaint> {
    details_of(&answer["partialFailureError"])
        .flat_map(row_violations)
        .map(|violation| violation.into_complaint(None))
        .collect()
}

/// Google's complaints about single rows, out of one `GoogleAdsFailure`.
pub(crate) fn row_violations(failure: &Value) -> Vec<Violation> {
    let of = |error: &Value| {
        let named = error["errorCode"].as_object().and_then(|codes| codes.iter().next());
        Some(Violation {
            row: Some(row_of(error)?),
            destination: None,
            field: field_location(&error["location"]["fieldPathElements"]),
            code: named.and_then(|(key, name)| ads_code(key, name.as_str().unwrap_or_default())),
        })
    };
    errors_of(failure).filter_map(of).collect()
}

/// True if an answer has failed rows and no error about the request as a whole.
pub(crate) fn rows_only(answer: &Value) -> bool {
    let mut all = details_of(&answer["partialFailureError"])
        .flat_map(errors_of)
        .peekable();
    answer.get("error").is_none() && all.peek().is_some() && all.all(|error| row_of(error).is_some())
}

/// The status under `partialFailureError`; `None` if it says that all went well (code 0 and no error).
pub(crate) fn partial_status(answer: &Value) -> Option<&Value> {
    let status = &answer["partialFailureError"];
    let said = status.as_object().is_some_and(|status| !status.is_empty());
    let well = parse_integer(&status["code"]) == Some(0) && details_of(status).flat_map(errors_of).next().is_none();
    (said && !well).then_some(status)
}

/// True if the answer has a result for any row.
pub(crate) fn any_taken(answer: &Value) -> bool {
    results_of(answer).any(|result| !is_empty(result))
}

fn results_of(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["results"].as_array().into_iter().flatten()
}

/// Results of failed rows are empty objects.
fn is_empty(result: &Value) -> bool {
    result.as_object().is_none_or(serde_json::Map::is_empty)
}

/// What the results prove about each row of the request. They have the request's length and order; if not, no result is
/// known to be about the row at its place.
pub(crate) fn row_evidence(what: UploadKind, answer: &Value, request: &UploadRequest) -> Vec<Evidence> {
    let mut found: Vec<_> = results_of(answer).collect();
    let in_place = found.len() == request.rows.len();
    found.resize(request.rows.len(), &Value::Null);
    let of = |(row, result): (&Conversion, &Value)| {
        if is_empty(result) {
            return Evidence::None;
        }
        match echo::of(what, result, row, request.destinations.get(row.destination)) {
            Echo::OfOrder => Evidence::Taken,
            Echo::OfPlace if in_place => Evidence::Taken,
            Echo::OfPlace | Echo::Contrary => Evidence::OfAnother,
        }
    };
    request.rows.iter().zip(found).map(of).collect()
}

/// The longest wait that an error of a row asks for.
pub(crate) fn retry_after(answer: &Value) -> Option<SignedDuration> {
    details_of(&answer["partialFailureError"])
        .flat_map(errors_of)
        .filter_map(|error| parse_duration(&error["details"]["quotaErrorDetails"]["retryDelay"]))
        .max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::batch::NO_ROW;
    use crate::domain::codes::{Class, Matter};
    use crate::domain::ids::OrderId;
    use crate::ports::sink::ClickId;

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
        assert_eq!(row(json!([{"fieldName": "conversions", "index": null}])), None);
        for odd in [json!(-1), json!(0.5), json!(1e30), json!("x"), json!([0]), json!("-1")] {
            assert_eq!(
                row(json!([{"fieldName": "conversions", "index": odd}])),
                Some(NO_ROW),
                "{odd}"
            );
        }
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

    fn request(orders: &[&str]) -> UploadRequest {
        let row = |order: &&str| Conversion {
            destination: 0,
            order: OrderId::Submission((*order).to_owned()),
            at: jiff::Timestamp::UNIX_EPOCH,
            value: None,
            click: Some(ClickId::Gclid("x".to_owned())),
            identifiers: vec![],
            consent_granted: false,
        };
        UploadRequest {
            destinations: vec![],
            rows: orders.iter().map(row).collect(),
        }
    }

    #[test]
    fn a_result_counts_for_the_row_at_its_place_unless_it_names_another() {
        use Evidence::{None as Nothing, OfAnother, Taken};
        let of = |answer: Value| row_evidence(UploadKind::Clicks, &answer, &request(&["a", "b", "c"]));
        assert_eq!(
            of(json!({"results": [{"orderId": "a"}, {}, null]})),
            [Taken, Nothing, Nothing]
        );
        assert_eq!(
            of(json!({"results": [{"gclid": "x"}, {"orderId": "c"}, {"orderId": "b"}]})),
            [Taken, OfAnother, OfAnother]
        );
        // Too few: the places mean nothing.
        assert_eq!(
            of(json!({"results": [{"orderId": "a"}, {"gclid": "x"}]})),
            [Taken, OfAnother, Nothing]
        );
        // At its place, and about another conversion.
        let foreign = json!({"gclid": "SOMEBODY-ELSE", "conversionAction": "customers/9999999999/conversionActions/1",
            "conversionDateTime": "2001-01-01 00:00:00+00:00"});
        assert_eq!(of(json!({"results": [foreign, foreign, foreign]})), [OfAnother; 3]);
        assert_eq!(of(json!({})), [Nothing; 3]);
        // A result that repeats nothing of a row proves nothing about it.
        let odd = json!([{"id": {}, "conversionAction": 5}, {"ok": true}, {"gclid": "x", "conversionAction": []}]);
        assert_eq!(of(json!({"results": odd})), [OfAnother; 3]);
    }

    #[test]
    fn a_status_of_code_0_is_no_failure() {
        assert_eq!(
            partial_status(&json!({"partialFailureError": {"code": 0, "message": ""}})),
            None
        );
        assert_eq!(partial_status(&json!({"partialFailureError": {}})), None);
        assert_eq!(partial_status(&json!({})), None);
        let row = error(&json!([{"fieldName": "conversions", "index": 0}]));
        for failed in [
            json!({"partialFailureError": {"code": 3, "message": "m"}}),
            json!({"partialFailureError": {"message": "m"}}),
            json!({"partialFailureError": {"code": 0, "details": [{"errors": [row]}]}}),
        ] {
            assert!(partial_status(&failed).is_some(), "{failed}");
        }
    }

    #[test]
    fn the_key_of_a_code_is_part_of_what_it_means() {
        let errors = json!({"partialFailureError": {"code": 3, "details": [{"errors": [
            {"errorCode": {"notAllowlistedError": "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"},
             "location": {"fieldPathElements": [{"fieldName": "conversions", "index": 0}]}},
            {"errorCode": {}, "location": {"fieldPathElements": [{"fieldName": "conversions", "index": 1}]}}]}]}});
        let found = row_complaints(&errors);
        let class = found[0].code.as_ref().map(|code| code.class);
        assert_eq!(class, Some(Class::Blocked(Matter::NotAllowlisted)));
        assert_eq!((found[1].row, &found[1].code), (Some(1), &None));
    }
}
