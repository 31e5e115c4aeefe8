//! Fields a query may name.

use super::names::{CATEGORIES, COUNTING, CUSTOMER_STATUSES, MODELS, ORIGINS, STATUSES, TRACKING, TYPES};

/// Type of a field, as far as conditions need it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// A string or resource name.
    Text,
    /// An integer.
    Int,
    /// A double.
    Double,
    /// A boolean.
    Bool,
    /// A date.
    Date,
    /// An enum.
    Enum(&'static [&'static str]),
    /// A list of messages: can be selected, not compared.
    Message,
}

type Entry = (&'static str, FieldType);

use FieldType::{Bool, Date, Double, Enum, Int, Message, Text};

static CUSTOMER: &[Entry] = &[
    ("resource_name", Text),
    ("id", Int),
    ("descriptive_name", Text),
    ("currency_code", Text),
    ("time_zone", Text),
    ("manager", Bool),
    ("test_account", Bool),
    ("status", Enum(CUSTOMER_STATUSES)),
    ("auto_tagging_enabled", Bool),
    ("conversion_tracking_setting.conversion_tracking_id", Int),
    ("conversion_tracking_setting.cross_account_conversion_tracking_id", Int),
    ("conversion_tracking_setting.accepted_customer_data_terms", Bool),
    ("conversion_tracking_setting.conversion_tracking_status", Enum(TRACKING)),
    ("conversion_tracking_setting.google_ads_conversion_customer", Text),
    ("conversion_tracking_setting.enablement_setting", Enum(&["OFF", "ON"])),
    (
        "conversion_tracking_setting.effective_enablement_setting",
        Enum(&["OFF", "ON"]),
    ),
];

static CONVERSION_ACTION: &[Entry] = &[
    ("resource_name", Text),
    ("id", Int),
    ("name", Text),
    ("status", Enum(STATUSES)),
    ("type", Enum(TYPES)),
    ("origin", Enum(ORIGINS)),
    ("primary_for_goal", Bool),
    ("category", Enum(CATEGORIES)),
    ("owner_customer", Text),
    ("include_in_conversions_metric", Bool),
    ("click_through_lookback_window_days", Int),
    ("view_through_lookback_window_days", Int),
    ("value_settings.default_value", Double),
    ("value_settings.default_currency_code", Text),
    ("value_settings.always_use_default_value", Bool),
    ("counting_type", Enum(COUNTING)),
    ("attribution_model_settings.attribution_model", Enum(MODELS)),
    (
        "attribution_model_settings.data_driven_model_status",
        Enum(&["AVAILABLE", "STALE", "EXPIRED", "NEVER_GENERATED"]),
    ),
    ("tag_snippets", Message),
    ("phone_call_duration_seconds", Int),
    ("app_id", Text),
];

static GOAL: &[Entry] = &[
    ("resource_name", Text),
    ("category", Enum(CATEGORIES)),
    ("origin", Enum(ORIGINS)),
    ("biddable", Bool),
];

static SEGMENTS: &[Entry] = &[
    ("conversion_action", Text),
    ("conversion_action_name", Text),
    ("conversion_action_category", Enum(CATEGORIES)),
    ("date", Date),
];

static METRICS: &[Entry] = &[
    ("all_conversions", Double),
    ("all_conversions_value", Double),
    ("all_conversions_by_conversion_date", Double),
    ("all_conversions_value_by_conversion_date", Double),
    ("conversions", Double),
    ("conversions_value", Double),
    ("conversions_by_conversion_date", Double),
    ("conversions_value_by_conversion_date", Double),
];

/// Resources a query may name behind FROM.
pub static RESOURCES: &[&str] = &["customer", "conversion_action", "customer_conversion_goal"];

/// The type of a field such as `conversion_action.name`.
pub fn type_of(field: &str) -> Option<FieldType> {
    let (resource, name) = field.split_once('.')?;
    let table = match resource {
        "customer" => CUSTOMER,
        "conversion_action" => CONVERSION_ACTION,
        "customer_conversion_goal" => GOAL,
        "segments" => SEGMENTS,
        "metrics" => METRICS,
        _ => return None,
    };
    table.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// Whether a field may stand in a query on a resource. Attributes of the account may stand beside every resource;
/// segments and metrics are offered on the account only.
pub fn goes_with(field: &str, from: &str) -> bool {
    match field.split('.').next() {
        Some("customer") => true,
        Some("segments" | "metrics") => from == "customer",
        Some(resource) => resource == from,
        None => false,
    }
}
