//! Contacts by e-mail: by primary address, then by secondary ones of merged records (reference notes, HubSpot 4.4, 7.2).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::client::{Call, HubSpot};
use super::contacts::contact;
use super::errors::refused;
use super::limits::Bucket;
use super::wire::{Record, Results, Scalar};
use crate::sync::ports::crm::{Contact, MAX_EMAILS};
use crate::sync::ports::{Cause, UpstreamError};

/// Further addresses of a contact, `;`-separated.
const ADDITIONAL: &str = "hs_additional_emails";
/// Filter groups of a search (reference notes, HubSpot 3).
const GROUPS: usize = 5;

/// What is read of each contact: what is asked for, and what tells whose address it is.
fn names<'a>(properties: &'a [String]) -> Vec<&'a str> {
    let mut names: BTreeSet<&'a str> = properties.iter().map(String::as_str).collect();
    names.extend(["email", ADDITIONAL, "hs_merged_object_ids"]);
    names.into_iter().collect()
}

/// All addresses of a record, lower case, the primary one first.
fn addresses(record: &Record) -> Vec<String> {
    let all = [record.text("email"), record.text(ADDITIONAL)].into_iter().flatten();
    all.flat_map(|list| list.split(';'))
        .map(|address| address.trim().to_lowercase())
        .filter(|address| !address.is_empty())
        .collect()
}

impl HubSpot {
    pub(super) async fn contacts_by_email(
        &self,
        emails: &[String],
        properties: &[String],
    ) -> Result<BTreeMap<String, Contact>, UpstreamError> {
        let mut wanted: BTreeSet<&str> = emails.iter().map(String::as_str).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        if wanted.len() > MAX_EMAILS {
            let message = format!("a read of {} addresses, allowed are {MAX_EMAILS}", wanted.len());
            return Err(refused("BATCH_TOO_LARGE", message));
        }
        let names = names(properties);
        let inputs: Vec<Value> = wanted.iter().map(|email| json!({ "id": email })).collect();
        let body = json!({ "properties": names, "propertiesWithHistory": [], "idProperty": "email", "inputs": inputs });
        let path = format!("/crm/objects/{}/contacts/batch/read", self.version());
        let mut batch: Results<Record> = self.batch("read", path, &body.to_string()).await?;
        let as_of = batch.started_at.as_ref().and_then(Scalar::time);
        let mut found = BTreeMap::new();
        assign(&batch.take()?, &mut wanted, &mut found)?;
        for contact in found.values_mut() {
            contact.as_of = as_of;
        }
        let rest: Vec<&str> = wanted.iter().copied().collect();
        for group in rest.chunks(GROUPS) {
            let records = self.search_additional(group, &names).await?;
            assign(&records, &mut wanted, &mut found)?;
        }
        Ok(found)
    }

    async fn search_additional(&self, emails: &[&str], names: &[&str]) -> Result<Vec<Record>, UpstreamError> {
        let group = |email: &&str| json!({ "filters": [{ "propertyName": ADDITIONAL, "operator": "CONTAINS_TOKEN", "value": email }] });
        let body = json!({
            "filterGroups": emails.iter().map(group).collect::<Vec<_>>(),
            "sorts": [{ "propertyName": "hs_object_id", "direction": "ASCENDING" }],
            "properties": names,
            "limit": 100,
            "after": "0",
        })
        .to_string();
        let call = Call {
            name: "search",
            bucket: Bucket::Search,
            path: format!("/crm/objects/{}/contacts/search", self.version()),
            body: Some(&body),
        };
        let answer = match self.call(call).await {
            // Whether the property can be searched everywhere is not documented: without it the address is unknown.
            Err(error) if error.cause == Cause::Refused => return Ok(Vec::new()),
            answer => answer?,
        };
        let mut found: Results<Record> = answer.json()?;
        found.take()
    }
}

/// Gives each live record to the addresses that are its own. HubSpot's answer does not say what led to a record.
fn assign(
    records: &[Record],
    wanted: &mut BTreeSet<&str>,
    found: &mut BTreeMap<String, Contact>,
) -> Result<(), UpstreamError> {
    for record in records.iter().filter(|record| record.archived != Some(true)) {
        for address in addresses(record) {
            if wanted.remove(address.as_str()) {
                found.insert(address, contact(record, record.id()?, &[])?);
            }
        }
    }
    Ok(())
}
