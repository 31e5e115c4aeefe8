//! The objects of our three kinds as the watches have seen them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::api::ObjectMeta;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use parking_lot::{RwLock, RwLockWriteGuard};
use tokio::sync::{SetOnce, watch};

use crate::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use crate::controller::shared::lookup::Lookup;
use crate::controller::shared::object::Object;
use crate::domain::ids::ObjectKey;
use crate::registry::{Account, Index, Manifests};

/// Keys of cached objects by what they are looked up by.
type LookupIndex = RwLock<Index<Lookup, ObjectKey>>;

/// Cached objects of one kind, kept up to date by watches: one for the cluster, or one for each namespace.
pub struct Cache<K: Object> {
    stores: Vec<(Option<String>, Store<K>)>,
    /// For each store, true once its objects are looked up by what a whole list shows.
    listed: Vec<watch::Receiver<bool>>,
    found: Arc<LookupIndex>,
}

impl<K: Object> Cache<K> {
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<K>> {
        let reference = ObjectRef::new(&key.name).within(&key.namespace);
        self.stores.iter().find_map(|(_, store)| store.get(&reference))
    }

    /// True if there is certainly no object of this key any more: its namespace has been listed, and it is not there.
    /// Of a namespace that is not watched nobody knows.
    fn is_gone(&self, key: &ObjectKey) -> bool {
        let reference = ObjectRef::new(&key.name).within(&key.namespace);
        let watched = |scope: &Option<String>| scope.as_ref().is_none_or(|name| *name == key.namespace);
        let lists = self.stores.iter().zip(&self.listed);
        let mut lists = lists.filter(|((scope, _), _)| watched(scope)).peekable();
        lists.peek().is_some() && lists.all(|((_, store), listed)| *listed.borrow() && store.get(&reference).is_none())
    }

    /// All objects, in no order.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.stores.iter().flat_map(|(_, store)| store.state()).collect()
    }

    /// The keys of all objects, in no order.
    pub(crate) fn keys(&self) -> Vec<ObjectKey> {
        self.all().iter().map(|object| object.key()).collect()
    }

    /// Keys of the objects that are looked up by this, in their order.
    pub fn keys_of(&self, lookup: &Lookup) -> Vec<ObjectKey> {
        let found = self.found.read();
        found.get(lookup).cloned().collect()
    }

    /// The objects that are looked up by this, in the order of their keys.
    pub fn find_by(&self, lookup: &Lookup) -> Vec<Arc<K>> {
        let keys = self.keys_of(lookup);
        keys.iter().filter_map(|key| self.get(key)).collect()
    }

    /// True if an object is looked up by this.
    pub fn has_any(&self, lookup: &Lookup) -> bool {
        self.found.read().has(lookup)
    }

    /// Waits until a scope has been listed once, and its objects can be looked up; false if that will never be, because
    /// the watch has ended. The store itself is ready a moment before, when nobody could be found yet who uses an
    /// account.
    async fn wait_listed(&self, scope: Option<&str>) -> bool {
        let lists = self.stores.iter().zip(&self.listed);
        for (_, listed) in lists.filter(|((of, _), _)| of.as_deref() == scope) {
            if listed.clone().wait_for(|listed| *listed).await.is_err() {
                return false;
            }
        }
        true
    }

    /// The caches by namespace (`None`: all namespaces).
    pub(in crate::controller) fn stores(&self) -> &[(Option<String>, Store<K>)] {
        &self.stores
    }
}

impl<K: Object> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self {
            stores: self.stores.clone(),
            listed: self.listed.clone(),
            found: Arc::clone(&self.found),
        }
    }
}

impl Manifests for Cache<GoogleAdsAccount> {
    fn is_gone(&self, ad_account: &ObjectKey) -> bool {
        Self::is_gone(self, ad_account)
    }
}

/// Fills one of the stores of a [`Cache`] from its watch, and keeps what its objects are looked up by.
pub struct CacheWriter<K: Object> {
    scope: Option<String>,
    store: Writer<K>,
    listed: watch::Sender<bool>,
    found: Arc<LookupIndex>,
}

impl<K: Object> CacheWriter<K> {
    /// What is known of an object.
    pub(in crate::controller) fn cached(&self, metadata: &ObjectMeta) -> Option<Arc<K>> {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let reference = ObjectRef::new(metadata.name.as_deref()?).within(namespace);
        self.store.as_reader().get(&reference)
    }

    /// Takes over what the watch has seen.
    pub(in crate::controller) fn apply_event(&mut self, event: &Event<K>) {
        self.store.apply_watcher_event(event);
        match event {
            Event::Apply(object) => self.lock_index().set(&object.key(), object.lookup_keys()),
            Event::Delete(object) => self.lock_index().remove(&object.key()),
            // While a list is being received the store still holds the old objects.
            Event::Init | Event::InitApply(_) => {}
            Event::InitDone => {
                self.record_listed();
                self.listed.send_replace(true);
            }
        }
    }

