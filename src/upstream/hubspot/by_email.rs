//! Contacts by e-mail: by primary address, then by secondary
//! ones of merged records (docs/reference/hubspot.md 4.4, 7.2).

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::asked::AskedProperties;
use super::client::{Call, HubSpot};
use super::contacts::to_contact;
use super::errors::{ErrorBody, too_many_inputs};
use super::failed_reads::IsolatingRead;
use super::items::{OpenInputs, WRONG_TYPE};
use super::limits::Bucket;
use super::scalar::Scalar;
use super::wire::{Paging, Record, Results};
use super::withheld::{Blame, PropertyNames, asked_names, mark_withheld};
use crate::domain::ids::ContactId;
use crate::ports::crm::{AddressBatch, MAX_EMAILS, Unreadable};
use crate::ports::{Cause, UpstreamError};
use crate::upstream::http::body::AnswerLimit;

/// Further addresses of a contact, `;`-separated.
const ADDITIONAL: &str = "hs_additional_emails";
/// The message about a record without a usable id.
const NO_ID: &str = "the id of a record is no number";
/// Filter groups of a search (docs/reference/hubspot.md 3).
const GROUPS: usize = 5;
/// After so many searches of which none was answered the others are left for the next read.
const MAX_FAILED_GROUPS: usize = 3;

/// The properties to read of each contact: those that the caller wants, and those that say whose address it is.
fn property_names<'a>(properties: &'a [String]) -> Vec<&'a str> {
    let mut names: BTreeSet<&'a str> = properties.iter().map(String::as_str).collect();
    names.extend(["email", ADDITIONAL, "hs_merged_object_ids"]);
    names.into_iter().collect()
}

/// All addresses of a record, lower case, the primary one first.
fn addresses_of(record: &Record) -> Vec<String> {
    let all = [record.text("email"), record.text(ADDITIONAL)].into_iter().flatten();
    all.flat_map(|list| list.split(';'))
        .map(|address| address.trim().to_lowercase())
        .filter(|address| !address.is_empty())
        .collect()
}

/// The digest by which an address is remembered, since the address is personal data.
fn digest(email: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    email.hash(&mut hasher);
    hasher.finish()
}

impl HubSpot {
    /// Reads contacts without the properties that HubSpot withholds.
    pub(crate) async fn contacts_by_email(
        &self,
        emails: &[String],
        properties: &[String],
    ) -> Result<AddressBatch, UpstreamError> {
        let wanted: BTreeSet<String> = emails.iter().cloned().collect();
        if wanted.len() > MAX_EMAILS {
            return Err(too_many_inputs("a read", wanted.len(), "addresses", MAX_EMAILS));
        }
        let mut ends = None;
        loop {
            let (withheld, version) = self.left_out(properties.iter());
            let asked = asked_names(properties, withheld.as_deref());
            let Some(mut found) = self.find_addresses(&wanted, &asked, version, &mut ends).await? else {
                continue;
            };
            mark_withheld(found.contacts.values_mut(), withheld.as_ref());
            return Ok(found);
        }
    }

    /// `None` if another property turned out to be withheld: the read is then made again without it.
    async fn find_addresses(
        &self,
        wanted: &BTreeSet<String>,
        properties: &[String],
        version: u64,
        ends: &mut Option<Instant>,
    ) -> Result<Option<AddressBatch>, UpstreamError> {
        let asked = AskedProperties {
            properties: property_names(properties),
            listed: self.always_given(),
            ..AskedProperties::default()
        };
        let mut found = AddressBatch::default();
        let mut unknown = BTreeSet::new();
        let mut parts = IsolatingRead::new(wanted.iter().cloned().collect(), &self.failed_addresses, |email| {
            (digest(email), true)
        });
        let mut blamed = false;
        while let Some(part) = parts.next_part() {
            let batch = self.read_addresses(&part, &asked.properties).await;
            let error = match batch.and_then(|batch| take_batch(&part, batch, &asked, &mut found)) {
                Ok(not_found) => {
                    parts.part_answered(&part);
                    unknown.extend(not_found);
                    continue;
                }
                Err(error) => error,
            };
            let names = PropertyNames::of(properties, &[]);
            // A probe reads by id, so it says nothing about addresses, only about the properties.
            if !names.is_empty()
                && !std::mem::replace(&mut blamed, true)
                && self.blame((&names, version), None, &error, ends).await == Blame::Property
            {
                return Ok(None);
            }
            parts.part_refused(&part, error)?;
        }
        // An address that HubSpot refuses to look up, while it answers for others, is nobody's.
        found.unreadable.extend(parts.close_without_malformed()?);
        self.search_groups(unknown, &asked, &mut found).await?;
        found.unreadable.retain(|email, _| !found.contacts.contains_key(email));
        Ok(Some(found))
    }

    async fn read_addresses(&self, emails: &[String], names: &[&str]) -> Result<Results<Record>, UpstreamError> {
        let inputs: Vec<Value> = emails.iter().map(|email| json!({ "id": email })).collect();
        let body = json!({ "properties": names, "propertiesWithHistory": [], "idProperty": "email", "inputs": inputs });
        let path = format!("/crm/objects/{}/contacts/batch/read", self.api_version());
        self.read_batch(("read", Bucket::Other), path, &body.to_string()).await
    }

