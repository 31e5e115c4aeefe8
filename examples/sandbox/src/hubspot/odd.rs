//! Records that HubSpot gives in odd ways, each by itself: fields that are not what they should be, an error in place
//! of the record, a refusal of every request that asks for it.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    admin::{InPortal, Reply},
    reply::Answer,
};
use crate::{
    admin::Refusal,
    world::{Shared, lock},
};

/// Kinds of records that may be odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A contact in batch reads, by id.
    Contact,
    /// A contact among the results of searches, by id.
    Found,
    /// A deal in batch reads, by id.
    Deal,
    /// The deals of a contact, by the contact's id.
    Association,
    /// A submission, by its `conversionId`.
    Submission,
}

/// What is odd about one record.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Odd {
    /// Values by JSON pointer into the record, e.g. `/propertiesWithHistory/lifecyclestage/1/timestamp`.
    set: BTreeMap<String, Value>,
    /// JSON pointers of what is absent.
    remove: Vec<String>,
    /// Category of an error in place of the record.
    error: Option<String>,
    /// The error does not name the record.
    unnamed: bool,
    /// Status of the refusal of every request that asks for the record, or of every search whose answer would show it.
    refuse: Option<u16>,
}

/// All odd records of a portal.
#[derive(Debug, Default)]
pub struct Oddities(BTreeMap<(Kind, String), Odd>);

impl Oddities {
    /// What is odd about this record.
    pub fn of(&self, kind: Kind, id: &str) -> Option<&Odd> {
        self.0.get(&(kind, id.to_owned()))
    }

    /// The record as it is given.
    pub fn apply(&self, kind: Kind, id: &str, record: Value) -> Value {
        match self.of(kind, id) {
            Some(odd) => odd.change(record),
            None => record,
        }
    }
}

impl Odd {
    fn change(&self, mut record: Value) -> Value {
        for (pointer, value) in &self.set {
            if let Some(place) = record.pointer_mut(pointer) {
                *place = value.clone();
            }
        }
        for pointer in &self.remove {
            let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
            if let Some(fields) = record.pointer_mut(parent).and_then(Value::as_object_mut) {
                fields.remove(name);
            }
        }
        record
    }

    /// The error in place of the record; `input` is what was asked for.
    pub fn item_error(&self, input: &str) -> Option<Value> {
        let category = self.error.as_ref()?;
        let mut error = json!({"status": "error", "category": category, "message": "This record cannot be shown."});
        if !self.unnamed {
            error["context"] = json!({"ids": [input]});
        }
        Some(error)
    }

    /// The refusal of the whole request.
    pub fn refusal(&self) -> Option<Answer> {
        let status = StatusCode::from_u16(self.refuse?).ok()?;
        let category = self.error.as_deref().unwrap_or("FORBIDDEN");
        Some(Answer::error(status, category, "One of the records cannot be shown."))
    }
}

/// A record to make odd.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OddBody {
    object: Kind,
    id: String,
    #[serde(flatten)]
    odd: Odd,
}

/// `POST /odd`: makes records odd.
pub async fn arm(State(shared): State<Shared>, Query(query): Query<InPortal>, Json(body): Json<Vec<OddBody>>) -> Reply {
    let mut world = lock(&shared);
    let odd = &mut world.hubspot.portal_mut(query.portal_id)?.odd.0;
    odd.extend(body.into_iter().map(|body| ((body.object, body.id), body.odd)));
    Ok(Json(json!({ "odd": odd.len() })))
}

/// `DELETE /odd`: all records are as they should be.
pub async fn clear(State(shared): State<Shared>, Query(query): Query<InPortal>) -> Result<StatusCode, Refusal> {
    let mut world = lock(&shared);
    world.hubspot.portal_mut(query.portal_id)?.odd.0.clear();
    Ok(StatusCode::NO_CONTENT)
}
