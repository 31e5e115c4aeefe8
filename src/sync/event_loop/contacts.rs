//! Reading the contacts of rows that are due.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Sendable;
use crate::domain::contact::Contact;
use crate::domain::ids::ContactId;
use crate::sync::context::SyncContext;
use crate::sync::feed::{form_plan, read_limit, read_plan};
use crate::sync::ports::UpstreamError;
use crate::sync::ports::crm::ContactRead;
use crate::sync::ports::ledger::Row;
use crate::sync::pulse;

/// A contact, and when it was asked for.
pub(super) struct Read {
    pub(super) at: Timestamp,
    pub(super) contact: Arc<Contact>,
}

impl Sendable {
    /// The contacts of these rows, read at most `age` ago. Contacts that are gone are absent.
    pub(super) async fn contacts(
        &self,
        ctx: &SyncContext,
        rows: &[Row],
        age: SignedDuration,
    ) -> Result<HashMap<ContactId, Read>, UpstreamError> {
        let events = ctx.registry.events_of_hubspot(&self.event.hubspot);
        let plan = if self.event.rules.form {
            form_plan(events.iter())
        } else {
            read_plan(events.iter())
        };
        let cache = ctx.contacts(&self.event.hubspot);
        let since = ctx.clock.now().saturating_sub(age).unwrap_or(Timestamp::MIN);
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for row in rows.iter().filter(|row| row.contact != ContactId::UNKNOWN) {
            match cache.fresh(row.contact, &plan, since) {
                Some((at, contact)) => {
                    found.insert(row.contact, Read { at, contact });
                }
                None => {
                    missing.push(row.contact);
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        for chunk in missing.chunks(read_limit(!plan.1.is_empty())) {
            pulse::beat();
            let read = ContactRead {
                ids: chunk.to_vec(),
                properties: plan.0.clone(),
                with_history: plan.1.clone(),
            };
            let at = ctx.clock.now();
            for contact in self.crm.read(&read).await? {
                let contact = Arc::new(contact);
                cache.put(contact.clone(), &plan, at);
                found.insert(contact.requested_id, Read { at, contact });
            }
        }
        Ok(found)
    }
}
