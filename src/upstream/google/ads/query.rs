//! Google Ads API in JSON: queries, rows, mutates. Pure (docs/reference/google.md 2.3, 2.5, 3).

use serde_json::{Map, Value, json};

use crate::domain::ids::{ActionId, CustomerId};
use crate::ports::ads::{ActionFields, Attribution, ConversionAction, Customer, Goal};
use crate::upstream::google::wire::{last_part, parse_double, parse_integer, parse_text, parse_unsigned};
use crate::upstream::http::text::{
    display_name, exact_name, time_zone, valid_code, valid_currency, valid_id as plain_id,
};

/// Length and number of the snippets of an action that are kept: Google's have less than 1 KiB, and one of them is for
/// HTML.
const MAX_SNIPPET: usize = 4 * 1024;
const MAX_SNIPPETS: usize = 4;

/// The customer and its conversion tracking.
pub(crate) const CUSTOMER: &str = "SELECT customer.id, customer.descriptive_name, customer.currency_code, \
    customer.time_zone, customer.manager, customer.test_account, \
    customer.conversion_tracking_setting.conversion_tracking_id, \
    customer.conversion_tracking_setting.cross_account_conversion_tracking_id, \
    customer.conversion_tracking_setting.conversion_tracking_status, \
    customer.conversion_tracking_setting.google_ads_conversion_customer, \
    customer.conversion_tracking_setting.accepted_customer_data_terms, \
    customer.conversion_tracking_setting.effective_enablement_setting FROM customer";

/// All conversion actions: no filter, so removed and hidden ones are among them.
pub(crate) const ACTIONS: &str = "SELECT conversion_action.resource_name, conversion_action.id, \
    conversion_action.name, conversion_action.status, conversion_action.type, conversion_action.origin, \
    conversion_action.category, conversion_action.primary_for_goal, conversion_action.owner_customer, \
    conversion_action.counting_type, conversion_action.attribution_model_settings.attribution_model, \
    conversion_action.click_through_lookback_window_days, conversion_action.view_through_lookback_window_days, \
    conversion_action.value_settings.default_value, conversion_action.value_settings.default_currency_code, \
    conversion_action.value_settings.always_use_default_value, conversion_action.tag_snippets \
    FROM conversion_action";

/// All account-default goals.
pub(crate) const GOALS: &str = "SELECT customer_conversion_goal.category, customer_conversion_goal.origin, \
    customer_conversion_goal.biddable FROM customer_conversion_goal";

/// Google's attribution per action, without today.
pub(crate) const ATTRIBUTION: &str = "SELECT segments.conversion_action, metrics.all_conversions, \
    metrics.conversions FROM customer WHERE segments.date DURING LAST_30_DAYS";

/// The query for the actions of one name.
pub(crate) fn actions_named(name: &str) -> String {
    format!("{ACTIONS} WHERE conversion_action.name = {}", gaql_literal(name))
}

fn gaql_literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

/// A row of [`CUSTOMER`]; `None` if it is not about the customer asked for, or does not say who owns its conversion
/// actions: an action would be created in the wrong account. Google names the owner even while tracking is off
/// (docs/reference/google.md); should it not, an account that tracks nothing owns its actions itself.
pub(crate) fn parse_customer(row: &Value, asked: &CustomerId) -> Option<Customer> {
    let customer = &row["customer"];
    let named = parse_unsigned(&customer["id"]).map(|id| id.to_string());
    let named = named.or_else(|| customer["resourceName"].as_str().map(|name| last_part(name).to_owned()));
    if named.as_deref() != Some(asked.as_str()) {
        return None;
    }
    let tracking = &customer["conversionTrackingSetting"];
    let status = word_of(&tracking["conversionTrackingStatus"]);
    let owner = match &tracking["googleAdsConversionCustomer"] {
        Value::Null if status.as_deref() == Some("NOT_CONVERSION_TRACKED") => asked.clone(),
        name => last_part(name.as_str()?).parse().ok()?,
    };
    // A manager's tracking overrides the account's own.
    let tracking_id = ["crossAccountConversionTrackingId", "conversionTrackingId"]
        .into_iter()
        .find_map(|field| parse_unsigned(&tracking[field]).filter(|id| *id != 0))
        .map(|id| id.to_string());
    Some(Customer {
        id: asked.clone(),
        descriptive_name: name_of(&customer["descriptiveName"]),
        currency_code: customer["currencyCode"].as_str().and_then(valid_currency),
        time_zone: customer["timeZone"].as_str().and_then(time_zone),
        manager: customer["manager"].as_bool().unwrap_or_default(),
        test_account: customer["testAccount"].as_bool().unwrap_or_default(),
        conversion_customer: owner,
        conversion_tracking_id: tracking_id,
        conversion_tracking_status: status,
        accepted_customer_data_terms: tracking["acceptedCustomerDataTerms"].as_bool().unwrap_or_default(),
        enablement: word_of(&tracking["effectiveEnablementSetting"]),
    })
}

