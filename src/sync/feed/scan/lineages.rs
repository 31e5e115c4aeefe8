//! Whether contacts really were merged as their records say: what a record says of its
//! lineage joins contacts for good, in the ledger of the portal, so HubSpot is asked once
//! more where the ledger does not know it yet (`crate::domain::lineage`). And what it leaves out: a record whose ids
//! were left out once would count as a new contact, with all that was sent of the old ones.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};

use super::Scan;
use super::claim::{Claim, ReadEntry};
use super::pages::PageRead;
use crate::domain::contact::Contact;
use crate::domain::ids::{ContactId, OccurrenceKey};
use crate::domain::lineage::{Contradiction, KnownLineages, ShownIds, compare_id, cut_reads, take_queued};
use crate::domain::occurrence::stage_entries;
use crate::ports::UpstreamError;
use crate::ports::crm::{ContactBatch, ContactRead, read_limit};
use crate::ports::ledger::{EntryTime, KnownEntries};
use crate::ports::pulse;
use crate::registry::sync_error::SyncError;
use crate::sync::feed::aside::Suspicion;
use crate::sync::feed::bounds::Tracked;
use crate::sync::feed::recent_entries::NotedIn;
use crate::sync::feed::suspect_queue::SuspectedIds;

/// Most reads at once.
const SIDE_BY_SIDE: usize = 4;
/// Most ids that are asked for one by one before rows are noted. Whose ids were not asked for, waits.
const MOST_ALONE: usize = 200;

/// What reads say of contacts with conversions: nothing of the others is noted.
type Claims = BTreeMap<ContactId, Claim>;

/// What HubSpot says of lineages.
#[derive(Default)]
struct CheckedLineages {
    /// Contacts with an id that was merged into each.
    confirmed: Vec<(ContactId, ContactId)>,
    /// The contact that each suspected id leads to, of those that were asked for.
    leads: BTreeMap<ContactId, Option<ContactId>>,
    contradicted: BTreeMap<ContactId, Contradiction>,
    /// Contacts that may not be new, as far as is known so far.
    suspicions: BTreeMap<ContactId, Suspicion>,
}

/// Pairs that HubSpot is asked about, as records and ids.
struct Doubts {
    /// Ids that a read names.
    named: Vec<(ContactId, BTreeSet<ContactId>)>,
    /// Ids that it does not name, and that may have been merged into it all the same.
    suspected: Vec<(ContactId, SuspectedIds)>,
}

