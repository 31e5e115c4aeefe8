//! Account goals: one per category and origin, made by Google as actions appear.

use serde_json::{Value, json};

use super::failure::AdsError;
use super::names::{CATEGORIES, ORIGINS};
use super::{Call, Denial};
use crate::google::schema::{Kind, Message, many, one};
use crate::google::state::Google;

static GOAL: Message = Message {
    fields: &[
        one("resourceName", Kind::Text),
        one("category", Kind::Enum(CATEGORIES)),
        one("origin", Kind::Enum(ORIGINS)),
        one("biddable", Kind::Bool),
    ],
    one_of: &[],
};

static OPERATION: Message = Message {
    fields: &[one("update", Kind::Message(&GOAL)), one("updateMask", Kind::Mask)],
    one_of: &[],
};

static REQUEST: Message = Message {
    fields: &[
        many("operations", Kind::Message(&OPERATION)),
        one("validateOnly", Kind::Bool),
    ],
    one_of: &[],
};

type Key = (String, String, String);

impl Google {
    /// Makes a goal, biddable, for every account and action that has none yet.
    pub(crate) fn note_goals(&mut self) {
        for account in self.accounts.values() {
            for action in self
                .actions
                .values()
                .filter(|action| action.owner == account.conversion_customer())
            {
                let key = (
                    account.customer_id.clone(),
                    action.category.clone(),
                    action.origin.clone(),
                );
                self.goals.entry(key).or_insert(true);
            }
        }
    }

    /// Whether the goal of a category and origin counts for bidding in an account.
    pub(crate) fn is_biddable(&self, customer: &str, category: &str, origin: &str) -> bool {
        self.goals
            .get(&(customer.to_owned(), category.to_owned(), origin.to_owned()))
            .copied()
            .unwrap_or(true)
    }
}

/// Resource name of a goal.
pub fn name_of(key: &Key) -> String {
    format!("customers/{}/customerConversionGoals/{}~{}", key.0, key.1, key.2)
}

fn key_of(name: &str, customer: &str) -> Result<Key, AdsError> {
    if name.is_empty() {
        return Err(AdsError::new(
            "requestError",
            "RESOURCE_NAME_MISSING",
            "Resource name is missing.",
        ));
    }
    let malformed =
        || AdsError::new("requestError", "RESOURCE_NAME_MALFORMED", "Resource name is malformed.").trigger(name);
    let parts: Vec<&str> = name.split('/').collect();
    let ["customers", owner, "customerConversionGoals", pair] = parts[..] else {
        return Err(malformed());
    };
    let (category, origin) = pair.split_once('~').ok_or_else(malformed)?;
    if owner != customer {
        let message = "The customer in the resource name is not the one in the request.";
        return Err(AdsError::new("requestError", "INVALID_CUSTOMER_ID", message).trigger(name));
    }
    Ok((owner.to_owned(), category.to_owned(), origin.to_owned()))
}

fn change(google: &Google, customer: &str, operation: &Value) -> Result<(Key, bool), AdsError> {
    let Some(goal) = operation.get("update") else {
        return Err(AdsError::new(
            "requestError",
            "OPERATION_REQUIRED",
            "A mutate operation must specify update.",
        ));
    };
    let key = key_of(goal["resourceName"].as_str().unwrap_or_default(), customer).map_err(|e| e.at("resourceName"))?;
    if !google.goals.contains_key(&key) {
        return Err(
            AdsError::new("mutateError", "RESOURCE_NOT_FOUND", "Resource was not found.").trigger(name_of(&key)),
        );
    }
    let Some(mask) = operation["updateMask"].as_str() else {
        let message = "Field masks must be specified for update operations.";
        return Err(AdsError::new("fieldMaskError", "FIELD_MASK_MISSING", message));
    };
    for path in mask.split(',') {
        if ["category", "origin", "resourceName"].contains(&path) {
            return Err(AdsError::new("fieldError", "IMMUTABLE_FIELD", "The field cannot be modified.").at(path));
        }
        if path != "biddable" {
            return Err(AdsError::new(
                "fieldMaskError",
                "FIELD_NOT_FOUND",
                "The field mask contained an invalid field.",
            )
            .trigger(path));
        }
    }
    let biddable = goal["biddable"].as_bool();
    let cleared =
        || AdsError::new("fieldError", "FIELD_CANNOT_BE_CLEARED", "The field cannot be cleared.").at("biddable");
    Ok((key, biddable.ok_or_else(cleared)?))
}

/// `customerConversionGoals:mutate`: only `biddable` can be updated, all or nothing.
pub fn mutate(call: &mut Call<'_>) -> Result<Value, Denial> {
    let request = call.parse(&REQUEST)?;
    let none = Vec::new();
    let operations = request["operations"].as_array().unwrap_or(&none);
    call.book(operations.len().max(1))?;
    if operations.is_empty() {
        let error = AdsError::new(
            "fieldError",
            "REQUIRED_NONEMPTY_LIST",
            "The required repeated field was empty.",
        );
        return Err(error.at("operations").into());
    }
    let mut changes = Vec::new();
    let mut errors = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        match change(call.google, call.customer, operation) {
            Ok(change) => changes.push(change),
            Err(error) => errors.push(error.in_operation(index, "update")),
        }
    }
    if !errors.is_empty() {
        return Err(Denial::Errors(errors));
    }
    if request["validateOnly"] == true {
        return Ok(json!({}));
    }
    let results: Vec<Value> = changes
        .iter()
        .map(|(key, _)| json!({"resourceName": name_of(key)}))
        .collect();
    call.google.goals.extend(changes);
    Ok(json!({"results": results}))
}
