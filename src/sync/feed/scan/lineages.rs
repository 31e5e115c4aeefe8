//! Whether contacts really were merged as their records say: what a record says of its
//! lineage joins contacts for good, in the ledger of the portal, so HubSpot is asked once
//! more where the ledger does not know it yet (`crate::domain::lineage`).

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};

use super::Scan;
use super::pages::PageRead;
use crate::domain::contact::Contact;
use crate::domain::ids::ContactId;
use crate::domain::lineage::{Contradiction, KnownLineages, ShownIds, compare_id, cut_reads, take_queued};
use crate::domain::occurrence::stage_entries;
use crate::ports::UpstreamError;
use crate::ports::crm::{ContactBatch, ContactRead, read_limit};
use crate::ports::pulse;
use crate::registry::sync_error::SyncError;

/// Most reads at once.
const SIDE_BY_SIDE: usize = 4;

/// Contacts that name others as merged into them, with all ids of their lineages.
type Lineages = BTreeMap<ContactId, Vec<ContactId>>;

/// What HubSpot says of lineages.
#[derive(Default)]
struct CheckedLineages {
    /// Contacts with an id that was merged into each.
    confirmed: Vec<(ContactId, ContactId)>,
    contradicted: BTreeMap<ContactId, Contradiction>,
}

impl Scan<'_> {
    /// Calls those contacts unreadable whose word about their lineage HubSpot itself
    /// contradicts: they wait, and are joined with nobody. If HubSpot can't be asked,
    /// nothing is left of the contacts in doubt, as if they had not been read.
    pub(super) async fn confirm_lineages(&mut self, pages: &mut [PageRead]) -> Result<(), SyncError> {
        let lineages = self.named_lineages(pages);
        if lineages.is_empty() {
            return Ok(());
        }
        match self.check_lineages(&lineages).await {
            Ok(checked) => {
                self.history.record_confirmed(checked.confirmed);
                for page in pages {
                    take_contradicted(page, &checked.contradicted);
                }
                Ok(())
            }
            Err(error) => {
                for page in pages {
                    let doubted: BTreeSet<_> = contacts_of(page, |own| lineages.contains_key(&own)).collect();
                    page.contacts.retain(|(_, c)| !doubted.contains(&c.requested_id));
                    page.read.retain(|mark| !doubted.contains(&mark.id));
                }
                Err(error)
            }
        }
    }

    /// Of contacts with conversions: nothing of the others is noted.
    fn named_lineages(&self, pages: &[PageRead]) -> Lineages {
        let mut lineages = Lineages::new();
        for (_, contact) in pages.iter().flat_map(|page| &page.contacts) {
            let lineage = contact.lineage();
            if lineage.len() > 1 && self.has_entries(contact) {
                lineages.entry(contact.id).or_default().extend(lineage);
            }
        }
        lineages
    }

    fn has_entries(&self, contact: &Contact) -> bool {
        let mut events = self.events.iter();
        events.any(|t| !stage_entries(contact, t.stage(), t.event.start).is_empty())
    }

    async fn check_lineages(&self, lineages: &Lineages) -> Result<CheckedLineages, SyncError> {
        let ids: BTreeSet<ContactId> = lineages.values().flatten().copied().collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let known = self.ctx.ledger.known_lineages(self.portal.id, &ids).await?;
        let known = KnownLineages::from_canonical(known);
        let mut checked = CheckedLineages::default();
        let mut doubts = Vec::new();
        for (own, lineage) in lineages {
            match known.doubtful_ids(*own, lineage) {
                Ok(mut ids) => {
                    ids.retain(|id| !self.history.is_confirmed(*own, *id));
                    doubts.push((*own, ids));
                }
                Err(contradiction) => drop(checked.contradicted.insert(*own, contradiction)),
            }
        }
        let queued = take_queued(&mut doubts).into_iter();
        checked
            .contradicted
            .extend(queued.map(|own| (own, Contradiction::Queued)));
        let reads = cut_reads(&doubts, read_limit(&[]));
        let reads: Vec<_> = reads.into_iter().map(|pairs| self.read_pairs(pairs)).collect();
        let mut reads = stream::iter(reads).buffered(SIDE_BY_SIDE);
        while let Some(read) = reads.next().await {
            pulse::beat();
            let (pairs, shown) = read?;
            for (own, id) in pairs {
                match compare_id(own, id, &shown) {
                    Ok(()) => checked.confirmed.push((own, id)),
                    Err(contradiction) => drop(checked.contradicted.entry(own).or_insert(contradiction)),
                }
            }
        }
        Ok(checked)
    }

    /// One call: what HubSpot shows under these ids.
    async fn read_pairs(&self, pairs: Vec<(ContactId, ContactId)>) -> Result<ShownPairs, UpstreamError> {
        let ids: BTreeSet<ContactId> = pairs.iter().flat_map(|(own, id)| [*own, *id]).collect();
        let read = ContactRead {
            ids: ids.into_iter().collect(),
            properties: Vec::new(),
            with_history: Vec::new(),
        };
        let batch = self.crm.read_contacts(&read).await?;
        Ok((pairs, shown_ids(&batch)))
    }
}

/// Pairs that were asked about, and what was shown.
type ShownPairs = (Vec<(ContactId, ContactId)>, ShownIds);

fn shown_ids(batch: &ContactBatch) -> ShownIds {
    let records = batch.contacts.iter();
    ShownIds {
        records: records.map(|contact| (contact.requested_id, contact.id)).collect(),
        unreadable: batch.unreadable.keys().copied().collect(),
    }
}

/// The ids that contacts of a page were asked for by.
fn contacts_of(page: &PageRead, is_one: impl Fn(ContactId) -> bool) -> impl Iterator<Item = ContactId> {
    let contacts = page.contacts.iter().filter(move |(_, contact)| is_one(contact.id));
    contacts.map(|(_, contact)| contact.requested_id)
}

fn take_contradicted(page: &mut PageRead, contradicted: &BTreeMap<ContactId, Contradiction>) {
    let PageRead {
        contacts, unreadable, ..
    } = page;
    contacts.retain(|(_, contact)| match contradicted.get(&contact.id) {
        Some(contradiction) => {
            unreadable.insert(contact.requested_id, contradiction.describe());
            false
        }
        None => true,
    });
}
