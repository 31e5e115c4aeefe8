//! Deals of contacts, and deals by id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use parking_lot::Mutex;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;

use super::client::HubSpot;
use super::errors::too_many_inputs;
use super::failed_reads::IsolatingRead;
use super::items::{OpenInputs, WRONG_TYPE};
use super::key_habits::KeyHabits;
use super::limits::Bucket;
use super::wire::{Paging, Record, Results, Scalar};
use crate::domain::ids::{ContactId, DealId};
use crate::ports::UpstreamError;
use crate::ports::crm::{Deal, DealBatch, DealLinks, Unreadable};

/// Most inputs of an association read.
const ASSOCIATION_LIMIT: usize = 1_000;
/// Most inputs of a deal read.
const DEAL_LIMIT: usize = 100;
/// Most pages of associations that are followed; a contact with more deals than these hold is not a real contact.
const PAGE_LIMIT: usize = 100;
/// Most deals of all contacts of a read together, about 2 MiB.
/// Beyond it, the contacts with the most deals are given up.
const LINK_LIMIT: usize = 100_000;
/// Length of a currency that is kept: a code has three letters, and a longer text is not one.
const MAX_CURRENCY: usize = 16;
const DEAL_PROPERTIES: [&str; 5] = [
    "amount",
    "hs_projected_amount",
    "deal_currency_code",
    "hs_is_closed_lost",
    "createdate",
];

