//! Which ids belong to one contact. A record names the ids that were merged into it, and the ledger joins them for
//! good, for all events of the portal. So a record alone is not believed about ids that the ledger has not joined yet:
//! an id that HubSpot still shows as a contact of its own does not belong to another one (docs/reference/hubspot.md
//! 4.5).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ids::ContactId;

/// Most ids of one lineage. HubSpot allows 250 identities a contact.
pub const MAX_LINEAGE: usize = 500;

/// The ids in a property that lists them, `;`-separated, in part with a time behind a colon; `None` for each that is no
/// id. HubSpot's ids are positive and have 63 bits at most.
pub fn parse_ids(listed: &str) -> impl Iterator<Item = Option<ContactId>> {
    let ids = listed.split(';').map(str::trim).filter(|id| !id.is_empty());
    ids.map(|id| {
        let id: u64 = id.split(':').next()?.trim().parse().ok()?;
        (1..=i64::MAX.unsigned_abs()).contains(&id).then_some(ContactId(id))
    })
}

/// The contact that stands for each id, as the ledger knows it.
pub type CanonicalById = HashMap<ContactId, ContactId>;

/// What the ledger knows of some lineages: all their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownLineages {
    canonical_of: CanonicalById,
    ids: HashMap<ContactId, Vec<ContactId>>,
}

impl KnownLineages {
    /// From the canonical contact of each id.
    pub fn from_canonical(canonical_of: CanonicalById) -> Self {
        let mut ids: HashMap<ContactId, Vec<ContactId>> = HashMap::new();
        for (id, canonical) in &canonical_of {
            ids.entry(*canonical).or_default().push(*id);
        }
        Self { canonical_of, ids }
    }

    /// True if the ledger has met this id.
    pub fn knows(&self, id: ContactId) -> bool {
        self.canonical_of.contains_key(&id)
    }

    /// True if the ledger has joined both.
    pub fn are_joined(&self, one: ContactId, other: ContactId) -> bool {
        one == other
            || self
                .canonical_of
                .get(&one)
                .is_some_and(|canonical| self.canonical_of.get(&other) == Some(canonical))
    }

    /// All ids that the ledger has joined with this one, itself among them; none that it has never met.
    pub fn joined_with(&self, id: ContactId) -> &[ContactId] {
        let canonical = self.canonical_of.get(&id);
        let joined = canonical.and_then(|canonical| self.ids.get(canonical));
        joined.map_or(&[], Vec::as_slice)
    }

    /// The ids that would be joined with a record if it is believed, and that the ledger has not joined with it yet:
    /// those that the record names, and all ids that the ledger has joined with any of them.
    ///
    /// # Errors
    /// [`Contradiction::TooMany`].
    pub fn doubtful_ids(&self, own: ContactId, lineage: &[ContactId]) -> Result<BTreeSet<ContactId>, Contradiction> {
        let own_canonical = self.canonical_of.get(&own);
        let canonical: BTreeSet<&ContactId> = lineage.iter().filter_map(|id| self.canonical_of.get(id)).collect();
        let joined = canonical
            .into_iter()
            .filter_map(|canonical| self.ids.get(canonical))
            .flatten();
        let is_doubtful =
            |id: &&ContactId| **id != own && (own_canonical.is_none() || self.canonical_of.get(*id) != own_canonical);
        let mut doubtful = BTreeSet::new();
        for id in lineage.iter().chain(joined).filter(is_doubtful) {
            doubtful.insert(*id);
            if doubtful.len() > MAX_LINEAGE {
                return Err(Contradiction::TooMany);
            }
        }
        Ok(doubtful)
    }
}

/// What HubSpot showed for ids that were asked for at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownIds {
    /// The record that each id led to.
    pub records: BTreeMap<ContactId, ContactId>,
    /// Ids whose answer can't be read.
    pub unreadable: BTreeSet<ContactId>,
}

