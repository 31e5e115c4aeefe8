//! One scan: search page by page, read the histories that matter, note occurrences.

mod claim;
mod fresh;
mod lineages;
mod pages;
mod read_contact;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use futures::future::{BoxFuture, OptionFuture};
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;

use super::clock::latest_plausible;
use super::detect::MissedContact;
use super::pass::Pass;
use crate::api::ChangeDetection;
use crate::domain::contact::{LAST_MODIFIED, LIFECYCLE_STAGE, MERGED_IDS};
use crate::domain::ids::ContactId;
use crate::domain::search_paging::SearchPaging;
use crate::ports::crm::{ContactPage, ContactSearch, Crm, Portal};
use crate::ports::ledger::StreamId;
use crate::ports::pulse;
use crate::registry::Notice;
use crate::registry::sync_error::SyncError;
use crate::sync::absences::Absences;
use crate::sync::contact_cache::{ContactCache, ReadPlan};
use crate::sync::context::SyncContext;
use crate::sync::feed::bounds::{Tracked, contact_query, date_entered};
use crate::sync::feed::read_history::{Candidate, DatedStage, ReadHistory, ReadMark};
pub use crate::sync::feed::scan::fresh::FreshPoll;
use crate::sync::feed::scan::pages::{PageReader, Unnoted, search_from, turn_page};

/// Most groups in one search (docs/reference/hubspot.md 3).
const MAX_GROUPS: usize = 5;
/// Histories of so many pages are read at once.
const PAGES: usize = 3;

/// What a scan saw.
#[derive(Default)]
pub struct ScanFindings {
    newest: BTreeMap<String, Timestamp>,
    new: HashMap<StreamId, usize>,
    /// Rows noted for the first time.
    pub new_rows: usize,
    /// Newest modification of any contact found, HubSpot's clock.
    pub modified: Option<Timestamp>,
    /// The latest time the last answer can tell of, by its `Date`.
    pub latest: Option<Timestamp>,
    /// Stages of which a search by entry time found a contact.
    pub proven: BTreeSet<String>,
    /// Rows of searches that do not tell whose they are.
    pub nameless: usize,
    /// The first contact of each stage that a search by entry time should have found.
    pub strays: BTreeMap<String, MissedContact>,
}

impl ScanFindings {
    pub(super) fn record_newest(&mut self, stage: &str, at: Timestamp) {
        match self.newest.get_mut(stage) {
            Some(newest) => *newest = at.max(*newest),
            None => {
                self.newest.insert(stage.to_owned(), at);
            }
        }
    }

    /// Newest time seen for a stage, HubSpot's clock.
    pub fn newest_of(&self, stage: &str) -> Option<Timestamp> {
        self.newest.get(stage).copied()
    }

    /// Counts what a further scan of the same pass noted.
    pub fn add_rows(&mut self, other: &Self) {
        self.new_rows += other.new_rows;
        self.nameless += other.nameless;
        for (stream, new) in &other.new {
            *self.new.entry(*stream).or_default() += new;
        }
        self.modified = self.modified.max(other.modified);
    }

    /// New rows of a stream.
    pub fn new_of(&self, stream: StreamId) -> usize {
        self.new.get(&stream).copied().unwrap_or(0)
    }
}

/// Ways of finding contacts: which of a page's contacts need their history read.
#[derive(Clone, Copy)]
pub enum SearchMode<'a> {
    /// By the time of the last entry into stages, each with its bound.
    Entry(&'a BTreeMap<String, Timestamp>),
    /// By modification time.
    Modified,
    /// By modification time if the portal has entry times, so that contacts that never were in a stage are
    /// recognized by them; with the bounds of the stages for which that is not proven.
    FullScan(&'a BTreeMap<&'a str, Timestamp>),
}

