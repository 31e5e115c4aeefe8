//! Reads contacts and tells who is deleted from who is merely not shown.

use std::collections::{BTreeMap, BTreeSet};
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

/// Most reads of one caller at once: the limits of the portal decide how fast they follow each other.
const SIDE_BY_SIDE: usize = 6;

/// What HubSpot says of some contacts.
#[derive(Default)]
pub(crate) struct ReadAnswer {
    /// Each with the time when it was asked for.
    pub(crate) contacts: Vec<(Timestamp, Contact)>,
    /// By the id asked for.
    pub(crate) unreadable: Unreadable<ContactId>,
    /// By the id asked for: not shown, and maybe there. Those that are in none of the four are deleted.
    pub(crate) sought: BTreeMap<ContactId, AbsentContact>,
    /// Of these nothing is known, as their read failed, while that of others was answered.
    pub(crate) failed: Option<(BTreeSet<ContactId>, UpstreamError)>,
    /// Somebody was shown, be it one who was asked for beside these, or the portal has no contacts.
    pub(crate) shows: bool,
}

/// After so many failed reads of one question the rest is not asked for.
const MOST_FRUITLESS: usize = 2;

/// Whom else HubSpot shows.
enum Others {
    Somebody(ContactId),
    /// The portal has no contacts.
    Nobody,
    /// It is not known whether there is anybody else.
    Unknown,
}

/// One reader of a portal's contacts.
pub(crate) struct ContactReader<'a> {
    pub(crate) ctx: &'a SyncContext,
    pub(crate) crm: &'a dyn Crm,
    pub(crate) absences: &'a Absences,
    /// Somebody else is asked for in any case: reads have shown nobody of late.
    pub(crate) beside: bool,
}

impl ContactReader<'_> {
    /// Reads these contacts by the plan, several calls side by side. Where somebody is among them who was not shown
    /// before, somebody else who should be shown is asked for too: an answer that shows nobody tells nothing.
    pub(crate) async fn read_contacts(&self, ids: &[ContactId], plan: &ReadPlan) -> Result<ReadAnswer, UpstreamError> {
        let again = self.beside || self.absences.are_sought(ids);
        let limit = read_limit(&plan.1) - usize::from(again);
        let chunks = ids
            .chunks(limit)
            .map(|chunk| async move { (chunk, self.read_chunk(chunk, plan, again).await) });
        let chunks: Vec<_> = chunks.collect();
        let mut reads = stream::iter(chunks).buffered(SIDE_BY_SIDE);
        let mut answer = ReadAnswer::default();
        let (mut unread, mut errors): (BTreeSet<ContactId>, _) = (ids.iter().copied().collect(), Vec::new());
        while errors.len() < MOST_FRUITLESS
            && let Some((chunk, part)) = reads.next().await
        {
            pulse::beat();
            match part {
                Ok(part) => {
                    for id in chunk {
                        unread.remove(id);
                    }
                    answer.contacts.extend(part.contacts);
                    answer.unreadable.extend(part.unreadable);
                    answer.sought.extend(part.sought);
                    answer.shows |= part.shows;
                }
                // What was answered of others counts.
                Err(error) => errors.push(error),
            }
        }
        if let Some(error) = errors.into_iter().next() {
            if ids.iter().all(|id| unread.contains(id)) {
                return Err(error);
            }
            answer.failed = Some((unread, error));
        }
        answer.sought.retain(|id, _| ids.contains(id));
        answer.unreadable.retain(|id, _| ids.contains(id));
        Ok(answer)
    }

    /// One call; `again`: somebody else is asked for too.
    async fn read_chunk(&self, chunk: &[ContactId], plan: &ReadPlan, again: bool) -> Result<ReadAnswer, UpstreamError> {
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
        let shows = empty || batch.shows_another || !batch.contacts.is_empty();
        let is_asked = |contact: &Contact| chunk.contains(&contact.requested_id);
        let contacts = batch.contacts.into_iter().filter(is_asked);
        Ok(ReadAnswer {
            contacts: contacts.map(|contact| (asked, contact)).collect(),
            unreadable: batch.unreadable,
            sought: sought.into_iter().collect(),
            failed: None,
            shows,
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
                debug!(error = brief(&error), "no other contact could be searched for");
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::ids::{ObjectKey, PortalId};
    use crate::sync::contact_cache::tests::contact;
    use crate::sync::test_support::{FakePortal, context};

    /// Reads of so many contacts, fifty at once; those of some
    /// fail. The ids that were answered, and those that were not.
    async fn read(count: u64, failing: &[u64]) -> Result<(Vec<u64>, Vec<u64>), UpstreamError> {
        let (ctx, _clock) = context().await;
        let portal = FakePortal::new((1..=count).map(|id| contact(id, 1).as_ref().clone()));
        portal.failing.lock().extend(failing.iter().copied().map(ContactId));
        let absences = ctx.absences_of(&ObjectKey::new("ns", "acme"), PortalId(1));
        let reader = ContactReader {
            ctx: &ctx,
            crm: portal.as_ref(),
            absences: &absences,
            beside: false,
        };
        let ids: Vec<_> = (1..=count).map(ContactId).collect();
        let plan = Arc::new((Vec::new(), vec!["lifecyclestage".to_owned()]));
        let answer = reader.read_contacts(&ids, &plan).await?;
        let read = answer.contacts.iter().map(|(_, contact)| contact.id.0).collect();
        let unread = answer.failed.map(|(unread, _)| unread.into_iter().map(|id| id.0));
        Ok((read, unread.into_iter().flatten().collect()))
    }

    #[tokio::test]
    async fn a_read_that_fails_takes_nothing_away_from_others() {
        let all = |from: u64, to: u64| (from..=to).collect::<Vec<u64>>();
        assert_eq!(read(150, &[]).await.unwrap(), (all(1, 150), vec![]));
        let (answered, unread) = read(150, &[60]).await.unwrap();
        assert_eq!((answered, unread), ([all(1, 50), all(101, 150)].concat(), all(51, 100)));
        assert!(
            read(150, &[1, 60]).await.is_err(),
            "two that fail one after the other are enough"
        );
        assert!(read(50, &[7]).await.is_err(), "nobody is answered");
    }
}
