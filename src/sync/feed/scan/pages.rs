//! Pages of contacts with their histories: how they are read, and those that wait to be noted.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::domain::contact::Contact;
use crate::domain::ids::ContactId;
use crate::domain::search_paging::{PagingStep, SearchPaging};
use crate::domain::shown_state::ShownState;
use crate::ports::crm::{ContactPage, ContactSearch, Crm, Unreadable};
use crate::ports::{Cause, UpstreamError, pulse};
use crate::sync::absences::{Absences, AbsentContact};
use crate::sync::contact_cache::ReadPlan;
use crate::sync::contact_reader::ContactReader;
use crate::sync::context::SyncContext;
use crate::sync::feed::aside::Suspicion;
use crate::sync::feed::read_history::ReadMark;
use crate::sync::feed::verdict::Evidence;

/// Contacts that are enough for one write, about a kilobyte each.
const ENOUGH: usize = 1_000;
/// Bytes of contacts that are enough for one write.
const MUCH: usize = 2 << 20;
/// Longest wait of a page for others, plus the time that the next one takes.
const LONGEST: Duration = Duration::from_secs(1);

/// The contacts of a page with their histories.
#[derive(Default)]
pub(crate) struct PageRead {
    /// Contacts whose history was read, and when they were asked for.
    pub(crate) contacts: Vec<(Timestamp, Arc<Contact>)>,
    /// Those of which nothing can be read.
    pub(crate) unreadable: Unreadable<ContactId>,
    /// Those that HubSpot does not show and that may be there.
    pub(crate) sought: BTreeMap<ContactId, AbsentContact>,
    /// The state they were read in.
    pub(crate) read: Vec<ReadMark>,
    /// Those whose read failed, while that of others was answered.
    pub(crate) failed: Option<(BTreeSet<ContactId>, UpstreamError)>,
    /// Contacts with an id that was merged into each, and that the read does not name.
    pub(crate) unnamed: BTreeSet<(ContactId, ContactId)>,
    /// Contacts that may have been merged, though nobody says from whom.
    pub(crate) suspicions: BTreeMap<ContactId, Suspicion>,
    /// HubSpot has shown somebody, be it one who was asked for beside these.
    pub(crate) shows: bool,
}

impl PageRead {
    /// All but the deleted ones, and those whose read failed.
    pub(crate) fn existing_ids(&self) -> HashSet<ContactId> {
        let read = self.contacts.iter().map(|(_, contact)| contact.requested_id);
        let others = self.unreadable.keys().chain(self.sought.keys());
        read.chain(others.copied()).collect()
    }

    /// All ids of a contact's lineage, sorted.
    pub(crate) fn lineage_of(&self, contact: &Contact) -> Vec<ContactId> {
        let mut ids: BTreeSet<ContactId> = contact.lineage().into_iter().collect();
        let unnamed = self.unnamed.iter().filter(|(own, _)| *own == contact.id);
        ids.extend(unnamed.map(|(_, id)| *id));
        ids.into_iter().collect()
    }

    /// What the search has shown of a contact.
    pub(crate) fn shown_of(&self, contact: ContactId) -> Option<&ShownState> {
        self.mark_of(contact).map(|mark| &mark.shown)
    }

    /// What is known of a contact beside its read.
    pub(crate) fn evidence_of(&self, contact: &Contact) -> Evidence<'_> {
        Evidence {
            shown: self.shown_of(contact.requested_id),
            suspicion: self.suspicions.get(&contact.id).copied(),
        }
    }

    /// The state that the search has shown of a contact.
    pub(crate) fn mark_of(&self, contact: ContactId) -> Option<&ReadMark> {
        // In the order of the page, which is that of the ids.
        let place = self.read.binary_search_by_key(&contact, |mark| mark.id).ok()?;
        self.read.get(place)
    }
}

/// Pages that were read and not noted.
#[derive(Default)]
pub(crate) struct Unnoted {
    pub(crate) pages: Vec<PageRead>,
    since: Option<Instant>,
}

