//! Fields of a conversion action: which a client may write, and what each accepts.

use serde_json::Value;

use super::action::Action;
use super::failure::AdsError;
use super::names::{CATEGORIES, COUNTING, MODELS, ORIGINS, STATUSES, TYPES};
use crate::google::currency::is_currency;
use crate::google::schema::{Kind, Message, double, int, many, one};

/// Longest accepted name, in characters. The API's own limit is not documented; the UI stops here.
const NAME_LIMIT: usize = 100;

static VALUE_SETTINGS: Message = Message {
    fields: &[
        one("defaultValue", Kind::Double),
        one("defaultCurrencyCode", Kind::Text),
        one("alwaysUseDefaultValue", Kind::Bool),
    ],
    one_of: &[],
};

static ATTRIBUTION: Message = Message {
    fields: &[
        one("attributionModel", Kind::Enum(MODELS)),
        one(
            "dataDrivenModelStatus",
            Kind::Enum(&["AVAILABLE", "STALE", "EXPIRED", "NEVER_GENERATED"]),
        ),
    ],
    one_of: &[],
};

static TAG_SNIPPET: Message = Message {
    fields: &[
        one(
            "type",
            Kind::Enum(&["WEBPAGE", "WEBPAGE_ONCLICK", "CLICK_TO_CALL", "WEBSITE_CALL"]),
        ),
        one("pageFormat", Kind::Enum(&["HTML", "AMP"])),
        one("globalSiteTag", Kind::Text),
        one("eventSnippet", Kind::Text),
    ],
    one_of: &[],
};

/// The `ConversionAction` message.
pub static CONVERSION_ACTION: Message = Message {
    fields: &[
        one("resourceName", Kind::Text),
        one("id", Kind::Int64),
        one("name", Kind::Text),
        one("status", Kind::Enum(STATUSES)),
        one("type", Kind::Enum(TYPES)),
        one("origin", Kind::Enum(ORIGINS)),
        one("primaryForGoal", Kind::Bool),
        one("category", Kind::Enum(CATEGORIES)),
        one("ownerCustomer", Kind::Text),
        one("includeInConversionsMetric", Kind::Bool),
        one("clickThroughLookbackWindowDays", Kind::Int64),
        one("viewThroughLookbackWindowDays", Kind::Int64),
        one("valueSettings", Kind::Message(&VALUE_SETTINGS)),
        one("countingType", Kind::Enum(COUNTING)),
        one("attributionModelSettings", Kind::Message(&ATTRIBUTION)),
        many("tagSnippets", Kind::Message(&TAG_SNIPPET)),
        one("phoneCallDurationSeconds", Kind::Int64),
        one("appId", Kind::Text),
    ],
    one_of: &[],
};

/// What a path of an update mask names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A field a client may write.
    Writable,
    /// A field only Google writes, or that never changes.
    Fixed,
    /// A message; masks must name its leaves.
    Group,
    /// No field.
    Unknown,
}

/// Classifies a path of an update mask.
pub fn classify(path: &str) -> Path {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some(field) = CONVERSION_ACTION.fields.iter().find(|field| field.name == first) else {
        return Path::Unknown;
    };
    match (field.kind, rest, field.repeated) {
        (Kind::Message(_), "", false) => Path::Group,
        (Kind::Message(inner), leaf, false) => match inner.fields.iter().any(|field| field.name == leaf) {
            true if leaf == "dataDrivenModelStatus" => Path::Fixed,
            true => Path::Writable,
            false => Path::Unknown,
        },
        (_, "", _) => match first {
            "resourceName"
            | "id"
            | "type"
            | "origin"
            | "ownerCustomer"
            | "includeInConversionsMetric"
            | "tagSnippets" => Path::Fixed,
            _ => Path::Writable,
        },
        _ => Path::Unknown,
    }
}

/// Paths of all leaves set in a resource.
pub fn leaves(resource: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for (name, value) in resource.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(inner) => out.extend(inner.keys().map(|leaf| format!("{name}.{leaf}"))),
            None => out.push(name.clone()),
        }
    }
    out
}

/// The value at a path.
pub fn value_at<'a>(resource: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(resource, |value, part| value.get(part))
}

fn within(value: &Value, low: i64, high: i64, path: &str) -> Result<i64, AdsError> {
    let number = int(value).unwrap_or(i64::MIN);
    let error = if number < low {
        AdsError::new("rangeError", "TOO_LOW", "Too low.")
    } else if number > high {
        AdsError::new("rangeError", "TOO_HIGH", "Too high.")
    } else {
        return Ok(number);
    };
    Err(error.trigger(number.to_string()).at(path))
}

fn name_of(value: &Value) -> Result<String, AdsError> {
    let name = value.as_str().unwrap_or_default();
    let error = if name.trim().is_empty() {
        AdsError::new("stringLengthError", "EMPTY", "The string is empty.")
    } else if name.chars().count() > NAME_LIMIT {
        AdsError::new("stringLengthError", "TOO_LONG", "Too long.")
    } else if name.chars().any(char::is_control) {
        AdsError::new(
            "stringFormatError",
            "ILLEGAL_CHARS",
            "The input string value contains disallowed characters.",
        )
    } else {
        return Ok(name.to_owned());
    };
    Err(error.trigger(name).at("name"))
}

