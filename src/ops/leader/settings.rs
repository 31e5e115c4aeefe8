//! Which Lease, for whom, and how long.

use std::time::Duration;

/// Which Lease, for whom, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Name of the Lease.
    pub name: String,
    pub namespace: String,
    /// Who this process is, unlike any other.
    pub identity: String,
    /// How long others wait for a leader that shows no sign of life.
    pub duration: Duration,
    /// How long the leader goes on without having renewed the Lease; shorter than `duration`.
    pub renew: Duration,
    /// Pause between two tries to renew or to acquire it.
    pub retry: Duration,
}
