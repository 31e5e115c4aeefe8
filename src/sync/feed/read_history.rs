//! What the feed has read already in this life of the process, so that overlapping polls cost a search and no history.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::aside::Aside;
use super::recent_entries::FirstReads;
use super::suspect_queue::SuspectQueue;
use crate::domain::contact::{Contact, LIFECYCLE_STAGE};
use crate::domain::fruitless_reads::FruitlessReads;
use crate::domain::ids::ContactId;
use crate::domain::shown_state::ShownState;
use crate::sync::feed::bounds::date_entered;

/// Beyond this all are forgotten: each costs one more read of its history if it comes again.
const MAX_CONTACTS: usize = 400_000;

/// Beyond this all are forgotten: each costs a part of a read if it comes again.
const MAX_CONFIRMED: usize = 100_000;

/// Contacts whose history was read, and the state it was read in: modification time, entry times as one number.
#[derive(Default)]
pub struct ReadHistory {
    read: HashMap<ContactId, (Option<Timestamp>, u64)>,
    /// Contacts that could not be read.
    pub aside: Aside,
    /// Streams that are read for the first time.
    pub first_reads: FirstReads,
    /// A contact was read in this pass.
    pub read_any: bool,
    /// Whose suspected ids are asked for next.
    pub queue: SuspectQueue,
    /// Reads that show nobody.
    pub fruitless: FruitlessReads,
    /// Ids of contacts with an id that was merged into each. The ledger knows
    /// most of them as one; not those of whom both had conversions of their own.
    confirmed: HashSet<(ContactId, ContactId)>,
    /// Contacts with an id that no read names and that has led to each, by the last answer.
    led: HashSet<(ContactId, ContactId)>,
}

/// The state of a contact whose history is read.
pub struct ReadMark {
    /// Whose history.
    pub id: ContactId,
    /// What the search showed of it.
    pub shown: ShownState,
    entries: u64,
    /// The ids that the search names as merged into it.
    pub merged: Vec<ContactId>,
    /// The values that a read shows too, by the search, as one number.
    values: u64,
}

impl ReadMark {
    /// True if the search has shown the same values of these properties as this read: two answers that agree.
    pub fn confirms(&self, read: &Contact, properties: &[String]) -> bool {
        self.values == hash_values(read, properties)
    }
}

fn hash_values(contact: &Contact, properties: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in properties {
        // What was not asked for is not empty.
        (contact.property(name), contact.properties.is_withheld(name)).hash(&mut hasher);
    }
    hasher.finish()
}

/// A stage, and the property with the time of the last entry into it.
pub struct DatedStage {
    /// Internal value of the stage.
    pub stage: String,
    /// Name of the property.
    pub property: String,
}

impl DatedStage {
    /// The stage of this internal value.
    pub fn new(stage: &str) -> Self {
        Self {
            stage: stage.to_owned(),
            property: date_entered(stage),
        }
    }
}

/// A contact of a search, and what its properties tell, read once.
pub struct Candidate<'a> {
    pub contact: &'a Contact,
    /// Its modification time, HubSpot's clock; `None` if it cannot be read.
    pub modified: Option<Timestamp>,
    /// Time of the last entry into each stage if there is one.
    entered: Vec<(&'a str, Timestamp)>,
    /// The entry times as one number: another one says that some of them changed.
    entries: u64,
    /// A later time does not come from HubSpot's clock.
    latest: Timestamp,
}

impl<'a> Candidate<'a> {
    /// What this contact says about these stages. A modification later than `latest` is no time of HubSpot's clock.
    pub fn new(contact: &'a Contact, stages: &'a [DatedStage], latest: Timestamp) -> Self {
        let mut hasher = DefaultHasher::new();
        let mut entered = Vec::new();
        for dated in stages {
            let at = contact.time(&dated.property);
            at.map(Timestamp::as_millisecond).hash(&mut hasher);
            entered.extend(at.map(|at| (dated.stage.as_str(), at)));
        }
        Self {
            contact,
            modified: contact.last_modified().filter(|at| *at <= latest),
            entered,
            entries: hasher.finish(),
            latest,
        }
    }

