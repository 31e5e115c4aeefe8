//! The lifecycle entries that count, computed from the raw histories alone.

use serde_json::{Value, json};

use super::{state::Portal, store::iso};

/// One entry of a contact into a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The contact's current id.
    pub contact: u64,
    /// Smallest id of its lineage.
    pub root: u64,
    /// Internal value of the stage.
    pub stage: String,
    /// When it entered, epoch milliseconds.
    pub at: i64,
    /// The contact was deleted.
    pub archived: bool,
}

/// Every entry at or after `since`, into `stage` or any. No entry: an empty value, the value of the older row, a row
/// written by a merge.
pub fn entries(portal: &Portal, stage: Option<&str>, since: i64) -> Vec<Entry> {
    let Some((key, _)) = portal.contacts.catalogue.find("lifecyclestage") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for record in portal.contacts.records.values() {
        let rows = record.rows(key);
        let root = record
            .merged
            .iter()
            .copied()
            .min()
            .map_or(record.id, |old| old.min(record.id));
        for (place, row) in rows.iter().enumerate() {
            let older = place.checked_sub(1).and_then(|before| rows.get(before));
            let repeated = older.is_some_and(|older| older.value == row.value);
            let dropped = row.value.is_empty() || repeated || row.source == "MERGE_OBJECTS";
            if dropped || row.at < since || stage.is_some_and(|wanted| wanted != row.value.as_ref()) {
                continue;
            }
            let stage = row.value.to_string();
            found.push(Entry {
                contact: record.id,
                root,
                stage,
                at: row.at,
                archived: record.archived,
            });
        }
    }
    found
}

/// Entries as JSON; deleted contacts only when asked for.
pub fn to_json(entries: &[Entry], with_archived: bool) -> Value {
    let shown = entries.iter().filter(|entry| with_archived || !entry.archived);
    let row = |e: &Entry| {
        json!({"contactId": e.contact.to_string(), "root": e.root.to_string(), "stage": e.stage, "timestamp": e.at,
               "time": iso(e.at), "archived": e.archived})
    };
    shown.map(row).collect()
}
