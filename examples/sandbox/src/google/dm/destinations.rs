//! Checks of a request's destinations.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::Fault;
use crate::google::auth::Principal;
use crate::google::encoding::is_customer_id;
use crate::google::state::Google;

/// Most destinations of a request.
const MAX_DESTINATIONS: usize = 10;

/// A destination that passed its checks.
#[derive(Clone)]
pub struct Destination {
    /// Name events refer to; empty when the request gave none.
    pub reference: String,
    /// The conversion action.
    pub action: u64,
    /// The destination as it was sent.
    pub echo: Value,
}

/// Why the destinations were refused.
pub enum Refused {
    /// Fields that do not fit.
    Faults(Vec<Fault>),
    /// The caller may not use one of the accounts.
    Permission,
}

/// Checks all destinations; on success they come back in order.
pub fn check(google: &Google, request: &Value, who: &Principal, now: Timestamp) -> Result<Vec<Destination>, Refused> {
    let none = Vec::new();
    let list = request["destinations"].as_array().unwrap_or(&none);
    if list.is_empty() {
        return Err(Refused::Faults(vec![Fault::new(
            "destinations",
            "REQUIRED_FIELD_MISSING",
            "Required field is missing.",
        )]));
    }
    if list.len() > MAX_DESTINATIONS {
        return Err(Refused::Faults(vec![Fault::new(
            "destinations",
            "TOO_MANY_DESTINATIONS",
            "Too many destinations.",
        )]));
    }
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for (index, destination) in list.iter().enumerate() {
        let path = format!("destinations.destinations[{index}]");
        let reference = destination["reference"].as_str().unwrap_or_default();
        if reference.is_empty() && list.len() > 1 {
            faults.push(Fault::new(
                format!("{path}.reference"),
                "REQUIRED_FIELD_MISSING",
                "Required field is missing.",
            ));
        } else if !seen.insert(reference.to_owned()) {
            let text = "The destination reference is used more than once.";
            faults.push(Fault::new(
                format!("{path}.reference"),
                "DUPLICATE_DESTINATION_REFERENCE",
                text,
            ));
        }
        match check_one(google, destination, &path, who, now)? {
            Ok(action) => out.push(Destination {
                reference: reference.to_owned(),
                action,
                echo: destination.clone(),
            }),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Ok(out)
    } else {
        Err(Refused::Faults(faults))
    }
}

fn account_id<'a>(destination: &'a Value, name: &str, path: &str) -> Result<&'a str, Fault> {
    let account = &destination[name];
    let field = format!("{path}.{}", crate::google::schema::snake(name));
    match account["accountType"].as_str() {
        None => {
            return Err(Fault::new(
                format!("{field}.account_type"),
                "REQUIRED_FIELD_MISSING",
                "Required field is missing.",
            ));
        }
        Some("GOOGLE_ADS") => {}
        Some("ACCOUNT_TYPE_UNSPECIFIED") => {
            return Err(Fault::new(
                format!("{field}.account_type"),
                "INVALID_ENUM_VALUE",
                "Invalid enum value.",
            ));
        }
        Some(_) => {
            let text = "The account type does not fit the destination.";
            return Err(Fault::new(
                format!("{field}.account_type"),
                "DESTINATION_ACCOUNT_TYPE_MISMATCH",
                text,
            ));
        }
    }
    let id = account["accountId"].as_str().unwrap_or_default();
    if id.is_empty() {
        return Err(Fault::new(
            format!("{field}.account_id"),
            "REQUIRED_FIELD_MISSING",
            "Required field is missing.",
        ));
    }
    if is_customer_id(id) {
        Ok(id)
    } else {
        Err(Fault::new(
            format!("{field}.account_id"),
            "INVALID_FORMAT",
            "The account id must be ten digits.",
        ))
    }
}

fn check_one(
    google: &Google,
    destination: &Value,
    path: &str,
    who: &Principal,
    now: Timestamp,
) -> Result<Result<u64, Fault>, Refused> {
    if destination.get("linkedAccount").is_some() {
        let reason = "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT";
        return Ok(Err(Fault::new(
            format!("{path}.linked_account"),
            reason,
            "Linked accounts are for data partners.",
        )));
    }
    if destination.get("operatingAccount").is_none() {
        return Ok(Err(Fault::new(
            format!("{path}.operating_account"),
            "REQUIRED_FIELD_MISSING",
            "Required field is missing.",
        )));
    }
    let operating = match account_id(destination, "operatingAccount", path) {
        Ok(id) => id,
        Err(fault) => return Ok(Err(fault)),
    };
    let login = match destination.get("loginAccount") {
        None => operating,
        Some(_) => match account_id(destination, "loginAccount", path) {
            Ok(id) => id,
            Err(fault) => return Ok(Err(fault)),
        },
    };
    let through = login != operating;
    let by_entry = google
        .accounts
        .get(operating)
        .is_some_and(|a| a.lets_in(&who.identity, Some(login)));
    if !google.is_user(&who.identity, login) && !by_entry {
        return Err(Refused::Permission);
    }
    if through && !by_entry && !google.manages(login, operating) {
        let text = "The login account does not manage the operating account.";
        return Ok(Err(Fault::new(path, "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH", text)));
    }
    if google
        .accounts
        .get(operating)
        .is_none_or(|account| account.status != "ENABLED")
    {
        return Ok(Err(Fault::new(
            format!("{path}.operating_account"),
            "INVALID_DESTINATION",
            "The account cannot be used.",
        )));
    }
    Ok(check_action(google, destination, operating, path, now))
}

fn check_action(
    google: &Google,
    destination: &Value,
    operating: &str,
    path: &str,
    now: Timestamp,
) -> Result<u64, Fault> {
    let field = format!("{path}.product_destination_id");
    let text = destination["productDestinationId"].as_str().unwrap_or_default();
    if text.is_empty() {
        return Err(Fault::new(
            field,
            "REQUIRED_FIELD_MISSING",
            "Required field is missing.",
        ));
    }
    let id = text.parse().ok().filter(|id: &u64| id.to_string() == text);
    let action = id
        .and_then(|id| google.actions.get(&id))
        .filter(|action| action.owner == operating && action.status == "ENABLED");
    let Some(action) = action else {
        let text = "The operating account owns no enabled conversion action with this id.";
        return Err(Fault::new(field, "INVALID_CONVERSION_ACTION_ID", text));
    };
    if !action.takes_uploads() {
        return Err(Fault::new(
            field,
            "INVALID_CONVERSION_ACTION_TYPE",
            "The conversion action does not take uploads.",
        ));
    }
    if google.settings.new_action_fast_fail && now.duration_since(action.created) < google.settings.new_action_age {
        let text = "The conversion action was created too recently.";
        return Err(Fault::new(field, "CONVERSION_ACTION_TOO_RECENTLY_CREATED", text));
    }
    Ok(action.id)
}
