//! `conversionActions:mutate`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::action::{Action, origin_of};
use super::failure::{AdsError, partial};
use super::fields::{self, CONVERSION_ACTION, Path};
use super::names::CREATABLE;
use super::{Call, Denial};
use crate::google::schema::{Kind, Message, many, one};

/// Most operations in a request.
const MAX_OPERATIONS: usize = 10_000;

static OPERATION: Message = Message {
    fields: &[
        one("create", Kind::Message(&CONVERSION_ACTION)),
        one("update", Kind::Message(&CONVERSION_ACTION)),
        one("remove", Kind::Text),
        one("updateMask", Kind::Mask),
    ],
    one_of: &["create", "update", "remove"],
};

static REQUEST: Message = Message {
    fields: &[
        many("operations", Kind::Message(&OPERATION)),
        one("partialFailure", Kind::Bool),
        one("validateOnly", Kind::Bool),
        one(
            "responseContentType",
            Kind::Enum(&["RESOURCE_NAME_ONLY", "MUTABLE_RESOURCE"]),
        ),
    ],
    one_of: &[],
};

/// The actions of one account while a request works on them.
struct Draft {
    owner: String,
    currency: String,
    actions: BTreeMap<u64, Action>,
    touched: BTreeSet<u64>,
    removed_names_block: bool,
}

/// The handler.
pub fn mutate(call: &mut Call<'_>) -> Result<Value, Denial> {
    let request = call.parse(&REQUEST)?;
    let none = Vec::new();
    let operations = request["operations"].as_array().unwrap_or(&none);
    call.book(operations.len().max(1))?;
    check_size(operations.len())?;
    let mut draft = draft(call)?;
    let mut results = Vec::new();
    let mut errors = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let before = draft.actions.clone();
        match apply(call, &mut draft, operation) {
            Ok(id) => results.push(Some(id)),
            Err((kind, failed)) => {
                draft.actions = before;
                results.push(None);
                errors.extend(failed.into_iter().map(|error| error.in_operation(index, kind)));
            }
        }
    }
    let partial_failure = request["partialFailure"] == true;
    if !errors.is_empty() && !partial_failure {
        return Err(Denial::Errors(errors));
    }
    let mut answer = json!({});
    if !errors.is_empty() {
        answer["partialFailureError"] = partial(&errors, call.request_id);
    }
    if request["validateOnly"] == true {
        return Ok(answer);
    }
    let whole = request["responseContentType"] == "MUTABLE_RESOURCE";
    answer["results"] = results.iter().map(|id| result_of(&draft, *id, whole)).collect();
    call.google.actions.extend(draft.actions);
    call.google.note_goals();
    Ok(answer)
}

fn result_of(draft: &Draft, id: Option<u64>, whole: bool) -> Value {
    let Some(action) = id.and_then(|id| draft.actions.get(&id)) else {
        return json!({});
    };
    let mut result = json!({"resourceName": action.resource_name()});
    if whole {
        result["conversionAction"] = action.mutable_resource();
    }
    result
}

fn check_size(operations: usize) -> Result<(), Denial> {
    if operations == 0 {
        let error = AdsError::new(
            "fieldError",
            "REQUIRED_NONEMPTY_LIST",
            "The required repeated field was empty.",
        );
        return Err(error.at("operations").into());
    }
    if operations > MAX_OPERATIONS {
        let message = "Too many mutate operations in request.";
        return Err(AdsError::new("requestError", "TOO_MANY_MUTATE_OPERATIONS", message).into());
    }
    Ok(())
}

fn draft(call: &Call<'_>) -> Result<Draft, Denial> {
    let google = &*call.google;
    let account = google.accounts.get(call.customer);
    let conversion_customer = account.map_or(call.customer, |account| account.conversion_customer());
    if conversion_customer != call.customer {
        let message = "Conversion actions are managed in the conversion customer.";
        return Err(AdsError::new(
            "operationAccessDeniedError",
            "MUTATE_NOT_PERMITTED_FOR_CUSTOMER",
            message,
        )
        .into());
    }
    let own = google
        .actions
        .iter()
        .filter(|(_, action)| action.owner == call.customer);
    Ok(Draft {
        owner: call.customer.to_owned(),
        currency: account.map_or_else(String::new, |account| account.currency_code.clone()),
        actions: own.map(|(id, action)| (*id, action.clone())).collect(),
        touched: BTreeSet::new(),
        removed_names_block: google.settings.removed_names_block,
    })
}

