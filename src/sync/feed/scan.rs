//! One scan: search page by page, read the histories that matter, note occurrences.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::Pass;
use super::detect::Stray;
use super::memory::{LAST_MODIFIED, Memory, concerns, entered, modified};
use super::plan::{Tracked, date_entered, read_plan};
use crate::domain::contact::{Contact, LIFECYCLE_STAGE, MERGED_IDS};
use crate::domain::eligibility::{Occurrence, first_wait};
use crate::domain::ids::{ContactId, OccurrenceKey};
use crate::domain::occurrence::{candidates, entries};
use crate::domain::outcome::{Outcome, reason};
use crate::sync::context::{ContactCache, ReadPlan, SyncContext};
use crate::sync::fault::Fault;
use crate::sync::ports::crm::{ContactRead, ContactSearch, Crm, Portal};
use crate::sync::ports::ledger::{NewRow, TrackId};

/// Most groups in one search (reference notes, HubSpot 3).
const MAX_GROUPS: usize = 5;
/// Most contacts in one read with history (reference notes, HubSpot 4.4).
pub const MAX_READ: usize = 50;

/// What a scan saw.
#[derive(Default)]
pub struct Seen {
    newest: BTreeMap<String, Timestamp>,
    new: HashMap<TrackId, usize>,
    /// Rows noted for the first time.
    pub new_rows: usize,
    /// Newest modification of any contact found, HubSpot's clock.
    pub modified: Option<Timestamp>,
    /// Stages of which a search by entry time found a contact.
    pub proven: BTreeSet<String>,
    /// The first contact of each stage that a search by entry time should have found.
    pub strays: BTreeMap<String, Stray>,
}

impl Seen {
    fn saw(&mut self, stage: &str, at: Timestamp) {
        self.newest
            .entry(stage.to_owned())
            .and_modify(|t| *t = (*t).max(at))
            .or_insert(at);
    }

    /// Newest time seen for a stage, HubSpot's clock.
    pub fn newest_of(&self, stage: &str) -> Option<Timestamp> {
        self.newest.get(stage).copied()
    }

    /// Counts what a further scan of the same pass noted.
    pub fn add_rows(&mut self, other: &Self) {
        self.new_rows += other.new_rows;
        for (track, new) in &other.new {
            *self.new.entry(*track).or_default() += new;
        }
        self.modified = self.modified.max(other.modified);
    }

    /// New rows of a track.
    pub fn new_of(&self, track: TrackId) -> usize {
        self.new.get(&track).copied().unwrap_or(0)
    }
}

/// Ways of finding contacts: which of a page's contacts need their history read.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// By the time of the last entry into stages, each with its bound.
    Entry(&'a BTreeMap<String, Timestamp>),
    /// By modification time.
    Modified,
    /// By modification time where the portal has entry times, so that contacts that never were in a stage can be told
    /// by them; with the bounds of the stages for which that is not proven.
    Swept(&'a BTreeMap<&'a str, Timestamp>),
}

/// One scan over a portal.
pub struct Scan<'a> {
    ctx: &'a SyncContext,
    crm: &'a dyn Crm,
    portal: &'a Portal,
    events: &'a [Tracked],
    stages: Vec<String>,
    memory: &'a mut Memory,
    plan: ReadPlan,
    cache: Arc<ContactCache>,
    /// Reads are only worth keeping where rows may be sent before they grow old.
    keep_reads: bool,
}

impl<'a> Scan<'a> {
    /// A scan for the events of this pass.
    pub fn new(ctx: &'a SyncContext, pass: &'a Pass, memory: &'a mut Memory) -> Self {
        let events = pass.events.as_slice();
        let mut stages: Vec<_> = events.iter().map(|t| t.stage().to_owned()).collect();
        stages.sort_unstable();
        stages.dedup();
        let plan = read_plan(events.iter().map(|t| &t.event));
        let cache = events
            .first()
            .map(|t| ctx.contacts(&t.event.hubspot))
            .unwrap_or_default();
        let keep_reads = ctx.settings.waits.settle < ctx.settings.upload_interval;
        Self {
            ctx,
            crm: pass.crm.as_ref(),
            portal: &pass.portal,
            events,
            stages,
            memory,
            plan,
            cache,
            keep_reads,
        }
    }

