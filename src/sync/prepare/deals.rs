//! What rows are worth: deals are read where their values come from deals.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::contacts::Contacts;
use super::{EligibleEvent, look_again, postpone_rows, row_update};
use crate::domain::contact::Deal;
use crate::domain::eligibility::{Prepared, ValueRule};
use crate::domain::ids::{ContactId, DealId};
use crate::domain::outcome::{Outcome, reason};
use crate::domain::value::{CurrencyUnknown, conversion_value};
use crate::ports::UpstreamError;
use crate::ports::crm::{DealLinks, Unreadable};
use crate::ports::ledger::Row;
use crate::ports::pulse;
use crate::registry::sync_error::SyncError;
use crate::sync::context::SyncContext;
use crate::sync::second_look::Finding;

/// Most contacts in one question for associations (docs/reference/hubspot.md 6.1).
const MAX_ASSOCIATIONS: usize = 1000;
/// Most deals in one read (docs/reference/hubspot.md 6.2).
const MAX_DEALS: usize = 100;

/// Why a row is not priced though its deals can be read.
const NO_CURRENCY: &str = "its deal is in the company's currency, and two answers of HubSpot do not agree on that one";

/// A row with what identifies it, and what it is worth.
pub(crate) type Priced = (Row, Prepared, Option<(Decimal, String)>);

/// The deals of contacts.
#[derive(Default)]
struct Deals {
    /// Those that can be read.
    of: HashMap<ContactId, Vec<Deal>>,
    /// Contacts of which not all can be, and why.
    unreadable: Unreadable<ContactId>,
    /// What a read failed with, and the contacts whose deals were to come with it or after it.
    failed: Option<(UpstreamError, BTreeSet<ContactId>)>,
}

impl EligibleEvent {
    /// The value of each row: what an earlier try may have sent, else by the rule. Rows whose deals cannot be read
    /// wait, for `--click-grace` at most: a deal that the token may never see holds nothing up for ever.
    pub(crate) async fn price_rows(
        &self,
        ctx: &SyncContext,
        rows: Vec<(Row, Prepared)>,
        contacts: &Contacts,
    ) -> Result<Vec<Priced>, SyncError> {
        let asked = ctx.clock.now();
        let mut deals = match &self.event.rules.value {
            Some(ValueRule::DealAmount { .. }) => match self.read_deals(&rows, contacts).await {
                Ok(deals) => deals,
                Err(error) => return self.without_deals(ctx, rows, error).await,
            },
            _ => Deals::default(),
        };
        let rows = match deals.failed.take() {
            Some(failed) => self.put_off_unread(ctx, rows, contacts, failed).await?,
            None => rows,
        };
        let absences = ctx.absences_of(&self.event.hubspot, self.portal.id);
        for (row, _) in &rows {
            let contact = contacts.current_id(row.contact);
            if !deals.unreadable.contains_key(&contact) {
                absences.deals_shown(contact);
            }
        }
        let (mut priced, mut waiting) = (Vec::with_capacity(rows.len()), Vec::new());
        for (row, prepared) in rows {
            // Deals hang on the record of today, also where the row still has an id from before a merge.
            let contact = contacts.current_id(row.contact);
            if let Some(what) = deals.unreadable.get(&contact).filter(|_| row.sent.is_none())
                && !self.is_patience_over(ctx, contact)
            {
                waiting.push(self.set_aside(ctx, &row, what));
                continue;
            }
            match row.sent.clone().map_or_else(|| self.row_value(&deals, contact), Ok) {
                Ok(value) => match self.doubted_until(ctx, (&row, asked), &deals, contact, value.as_ref()) {
                    Some(due) => waiting.push(row_update(&row, Outcome::Pending, reason::NOT_DUE, due)),
                    None => priced.push((row, prepared, value)),
                },
                Err(CurrencyUnknown) => waiting.push(self.set_aside(ctx, &row, NO_CURRENCY)),
            }
        }
        ctx.ledger.apply_updates(&waiting, ctx.clock.now()).await?;
        Ok(priced)
    }

    /// True where the deals of this contact have been waited for long enough.
    fn is_patience_over(&self, ctx: &SyncContext, contact: ContactId) -> bool {
        let pauses = ctx.settings.absence_pauses();
        let absences = ctx.absences_of(&self.event.hubspot, self.portal.id);
        let missed = absences.deals_missed(contact, &pauses, Instant::now());
        missed.is_some_and(|missing| missing >= pauses.silent)
    }

    fn row_value(&self, deals: &Deals, contact: ContactId) -> Result<Option<(Decimal, String)>, CurrencyUnknown> {
        let Some(rule) = self.event.rules.value.as_ref() else {
            return Ok(None);
        };
        let deals = deals.of.get(&contact).map_or(&[][..], Vec::as_slice);
        conversion_value(rule, deals, &self.portal.company_currency).map(Some)
    }

