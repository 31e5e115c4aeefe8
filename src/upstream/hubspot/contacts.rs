//! Contacts by id, with histories; ids from before a merge find today's record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;

use super::asked::AskedProperties;
use super::client::HubSpot;
use super::errors::too_many_inputs;
use super::failed_reads::IsolatingRead;
use super::items::{OpenInputs, WRONG_TYPE};
use super::key_habits::KeyHabits;
use super::limits::Bucket;
use super::wire::{Record, Results, Scalar, Version};
use super::withheld::{Blame, PropertyNames, asked_names, is_essential, mark_withheld};
use crate::domain::contact::{LIFECYCLE_STAGE, MERGED_IDS, Properties};
use crate::domain::ids::ContactId;
use crate::domain::plausible_time::is_plausible;
use crate::ports::UpstreamError;
use crate::ports::crm::{Contact, ContactBatch, ContactRead, Flaw, HistoryEntry, read_limit};

/// Most memory of a contact: each account has hundreds of them in memory at a time.
const MAX_SIZE: usize = 32 << 10;
/// The message about a record whose id is not a number.
const ODD_ID: &str = "its id is no number";

/// The message about an id that two records name as merged into them.
const NAMED_TWICE: &str = "more than one contact names it in hs_merged_object_ids";

/// The ids of a batch read, each once.
fn unique_ids(read: &ContactRead) -> Result<Vec<ContactId>, UpstreamError> {
    let limit = read_limit(&read.with_history);
    let ids: BTreeSet<ContactId> = read.ids.iter().copied().collect();
    if ids.len() > limit {
        return Err(too_many_inputs("a batch read", ids.len(), "contacts", limit));
    }
    Ok(ids.into_iter().collect())
}

/// The body of a batch read, with all three keys.
pub(crate) fn batch_body(asked: &AskedProperties<'_>, ids: &[ContactId]) -> String {
    let inputs: Vec<_> = ids.iter().map(|id| json!({ "id": id.to_string() })).collect();
    json!({ "properties": asked.properties, "propertiesWithHistory": asked.with_history, "inputs": inputs }).to_string()
}

impl HubSpot {
    fn asked_of<'a>(&self, read: &'a ContactRead) -> AskedProperties<'a> {
        let mut properties: Vec<&str> = read.properties.iter().map(String::as_str).collect();
        if !properties.contains(&MERGED_IDS) {
            properties.push(MERGED_IDS);
        }
        AskedProperties {
            properties,
            with_history: &read.with_history,
            listed: self.always_given(),
        }
    }

    /// Reads contacts without the properties that HubSpot withholds.
    pub(crate) async fn read_contacts(&self, read: &ContactRead) -> Result<ContactBatch, UpstreamError> {
        let ids = unique_ids(read)?;
        let mut ends = None;
        loop {
            let (withheld, version) = self.left_out(read.properties.iter().chain(&read.with_history));
            let asked = ContactRead {
                ids: ids.clone(),
                properties: asked_names(&read.properties, withheld.as_deref()),
                with_history: asked_names(&read.with_history, withheld.as_deref()),
            };
            let Some(mut batch) = self.read_parts(&asked, version, &mut ends).await? else {
                continue;
            };
            let shown = batch.contacts.iter().rev().find(|contact| contact.flaw.is_none());
            if let Some(shown) = shown.map(|contact| contact.requested_id) {
                self.withheld.lock().witness = Some(shown);
            }
            mark_withheld(&mut batch.contacts, withheld.as_ref());
            return Ok(batch);
        }
    }

    /// `None` if another property turned out to be withheld: the read is then made again without it.
    async fn read_parts(
        &self,
        read: &ContactRead,
        version: u64,
        ends: &mut Option<Instant>,
    ) -> Result<Option<ContactBatch>, UpstreamError> {
        let mut all = ContactBatch::default();
        let asked = self.asked_of(read);
        let path = format!("/crm/objects/{}/contacts/batch/read", self.api_version());
        let mut parts = IsolatingRead::new(read.ids.clone(), &self.failed_contacts, |id| *id);
        let mut blamed = false;
        while let Some(part) = parts.next_part() {
            let retries = parts.retries(self.retries());
            let (kind, body) = (("read", Bucket::Other), batch_body(&asked, &part));
            let batch = self.read_batch_repeatedly(kind, path.clone(), &body, retries).await;
            // An unreadable answer counts as a failed one: something in between may stumble over a single record.
            let error = match batch.and_then(|batch| resolve_batch(&part, &asked, batch, &mut all, &self.contact_keys))
            {
                Ok(()) => {
                    parts.part_answered(&part);
                    continue;
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut blamed, true) {
                let names = PropertyNames::of(&read.properties, &read.with_history);
                match self.blame((&names, version), part.first().copied(), &error, ends).await {
                    Blame::Property => return Ok(None),
                    Blame::Records => {
                        all.shows_another = true;
                        parts.isolate();
                    }
                    Blame::Perhaps => parts.isolate_for_nobody(),
                    Blame::Unknown => {}
                }
            }
            parts.part_refused(&part, error)?;
        }
        all.unreadable.extend(parts.into_unreadable()?);
        Ok(Some(all))
    }
}

