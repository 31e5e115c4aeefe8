//! Reads contacts and tells who is deleted from who is merely not shown.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use tracing::debug;

use super::absences::{Absences, AbsentContact};
use super::contact_cache::ReadPlan;
use super::context::SyncContext;
use crate::domain::brief::brief;
use crate::domain::contact::Contact;
use crate::domain::ids::ContactId;
use crate::ports::UpstreamError;
use crate::ports::crm::{ContactRead, ContactSearch, Crm, Unreadable, read_limit};
use crate::ports::pulse;

/// So many reads of one caller are under way at once: the limits of the portal say how fast they follow each other.
const SIDE_BY_SIDE: usize = 6;

/// What HubSpot says of some contacts.
#[derive(Default)]
pub(crate) struct Answer {
    /// Each with the time when it was asked for.
    pub(crate) contacts: Vec<(Timestamp, Contact)>,
    /// By the id asked for.
    pub(crate) unreadable: Unreadable<ContactId>,
    /// By the id asked for: not shown, and maybe there. Those that are in none of the three are deleted.
    pub(crate) sought: BTreeMap<ContactId, AbsentContact>,
}

/// Whom else HubSpot shows.
enum Others {
    Somebody(ContactId),
    /// The portal has no contacts.
    Nobody,
    /// That can't be told.
    Unknown,
}

/// One reader of a portal's contacts.
pub(crate) struct ContactReader<'a> {
    pub(crate) ctx: &'a SyncContext,
    pub(crate) crm: &'a dyn Crm,
    pub(crate) absences: &'a Absences,
}

impl ContactReader<'_> {
    /// Reads these contacts by the plan, several calls side by side. Where somebody is among them who was not shown before,
    /// somebody else who should be shown is asked for too: an answer that shows nobody tells nothing.
    pub(crate) async fn read_contacts(&self, ids: &[ContactId], plan: &ReadPlan) -> Result<Answer, UpstreamError> {
        let again = self.absences.are_sought(ids);
        let limit = read_limit(!plan.1.is_empty()) - usize::from(again);
        let chunks = ids.chunks(limit).map(|chunk| self.read_chunk(chunk, plan, again));
        let chunks: Vec<_> = chunks.collect();
        let mut reads = stream::iter(chunks).buffered(SIDE_BY_SIDE);
        let mut answer = Answer::default();
        while let Some(part) = reads.next().await {
            pulse::beat();
            let part = part?;
            answer.contacts.extend(part.contacts);
            answer.unreadable.extend(part.unreadable);
            answer.sought.extend(part.sought);
        }
        answer.sought.retain(|id, _| ids.contains(id));
        answer.unreadable.retain(|id, _| ids.contains(id));
        Ok(answer)
    }

    /// One call; `again`: somebody else is asked for too.
    async fn read_chunk(&self, chunk: &[ContactId], plan: &ReadPlan, again: bool) -> Result<Answer, UpstreamError> {
        let others = if again {
            Some(self.find_others(chunk).await)
        } else {
            None
        };
        let mut read = ContactRead {
            ids: chunk.to_vec(),
            properties: plan.0.clone(),
            with_history: plan.1.clone(),
        };
        let witness = match others {
            Some(Others::Somebody(witness)) => Some(witness),
            _ => None,
        };
        read.ids.extend(witness);
        let (asked, now) = (self.ctx.clock.now(), Instant::now());
        let batch = self.crm.read_contacts(&read).await?;
        let empty = matches!(others, Some(Others::Nobody));
        let pauses = self.ctx.settings.absence_pauses();
        let sought = self.absences.judge_missing(&read.ids, &batch, empty, &pauses, now);
        let is_asked = |contact: &Contact| chunk.contains(&contact.requested_id);
        let contacts = batch.contacts.into_iter().filter(is_asked);
        Ok(Answer {
            contacts: contacts.map(|contact| (asked, contact)).collect(),
            unreadable: batch.unreadable,
            sought: sought.into_iter().collect(),
        })
    }

    /// Somebody else: whom HubSpot showed lately, else whom a search lists.
    async fn find_others(&self, ids: &[ContactId]) -> Others {
        if let Some(witness) = self.absences.witness(ids) {
            return Others::Somebody(witness);
        }
        let page = match self.crm.search_contacts(&ContactSearch::anybody()).await {
            Ok(page) => page,
            Err(error) => {
                debug!(error = brief(&error), "nobody else can be looked for");
                return Others::Unknown;
            }
        };
        let listed = || page.contacts.iter().map(|contact| contact.id);
        match listed().find(|id| !ids.contains(id)) {
            Some(id) => Others::Somebody(id),
            None if listed().next().is_none() && page.nameless == 0 && page.next.is_none() => Others::Nobody,
            None => Others::Unknown,
        }
    }
}
