//! The work of a process that has the ledger: controllers and sync loops, wired and stopped in order.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::command_error::CommandError;
use super::process::Process;
use super::watch_ledger::LedgerWatch;
use crate::admin::{EventStores, Source};
use crate::controller::ad_conversion_event::EventController;
use crate::controller::runtime as controllers;
use crate::controller::runtime::WarmCaches;
use crate::controller::shared::context::Dependencies;
use crate::ledger::SqlLedger;
use crate::ops::health::Watch;
use crate::ops::telemetry;
use crate::ops::vendor_clock::VendorClock;
use crate::ports::Clock;
use crate::ports::pulse::{self, STEP};
use crate::registry::{Registry, Wake};
use crate::sync::context::SyncContext;
use crate::sync::supervisor;
use crate::upstream::google::GoogleConnector;
use crate::upstream::hubspot::HubSpotConnector;

/// Longest wait for the ledger to be closed in good order.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// Name of the watch over the ledger's lock among the signs of life.
const LOCK_LOOP: &str = "watch of the ledger's lock";

/// Works until the process is to stop, or must not work any more; then closes the ledger.
pub(super) async fn work_until_stopped(
    process: &Process,
    store: Arc<SqlLedger>,
    client: Client,
    instance: Option<String>,
    warm: WarmCaches,
) -> Result<(), CommandError> {
    let Process {
        flags,
        probes,
        metrics,
        admin,
        stop,
        lost,
    } = process;
    let watch = LedgerWatch {
        ledger: store.clone(),
        probes: probes.clone(),
        metrics: metrics.clone(),
        patience: flags.leader.ledger_patience(),
        stop: stop.clone(),
        lost: lost.clone(),
    };
    let watch = pulse::run_watched(probes.clone(), LOCK_LOOP.to_owned(), STEP, watch.run());
    let watch = tokio::spawn(watch);
    metrics.set_leader(true);
    let Wired {
        dependencies,
        sync,
        wakes,
    } = wire(process, &store, client, instance, &warm)?;
    let loops = tokio::spawn(supervisor::run(sync, stop.clone()));
    let ends = async {
        controllers::run_warm_controllers(dependencies, warm, EventController::default(), wakes, stop.clone()).await;
        stop.cancel();
        wait_for_end("sync loops", loops).await;
    };
    tokio::select! {
        () = ends => {}
        () = wait_too_late(lost, flags.leader.end_grace()) => warn!("unfinished work was broken off: another operator may take over"),
    }
    metrics.set_leader(false);
    admin.close();
    // So that a copy of the file alone is a whole backup, and the next operator finds the ledger free.
    if tokio::time::timeout(CLOSE_LIMIT, store.close()).await.is_err() {
        error!(
            "the ledger was not closed in time; nothing is lost: the write-ahead log stays beside a file, and a server ends the session by itself"
        );
    }
    let watched = watch.await;
    watched.map_err(|error| format!("the watch of the ledger's lock {}", telemetry::how_it_ended(&error)))??;
    Ok(())
}

/// What controllers and sync loops are made of.
struct Wired {
    dependencies: Dependencies,
    sync: Arc<SyncContext>,
    wakes: UnboundedReceiver<Wake>,
}

/// Puts it together, and opens the admin API. Nothing runs yet.
fn wire(
    process: &Process,
    store: &Arc<SqlLedger>,
    client: Client,
    instance: Option<String>,
    warm: &WarmCaches,
) -> Result<Wired, CommandError> {
    let Process {
        flags,
        probes,
        metrics,
        admin,
        ..
    } = process;
    let http = flags.endpoints.http_client()?;
    let (registry, wakes) = Registry::new();
    let observer = Arc::new(VendorClock::new(metrics.clone()));
    let clock: Arc<dyn Clock> = observer.clone();
    let settings = flags.sync_settings();
    admin.open(Source {
        objects: EventStores::new(warm.event_stores()),
        registry: registry.clone(),
        ledger: store.clone(),
        clock: clock.clone(),
        entry_waits: settings.waits,
        submission_waits: settings.submission_waits(),
    });
    let sync = SyncContext::new(registry.clone(), store.clone(), clock.clone(), settings);
    let watch_loops = Watch {
        probes: probes.clone(),
        metrics: metrics.clone(),
    };
    let google = flags
        .endpoints
        .google_config(flags.ambient_credentials_namespaces.clone());
    let connector = GoogleConnector::new(google, http.clone(), observer.clone());
    let mut hubspot = flags.endpoints.hubspot_config();
    hubspot.waits.again = flags.backoff_max.as_std();
    let dependencies = Dependencies {
        client,
        registry,
        ledger: store.clone(),
        google: Arc::new(connector.permitted_by(store.clone())),
        crm: Arc::new(HubSpotConnector::new(hubspot, http, observer)),
        clock,
        settings: flags.controller_settings(),
        metrics: metrics.clone(),
        probes: probes.clone(),
        namespaces: flags.watch_namespaces.clone(),
        instance,
    };
    let sync = Arc::new(sync.with_watchdog(Arc::new(watch_loops), STEP));
    Ok(Wired {
        dependencies,
        sync,
        wakes,
    })
}

/// Returns once this process has not been allowed to work for so long.
async fn wait_too_late(lost: &CancellationToken, grace: Duration) {
    lost.cancelled().await;
    tokio::time::sleep(grace).await;
}

async fn wait_for_end(what: &str, task: tokio::task::JoinHandle<()>) {
    if let Err(error) = task.await {
        error!(what, how = telemetry::how_it_ended(&error), "ended unexpectedly");
    }
}
