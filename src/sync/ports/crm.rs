//! What we need of HubSpot.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::UpstreamError;
use crate::domain::ids::{ContactId, DealId, PortalId};

/// `GET /account-info/{version}/details`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portal {
    /// The portal's id.
    pub id: PortalId,
    /// IANA or HubSpot's zone name, as given.
    pub time_zone: String,
    /// ISO 4217, the currency of deals without one of their own.
    pub company_currency: String,
    /// Host of the web UI, e.g. `app.hubspot.com`.
    pub ui_domain: String,
}

/// One option of the property `lifecyclestage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Internal value, e.g. `customer` or `1066237962`.
    pub value: String,
    /// What people see; may be changed at any time.
    pub label: String,
}

/// Values of one property over time.
#[derive(Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The value; empty where it was cleared.
    pub value: String,
    /// When it was set, HubSpot's clock, milliseconds.
    pub at: Timestamp,
    /// HubSpot's `sourceType`, e.g. `CRM_UI`, `IMPORT`, `MERGE_OBJECTS`.
    pub source: String,
}

/// A contact as search or batch read gives it. No `Debug`: it holds personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// The id it was asked for by (an id from before a merge is possible); equals `id` in searches.
    pub requested_id: ContactId,
    /// The record's id now.
    pub id: ContactId,
    /// `updatedAt`, HubSpot's clock.
    pub updated_at: Timestamp,
    /// Current values of the properties asked for; absent, null and empty are all left out.
    pub properties: BTreeMap<String, String>,
    /// Histories of the properties asked for with history, oldest first. Empty for a property without one.
    pub history: BTreeMap<String, Vec<HistoryEntry>>,
}

impl Contact {
    /// The current value of a property, unless absent, null or empty.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    /// All ids of this contact's lineage: its own, the one asked for, and `hs_merged_object_ids`. Sorted, no repeats.
    pub fn lineage(&self) -> Vec<ContactId> {
        let merged = self.property("hs_merged_object_ids").unwrap_or_default();
        let mut ids: Vec<_> = merged.split(';').filter_map(|id| id.trim().parse().ok()).collect();
        ids.extend([self.id, self.requested_id]);
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// A search over contacts: rows where *any* of `any_since` holds, with an id above `after`, ascending by id.
/// Reference notes, HubSpot 3: at most 5 groups, 200 a page, no timestamps in the paging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactSearch {
    /// Datetime properties with an inclusive lower bound each (OR). 1–5.
    pub any_since: Vec<(String, Timestamp)>,
    /// Only ids greater than this.
    pub after: ContactId,
    /// Properties to return.
    pub properties: Vec<String>,
}

/// One page of a search.
pub struct ContactPage {
    /// The contacts, ascending by id, at most 200.
    pub contacts: Vec<Contact>,
    /// True where more rows with greater ids match.
    pub more: bool,
}

/// A batch read by id: at most 50 ids with history, 100 without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRead {
    /// Ids to read; ids from before a merge resolve to the record of today.
    pub ids: Vec<ContactId>,
    /// Properties to return.
    pub properties: Vec<String>,
    /// Properties to return with their history.
    pub with_history: Vec<String>,
}

/// A deal with what the value rule needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deal {
    /// Its id.
    pub id: DealId,
    /// `createdate`, else the record's `createdAt`.
    pub created_at: Timestamp,
    /// `hs_projected_amount` (amount times stage probability), in the deal's currency.
    pub projected_amount: Option<Decimal>,
    /// `deal_currency_code`, ISO 4217; absent in portals with one currency.
    pub currency: Option<String>,
    /// `hs_is_closed_lost`.
    pub closed_lost: bool,
}

/// HubSpot's CRM, read only. Implementations keep the portal's limits themselves (5 searches a second, the burst and
/// daily buckets) and never call inside a `Retry-After`. Errors: [`UpstreamError`] with `service` "HubSpot".
#[async_trait]
pub trait Crm: Send + Sync {
    /// The portal behind the token.
    async fn portal(&self) -> Result<Portal, UpstreamError>;
    /// Scopes of the token; `None` where HubSpot does not tell (then the calls themselves are the probe).
    async fn scopes(&self) -> Result<Option<Vec<String>>, UpstreamError>;
    /// Options of `lifecyclestage`, in display order.
    async fn stages(&self) -> Result<Vec<Stage>, UpstreamError>;
    /// Internal names of all contact properties, sorted.
    async fn property_names(&self) -> Result<Vec<String>, UpstreamError>;
    /// One page of a search.
    async fn search(&self, search: &ContactSearch) -> Result<ContactPage, UpstreamError>;
    /// Contacts by id, in any order. Ids that no longer exist are absent from the result: that is no error.
    async fn read(&self, read: &ContactRead) -> Result<Vec<Contact>, UpstreamError>;
    /// Ids of the deals of each contact (at most 1,000 contacts), all pages. Contacts without deals may be absent.
    async fn deals_of(&self, contacts: &[ContactId]) -> Result<BTreeMap<ContactId, Vec<DealId>>, UpstreamError>;
    /// Deals by id (at most 100). Archived and missing ones are absent.
    async fn deals(&self, ids: &[DealId]) -> Result<Vec<Deal>, UpstreamError>;
}