/// One contact per requested id that still leads to a record. An id is unreadable if anything that may be about it
/// can't be read, and if a record names none of the requested ids, because only a record's own id and merged ids tell
/// which it is. An id counts as deleted only if HubSpot says so.
fn resolve_batch(
    ids: &[ContactId],
    asked: &AskedProperties<'_>,
    mut batch: Results<Record>,
    all: &mut ContactBatch,
    habits: &Mutex<KeyHabits>,
) -> Result<(), UpstreamError> {
    let as_of = batch.answered_at();
    let mut open = OpenInputs::new(ids.iter().copied());
    let records = batch.take_rows()?;
    habits.lock().learn(&asked.properties, &records, Instant::now());
    let mut by_id = BTreeMap::new();
    for record in &records {
        match record.id() {
            Some(id) => drop(by_id.insert(ContactId(id), record)),
            None => open.mark_unattributed(ODD_ID),
        }
    }
    // Before the errors, since HubSpot may call an id from before
    // a merge not found beside the record that it has become.
    let (found, is_stray) = assign_records(&mut open, &by_id);
    open.take_errors(batch.item_errors(), |text| text.trim().parse().ok());
    open.mark_flawed(batch.flaw());
    for row in batch.odd_rows() {
        match row.id.map(ContactId).filter(|id| open.contains(id)) {
            Some(id) => open.mark_failed(&id, WRONG_TYPE),
            None => open.mark_unattributed(WRONG_TYPE),
        }
    }
    if is_stray {
        open.mark_stray();
        if let ([asked], [shown]) = (ids, by_id.keys().collect::<Vec<_>>().as_slice()) {
            all.shown_instead.insert(*asked, **shown);
        }
    }
    for (id, record) in found {
        // A read of this kind must not show archived records: the contact counts as left out.
        if record.archived == Some(true) {
            continue;
        }
        all.contacts.extend(to_contact(record, id, asked, as_of));
    }
    all.deleted.extend(open.gone_inputs().copied());
    all.unreadable.extend(open.into_unreadable());
    Ok(())
}

type Records<'a> = Vec<(ContactId, &'a Record)>;

/// The record of each requested id, and whether there are records that were not requested.
fn assign_records<'a>(
    open: &mut OpenInputs<ContactId>,
    by_id: &BTreeMap<ContactId, &'a Record>,
) -> (Records<'a>, bool) {
    let mut found = Vec::new();
    let mut answered = BTreeSet::new();
    for id in open.open_inputs().copied().collect::<Vec<_>>() {
        let direct: Vec<_> = by_id.get_key_value(&id).into_iter().collect();
        let named = |(_, record): &(&ContactId, &&Record)| record.merged_ids().contains(&id);
        let hits = if direct.is_empty() {
            by_id.iter().filter(named).collect()
        } else {
            direct
        };
        answered.extend(hits.iter().map(|(of, _)| **of));
        match hits.as_slice() {
            [] => {}
            [(_, record)] => {
                open.mark_answered(&id);
                found.push((id, **record));
            }
            // A contact can't be merged into two.
            _ => open.mark_failed(&id, NAMED_TWICE),
        }
    }
    let is_stray = by_id.keys().any(|id| !answered.contains(id));
    (found, is_stray)
}

/// A contact that can't be read, of which only the ids are kept.
fn too_large(requested: ContactId, id: ContactId) -> Contact {
    Contact {
        requested_id: requested,
        id,
        updated_at: None,
        as_of: None,
        properties: Properties::default(),
        history: Vec::new(),
        flaw: Some(Flaw {
            why: format!(
                "its properties and their history are larger than {} KiB",
                MAX_SIZE >> 10
            ),
            stages: Vec::new(),
        }),
    }
}

/// The flaws of a record: the first one in words, and the stages that any of them concerns.
#[derive(Default)]
struct Flaws(Option<Flaw>);

impl Flaws {
    fn note(&mut self, why: &str, stages: Vec<String>) {
        let flaw = self.0.get_or_insert_with(|| Flaw {
            why: why.to_owned(),
            stages: Vec::new(),
        });
        flaw.stages.extend(stages);
    }
}

fn change_time(record: &Record) -> Option<Timestamp> {
    let modified = [record.updated_at.as_ref(), record.property("lastmodifieddate")];
    modified.into_iter().flatten().find_map(Scalar::time)
}

/// The flaws of a record outside of its histories: values that can't be believed, or are missing.
fn note_flaws(record: &Record, asked: &AskedProperties<'_>, flaws: &mut Flaws) {
    if record.has_odd_id() {
        flaws.note(ODD_ID, Vec::new());
    }
    if change_time(record).is_none() {
        flaws.note("it has no usable \"updatedAt\"", Vec::new());
    }
    if record.has_odd_lineage() {
        flaws.note("its hs_merged_object_ids are no ids, or too many", Vec::new());
    }
    if let Some(name) = asked.absent_property(record) {
        flaws.note(&format!("its {name} is missing in HubSpot's answer"), Vec::new());
    }
    if let Some(name) = asked.absent_history(record) {
        let why = format!("the history of its {name} is missing in HubSpot's answer");
        flaws.note(&why, Vec::new());
    }
}

