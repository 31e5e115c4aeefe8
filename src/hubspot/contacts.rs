//! Contacts by id, with histories; ids from before a merge find today's record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::client::HubSpot;
use super::errors::{malformed, refused};
use super::wire::{Record, Results, Scalar, Version};
use crate::domain::ids::ContactId;
use crate::sync::ports::UpstreamError;
use crate::sync::ports::crm::{Contact, ContactRead, HistoryEntry};

/// Inputs of a batch read without history.
const PLAIN_LIMIT: usize = 100;
/// Inputs of a batch read with history.
const HISTORY_LIMIT: usize = 50;
/// Asked for in every read: it tells which record of today an old id became.
const MERGED_IDS: &str = "hs_merged_object_ids";

/// The body of a batch read: all three keys, each id once.
pub(super) fn body(read: &ContactRead) -> Result<String, UpstreamError> {
    let limit = if read.with_history.is_empty() {
        PLAIN_LIMIT
    } else {
        HISTORY_LIMIT
    };
    let ids: BTreeSet<_> = read.ids.iter().collect();
    if ids.len() > limit {
        return Err(refused(
            "BATCH_TOO_LARGE",
            format!("a batch read of {} contacts, allowed are {limit}", ids.len()),
        ));
    }
    let mut properties: Vec<&str> = read.properties.iter().map(String::as_str).collect();
    if !properties.contains(&MERGED_IDS) {
        properties.push(MERGED_IDS);
    }
    let inputs: Vec<_> = ids.iter().map(|id| json!({ "id": id.to_string() })).collect();
    Ok(json!({ "properties": properties, "propertiesWithHistory": read.with_history, "inputs": inputs }).to_string())
}

impl HubSpot {
    pub(super) async fn read_contacts(&self, read: &ContactRead) -> Result<Vec<Contact>, UpstreamError> {
        if read.ids.is_empty() {
            return Ok(Vec::new());
        }
        let body = body(read)?;
        let path = format!("/crm/objects/{}/contacts/batch/read", self.version());
        let mut batch: Results<Record> = self.batch("read", path, &body).await?;
        let as_of = batch.started_at.as_ref().and_then(Scalar::time);
        let mut contacts = resolve(read, &batch.take()?)?;
        for contact in &mut contacts {
            contact.as_of = as_of;
        }
        Ok(contacts)
    }
}

/// One contact per requested id that still leads to a record. Fails rather than lose a record: the caller takes an
/// absent id for a deleted contact.
fn resolve(read: &ContactRead, records: &[Record]) -> Result<Vec<Contact>, UpstreamError> {
    let mut asked: BTreeSet<ContactId> = read.ids.iter().copied().collect();
    let mut by_id = BTreeMap::new();
    for record in records {
        by_id.insert(ContactId(record.id()?), record);
    }
    let mut found = Vec::new();
    let mut answered = BTreeSet::new();
    asked.retain(|id| {
        let direct = by_id.get_key_value(id);
        let hit = direct.or_else(|| by_id.iter().find(|(_, record)| record.merged_ids().contains(id)));
        if let Some((of, record)) = hit {
            answered.insert(*of);
            found.push((*id, *record));
        }
        hit.is_none()
    });
    let strays: Vec<_> = by_id.iter().filter(|(id, _)| !answered.contains(id)).collect();
    match (strays.as_slice(), asked.len()) {
        ([], _) => {}
        // Only one id can have led to it.
        ([(_, record)], 1) => found.extend(asked.iter().map(|id| (*id, **record))),
        ([(id, _), ..], _) => {
            return Err(malformed(format!(
                "contact {id} came back, but nothing tells for which requested id"
            )));
        }
    }
    let live = found.into_iter().filter(|(_, record)| record.archived != Some(true));
    live.map(|(asked, record)| contact(record, asked.0, &read.with_history))
        .collect()
}

/// A contact out of a record. `requested` is the id it was asked for by.
pub(super) fn contact(record: &Record, requested: u64, with_history: &[String]) -> Result<Contact, UpstreamError> {
    let id = ContactId(record.id()?);
    let updated = record
        .updated_at
        .as_ref()
        .or_else(|| record.property("lastmodifieddate"));
    let updated_at = updated
        .and_then(super::wire::Scalar::time)
        .ok_or_else(|| malformed(format!("contact {id} has no usable \"updatedAt\"")))?;
    let properties = record.properties.iter().flatten();
    let properties = properties
        .filter_map(|(name, value)| Some((name, &value.as_ref()?.0)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let mut history = Vec::with_capacity(with_history.len());
    for name in with_history {
        let versions = record
            .properties_with_history
            .as_ref()
            .and_then(|all| all.get(name)?.as_deref());
        let entries = entries(versions.unwrap_or_default()).ok_or_else(|| {
            malformed(format!(
                "the history of {name} of contact {id} has a row without a usable time"
            ))
        })?;
        history.push((name.clone(), entries));
    }
    Ok(Contact {
        requested_id: ContactId(requested),
        id,
        updated_at,
        as_of: None,
        properties,
        history,
    })
}

/// The source of history rows that a merge wrote.
const MERGED: &str = "MERGE_OBJECTS";

/// Oldest first. HubSpot gives the newest first: turned round before the stable sort, so that rows of the same
/// millisecond (a stage cleared and set again) keep their order.
fn entries(versions: &[Version]) -> Option<Vec<HistoryEntry>> {
    let mut entries = versions
        .iter()
        .rev()
        .map(|version| {
            let at = version.timestamp.as_ref()?.time()?;
            Some(HistoryEntry {
                value: version.value.as_ref().map(|value| value.0.clone()).unwrap_or_default(),
                at,
                by_merge: version.source_type.as_ref().is_some_and(|source| source.0 == MERGED),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.at);
    Some(entries)
}