impl Unnoted {
    pub(crate) fn push(&mut self, page: PageRead) {
        if !page.contacts.is_empty() || !page.unreadable.is_empty() || !page.sought.is_empty() {
            self.since.get_or_insert_with(Instant::now);
            self.pages.push(page);
        }
    }

    pub(crate) fn are_enough(&self) -> bool {
        let contacts = || self.pages.iter().flat_map(|page| &page.contacts);
        let size: usize = contacts().map(|(_, contact)| contact.size()).sum();
        contacts().count() >= ENOUGH || size >= MUCH || self.since.is_some_and(|since| since.elapsed() >= LONGEST)
    }
}

/// Reads pages of contacts with their histories. It has nothing of the scan, which notes pages meanwhile.
#[derive(Clone)]
pub(crate) struct PageReader<'a> {
    pub(crate) ctx: &'a SyncContext,
    pub(crate) crm: &'a dyn Crm,
    pub(crate) absences: Absences,
    pub(crate) plan: ReadPlan,
    /// As in [`ContactReader`].
    pub(crate) beside: bool,
}

impl PageReader<'_> {
    /// Those of the contacts with these marks.
    pub(crate) async fn read_page(self, marks: Vec<ReadMark>) -> Result<PageRead, UpstreamError> {
        let ids: Vec<_> = marks.iter().map(|mark| mark.id).collect();
        let mut page = self.read_histories(&ids).await?;
        // One that was deleted in between is read again should it be restored.
        let open = page.existing_ids();
        page.read = marks.into_iter().filter(|mark| open.contains(&mark.id)).collect();
        Ok(page)
    }

    /// Those of these contacts.
    pub(crate) async fn read_histories(&self, ids: &[ContactId]) -> Result<PageRead, UpstreamError> {
        let mut page = PageRead::default();
        let reader = ContactReader {
            ctx: self.ctx,
            crm: self.crm,
            absences: &self.absences,
            beside: self.beside,
        };
        let answer = reader.read_contacts(ids, &self.plan).await?;
        let contacts = answer.contacts.into_iter();
        page.contacts = contacts.map(|(asked, contact)| (asked, Arc::new(contact))).collect();
        page.unreadable = answer.unreadable;
        page.sought = answer.sought;
        page.failed = answer.failed;
        page.shows = answer.shows;
        Ok(page)
    }
}

/// Before each further try for a page that shows less than it counts:
/// contacts that were deleted may be counted a moment longer.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// One page of a search, with the search that found it.
pub(crate) async fn search_from(
    crm: &dyn Crm,
    search: ContactSearch,
) -> (ContactSearch, Result<ContactPage, UpstreamError>) {
    for pause in PAUSES {
        match crm.search_contacts(&search).await {
            Ok(page) if page.count.is_short() => tokio::time::sleep(pause).await,
            page => return (search, page),
        }
        pulse::beat();
    }
    let page = crm.search_contacts(&search).await;
    (search, page)
}

/// The bound of the page behind this one, and why the search can't be whole, if so.
pub(crate) fn turn_page(paging: &mut SearchPaging, page: &ContactPage) -> (Option<ContactId>, Option<UpstreamError>) {
    let count = &page.count;
    let short = count.is_short().then(|| {
        let (rows, total) = (count.rows, count.total.unwrap_or_default().max(count.rows + 1));
        incomplete_search(&format!("a page shows {rows} of {total} contacts"))
    });
    match paging.turn(count, page.next) {
        PagingStep::Page(bound) => (Some(bound), short),
        PagingStep::End => (None, short),
        PagingStep::GiveUp => {
            let fault = || incomplete_search("later pages have fewer contacts than earlier ones announced");
            (None, Some(short.unwrap_or_else(fault)))
        }
    }
}

fn incomplete_search(what: &str) -> UpstreamError {
    let message = format!("HubSpot's search for contacts is incomplete: {what}. It is repeated");
    UpstreamError::new("HubSpot", Cause::Malformed, message)
}
