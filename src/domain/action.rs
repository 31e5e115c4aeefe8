//! A conversion action as Google has it, and the fields we write.

use super::ids::{ActionId, CustomerId};

/// Actions that take uploads of lifecycle events.
pub const UPLOAD_CLICKS: &str = "UPLOAD_CLICKS";
/// Actions of the web tag, for form events.
pub const WEBPAGE: &str = "WEBPAGE";
/// Attribution model of actions whose uploads must say which click gets which share of a conversion. Ours never do.
pub const EXTERNAL: &str = "EXTERNAL";
/// Origin of the actions that take uploads, of stages and of forms.
const WEBSITE: &str = "WEBSITE";
/// Status of an action that counts.
pub const ENABLED: &str = "ENABLED";
/// Status of an action that was removed; it stays readable.
pub const REMOVED: &str = "REMOVED";

/// A conversion action (docs/reference/google.md 3.1). Enums are Google's names, unknown ones kept as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversionAction {
    pub id: ActionId,
    /// `customers/{cid}/conversionActions/{id}`.
    pub resource_name: String,
    /// Unique among the account's actions; as Google has it, whatever characters it holds.
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
    /// e.g. `GOOGLE_ADS_LAST_CLICK`, `EXTERNAL`.
    pub attribution_model: Option<String>,
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

impl ConversionAction {
    /// True if the action has this name. Blanks around a name are never meant, and a service may drop them.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.trim() == name.trim()
    }

    /// True if Google takes no uploads for the action because of its attribution model. Nothing else shows it.
    pub fn attributes_externally(&self) -> bool {
        self.attribution_model.as_deref() == Some(EXTERNAL)
    }

    /// The goal that the action counts for, among those of its account.
    pub fn goal_in<'g>(&self, goals: &'g [Goal]) -> Option<&'g Goal> {
        let counts_it =
            |goal: &&Goal| Some(&goal.category) == self.category.as_ref() && Some(&goal.origin) == self.origin.as_ref();
        goals.iter().find(counts_it)
    }

    /// An action as Google would have it once it is created.
    pub fn created(owner: &CustomerId, id: ActionId, fields: &ActionFields) -> Self {
        let mut action = Self {
            id,
            resource_name: format!("customers/{owner}/conversionActions/{id}"),
            name: String::new(),
            status: ENABLED.to_owned(),
            kind: fields.kind.clone().unwrap_or_default(),
            // Google gives it to all actions that the operator creates; with the category it names their goal.
            origin: Some(WEBSITE.to_owned()),
            category: None,
            primary_for_goal: None,
            counting_type: None,
            attribution_model: None,
            click_window_days: None,
            view_window_days: None,
            default_value: None,
            default_currency: None,
            always_use_default_value: None,
            event_snippets: Vec::new(),
        };
        action.set_fields(fields);
        action
    }

    /// The action as it is once these fields are written.
    pub fn set_fields(&mut self, fields: &ActionFields) {
        let ActionFields {
            name,
            kind: _,
            category,
            primary_for_goal,
            counting_type,
            click_window_days,
            view_window_days,
            default_value,
            default_currency,
            always_use_default_value,
            status,
        } = fields.clone();
        self.name = name.unwrap_or_else(|| self.name.clone());
        self.status = status.unwrap_or_else(|| self.status.clone());
        self.category = category.or_else(|| self.category.take());
        self.primary_for_goal = primary_for_goal.or(self.primary_for_goal);
        self.counting_type = counting_type.or_else(|| self.counting_type.take());
        self.click_window_days = click_window_days.or(self.click_window_days);
        self.view_window_days = view_window_days.or(self.view_window_days);
        self.default_value = default_value.or(self.default_value);
        self.default_currency = default_currency.or_else(|| self.default_currency.take());
        self.always_use_default_value = always_use_default_value.or(self.always_use_default_value);
    }
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

/// What Google attributes to an action: only conversions it
/// could tie to ads. Fractions come from its attribution models.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
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

/// What a web tag must send to: `AW-<number>/<label>`, out of the event snippets of the action's tag
/// (docs/reference/google.md 3.1: no field of the resource holds it). `None` if no snippet names it.
pub fn send_to(snippets: &[String]) -> Option<String> {
    snippets
        .iter()
        .find_map(|snippet| snippet.split("send_to").skip(1).find_map(send_to_target))
}

/// The target right behind the name `send_to`, whatever quotes and colons stand between.
fn send_to_target(text: &str) -> Option<String> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ':' | '\\' | '['));
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/')));
    let target = &text[..end.unwrap_or(text.len())];
    let (id, label) = target.strip_prefix("AW-")?.split_once('/')?;
    let number = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    (number && !label.is_empty() && !label.contains('/')).then(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::object(
        "gtag('event', 'conversion', {'send_to': 'AW-987654321/AbC-D_efG', 'value': 1.0});",
        Some("AW-987654321/AbC-D_efG")
    )]
    #[case::double_quotes(r#"gtag("event", "conversion", {"send_to":"AW-1/x"});"#, Some("AW-1/x"))]
    #[case::bare_name("gtag('event','conversion',{ send_to : 'AW-1/x' })", Some("AW-1/x"))]
    #[case::amp(
        r#"{"vars":{"gtag_id":"AW-1"},"triggers":{"C":{"vars":{"send_to": ["AW-1/x"]}}}}"#,
        Some("AW-1/x")
    )]
    #[case::escaped(r#"{\"send_to\":\"AW-1/x\"}"#, Some("AW-1/x"))]
    #[case::second_one("send_to: other, send_to: 'AW-2/y'", Some("AW-2/y"))]
    #[case::no_label("{'send_to': 'AW-1'}", None)]
    #[case::not_a_number("{'send_to': 'AW-x1/y'}", None)]
    #[case::analytics("{'send_to': 'G-ABC/x'}", None)]
    #[case::none("", None)]
    fn targets(#[case] snippet: &str, #[case] expected: Option<&str>) {
        assert_eq!(send_to(&[snippet.to_owned()]).as_deref(), expected);
    }

    #[test]
    fn any_snippet_will_do() {
        let snippets = ["nothing".to_owned(), "{'send_to': 'AW-1/x'}".to_owned()];
        assert_eq!(send_to(&snippets).as_deref(), Some("AW-1/x"));
        assert_eq!(send_to(&[]), None);
    }
}