/// True for a row of [`ACTIONS`] that is this account's own. Google lists the actions of an account's managers beside
/// them, under names that may be the account's too. Actions that Google defines itself name no owner.
pub(crate) fn is_own(row: &Value, account: &CustomerId) -> bool {
    row["conversionAction"]["ownerCustomer"]
        .as_str()
        .is_none_or(|owner| last_part(owner) == account.as_str())
}

/// The name of something in Google, for status and messages.
fn name_of(value: &Value) -> Option<String> {
    display_name(value.as_str()?)
}

/// A word of Google's, such as a value of an enum.
fn word_of(value: &Value) -> Option<String> {
    valid_code(value.as_str()?)
}

/// A row of [`ACTIONS`]; `None` if it has no id, which is an error: an action that is left out would be created again.
pub(crate) fn parse_action(row: &Value) -> Option<ConversionAction> {
    let action = &row["conversionAction"];
    let resource = action["resourceName"].as_str().unwrap_or_default();
    let id = parse_unsigned(&action["id"]).or_else(|| last_part(resource).parse().ok())?;
    let values = &action["valueSettings"];
    let snippets = action["tagSnippets"].as_array().into_iter().flatten();
    Some(ConversionAction {
        id: ActionId(id),
        resource_name: plain_id(resource).unwrap_or_default(),
        name: action["name"].as_str().and_then(exact_name).unwrap_or_default(),
        status: word_of(&action["status"]).unwrap_or_else(|| "UNSPECIFIED".to_owned()),
        kind: word_of(&action["type"]).unwrap_or_else(|| "UNSPECIFIED".to_owned()),
        origin: word_of(&action["origin"]),
        category: word_of(&action["category"]),
        primary_for_goal: action["primaryForGoal"].as_bool(),
        counting_type: word_of(&action["countingType"]),
        attribution_model: word_of(&action["attributionModelSettings"]["attributionModel"]),
        click_window_days: parse_integer(&action["clickThroughLookbackWindowDays"])
            .filter(|days| (1..=90).contains(days)),
        view_window_days: parse_integer(&action["viewThroughLookbackWindowDays"])
            .filter(|days| (1..=30).contains(days)),
        default_value: parse_double(&values["defaultValue"]),
        default_currency: word_of(&values["defaultCurrencyCode"]),
        always_use_default_value: values["alwaysUseDefaultValue"].as_bool(),
        event_snippets: snippets
            .filter(|snippet| snippet["pageFormat"].as_str().is_none_or(|format| format == "HTML"))
            .filter_map(|snippet| parse_text(&snippet["eventSnippet"]))
            .filter(|snippet| snippet.len() <= MAX_SNIPPET)
            .take(MAX_SNIPPETS)
            .collect(),
    })
}

/// A row of [`GOALS`]; `None` if it names no goal.
pub(crate) fn parse_goal(row: &Value) -> Option<Goal> {
    let goal = &row["customerConversionGoal"];
    Some(Goal {
        category: word_of(&goal["category"])?,
        origin: word_of(&goal["origin"])?,
        biddable: goal["biddable"].as_bool().unwrap_or_default(),
    })
}

