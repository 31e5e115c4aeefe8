//! What rows are worth: deals are read where their values come from deals.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rust_decimal::Decimal;

use super::Sendable;
use super::contacts::Contacts;
use crate::domain::contact::Deal;
use crate::domain::eligibility::{Prepared, ValueRule};
use crate::domain::ids::{ContactId, DealId};
use crate::domain::value::value;
use crate::ports::UpstreamError;
use crate::ports::crm::Unreadable;
use crate::ports::ledger::Row;
use crate::ports::pulse;
use crate::registry::sync_error::Fault;
use crate::sync::context::SyncContext;

/// Most contacts in one question for associations (docs/reference/hubspot.md 6.1).
const MAX_ASSOCIATIONS: usize = 1000;
/// Most deals in one read (docs/reference/hubspot.md 6.2).
const MAX_DEALS: usize = 100;

/// A row with what identifies it, and what it is worth.
pub(crate) type Priced = (Row, Prepared, Option<(Decimal, String)>);

/// The deals of contacts.
#[derive(Default)]
struct Deals {
    of: HashMap<ContactId, Vec<Deal>>,
    unreadable: Unreadable<ContactId>,
}

impl Sendable {
    /// The value of each row: what an earlier try may have sent, else by the rule. Rows whose deals cannot be read wait.
    pub(crate) async fn priced(
        &self,
        ctx: &SyncContext,
        rows: Vec<(Row, Prepared)>,
        contacts: &Contacts,
    ) -> Result<Vec<Priced>, Fault> {
        let deals = match &self.event.rules.value {
            Some(ValueRule::DealAmount { .. }) => match self.deals(&rows, contacts).await {
                Ok(deals) => deals,
                Err(error) => {
                    let rows: Vec<Row> = rows.into_iter().map(|(row, _)| row).collect();
                    return self.without_deals(ctx, &rows, error).await;
                }
            },
            _ => Deals::default(),
        };
        let (mut priced, mut waiting) = (Vec::with_capacity(rows.len()), Vec::new());
        for (row, prepared) in rows {
            // Deals hang on the record of today, also where the row still has an id from before a merge.
            let contact = contacts.today(row.contact);
            if let Some(what) = deals.unreadable.get(&contact).filter(|_| row.sent.is_none()) {
                waiting.push(self.set_aside(ctx, &row, what));
                continue;
            }
            let value = row.sent.clone().unwrap_or_else(|| self.value(&deals, contact));
            priced.push((row, prepared, value));
        }
        ctx.ledger.settle(&waiting, ctx.clock.now()).await?;
        Ok(priced)
    }

    fn value(&self, deals: &Deals, contact: ContactId) -> Option<(Decimal, String)> {
        let rule = self.event.rules.value.as_ref()?;
        let deals = deals.of.get(&contact).map_or(&[][..], Vec::as_slice);
        Some(value(rule, deals, &self.portal.company_currency))
    }

    /// Rows wait after a failed read of deals.
    async fn without_deals(&self, ctx: &SyncContext, rows: &[Row], error: UpstreamError) -> Result<Vec<Priced>, Fault> {
        self.put_off(ctx, rows, error).await?;
        Ok(Vec::new())
    }

    async fn deals(&self, rows: &[(Row, Prepared)], contacts: &Contacts) -> Result<Deals, UpstreamError> {
        let open = rows.iter().filter(|(row, _)| row.sent.is_none());
        let ids: BTreeSet<_> = open.map(|(row, _)| contacts.today(row.contact)).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let mut ids_of: BTreeMap<ContactId, Vec<DealId>> = BTreeMap::new();
        let mut deals = Deals::default();
        for chunk in ids.chunks(MAX_ASSOCIATIONS) {
            pulse::beat();
            let links = self.crm.deals_of(chunk).await?;
            ids_of.extend(links.deals);
            let whole = |(contact, why)| (contact, format!("its deals can't be read ({why})"));
            deals.unreadable.extend(links.unreadable.into_iter().map(whole));
        }
        let ids: BTreeSet<_> = ids_of.values().flatten().copied().collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let (mut by_id, mut unreadable) = (HashMap::new(), Unreadable::new());
        for chunk in ids.chunks(MAX_DEALS) {
            pulse::beat();
            let batch = self.crm.deals(chunk).await?;
            by_id.extend(batch.deals.into_iter().map(|deal| (deal.id, deal)));
            unreadable.extend(batch.unreadable);
        }
        for (contact, ids) in ids_of {
            // One that can't be read may be the latest.
            if let Some((id, why)) = ids.iter().find_map(|id| Some((id, unreadable.get(id)?))) {
                deals
                    .unreadable
                    .insert(contact, format!("its deal {id} can't be read ({why})"));
                continue;
            }
            let found = ids.iter().filter_map(|id| by_id.get(id).cloned()).collect();
            deals.of.insert(contact, found);
        }
        Ok(deals)
    }
}
