//! Our own writes are remembered, so that no decision is made on a cached object older than one of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kube::ResourceExt;
use parking_lot::{Mutex, MutexGuard};

use super::object::Object;

/// After this long a cache that still lags is believed: it may have been restored from a backup.
const BARRIER_LIMIT: Duration = Duration::from_secs(30);

/// Remembers the version of our last write of each object, so that a cache that has not seen it is not acted upon.
#[derive(Debug, Default)]
pub struct WriteBarrier {
    writes: Mutex<HashMap<String, Write>>,
}

#[derive(Debug, Clone, Copy)]
struct Write {
    version: u128,
    at: Instant,
}

impl WriteBarrier {
    fn lock_writes(&self) -> MutexGuard<'_, HashMap<String, Write>> {
        self.writes.lock()
    }

    /// Notes our write; `written` is the object the API server answered with.
    pub fn record_write<K: Object>(&self, written: &K) {
        let Some(version) = object_version(written) else { return };
        let now = Instant::now();
        let mut writes = self.lock_writes();
        writes.retain(|_, write| now.duration_since(write.at) < BARRIER_LIMIT);
        writes.insert(written.id(), Write { version, at: now });
    }

    /// True if `cached` is older than our last write of it.
    pub fn is_stale<K: Object>(&self, cached: &K) -> bool {
        let Some(version) = object_version(cached) else {
            return false;
        };
        self.lock_writes()
            .get(&cached.id())
            .is_some_and(|write| version < write.version && write.at.elapsed() < BARRIER_LIMIT)
    }
}

/// Kubernetes guarantees since 1.35 that versions of one kind compare as integers; before, every store did so.
fn object_version<K: Object>(object: &K) -> Option<u128> {
    object.resource_version()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::api::{HubSpotAccount, HubSpotAccountSpec, SecretRef};

    fn account(uid: &str, version: &str) -> HubSpotAccount {
        let mut account = HubSpotAccount::new(
            "acme",
            HubSpotAccountSpec {
                portal_id: None,
                credentials_secret_ref: SecretRef { name: "s".into() },
                interval: crate::api::default_interval(),
                default_region: None,
                suspend: false,
            },
        );
        account.metadata.uid = Some(uid.into());
        account.metadata.resource_version = Some(version.into());
        account
    }

    #[rstest]
    #[case::older("u1", "99", true)]
    #[case::ours("u1", "100", false)]
    #[case::newer("u1", "101", false)]
    #[case::another_object_of_the_name("u2", "99", false)]
    #[case::not_a_number("u1", "abc", false)]
    fn a_cache_behind_our_write_is_stale(#[case] uid: &str, #[case] cached: &str, #[case] stale: bool) {
        let barrier = WriteBarrier::default();
        barrier.record_write(&account("u1", "100"));
        assert_eq!(barrier.is_stale(&account(uid, cached)), stale);
    }
}
