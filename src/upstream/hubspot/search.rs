//! Contact search: keyset paging by `hs_object_id`, with lower bounds only (docs/reference/hubspot.md 3) except around
//! contacts because of which searches fail ([`super::failed_searches`]).
//!
//! `after` cursors are never used: they shift when rows change while paging, and end at 10,000 rows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::{debug, warn};

use super::asked::AskedProperties;
use super::client::{Call, HubSpot};
use super::contacts::to_contact;
use super::errors::{malformed_answer, refused_request};
use super::failed_searches::{ContactHuntProgress, IdRange};
use super::items::WRONG_TYPE;
use super::limits::Bucket;
use super::pages;
use super::wire::{Record, Results, Scalar};
use super::withheld::{Blame, PropertyNames, asked_names, mark_withheld, may_concern_property};
use crate::domain::brief::brief;
use crate::domain::contact::Properties;
use crate::domain::ids::ContactId;
use crate::ports::UpstreamError;
use crate::ports::crm::{Contact, ContactPage, ContactSearch, Flaw, PageCount};
use crate::upstream::http::body::AnswerLimit;

/// Rows of a page: the largest there is.
const PAGE: usize = 200;
/// Filter groups of a search.
const GROUPS: usize = 5;
/// HubSpot refuses search bodies of about this many characters and more.
const BODY_LIMIT: usize = 3_000;
/// The code with which we refuse such a search ourselves.
const TOO_LONG: &str = "SEARCH_BODY_TOO_LONG";
/// The reason given for a contact because of which searches fail.
const BREAKS_SEARCHES: &str = "HubSpot's searches fail with it";

/// The body of a search with all five keys: for this many rows with ids of this range. An error if HubSpot would refuse
/// it.
pub(crate) fn search_body(search: &ContactSearch, range: IdRange, rows: usize) -> Result<String, UpstreamError> {
    if search.any_since.is_empty() || search.any_since.len() > GROUPS {
        return Err(refused_request(
            "SEARCH_GROUPS",
            format!("a search has {} bounds, allowed are 1 to 5", search.any_since.len()),
        ));
    }
    let filter = |property: &str, operator, value: String| json!({ "propertyName": property, "operator": operator, "value": value });
    let group = |(property, since): &(String, Timestamp)| {
        let since = filter(property, "GTE", since.as_millisecond().to_string());
        let above = filter("hs_object_id", "GT", range.above.to_string());
        let upto = range.upto.map(|upto| filter("hs_object_id", "LTE", upto.to_string()));
        let filters: Vec<Value> = [Some(since), Some(above), upto].into_iter().flatten().collect();
        json!({ "filters": filters })
    };
    let groups: Vec<Value> = search.any_since.iter().map(group).collect();
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
        return Err(refused_request(TOO_LONG, message));
    }
    Ok(body)
}

/// An answer to a search, and the properties that it was asked for.
struct Found {
    /// Rows that were requested.
    limit: u64,
    answered: Option<Timestamp>,
    records: Results<Record>,
}

impl HubSpot {
    /// Runs a search without the properties that HubSpot withholds. If it fails with the optional properties, or is too
    /// long, it is made without all of them.
    pub(crate) async fn search_contacts(&self, search: &ContactSearch) -> Result<ContactPage, UpstreamError> {
        let mut ends = None;
        let names = PropertyNames::of(&search.properties, &[]);
        let all: Arc<BTreeSet<String>> = Arc::new(names.all().cloned().collect());
        loop {
            let (withheld, version) = self.left_out(search.properties.iter());
            let plain = !names.is_empty() && (self.withheld.lock().is_plain(Instant::now()) || is_too_long(search));
            let withheld = if plain { Some(Arc::clone(&all)) } else { withheld };
            let asked = without(search, withheld.as_deref());
            let error = match self.search_around(&asked, &mut ends).await {
                Ok(page) => {
                    if !plain {
                        self.withheld.lock().note_whole();
                    }
                    return Ok(withholding(page, withheld.as_ref()));
                }
                Err(error) if plain || names.is_empty() || !may_concern_property(&error) => return Err(error),
                Err(error) => error,
            };
            let asked = PropertyNames::of(&asked.properties, &[]);
            match self.blame((&asked, version), None, &error, &mut ends).await {
                Blame::Property => continue,
                // Reads with the same names are answered, so perhaps only searches can't show one of them.
                Blame::Records | Blame::Perhaps => {}
                Blame::Unknown => return Err(error),
            }
            let page = self.search_around(&without(search, Some(&all)), &mut ends).await;
            let page = page.map_err(|_| error)?;
            self.withheld.lock().note_plain(self.longest_pause(), Instant::now());
            return Ok(withholding(page, Some(&all)));
        }
    }