    /// Looks among the further addresses for those that are nobody's primary one. Whoever HubSpot does not answer for
    /// may have a contact that cannot be read, and is no reason to keep the contacts that were found from anybody.
    async fn search_groups(
        &self,
        wanted: BTreeSet<String>,
        asked: &AskedProperties<'_>,
        found: &mut AddressBatch,
    ) -> Result<(), UpstreamError> {
        let wanted: Vec<String> = wanted.into_iter().collect();
        let (mut groups, mut failed) = (wanted.chunks(GROUPS), 0);
        while let Some(group) = groups.next() {
            match self.search_group(group, asked, found).await {
                Ok(unreadable) => {
                    failed = 0;
                    found.unreadable.extend(unreadable);
                }
                Err(error) if matches!(error.cause, Cause::RateLimited | Cause::QuotaExhausted) => return Err(error),
                Err(error) => {
                    failed += 1;
                    let mut unread = group.to_vec();
                    if failed == MAX_FAILED_GROUPS {
                        unread.extend(groups.by_ref().flatten().cloned());
                    }
                    let unread = unread.into_iter().map(|email| (email, error.message.clone()));
                    found.unreadable.extend(unread);
                }
            }
        }
        Ok(())
    }

    /// Searches for the contacts of some further addresses; returns those that are not known to be nobody's. But it is
    /// not documented that every portal can search this property: what HubSpot itself finds malformed is nobody's.
    async fn search_group(
        &self,
        group: &[String],
        asked: &AskedProperties<'_>,
        found: &mut AddressBatch,
    ) -> Result<Unreadable<String>, UpstreamError> {
        let mut unreadable = Unreadable::new();
        let mut parts = IsolatingRead::new(group.to_vec(), &self.failed_addresses, |email| (digest(email), false));
        while let Some(part) = parts.next_part() {
            let page = self.search_additional(&part, &asked.properties).await;
            match page.and_then(|mut page| Ok((page.take_rows()?, page))) {
                Ok((records, page)) => {
                    parts.part_answered(&part);
                    let mut open = part.into_iter().collect();
                    assign_records(&records, &mut open, (asked, None), found);
                    if let Some(why) = hidden(&page, &records) {
                        unreadable.extend(open.into_iter().map(|email| (email, why.to_owned())));
                    }
                }
                Err(error) => parts.part_refused(&part, error)?,
            }
        }
        unreadable.extend(parts.close_question()?);
        Ok(unreadable)
    }

    async fn search_additional(&self, emails: &[String], names: &[&str]) -> Result<Results<Record>, UpstreamError> {
        let group = |email: &String| json!({ "filters": [{ "propertyName": ADDITIONAL, "operator": "CONTAINS_TOKEN", "value": email }] });
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
            limit: AnswerLimit::RECORDS,
            path: format!("/crm/objects/{}/contacts/search", self.api_version()),
            body: Some(&body),
        };
        self.make_call(call).await?.parse_rows()
    }
}

/// Why a contact that a page does not show may be on it, or behind it.
fn hidden(page: &Results<Record>, records: &[Record]) -> Option<&'static str> {
    let rows = (records.len() + page.odd_rows().len()) as u64;
    let total = page.total.as_ref().and_then(Scalar::id);
    if !page.odd_rows().is_empty() {
        Some(WRONG_TYPE)
    } else if records.iter().any(|record| record.id().is_none()) {
        Some(NO_ID)
    } else if total.is_some_and(|total| total > rows) || page.paging.as_ref().is_some_and(Paging::has_next) {
        Some("a search of further addresses counts more contacts than it shows")
    } else {
        None
    }
}

/// Takes over a batch's answer about these addresses; returns those for which it shows no contact.
fn take_batch(
    emails: &[String],
    mut batch: Results<Record>,
    asked: &AskedProperties<'_>,
    found: &mut AddressBatch,
) -> Result<BTreeSet<String>, UpstreamError> {
    let as_of = batch.answered_at();
    let mut unknown: BTreeSet<String> = emails.iter().cloned().collect();
    let mut open = OpenInputs::new(emails.iter().cloned());
    // An address that HubSpot finds malformed is nobody's.
    let (malformed, others): (Vec<Value>, Vec<Value>) = batch
        .item_errors()
        .iter()
        .cloned()
        .partition(|error| error["category"] == "VALIDATION_ERROR");
    open.take_errors(&others, |text| Some(text.trim().to_lowercase()));
    for email in malformed.iter().flat_map(|error| ErrorBody::from_value(error).inputs) {
        open.mark_answered(&email.trim().to_lowercase());
    }
    open.mark_flawed(batch.flaw());
    for _ in batch.odd_rows() {
        open.mark_unattributed(WRONG_TYPE);
    }
    let records = batch.take_rows()?;
    if records.iter().any(|record| record.id().is_none()) {
        open.mark_unattributed(NO_ID);
    }
    let is_of = |record: &Record| addresses_of(record).iter().any(|address| unknown.contains(address));
    if !records.iter().all(is_of) {
        open.mark_stray();
    }
    let before: BTreeSet<String> = found.contacts.keys().cloned().collect();
    assign_records(&records, &mut unknown, (asked, as_of), found);
    for email in found.contacts.keys().filter(|email| !before.contains(*email)) {
        open.mark_answered(email);
    }
    unknown.retain(|email| !open.has_failed(email));
    found.unreadable.extend(open.into_unreadable());
    Ok(unknown)
}

/// Assigns each live record to its own addresses. HubSpot's answer does not say which address led to a record.
fn assign_records(
    records: &[Record],
    wanted: &mut BTreeSet<String>,
    (asked, as_of): (&AskedProperties<'_>, Option<Timestamp>),
    found: &mut AddressBatch,
) {
    for record in records.iter().filter(|record| record.archived != Some(true)) {
        let Some(id) = record.id().map(ContactId) else { continue };
        for address in addresses_of(record) {
            if wanted.remove(&address)
                && let Some(contact) = to_contact(record, id, asked, as_of)
            {
                found.contacts.insert(address, contact);
            }
        }
    }
}
