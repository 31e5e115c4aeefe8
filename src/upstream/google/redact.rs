//! Makes Google's texts fit for logs, events and status: values
//! that they may echo are cut out, and lengths are bounded.

use crate::upstream::http::limits::{FIELD_LIMIT, MESSAGE_LIMIT, MOST_DIGITS};
use crate::upstream::http::prose::keep_prose;
use crate::upstream::http::text::bounded_message;

/// Most steps in a field path.
pub(crate) const MAX_STEPS: usize = 12;

/// Names that Google quotes and that people need to read: headers, and fields of what we send or ask for (also as parts
/// of a path, also in camelCase). A list, because the name of a person can look like the name of a field.
const NAMES: &[&str] = &[
    "login-customer-id",
    "linked-customer-id",
    "developer-token",
    "authorization",
    "address_info",
    "adjustment_date_time",
    "adjustment_type",
    "adjusted_value",
    "always_use_default_value",
    "biddable",
    "category",
    "click_through_lookback_window_days",
    "consent",
    "ad_user_data",
    "ad_personalization",
    "conversion_action",
    "conversion_adjustments",
    "conversion_date_time",
    "conversion_value",
    "conversions",
    "country_code",
    "counting_type",
    "create",
    "currency_code",
    "customer_id",
    "default_currency_code",
    "default_value",
    "destinations",
    "encoding",
    "event_source",
    "event_timestamp",
    "events",
    "gbraid",
    "gclid",
    "gclid_date_time_pair",
    "hashed_email",
    "hashed_first_name",
    "hashed_last_name",
    "hashed_phone_number",
    "hashed_street_address",
    "login_account",
    "login_customer_id",
    "metrics",
    "name",
    "operating_account",
    "operations",
    "order_id",
    "partial_failure",
    "postal_code",
    "primary_for_goal",
    "product_destination_id",
    "resource_name",
    "restatement_value",
    "status",
    "transaction_id",
    "type",
    "update_mask",
    "user_data",
    "user_identifiers",
    "wbraid",
    "account_id",
    "account_type",
    "ad_identifiers",
    "additional_event_parameters",
    "address",
    "attribution_model_settings",
    "campaign_id",
    "conversion_environment",
    "custom_variables",
    "customer_type",
    "email_address",
    "event_name",
    "experimental_fields",
    "family_name",
    "given_name",
    "headline_id",
    "lead_id",
    "landing_page_device_info",
    "phone_number",
    "product",
    "region_code",
    "request_id",
    "session_attributes_encoded",
    "user_agent",
    "validate_only",
    "value_settings",
    "view_through_lookback_window_days",
    "currency",
    "destination_references",
    "linked_account",
    "cart_data",
    "user_ip_address",
    "conversion_id",
    "third_party_user_data",
];

/// Google's own words: prose, and names of fields and headers. Quoted parts go as a whole.
pub(crate) fn redact_words(text: &str) -> String {
    bounded_message(keep_prose(&cut_quoted(text), 4 * MESSAGE_LIMIT, is_name))
}

/// A field path, of which only the names in [`NAMES`] and indices are kept: anything else may be a value.
pub(crate) fn field_path(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let steps: Vec<String> = text.split('.').take(MAX_STEPS).map(redact_step).collect();
    steps.join(".")
}

fn redact_step(text: &str) -> String {
    if is_index(text) {
        return text.to_owned();
    }
    let (name, index) = match text.split_once('[') {
        Some((name, rest)) => (name, rest.strip_suffix(']').filter(|index| is_index(index))),
        None => (text, None),
    };
    let known = name.len() <= FIELD_LIMIT && (NAMES.contains(&name) || NAMES.contains(&snake_case(name).as_str()));
    let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
    format!("{}{index}", if known { name } else { "…" })
}

/// The place of a row or a field in a list: no request has more than some thousands.
fn is_index(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for one of [`NAMES`] and for a path of them: `operations[0].create.name`.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().filter(u8::is_ascii_digit).count() <= MOST_DIGITS
        && field_path(text) == text
}

fn snake_case(text: &str) -> String {
    let mut snake = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Replaces quoted parts, except for names. An apostrophe inside a word ("isn't") opens nothing; an open quote
/// runs to the end.
fn cut_quoted(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut closing: Option<char> = None;
    let mut quoted = String::new();
    let mut chars = text.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(c) = chars.next() {
        let inside_word = before.is_some_and(char::is_alphanumeric);
        match closing {
            Some(end) if c == end && !(c == '\'' && chars.peek().is_some_and(|n| n.is_alphanumeric())) => {
                closing = None;
                kept.push_str(if is_name(&quoted) { &quoted } else { "…" });
            }
            Some(_) => quoted.push(c),
            None => match closing_quote(c) {
                Some(end) if c != '\'' || !inside_word => {
                    closing = Some(end);
                    quoted.clear();
                }
                _ => kept.push(c),
            },
        }
        before = Some(c);
    }
    if closing.is_some() {
        kept.push('…');
    }
    kept
}

fn closing_quote(c: char) -> Option<char> {
    Some(match c {
        '"' | '\'' | '`' => c,
        '“' | '„' => '”',
        '‘' => '’',
        '«' => '»',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_out_of_googles_words() {
        let table = [
            ("The name 'Anna Maier' is taken.", "The name … is taken."),
            ("Value \"anna@example.com\" isn't valid", "Value … isn't valid"),
            (
                "Bad e-mail anna@example.com, phone +4930123456 end",
                "Bad e-mail … phone … end",
            ),
            ("open quote 'never closed anna", "open quote …"),
            ("'it's a name' stays out", "… stays out"),
            (
                "hash 223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4",
                "hash …",
            ),
            (
                "Too many conversions, at most 2000.",
                "Too many conversions, at most 2000.",
            ),
            (
                "If you're accessing a client customer, the manager's customer id must be set in the 'login-customer-id' header.",
                "If you're accessing a client customer, the manager's customer id must be set in the login-customer-id header.",
            ),
            (
                "Field \"conversionAction\" and 'anna' and `conversions[3].order_id`",
                "Field conversionAction and … and conversions[3].order_id",
            ),
            (
                "at conversions[0].user_identifiers[1].address_info.hashed_first_name: bad",
                "at conversions[0].user_identifiers[1].address_info.hashed_first_name: bad",
            ),
            ("The property 'name.anna' is bad", "The property … is bad"),
            ("At conversions[maier] and name.49301.23456: bad", "At … and … bad"),
            (
                "leak.me@example.com +491701234567 ya29.SECRETTOKEN pat-evil evil-refresh Anna Maier",
                "…",
            ),
        ];
        for (raw, clean) in table {
            assert_eq!(redact_words(raw), clean, "{raw}");
        }
    }

    #[test]
    fn codes_and_paths_hold_nothing_else() {
        for path in [
            "events.events[3].user_data",
            "events.12.userData.userIdentifiers[1].emailAddress",
            "destinations[0].product_destination_id",
            "",
        ] {
            assert_eq!(field_path(path), path);
        }
        for (path, clean) in [
            ("a@b \"c\"", "…"),
            ("events[3].anna_maier", "events[3].…"),
            ("events[4930123456].anna[7]", "events.…[7]"),
            ("events.4930123456", "events.…"),
            ("anna@example.com", "….…"),
        ] {
            assert_eq!(field_path(path), clean, "{path}");
        }
        assert!(field_path(&"anna.".repeat(1000)).chars().count() < 2 * MAX_STEPS);
    }
}
