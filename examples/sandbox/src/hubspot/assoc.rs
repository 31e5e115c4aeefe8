//! `POST /crm/associations/2026-09/contacts/deals/batch/read`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    auth::Call,
    batch::batch_answer,
    odd::{Kind, Odd},
    reply::{Answer, Outcome},
};

/// Inputs per call.
const MAX_INPUTS: usize = 1_000;
/// Associations per input and page.
const PAGE: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssociationsRequest {
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    id: String,
    after: Option<String>,
}

/// Deals of contacts. A contact without deals arrives among the errors.
pub fn contacts_to_deals(call: &Call<'_>) -> Outcome {
    let request: AssociationsRequest = call.json()?;
    if request.inputs.is_empty() {
        return Err(Answer::invalid("inputs must not be empty"));
    }
    if request.inputs.len() > MAX_INPUTS {
        return Err(Answer::invalid(format!(
            "The maximum number of inputs supported in a batch request is {MAX_INPUTS}"
        )));
    }
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for input in &request.inputs {
        let odd = call.portal.odd.of(Kind::Association, &input.id);
        if let Some(refusal) = odd.and_then(Odd::refusal) {
            return Err(refusal);
        }
        if let Some(error) = odd.and_then(|odd| odd.item_error(&input.id)) {
            errors.push(error);
            continue;
        }
        match deals_of(call, input)? {
            Some(result) => results.push(call.portal.odd.apply(Kind::Association, &input.id, result)),
            None => errors.push(none_found(&input.id)),
        }
    }
    Ok(batch_answer(call.now, &results, &errors))
}

fn deals_of(call: &Call<'_>, input: &Input) -> Result<Option<Value>, Answer> {
    let id: u64 = input
        .id
        .parse()
        .map_err(|_| Answer::invalid(format!("Invalid object id {:?}", input.id)))?;
    let after: u64 = match &input.after {
        None => 0,
        Some(cursor) => cursor
            .parse()
            .map_err(|_| Answer::invalid(format!("Invalid after {cursor:?}")))?,
    };
    let Some(contact) = call.portal.contacts.resolve(id) else {
        return Ok(None);
    };
    let mut live = contact
        .links
        .iter()
        .filter(|deal| **deal > after && call.portal.deals.resolve(**deal).is_some());
    let page: Vec<u64> = live.by_ref().take(PAGE).copied().collect();
    let more = live.next().is_some();
    if page.is_empty() {
        return Ok(None);
    }
    let to: Vec<Value> = page
        .iter()
        .map(|deal| {
            let kind = json!({"category": "HUBSPOT_DEFINED", "typeId": 4, "label": null});
            json!({"toObjectId": deal.to_string(), "associationTypes": [kind]})
        })
        .collect();
    let mut result = json!({"from": {"id": contact.id.to_string()}, "to": to});
    if let Some(last) = page.last().filter(|_| more) {
        result["paging"] = json!({"next": {"after": last.to_string(), "link": format!("?after={last}")}});
    }
    Ok(Some(result))
}

fn none_found(id: &str) -> Value {
    json!({
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": format!("No deal is associated with contact {id}."),
        "context": {"fromObjectId": [id], "fromObjectType": ["contact"], "toObjectType": ["deal"]},
    })
}
