//! What we need of HubSpot.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::UpstreamError;
use crate::domain::contact::LAST_MODIFIED;
pub use crate::domain::contact::{Contact, Deal, Flaw, HistoryEntry};
use crate::domain::ids::{ContactId, DealId, PortalId};
pub use crate::domain::search_paging::PageCount;
use crate::domain::withheld::WithheldProperties;

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

/// What HubSpot says of a token (docs/reference/hubspot.md 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenInfo {
    /// The portal that it belongs to. The service that says so is not the one with the account details.
    pub portal: Option<PortalId>,
    /// Its scopes.
    pub scopes: Option<Vec<String>>,
}

/// One option of the property `lifecyclestage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Internal value, e.g. `customer` or `1066237962`.
    pub value: String,
    /// What people see; may be changed at any time.
    pub label: String,
}

/// A search over contacts: rows where *any* of `any_since` holds, with an id above `after`, ascending by id.
/// docs/reference/hubspot.md 3: at most 5 groups, 200 a page, no timestamps in the paging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactSearch {
    /// Datetime properties with an inclusive lower bound each (OR). 1–5.
    pub any_since: Vec<(String, Timestamp)>,
    /// Only ids greater than this.
    pub after: ContactId,
    /// Properties to return.
    pub properties: Vec<String>,
}

impl ContactSearch {
    /// Lists the first contacts of the portal, whoever they are: every contact was modified at some time.
    pub fn anybody() -> Self {
        Self {
            any_since: vec![(LAST_MODIFIED.to_owned(), Timestamp::UNIX_EPOCH)],
            after: ContactId::UNKNOWN,
            properties: vec![LAST_MODIFIED.to_owned()],
        }
    }
}

/// Single records of an answer that cannot be read, and why: for people, without personal data.
pub type Unreadable<Id> = BTreeMap<Id, String>;

/// One page of a search.
pub struct ContactPage {
    /// The contacts, ascending by id, at most 200 and one with which searches fail.
    pub contacts: Vec<Contact>,
    /// How many rows have no usable id, so that their contacts can't be read, or stand out of order before a further
    /// page: contacts may be missing from the pages.
    pub nameless: usize,
    /// Where more rows match: the bound of the next page, greater than that of this one.
    pub next: Option<ContactId>,
    /// How many contacts it says there are.
    pub count: PageCount,
    /// When HubSpot answered, by its own clock (`Date`).
    pub answered: Option<Timestamp>,
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

/// Most ids in a [`ContactRead`] that asks for these properties with their history: fewer if there are any
/// (docs/reference/hubspot.md 4.4).
pub const fn read_limit(with_history: &[String]) -> usize {
    if with_history.is_empty() { 100 } else { 50 }
}

/// The answer to a [`ContactRead`]. If an id is in none of the three, the answer has left it out, which says nothing of
/// the contact ([`crate::domain::absence`]).
#[derive(Default)]
pub struct ContactBatch {
    /// In any order.
    pub contacts: Vec<Contact>,
    /// Contacts that can't be read, by the id asked for.
    pub unreadable: Unreadable<ContactId>,
    /// Contacts that HubSpot says are deleted (an item error `OBJECT_NOT_FOUND` that names the id), by the id asked
    /// for. That is believed only if a later answer agrees.
    pub deleted: BTreeSet<ContactId>,
    /// The only record that HubSpot has shown for an id that was asked for alone, where it does not name the id.
    pub shown_instead: BTreeMap<ContactId, ContactId>,
    /// Some could not be read, and HubSpot has shown somebody else when asked in the same way.
    pub shows_another: bool,
}

/// The deals of contacts.
#[derive(Default)]
pub struct DealLinks {
    /// Ids of each contact's deals. Contacts without deals may be absent.
    pub deals: BTreeMap<ContactId, Vec<DealId>>,
    /// HubSpot says that these have none.
    pub without: BTreeSet<ContactId>,
    /// Contacts whose deals are not all known.
    pub unreadable: Unreadable<ContactId>,
}

/// Deals by id. A deal that is in neither is deleted, by what HubSpot says.
#[derive(Default)]
pub struct DealBatch {
    /// In any order.
    pub deals: Vec<Deal>,
    /// Deals that cannot be read, or that the answer has left out.
    pub unreadable: Unreadable<DealId>,
}

/// Contacts by e-mail address. An address that is in neither belongs to no contact.
#[derive(Default)]
pub struct AddressBatch {
    /// Each contact under the address it was asked for by.
    pub contacts: BTreeMap<String, Contact>,
    /// Addresses whose contact cannot be read.
    pub unreadable: Unreadable<String>,
}

/// A form, as the list of forms names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// GUID, lower case.
    pub id: String,
    /// What people call it; not unique.
    pub name: String,
}

