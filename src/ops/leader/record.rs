//! What a Lease says, and by whose clock.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;

use super::settings::LeaseSettings;

/// Longest promise of a holder that is believed: beyond it a Lease that was written by hand would never expire.
const LONGEST: Duration = Duration::from_hours(1);

/// Where this process stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LeaseState {
    /// It holds the Lease.
    Mine,
    /// Another one does.
    Held {
        /// Its identity.
        holder: String,
    },
    /// Somebody wrote the Lease at the same moment: the next look tells.
    Contested,
}

/// The Lease as this process last saw it change.
#[derive(Debug, Default)]
pub(super) struct ObservedLease {
    uid: String,
    version: String,
    spec: LeaseSpec,
    /// When its spec was first seen like that, by this process's own clock.
    since: Option<Instant>,
}

impl ObservedLease {
    /// Takes note of what was read. Only a spec that differs is a sign of life.
    pub(super) fn record_read(&mut self, lease: &Lease, now: Instant) {
        let spec = lease.spec.clone().unwrap_or_default();
        if self.since.is_none() || self.spec != spec {
            self.spec = spec;
            self.since = Some(now);
        }
        self.uid = lease.metadata.uid.clone().unwrap_or_default();
        self.version = lease.metadata.resource_version.clone().unwrap_or_default();
    }

    pub(super) fn uid(&self) -> &str {
        &self.uid
    }

    /// Its version when it was last read; 0, any, before that.
    pub(super) fn version(&self) -> &str {
        if self.version.is_empty() { "0" } else { &self.version }
    }

    /// When the holder's promise ends; `None` where nobody holds it.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        holder_of(&self.spec)?;
        let seconds = self.spec.lease_duration_seconds.unwrap_or_default();
        let promised = Duration::from_secs(u64::try_from(seconds).unwrap_or_default()).min(LONGEST);
        self.since.map(|since| since + promised)
    }

    /// Whether it is this process's, or another's; `None` where it is free.
    pub(super) fn standing_of(&self, identity: &str, now: Instant) -> Option<LeaseState> {
        let holder = holder_of(&self.spec)?;
        if holder == identity {
            return Some(LeaseState::Mine);
        }
        let expired = self.expires_at().is_none_or(|at| at <= now);
        (!expired).then(|| LeaseState::Held {
            holder: holder.to_owned(),
        })
    }
}

fn holder_of(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// True where nobody holds it.
pub(super) fn is_free(lease: &Lease) -> bool {
    lease.spec.as_ref().and_then(holder_of).is_none()
}

/// The Lease as this process takes or renews it. What it does not know of stays.
pub(super) fn taken_lease(found: Option<Lease>, settings: &LeaseSettings, now: Timestamp) -> Lease {
    let mut lease = found.unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(settings.name.clone()),
            namespace: Some(settings.namespace.clone()),
            ..ObjectMeta::default()
        },
        spec: None,
    });
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(&settings.identity) {
        let before = spec.lease_transitions.unwrap_or_default();
        // The first holder of a new Lease follows nobody.
        let changes = i32::from(spec.acquire_time.is_some());
        spec.lease_transitions = Some(before.saturating_add(changes));
        spec.acquire_time = Some(MicroTime(now));
        spec.holder_identity = Some(settings.identity.clone());
    }
    spec.lease_duration_seconds = Some(whole_seconds(settings.duration));
    spec.renew_time = Some(MicroTime(now));
    lease
}

/// The Lease without a holder; `None` where this process does not hold it.
pub(super) fn released_lease(mut found: Lease, identity: &str, now: Timestamp) -> Option<Lease> {
    let spec = found.spec.as_mut()?;
    if spec.holder_identity.as_deref() != Some(identity) {
        return None;
    }
    spec.holder_identity = None;
    // As client-go leaves it: whoever looks at the times alone does not wait either.
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(MicroTime(now));
    Some(found)
}