#[derive(Deserialize)]
struct Association {
    from: Option<From>,
    to: Option<Vec<To>>,
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct From {
    id: Option<Scalar>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct To {
    to_object_id: Option<Scalar>,
}

/// The deals of contacts while their pages are read.
struct Links {
    asked: BTreeSet<ContactId>,
    deals: BTreeMap<ContactId, BTreeSet<DealId>>,
    without: BTreeSet<ContactId>,
    unreadable: Unreadable<ContactId>,
}

impl HubSpot {
    pub(crate) async fn read_associations(&self, contacts: &[ContactId]) -> Result<DealLinks, UpstreamError> {
        let asked: BTreeSet<ContactId> = contacts.iter().copied().collect();
        if asked.len() > ASSOCIATION_LIMIT {
            let error = too_many_inputs("an association read", asked.len(), "contacts", ASSOCIATION_LIMIT);
            return Err(error);
        }
        let mut pages: Vec<(ContactId, Option<String>)> = asked.iter().map(|id| (*id, None)).collect();
        let mut links = Links {
            asked,
            deals: BTreeMap::new(),
            without: BTreeSet::new(),
            unreadable: BTreeMap::new(),
        };
        for _ in 0..PAGE_LIMIT {
            if pages.is_empty() {
                break;
            }
            let next = self.association_pages(&pages, &mut links).await?;
            let (still, next) = next.into_iter().partition(|page| pages.contains(page));
            links.give_up(still, "the paging of its deals does not move on");
            pages = next;
            pages.retain(|(contact, _)| !links.unreadable.contains_key(contact));
        }
        links.give_up(pages, "it has too many pages of deals");
        links.deals.retain(|contact, _| !links.unreadable.contains_key(contact));
        let deals = links.deals.into_iter();
        Ok(DealLinks {
            deals: deals
                .map(|(contact, deals)| (contact, deals.into_iter().collect()))
                .collect(),
            without: links.without,
            unreadable: links.unreadable,
        })
    }

    /// Reads one page of each of these contacts; returns the next pages.
    async fn association_pages(
        &self,
        pages: &[(ContactId, Option<String>)],
        links: &mut Links,
    ) -> Result<Vec<(ContactId, Option<String>)>, UpstreamError> {
        let path = format!("/crm/associations/{}/contacts/deals/batch/read", self.api_version());
        let input = |(id, after): &(ContactId, Option<String>)| match after {
            Some(after) => json!({ "id": id.to_string(), "after": after }),
            None => json!({ "id": id.to_string() }),
        };
        let mut next = Vec::new();
        // Pages are remembered only as first or later ones: HubSpot may give the same page another cursor.
        let mut parts = IsolatingRead::new(pages.to_vec(), &self.failed_links, |(id, after)| (*id, after.is_some()));
        while let Some(part) = parts.next_part() {
            let body = json!({ "inputs": part.iter().map(input).collect::<Vec<_>>() }).to_string();
            let (kind, retries) = (("associations", Bucket::Associations), parts.retries(self.retries()));
            let batch = self.read_batch_repeatedly(kind, path.clone(), &body, retries).await;
            match batch.and_then(|batch| links.take_page(part.iter().map(|(id, _)| *id), batch)) {
                Ok(pages) => {
                    parts.part_answered(&part);
                    next.extend(pages);
                    links.keep_within(LINK_LIMIT);
                }
                Err(error) => parts.part_refused(&part, error)?,
            }
        }
        let refused = parts.into_unreadable()?.into_iter().map(|((id, _), why)| (id, why));
        links.unreadable.extend(refused);
        Ok(next)
    }

    pub(crate) async fn read_deals(&self, ids: &[DealId]) -> Result<DealBatch, UpstreamError> {
        let asked: BTreeSet<DealId> = ids.iter().copied().collect();
        if asked.len() > DEAL_LIMIT {
            return Err(too_many_inputs("a batch read", asked.len(), "deals", DEAL_LIMIT));
        }
        let mut all = DealBatch::default();
        let mut parts = IsolatingRead::new(asked.into_iter().collect(), &self.failed_deals, |id| *id);
        while let Some(part) = parts.next_part() {
            let inputs: Vec<_> = part.iter().map(|id| json!({ "id": id.to_string() })).collect();
            let body = json!({ "properties": DEAL_PROPERTIES, "propertiesWithHistory": [], "inputs": inputs });
            let path = format!("/crm/objects/{}/deals/batch/read", self.api_version());
            let (kind, retries) = (("deals", Bucket::Other), parts.retries(self.retries()));
            let batch = self.read_batch_repeatedly(kind, path, &body.to_string(), retries).await;
            match batch.and_then(|batch| take_deals(&part, batch, &mut all, &self.deal_keys)) {
                Ok(()) => parts.part_answered(&part),
                Err(error) => parts.part_refused(&part, error)?,
            }
        }
        all.unreadable.extend(parts.into_unreadable()?);
        Ok(all)
    }
}

impl Links {
    fn give_up(&mut self, pages: Vec<(ContactId, Option<String>)>, why: &str) {
        self.unreadable
            .extend(pages.into_iter().map(|(id, _)| (id, why.to_owned())));
    }

    /// Gives up the contacts with the most deals until the others together have no more than this many.
    fn keep_within(&mut self, limit: usize) {
        let mut all: usize = self.deals.values().map(BTreeSet::len).sum();
        while all > limit {
            let most = self.deals.iter().max_by_key(|(_, deals)| deals.len());
            let Some((contact, deals)) = most.map(|(contact, deals)| (*contact, deals.len())) else {
                return;
            };
            all -= deals;
            self.deals.remove(&contact);
            self.unreadable.insert(contact, "it has too many deals".to_owned());
        }
    }

    /// Takes a page of each of these contacts from an answer; returns the next pages.
    fn take_page(
        &mut self,
        contacts: impl Iterator<Item = ContactId>,
        mut batch: Results<Association>,
    ) -> Result<Vec<(ContactId, Option<String>)>, UpstreamError> {
        let associations = batch.take_rows()?;
        let mut open = OpenInputs::new(contacts);
        open.take_errors(batch.item_errors(), |text| text.trim().parse().ok());
        open.mark_flawed(batch.flaw());
        for row in batch.odd_rows() {
            match row.from.map(ContactId).filter(|id| open.contains(id)) {
                Some(id) => open.mark_failed(&id, WRONG_TYPE),
                None => open.mark_unattributed(WRONG_TYPE),
            }
        }
        let mut next = Vec::new();
        for association in associations {
            let Some(from) = association.from.and_then(|from| from.id?.id()).map(ContactId) else {
                open.mark_unattributed("the id of a contact with deals is no number");
                continue;
            };
            if !self.asked.contains(&from) {
                open.mark_stray();
                continue;
            }
            let found = self.deals.entry(from).or_default();
            for to in association.to.unwrap_or_default() {
                match to.to_object_id.and_then(|id| id.id()) {
                    Some(id) => drop(found.insert(DealId(id))),
                    None => open.mark_failed(&from, "the id of one of its deals is no number"),
                }
            }
            open.mark_answered(&from);
            let after = association.paging.and_then(Paging::next_cursor);
            next.extend(after.map(|after| (from, Some(after))));
        }
        self.without.extend(open.unassociated_inputs());
        self.unreadable.extend(open.into_unreadable());
        Ok(next)
    }
}

fn take_deals(
    ids: &[DealId],
    mut batch: Results<Record>,
    all: &mut DealBatch,
    habits: &Mutex<KeyHabits>,
) -> Result<(), UpstreamError> {
    let mut open = OpenInputs::new(ids.iter().copied());
    open.take_errors(batch.item_errors(), |text| text.trim().parse().ok().map(DealId));
    for row in batch.odd_rows() {
        match row.id.map(DealId).filter(|id| open.contains(id)) {
            Some(id) => open.mark_failed(&id, WRONG_TYPE),
            None => open.mark_unattributed(WRONG_TYPE),
        }
    }
    let records = batch.take_rows()?;
    let mut habits = habits.lock();
    let now = Instant::now();
    habits.learn(&DEAL_PROPERTIES, &records, now);
    for record in records {
        let Some(id) = record.id().map(DealId) else {
            open.mark_unattributed("its id is no number");
            continue;
        };
        if !ids.contains(&id) {
            open.mark_stray();
            continue;
        }
        match to_deal(id, &record) {
            // A read of this kind must not show archived records.
            _ if record.archived == Some(true) => open.mark_failed(&id, "HubSpot shows it as archived"),
            _ if lacks_amount(&record, &habits, now) => {
                open.mark_failed(&id, "its amount is missing in HubSpot's answer");
            }
            Some(deal) => {
                open.mark_answered(&id);
                all.deals.push(deal);
            }
            None => open.mark_failed(&id, "it has no usable \"createdate\""),
        }
    }
    // These cannot be missing: HubSpot has just named them as deals of a contact.
    for id in open.open_inputs().copied().collect::<Vec<_>>() {
        open.mark_failed(&id, "HubSpot does not show it");
    }
    all.unreadable.extend(open.into_unreadable());
    Ok(())
}

/// True if the deal's value is unknown: HubSpot gives these properties with every deal, as null if they are empty.
fn lacks_amount(record: &Record, habits: &KeyHabits, now: Instant) -> bool {
    let given = record.properties.as_ref();
    let is_given = |name| given.is_some_and(|all| all.contains_key(name) || habits.leaves_out(name, now));
    !["hs_projected_amount", "hs_is_closed_lost"].into_iter().all(is_given)
}

/// `None` without a creation time: then nobody knows which of a contact's deals is the latest.
fn to_deal(id: DealId, record: &Record) -> Option<Deal> {
    let created = [record.property("createdate"), record.created_at.as_ref()];
    Some(Deal {
        id,
        created_at: created.into_iter().flatten().find_map(Scalar::time)?,
        projected_amount: record.text("hs_projected_amount").and_then(parse_decimal),
        currency: record
            .text("deal_currency_code")
            .map(|code| code.chars().take(MAX_CURRENCY).collect()),
        closed_lost: record
            .text("hs_is_closed_lost")
            .is_some_and(|lost| lost.eq_ignore_ascii_case("true")),
    })
}

/// HubSpot's numbers are decimal strings, at times with more digits than anybody needs (rounded) or with an exponent.
/// A text that is not a number counts as a missing amount, which the event's default replaces.
fn parse_decimal(text: &str) -> Option<Decimal> {
    text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(sizes: &[u64]) -> Links {
        let contacts = (1..).map(ContactId);
        let deals = contacts.zip(sizes.iter().map(|size| (0..*size).map(DealId).collect()));
        let deals: BTreeMap<ContactId, BTreeSet<DealId>> = deals.collect();
        Links {
            asked: deals.keys().copied().collect(),
            deals,
            without: BTreeSet::new(),
            unreadable: BTreeMap::new(),
        }
    }

    #[test]
    fn those_with_the_most_deals_are_given_up_and_nobody_else() {
        for (sizes, limit, given_up) in [
            (&[5, 5, 5][..], 15, &[][..]),
            (&[5, 6, 5], 15, &[2]),
            (&[1, 90, 2, 70, 3], 20, &[2, 4]),
            (&[1, 90, 2, 70, 3], 76, &[2]),
            (&[30], 20, &[1]),
            (&[], 0, &[]),
        ] {
            let mut links = links(sizes);
            links.keep_within(limit);
            let unreadable: Vec<u64> = links.unreadable.keys().map(|contact| contact.0).collect();
            assert_eq!(unreadable, given_up, "{sizes:?} {limit}");
            assert!(
                links
                    .unreadable
                    .keys()
                    .all(|contact| !links.deals.contains_key(contact))
            );
            assert_eq!(links.deals.len() + given_up.len(), sizes.len());
        }
    }
}
