//! Noting what was read: some pages at a time, since each is a write to the disk.

use std::sync::Arc;

use jiff::Timestamp;

use super::pages::PageRead;
use super::read_contact::ReadContact;
use super::{Scan, ScanFindings};
use crate::domain::contact::{Contact, Flaw, LIFECYCLE_STAGE};
use crate::domain::eligibility::{Occurrence, first_wait};
use crate::domain::fruitless_reads::NONE_SHOWN;
use crate::domain::ids::ContactId;
use crate::domain::occurrence::stage_entries;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::shown_entries::ShownEntries;
use crate::domain::shown_state::ShownState;
use crate::domain::time::Wait;
use crate::ports::ledger::{Canonical, NewRow};
use crate::ports::pulse;
use crate::ports::{Cause, UpstreamError};
use crate::registry::sync_error::SyncError;
use crate::sync::contact_cache::ContactSnapshot;
use crate::sync::feed::aside::PutAside;
use crate::sync::feed::bounds::Tracked;
use crate::sync::feed::verdict::{Doubt, Judge, Verdict};
use crate::sync::unreadable;

impl Scan<'_> {
    /// Reads contacts once more that were put aside. One that is deleted is put aside no longer.
    pub async fn read_again(&mut self, ids: &[ContactId]) -> Result<ScanFindings, SyncError> {
        let mut seen = ScanFindings::default();
        let read = self.page_reader().read_histories(ids).await;
        if let Err(error) = &read
            && error.may_concern_a_part()
        {
            // With somebody else beside them the whole read fails, and so does the pass: that shows nobody either.
            let why = error.without_request_id();
            self.history.fruitless.record_failure(&why, self.ctx.clock.now());
        }
        let mut page = read?;
        let (unread, error) = page.failed.take().unzip();
        let (open, unread) = (page.existing_ids(), unread.unwrap_or_default());
        self.unnoted.push(page);
        self.record(&mut seen).await?;
        for id in ids.iter().filter(|id| !open.contains(id) && !unread.contains(id)) {
            self.history.aside.release(*id);
            self.history.forget(*id);
        }
        error.map_or(Ok(seen), |error| Err(error.into()))
    }

    /// Notes what was read since the last time.
    pub(crate) async fn record(&mut self, seen: &mut ScanFindings) -> Result<(), SyncError> {
        let mut pages = std::mem::take(&mut self.unnoted).pages;
        // What is certain counts, also where the rest can't be confirmed.
        let confirmed = self.confirm_lineages(&mut pages).await;
        let reads = self.judge(&pages);
        let all: Vec<_> = reads.iter().flatten().collect();
        self.record_occurrences(&all, seen).await?;
        self.owe_to_absent(&all).await?;
        self.history.read_any |= pages.iter().any(|page| !page.contacts.is_empty());
        for (page, reads) in pages.iter().zip(&reads) {
            let is_missed = !page.sought.is_empty();
            let failure = page.unreadable.values().next().map(String::as_str);
            let failure = failure.or(is_missed.then_some(NONE_SHOWN));
            if page.shows {
                self.history.fruitless.record_shown();
            } else if let Some(why) = failure {
                self.history.fruitless.record_failure(why, self.ctx.clock.now());
            }
            self.put_aside(page, reads)?;
            for read in &page.read {
                self.history.record(read);
            }
        }
        confirmed
    }

    /// What was put aside is noted for the events of this pass alone: the marks of others may have moved past it too.
    async fn owe_to_absent(&self, reads: &[&ReadContact]) -> Result<(), SyncError> {
        let counts = |read: &&&ReadContact| {
            let is_aside = self.history.aside.is_aside(read.contact().requested_id);
            is_aside && matches!(read.verdict, Verdict::Counts { .. }) && read.contact().flaw.is_none()
        };
        let interval = self.ctx.settings.sweep_interval;
        let due = self.ctx.clock.now().saturating_sub(interval).unwrap_or(Timestamp::MIN);
        let modified = reads.iter().filter(counts).map(|read| read.contact().last_modified());
        let Some(since) = modified.map(|at| at.unwrap_or(due).min(due)).min() else {
            return Ok(());
        };
        let present: Vec<_> = self.events.iter().map(|tracked| tracked.stream).collect();
        self.ctx.ledger.owe_full_scans(self.portal.id, &present, since).await?;
        Ok(())
    }

    /// The contacts of pages, and what their reads are worth.
    fn judge(&self, pages: &[PageRead]) -> Vec<Vec<ReadContact>> {
        let (aside, patience) = (&self.history.aside, self.ctx.settings.waits.click_grace);
        let mut judge = Judge::new(aside, patience, self.ctx.clock.now());
        let mut of_contact = |page: &PageRead, (asked, contact): &(Timestamp, Arc<Contact>)| {
            let evidence = page.evidence_of(contact);
            let mark = page.mark_of(contact.requested_id);
            let state = aside.state_of(contact, evidence.shown);
            ReadContact {
                is_current: contact.flaw.is_none() && state.compare_read(contact).is_none(),
                verdict: judge.judge(contact, evidence, |state| self.is_unconfirmed(contact, state)),
                lineage: page.lineage_of(contact),
                read: ContactSnapshot {
                    at: *asked,
                    contact: contact.clone(),
                    confirmed: mark.is_some_and(|mark| mark.confirms(contact, &self.plan.0)),
                },
            }
        };
        let of_page = |page: &PageRead| page.contacts.iter().map(|read| of_contact(page, read)).collect();
        pages.iter().map(of_page).collect()
    }

    /// True if nothing but this read tells of an entry that counts for an event.
    fn is_unconfirmed(&self, contact: &Contact, state: &ShownState) -> bool {
        self.events.iter().any(|tracked| {
            let stage = tracked.stage();
            let entries = stage_entries(contact, stage, tracked.event.start);
            entries.iter().any(|at| state.is_unconfirmed(contact, stage, *at))
        })
    }

    /// Puts aside what cannot be read, or not wholly, or only as
    /// it was before, and tells the events that it may concern.
    fn put_aside(&mut self, page: &PageRead, reads: &[ReadContact]) -> Result<(), SyncError> {
        self.put_unreadable_aside(page, reads)?;
        self.put_doubtful_aside(page, reads)?;
        self.put_absent_aside(page)
    }

    fn put_unreadable_aside(&mut self, page: &PageRead, reads: &[ReadContact]) -> Result<(), SyncError> {
        let (now, longest) = (self.ctx.clock.now(), self.ctx.settings.backoff_max);
        let nothing = page.unreadable.iter().map(|(id, why)| (*id, why, None));
        let flawed = reads.iter().filter_map(|read| {
            let flaw = read.contact().flaw.as_ref()?;
            Some((read.contact().requested_id, &flaw.why, Some((read, flaw))))
        });
        for (id, why, parts) in nothing.chain(flawed) {
            let put = self.history.aside.put_aside(id, longest, now);
            if put == PutAside::Full {
                return Err(too_many());
            }
            self.expect_shown(page, id);
            if let Some((
                ReadContact {
                    verdict: Verdict::Waits { since, .. },
                    ..
                },
                _,
            )) = parts
            {
                self.history.aside.wait_since(id, *since);
            }
            let concerned =
                |t: &&Tracked| parts.is_none_or(|(read, flaw)| may_concern(read.contact(), flaw, t.stage()));
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
        Ok(())
    }

    /// HubSpot's servers are seconds apart at times: that is worth a word only if it lasts.
    fn report_lasting(&self, id: ContactId, what: &str) {
        if self.history.aside.tries_of(id) < SILENT_TRIES {
            return;
        }
        for tracked in self.events {
            unreadable::report_contact(self.ctx, &tracked.event.key, id, what, true);
        }
    }

    /// Once it can be read, it is to show what the search has shown.
    fn expect_shown(&mut self, page: &PageRead, id: ContactId) {
        if let Some(shown) = page.shown_of(id) {
            self.history.aside.expect_state(id, shown);
        }
    }

    /// Puts aside whose next read is to tell more, and takes back the others.
    fn put_doubtful_aside(&mut self, page: &PageRead, reads: &[ReadContact]) -> Result<(), SyncError> {
        let pause = (self.ctx.settings.backoff_max, self.ctx.clock.now());
        for read in reads.iter().filter(|read| read.contact().flaw.is_none()) {
            let id = read.contact().requested_id;
            let aside = &mut self.history.aside;
            let put = read.verdict.apply(aside, read.contact(), page.shown_of(id), pause);
            if put == Some(PutAside::Full) {
                return Err(too_many_wait());
            }
            match &read.verdict {
                Verdict::Waits {
                    doubt: Doubt::Merge(_), ..
                } => self.report_lasting(id, unreadable::UNKNOWN_MERGE),
                Verdict::Waits {
                    doubt: Doubt::Outdated { .. },
                    ..
                } => self.report_lasting(id, unreadable::OUTDATED),
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts aside those that HubSpot does not show.
    fn put_absent_aside(&mut self, page: &PageRead) -> Result<(), SyncError> {
        let (now, longest) = (self.ctx.clock.now(), self.ctx.settings.backoff_max);
        for (id, sought) in &page.sought {
            let put = self.history.aside.put_aside(*id, longest, now);
            if put == PutAside::Full {
                return Err(too_many());
            }
            self.expect_shown(page, *id);
            self.history.aside.delay(*id, Wait::new(now, sought.after));
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
        &mut self,
        contacts: &[&ReadContact],
        seen: &mut ScanFindings,
    ) -> Result<(), SyncError> {
        let entered = |read: &&ReadContact| {
            let of_event = |t: &Tracked| {
                let mut entries = stage_entries(read.contact(), t.stage(), t.event.start);
                entries.retain(|at| read.counts(t.stage(), *at));
                entries
            };
            let entered: Vec<_> = self.events.iter().map(of_event).collect();
            entered.iter().any(|times| !times.is_empty()).then_some(entered)
        };
        let concerned: Vec<_> = contacts
            .iter()
            .filter_map(|read| Some((read, entered(read)?)))
            .collect();
        if concerned.is_empty() {
            return Ok(());
        }
        if let Some(tracked) = self.events.first() {
            // All events of an account are in one namespace. Before the lineages, which are written too; and once more
            // before each event's rows, as many events take longer than an answer holds.
            self.ctx.may_record(&tracked.event.key.namespace).await?;
        }
        let lineages: Vec<_> = concerned.iter().map(|(read, _)| read.lineage.clone()).collect();
        let canonical = self.ctx.ledger.canonical_contacts(self.portal.id, &lineages).await?;
        let events = self.events;
        for (index, tracked) in events.iter().enumerate() {
            pulse::beat();
            let occurrences = Occurrences::for_event(self, tracked);
            let mut rows = Vec::new();
            let mut due = 0;
            for (((read, entered), lineage), of_lineage) in concerned.iter().zip(&lineages).zip(&canonical) {
                let entries = entered.get(index).map_or(&[][..], Vec::as_slice);
                let Some(shown) = occurrences.shown_entries(read.contact(), entries, lineage, of_lineage) else {
                    continue;
                };
                for at in entries {
                    let row = occurrences.new_row(read.contact(), *at, &shown);
                    let is_due = row.due <= occurrences.now;
                    due += usize::from(is_due);
                    // Before the ledger has the row: whoever finds it there is to find the contact here.
                    if (is_due || self.keep_reads) && read.is_current {
                        self.cache.put(read.read.clone(), &self.plan);
                    }
                    rows.push(row);
                }
            }
            if rows.is_empty() {
                continue;
            }
            self.ctx.may_record(&tracked.event.key.namespace).await?;
            let new = self.ctx.ledger.record_occurrences(tracked.stream, &rows).await?;
            for row in &rows {
                let time = (tracked.stream, row.occurred_at.as_millisecond());
                self.ctx.recent_entries.record(time, row.contact);
            }
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

fn too_many_wait() -> SyncError {
    let message = "5,000 contacts wait for a second read, as the first may have shown them as they were before, which is the limit. Until some of them are read again, conversions of other contacts may be late";
    UpstreamError::new("HubSpot", Cause::Malformed, message).into()
}

/// True if what cannot be read of a contact may be an entry into this stage, or holds one up.
fn may_concern(contact: &Contact, flaw: &Flaw, stage: &str) -> bool {
    let mut history = contact.history_of(LIFECYCLE_STAGE).iter();
    flaw.stages.is_empty() || flaw.stages.iter().any(|lost| lost == stage) || history.any(|row| row.value == stage)
}

/// Outdated reads in a row that are not reported.
const SILENT_TRIES: u32 = 3;

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

    fn new_row(&self, contact: &Contact, at: Timestamp, shown: &Arc<ShownEntries>) -> NewRow {
        let now = self.now;
        let occurrence = Occurrence { at, first_seen: now };
        let (clicks, waits) = (&self.tracked.event.rules.clicks, &self.scan.ctx.settings.waits);
        let (reason, due) = match &contact.flaw {
            Some(_) => (reason::UNREADABLE_RECORD, now),
            None => first_wait(contact, occurrence, clicks, waits, now).unwrap_or((reason::NOT_DUE, now)),
        };
        NewRow {
            keys: shown.keys_at(at.as_millisecond()),
            contact: contact.id,
            submission: None,
            occurred_at: at,
            first_seen: now,
            outcome: Outcome::Pending,
            reason: reason.into(),
            due,
            while_suspended: self.suspended,
            shown: Some(shown.clone()),
        }
    }

    /// What this read shows of the contact's entries; `None` if there are none.
    fn shown_entries(
        &self,
        contact: &Contact,
        entries: &[Timestamp],
        lineage: &[ContactId],
        canonical: &Canonical,
    ) -> Option<Arc<ShownEntries>> {
        let trigger = (self.scan.portal.id, self.tracked.stage());
        let others = lineage.iter().chain(&canonical.others).copied();
        let times: Vec<_> = entries.iter().map(|at| at.as_millisecond()).collect();
        let shown = || ShownEntries::new(trigger, canonical.contact, others, times).with_history_of(contact);
        (!entries.is_empty()).then(|| Arc::new(shown()))
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
