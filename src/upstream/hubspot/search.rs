//! Contact search: keyset paging by `hs_object_id`, lower bounds only (docs/reference/hubspot.md 3).
//!
//! `after` cursors are never used: they shift when rows change while paging, and end at 10,000 rows.

use serde_json::{Value, json};

use super::asked::Asked;
use super::client::{Call, HubSpot};
use super::contacts::to_contact;
use super::errors::{malformed_answer, refused_request};
use super::items::WRONG_TYPE;
use super::limits::Bucket;
use super::pages;
use super::wire::{Record, Results, Scalar};
use crate::domain::contact::Properties;
use crate::domain::ids::ContactId;
use crate::ports::UpstreamError;
use crate::ports::crm::{Contact, ContactPage, ContactSearch, Flaw, PageCount};
use crate::upstream::http::body::Limit;

/// Rows of a page, HubSpot's largest.
const PAGE: usize = 200;
/// Filter groups of a search.
const GROUPS: usize = 5;
/// HubSpot refuses search bodies of about this many characters and more.
const BODY_LIMIT: usize = 3_000;

/// The body of a search for so many rows, all five keys. Refused here if HubSpot would refuse it.
pub(crate) fn search_body(search: &ContactSearch, rows: usize) -> Result<String, UpstreamError> {
    if search.any_since.is_empty() || search.any_since.len() > GROUPS {
        return Err(refused_request(
            "SEARCH_GROUPS",
            format!("a search has {} bounds, allowed are 1 to 5", search.any_since.len()),
        ));
    }
    let groups: Vec<Value> = search
        .any_since
        .iter()
        .map(|(property, since)| {
            json!({ "filters": [
                { "propertyName": property, "operator": "GTE", "value": since.as_millisecond().to_string() },
                { "propertyName": "hs_object_id", "operator": "GT", "value": search.after.to_string() },
            ] })
        })
        .collect();
    let body = json!({
        "filterGroups": groups,
        "sorts": [{ "propertyName": "hs_object_id", "direction": "ASCENDING" }],
        "properties": search.properties,
        "limit": rows,
        "after": "0",
    })
    .to_string();
    if body.len() >= BODY_LIMIT {
        let message = format!(
            "a search body of {} characters, allowed are {BODY_LIMIT}: ask for fewer properties",
            body.len()
        );
        return Err(refused_request("SEARCH_BODY_TOO_LONG", message));
    }
    Ok(body)
}

impl HubSpot {
    pub(crate) async fn search_contacts(&self, search: &ContactSearch) -> Result<ContactPage, UpstreamError> {
        let (rows, answer) = pages::page(PAGE, "a contact that the search lists", |rows| async move {
            let body = search_body(search, rows)?;
            let call = Call {
                name: "search",
                bucket: Bucket::Search,
                limit: Limit::RECORDS,
                path: format!("/crm/objects/{}/contacts/search", self.api_version()),
                body: Some(&body),
            };
            Ok((rows, self.make_call(call).await?))
        })
        .await?;
        let answered = answer.date;
        let mut page = to_page(search, answer.parse_rows()?)?;
        page.count.limit = rows as u64;
        Ok(ContactPage { answered, ..page })
    }
}

/// A page of an answer.
pub(crate) fn to_page(search: &ContactSearch, mut found: Results<Record>) -> Result<ContactPage, UpstreamError> {
    // A row of which only the id can be read says enough: its contact is read by it.
    // HubSpot's ids have at most 63 bits, and one that was not asked for is not the row's: nobody knows whose that is.
    let usable = |id| {
        (search.after.0 + 1..=i64::MAX.unsigned_abs())
            .contains(&id)
            .then_some(ContactId(id))
    };
    let odd: Vec<Option<ContactId>> = found.odd_rows().iter().map(|row| row.id.and_then(usable)).collect();
    let records = found.take_rows()?;
    let total = found.total.as_ref().and_then(Scalar::id);
    let paged = found.paging.is_some_and(|paging| paging.has_next());
    let rows = (records.len() + odd.len()) as u64;
    let mut nameless = odd.iter().filter(|id| id.is_none()).count();
    let mut contacts = Vec::with_capacity(records.len());
    let mut order = Vec::with_capacity(records.len());
    for record in &records {
        let id = record.id().and_then(usable);
        order.extend(id);
        match id.and_then(|id| to_contact(record, id, &Asked::default(), None)) {
            _ if record.archived == Some(true) => {}
            Some(contact) => contacts.push(contact),
            None => nameless += 1,
        }
    }
    // It is not known where among the others the odd rows stood.
    let known: Vec<ContactId> = odd.into_iter().flatten().collect();
    let order = if order.is_empty() { known.clone() } else { order };
    contacts.extend(known.into_iter().map(bare_contact));
    contacts.sort_by_key(|contact| contact.id);
    contacts.dedup_by_key(|contact| contact.id);
    // A deleted contact may still be counted for a while. Without a row there is no id to go on from, nor a reason to.
    let next = if rows > 0 && total.map_or(paged, |total| total > rows) {
        let (next, misplaced) = next_bound(&order)?;
        nameless += misplaced;
        Some(next)
    } else {
        None
    };
    Ok(ContactPage {
        contacts,
        nameless,
        next,
        count: PageCount {
            rows,
            limit: 0,
            total,
            continues: paged,
        },
        answered: None,
    })
}

/// Where the next page begins, and how many rows of this one are out of place. All ids up to a row's have been on this page
/// or one before it as long as the rows ascend. Single rows at a wrong place are passed over: the bound is the last of the
/// longest ascending part, the least of several, so that what follows comes twice rather than not at all. Rows in another
/// order than ours say nothing of what is missing.
fn next_bound(order: &[ContactId]) -> Result<(ContactId, usize), UpstreamError> {
    // The least id that an ascending part of each length ends with.
    let mut ends: Vec<ContactId> = Vec::with_capacity(order.len());
    for id in order {
        let length = ends.partition_point(|end| end <= id);
        match ends.get_mut(length) {
            Some(end) => *end = *id,
            None => ends.push(*id),
        }
    }
    let misplaced = order.len() - ends.len();
    match ends.last() {
        None => Err(malformed_answer(
            "no row of a page of a search has an id above the bound",
        )),
        Some(_) if misplaced > order.len() / 2 => Err(malformed_answer(
            "the rows of a search are not in ascending order of hs_object_id",
        )),
        Some(last) => Ok((*last, misplaced)),
    }
}

/// A contact of which a search shows nothing but the id.
fn bare_contact(id: ContactId) -> Contact {
    Contact {
        requested_id: id,
        id,
        updated_at: None,
        as_of: None,
        properties: Properties::default(),
        history: Vec::new(),
        flaw: Some(Flaw {
            why: WRONG_TYPE.to_owned(),
            stages: Vec::new(),
        }),
    }
}