    /// Contacts whose last entry into a stage is at or after its bound; five stages a search.
    pub async fn by_entry(&mut self, bounds: &BTreeMap<String, Timestamp>) -> Result<Seen, Fault> {
        let mut seen = Seen::default();
        let all: Vec<_> = bounds.iter().collect();
        for group in all.chunks(MAX_GROUPS) {
            let bounds: BTreeMap<String, Timestamp> = group.iter().map(|(s, t)| ((*s).clone(), **t)).collect();
            let any_since = bounds
                .iter()
                .map(|(stage, since)| (date_entered(stage), *since))
                .collect();
            self.pages(any_since, Way::Entry(&bounds), &mut seen).await?;
        }
        Ok(seen)
    }

    /// Contacts modified at or after `since`.
    pub async fn by_modification(&mut self, since: Timestamp, way: Way<'_>) -> Result<Seen, Fault> {
        let mut seen = Seen::default();
        self.pages(vec![(LAST_MODIFIED.to_owned(), since)], way, &mut seen)
            .await?;
        Ok(seen)
    }

    /// Asks for a contact by the very entry time it shows; without one, whether the search finds anybody who entered.
    pub async fn finds(&self, stage: &str, stray: Stray) -> Result<bool, Fault> {
        let since = stray.entered.unwrap_or(Timestamp::UNIX_EPOCH);
        let after = stray.entered.map_or(0, |_| stray.id.0.saturating_sub(1));
        let search = ContactSearch {
            any_since: vec![(date_entered(stage), since)],
            after: ContactId(after),
            properties: vec![LAST_MODIFIED.to_owned()],
        };
        let page = self.crm.search(&search).await?;
        let first = page.contacts.first().map(|c| c.id);
        Ok(first.is_some_and(|id| stray.entered.is_none() || id == stray.id))
    }

    async fn pages(&mut self, any_since: Vec<(String, Timestamp)>, way: Way<'_>, seen: &mut Seen) -> Result<(), Fault> {
        let mut properties = vec![
            LAST_MODIFIED.to_owned(),
            LIFECYCLE_STAGE.to_owned(),
            MERGED_IDS.to_owned(),
        ];
        if !matches!(way, Way::Modified) {
            properties.extend(self.stages.iter().map(|s| date_entered(s)));
        }
        let mut search = ContactSearch {
            any_since,
            after: ContactId(0),
            properties,
        };
        loop {
            let page = self.crm.search(&search).await?;
            let Some(last) = page.contacts.iter().map(|c| c.id).max() else {
                return Ok(());
            };
            self.page(&page.contacts, way, seen).await?;
            if !page.more {
                return Ok(());
            }
            search.after = last;
        }
    }

    async fn page(&mut self, found: &[Contact], way: Way<'_>, seen: &mut Seen) -> Result<(), Fault> {
        self.look(found, way, seen);
        let wanted: Vec<&Contact> = found.iter().filter(|c| self.wants(c, way)).collect();
        let asked = self.ctx.clock.now();
        let mut contacts = Vec::with_capacity(wanted.len());
        for chunk in wanted.chunks(MAX_READ) {
            let read = ContactRead {
                ids: chunk.iter().map(|c| c.id).collect(),
                properties: self.plan.0.clone(),
                with_history: self.plan.1.clone(),
            };
            contacts.extend(self.crm.read(&read).await?);
        }
        let read: BTreeSet<ContactId> = contacts.iter().map(|c| c.requested_id).collect();
        // Once a page and not once a read: each is a write to the disk.
        self.observe(contacts, asked, seen).await?;
        // One that was deleted in between is read again should it be restored.
        for contact in wanted.iter().filter(|c| read.contains(&c.id)) {
            self.memory.note(contact, self.stages.iter());
        }
        Ok(())
    }

    fn wants(&self, contact: &Contact, way: Way<'_>) -> bool {
        match way {
            Way::Entry(_) => self.memory.new_entry(contact, self.stages.iter()),
            Way::Modified => self.memory.new_modification(contact),
            Way::Swept(_) => self.memory.new_modification(contact) && concerns(contact, self.stages.iter()),
        }
    }