/// A row of [`ATTRIBUTION`]; `None` if it names no action. A metric that is left out is zero.
pub(crate) fn parse_attribution(row: &Value) -> Option<Attribution> {
    let metrics = &row["metrics"];
    Some(Attribution {
        action: last_part(row["segments"]["conversionAction"].as_str()?).parse().ok()?,
        all_conversions: parse_double(&metrics["allConversions"]).unwrap_or_default(),
        conversions: parse_double(&metrics["conversions"]).unwrap_or_default(),
    })
}

/// The name of an action as a resource.
pub(crate) fn action_resource(owner: &CustomerId, id: ActionId) -> String {
    format!("customers/{owner}/conversionActions/{id}")
}

/// The body of a create.
pub(crate) fn create_body(fields: &ActionFields) -> Value {
    let (mut object, _) = field_changes(fields);
    if let Some(kind) = &fields.kind {
        object.insert("type".to_owned(), json!(kind));
    }
    json!({"operations": [{"create": object}]})
}

/// The body of an update of exactly the fields that are `Some`; `None` if none is. `kind` is immutable and left out.
pub(crate) fn update_body(owner: &CustomerId, id: ActionId, fields: &ActionFields) -> Option<Value> {
    let (mut object, mask) = field_changes(fields);
    if mask.is_empty() {
        return None;
    }
    object.insert("resourceName".to_owned(), json!(action_resource(owner, id)));
    Some(json!({"operations": [{"update": object, "updateMask": mask.join(",")}]}))
}

/// The body of a removal.
pub(crate) fn remove_body(owner: &CustomerId, id: ActionId) -> Value {
    json!({"operations": [{"remove": action_resource(owner, id)}]})
}

/// The body that makes a goal biddable or not.
pub(crate) fn goal_biddable(owner: &CustomerId, goal: &Goal, biddable: bool) -> Value {
    let resource = format!(
        "customers/{owner}/customerConversionGoals/{}~{}",
        goal.category, goal.origin
    );
    json!({"operations": [{"update": {"resourceName": resource, "biddable": biddable}, "updateMask": "biddable"}]})
}

/// The id of the action that a create has made in this account; `None` if the answer names another account's, or none.
pub(crate) fn created_id(answer: &Value, owner: &CustomerId) -> Option<ActionId> {
    let name = answer["results"][0]["resourceName"].as_str()?;
    let id = name.strip_prefix(&format!("customers/{owner}/conversionActions/"))?;
    id.parse().ok()
}

/// Mutable fields that are `Some`, and the names of the leaves for the mask. 64-bit numbers travel as text.
fn field_changes(fields: &ActionFields) -> (Map<String, Value>, Vec<&'static str>) {
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
    } = fields;
    let leaves: [(&'static str, Option<Value>); 10] = [
        ("name", name.as_ref().map(|v| json!(v))),
        ("status", status.as_ref().map(|v| json!(v))),
        ("category", category.as_ref().map(|v| json!(v))),
        ("primaryForGoal", primary_for_goal.map(|v| json!(v))),
        ("countingType", counting_type.as_ref().map(|v| json!(v))),
        (
            "clickThroughLookbackWindowDays",
            click_window_days.map(|v| json!(v.to_string())),
        ),
        (
            "viewThroughLookbackWindowDays",
            view_window_days.map(|v| json!(v.to_string())),
        ),
        ("valueSettings.defaultValue", default_value.map(|v| json!(v))),
        (
            "valueSettings.defaultCurrencyCode",
            default_currency.as_ref().map(|v| json!(v)),
        ),
        (
            "valueSettings.alwaysUseDefaultValue",
            always_use_default_value.map(|v| json!(v)),
        ),
    ];
    let (mut object, mut mask, mut values) = (Map::new(), Vec::new(), Map::new());
    for (leaf, value) in leaves {
        let Some(value) = value else { continue };
        mask.push(leaf);
        match leaf.split_once('.') {
            Some((_, inner)) => values.insert(inner.to_owned(), value),
            None => object.insert(leaf.to_owned(), value),
        };
    }
    if !values.is_empty() {
        object.insert("valueSettings".to_owned(), Value::Object(values));
    }
    (object, mask)
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