impl ShownIds {
    /// True if HubSpot showed this record for the id.
    pub fn leads_to(&self, id: ContactId, record: ContactId) -> bool {
        self.records.get(&id) == Some(&record)
    }
}

/// Why a record is not believed about its lineage now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// HubSpot no longer shows the record itself: it may have been merged meanwhile.
    NotShown,
    /// This id is a contact of its own.
    Alive(ContactId),
    /// This id leads to another record.
    OfAnother(ContactId),
    /// The answer for this id can't be read.
    Unreadable(ContactId),
    /// There are more ids than a contact can have.
    TooMany,
    /// Too many ids are doubtful at once, and others are confirmed first.
    Queued,
}

impl Contradiction {
    /// For people, no personal data.
    pub fn describe(self) -> String {
        let named = "its hs_merged_object_ids";
        match self {
            Self::NotShown => {
                "HubSpot does not show it a second time to confirm which contacts were merged into it".to_owned()
            }
            Self::Alive(id) => format!("{named} lead to contact {id}, which HubSpot shows as a contact of its own"),
            Self::OfAnother(id) => {
                format!("{named} lead to contact {id}, which HubSpot shows as merged into another one")
            }
            Self::Unreadable(id) => format!("{named} lead to contact {id}, which can't be read"),
            Self::Queued => "which contacts were merged into it is confirmed later, as there are many".to_owned(),
            Self::TooMany => format!("{named} lead to more than {MAX_LINEAGE} contacts"),
        }
    }
}

/// Compares what a record says with what HubSpot shows under one of its doubtful ids. An id that HubSpot does not show
/// at all contradicts nothing: the answer shows the record, so it does not leave out everybody.
///
/// # Errors
/// What contradicts it.
pub fn compare_id(own: ContactId, doubtful: ContactId, shown: &ShownIds) -> Result<(), Contradiction> {
    if shown.records.get(&own) != Some(&own) {
        return Err(Contradiction::NotShown);
    }
    match shown.records.get(&doubtful) {
        Some(record) if *record == own => Ok(()),
        Some(record) if *record == doubtful => Err(Contradiction::Alive(doubtful)),
        Some(_) => Err(Contradiction::OfAnother(doubtful)),
        None if shown.unreadable.contains(&doubtful) => Err(Contradiction::Unreadable(doubtful)),
        None => Ok(()),
    }
}

/// Most doubtful ids that are asked about in one go, of all records together.
pub const MAX_DOUBTS: usize = 5_000;

/// Takes out records until the rest has no more doubtful ids than are asked about in one go; those with the most ids go
/// first.
pub fn take_queued(doubts: &mut Vec<(ContactId, BTreeSet<ContactId>)>) -> Vec<ContactId> {
    doubts.sort_by_key(|(own, ids)| (ids.len(), *own));
    let mut sum = 0;
    let fits = doubts.iter().take_while(|(_, ids)| {
        sum += ids.len();
        sum <= MAX_DOUBTS
    });
    let fits = fits.count();
    doubts.drain(fits..).map(|(own, _)| own).collect()
}

/// Records and their doubtful ids, cut into reads of so many ids at most; each read has the record beside its ids.
pub fn cut_reads(doubts: &[(ContactId, BTreeSet<ContactId>)], limit: usize) -> Vec<Vec<(ContactId, ContactId)>> {
    let mut reads: Vec<Vec<(ContactId, ContactId)>> = Vec::new();
    let mut ids = BTreeSet::new();
    for (own, doubtful) in doubts.iter().flat_map(|(own, ids)| ids.iter().map(|id| (*own, *id))) {
        let more = [own, doubtful].iter().filter(|id| !ids.contains(*id)).count();
        if reads.is_empty() || ids.len() + more > limit {
            reads.push(Vec::new());
            ids.clear();
        }
        ids.extend([own, doubtful]);
        if let Some(read) = reads.last_mut() {
            read.push((own, doubtful));
        }
    }
    reads
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