    /// Runs a search that avoids contacts because of which it fails.
    async fn search_around(
        &self,
        search: &ContactSearch,
        ends: &mut Option<Instant>,
    ) -> Result<ContactPage, UpstreamError> {
        loop {
            let breaks = self.known_to_break(search, ends).await;
            let range = IdRange {
                above: search.after,
                upto: breaks.map(|id| ContactId(id.0.saturating_sub(1))),
            };
            match self.ask_range(search, range, self.retries()).await {
                Ok(found) => {
                    let mut page = to_page(range, found.records)?;
                    page.count.limit = found.limit;
                    page.answered = found.answered;
                    if let Some(id) = breaks {
                        end_before(&mut page, id);
                    }
                    self.failed_searches.lock().note_answered(search, page.next);
                    return Ok(page);
                }
                Err(error) => {
                    if !error.may_concern_a_part() || !self.find_what_breaks(search, range, ends).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn ask_range(&self, search: &ContactSearch, range: IdRange, retries: u32) -> Result<Found, UpstreamError> {
        pages::page(PAGE, "a contact that the search lists", |rows| async move {
            let body = search_body(search, range, rows)?;
            let call = Call {
                name: "search",
                bucket: Bucket::Search,
                limit: AnswerLimit::RECORDS,
                path: format!("/crm/objects/{}/contacts/search", self.api_version()),
                body: Some(&body),
            };
            let answer = self.make_call_repeatedly(call, retries).await?;
            Ok(Found {
                limit: rows as u64,
                answered: answer.date,
                records: answer.parse_rows()?,
            })
        })
        .await
    }

    /// The first contact after the bound because of which this search is known to fail.
    async fn known_to_break(&self, search: &ContactSearch, ends: &mut Option<Instant>) -> Option<ContactId> {
        loop {
            let known = self.failed_searches.lock().first_known(search, Instant::now());
            let (id, is_due) = known.filter(|_| has_room(search))?;
            if !is_due || !self.has_time(ends) {
                return Some(id);
            }
            let Some(fails) = self.fails(search, IdRange::of_one(id)).await else {
                return Some(id);
            };
            self.failed_searches
                .lock()
                .asked_again(search, id, fails, Instant::now());
        }
    }

    /// True until it is time to leave the rest to the next search. The first call always returns true.
    pub(crate) fn has_time(&self, ends: &mut Option<Instant>) -> bool {
        let now = Instant::now();
        let first = ends.is_none();
        first | (now < *ends.get_or_insert(now + self.transport.config().waits.hunt))
    }

    /// True if this search fails for these in a way that a contact may cause. `None` if that can't be told now.
    async fn fails(&self, search: &ContactSearch, range: IdRange) -> Option<bool> {
        // A wrong step of the bisection is found out when the contact is asked for alone.
        let retries = if range.is_of_one() { self.retries() } else { 0 };
        match self.ask_range(search, range, retries).await {
            Ok(_) => Some(false),
            Err(error) if error.may_concern_a_part() => Some(true),
            Err(error) => {
                debug!(error = brief(&error), "a search up to an id brought no answer");
                None
            }
        }
    }

    /// Looks for the contact because of which the search for these failed. True once it is known.
    async fn find_what_breaks(&self, search: &ContactSearch, range: IdRange, ends: &mut Option<Instant>) -> bool {
        if !has_room(search) || !self.failed_searches.lock().note_failed(search, range, Instant::now()) {
            return false;
        }
        loop {
            let probe = self.failed_searches.lock().next_probe(search);
            // A search for nobody takes no time if searches work.
            let mut has_time = |probe: IdRange| probe.is_of_none() || self.has_time(ends);
            let Some((asked, probe)) = probe.filter(|(_, probe)| has_time(*probe)) else {
                return false;
            };
            let Some(fails) = self.fails(&asked, probe).await else {
                return false;
            };
            let progress = self
                .failed_searches
                .lock()
                .note_probe(search, probe, fails, Instant::now());
            match progress {
                ContactHuntProgress::Narrowed => {}
                ContactHuntProgress::Found(contact) => {
                    warn!(%contact, "HubSpot's searches fail with this contact: it is read by its id");
                    return true;
                }
                ContactHuntProgress::AllFail | ContactHuntProgress::Contradicted => return false,
            }
        }
    }
}

/// True if HubSpot would refuse this search for its length.
fn is_too_long(search: &ContactSearch) -> bool {
    let range = IdRange {
        above: search.after,
        upto: None,
    };
    search_body(search, range, PAGE).is_err_and(|error| error.code.as_deref() == Some(TOO_LONG))
}

/// The same search without these properties.
fn without(search: &ContactSearch, names: Option<&BTreeSet<String>>) -> ContactSearch {
    ContactSearch {
        properties: asked_names(&search.properties, names),
        ..search.clone()
    }
}

/// A page of a search that did not ask for these properties.
fn withholding(mut page: ContactPage, names: Option<&Arc<BTreeSet<String>>>) -> ContactPage {
    mark_withheld(&mut page.contacts, names);
    page
}

/// True if the search leaves room for an upper bound, too.
fn has_room(search: &ContactSearch) -> bool {
    let longest = IdRange::from_to(search.after, ContactId(u64::MAX));
    search_body(search, longest, PAGE).is_ok()
}

/// The page of the contacts before one because of which searches fail. That one comes last: it is read by its id, as
/// all are. Such a page does not say whether there are more contacts after it.
fn end_before(page: &mut ContactPage, id: ContactId) {
    let count = &mut page.count;
    count.continues |= count.total.is_some_and(|total| total > count.rows);
    count.total = None;
    if page.next.is_none() {
        page.next = Some(id);
        page.contacts.push(bare_contact(id, BREAKS_SEARCHES));
    }
}

/// The page that an answer holds.
pub(crate) fn to_page(range: IdRange, mut found: Results<Record>) -> Result<ContactPage, UpstreamError> {
    // A row with a readable id is enough: its contact is read by that id. HubSpot's ids have at most 63 bits, and an id
    // outside of the requested range is not the row's: nobody knows whose it is.
    let greatest = range.upto.map_or(i64::MAX.unsigned_abs(), |upto| upto.0);
    let usable = |id| (range.above.0 + 1..=greatest).contains(&id).then_some(ContactId(id));
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
        match id.and_then(|id| to_contact(record, id, &AskedProperties::default(), None)) {
            _ if record.archived == Some(true) => {}
            Some(contact) => contacts.push(contact),
            None => nameless += 1,
        }
    }
    // The place of the odd rows among the others is not known.
    let known: Vec<ContactId> = odd.into_iter().flatten().collect();
    let order = if order.is_empty() { known.clone() } else { order };
    contacts.extend(known.into_iter().map(|id| bare_contact(id, WRONG_TYPE)));
    contacts.sort_by_key(|contact| contact.id);
    contacts.dedup_by_key(|contact| contact.id);
    // A deleted contact may still be counted for a while. Without a row there is no id to continue from, and no reason
    // to.
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

/// Where the next page begins, and how many rows of this one are out of place. All ids up to a row's have been on this
/// page or one before it as long as the rows ascend. Single rows at a wrong place are passed over: the bound is the
/// last of the longest ascending part, the least of several, so that what follows comes twice rather than not at all.
/// Rows in another order than ours say nothing of what is missing.
fn next_bound(order: &[ContactId]) -> Result<(ContactId, usize), UpstreamError> {
    // For each length, the least id at which an ascending part of that length ends.
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

/// A contact of which a search shows only the id.
fn bare_contact(id: ContactId, why: &str) -> Contact {
    Contact {
        requested_id: id,
        id,
        updated_at: None,
        as_of: None,
        properties: Properties::default(),
        history: Vec::new(),
        flaw: Some(Flaw {
            why: why.to_owned(),
            stages: Vec::new(),
        }),
    }
}