    /// Time of the last entry into a stage.
    pub fn entered_at(&self, stage: &str) -> Option<Timestamp> {
        let mut entered = self.entered.iter();
        entered.find(|(name, _)| *name == stage).map(|(_, at)| *at)
    }

    /// What is remembered once its history was read, with the values of these properties.
    pub fn read_mark(&self, stages: &[DatedStage], properties: &[String]) -> ReadMark {
        // No read can show an entry of a time that has not come.
        let entered = self.entered.iter().filter(|(_, at)| *at <= self.latest);
        let stage = stages.iter().find(|dated| self.is_in(&dated.stage));
        let shown = ShownState {
            modified: self.modified,
            entered: entered.map(|(stage, at)| ((*stage).to_owned(), *at)).collect(),
            stage: stage.map(|dated| dated.stage.clone()),
        };
        ReadMark {
            id: self.contact.id,
            shown,
            entries: self.entries,
            merged: self.contact.merged_ids(),
            values: hash_values(self.contact, properties),
        }
    }

    /// True if the contact is in this stage.
    pub fn is_in(&self, stage: &str) -> bool {
        self.contact.property(LIFECYCLE_STAGE) == Some(stage)
    }

    /// True if the contact may ever have been in one of the stages, or nobody can tell.
    pub fn may_concern(&self, stages: &[DatedStage]) -> bool {
        self.modified.is_none() || !self.entered.is_empty() || stages.iter().any(|dated| self.is_in(&dated.stage))
    }
}

impl ReadHistory {
    /// Found by entry time: the history must be read unless it was read in this very state. Of a contact of which the
    /// search shows nothing nobody knows, but for one that is read again anyway.
    pub fn new_entry(&self, found: &Candidate<'_>) -> bool {
        let id = found.contact.id;
        let unknown = found.modified.is_none() && found.entered.is_empty() && !self.aside.is_aside(id);
        let read = self.read.get(&id);
        read.is_none_or(|(_, entries)| unknown || *entries != found.entries)
    }

    /// Found by modification time: the history must be read unless it was read since the modification. Without that
    /// time nobody knows, but for a contact that is read again anyway.
    pub fn new_modification(&self, found: &Candidate<'_>) -> bool {
        let id = found.contact.id;
        let unknown = found.modified.is_none() && !self.aside.is_aside(id);
        self.read
            .get(&id)
            .is_none_or(|(modified, _)| unknown || *modified < found.modified)
    }

    /// Notes that the history was read after this search result, or that the contact is put aside until it is.
    pub fn record(&mut self, read: &ReadMark) {
        if self.read.len() >= MAX_CONTACTS {
            self.read.clear();
        }
        self.read.insert(read.id, (read.shown.modified, read.entries));
    }

    /// True if HubSpot showed before that this id is no contact of its own, beside the contact that names it.
    pub fn is_confirmed(&self, contact: ContactId, merged: ContactId) -> bool {
        self.confirmed.contains(&(contact, merged))
    }

    /// Notes that.
    pub fn record_confirmed(&mut self, pairs: impl IntoIterator<Item = (ContactId, ContactId)>) {
        if self.confirmed.len() >= MAX_CONFIRMED {
            self.confirmed.clear();
        }
        self.confirmed.extend(pairs);
    }

    /// True if this id has led to the contact when it was asked for last, though no read names it.
    pub fn has_led(&self, pair: (ContactId, ContactId)) -> bool {
        self.led.contains(&pair)
    }

    /// Notes whether it does.
    pub fn record_led(&mut self, pair: (ContactId, ContactId), leads: bool) {
        if !leads {
            self.led.remove(&pair);
            return;
        }
        if self.led.len() >= MAX_CONFIRMED {
            self.led.clear();
        }
        self.led.insert(pair);
    }

    /// Forgets that this contact's history was read.
    pub fn forget(&mut self, contact: ContactId) {
        self.read.remove(&contact);
    }

    /// Forgets what was read (another event joined: its rows have not been noted).
    pub fn forget_all(&mut self) {
        self.read.clear();
    }
}

#[cfg(test)]
#[path = "read_history_tests.rs"]
mod tests;