/// One submission of a form (docs/reference/hubspot.md 7.2). No `Debug`: it holds personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Submission {
    /// HubSpot's id of it, which the page's listener knows too; missing in some old data.
    pub conversion_id: Option<String>,
    /// When it was made, HubSpot's clock, milliseconds.
    pub at: Timestamp,
    /// The value of the contact's `email` field, trimmed and lower-cased, if any.
    pub email: Option<String>,
    /// The `gclid` parameter of the page's URL, if any.
    pub gclid: Option<String>,
}

/// A submission that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddSubmission {
    /// HubSpot's id of it, if that can be read.
    pub conversion_id: Option<String>,
    /// When it was made, if that can be read.
    pub at: Option<Timestamp>,
    /// For people, no personal data.
    pub why: String,
}

/// One page of a form's submissions, newest first. Pages shift while new submissions arrive.
pub struct SubmissionPage {
    /// At most 50.
    pub submissions: Vec<Submission>,
    /// Submissions of the page that cannot be read.
    pub unreadable: Vec<OddSubmission>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
    /// Bytes of the answer.
    pub size: usize,
    /// When HubSpot answered, by its own clock (`Date`).
    pub answered: Option<Timestamp>,
}

/// Most e-mail addresses in one look-up (docs/reference/hubspot.md 7.2).
pub const MAX_EMAILS: usize = 100;

/// A day's calls of a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many are left.
    pub left: u64,
    /// Of how many.
    pub of: u64,
}

/// HubSpot's CRM, read only. Implementations keep the portal's limits themselves (5 searches a second, the burst and
/// daily buckets) and never call inside a `Retry-After`. Errors: [`UpstreamError`] with `service` "HubSpot".
#[async_trait]
pub trait Crm: Send + Sync {
    /// The day's calls, as HubSpot last reported them; `None` if it has not.
    fn daily_quota(&self) -> Option<Quota> {
        None
    }

    /// Contact properties that HubSpot does not give while it answers reads without them. Reads and searches leave them
    /// out, and each contact says so ([`crate::domain::contact::Properties::withheld`]).
    fn withheld_properties(&self) -> WithheldProperties {
        WithheldProperties::new()
    }
    /// Asks again for withheld properties whose pause is over.
    async fn retry_withheld(&self) {}
    /// Says that the account may use the portal that [`Self::read_portal`] named. From now on the client shares its
    /// limits and waits with all other clients of that portal. Before that it keeps limits of its own, so that its
    /// waits hold up no portal that its account may not use. A token that is bought later is used for reads only after
    /// HubSpot says that it opens this portal.
    fn may_use(&self, _portal: PortalId) {}
    /// Gives up a bought token, if one is kept, so that the next call buys a new one: a denial may have been about a
    /// wrong token.
    async fn drop_token(&self);
    /// The portal behind the token.
    async fn read_portal(&self) -> Result<Portal, UpstreamError>;
    /// What HubSpot says of the token; empty if it does not say. Then the calls themselves show what the token may do.
    async fn token_info(&self) -> Result<TokenInfo, UpstreamError>;
    /// Options of `lifecyclestage`, in display order.
    async fn read_stages(&self) -> Result<Vec<Stage>, UpstreamError>;
    /// Internal names of all contact properties, sorted.
    async fn property_names(&self) -> Result<Vec<String>, UpstreamError>;
    /// One page of a search.
    async fn search_contacts(&self, search: &ContactSearch) -> Result<ContactPage, UpstreamError>;
    /// Contacts by id. Neither ids that HubSpot does not show nor records that cannot be read are an error.
    async fn read_contacts(&self, read: &ContactRead) -> Result<ContactBatch, UpstreamError>;
    /// Ids of the deals of each contact (at most 1,000 contacts), all pages.
    async fn deals_of(&self, contacts: &[ContactId]) -> Result<DealLinks, UpstreamError>;
    /// Deals by id (at most 100).
    async fn read_deals(&self, ids: &[DealId]) -> Result<DealBatch, UpstreamError>;
    /// All forms, of all types but archived ones, all pages.
    async fn list_forms(&self) -> Result<Vec<Form>, UpstreamError>;
    /// One page of a form's submissions; `after`: the cursor of the page before, `None` for the newest.
    async fn list_submissions(&self, form: &str, after: Option<&str>) -> Result<SubmissionPage, UpstreamError>;
    /// Contacts by e-mail address (at most [`MAX_EMAILS`], lower case), each under the address it was asked for by:
    /// first by primary address, then those not found by a secondary one. Addresses nobody has or can have are absent.
    async fn read_by_email(&self, emails: &[String], properties: &[String]) -> Result<AddressBatch, UpstreamError>;
}
