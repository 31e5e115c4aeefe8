//! Finds the property because of which reads of contacts fail ([`super::withheld`]), and later asks for it again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::SignedDuration;
use tracing::{debug, info, warn};

use super::asked::AskedProperties;
use super::client::HubSpot;
use super::contacts::batch_body;
use super::limits::Bucket;
use super::wire::{Record, Results};
use super::withheld::{Blame, PropertyHuntProgress, PropertyNames, may_concern_property};
use crate::domain::brief::brief;
use crate::domain::contact::{LIFECYCLE_STAGE, MERGED_IDS};
use crate::domain::ids::ContactId;
use crate::domain::withheld::WithheldProperties;
use crate::ports::{UpstreamError, pulse};

/// The names that are left out of a read, and the version of the memory that they come from.
pub(crate) type OmittedNames = (Option<Arc<BTreeSet<String>>>, u64);

impl HubSpot {
    /// The names that are left out of a read of these.
    pub(crate) fn left_out<'a>(&self, names: impl Iterator<Item = &'a String>) -> OmittedNames {
        let memory = self.withheld.lock();
        (memory.among(names), memory.version())
    }

    /// Finds out why a read of these names failed. `version` is that of the memory when the read was made; `someone` is
    /// the contact to ask for if HubSpot has shown none yet.
    pub(crate) async fn blame(
        &self,
        (names, version): (&PropertyNames, u64),
        someone: Option<ContactId>,
        error: &UpstreamError,
        ends: &mut Option<Instant>,
    ) -> Blame {
        if !may_concern_property(error) {
            return Blame::Unknown;
        }
        let _turn = self.hunting.lock().await;
        {
            let memory = self.withheld.lock();
            if memory.version() != version {
                return Blame::Property;
            }
            if let Some(verdict) = memory.verdict(Instant::now()) {
                return verdict;
            }
        }
        // Boxed, since it is rare and its future is large.
        let Some(mut blame) = Box::pin(self.hunt(names, someone, ends)).await else {
            return Blame::Unknown;
        };
        let is_suspect = someone.is_some() && self.withheld.lock().witness.is_none();
        if blame == Blame::Unknown && is_suspect {
            // The contact that was asked for may be the very one because of which reads fail.
            let nobody = Box::pin(self.probe(ContactId::NOBODY, names, 0)).await;
            blame = nobody.map_or(blame, |_| Blame::Perhaps);
        }
        self.withheld.lock().note_verdict(blame, Instant::now());
        blame
    }

    /// `None` if there was no time to finish: the next hunt continues it.
    async fn hunt(
        &self,
        names: &PropertyNames,
        someone: Option<ContactId>,
        ends: &mut Option<Instant>,
    ) -> Option<Blame> {
        let mut why = String::new();
        let (mut hunt, witness) = {
            let mut memory = self.withheld.lock();
            (
                memory.take_hunt(names),
                memory.witness.or(someone).unwrap_or(ContactId::NOBODY),
            )
        };
        loop {
            pulse::beat();
            if !hunt.is_new() && !self.has_time(ends) {
                self.withheld.lock().leave_hunt(hunt);
                return None;
            }
            let retries = if hunt.is_bisecting() { 0 } else { self.retries() };
            let fails = match self.probe(witness, &hunt.probe(), retries).await {
                // A contact that is not shown (any more) proves nothing.
                Ok(false) if hunt.is_new() => {
                    self.withheld.lock().forget_witness(witness);
                    return Some(Blame::Perhaps);
                }
                Ok(_) => false,
                Err(error) if may_concern_property(&error) => {
                    why = error.without_request_id();
                    true
                }
                Err(error) => {
                    debug!(
                        error = brief(&error),
                        "a read in search of a withheld property brought no answer"
                    );
                    return Some(Blame::Unknown);
                }
            };
            match hunt.advance(fails) {
                PropertyHuntProgress::Narrowed => {}
                PropertyHuntProgress::Over(blame) => return Some(blame),
                PropertyHuntProgress::Found(found) => {
                    let property = found.all().next().cloned().unwrap_or_default();
                    warn!(
                        property,
                        error = brief(&why),
                        "HubSpot does not give this contact property: it is left out"
                    );
                    let withheld = self.withheld.lock().withhold(&found, &why, Instant::now());
                    return Some(if withheld { Blame::Property } else { Blame::Unknown });
                }
            }
        }
    }

    /// Reads one contact, with these properties beside those of every read. False if the call is answered without the
    /// contact.
    async fn probe(&self, id: ContactId, names: &PropertyNames, retries: u32) -> Result<bool, UpstreamError> {
        let own = [LIFECYCLE_STAGE, MERGED_IDS];
        let mut with_history: Vec<String> = names.with_history().cloned().collect();
        with_history.push(LIFECYCLE_STAGE.to_owned());
        let asked = AskedProperties {
            properties: own.into_iter().chain(names.all().map(String::as_str)).collect(),
            with_history: &with_history,
            ..AskedProperties::default()
        };
        let path = format!("/crm/objects/{}/contacts/batch/read", self.api_version());
        let body = batch_body(&asked, &[id]);
        let mut batch: Results<Record> = self
            .read_batch_repeatedly(("read", Bucket::Other), path, &body, retries)
            .await?;
        Ok(!batch.take_rows()?.is_empty())
    }

    /// See [`crate::ports::crm::Crm::withheld_properties`].
    pub(crate) fn withheld(&self) -> WithheldProperties {
        self.withheld.lock().shown(Instant::now())
    }

    pub(crate) fn longest_pause(&self) -> SignedDuration {
        SignedDuration::try_from(self.transport.config().waits.again).unwrap_or(SignedDuration::MAX)
    }

    /// See [`crate::ports::crm::Crm::retry_withheld`].
    pub(crate) async fn ask_for_withheld(&self) {
        let (due, witness) = {
            let memory = self.withheld.lock();
            (memory.due(Instant::now()), memory.witness.unwrap_or(ContactId::NOBODY))
        };
        let mut ends = None;
        for names in due {
            pulse::beat();
            if !self.has_time(&mut ends) {
                return;
            }
            let why = match self.probe(witness, &names, 0).await {
                Ok(_) => None,
                Err(error) if may_concern_property(&error) => Some(error.without_request_id()),
                Err(_) => return,
            };
            for name in names.all() {
                if why.is_none() {
                    info!(property = name, "HubSpot gives this contact property again");
                }
                let mut memory = self.withheld.lock();
                memory.asked_again(name, why.clone(), self.longest_pause(), Instant::now());
            }
        }
    }
}