    /// Until when a row waits for deals to be read again: what is sent stays, and
    /// of a contact with deals it takes two reads to send the event's default.
    fn doubted_until(
        &self,
        ctx: &SyncContext,
        (row, asked): (&Row, Timestamp),
        deals: &Deals,
        contact: ContactId,
        value: Option<&(Decimal, String)>,
    ) -> Option<Timestamp> {
        let Some(ValueRule::DealAmount { default }) = &self.event.rules.value else {
            return None;
        };
        let has_deals = deals.of.get(&contact).is_some_and(|deals| !deals.is_empty());
        let is_default =
            value.is_some_and(|(amount, currency)| (amount, currency) == (&default.amount, &default.currency));
        if row.sent.is_some() || !has_deals || !is_default {
            return None;
        }
        look_again(ctx, row, (Finding::DefaultValue, asked), ctx.clock.now())
    }

    /// Rows wait after a failed read of deals.
    async fn without_deals(
        &self,
        ctx: &SyncContext,
        rows: Vec<(Row, Prepared)>,
        error: UpstreamError,
    ) -> Result<Vec<Priced>, SyncError> {
        let rows: Vec<Row> = rows.into_iter().map(|(row, _)| row).collect();
        self.put_off(ctx, &rows, error).await?;
        Ok(Vec::new())
    }

    /// The rows that need none of the deals that could not be read: the others wait.
    async fn put_off_unread(
        &self,
        ctx: &SyncContext,
        rows: Vec<(Row, Prepared)>,
        contacts: &Contacts,
        (error, unread): (UpstreamError, BTreeSet<ContactId>),
    ) -> Result<Vec<(Row, Prepared)>, SyncError> {
        let needs_them = |row: &Row| row.sent.is_none() && unread.contains(&contacts.current_id(row.contact));
        let (waiting, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(row, _)| needs_them(row));
        let waiting: Vec<Row> = waiting.into_iter().map(|(row, _)| row).collect();
        if others.is_empty() {
            self.put_off(ctx, &waiting, error).await?;
        } else {
            ctx.registry.hubspot_fault(&self.event.hubspot, &error);
            let fault = postpone_rows(ctx, &waiting, error).await;
            if matches!(fault, SyncError::Ledger(_)) {
                return Err(fault);
            }
            self.report_read_failure(ctx, &fault);
        }
        Ok(others)
    }

    /// The deals of the contacts of rows whose value is not settled yet.
    async fn read_deals(&self, rows: &[(Row, Prepared)], contacts: &Contacts) -> Result<Deals, UpstreamError> {
        let open = || rows.iter().filter(|(row, _)| row.sent.is_none());
        let ids: BTreeSet<_> = open().map(|(row, _)| contacts.current_id(row.contact)).collect();
        let mut links = self.read_links(&ids.into_iter().collect::<Vec<_>>()).await?;
        for (row, _) in open() {
            let contact = contacts.current_id(row.contact);
            let counted = contacts.get(row.contact).is_some_and(|read| read.contact.has_deals());
            let is_shown = links.deals.get(&contact).is_some_and(|deals| !deals.is_empty());
            // Whichever of the two is behind the other.
            if counted && !is_shown {
                let why = || "HubSpot counts deals for it, but shows none".to_owned();
                links.unreadable.entry(contact).or_insert_with(why);
            }
        }
        let mut deals = Deals::default();
        let whole = |(contact, why)| (contact, format!("its deals can't be read ({why})"));
        deals.unreadable.extend(links.unreadable.into_iter().map(whole));
        let ids: BTreeSet<_> = links.deals.values().flatten().copied().collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let (mut by_id, mut unreadable, mut failed) = (HashMap::new(), Unreadable::new(), None);
        for chunk in ids.chunks(MAX_DEALS) {
            pulse::beat();
            match self.crm.read_deals(chunk).await {
                Ok(batch) => {
                    by_id.extend(batch.deals.into_iter().map(|deal| (deal.id, deal)));
                    unreadable.extend(batch.unreadable);
                }
                // Contacts that have none of these deals do not need them.
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let is_read = |id: &DealId| by_id.contains_key(id) || unreadable.contains_key(id);
        deals.failed = failed.map(|error| {
            let unread = links.deals.iter().filter(|(_, ids)| !ids.iter().all(is_read));
            (error, unread.map(|(contact, _)| *contact).collect())
        });
        for (contact, ids) in links.deals {
            // One that can't be read may be the latest.
            if let Some((id, why)) = ids.iter().find_map(|id| Some((id, unreadable.get(id)?))) {
                deals
                    .unreadable
                    .insert(contact, format!("its deal {id} can't be read ({why})"));
            }
            let found = ids.iter().filter_map(|id| by_id.get(id).cloned()).collect();
            deals.of.insert(contact, found);
        }
        Ok(deals)
    }

    async fn read_links(&self, ids: &[ContactId]) -> Result<DealLinks, UpstreamError> {
        let mut all = DealLinks::default();
        for chunk in ids.chunks(MAX_ASSOCIATIONS) {
            pulse::beat();
            let links = self.crm.deals_of(chunk).await?;
            all.deals.extend(links.deals);
            all.without.extend(links.without);
            all.unreadable.extend(links.unreadable);
        }
        Ok(all)
    }
}