    /// Notes what all objects of a new list are looked up by; those that are not in it are gone.
    fn record_listed(&self) {
        let objects = self.store.as_reader().state();
        let listed: BTreeMap<_, _> = objects
            .iter()
            .map(|object| (object.key(), object.lookup_keys()))
            .collect();
        let mut found = self.lock_index();
        let ours = |key: &&ObjectKey| self.scope.as_ref().is_none_or(|scope| *scope == key.namespace);
        let gone = found.all().filter(ours).filter(|key| !listed.contains_key(key));
        for key in gone.cloned().collect::<Vec<_>>() {
            found.remove(&key);
        }
        for (key, lookups) in listed {
            found.set(&key, lookups);
        }
    }

    fn lock_index(&self) -> RwLockWriteGuard<'_, Index<Lookup, ObjectKey>> {
        self.found.write()
    }
}

/// Fills a [`Cache`]: one writer for each of its namespaces, in the same order.
pub type CacheWriters<K> = Vec<CacheWriter<K>>;

/// Cached objects of all three kinds.
pub struct Caches {
    pub events: Cache<AdConversionEvent>,
    pub google: Cache<GoogleAdsAccount>,
    pub hubspot: Cache<HubSpotAccount>,
    /// Set once all three kinds are listed there; the name is empty if all namespaces are one scope.
    filled: BTreeMap<String, SetOnce<()>>,
    /// Set once that is so of all namespaces that can be listed.
    ready: SetOnce<()>,
}

/// Writers of [`Caches`].
pub struct Writers {
    pub events: CacheWriters<AdConversionEvent>,
    pub google: CacheWriters<GoogleAdsAccount>,
    pub hubspot: CacheWriters<HubSpotAccount>,
}

impl Caches {
    /// What an account's manifest says by now of `spec.suspend`, even if its controller has not come to it; `None`
    /// where there is no such account.
    pub fn is_suspended(&self, account: &Account) -> Option<bool> {
        match account {
            Account::Google(key) => self.google.get(key).map(|account| account.spec.suspend),
            Account::HubSpot(key) => self.hubspot.get(key).map(|account| account.spec.suspend),
        }
    }

    /// `spec.manageAccountGoals` of a Google account.
    pub fn manages_goals(&self, account: &ObjectKey) -> bool {
        self.google.get(account).is_some_and(|a| a.spec.manage_account_goals)
    }

    /// Waits until all objects of all kinds are known that can be listed, those of this scope in any case: decisions
    /// about one kind look at the others.
    pub(in crate::controller) async fn wait_ready(&self, scope: Option<&str>) {
        self.ready.wait().await;
        if let Some(filled) = self.filled.get(scope.unwrap_or_default()) {
            filled.wait().await;
        }
    }

    /// Watches over the first lists of a scope. Called once for each. False if the watches ended before.
    pub(in crate::controller) async fn wait_filled(&self, scope: &str) -> bool {
        let name = Some(scope).filter(|name| !name.is_empty());
        let listed = self.events.wait_listed(name).await
            && self.google.wait_listed(name).await
            && self.hubspot.wait_listed(name).await;
        if let Some(filled) = self.filled.get(scope).filter(|_| listed) {
            // A second call finds it said already.
            let _ = filled.set(());
        }
        listed
    }

    /// Lets everybody go on who waits in [`Self::ready`], once all scopes but these are filled.
    pub(in crate::controller) async fn open_unless(&self, unserved: impl Fn(&str) -> bool) {
        for (scope, filled) in &self.filled {
            if !unserved(scope) {
                filled.wait().await;
            }
        }
        // A second call finds it said already.
        let _ = self.ready.set(());
    }

    /// The scopes, the empty name for all namespaces.
    pub(in crate::controller) fn scope_names(&self) -> Vec<String> {
        self.filled.keys().cloned().collect()
    }

    pub(crate) fn new(namespaces: &[String]) -> (Self, Writers) {
        let (events, event_writers) = new_cache(namespaces);
        let (google, google_writers) = new_cache(namespaces);
        let (hubspot, hubspot_writers) = new_cache(namespaces);
        let writers = Writers {
            events: event_writers,
            google: google_writers,
            hubspot: hubspot_writers,
        };
        (
            Self {
                events,
                google,
                hubspot,
                filled: scopes_of(namespaces)
                    .into_iter()
                    .map(|s| (s.unwrap_or_default(), SetOnce::new()))
                    .collect(),
                ready: SetOnce::new(),
            },
            writers,
        )
    }
}

/// The scopes to watch: every namespace named once, or all of them.
fn scopes_of(namespaces: &[String]) -> Vec<Option<String>> {
    let mut names: Vec<_> = namespaces.to_vec();
    names.sort();
    names.dedup();
    if names.is_empty() {
        vec![None]
    } else {
        names.into_iter().map(Some).collect()
    }
}

fn new_cache<K: Object>(namespaces: &[String]) -> (Cache<K>, CacheWriters<K>) {
    let (mut stores, mut lists, mut writers) = (Vec::new(), Vec::new(), Vec::new());
    let found = Arc::new(LookupIndex::default());
    for scope in scopes_of(namespaces) {
        let store = Writer::new(());
        let (sender, listed) = watch::channel(false);
        stores.push((scope.clone(), store.as_reader()));
        lists.push(listed);
        writers.push(CacheWriter {
            scope,
            store,
            listed: sender,
            found: Arc::clone(&found),
        });
    }
    let cache = Cache {
        stores,
        listed: lists,
        found,
    };
    (cache, writers)
}

#[cfg(test)]
#[path = "caches_tests.rs"]
mod tests;
