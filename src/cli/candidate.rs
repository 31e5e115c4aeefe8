//! One of several replicas: stands by until the Lease is its own, then works until it is not.

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::command_error::CommandError;
use super::open_ledger;
use super::process::Process;
use super::work::work_until_stopped;
use crate::controller::runtime::WarmCaches;
use crate::ops::leader::{Election, LostLease};
use crate::ops::telemetry;
use crate::ports::pulse::{self, STEP};

/// Names among the signs of life.
const STANDBY_LOOP: &str = "caches of a process that stands by";
const CAMPAIGN_LOOP: &str = "campaign for the Lease";
const LEASE_LOOP: &str = "renewal of the Lease";

/// Stands by, then works. The process ends where it loses the Lease: whoever starts it again has it stand by.
pub(super) async fn run_candidate(process: &Process) -> Result<(), CommandError> {
    let (client, instance) = process.new_client().await?;
    let settings = process
        .flags
        .leader
        .lease_settings(client.default_namespace(), instance.as_deref());
    info!(
        lease = settings.name,
        namespace = settings.namespace,
        identity = settings.identity,
        "this process is a candidate for the Lease"
    );
    let mut election = Election::new(client.clone(), settings, process.probes.clone());
    let mut warm = WarmCaches::new(&process.flags.watch_namespaces);
    if !Box::pin(stand_by(process, &client, &mut election, &mut warm)).await {
        election.release_lease().await;
        return Ok(());
    }
    let lease = election.lease_uid().to_owned();
    let done = CancellationToken::new();
    let holding = keep_lease(election, done.clone(), process.stop.clone(), process.lost.clone());
    let holding = pulse::run_watched(process.probes.clone(), LEASE_LOOP.to_owned(), STEP, holding);
    let holding = tokio::spawn(holding);
    let opened = open_ledger::wait_until_opened(process, Some(&lease));
    let opened = Box::pin(while_warm(process, &client, &mut warm, opened)).await;
    let worked = match opened.unwrap_or(Ok(None)) {
        Ok(Some(store)) => work_until_stopped(process, store, client, instance, warm).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    // Only now: until the ledger is closed the others are to wait.
    done.cancel();
    // One that ends by itself makes way for another.
    process.stop.cancel();
    let held = holding.await;
    held.map_err(|error| format!("the renewal of the Lease {}", telemetry::how_it_ended(&error)))??;
    worked
}

/// Keeps the caches warm until this process holds the Lease; false: it is to end.
async fn stand_by(process: &Process, client: &kube::Client, election: &mut Election, warm: &mut WarmCaches) -> bool {
    let Process {
        flags, probes, stop, ..
    } = process;
    if !open_ledger::wait_until_reached(&flags.ledger_url, probes, stop).await {
        return false;
    }
    let campaign = pulse::run_watched(probes.clone(), CAMPAIGN_LOOP.to_owned(), STEP, election.win_lease());
    let won = stop.run_until_cancelled(campaign);
    matches!(Box::pin(while_warm(process, client, warm, won)).await, Some(Some(())))
}

/// Keeps the caches warm until the other is done; a leader may
/// wait long for its ledger. `None`: they could not be kept.
async fn while_warm<T>(
    process: &Process,
    client: &kube::Client,
    warm: &mut WarmCaches,
    other: impl Future<Output = T>,
) -> Option<T> {
    let Process { flags, probes, .. } = process;
    let caches = pulse::while_waiting(warm.keep_warm(client, &flags.watch_namespaces, probes));
    let caches = pulse::run_watched(probes.clone(), STANDBY_LOOP.to_owned(), STEP, caches);
    tokio::select! {
        done = other => Some(done),
        () = caches => None,
    }
}

/// Keeps the Lease until the work is `done`, then lets it go. Where it is lost, the work has to end.
async fn keep_lease(
    mut election: Election,
    done: CancellationToken,
    stop: CancellationToken,
    lost: CancellationToken,
) -> Result<(), LostLease> {
    // However it ends: nothing is to go on without it.
    let _stop = stop.drop_guard();
    let held = election.hold_lease(&done).await;
    match &held {
        Ok(()) => election.release_lease().await,
        Err(why) => {
            error!(error = %why, "this process is no longer the leader, stopping");
            lost.cancel();
        }
    }
    held
}
