//! Deals of contacts, and deals by id.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::HubSpot;
use super::errors::{malformed, refused};
use super::wire::{Paging, Record, Results, Scalar};
use crate::domain::ids::{ContactId, DealId};
use crate::sync::ports::UpstreamError;
use crate::sync::ports::crm::Deal;

/// Inputs of an association read.
const ASSOCIATION_LIMIT: usize = 1_000;
/// Inputs of a deal read.
const DEAL_LIMIT: usize = 100;
/// Pages of associations followed; a contact with more deals than this holds is no contact.
const PAGE_LIMIT: usize = 100;
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

impl HubSpot {
    pub(super) async fn read_associations(
        &self,
        contacts: &[ContactId],
    ) -> Result<BTreeMap<ContactId, Vec<DealId>>, UpstreamError> {
        let asked: BTreeSet<_> = contacts.iter().collect();
        if asked.len() > ASSOCIATION_LIMIT {
            let message = format!(
                "an association read of {} contacts, allowed are {ASSOCIATION_LIMIT}",
                asked.len()
            );
            return Err(refused("BATCH_TOO_LARGE", message));
        }
        let mut inputs: Vec<Value> = asked.iter().map(|id| json!({ "id": id.to_string() })).collect();
        let mut deals: BTreeMap<ContactId, BTreeSet<DealId>> = BTreeMap::new();
        for _ in 0..PAGE_LIMIT {
            if inputs.is_empty() {
                return Ok(deals
                    .into_iter()
                    .map(|(contact, deals)| (contact, deals.into_iter().collect()))
                    .collect());
            }
            let next = self.association_page(&inputs, &mut deals).await?;
            if next == inputs {
                return Err(malformed("the paging of associations does not move on"));
            }
            inputs = next;
        }
        Err(malformed(format!(
            "a contact has more than {PAGE_LIMIT} pages of deals"
        )))
    }

    /// Reads one page of each input into `deals`; gives the inputs of the next pages.
    async fn association_page(
        &self,
        inputs: &[Value],
        deals: &mut BTreeMap<ContactId, BTreeSet<DealId>>,
    ) -> Result<Vec<Value>, UpstreamError> {
        let body = json!({ "inputs": inputs }).to_string();
        let path = format!("/crm/associations/{}/contacts/deals/batch/read", self.version());
        let mut batch: Results<Association> = self.batch("associations", path, &body).await?;
        let mut next = Vec::new();
        for association in batch.take()? {
            let from = association.from.and_then(|from| from.id?.id()).map(ContactId);
            let from = from.ok_or_else(|| malformed("an association has no numeric \"from.id\""))?;
            let found = deals.entry(from).or_default();
            for to in association.to.unwrap_or_default() {
                let id = to.to_object_id.and_then(|id| id.id());
                found.insert(DealId(
                    id.ok_or_else(|| malformed("an association has no numeric \"toObjectId\""))?,
                ));
            }
            if let Some(after) = association.paging.and_then(Paging::after) {
                next.push(json!({ "id": from.to_string(), "after": after }));
            }
        }
        Ok(next)
    }

    pub(super) async fn read_deals(&self, ids: &[DealId]) -> Result<Vec<Deal>, UpstreamError> {
        let asked: BTreeSet<_> = ids.iter().collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        if asked.len() > DEAL_LIMIT {
            let message = format!("a batch read of {} deals, allowed are {DEAL_LIMIT}", asked.len());
            return Err(refused("BATCH_TOO_LARGE", message));
        }
        let inputs: Vec<_> = asked.iter().map(|id| json!({ "id": id.to_string() })).collect();
        let body = json!({ "properties": DEAL_PROPERTIES, "propertiesWithHistory": [], "inputs": inputs }).to_string();
        let path = format!("/crm/objects/{}/deals/batch/read", self.version());
        let mut batch: Results<Record> = self.batch("deals", path, &body).await?;
        batch
            .take()?
            .iter()
            .filter(|record| record.archived != Some(true))
            .map(deal)
            .collect()
    }
}

fn deal(record: &Record) -> Result<Deal, UpstreamError> {
    let id = DealId(record.id()?);
    let created = record.property("createdate").and_then(Scalar::time);
    let created_at = created
        .or_else(|| record.created_at.as_ref().and_then(Scalar::time))
        .ok_or_else(|| malformed(format!("deal {id} has no usable \"createdate\"")))?;
    Ok(Deal {
        id,
        created_at,
        projected_amount: record.text("hs_projected_amount").and_then(decimal),
        currency: record.text("deal_currency_code").map(str::to_owned),
        closed_lost: record
            .text("hs_is_closed_lost")
            .is_some_and(|lost| lost.eq_ignore_ascii_case("true")),
    })
}

/// HubSpot's numbers are decimal strings, at times with more digits than anybody needs (rounded) or with an exponent.
/// What is no number counts as a missing amount, for which the event's default stands.
fn decimal(text: &str) -> Option<Decimal> {
    text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())
}
