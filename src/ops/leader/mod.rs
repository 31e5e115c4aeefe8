//! Leader election: several replicas, one of which holds a Lease of the Kubernetes API and works.
//!
//! The rules are those of client-go's `leaderelection`: a Lease is free when its holder has let it go, or has not
//! changed it for as long as it promised, by this process's own clock since it saw the last change. No other machine's
//! clock counts. The Lease says who works; that nobody else does is for the ledger to say
//! (<https://github.com/kubernetes/client-go/blob/master/tools/leaderelection/leaderelection.go>).

mod record;
mod settings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use self::record::{LeaseState, ObservedLease, is_free, released_lease, taken_lease};
pub use self::settings::LeaseSettings;
use super::health::Probes;
use crate::domain::brief::brief;
use crate::ports::pulse;

/// Name of the gate that is closed while the Lease can't be read or written.
const GATE: &str = "lease";
/// Longest wait for the Lease to be released at the end.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);
/// Shortest pause between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// How long one watch of the Lease stays open.
const WATCH_SECONDS: u32 = 290;

/// Why this process is leader no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LostLease {
    /// Another one holds it.
    #[error("{holder} holds the Lease now")]
    Taken {
        /// Its identity.
        holder: String,
    },
    /// It could not be renewed in time, so that another one may take it.
    #[error("the Lease could not be renewed within {} s: {why}", .within.as_secs())]
    NotRenewed {
        /// The limit.
        within: Duration,
        /// What the last try said.
        why: String,
    },
}

/// Why the Lease could not be read or written.
struct LeaseError {
    /// It is not there, and was to be created.
    is_missing: bool,
    error: kube::Error,
}

impl From<kube::Error> for LeaseError {
    fn from(error: kube::Error) -> Self {
        Self {
            is_missing: false,
            error,
        }
    }
}

type LeaseChanges = BoxStream<'static, kube::Result<WatchEvent<Lease>>>;

/// This process as a candidate for the Lease, and as its holder.
pub struct Election {
    api: Api<Lease>,
    settings: LeaseSettings,
    probes: Arc<Probes>,
    observed: ObservedLease,
    /// What the last try said where it failed, so that a lasting failure is logged once.
    failure: Option<String>,
}

impl Election {
    /// Nothing is asked of the Kubernetes API yet.
    pub fn new(client: Client, settings: LeaseSettings, probes: Arc<Probes>) -> Self {
        Self {
            api: Api::namespaced(client, &settings.namespace),
            settings,
            probes,
            observed: ObservedLease::default(),
            failure: None,
        }
    }

    /// What tells the Lease from all others, also from one of its name in another cluster; empty until it was seen.
    pub fn lease_uid(&self) -> &str {
        self.observed.uid()
    }

    /// Waits until this process holds the Lease. May be dropped at
    /// any moment, then [`Self::release_lease`] is to be called.
    pub async fn win_lease(&mut self) {
        let mut changes = None;
        let mut holder = None;
        loop {
            pulse::beat();
            match self.try_acquire(self.settings.renew / 2).await {
                Ok(LeaseState::Mine) => {
                    tracing::info!(
                        lease = self.settings.name,
                        identity = self.settings.identity,
                        "this process is the leader"
                    );
                    return;
                }
                Ok(LeaseState::Held { holder: now, .. }) if holder.as_ref() != Some(&now) => {
                    tracing::info!(
                        lease = self.settings.name,
                        holder = now,
                        "another process is the leader, this one stands by"
                    );
                    holder = Some(now);
                }
                Ok(_) | Err(_) => {}
            }
            self.wait_for_turn(&mut changes).await;
        }
    }

    /// Keeps the Lease until `stop`.
    ///
    /// # Errors
    /// Where it is another's, or could not be renewed in time: this process must not work any more.
    pub async fn hold_lease(&mut self, stop: &CancellationToken) -> Result<(), LostLease> {
        let mut renewed = Instant::now();
        loop {
            pulse::beat();
            if stop
                .run_until_cancelled(tokio::time::sleep(self.settings.retry))
                .await
                .is_none()
            {
                return Ok(());
            }
            let asked = Instant::now();
            let left = (renewed + self.settings.renew).saturating_duration_since(asked);
            // A process that was stopped for longer asks at least once: where nobody took the Lease, all is well.
            let limit = left.min(self.settings.renew / 2).max(Duration::from_secs(1));
            match self.try_acquire(limit).await {
                Ok(LeaseState::Mine) => renewed = asked,
                Ok(LeaseState::Held { holder, .. }) => return Err(LostLease::Taken { holder }),
                Ok(LeaseState::Contested) | Err(_) if renewed.elapsed() < self.settings.renew => {}
                Ok(LeaseState::Contested) => {
                    return Err(self.not_renewed("another client keeps writing it".to_owned()));
                }
                Err(why) => return Err(self.not_renewed(why)),
            }
        }
    }

    fn not_renewed(&self, why: String) -> LostLease {
        LostLease::NotRenewed {
            within: self.settings.renew,
            why,
        }
    }

    /// Lets another one have the Lease, if this process holds it. After all work has ended.
    pub async fn release_lease(&mut self) {
        match tokio::time::timeout(RELEASE_LIMIT, self.give_back()).await {
            Ok(Ok(true)) => tracing::info!(lease = self.settings.name, "the Lease is released"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::warn!(
                    error = brief(&error),
                    "the Lease could not be released, it expires by itself"
                );
            }
            Err(_) => tracing::warn!("the Lease could not be released in time, it expires by itself"),
        }
    }