/// One scan over a portal.
pub struct Scan<'a> {
    ctx: &'a SyncContext,
    crm: &'a dyn Crm,
    portal: &'a Portal,
    events: &'a [Tracked],
    stages: Vec<DatedStage>,
    history: &'a mut ReadHistory,
    unnoted: Unnoted,
    plan: ReadPlan,
    cache: ContactCache,
    absences: Absences,
    /// Rows that settle first may still be sent before their read grows old.
    keep_reads: bool,
    /// The polls in between, and what they look for.
    fresh: Option<FreshPoll>,
}

impl<'a> Scan<'a> {
    /// A scan for the events of this pass.
    pub fn new(ctx: &'a SyncContext, pass: &'a Pass, history: &'a mut ReadHistory) -> Self {
        let events = pass.events.as_slice();
        let stages: BTreeSet<&str> = events.iter().map(Tracked::stage).collect();
        let plan = contact_query(events.iter().map(|t| &t.event));
        let cache = events
            .first()
            .map(|t| ctx.contact_cache(&t.event.hubspot))
            .unwrap_or_default();
        let keep_reads = ctx.settings.waits.settle < ctx.settings.upload_interval;
        Self {
            ctx,
            crm: pass.crm.as_ref(),
            portal: &pass.portal,
            events,
            stages: stages.into_iter().map(DatedStage::new).collect(),
            history,
            unnoted: Unnoted::default(),
            plan,
            cache,
            absences: ctx.absences_of(&pass.account.key, pass.portal.id),
            keep_reads,
            fresh: None,
        }
    }

    /// The same, with polls in between.
    #[must_use]
    pub fn with_polls(self, fresh: FreshPoll) -> Self {
        let fresh = Some(fresh);
        Self { fresh, ..self }
    }

    /// Contacts whose last entry into a stage is at or after its bound; five stages a search.
    pub async fn by_entry(&mut self, bounds: &BTreeMap<String, Timestamp>) -> Result<ScanFindings, SyncError> {
        let mut seen = ScanFindings::default();
        let all: Vec<_> = bounds.iter().collect();
        for group in all.chunks(MAX_GROUPS) {
            let bounds: BTreeMap<String, Timestamp> = group.iter().map(|(s, t)| ((*s).clone(), **t)).collect();
            let any_since = bounds
                .iter()
                .map(|(stage, since)| (date_entered(stage), *since))
                .collect();
            self.search_pages(any_since, SearchMode::Entry(&bounds), &mut seen)
                .await?;
        }
        Ok(seen)
    }

    /// Contacts modified at or after `since`.
    pub async fn by_modification(&mut self, since: Timestamp, mode: SearchMode<'_>) -> Result<ScanFindings, SyncError> {
        let mut seen = ScanFindings::default();
        self.search_pages(vec![(LAST_MODIFIED.to_owned(), since)], mode, &mut seen)
            .await?;
        Ok(seen)
    }

    /// Asks for a contact by the very entry time it shows; without one, whether the search finds anybody who entered.
    pub async fn finds_missed(&self, stage: &str, missed: MissedContact) -> Result<bool, SyncError> {
        let since = missed.entered.unwrap_or(Timestamp::UNIX_EPOCH);
        let after = missed.entered.map_or(0, |_| missed.id.0.saturating_sub(1));
        let search = ContactSearch {
            any_since: vec![(date_entered(stage), since)],
            after: ContactId(after),
            properties: vec![LAST_MODIFIED.to_owned()],
        };
        let page = self.crm.search_contacts(&search).await?;
        let first = page.contacts.first().map(|c| c.id);
        Ok(first.is_some_and(|id| missed.entered.is_none() || id == missed.id))
    }

    async fn search_pages(
        &mut self,
        any_since: Vec<(String, Timestamp)>,
        mode: SearchMode<'_>,
        seen: &mut ScanFindings,
    ) -> Result<(), SyncError> {
        let search = self.search_for(any_since, mode);
        let read = self.read_pages(search, mode, seen).await;
        // What was read counts, also where what follows can't be.
        self.record(seen).await?;
        for tracked in self.events {
            self.ctx.due_rows.flush_rows(&tracked.event.google);
        }
        read
    }

