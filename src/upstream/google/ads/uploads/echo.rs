//! Compares a result of the Google Ads API with the row it should be about, by the values that it repeats
//! (docs/reference/google.md 4). Pure.

use jiff::Timestamp;
use serde_json::Value;

use super::kind::UploadKind;
use crate::domain::ids::ActionKey;
use crate::ports::sink::{ClickId, Conversion, UserIdentifier};

/// What a result proves about a row by the values that it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    /// It names the order id of the row, and nothing else.
    OfOrder,
    /// All that it names is the row's, including a value that tells rows apart, but not the order id. Its place in the
    /// answer has to prove the rest.
    OfPlace,
    /// It names something that was not sent for this row, or too little to be about one: no proof of anything.
    Contrary,
}

/// What was sent for a row, as far as a result may repeat it, and whether a text is that.
type Check<'a> = (&'a Value, &'a dyn Fn(&str) -> bool);

/// Compares a result with the row and the conversion action it was sent for. What is absent or empty says nothing.
///
/// A result of an enhancement counts only with the order id, one of a click only with the click id; of a row that was
/// sent without a click id, only with its action and time, or its identifiers.
pub(crate) fn of(what: UploadKind, result: &Value, row: &Conversion, action: Option<&ActionKey>) -> Echo {
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
    for (said, is_ours) in checks {
        match said {
            Value::Null => {}
            Value::String(text) if text.is_empty() || is_ours(text) => {}
            _ => return Echo::Contrary,
        }
    }
    let identifiers = &result["userIdentifiers"];
    if !are_identifiers(identifiers, &row.identifiers) {
        return Echo::Contrary;
    }
    // All named values are ours; now it matters which of them are there at all.
    let named = |field: &str| result[field].as_str().is_some_and(|text| !text.is_empty());
    let tells = match (what, &row.click) {
        (UploadKind::Enhancements, _) => false,
        (UploadKind::Clicks, Some(_)) => named("gclid") || named("gbraid") || named("wbraid"),
        (UploadKind::Clicks, None) => {
            let any = identifiers.as_array().is_some_and(|list| !list.is_empty());
            any || (named("conversionAction") && named("conversionDateTime"))
        }
    };
    match (named("orderId"), tells) {
        (true, _) => Echo::OfOrder,
        (_, true) => Echo::OfPlace,
        _ => Echo::Contrary,
    }
}

