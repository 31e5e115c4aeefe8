//! A conversion action as Google has it, and the fields we write.

use super::ids::ActionId;

/// Actions that take uploads of lifecycle events.
pub const UPLOAD_CLICKS: &str = "UPLOAD_CLICKS";
/// Actions of the web tag, for form events.
pub const WEBPAGE: &str = "WEBPAGE";
/// Status of an action that counts.
pub const ENABLED: &str = "ENABLED";
/// Status of an action that was removed; it stays readable.
pub const REMOVED: &str = "REMOVED";

/// A conversion action (reference notes, Google 3.1). Enums are Google's names, unknown ones kept as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversionAction {
    /// Its id.
    pub id: ActionId,
    /// `customers/{cid}/conversionActions/{id}`.
    pub resource_name: String,
    /// Unique among the account's actions.
    pub name: String,
    /// `ENABLED`, `HIDDEN`, `REMOVED`.
    pub status: String,
    /// e.g. `UPLOAD_CLICKS`, `WEBPAGE`.
    pub kind: String,
    /// e.g. `WEBSITE`; with the category it names the goal.
    pub origin: Option<String>,
    /// e.g. `CONVERTED_LEAD`.
    pub category: Option<String>,
    /// Google's "primary action".
    pub primary_for_goal: Option<bool>,
    /// `ONE_PER_CLICK` or `MANY_PER_CLICK`.
    pub counting_type: Option<String>,
    /// Days, 1–90.
    pub click_window_days: Option<i64>,
    /// Days, 1–30.
    pub view_window_days: Option<i64>,
    /// `valueSettings.defaultValue`.
    pub default_value: Option<f64>,
    /// `valueSettings.defaultCurrencyCode`.
    pub default_currency: Option<String>,
    /// `valueSettings.alwaysUseDefaultValue`.
    pub always_use_default_value: Option<bool>,
    /// Event snippets of the tag (web actions only), HTML format; the `send_to` value is in them.
    pub event_snippets: Vec<String>,
}

/// An account-default goal: whether actions of this category and origin are bid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// Google's category name.
    pub category: String,
    /// Google's origin name.
    pub origin: String,
    /// The account default.
    pub biddable: bool,
}

/// What Google attributes to an action: only conversions it could tie to ads. Fractions come from its attribution models.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// The action.
    pub action: ActionId,
    /// Column "All conversions".
    pub all_conversions: f64,
    /// Column "Conversions": those Google bids by.
    pub conversions: f64,
}

/// Fields of a conversion action to create, or to change where `Some`. `None`: leave it to Google, or as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActionFields {
    /// Name, 1–100 characters.
    pub name: Option<String>,
    /// `UPLOAD_CLICKS` or `WEBPAGE`; create only (immutable).
    pub kind: Option<String>,
    /// Google's category name.
    pub category: Option<String>,
    /// Google's "primary action".
    pub primary_for_goal: Option<bool>,
    /// `ONE_PER_CLICK` or `MANY_PER_CLICK`.
    pub counting_type: Option<String>,
    /// Days, 1–90.
    pub click_window_days: Option<i64>,
    /// Days, 1–30.
    pub view_window_days: Option<i64>,
    /// Default value, in units of `default_currency`.
    pub default_value: Option<f64>,
    /// ISO 4217.
    pub default_currency: Option<String>,
    /// False lets each conversion bring its own value.
    pub always_use_default_value: Option<bool>,
    /// `ENABLED` to bring a hidden action back.
    pub status: Option<String>,
}