impl Scan<'_> {
    /// Calls those contacts unreadable whose word about their lineage HubSpot itself
    /// contradicts: they wait, and are joined with nobody. If HubSpot can't be asked,
    /// nothing is left of the contacts in doubt, as if they had not been read.
    pub(super) async fn confirm_lineages(&mut self, pages: &mut [PageRead]) -> Result<(), SyncError> {
        let mut claims = self.claims_of(pages);
        if claims.is_empty() {
            return Ok(());
        }
        let mut checked = CheckedLineages::default();
        let doubts = match self.find_doubts(&mut claims, &mut checked).await {
            Ok(doubts) => doubts,
            Err(error) => {
                drop_contacts(pages, |own| claims.contains_key(&own));
                return Err(error);
            }
        };
        let mut asked = self.ask_named(&doubts.named, &mut checked).await;
        if asked.is_ok() {
            asked = self.ask_suspected(&doubts.suspected, &mut checked).await;
        }
        if let Err(error) = asked {
            drop_contacts(pages, |own| doubts.concern(own) || checked.speak_against(own));
            return Err(error.into());
        }
        let joined = self.join_led(&claims, &doubts, &mut checked);
        self.history.record_confirmed(checked.confirmed.iter().copied());
        for page in pages {
            take_contradicted(page, &checked.contradicted);
            page.unnamed.extend(&joined);
            page.suspicions.extend(&checked.suspicions);
        }
        Ok(())
    }

    async fn find_doubts(&mut self, claims: &mut Claims, checked: &mut CheckedLineages) -> Result<Doubts, SyncError> {
        let in_question = claims.iter().filter(|(_, claim)| claim.is_in_question());
        let ids: BTreeSet<ContactId> = in_question.flat_map(|(own, claim)| claim.ids(*own)).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let known = self.ctx.ledger.known_lineages(self.portal.id, &ids).await?;
        let known = KnownLineages::from_canonical(known);
        self.forget_noted(claims, &known).await?;
        let claims = &*claims;
        let entered = self.known_entries(claims).await?;
        let mut suspected = Vec::new();
        for (own, claim) in claims {
            if let Some(suspicion) = claim.suspicion(*own, &known, &entered) {
                checked.suspect(*own, suspicion);
            }
            let ids = claim.suspected_ids(*own, &known, &entered);
            suspected.extend(Some((*own, ids)).filter(|(_, ids)| !ids.is_empty()));
        }
        let (suspected, queued) = self
            .history
            .queue
            .take_turn(suspected, self.history.aside.count_behind());
        // They are read again, and then it is their turn.
        for own in queued {
            checked.suspect(own, Suspicion::Ids);
        }
        let named = self.doubtful_ids(claims, &known, checked);
        Ok(Doubts { named, suspected })
    }

    /// Leaves of the claims of contacts that the ledger knows those entries that it has not noted.
    async fn forget_noted(&self, claims: &mut Claims, known: &KnownLineages) -> Result<(), SyncError> {
        let (mut asked, mut noted) = (Vec::new(), Vec::new());
        for (own, claim) in claims.iter().filter(|(own, _)| known.knows(**own)) {
            let joined = known.joined_with(*own);
            for (time, noted_in) in claim.entries() {
                if noted_in == NotedIn::Memory {
                    let noted_then = self.ctx.recent_entries.contacts_at(time);
                    let is_noted = noted_then.iter().any(|id| joined.contains(id));
                    noted.extend(is_noted.then_some((*own, time)));
                } else {
                    asked.push(((*own, time), self.keys_of(joined, time)));
                }
            }
        }
        let (owners, asked): (Vec<_>, Vec<_>) =
            asked.into_iter().map(|((own, time), keys)| (own, (time, keys))).unzip();
        let found = self.ctx.ledger.known_occurrences(&asked).await?.into_iter();
        noted.extend(found.filter_map(|place| Some((*owners.get(place)?, asked.get(place)?.0))));
        for (own, time) in noted {
            if let Some(claim) = claims.get_mut(&own) {
                claim.forget_entry(time);
            }
        }
        Ok(())
    }

    /// The keys of an entry at this time under each of these ids.
    fn keys_of(&self, ids: &[ContactId], (stream, at): EntryTime) -> Vec<OccurrenceKey> {
        let tracked = self.events.iter().find(|tracked| tracked.stream == stream);
        let stage = tracked.map(Tracked::stage).unwrap_or_default();
        let key = |id: &ContactId| OccurrenceKey::for_lifecycle(self.portal.id, *id, stage, at);
        ids.iter().map(key).collect()
    }

    /// Who entered at the times of these contacts.
    async fn known_entries(&self, claims: &Claims) -> Result<KnownEntries, SyncError> {
        let entries: BTreeMap<EntryTime, NotedIn> = claims.values().flat_map(Claim::entries).collect();
        let in_ledger = entries.iter().filter(|(_, noted_in)| **noted_in == NotedIn::Ledger);
        let in_ledger = in_ledger.map(|(time, _)| *time).collect();
        let mut entered = self.ctx.ledger.known_entries(&in_ledger).await?;
        for time in entries.into_keys() {
            let contacts = entered.contacts.entry(time).or_default();
            contacts.extend(self.ctx.recent_entries.contacts_at(time));
        }
        Ok(entered)
    }

    /// Of contacts with entries that count.
    fn claims_of(&self, pages: &[PageRead]) -> Claims {
        let mut claims = Claims::new();
        for page in pages {
            for (_, contact) in &page.contacts {
                let entries: Vec<_> = self.events.iter().flat_map(|t| self.entries_of(contact, t)).collect();
                if !entries.is_empty() {
                    let mark = page.mark_of(contact.requested_id);
                    let shown = mark.map_or(&[][..], |mark| &mark.merged);
                    claims.entry(contact.id).or_default().add_read(contact, entries, shown);
                }
            }
        }
        claims
    }

    fn entries_of<'c>(&'c self, contact: &'c Contact, tracked: &'c Tracked) -> impl Iterator<Item = ReadEntry> + 'c {
        let entries = stage_entries(contact, tracked.stage(), tracked.event.start).into_iter();
        entries.map(|at| ReadEntry {
            time: (tracked.stream, at.as_millisecond()),
            noted_in: self.history.first_reads.noted_in(
                &self.ctx.recent_entries,
                tracked.stream,
                at,
                contact.last_modified(),
            ),
        })
    }

    /// The ids that the reads name and that the ledger has not joined with them.
    fn doubtful_ids(
        &self,
        claims: &Claims,
        known: &KnownLineages,
        checked: &mut CheckedLineages,
    ) -> Vec<(ContactId, BTreeSet<ContactId>)> {
        let mut doubts = Vec::new();
        for (own, claim) in claims.iter().filter(|(_, claim)| claim.names_others()) {
            match known.doubtful_ids(*own, claim.lineage()) {
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
        doubts
    }

    /// Asks HubSpot about ids that reads name, each beside the contact.
    async fn ask_named(
        &self,
        named: &[(ContactId, BTreeSet<ContactId>)],
        checked: &mut CheckedLineages,
    ) -> Result<(), UpstreamError> {
        let reads = cut_reads(named, read_limit(&[]));
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
        Ok(())
    }

    /// Asks HubSpot which contacts suspected ids lead to; and for some that it has not shown one by one, as the record
    /// that it shows for an id need not name it then.
    async fn ask_suspected(
        &self,
        suspected: &[(ContactId, SuspectedIds)],
        checked: &mut CheckedLineages,
    ) -> Result<(), UpstreamError> {
        let ids: BTreeSet<ContactId> = suspected.iter().flat_map(|(_, ids)| ids.all()).collect();
        let all: Vec<_> = ids.iter().copied().collect();
        let chunks = all.chunks(read_limit(&[]));
        let reads: Vec<_> = chunks.map(|ids| self.read_ids(ids.to_vec())).collect();
        let mut reads = stream::iter(reads).buffered(SIDE_BY_SIDE);
        while let Some(read) = reads.next().await {
            pulse::beat();
            let records = read?.records.into_iter();
            checked.leads.extend(records.map(|(id, record)| (id, Some(record))));
        }
        let telling = suspected.iter().flat_map(|(_, ids)| ids.telling.iter().copied());
        let telling: BTreeSet<ContactId> = telling.collect();
        let others = ids.difference(&telling);
        let not_shown = telling
            .iter()
            .chain(others)
            .filter(|id| !checked.leads.contains_key(id));
        let alone = not_shown.copied().take(MOST_ALONE);
        let reads: Vec<_> = alone.map(|id| self.read_alone(id)).collect();
        let mut reads = stream::iter(reads).buffered(SIDE_BY_SIDE);
        while let Some(read) = reads.next().await {
            pulse::beat();
            let (id, leads) = read?;
            checked.leads.insert(id, leads);
        }
        Ok(())
    }

    /// Where an id leads that is asked for alone.
    async fn read_alone(&self, id: ContactId) -> Result<(ContactId, Option<ContactId>), UpstreamError> {
        let leads = match self.crm.read_contacts(&who_is(vec![id])).await {
            Ok(batch) => {
                let instead = batch.shown_instead.get(&id).copied();
                shown_ids(&batch).records.get(&id).copied().or(instead)
            }
            // Nobody waits for ever for an id that can't be read.
            Err(error) if error.may_concern_a_part() => None,
            Err(error) => return Err(error),
        };
        Ok((id, leads))
    }

    /// Of the suspected ids that led to a contact those that are joined with it: the search names them too, or they
    /// did so before. It takes two answers to join contacts.
    fn join_led(
        &mut self,
        claims: &Claims,
        doubts: &Doubts,
        checked: &mut CheckedLineages,
    ) -> Vec<(ContactId, ContactId)> {
        let mut joined = Vec::new();
        for (own, ids) in &doubts.suspected {
            let shown = claims.get(own).map_or(&[][..], Claim::shown);
            for id in ids.all() {
                let (pair, is_shown, leads) = ((*own, id), shown.contains(&id), checked.leads.get(&id).copied());
                let has_led = leads == Some(Some(*own));
                if has_led && (is_shown || self.history.has_led(pair)) {
                    joined.push(pair);
                } else if has_led || is_shown || leads.is_none() || leads == Some(None) && ids.telling.contains(&id) {
                    checked.suspect(*own, Suspicion::Ids);
                }
                if leads.is_some() {
                    self.history.record_led(pair, has_led);
                }
            }
        }
        joined
    }

    /// One call: what HubSpot shows under these ids.
    async fn read_ids(&self, ids: Vec<ContactId>) -> Result<ShownIds, UpstreamError> {
        Ok(shown_ids(&self.crm.read_contacts(&who_is(ids)).await?))
    }

    /// The same for contacts and ids.
    async fn read_pairs(&self, pairs: Vec<(ContactId, ContactId)>) -> Result<ShownPairs, UpstreamError> {
        let ids: BTreeSet<ContactId> = pairs.iter().flat_map(|(own, id)| [*own, *id]).collect();
        let shown = self.read_ids(ids.into_iter().collect()).await?;
        Ok((pairs, shown))
    }
}

impl CheckedLineages {
    /// True if more than asking for ids has to be done before the contact counts.
    fn speak_against(&self, own: ContactId) -> bool {
        self.suspicions.contains_key(&own) || self.contradicted.contains_key(&own)
    }

    fn suspect(&mut self, own: ContactId, suspicion: Suspicion) {
        let known = self.suspicions.entry(own).or_insert(suspicion);
        *known = suspicion.max(*known);
    }
}

impl Doubts {
    fn concern(&self, own: ContactId) -> bool {
        let named = self.named.iter().map(|(doubted, _)| doubted);
        let mut all = named.chain(self.suspected.iter().map(|(doubted, _)| doubted));
        all.any(|doubted| *doubted == own)
    }
}

/// Pairs that were asked about, and what was shown.
type ShownPairs = (Vec<(ContactId, ContactId)>, ShownIds);

/// A read that asks for nothing but which records there are.
fn who_is(ids: Vec<ContactId>) -> ContactRead {
    ContactRead {
        ids,
        properties: Vec::new(),
        with_history: Vec::new(),
    }
}

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

/// As if they had not been read.
fn drop_contacts(pages: &mut [PageRead], is_one: impl Fn(ContactId) -> bool) {
    for page in pages {
        let dropped: BTreeSet<_> = contacts_of(page, &is_one).collect();
        page.contacts
            .retain(|(_, contact)| !dropped.contains(&contact.requested_id));
        page.read.retain(|mark| !dropped.contains(&mark.id));
    }
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
