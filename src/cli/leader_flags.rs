//! Flags of leader election.

use std::hash::{BuildHasher, RandomState};

use clap::{ArgAction, Args};

use super::command_error::CommandError;
use super::shortest::{SECOND, TURN, at_least};
use crate::api::Duration;
use crate::ops::leader::LeaseSettings;

/// Flags of leader election.
#[derive(Debug, Clone, Args)]
pub struct LeaderFlags {
    /// Run as one of several replicas: the one that holds a Lease works, the
    /// others stand by. Needs a ledger that all of them can reach (PostgreSQL).
    #[arg(
        long,
        env = "ADCONVERSION_LEADER_ELECT",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = ArgAction::Set
    )]
    pub leader_elect: bool,
    /// How long the Lease stays with a leader that shows no sign of
    /// life. After a crash, another replica starts after this time. At least 1s.
    #[arg(long, env = "ADCONVERSION_LEASE_DURATION", default_value = "15s", value_parser = at_least(SECOND))]
    pub lease_duration: Duration,
    /// How long a leader that cannot renew the Lease continues to work. Must be shorter than --lease-duration.
    #[arg(long, env = "ADCONVERSION_LEASE_RENEW", default_value = "10s")]
    pub lease_renew: Duration,
    /// How often the leader renews the Lease and the others check
    /// whether it is free. Must be shorter than --lease-renew. At least 100ms.
    #[arg(long, env = "ADCONVERSION_LEASE_RETRY", default_value = "2s", value_parser = at_least(TURN))]
    pub lease_retry: Duration,
    /// Name of the Lease. Replicas that share a ledger must share it.
    #[arg(long, env = "ADCONVERSION_LEASE_NAME", default_value = "adconversion-operator")]
    pub lease_name: String,
    /// Namespace of the Lease. If absent: the namespace of the pod, or of the kubeconfig's context.
    #[arg(long, env = "ADCONVERSION_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
}

impl LeaderFlags {
    /// Refuses durations that would let two leaders work at a time.
    pub fn check_durations(&self) -> Result<(), CommandError> {
        let (duration, renew, retry) = (
            self.lease_duration.as_std(),
            self.lease_renew.as_std(),
            self.lease_retry.as_std(),
        );
        if duration <= renew || renew <= retry {
            return Err(
                "--lease-duration must be longer than --lease-renew, and that longer than --lease-retry".into(),
            );
        }
        Ok(())
    }

    /// How long a leader that cannot open or write the ledger stays leader; `None` where nobody else could.
    pub fn ledger_patience(&self) -> Option<std::time::Duration> {
        self.leader_elect.then(|| self.lease_duration.as_std())
    }

    /// How long work that is under way may take to end once this process is leader no longer: until another one may be.
    pub fn end_grace(&self) -> std::time::Duration {
        self.lease_duration.as_std().saturating_sub(self.lease_renew.as_std())
    }

    /// Which Lease, where `own_namespace` is the one of the pod, and who asks for it: `pod` tells people, the rest
    /// tells a process from the one before it in the same pod.
    pub fn lease_settings(&self, own_namespace: &str, pod: Option<&str>) -> LeaseSettings {
        let random = RandomState::new().hash_one(std::process::id());
        LeaseSettings {
            name: self.lease_name.clone(),
            namespace: self.lease_namespace.clone().unwrap_or_else(|| own_namespace.to_owned()),
            identity: format!("{}_{random:016x}", pod.unwrap_or("adconversion")),
            duration: self.lease_duration.as_std(),
            renew: self.lease_renew.as_std(),
            retry: self.lease_retry.as_std(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        leader: LeaderFlags,
    }

    fn flags(arguments: &[&str]) -> LeaderFlags {
        Command::parse_from([&["x"], arguments].concat()).leader
    }

    #[rstest]
    #[case(&[], false)]
    #[case(&["--leader-elect"], true)]
    #[case(&["--leader-elect=true"], true)]
    #[case(&["--leader-elect=false"], false)]
    fn it_is_a_switch_that_can_be_set(#[case] arguments: &[&str], #[case] on: bool) {
        assert_eq!(flags(arguments).leader_elect, on);
        assert!(flags(arguments).check_durations().is_ok());
    }

    #[rstest]
    #[case(&["--lease-renew=15s"])]
    #[case(&["--lease-retry=10s"])]
    #[case(&["--lease-duration=5s"])]
    fn durations_that_let_two_work_at_a_time_are_refused(#[case] arguments: &[&str]) {
        assert!(flags(arguments).check_durations().is_err());
    }

    #[test]
    fn each_process_is_somebody_else() {
        let flags = flags(&["--lease-name=a"]);
        let (one, other) = (
            flags.lease_settings("system", Some("pod-1")),
            flags.lease_settings("system", Some("pod-1")),
        );
        assert_ne!(one.identity, other.identity);
        assert!(one.identity.starts_with("pod-1_"));
        assert_eq!((one.name.as_str(), one.namespace.as_str()), ("a", "system"));
    }
}
