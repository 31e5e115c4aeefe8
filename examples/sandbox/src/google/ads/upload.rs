//! What both uploads of the Google Ads API share: messages, and the checks before the rows.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::action::Action;
use super::failure::{AdsError, partial};
use super::{Call, Denial};
use crate::google::currency::is_currency;
use crate::google::schema::{Kind, Message, double, one, time};

/// Most rows of a request.
const MAX_ROWS: usize = 2_000;
/// Most user identifiers of a row.
const MAX_IDENTIFIERS: usize = 5;

static ADDRESS: Message = Message {
    fields: &[
        one("hashedFirstName", Kind::Text),
        one("hashedLastName", Kind::Text),
        one("hashedStreetAddress", Kind::Text),
        one("city", Kind::Text),
        one("state", Kind::Text),
        one("countryCode", Kind::Text),
        one("postalCode", Kind::Text),
    ],
    one_of: &[],
};

/// `UserIdentifier`.
pub static IDENTIFIER: Message = Message {
    fields: &[
        one(
            "userIdentifierSource",
            Kind::Enum(&["UNSPECIFIED", "UNKNOWN", "FIRST_PARTY", "THIRD_PARTY"]),
        ),
        one("hashedEmail", Kind::Text),
        one("hashedPhoneNumber", Kind::Text),
        one("addressInfo", Kind::Message(&ADDRESS)),
    ],
    one_of: &["hashedEmail", "hashedPhoneNumber", "addressInfo"],
};

/// A row that is refused: key of the error, its name, and the field.
pub struct RowError {
    /// `conversionUploadError`, `conversionAdjustmentUploadError`, …
    pub key: String,
    /// Name of the error.
    pub name: String,
    /// camelCase, below the row.
    pub field: &'static str,
}

impl RowError {
    /// A refusal of a field.
    pub fn new(key: impl Into<String>, name: impl Into<String>, field: &'static str) -> Self {
        Self {
            key: key.into(),
            name: name.into(),
            field,
        }
    }

    /// What was armed for a row: `quotaError.RESOURCE_EXHAUSTED` names the key of its error, a name alone has `key`.
    pub fn armed(key: &str, reason: &str, field: &'static str) -> Self {
        let bare = reason.trim_start_matches("PROCESSING_ERROR_REASON_");
        let (key, name) = bare.split_once('.').unwrap_or((key, bare));
        Self::new(key, name, field)
    }
}

/// Checks the request as a whole and books it; then every row, and the answer in the form of partial failure.
pub fn rows(
    call: &mut Call<'_>,
    message: &Message,
    list: &str,
    mut each: impl FnMut(&mut Call<'_>, &Value) -> Result<Value, RowError>,
) -> Result<Value, Denial> {
    let request = call.parse(message)?;
    call.book(1)?;
    let rows = request[list].as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        let error = AdsError::new(
            "fieldError",
            "REQUIRED_NONEMPTY_LIST",
            "The required repeated field was empty.",
        );
        return Err(error.at(list).into());
    }
    if request["partialFailure"] != true {
        let text = "Partial failure mode is required.";
        return Err(AdsError::new("partialFailureError", "PARTIAL_FAILURE_MODE_REQUIRED", text).into());
    }
    if rows.len() > MAX_ROWS {
        let (key, name) = if list == "conversions" {
            ("conversionUploadError", "TOO_MANY_CONVERSIONS_IN_REQUEST")
        } else {
            ("conversionAdjustmentUploadError", "TOO_MANY_ADJUSTMENTS_IN_REQUEST")
        };
        return Err(AdsError::new(key, name, "Too many rows.").at(list).into());
    }
    // What rows are only judged for leaves no trace.
    let judged_only = request["validateOnly"] == true;
    let before = judged_only.then(|| call.google.counted());
    let mut errors = Vec::new();
    let mut results = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        match each(call, row) {
            Ok(result) => results.push(result),
            Err(error) => {
                let said = AdsError::new(error.key, error.name, "The row was refused.");
                errors.push(said.at(error.field).in_row(list, index));
                results.push(json!({}));
            }
        }
    }
    if let Some(before) = before {
        call.google.restore(before);
        results.clear();
    }
    // The number of the caller's, else one of Google's own.
    let job = request["jobId"].as_i64().unwrap_or((1 << 31) + 1);
    let mut answer = json!({"results": results, "jobId": job.to_string()});
    if !errors.is_empty() {
        answer["partialFailureError"] = partial(&errors, call.request_id);
    }
    Ok(answer)
}

