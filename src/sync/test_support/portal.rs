//! A portal that shows what a test puts into it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::google::unused;
use crate::domain::contact::Contact;
use crate::domain::ids::{ContactId, DealId, PortalId};
use crate::ports::crm::{
    AddressBatch, ContactBatch, ContactPage, ContactRead, ContactSearch, Crm, DealBatch, DealLinks, Form, PageCount,
    Portal, Stage, SubmissionPage, TokenInfo,
};
use crate::ports::{Cause, UpstreamError};

/// Portal 1.
pub(crate) fn portal() -> Portal {
    Portal {
        id: PortalId(1),
        time_zone: "Europe/Berlin".to_owned(),
        company_currency: "EUR".to_owned(),
        ui_domain: "app.hubspot.com".to_owned(),
    }
}

/// A portal that shows what a test puts into it, and notes which contacts it was asked for.
#[derive(Default)]
pub(crate) struct FakePortal {
    pub(crate) contacts: Mutex<BTreeMap<ContactId, Contact>>,
    /// Of these nothing can be read.
    pub(crate) unreadable: Mutex<BTreeMap<ContactId, String>>,
    /// Every read of contacts fails so.
    pub(crate) failure: Mutex<Option<UpstreamError>>,
    /// Reads with one of these fail.
    pub(crate) failing: Mutex<BTreeSet<ContactId>>,
    /// Every read of deals fails so.
    pub(crate) deals: Mutex<Option<UpstreamError>>,
    /// The ids of each read.
    pub(crate) reads: Mutex<Vec<Vec<u64>>>,
}

impl FakePortal {
    /// With these contacts.
    pub(crate) fn new(contacts: impl IntoIterator<Item = Contact>) -> Arc<Self> {
        let contacts = contacts.into_iter().map(|contact| (contact.id, contact)).collect();
        Arc::new(Self {
            contacts: Mutex::new(contacts),
            ..Self::default()
        })
    }
}

/// An error of HubSpot's with this cause.
pub(crate) fn hubspot_error(cause: Cause) -> UpstreamError {
    UpstreamError::new("HubSpot", cause, "no")
}

#[async_trait]
impl Crm for FakePortal {
    async fn drop_token(&self) {}
    async fn read_portal(&self) -> Result<Portal, UpstreamError> {
        unused()
    }
    async fn token_info(&self) -> Result<TokenInfo, UpstreamError> {
        unused()
    }
    async fn read_stages(&self) -> Result<Vec<Stage>, UpstreamError> {
        unused()
    }
    async fn property_names(&self) -> Result<Vec<String>, UpstreamError> {
        unused()
    }
    async fn search_contacts(&self, _: &ContactSearch) -> Result<ContactPage, UpstreamError> {
        Ok(ContactPage {
            contacts: self.contacts.lock().values().cloned().collect(),
            nameless: 0,
            next: None,
            count: PageCount::default(),
            answered: None,
        })
    }
    async fn read_contacts(&self, read: &ContactRead) -> Result<ContactBatch, UpstreamError> {
        self.reads.lock().push(read.ids.iter().map(|id| id.0).collect());
        if let Some(error) = self.failure.lock().clone() {
            return Err(error);
        }
        if read.ids.iter().any(|id| self.failing.lock().contains(id)) {
            return Err(hubspot_error(Cause::Unavailable));
        }
        let (contacts, unreadable) = (self.contacts.lock(), self.unreadable.lock());
        let asked = |id: &&ContactId| read.ids.contains(id);
        Ok(ContactBatch {
            contacts: read.ids.iter().filter_map(|id| contacts.get(id).cloned()).collect(),
            unreadable: unreadable
                .iter()
                .filter(|(id, _)| asked(id))
                .map(|(id, why)| (*id, why.clone()))
                .collect(),
            ..ContactBatch::default()
        })
    }
    async fn deals_of(&self, _: &[ContactId]) -> Result<DealLinks, UpstreamError> {
        self.deals.lock().clone().map_or_else(|| Ok(DealLinks::default()), Err)
    }
    async fn read_deals(&self, _: &[DealId]) -> Result<DealBatch, UpstreamError> {
        unused()
    }
    async fn list_forms(&self) -> Result<Vec<Form>, UpstreamError> {
        unused()
    }
    async fn list_submissions(&self, _: &str, _: Option<&str>) -> Result<SubmissionPage, UpstreamError> {
        unused()
    }
    async fn read_by_email(&self, _: &[String], _: &[String]) -> Result<AddressBatch, UpstreamError> {
        unused()
    }
}