fn status_of(value: &Value) -> Result<String, AdsError> {
    match value.as_str().unwrap_or_default() {
        "REMOVED" => {
            let message = "The field's value is invalid. Use the remove operation.";
            Err(AdsError::new("fieldError", "INVALID_VALUE", message).at("status"))
        }
        other => Ok(other.to_owned()),
    }
}

fn model_of(value: &Value, fresh: bool) -> Result<String, AdsError> {
    let path = "attributionModelSettings.attributionModel";
    let key = "conversionActionError";
    match value.as_str().unwrap_or_default() {
        "GOOGLE_SEARCH_ATTRIBUTION_DATA_DRIVEN" if fresh => {
            let message = "The attribution model cannot be set to DATA_DRIVEN because the conversion action has no data-driven model.";
            Err(AdsError::new(key, "DATA_DRIVEN_MODEL_UNKNOWN", message).at(path))
        }
        "GOOGLE_SEARCH_ATTRIBUTION_DATA_DRIVEN" => {
            let message = "A data-driven model has never been generated for the conversion action.";
            Err(AdsError::new(key, "DATA_DRIVEN_MODEL_WAS_NEVER_GENERATED", message).at(path))
        }
        model @ ("EXTERNAL" | "GOOGLE_ADS_LAST_CLICK") => Ok(model.to_owned()),
        _ => {
            let message = "Rule-based attribution models have been deprecated and can no longer be set.";
            Err(AdsError::new(key, "CANNOT_SET_RULE_BASED_ATTRIBUTION_MODELS", message).at(path))
        }
    }
}

fn currency_of(value: &Value, path: &str) -> Result<String, AdsError> {
    let code = value.as_str().unwrap_or_default();
    if is_currency(code) {
        return Ok(code.to_owned());
    }
    Err(AdsError::new(
        "currencyCodeError",
        "UNSUPPORTED",
        "The currency code is not supported.",
    )
    .trigger(code)
    .at(path))
}

fn amount_of(value: &Value, path: &str) -> Result<f64, AdsError> {
    match double(value) {
        Some(amount) if amount.is_finite() && amount >= 0.0 => Ok(amount),
        Some(amount) if amount < 0.0 => Err(AdsError::new("rangeError", "TOO_LOW", "Too low.").at(path)),
        _ => Err(AdsError::new("fieldError", "INVALID_VALUE", "The field's value is invalid.").at(path)),
    }
}

/// Writes one leaf; `fresh` while the action is being created.
pub fn write(action: &mut Action, path: &str, value: &Value, fresh: bool) -> Result<(), AdsError> {
    let text = || value.as_str().unwrap_or_default().to_owned();
    let flag = || value.as_bool().unwrap_or_default();
    match path {
        "name" => action.name = name_of(value)?,
        "status" => action.status = status_of(value)?,
        "category" => action.category = text(),
        "primaryForGoal" => action.primary = flag(),
        "countingType" => action.counting = text(),
        "clickThroughLookbackWindowDays" => action.click_days = within(value, 1, 90, path)?,
        "viewThroughLookbackWindowDays" => action.view_days = within(value, 1, 30, path)?,
        "valueSettings.defaultValue" => action.default_value = amount_of(value, path)?,
        "valueSettings.defaultCurrencyCode" => action.default_currency = currency_of(value, path)?,
        "valueSettings.alwaysUseDefaultValue" => action.always_default = flag(),
        "attributionModelSettings.attributionModel" => action.attribution = model_of(value, fresh)?,
        "phoneCallDurationSeconds" if action.kind.ends_with("CALL") || action.kind.ends_with("CALLS") => {
            action.phone_seconds = Some(within(value, 0, 10_000, path)?);
        }
        _ => {
            return Err(AdsError::new(
                "fieldError",
                "VALUE_MUST_BE_UNSET",
                "The field's value must not be set.",
            )
            .at(path));
        }
    }
    Ok(())
}

/// Resets a leaf that a mask names but the update leaves out.
pub fn clear(action: &mut Action, path: &str, currency: &str) -> Result<(), AdsError> {
    match path {
        "valueSettings.defaultValue" => action.default_value = 0.0,
        "valueSettings.defaultCurrencyCode" => currency.clone_into(&mut action.default_currency),
        "valueSettings.alwaysUseDefaultValue" => action.always_default = false,
        "phoneCallDurationSeconds" => action.phone_seconds = None,
        _ => {
            return Err(
                AdsError::new("fieldError", "FIELD_CANNOT_BE_CLEARED", "The field cannot be cleared.").at(path),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_paths_are_told_apart() {
        assert_eq!(classify("name"), Path::Writable);
        assert_eq!(classify("valueSettings"), Path::Group);
        assert_eq!(classify("valueSettings.defaultValue"), Path::Writable);
        assert_eq!(classify("valueSettings.nope"), Path::Unknown);
        assert_eq!(classify("attributionModelSettings.dataDrivenModelStatus"), Path::Fixed);
        assert_eq!(classify("type"), Path::Fixed);
        assert_eq!(classify("name.first"), Path::Unknown);
        assert_eq!(classify("value_settings"), Path::Unknown);
    }
}