/// The requested histories; none if the record's lineage is not known: its entries may be in the ledger under an id
/// that can't be read, and would count twice under another one.
fn read_histories(
    record: &Record,
    asked: &AskedProperties<'_>,
    as_of: Option<Timestamp>,
    flaws: &mut Flaws,
) -> Vec<(String, Vec<HistoryEntry>)> {
    let unknown = record.has_odd_lineage() || asked.is_unknown(MERGED_IDS, record);
    let mut history = Vec::with_capacity(asked.with_history.len());
    for name in asked.with_history.iter().filter(|_| !unknown) {
        let versions = record
            .properties_with_history
            .as_ref()
            .and_then(|all| all.get(name)?.as_deref());
        let (entries, timeless) = history_entries(versions.unwrap_or_default(), as_of);
        // A contact that has a stage has entered it, even if nothing says when.
        let untold = record.text(LIFECYCLE_STAGE).filter(|_| name == LIFECYCLE_STAGE);
        if untold.is_some() && entries.is_empty() && timeless.is_empty() {
            flaws.note("it has a lifecycle stage, and no history of it", Vec::new());
        }
        if !timeless.is_empty() {
            let stages = if name == LIFECYCLE_STAGE { timeless } else { Vec::new() };
            flaws.note(&format!("an entry in the history of {name} has no usable time"), stages);
        }
        history.push((name.clone(), entries));
    }
    history
}

/// The contact of a record; `None` if that has no usable id. `requested` is the id in the request, `as_of` the time of
/// the answer, if it has one.
pub(crate) fn to_contact(
    record: &Record,
    requested: ContactId,
    asked: &AskedProperties<'_>,
    as_of: Option<Timestamp>,
) -> Option<Contact> {
    let id = ContactId(record.id()?);
    let mut flaws = Flaws::default();
    note_flaws(record, asked, &mut flaws);
    let updated_at = change_time(record);
    let history = read_histories(record, asked, as_of, &mut flaws);
    let properties = record.properties.iter().flatten();
    let properties = properties
        .filter_map(|(name, value)| Some((name, &value.as_ref()?.0)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let contact = Contact {
        requested_id: requested,
        id,
        updated_at,
        as_of,
        properties,
        history,
        flaw: flaws.0,
    };
    let contact = if contact.size() > MAX_SIZE {
        drop_largest(contact)
    } else {
        contact
    };
    if contact.size() > MAX_SIZE {
        return Some(too_large(requested, id));
    }
    Some(contact)
}

/// Drops the properties that make a contact too large, the largest first, if most events can do without them: they are
/// asked for on behalf of all events, and a long text that one event needs must not make the contact unreadable for the
/// others.
fn drop_largest(mut contact: Contact) -> Contact {
    let mut spare: BTreeMap<String, usize> = BTreeMap::new();
    for (name, value) in contact.properties.iter() {
        *spare.entry(name.to_owned()).or_default() += value.len();
    }
    for (name, entries) in &contact.history {
        *spare.entry(name.clone()).or_default() += entries.iter().map(|entry| entry.value.len()).sum::<usize>();
    }
    spare.retain(|name, _| !is_essential(name));
    while contact.size() > MAX_SIZE
        && let Some(largest) = spare
            .iter()
            .max_by_key(|(_, size)| **size)
            .map(|(name, _)| name.clone())
    {
        spare.remove(&largest);
        contact.history.retain(|(name, _)| *name != largest);
        contact.properties = contact.properties.without(BTreeSet::from([largest]));
    }
    contact
}

/// The source of history rows that a merge wrote.
const MERGED: &str = "MERGE_OBJECTS";

/// The readable rows of a history, oldest first, and the values of rows without a possible time. HubSpot gives
/// the newest first: turned round before the stable sort, so that rows of the same millisecond (a stage cleared and set
/// again) keep their order.
fn history_entries(versions: &[Version], as_of: Option<Timestamp>) -> (Vec<HistoryEntry>, Vec<String>) {
    let (mut entries, mut timeless) = (Vec::with_capacity(versions.len()), Vec::<String>::new());
    // A row that repeats the value of an older one without a time is no entry of its own: that one's place in the list
    // says so, and it would be missed among rows with times only.
    let mut repeated: Option<&str> = None;
    for version in versions.iter().rev() {
        let value = version.value.as_ref().map_or("", |value| value.0.as_str());
        let at = version.timestamp.as_ref().and_then(Scalar::time);
        let Some(at) = at.filter(|at| is_plausible(*at, as_of)) else {
            repeated = Some(value);
            timeless.push(value.to_owned());
            continue;
        };
        if repeated == Some(value) {
            continue;
        }
        repeated = None;
        entries.push(HistoryEntry {
            value: value.to_owned(),
            at,
            by_merge: version.source_type.as_ref().is_some_and(|source| source.0 == MERGED),
        });
    }
    entries.sort_by_key(|entry| entry.at);
    (entries, timeless)
}
