//! Noting what was read: some pages at a time, since each is a write to the disk.

use std::sync::Arc;

use jiff::Timestamp;

use super::pages::PageRead;
use super::{Scan, ScanFindings};
use crate::domain::contact::{Contact, Flaw, LIFECYCLE_STAGE};
use crate::domain::eligibility::{Occurrence, first_wait};
use crate::domain::ids::{ContactId, OccurrenceKey};
use crate::domain::occurrence::{candidate_keys, stage_entries};
use crate::domain::outcome::{Outcome, reason};
use crate::ports::ledger::{NewRow, Roots};
use crate::ports::pulse;
use crate::ports::{Cause, UpstreamError};
use crate::registry::sync_error::SyncError;
use crate::sync::feed::aside::PutAside;
use crate::sync::feed::bounds::Tracked;
use crate::sync::unreadable;

impl Scan<'_> {
    /// Notes what was read since the last time.
    pub(crate) async fn record(&mut self, seen: &mut ScanFindings) -> Result<(), SyncError> {
        let pages = std::mem::take(&mut self.unnoted).pages;
        let contacts: Vec<_> = pages.iter().flat_map(|page| &page.contacts).collect();
        self.record_occurrences(&contacts, seen).await?;
        for page in &pages {
            self.put_aside(page)?;
            for read in &page.read {
                self.history.record(read);
            }
        }
        Ok(())
    }

    /// Puts aside what cannot be read, or not wholly, and tells the events that it may concern.
    fn put_aside(&mut self, page: &PageRead) -> Result<(), SyncError> {
        let (now, longest) = (self.ctx.clock.now(), self.ctx.settings.backoff_max);
        let nothing = page.unreadable.iter().map(|(id, why)| (*id, why, None));
        let flawed = page.contacts.iter().filter_map(|(_, contact)| {
            let flaw = contact.flaw.as_ref()?;
            Some((contact.requested_id, &flaw.why, Some((contact.as_ref(), flaw))))
        });
        for (id, why, parts) in nothing.chain(flawed) {
            let put = self.history.aside.put_aside(id, longest, now);
            if put == PutAside::Full {
                return Err(too_many());
            }
            let concerned = |t: &&Tracked| parts.is_none_or(|(contact, flaw)| may_concern(contact, flaw, t.stage()));
            for tracked in self.events.iter().filter(concerned) {
                unreadable::report_contact(
                    self.ctx,
                    &tracked.event.key,
                    id,
                    &unreadable::contact_itself(why),
                    put == PutAside::Again,
                );
            }
        }
        let whole = page.contacts.iter().filter(|(_, contact)| contact.flaw.is_none());
        for (_, contact) in whole {
            self.history.aside.release(contact.requested_id);
        }
        for (id, sought) in &page.sought {
            let put = self.history.aside.put_aside(*id, longest, now);
            if put == PutAside::Full {
                return Err(too_many());
            }
            let due = now.saturating_add(sought.after).unwrap_or(Timestamp::MAX);
            self.history.aside.delay_until(*id, due);
            // Contacts are deleted every day: that is reported only if HubSpot does not say so.
            for tracked in self.events.iter().filter(|_| !sought.named) {
                unreadable::report_contact(
                    self.ctx,
                    &tracked.event.key,
                    *id,
                    unreadable::NOT_SHOWN,
                    put == PutAside::Again,
                );
            }
        }
        Ok(())
    }

    /// Notes the occurrences of contacts, for every event.
    async fn record_occurrences(
        &self,
        contacts: &[&(Timestamp, Arc<Contact>)],
        seen: &mut ScanFindings,
    ) -> Result<(), SyncError> {
        let entered = |(_, contact): &(Timestamp, Arc<Contact>)| {
            let of_event = |t: &Tracked| stage_entries(contact, t.stage(), t.event.start);
            let entered: Vec<_> = self.events.iter().map(of_event).collect();
            entered.iter().any(|times| !times.is_empty()).then_some(entered)
        };
        let concerned: Vec<_> = contacts
            .iter()
            .filter_map(|read| Some((*read, entered(read)?)))
            .collect();
        if concerned.is_empty() {
            return Ok(());
        }
        let lineages: Vec<_> = concerned.iter().map(|((_, contact), _)| contact.lineage()).collect();
        let roots = self.ctx.ledger.canonical_contacts(self.portal.id, &lineages).await?;
        for (index, tracked) in self.events.iter().enumerate() {
            pulse::beat();
            let occurrences = Occurrences::for_event(self, tracked);
            let mut rows = Vec::new();
            let mut due = 0;
            for (((read, entered), lineage), roots) in concerned.iter().zip(&lineages).zip(&roots) {
                for at in entered.get(index).into_iter().flatten() {
                    let row = occurrences.new_row(&read.1, *at, lineage, roots);
                    let is_due = row.due <= occurrences.now;
                    due += usize::from(is_due);
                    // Before the ledger has the row: whoever finds it there is to find the contact here.
                    if (is_due || self.keep_reads) && read.1.flaw.is_none() {
                        self.cache.put(read.1.clone(), &self.plan, read.0);
                    }
                    rows.push(row);
                }
            }
            if rows.is_empty() {
                continue;
            }
            let new = self.ctx.ledger.record_occurrences(tracked.stream, &rows).await?;
            self.ctx.due_rows.add_rows(&tracked.event.google, due.min(new));
            *seen.new.entry(tracked.stream).or_default() += new;
            seen.new_rows += new;
        }
        Ok(())
    }
}