type Failed = (&'static str, Vec<AdsError>);

fn apply(call: &mut Call<'_>, draft: &mut Draft, operation: &Value) -> Result<u64, Failed> {
    let mask = operation["updateMask"].as_str();
    if let Some(input) = operation.get("create") {
        if mask.is_some() {
            let error = AdsError::new(
                "fieldMaskError",
                "FIELD_MASK_NOT_ALLOWED",
                "A field mask must not be provided.",
            );
            return Err(("", vec![error.at("updateMask")]));
        }
        create(call, draft, input).map_err(|errors| ("create", errors))
    } else if let Some(input) = operation.get("update") {
        update(draft, input, mask).map_err(|errors| ("update", errors))
    } else if let Some(name) = operation["remove"].as_str() {
        remove(draft, name).map_err(|error| ("remove", vec![error]))
    } else {
        let message = "A mutate operation must specify create, update, or remove.";
        Err(("", vec![AdsError::new("requestError", "OPERATION_REQUIRED", message)]))
    }
}

/// A new action with the values Google gives to what a request leaves out.
fn blank(call: &mut Call<'_>, draft: &Draft, kind: &str) -> Action {
    Action {
        id: call.google.fresh_action_id(),
        owner: draft.owner.clone(),
        name: String::new(),
        status: "ENABLED".into(),
        kind: kind.into(),
        origin: origin_of(kind).into(),
        category: "DEFAULT".into(),
        primary: true,
        counting: "MANY_PER_CLICK".into(),
        click_days: 30,
        view_days: 1,
        default_value: 1.0,
        default_currency: draft.currency.clone(),
        always_default: false,
        attribution: "GOOGLE_ADS_LAST_CLICK".into(),
        phone_seconds: None,
        created: call.now,
        label: call.google.fresh_label(),
        system: false,
    }
}

fn create(call: &mut Call<'_>, draft: &mut Draft, input: &Value) -> Result<u64, Vec<AdsError>> {
    let required =
        |field: &str| AdsError::new("fieldError", "REQUIRED", "The required field was not present.").at(field);
    let mut errors: Vec<AdsError> = ["name", "type"]
        .into_iter()
        .filter(|field| input.get(field).is_none())
        .map(required)
        .collect();
    let kind = input["type"].as_str().unwrap_or_default();
    if !kind.is_empty() && !CREATABLE.contains(&kind) {
        let message = "Creation of this conversion action type isn't supported by Google Ads API.";
        errors.push(
            AdsError::new("conversionActionError", "CREATION_NOT_SUPPORTED", message)
                .trigger(kind)
                .at("type"),
        );
    }
    if input["status"] == "REMOVED" {
        let message = "Creation of a resource with status REMOVED is not permitted.";
        errors
            .push(AdsError::new("operationAccessDeniedError", "CREATE_AS_REMOVED_NOT_PERMITTED", message).at("status"));
    }
    let mut action = blank(call, draft, kind);
    for path in fields::leaves(input) {
        let error = match (fields::classify(&path), path.as_str()) {
            (_, "type") => continue,
            (_, "status") if input["status"] == "REMOVED" => continue,
            (_, "resourceName" | "id") => {
                let message = "Do not set the id field while creating new resources.";
                Some(AdsError::new("newResourceCreationError", "CANNOT_SET_ID_FOR_CREATE", message).at(&path))
            }
            (Path::Writable, _) => {
                fields::value_at(input, &path).and_then(|value| fields::write(&mut action, &path, value, true).err())
            }
            _ => Some(
                AdsError::new(
                    "fieldError",
                    "VALUE_MUST_BE_UNSET",
                    "The field's value must not be set.",
                )
                .at(&path),
            ),
        };
        errors.extend(error);
    }
    errors.extend(draft.name_taken(&action));
    if !errors.is_empty() {
        return Err(errors);
    }
    let id = action.id;
    draft.actions.insert(id, action);
    Ok(id)
}

impl Draft {
    fn name_taken(&self, action: &Action) -> Option<AdsError> {
        let taken = self.actions.values().any(|other| {
            other.id != action.id
                && other.name == action.name
                && (other.status != "REMOVED" || self.removed_names_block)
        });
        let message = "The specified conversion action name already exists.";
        taken.then(|| {
            AdsError::new("conversionActionError", "DUPLICATE_NAME", message)
                .trigger(&action.name)
                .at("name")
        })
    }

    /// The action a resource name points to, for one change in this request.
    fn take(&mut self, name: &str) -> Result<&mut Action, AdsError> {
        let id = parse_name(name, &self.owner)?;
        let message = "Resource was not found.";
        let missing = || AdsError::new("mutateError", "RESOURCE_NOT_FOUND", message).trigger(name);
        let action = self.actions.get_mut(&id).ok_or_else(missing)?;
        if !self.touched.insert(id) {
            let message = "Cannot mutate the same resource twice in one request.";
            return Err(AdsError::new("mutateError", "ID_EXISTS_IN_MULTIPLE_MUTATES", message).trigger(name));
        }
        if action.status == "REMOVED" {
            let message = "The operation is not permitted on a removed resource.";
            return Err(AdsError::new(
                "operationAccessDeniedError",
                "OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE",
                message,
            ));
        }
        Ok(action)
    }
}

fn parse_name(name: &str, owner: &str) -> Result<u64, AdsError> {
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
    let ["customers", customer, "conversionActions", id] = parts[..] else {
        return Err(malformed());
    };
    if customer != owner {
        let message = "The customer in the resource name is not the one in the request.";
        return Err(AdsError::new("requestError", "INVALID_CUSTOMER_ID", message).trigger(name));
    }
    id.parse()
        .ok()
        .filter(|number: &u64| number.to_string() == id)
        .ok_or_else(malformed)
}

fn update(draft: &mut Draft, input: &Value, mask: Option<&str>) -> Result<u64, Vec<AdsError>> {
    let Some(mask) = mask else {
        let message = "Field masks must be specified for update operations.";
        return Err(vec![AdsError::new("fieldMaskError", "FIELD_MASK_MISSING", message)]);
    };
    let currency = draft.currency.clone();
    let name = input["resourceName"].as_str().unwrap_or_default();
    let action = draft.take(name).map_err(|error| vec![error.at("resourceName")])?;
    if action.system {
        let message = "Update of this conversion action isn't supported by Google Ads API.";
        return Err(vec![AdsError::new(
            "conversionActionError",
            "UPDATE_NOT_SUPPORTED",
            message,
        )]);
    }
    let mut errors = Vec::new();
    for path in mask.split(',') {
        let mask_error = |name: &str, message: &str| Some(AdsError::new("fieldMaskError", name, message).trigger(path));
        let error = match fields::classify(path) {
            Path::Unknown => mask_error("FIELD_NOT_FOUND", "The field mask contained an invalid field."),
            Path::Group => mask_error("FIELD_HAS_SUBFIELDS", "The field mask updated a field with subfields."),
            Path::Fixed => {
                Some(AdsError::new("fieldError", "IMMUTABLE_FIELD", "The field cannot be modified.").at(path))
            }
            Path::Writable => match fields::value_at(input, path) {
                Some(value) => fields::write(action, path, value, false).err(),
                None => fields::clear(action, path, &currency).err(),
            },
        };
        errors.extend(error);
    }
    let action = action.clone();
    errors.extend(draft.name_taken(&action));
    if errors.is_empty() { Ok(action.id) } else { Err(errors) }
}

fn remove(draft: &mut Draft, name: &str) -> Result<u64, AdsError> {
    let action = draft.take(name)?;
    if action.system {
        let message = "The operation is not permitted on this resource.";
        return Err(AdsError::new(
            "operationAccessDeniedError",
            "REMOVE_OPERATION_NOT_PERMITTED",
            message,
        ));
    }
    "REMOVED".clone_into(&mut action.status);
    Ok(action.id)
}
