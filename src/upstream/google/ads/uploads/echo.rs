//! What a result of the Google Ads API repeats of the row it is about (docs/reference/google.md 4). Pure.

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::ids::ActionKey;
use crate::ports::sink::{ClickId, Conversion};

/// What a result says of a row by what it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    /// It names the order id of the row, and nothing else.
    OfOrder,
    /// All that it names is the row's, and the order id is not among it: its place must say the rest.
    OfPlace,
    /// It names something that was not sent for this row, or nothing of any row: an answer of somebody else.
    Contrary,
}

/// What was sent for a row, as far as a result may repeat it, and whether a text is that.
type Check<'a> = (&'a Value, &'a dyn Fn(&str) -> bool);

/// Compares a result with the row and the conversion action it was sent for. What is absent or empty says nothing.
pub(crate) fn of(result: &Value, row: &Conversion, action: Option<&ActionKey>) -> Echo {
    let pair = &result["gclidDateTimePair"];
    if !pair.is_null() && !pair.is_object() {
        return Echo::Contrary;
    }
    let (gclid, gbraid, wbraid) = match &row.click {
        Some(ClickId::Gclid(id)) => (id.as_str(), "", ""),
        Some(ClickId::Gbraid(id)) => ("", id.as_str(), ""),
        Some(ClickId::Wbraid(id)) => ("", "", id.as_str()),
        None => ("", "", ""),
    };
    let order = row.order.to_string();
    let is_order = |text: &str| text == order;
    let is_gclid = |text: &str| text == gclid;
    let is_time = |text: &str| is_second(text, row.at);
    let checks: [Check<'_>; 10] = [
        (&result["orderId"], &is_order),
        (&result["gclid"], &is_gclid),
        (&pair["gclid"], &is_gclid),
        (&result["gbraid"], &|text| text == gbraid),
        (&result["wbraid"], &|text| text == wbraid),
        (&result["conversionAction"], &|text| is_action(text, action)),
        (&result["conversionDateTime"], &is_time),
        (&pair["conversionDateTime"], &is_time),
        (&result["adjustmentType"], &|text| text == "ENHANCEMENT"),
        // We never send it: it is the time at which Google took the conversion.
        (&result["adjustmentDateTime"], &|_| true),
    ];
    let mut named = 0;
    for (said, is_ours) in checks {
        match said {
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            Value::String(text) if is_ours(text) => named += 1,
            _ => return Echo::Contrary,
        }
    }
    match result["orderId"].as_str() {
        Some(id) if !id.is_empty() => Echo::OfOrder,
        _ if named > 0 => Echo::OfPlace,
        _ => Echo::Contrary,
    }
}

/// The customer in a resource name is ignored, as Google does: the id of the action decides.
fn is_action(text: &str, action: Option<&ActionKey>) -> bool {
    action.is_some_and(|action| text.rsplit('/').next() == Some(action.id.as_str()))
}

/// The same second, whatever offset it is written with: fractions are not sent.
fn is_second(text: &str, at: Timestamp) -> bool {
    text.parse::<Timestamp>()
        .is_ok_and(|said| said.as_second() == at.as_second())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::upstream::google::test_support::clicks;

    const THEIR_ACTION: &str = "customers/9999999999/conversionActions/1";

    fn echo_of(click: Option<ClickId>, result: &Value) -> Echo {
        let request = clicks(1);
        let row = Conversion {
            click,
            ..request.rows[0].clone()
        };
        of(result, &row, request.destinations.first())
    }

    fn gclid() -> ClickId {
        ClickId::Gclid("Cj0-secret".to_owned())
    }

    #[rstest]
    #[case::gclid(json!({"gclid": "Cj0-secret"}))]
    #[case::empty_says_nothing(json!({"gclid": "Cj0-secret", "gbraid": "", "orderId": "", "wbraid": null}))]
    #[case::action(json!({"conversionAction": "customers/1234567890/conversionActions/99"}))]
    #[case::action_of_the_manager(json!({"conversionAction": "customers/5555555555/conversionActions/99"}))]
    #[case::action_as_an_id(json!({"conversionAction": "99"}))]
    #[case::time(json!({"conversionDateTime": "2026-11-20 12:00:00+00:00"}))]
    #[case::time_elsewhere(json!({"conversionDateTime": "2026-11-20 04:00:00-08:00"}))]
    #[case::time_of_rfc_3339(json!({"conversionDateTime": "2026-11-20T12:00:00Z"}))]
    #[case::pair(json!({"gclidDateTimePair": {"gclid": "Cj0-secret", "conversionDateTime": "2026-11-20 13:00:00+01:00"}}))]
    #[case::adjustment(json!({"adjustmentType": "ENHANCEMENT", "adjustmentDateTime": "2026-11-21 00:00:00+00:00"}))]
    fn what_repeats_the_row_is_about_it(#[case] result: Value) {
        assert_eq!(echo_of(Some(gclid()), &result), Echo::OfPlace, "{result}");
        let mut ordered = result.clone();
        ordered["orderId"] = json!(clicks(1).rows[0].order.to_string());
        assert_eq!(echo_of(Some(gclid()), &ordered), Echo::OfOrder, "{ordered}");
    }

    #[rstest]
    #[case::order(json!({"orderId": "another"}))]
    #[case::gclid(json!({"gclid": "SOMEBODY-ELSE"}))]
    #[case::gbraid(json!({"gclid": "Cj0-secret", "gbraid": "not-sent"}))]
    #[case::wbraid(json!({"wbraid": "not-sent"}))]
    #[case::action(json!({"gclid": "Cj0-secret", "conversionAction": THEIR_ACTION}))]
    #[case::time(json!({"gclid": "Cj0-secret", "conversionDateTime": "2001-01-01 00:00:00+00:00"}))]
    #[case::time_without_an_offset(json!({"conversionDateTime": "2026-11-20 12:00:00"}))]
    #[case::adjustment_type(json!({"adjustmentType": "RETRACTION"}))]
    #[case::gclid_of_the_pair(json!({"gclidDateTimePair": {"gclid": "SOMEBODY-ELSE"}}))]
    #[case::time_of_the_pair(json!({"gclidDateTimePair": {"conversionDateTime": "2001-01-01 00:00:00+00:00"}}))]
    #[case::no_pair(json!({"gclidDateTimePair": [], "gclid": "Cj0-secret"}))]
    #[case::no_text(json!({"gclid": "Cj0-secret", "conversionAction": 99}))]
    fn what_names_another_is_not_about_it(#[case] result: Value) {
        assert_eq!(echo_of(Some(gclid()), &result), Echo::Contrary, "{result}");
        let mut ordered = result.clone();
        if result["orderId"].is_null() {
            ordered["orderId"] = json!(clicks(1).rows[0].order.to_string());
        }
        assert_eq!(echo_of(Some(gclid()), &ordered), Echo::Contrary, "{ordered}");
    }

    #[test]
    fn a_braid_is_told_from_another() {
        let own = || Some(ClickId::Wbraid("w1".to_owned()));
        assert_eq!(echo_of(own(), &json!({"wbraid": "w1"})), Echo::OfPlace);
        assert_eq!(echo_of(own(), &json!({"wbraid": "w2"})), Echo::Contrary);
        assert_eq!(echo_of(own(), &json!({"gbraid": "w1"})), Echo::Contrary);
        assert_eq!(echo_of(own(), &json!({"ok": true})), Echo::Contrary, "nothing of a row");
    }
}
