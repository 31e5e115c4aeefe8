//! What the feed has read already in this life of the process, so that overlapping polls cost a search and no history.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::plan::date_entered;
use crate::domain::contact::{Contact, LIFECYCLE_STAGE};
use crate::domain::ids::ContactId;

/// Name of the property with HubSpot's modification time of a contact.
pub const LAST_MODIFIED: &str = "lastmodifieddate";

/// Beyond this all are forgotten: each costs one more read of its history if it comes again.
const MAX_CONTACTS: usize = 400_000;

/// Contacts whose history was read, and the state it was read in.
#[derive(Default)]
pub struct Memory {
    read: HashMap<ContactId, Read>,
}

struct Read {
    modified: Timestamp,
    entries: u64,
}

/// Modification time of a contact, HubSpot's clock.
pub fn modified(contact: &Contact) -> Timestamp {
    contact
        .property(LAST_MODIFIED)
        .and_then(time)
        .unwrap_or(contact.updated_at)
}

/// A date-time property: ISO 8601, or epoch milliseconds.
pub fn time(value: &str) -> Option<Timestamp> {
    value
        .parse()
        .ok()
        .or_else(|| value.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()))
}

/// Time of the last entry into a stage, as the contact's properties tell it.
pub fn entered(contact: &Contact, stage: &str) -> Option<Timestamp> {
    contact.property(&date_entered(stage)).and_then(time)
}

/// The entry times seen, as one number: another one says that some of them changed.
fn entries<'a>(contact: &Contact, stages: impl Iterator<Item = &'a String>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for stage in stages {
        entered(contact, stage).map(Timestamp::as_millisecond).hash(&mut hasher);
    }
    hasher.finish()
}

impl Memory {
    /// Found by entry time: the history must be read unless it was read in this very state.
    pub fn new_entry<'a>(&self, contact: &Contact, stages: impl Iterator<Item = &'a String>) -> bool {
        let entries = entries(contact, stages);
        self.read.get(&contact.id).is_none_or(|r| r.entries != entries)
    }

    /// Found by modification time: the history must be read unless it was read since the modification.
    pub fn new_modification(&self, contact: &Contact) -> bool {
        self.read
            .get(&contact.id)
            .is_none_or(|r| r.modified < modified(contact))
    }

    /// Notes that the history was read after this search result.
    pub fn note<'a>(&mut self, contact: &Contact, stages: impl Iterator<Item = &'a String>) {
        if self.read.len() >= MAX_CONTACTS {
            self.read.clear();
        }
        let read = Read {
            modified: modified(contact),
            entries: entries(contact, stages),
        };
        self.read.insert(contact.id, read);
    }

    /// Forgets everything (another event joined: its rows have not been noted).
    pub fn clear(&mut self) {
        self.read.clear();
    }
}

/// True where the contact may ever have been in one of the stages.
pub fn concerns<'a>(contact: &Contact, mut stages: impl Iterator<Item = &'a String>) -> bool {
    let now = contact.property(LIFECYCLE_STAGE);
    stages.any(|stage| now == Some(stage) || entered(contact, stage).is_some())
}