    fn search_for(&self, any_since: Vec<(String, Timestamp)>, mode: SearchMode<'_>) -> ContactSearch {
        // Also what decides about a conversion: an answer beside that of the read, at no cost.
        let named = [LAST_MODIFIED, LIFECYCLE_STAGE, MERGED_IDS].map(str::to_owned);
        let mut properties: BTreeSet<String> = self.plan.0.iter().cloned().chain(named).collect();
        if !matches!(mode, SearchMode::Modified) {
            properties.extend(self.stages.iter().map(|dated| dated.property.clone()));
        }
        ContactSearch {
            any_since,
            after: ContactId(0),
            properties: properties.into_iter().collect(),
        }
    }

    /// The pages of a search: while the histories of some are read, the next one is searched.
    async fn read_pages(
        &mut self,
        search: ContactSearch,
        mode: SearchMode<'_>,
        seen: &mut ScanFindings,
    ) -> Result<(), SyncError> {
        let (crm, reader) = (self.crm, self.page_reader());
        let search_page = |search| Box::pin(search_from(crm, search));
        let mut paging = SearchPaging::starting_at(search.after);
        let mut searching = Some(search_page(search));
        // In the order of the pages: rows are recorded as contacts are found, which keeps those of a write together in
        // the ledger.
        let mut reads = FuturesOrdered::new();
        let mut failed = None;
        loop {
            pulse::beat();
            self.poll_if_due(seen).await?;
            tokio::select! {
                Some((search, page)) = OptionFuture::from(searching.as_mut()), if reads.len() < PAGES => {
                    searching = None;
                    match page {
                        Ok(page) => {
                            reads.push_back(reader.clone().read_page(self.choose_from(&page, mode, seen)));
                            // What else there is counts, also where the search is not whole.
                            let (next, fault) = turn_page(&mut paging, &page);
                            searching = next.map(|after| search_page(ContactSearch { after, ..search }));
                            failed = failed.or(fault);
                        }
                        Err(error) => failed = failed.or(Some(error)),
                    }
                }
                Some(read) = reads.next(), if !reads.is_empty() => match read {
                    Ok(mut page) => {
                        if let Some((_, error)) = page.failed.take() {
                            (searching, failed) = (None, failed.or(Some(error)));
                        }
                        self.unnoted.push(page);
                        if self.unnoted.are_enough() {
                            self.record(seen).await?;
                        }
                    }
                    // What is under way is worth noting, nothing more is begun.
                    Err(error) => (searching, failed) = (None, failed.or(Some(error))),
                },
                else => break,
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The contacts of a page whose histories are to be read.
    fn choose_from(&self, page: &ContactPage, mode: SearchMode<'_>, seen: &mut ScanFindings) -> Vec<ReadMark> {
        seen.nameless += page.nameless;
        let latest = latest_plausible(page.answered, self.ctx.clock.now());
        seen.latest = page.answered.map_or(seen.latest, |_| Some(latest));
        let found = page.contacts.iter();
        let found: Vec<_> = found.map(|c| Candidate::new(c, &self.stages, latest)).collect();
        self.inspect_page(&found, mode, seen);
        let wanted = found.iter().filter(|found| self.wants_history(found, mode));
        wanted
            .map(|found| found.read_mark(&self.stages, &self.plan.0))
            .collect()
    }

    /// Looks for what is fresh, where it is time to. The scan goes on where it was.
    fn poll_if_due<'s>(&'s mut self, seen: &'s mut ScanFindings) -> BoxFuture<'s, Result<(), SyncError>> {
        async move {
            // Taken out meanwhile: a poll has no poll in between.
            let Some(mut fresh) = self.fresh.take_if(|fresh| fresh.is_due()) else {
                return Ok(());
            };
            let polled = self.poll_fresh(&fresh, seen).await;
            fresh.last = Instant::now();
            self.fresh = Some(fresh);
            polled
        }
        .boxed()
    }

    async fn poll_fresh(&mut self, fresh: &FreshPoll, seen: &mut ScanFindings) -> Result<(), SyncError> {
        let before = seen.new_rows;
        let bounds: Vec<_> = fresh.bounds.iter().collect();
        if fresh.detection == ChangeDetection::DateEntered {
            for group in bounds.chunks(MAX_GROUPS) {
                let of_group = group.iter().map(|(stage, since)| ((*stage).clone(), **since)).collect();
                let any_since = group
                    .iter()
                    .map(|(stage, since)| (date_entered(stage), **since))
                    .collect();
                let mode = SearchMode::Entry(&of_group);
                self.read_pages(self.search_for(any_since, mode), mode, seen).await?;
            }
        } else if let Some(since) = fresh.bounds.values().min() {
            let any_since = vec![(LAST_MODIFIED.to_owned(), *since)];
            let mode = SearchMode::Modified;
            self.read_pages(self.search_for(any_since, mode), mode, seen).await?;
        }
        self.record(seen).await?;
        if seen.new_rows > before {
            for tracked in self.events {
                self.ctx.registry.update_report(&tracked.event.key, |_| Notice::Soon);
            }
        }
        Ok(())
    }

    fn page_reader(&self) -> PageReader<'a> {
        PageReader {
            ctx: self.ctx,
            crm: self.crm,
            absences: self.absences.clone(),
            plan: self.plan.clone(),
            beside: self.history.fruitless.is_running(),
        }
    }

    fn wants_history(&self, found: &Candidate<'_>, mode: SearchMode<'_>) -> bool {
        match mode {
            SearchMode::Entry(_) => self.history.new_entry(found),
            SearchMode::Modified => self.history.new_modification(found),
            SearchMode::FullScan(_) => self.history.new_modification(found) && found.may_concern(&self.stages),
        }
    }

    /// What a page says before any history is read.
    fn inspect_page(&self, page: &[Candidate<'_>], mode: SearchMode<'_>, seen: &mut ScanFindings) {
        for found in page {
            seen.modified = seen.modified.max(found.modified);
            match mode {
                SearchMode::Entry(bounds) => advance_newest(found, bounds, seen),
                SearchMode::Modified => {
                    if let Some(modified) = found.modified {
                        self.stages
                            .iter()
                            .for_each(|dated| seen.record_newest(&dated.stage, modified));
                    }
                }
                SearchMode::FullScan(unproven) if self.history.new_entry(found) => record_missed(found, unproven, seen),
                SearchMode::FullScan(_) => {}
            }
        }
    }
}

/// Moves the newest times on. An entry time later than the record's modification is no time of HubSpot's clock.
fn advance_newest(found: &Candidate<'_>, bounds: &BTreeMap<String, Timestamp>, seen: &mut ScanFindings) {
    for (stage, bound) in bounds {
        if let Some(at) = found.entered_at(stage).filter(|at| at >= bound) {
            if let Some(modified) = found.modified {
                seen.record_newest(stage, at.min(modified));
            }
            if !seen.proven.contains(stage) {
                seen.proven.insert(stage.clone());
            }
        }
    }
}

/// Notes whether searches by entry time, which did not find this contact, should have found it.
fn record_missed(found: &Candidate<'_>, unproven: &BTreeMap<&str, Timestamp>, seen: &mut ScanFindings) {
    for (stage, bound) in unproven {
        let entered = found.entered_at(stage);
        if entered.map_or_else(|| found.is_in(stage), |at| at >= *bound) {
            let id = found.contact.id;
            let missed = MissedContact { id, entered };
            seen.strays.entry((*stage).to_owned()).or_insert(missed);
        }
    }
}
