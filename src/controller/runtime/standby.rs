//! Caches of a process that stands by: they are filled and kept
//! up to date, so that it can work at once. Nothing is written.

use futures::future::join_all;
use kube::Client;
use kube::runtime::reflector::Store;

use super::crds::{self, Unserved};
use super::watch::WatchState;
use crate::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use crate::controller::shared::context::{Cache, CacheWriters, Caches, Writers};
use crate::controller::shared::object::Object;
use crate::ops::health::Probes;

/// What fills the caches of a kind, in the order of its scopes.
pub(super) type Watches<K> = Vec<WatchState<K>>;

/// Cached objects of all three kinds, and what fills the caches.
pub struct WarmCaches {
    pub(super) caches: Caches,
    pub(super) events: Watches<AdConversionEvent>,
    pub(super) google: Watches<GoogleAdsAccount>,
    pub(super) hubspot: Watches<HubSpotAccount>,
    /// Namespaces that cannot be listed; `None` where that was not found out yet.
    pub(super) unserved: Option<Unserved>,
}

impl WarmCaches {
    /// Empty caches of these namespaces, or of all where none is named.
    pub fn new(namespaces: &[String]) -> Self {
        let (caches, writers) = Caches::new(namespaces);
        let Writers {
            events,
            google,
            hubspot,
        } = writers;
        Self {
            events: new_watches(&caches.events, events),
            google: new_watches(&caches.google, google),
            hubspot: new_watches(&caches.hubspot, hubspot),
            caches,
            unserved: None,
        }
    }

    /// The events as the caches have them, now and later.
    pub fn event_stores(&self) -> Vec<Store<AdConversionEvent>> {
        let stores = self.caches.events.stores().iter();
        stores.map(|(_, store)| store.clone()).collect()
    }

    /// Fills the caches and keeps them up to date, for ever. Opens the gate `caches` once they are filled. May be
    /// dropped at any moment: what they hold by then stays.
    pub async fn keep_warm(&mut self, client: &Client, namespaces: &[String], probes: &Probes) {
        probes.set_gate("caches", false);
        let unserved = crds::wait_until_served(client, namespaces).await;
        self.unserved = Some(unserved.clone());
        let scopes = self.caches.scope_names();
        let filled = join_all(scopes.iter().map(|scope| self.caches.wait_filled(scope)));
        let opened = async {
            self.caches
                .open_unless(|namespace| unserved.contains_key(namespace))
                .await;
            probes.set_gate("caches", true);
            tracing::info!("caches are in sync, standing by");
        };
        tokio::join!(
            filled,
            opened,
            keep_kind_warm(client, &mut self.events),
            keep_kind_warm(client, &mut self.google),
            keep_kind_warm(client, &mut self.hubspot),
        );
    }
}

fn new_watches<K: Object>(cache: &Cache<K>, writers: CacheWriters<K>) -> Watches<K> {
    let scopes = cache.stores().iter().map(|(scope, _)| scope.clone());
    scopes
        .zip(writers)
        .map(|(scope, writer)| WatchState::new(scope, writer))
        .collect()
}

async fn keep_kind_warm<K: Object>(client: &Client, watches: &mut Watches<K>) {
    join_all(watches.iter_mut().map(|kept| kept.keep_warm(client.clone()))).await;
}