/// Rounded up: nobody may come earlier than was meant.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds.max(1)).unwrap_or(i32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::test_support::at;

    fn settings(identity: &str) -> LeaseSettings {
        LeaseSettings {
            name: "operator".to_owned(),
            namespace: "system".to_owned(),
            identity: identity.to_owned(),
            duration: Duration::from_millis(14_200),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }

    fn held(identity: &str, second: i64) -> Lease {
        taken_lease(None, &settings(identity), at(second))
    }

    fn held_by(holder: &str) -> LeaseState {
        LeaseState::Held {
            holder: holder.to_owned(),
        }
    }

    #[test]
    fn a_holder_has_as_long_as_it_promised_since_its_change_was_seen() {
        let begin = Instant::now();
        let later = |seconds| begin + Duration::from_secs(seconds);
        let mut observed = ObservedLease::default();
        // Its own times lie years back: they count for nothing.
        observed.record_read(&held("other", -100_000_000), begin);
        assert_eq!(observed.standing_of("me", later(14)), Some(held_by("other")));
        assert_eq!(observed.standing_of("me", later(15)), None, "14.2 s count as 15");
        // Read again without a change: no sign of life.
        observed.record_read(&held("other", -100_000_000), later(14));
        assert_eq!(observed.standing_of("me", later(15)), None);
        // Renewed, with a clock that goes wrong: a sign of life.
        observed.record_read(&held("other", -200_000_000), later(15));
        assert_eq!(observed.standing_of("me", later(29)), Some(held_by("other")));
        assert_eq!(
            observed.standing_of("other", later(99)),
            Some(LeaseState::Mine),
            "until somebody takes it"
        );
    }

    #[test]
    fn a_lease_without_holder_is_free_at_once() {
        let begin = Instant::now();
        let mut lease = held("other", 0);
        for nobody in [None, Some(String::new())] {
            let mut observed = ObservedLease::default();
            lease.spec.as_mut().unwrap().holder_identity = nobody;
            observed.record_read(&lease, begin);
            assert!(is_free(&lease));
            assert_eq!(observed.standing_of("me", begin), None);
            assert_eq!(observed.expires_at(), None);
        }
        // One that says nothing at all, as the chart makes it.
        let mut observed = ObservedLease::default();
        observed.record_read(&Lease::default(), begin);
        assert_eq!(observed.standing_of("me", begin), None);
    }

    #[test]
    fn a_promise_written_by_hand_ends() {
        let begin = Instant::now();
        let mut lease = held("other", 0);
        for (seconds, ends) in [(i32::MAX, 3600), (0, 0), (-5, 0)] {
            lease.spec.as_mut().unwrap().lease_duration_seconds = Some(seconds);
            let mut observed = ObservedLease::default();
            observed.record_read(&lease, begin);
            assert_eq!(observed.standing_of("me", begin + Duration::from_secs(ends)), None);
        }
    }

    #[test]
    fn only_a_change_of_the_holder_is_a_transition() {
        let spec = |lease: &Lease| lease.spec.clone().unwrap();
        let first = held("a", 0);
        assert_eq!(spec(&first).lease_transitions, Some(0));
        let renewed = taken_lease(Some(first), &settings("a"), at(2));
        assert_eq!(spec(&renewed).lease_transitions, Some(0));
        assert_eq!(spec(&renewed).acquire_time, Some(MicroTime(at(0))));
        assert_eq!(spec(&renewed).renew_time, Some(MicroTime(at(2))));
        assert!(released_lease(renewed.clone(), "b", at(3)).is_none(), "it is another's");
        let free = released_lease(renewed, "a", at(3)).unwrap();
        assert!(is_free(&free));
        let next = taken_lease(Some(free), &settings("b"), at(4));
        assert_eq!(spec(&next).lease_transitions, Some(1));
        assert_eq!(spec(&next).acquire_time, Some(MicroTime(at(4))));
        assert_eq!(spec(&next).lease_duration_seconds, Some(15));
    }
}