/// The action of a row, where it takes this kind of upload.
pub fn action(call: &Call<'_>, row: &Value, key: &'static str, kinds: &[&str]) -> Result<Action, RowError> {
    let no_action = || RowError::new(key, "NO_CONVERSION_ACTION_FOUND", "conversionAction");
    let name = row["conversionAction"].as_str().unwrap_or_default();
    let id = name.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
    let found = id.and_then(|id| call.google.actions.get(&id)).ok_or_else(no_action)?;
    let account = call.google.accounts.get(call.customer);
    let owner = account
        .and_then(|a| a.conversion_customer.as_deref())
        .unwrap_or(call.customer);
    if found.owner != owner || found.status != "ENABLED" {
        return Err(no_action());
    }
    if !kinds.contains(&found.kind.as_str()) {
        return Err(RowError::new(key, "INVALID_CONVERSION_ACTION_TYPE", "conversionAction"));
    }
    if call.now.duration_since(found.created) < call.google.settings.new_action_age {
        return Err(RowError::new(key, "TOO_RECENT_CONVERSION_ACTION", "conversionAction"));
    }
    Ok(found.clone())
}

/// A time as the uploads want it: `yyyy-mm-dd hh:mm:ss+hh:mm`.
pub fn date_time(text: &str) -> Option<Timestamp> {
    let fits = text.len() == 25 && text.is_char_boundary(10) && text.as_bytes()[10] == b' ' && !text.contains('T');
    if fits { time(&text.replacen(' ', "T", 1)) } else { None }
}

/// A required time that is not in the future.
pub fn past(call: &Call<'_>, value: &Value, field: &'static str) -> Result<Timestamp, RowError> {
    let Some(text) = value.as_str() else {
        return Err(RowError::new("fieldError", "REQUIRED", field));
    };
    let at = date_time(text)
        .ok_or_else(|| RowError::new("dateError", "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET", field))?;
    if at.duration_since(call.now) > SignedDuration::from_secs(1) {
        return Err(RowError::new("dateError", "LATER_THAN_MAXIMUM_DATE", field));
    }
    Ok(at)
}

/// Value and currency: both or none.
pub fn money(value: &Value, currency: &Value, field: &'static str) -> Result<Option<(f64, String)>, RowError> {
    match (double(value), currency.as_str()) {
        (None, None) => Ok(None),
        (Some(value), _) if !value.is_finite() || value < 0.0 => {
            Err(RowError::new("fieldError", "INVALID_VALUE", field))
        }
        (Some(value), Some(code)) if is_currency(code) => Ok(Some((value, code.to_owned()))),
        (Some(_), Some(_)) => Err(RowError::new("currencyCodeError", "UNSUPPORTED", field)),
        _ => Err(RowError::new("fieldError", "REQUIRED", field)),
    }
}

/// An order id without personal data.
pub fn order_id(row: &Value, key: &'static str) -> Result<String, RowError> {
    let id = row["orderId"].as_str().unwrap_or_default();
    if id.contains('@') {
        return Err(RowError::new(key, "ORDER_ID_CONTAINS_PII", "orderId"));
    }
    if id.chars().count() > 64 {
        return Err(RowError::new("stringLengthError", "TOO_LONG", "orderId"));
    }
    Ok(id.to_owned())
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Identifiers of a row, an address as one entry.
pub fn identifiers(row: &Value, key: &'static str, with_address: bool) -> Result<Vec<String>, RowError> {
    let field = "userIdentifiers";
    let invalid = || RowError::new(key, "INVALID_USER_IDENTIFIER", field);
    let list = row[field].as_array().cloned().unwrap_or_default();
    if list.len() > MAX_IDENTIFIERS {
        return Err(RowError::new("collectionSizeError", "TOO_MANY", field));
    }
    let mut found = Vec::new();
    for identifier in &list {
        let hash = identifier["hashedEmail"]
            .as_str()
            .or_else(|| identifier["hashedPhoneNumber"].as_str());
        if let Some(hash) = hash {
            found.push(Some(hash.to_owned()).filter(|hash| is_hash(hash)).ok_or_else(invalid)?);
            continue;
        }
        if !with_address {
            return Err(RowError::new(key, "UNSUPPORTED_USER_IDENTIFIER", field));
        }
        found.push(address(&identifier["addressInfo"]).ok_or_else(invalid)?);
    }
    Ok(found)
}

fn address(address: &Value) -> Option<String> {
    let text = |name: &str| address[name].as_str().filter(|text| !text.is_empty());
    let hashed = |name: &str| text(name).filter(|hash| is_hash(hash));
    let country = text("countryCode").filter(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase()))?;
    if address.get("hashedStreetAddress").is_some() {
        hashed("hashedStreetAddress")?;
    }
    let (first, last) = (hashed("hashedFirstName")?, hashed("hashedLastName")?);
    Some(format!("{first}|{last}|{country}|{}", text("postalCode")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_documented() {
        assert!(date_time("2026-11-20 12:00:00+00:00").is_some());
        assert!(date_time("2026-11-20 12:00:00-05:30").is_some());
        for bad in [
            "2026-11-20T12:00:00+00:00",
            "2026-11-20 12:00:00Z",
            "2026-11-20 12:00:00",
            "2026-11-20 12:00:00.1+00:00",
        ] {
            assert!(date_time(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn hashes_are_lower_case() {
        assert!(is_hash(&"a1".repeat(32)));
        assert!(!is_hash(&"A1".repeat(32)) && !is_hash("a1"));
    }
}
