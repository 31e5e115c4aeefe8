//! Reading the contacts of rows that are due, and what a row comes to by that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{EligibleEvent, postpone_rows, row_update};
use crate::domain::eligibility::{Decision, Prepared};
use crate::domain::ids::ContactId;
use crate::domain::outcome::{ADDRESS_ALONE, Outcome, reason};
use crate::ports::UpstreamError;
use crate::ports::crm::Unreadable;
use crate::ports::ledger::{Row, RowUpdate};
use crate::registry::sync_error::SyncError;
use crate::sync::absences::AbsentContact;
use crate::sync::contact_cache::ContactSnapshot;
use crate::sync::contact_reader::ContactReader;
use crate::sync::context::SyncContext;
use crate::sync::feed::{contact_query, form_contact_query};
use crate::sync::unreadable;

/// The contacts of some rows. Those that are in none of the four are deleted.
#[derive(Default)]
pub(crate) struct Contacts {
    read: HashMap<ContactId, ContactSnapshot>,
    unreadable: Unreadable<ContactId>,
    sought: BTreeMap<ContactId, AbsentContact>,
    failed: Option<(BTreeSet<ContactId>, UpstreamError)>,
}

impl Contacts {
    pub(crate) fn get(&self, id: ContactId) -> Option<&ContactSnapshot> {
        self.read.get(&id)
    }

    /// Why nothing can be decided about this one.
    pub(crate) fn unreadable(&self, id: ContactId) -> Option<&str> {
        let flaw = || self.get(id)?.contact.flaw.as_ref().map(|flaw| flaw.why.as_str());
        self.unreadable.get(&id).map(String::as_str).or_else(flaw)
    }

    /// True for one that HubSpot does not show and that may be there.
    pub(crate) fn sought(&self, id: ContactId) -> Option<&AbsentContact> {
        self.sought.get(&id)
    }

    /// The record that the contact is today.
    pub(crate) fn current_id(&self, id: ContactId) -> ContactId {
        self.get(id).map_or(id, |read| read.contact.id)
    }
}

impl EligibleEvent {
    /// What of this contact cannot be read and is needed by the event.
    pub(super) fn unreadable_part(&self, contacts: &Contacts, id: ContactId) -> Option<String> {
        let lacks = || self.event.rules.unread_of(&contacts.get(id)?.contact);
        let whole = contacts.unreadable(id).map(unreadable::contact_itself);
        whole.or_else(|| lacks().map(unreadable::property_of_it))
    }

    /// What is sent of a row, decided by what was read of its contact.
    ///
    /// # Errors
    /// If the row is not sent now: the update that says what becomes of it.
    pub(super) fn judge_row(
        &self,
        ctx: &SyncContext,
        row: &Row,
        contacts: &Contacts,
        now: Timestamp,
    ) -> Result<Prepared, RowUpdate> {
        if let Some(what) = self.unreadable_part(contacts, row.contact) {
            return Err(self.set_aside(ctx, row, &what));
        }
        if let Some(sought) = contacts.sought(row.contact) {
            // Contacts are deleted every day: that is reported only where HubSpot does not say so.
            if !sought.named {
                let tried = row.attempts > 0;
                unreadable::report_contact(ctx, &self.event.key, row.contact, unreadable::NOT_SHOWN, tried);
            }
            return Err(self.try_again(ctx, row, sought.after));
        }
        match self.decide_row(ctx, row, contacts.get(row.contact)) {
            Decision::Send(prepared) if !self.addresses && prepared.is_address_alone() => Err(RowUpdate {
                detail: ADDRESS_ALONE.to_owned(),
                ..row_update(row, Outcome::Skipped, reason::NO_SHARED_DATA, now)
            }),
            Decision::Send(prepared) => Ok(prepared),
            Decision::Wait { reason, due } => Err(row_update(row, Outcome::Pending, reason, due)),
            Decision::Skip { reason } => Err(row_update(row, Outcome::Skipped, reason, now)),
        }
    }

    /// The contacts of these rows, read at most `age` ago.
    pub(crate) async fn read_contacts(
        &self,
        ctx: &SyncContext,
        rows: &[Row],
        age: SignedDuration,
    ) -> Result<Contacts, UpstreamError> {
        let events = ctx.registry.events_of_hubspot(&self.event.hubspot);
        let plan = if self.event.rules.trigger_kind.is_form() {
            form_contact_query(events.iter())
        } else {
            contact_query(events.iter())
        };
        let cache = ctx.contact_cache(&self.event.hubspot);
        let absences = ctx.absences_of(&self.event.hubspot, self.portal.id);
        let now = ctx.clock.now();
        let since = now.saturating_sub(age).unwrap_or(Timestamp::MIN);
        let mut found = Contacts::default();
        let mut missing = Vec::new();
        for row in rows.iter().filter(|row| row.contact != ContactId::UNKNOWN) {
            match cache.fresh(row.contact, &plan, (since, now)) {
                Some(read) => {
                    absences.shown_lately(row.contact);
                    found.read.insert(row.contact, read);
                }
                None => {
                    missing.push(row.contact);
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        let reader = ContactReader {
            ctx,
            crm: self.crm.as_ref(),
            absences: &absences,
            beside: false,
        };
        let answer = reader.read_contacts(&missing, &plan).await?;
        found.unreadable = answer.unreadable;
        found.sought = answer.sought;
        found.failed = answer.failed;
        for (at, contact) in answer.contacts {
            let contact = Arc::new(contact);
            let id = contact.requested_id;
            let read = ContactSnapshot {
                at,
                contact,
                confirmed: false,
            };
            if read.contact.flaw.is_none() {
                cache.put(read.clone(), &plan);
            }
            found.read.insert(id, read);
        }
        Ok(found)
    }

    /// The rows whose contacts are known, or known to be gone: those of contacts whose read failed wait.
    pub(crate) async fn put_off_unread_contacts(
        &self,
        ctx: &SyncContext,
        rows: Vec<Row>,
        contacts: &Contacts,
    ) -> Result<Vec<Row>, SyncError> {
        let Some((unread, error)) = &contacts.failed else {
            return Ok(rows);
        };
        let (waiting, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| unread.contains(&row.contact));
        ctx.registry.hubspot_fault(&self.event.hubspot, error);
        let fault = postpone_rows(ctx, &waiting, error.clone()).await;
        if matches!(fault, SyncError::Ledger(_)) {
            return Err(fault);
        }
        self.report_read_failure(ctx, &fault);
        Ok(others)
    }
}
