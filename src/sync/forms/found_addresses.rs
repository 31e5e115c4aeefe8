//! Whom HubSpot finds by an e-mail address. Somebody of whom that is known is asked for beside those who were not found: an answer
//! that shows nobody is about the answer, not about them.

use jiff::Timestamp;
use tracing::debug;

use crate::domain::brief::brief;
use crate::domain::fruitless_reads::{FruitlessReads, NONE_SHOWN};
use crate::ports::crm::{AddressBatch, Contact, ContactSearch, Crm};

/// So many are asked for beside others.
pub(super) const BESIDE: usize = 4;

const EMAIL: &str = "email";

/// Who is asked for beside others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Beside {
    Somebody(Vec<String>),
    /// The portal has no contact with an address.
    Nobody,
    /// Nobody is, or who could be is not known.
    #[default]
    Unknown,
}

impl Beside {
    /// Their addresses.
    pub(super) fn addresses(&self) -> &[String] {
        match self {
            Self::Somebody(addresses) => addresses,
            Self::Nobody | Self::Unknown => &[],
        }
    }
}

/// Whom answers have shown by address in this life of the process. Nothing of it is written anywhere.
#[derive(Default)]
pub(super) struct FoundAddresses {
    /// By the last answer.
    shown: Vec<String>,
    pub(super) fruitless: FruitlessReads,
}

impl FoundAddresses {
    /// Who should be found: those whom the last answer showed, else those whom a search lists.
    pub(super) async fn find_beside(&self, crm: &dyn Crm) -> Beside {
        if !self.shown.is_empty() {
            return Beside::Somebody(self.shown.clone());
        }
        let search = ContactSearch {
            properties: vec![EMAIL.to_owned()],
            ..ContactSearch::anybody()
        };
        let page = match crm.search_contacts(&search).await {
            Ok(page) => page,
            Err(error) => {
                debug!(error = brief(&error), "nobody else can be looked for by address");
                return Beside::Unknown;
            }
        };
        let addresses: Vec<_> = page.contacts.iter().filter_map(address_of).take(BESIDE).collect();
        let is_whole = page.nameless == 0 && page.next.is_none();
        let may_have = |contact: &Contact| contact.property(EMAIL).is_some() || contact.properties.is_withheld(EMAIL);
        if !addresses.is_empty() {
            Beside::Somebody(addresses)
        } else if is_whole && !page.contacts.iter().any(may_have) {
            Beside::Nobody
        } else {
            Beside::Unknown
        }
    }

    /// Takes an answer. True if those whom it does not show have no contact.
    pub(super) fn take_answer(&mut self, beside: &Beside, batch: &AddressBatch, now: Timestamp) -> bool {
        self.shown = batch.contacts.keys().take(BESIDE).cloned().collect();
        let tells = !self.shown.is_empty() || *beside == Beside::Nobody;
        let fails = !tells && !beside.addresses().is_empty();
        let why = batch.unreadable.values().next();
        let why = why.map_or(NONE_SHOWN, String::as_str);
        if tells {
            self.fruitless.record_shown();
        } else if fails {
            self.fruitless.record_failure(why, now);
        }
        tells
    }
}

/// The one address of a contact, as reads are asked for it.
fn address_of(contact: &Contact) -> Option<String> {
    let address = contact.property(EMAIL)?.trim().to_lowercase();
    let is_one = address.contains('@') && !address.contains([';', ' ']);
    is_one.then_some(address)
}

#[cfg(test)]
#[path = "found_addresses_tests.rs"]
mod tests;