fn too_many() -> SyncError {
    let message = "more than 1,000 contacts can't be read, which is the limit. Until some of them can be read, conversions of other contacts may be late or missing. Correct the contacts named in status.sync.lastErrors in HubSpot";
    UpstreamError::new("HubSpot", Cause::Malformed, message).into()
}

/// True if what cannot be read of a contact may be an entry into this stage, or holds one up.
fn may_concern(contact: &Contact, flaw: &Flaw, stage: &str) -> bool {
    let mut history = contact.history_of(LIFECYCLE_STAGE).iter();
    flaw.stages.is_empty() || flaw.stages.iter().any(|lost| lost == stage) || history.any(|row| row.value == stage)
}

/// What the occurrences of an event have in common.
struct Occurrences<'a> {
    scan: &'a Scan<'a>,
    tracked: &'a Tracked,
    now: Timestamp,
    suspended: bool,
}

impl<'a> Occurrences<'a> {
    fn for_event(scan: &'a Scan<'a>, tracked: &'a Tracked) -> Self {
        Self {
            scan,
            tracked,
            now: scan.ctx.clock.now(),
            suspended: scan.ctx.registry.is_suspended(&tracked.event),
        }
    }

    fn new_row(&self, contact: &Contact, at: Timestamp, lineage: &[ContactId], roots: &Roots) -> NewRow {
        let now = self.now;
        let occurrence = Occurrence { at, first_seen: now };
        let (clicks, waits) = (&self.tracked.event.rules.clicks, &self.scan.ctx.settings.waits);
        let (reason, due) = match &contact.flaw {
            Some(_) => (reason::UNREADABLE_RECORD, now),
            None => first_wait(contact, occurrence, clicks, waits, now).unwrap_or((reason::NOT_DUE, now)),
        };
        NewRow {
            keys: self.occurrence_keys(at, lineage, roots),
            contact: contact.id,
            submission: None,
            occurred_at: at,
            first_seen: now,
            outcome: Outcome::Pending,
            reason: reason.into(),
            due,
            while_suspended: self.suspended,
        }
    }

    fn occurrence_keys(&self, at: Timestamp, lineage: &[ContactId], roots: &Roots) -> Vec<OccurrenceKey> {
        let (portal, stage) = (self.scan.portal.id, self.tracked.stage());
        candidate_keys(portal, roots.root, lineage, &roots.others, stage, at)
    }
}
