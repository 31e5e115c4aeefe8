//! The controllers worked by hand, object by object: for `adconversion plan`, with a client whose API server is a
//! picture in memory. No watch, no queue; what they decide is what they would decide in an operator.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::reflector::Store;
use kube::runtime::watcher::Event;

use super::ad_conversion_event::{EventController, SOON};
use super::google_ads_account::GoogleController;
use super::hubspot_account::HubSpotController;
use super::shared::context::{Cache, CacheWriters, Caches, Context, Dependencies, Writers};
use super::shared::error::Error;
use super::shared::object::Object;
use super::shared::reconciler::{Action, Reconciler};
use super::shared::rereads::Rereads;
use super::shared::shared_reads::SharedReads;
use crate::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use crate::domain::ids::ObjectKey;

/// Objects of the three kinds, as an API server has them.
#[derive(Debug, Clone, Default)]
pub struct ClusterObjects {
    pub events: Vec<AdConversionEvent>,
    pub google: Vec<GoogleAdsAccount>,
    pub hubspot: Vec<HubSpotAccount>,
}

/// The three controllers and their caches.
pub struct Rehearsal {
    ctx: Arc<Context>,
    writers: Writers,
    events: EventController,
    google: GoogleController,
    hubspot: HubSpotController,
}

impl Rehearsal {
    /// The caches are empty.
    pub fn new(dependencies: Dependencies) -> Self {
        let (caches, writers) = Caches::new(&[]);
        // The gaps spare an account what many events and years would ask of it. Here each event has a few passes, and a
        // person waits for all of them.
        let ctx = Context {
            rereads: Rereads::with_gap(Duration::ZERO),
            google_reads: SharedReads::with_gap(Duration::ZERO),
            ..Context::new(dependencies, caches)
        };
        Self {
            ctx: Arc::new(ctx),
            writers,
            events: EventController::default(),
            google: GoogleController::default(),
            hubspot: HubSpotController::default(),
        }
    }

    /// From now on the caches hold these objects and no others.
    pub fn show(&mut self, objects: &ClusterObjects) {
        fill(&mut self.writers.events, &objects.events);
        fill(&mut self.writers.google, &objects.google);
        fill(&mut self.writers.hubspot, &objects.hubspot);
    }

    /// The events of the caches, now and later.
    pub fn event_stores(&self) -> Vec<Store<AdConversionEvent>> {
        let stores = self.ctx.caches.events.stores().iter();
        stores.map(|(_, store)| store.clone()).collect()
    }

    /// One pass over these accounts and events, in this order. True if one of them is to be looked at again at once.
    ///
    /// # Errors
    /// If Kubernetes or the ledger fails.
    pub async fn reconcile(
        &self,
        google: &[ObjectKey],
        hubspot: &[ObjectKey],
        events: &[ObjectKey],
    ) -> Result<bool, Error> {
        let mut again = false;
        for key in hubspot {
            again |= self.pass(&self.hubspot, &self.ctx.caches.hubspot, key).await?;
        }
        for key in google {
            again |= self.pass(&self.google, &self.ctx.caches.google, key).await?;
        }
        for key in events {
            again |= self.pass(&self.events, &self.ctx.caches.events, key).await?;
        }
        Ok(again)
    }

    async fn pass<R: Reconciler>(
        &self,
        controller: &R,
        cache: &Cache<R::Object>,
        key: &ObjectKey,
    ) -> Result<bool, Error> {
        let Some(object) = cache.get(key) else {
            return Ok(false);
        };
        match controller.reconcile(object, Arc::clone(&self.ctx)).await {
            Ok(action) => Ok(action == Action::requeue(SOON)),
            Err(Error::Conflict { .. } | Error::Refused { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

fn fill<K: Object>(writers: &mut CacheWriters<K>, objects: &[K]) {
    for writer in writers {
        writer.apply_event(&Event::Init);
        for object in objects {
            writer.apply_event(&Event::InitApply(object.clone()));
        }
        writer.apply_event(&Event::InitDone);
    }
}