/// True if each of these hashes was sent for the row, also if there are none.
fn are_identifiers(said: &Value, ours: &[UserIdentifier]) -> bool {
    let is_ours = |entry: &Value| {
        ours.iter().any(|identifier| match identifier {
            UserIdentifier::Email(hash) => entry["hashedEmail"] == **hash,
            UserIdentifier::Phone(hash) => entry["hashedPhoneNumber"] == **hash,
            UserIdentifier::Address { .. } => false,
        })
    };
    match said {
        Value::Null => true,
        Value::Array(list) => list.iter().all(is_ours),
        _ => false,
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

    fn echo(what: UploadKind, click: Option<ClickId>, result: &Value) -> Echo {
        let request = clicks(1);
        let identifiers = vec![
            UserIdentifier::Email("hash-1".to_owned()),
            UserIdentifier::Phone("hash-2".to_owned()),
        ];
        let row = Conversion {
            click,
            identifiers,
            ..request.rows[0].clone()
        };
        of(what, result, &row, request.destinations.first())
    }

    fn echo_of(click: Option<ClickId>, result: &Value) -> Echo {
        echo(UploadKind::Clicks, click, result)
    }

    /// The result, with the order id of the row added.
    fn ordered(result: &Value) -> Value {
        let mut ordered = result.clone();
        if result["orderId"].as_str().is_none_or(str::is_empty) {
            ordered["orderId"] = json!(clicks(1).rows[0].order.to_string());
        }
        ordered
    }

    fn gclid() -> ClickId {
        ClickId::Gclid("Cj0-secret".to_owned())
    }

    #[rstest]
    #[case::gclid(json!({"gclid": "Cj0-secret"}))]
    #[case::empty_says_nothing(json!({"gclid": "Cj0-secret", "gbraid": "", "orderId": "", "wbraid": null}))]
    #[case::action(json!({"gclid": "Cj0-secret", "conversionAction": "customers/1234567890/conversionActions/99"}))]
    #[case::action_of_the_manager(json!({"gclid": "Cj0-secret", "conversionAction": "customers/5/conversionActions/99"}))]
    #[case::action_as_an_id(json!({"gclid": "Cj0-secret", "conversionAction": "99"}))]
    #[case::time(json!({"gclid": "Cj0-secret", "conversionDateTime": "2026-11-20 12:00:00+00:00"}))]
    #[case::time_elsewhere(json!({"gclid": "Cj0-secret", "conversionDateTime": "2026-11-20 04:00:00-08:00"}))]
    #[case::time_of_rfc_3339(json!({"gclid": "Cj0-secret", "conversionDateTime": "2026-11-20T12:00:00Z"}))]
    #[case::identifiers(json!({"gclid": "Cj0-secret", "userIdentifiers": [{"hashedPhoneNumber": "hash-2"}]}))]
    fn what_repeats_the_row_is_about_it(#[case] result: Value) {
        assert_eq!(echo_of(Some(gclid()), &result), Echo::OfPlace, "{result}");
        let ordered = ordered(&result);
        assert_eq!(echo_of(Some(gclid()), &ordered), Echo::OfOrder, "{ordered}");
        // An enhancement is known by its order id alone.
        let enhanced = |result| echo(UploadKind::Enhancements, Some(gclid()), result);
        assert_eq!(
            (enhanced(&result), enhanced(&ordered)),
            (Echo::Contrary, Echo::OfOrder),
            "{result}"
        );
    }

    #[rstest]
    #[case::action(json!({"conversionAction": "customers/1234567890/conversionActions/99"}))]
    #[case::time(json!({"conversionDateTime": "2026-11-20 12:00:00+00:00"}))]
    #[case::type_alone(json!({"adjustmentType": "ENHANCEMENT"}))]
    #[case::any_time(json!({"adjustmentDateTime": "2020-01-01 00:00:00+00:00"}))]
    #[case::pair(json!({"gclidDateTimePair": {"gclid": "Cj0-secret", "conversionDateTime": "2026-11-20 13:00:00+01:00"}}))]
    #[case::no_order(json!({"orderId": ""}))]
    fn what_many_rows_have_in_common_is_no_proof_of_one(#[case] result: Value) {
        for what in [UploadKind::Clicks, UploadKind::Enhancements] {
            assert_eq!(echo(what, Some(gclid()), &result), Echo::Contrary, "{result}");
            assert_eq!(echo(what, Some(gclid()), &ordered(&result)), Echo::OfOrder, "{result}");
        }
    }

    #[rstest]
    #[case::action_and_time(
        json!({"conversionAction": "customers/1234567890/conversionActions/99", "conversionDateTime": "2026-11-20 12:00:00+00:00"}),
        Echo::OfPlace
    )]
    #[case::identifiers(json!({"userIdentifiers": [{"userIdentifierSource": "FIRST_PARTY", "hashedEmail": "hash-1"}]}), Echo::OfPlace)]
    #[case::action(json!({"conversionAction": "customers/1234567890/conversionActions/99"}), Echo::Contrary)]
    #[case::time(json!({"conversionDateTime": "2026-11-20 12:00:00+00:00"}), Echo::Contrary)]
    #[case::no_identifiers(json!({"userIdentifiers": []}), Echo::Contrary)]
    #[case::other_identifiers(json!({"userIdentifiers": [{"hashedEmail": "hash-3"}]}), Echo::Contrary)]
    #[case::a_click(json!({"gclid": "not-sent"}), Echo::Contrary)]
    fn a_row_without_a_click_is_known_by_the_rest(#[case] result: Value, #[case] wanted: Echo) {
        assert_eq!(echo_of(None, &result), wanted, "{result}");
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
    #[case::identifiers(json!({"gclid": "Cj0-secret", "userIdentifiers": [{"hashedEmail": "hash-1"}, {"hashedEmail": "x"}]}))]
    #[case::no_identifiers(json!({"gclid": "Cj0-secret", "userIdentifiers": "hash-1"}))]
    #[case::no_text(json!({"gclid": "Cj0-secret", "conversionAction": 99}))]
    fn what_names_another_is_not_about_it(#[case] result: Value) {
        assert_eq!(echo_of(Some(gclid()), &result), Echo::Contrary, "{result}");
        let ordered = ordered(&result);
        assert_eq!(echo_of(Some(gclid()), &ordered), Echo::Contrary, "{ordered}");
    }

    #[test]
    fn a_braid_is_distinguished_from_another() {
        let own = || Some(ClickId::Wbraid("w1".to_owned()));
        assert_eq!(echo_of(own(), &json!({"wbraid": "w1"})), Echo::OfPlace);
        assert_eq!(echo_of(own(), &json!({"wbraid": "w2"})), Echo::Contrary);
        assert_eq!(echo_of(own(), &json!({"gbraid": "w1"})), Echo::Contrary);
        assert_eq!(echo_of(own(), &json!({"ok": true})), Echo::Contrary, "nothing of a row");
    }
}