    /// What a page tells before any history is read.
    fn look(&self, found: &[Contact], way: Way<'_>, seen: &mut Seen) {
        for contact in found {
            seen.modified = seen.modified.max(Some(modified(contact)));
            match way {
                Way::Entry(bounds) => Self::advance(contact, bounds, seen),
                Way::Modified => {
                    for stage in &self.stages {
                        seen.saw(stage, modified(contact));
                    }
                }
                Way::Swept(unproven) if self.memory.new_entry(contact, self.stages.iter()) => {
                    strays(contact, unproven, seen);
                }
                Way::Swept(_) => {}
            }
        }
    }

    /// Moves the newest times on. An entry time later than the record's modification is no time of HubSpot's clock.
    fn advance(contact: &Contact, bounds: &BTreeMap<String, Timestamp>, seen: &mut Seen) {
        for (stage, bound) in bounds {
            if let Some(at) = entered(contact, stage).filter(|at| at >= bound) {
                seen.saw(stage, at.min(modified(contact)));
                seen.proven.insert(stage.clone());
            }
        }
    }

    /// Notes the occurrences of contacts, asked for at `asked`, for every event.
    async fn observe(&mut self, contacts: Vec<Contact>, asked: Timestamp, seen: &mut Seen) -> Result<(), Fault> {
        let now = self.ctx.clock.now();
        let concerned: Vec<&Contact> = contacts
            .iter()
            .filter(|c| {
                self.events
                    .iter()
                    .any(|t| !entries(c, t.stage(), t.event.start).is_empty())
            })
            .collect();
        if !concerned.is_empty() {
            let lineages: Vec<_> = concerned.iter().map(|c| c.lineage()).collect();
            let roots = self.ctx.ledger.roots(self.portal.id, &lineages).await?;
            for tracked in self.events {
                let suspended = self.ctx.registry.is_suspended(&tracked.event);
                let mut rows = Vec::new();
                for ((contact, lineage), roots) in concerned.iter().zip(&lineages).zip(&roots) {
                    for at in entries(contact, tracked.stage(), tracked.event.start) {
                        let (root, others) = (roots.root, &roots.others);
                        let keys = candidates(self.portal.id, root, lineage, others, tracked.stage(), at);
                        rows.push(self.row(tracked, contact, at, keys, now, suspended));
                    }
                }
                let new = if rows.is_empty() {
                    0
                } else {
                    self.ctx.ledger.observe(tracked.track, &rows).await?
                };
                *seen.new.entry(tracked.track).or_default() += new;
                seen.new_rows += new;
            }
        }
        if self.keep_reads {
            for contact in contacts {
                self.cache.put(Arc::new(contact), &self.plan, asked);
            }
        }
        Ok(())
    }

    fn row(
        &self,
        tracked: &Tracked,
        contact: &Contact,
        at: Timestamp,
        keys: Vec<OccurrenceKey>,
        now: Timestamp,
        suspended: bool,
    ) -> NewRow {
        let occurrence = Occurrence { at, first_seen: now };
        let waits = &self.ctx.settings.waits;
        let (reason, due) =
            first_wait(contact, occurrence, &tracked.event.rules.clicks, waits, now).unwrap_or((reason::NOT_DUE, now));
        NewRow {
            keys,
            contact: contact.id,
            submission: None,
            occurred_at: at,
            first_seen: now,
            outcome: Outcome::Pending,
            reason: reason.to_owned(),
            due,
            while_suspended: suspended,
        }
    }
}

/// Notes where this contact, of which searches by entry time told nothing, should have been found by them.
fn strays(contact: &Contact, unproven: &BTreeMap<&str, Timestamp>, seen: &mut Seen) {
    for (stage, bound) in unproven {
        let at = entered(contact, stage);
        let in_stage = contact.property(LIFECYCLE_STAGE) == Some(stage);
        if at.map_or(in_stage, |at| at >= *bound) {
            let stray = Stray {
                id: contact.id,
                entered: at,
            };
            seen.strays.entry((*stage).to_owned()).or_insert(stray);
        }
    }
}