    async fn give_back(&self) -> kube::Result<bool> {
        let Some(found) = self.api.get_opt(&self.settings.name).await? else {
            return Ok(false);
        };
        let Some(lease) = released_lease(found, &self.settings.identity, Timestamp::now()) else {
            return Ok(false);
        };
        let written = self
            .api
            .replace(&self.settings.name, &PostParams::default(), &lease)
            .await;
        written.map(|_| true)
    }

    /// One try, and what it tells whoever asks for readiness.
    async fn try_acquire(&mut self, limit: Duration) -> Result<LeaseState, String> {
        let tried = match tokio::time::timeout(limit, self.acquire_or_renew()).await {
            Ok(Ok(standing)) => Ok(standing),
            Ok(Err(refused)) => Err(self.explain_failure(&refused)),
            Err(_) => Err(format!(
                "the Kubernetes API did not answer within {} ms",
                limit.as_millis()
            )),
        };
        let failure = tried.as_ref().err().cloned();
        match &failure {
            None => self.probes.set_gate(GATE, true),
            Some(why) => {
                self.probes.close_gate(GATE, why.as_str());
                if self.failure.as_ref() != Some(why) {
                    tracing::warn!(why, "the Lease could not be read or written, trying again");
                }
            }
        }
        self.failure = failure;
        tried
    }

    fn explain_failure(&self, LeaseError { is_missing, error }: &LeaseError) -> String {
        let LeaseSettings { name, namespace, .. } = &self.settings;
        match error {
            kube::Error::Api(status) if status.is_forbidden() && *is_missing => format!(
                "there is no Lease {namespace}/{name}, and the operator has no permission to create one. The Helm chart makes it \
                 (leaderElection.enabled), and helm upgrade makes it again. Argo CD leaves Leases out by default: create it by hand, \
                 with nothing but its name (docs/gitops.md)"
            ),
            kube::Error::Api(status) if status.is_forbidden() => format!(
                "no permission to get, watch and update the Lease {namespace}/{name}: check the operator's Role in that namespace; \
                 the Helm chart makes it (leaderElection.enabled)"
            ),
            kube::Error::Api(status) if status.code == 404 => format!(
                "the Lease {namespace}/{name} cannot be created: check that the namespace exists (--lease-namespace)"
            ),
            error => format!("the Lease {namespace}/{name}: {}", brief(error)),
        }
    }

    async fn acquire_or_renew(&mut self) -> Result<LeaseState, LeaseError> {
        let name = self.settings.name.clone();
        let parameters = PostParams {
            field_manager: Some("adconversion-operator".to_owned()),
            ..PostParams::default()
        };
        let found = self.api.get_opt(&name).await?;
        if let Some(found) = &found {
            self.observed.record_read(found, Instant::now());
            let standing = self.observed.standing_of(&self.settings.identity, Instant::now());
            if let Some(LeaseState::Held { .. }) = standing {
                return Ok(standing.unwrap_or(LeaseState::Contested));
            }
        }
        let is_new = found.is_none();
        let wanted = taken_lease(found, &self.settings, Timestamp::now());
        let written = if is_new {
            self.api.create(&parameters, &wanted).await
        } else {
            // Only onto the version that was read: of two who find it free, one gets it.
            self.api.replace(&name, &parameters, &wanted).await
        };
        match written {
            Ok(lease) => {
                self.observed.record_read(&lease, Instant::now());
                Ok(LeaseState::Mine)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(LeaseState::Contested),
            Err(error) => Err(LeaseError {
                is_missing: is_new,
                error,
            }),
        }
    }

    /// Waits for the next try: the usual pause, or until the Lease expires, or until its holder lets it go.
    async fn wait_for_turn(&self, changes: &mut Option<LeaseChanges>) {
        let expires = self.observed.expires_at();
        let left = expires.map(|at| at.saturating_duration_since(Instant::now()));
        let pause = left.map_or(self.settings.retry, |left| left.min(self.settings.retry));
        tokio::select! {
            () = tokio::time::sleep(pause.max(SHORTEST_PAUSE)) => {}
            () = self.becomes_free(changes) => {}
        }
    }

    /// Returns once the Lease is let go; never if it can't be watched: the next look finds it then.
    async fn becomes_free(&self, changes: &mut Option<LeaseChanges>) {
        loop {
            let Some(stream) = changes else {
                let fields = format!("metadata.name={}", self.settings.name);
                let parameters = WatchParams::default().fields(&fields).timeout(WATCH_SECONDS);
                match self.api.watch(&parameters, self.observed.version()).await {
                    Ok(stream) => *changes = Some(stream.boxed()),
                    Err(_) => return std::future::pending().await,
                }
                continue;
            };
            match stream.next().await {
                Some(Ok(WatchEvent::Modified(lease) | WatchEvent::Added(lease))) if is_free(&lease) => return,
                Some(Ok(WatchEvent::Deleted(_))) => return,
                Some(Ok(WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Bookmark(_))) => {}
                Some(Ok(WatchEvent::Error(_)) | Err(_)) | None => {
                    *changes = None;
                    return std::future::pending().await;
                }
            }
        }
    }
}
