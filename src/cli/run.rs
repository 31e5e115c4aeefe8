//! `adconversion run`: wires ledger, clients, controllers and sync loops, and stops them in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::command_error::CommandError;
use super::flags::RunFlags;
use crate::controller::ad_conversion_event::EventController;
use crate::controller::runtime as controllers;
use crate::controller::shared::context::Parts;
use crate::ledger::{OpenError, SqlLedger};
use crate::ops::health::{self, Probes, Watch};
use crate::ops::metrics::Metrics;
use crate::ops::telemetry::{self, LogFormat};
use crate::ops::vendor_clock::VendorClock;
use crate::ops::{listen, server};
use crate::ports::Clock;
use crate::ports::ledger::{Ledger, LedgerError};
use crate::ports::pulse;
use crate::ports::pulse::STEP;
use crate::registry::Registry;
use crate::sync::context::SyncContext;
use crate::sync::supervisor;
use crate::upstream;
use crate::upstream::google::{GoogleConfig, GoogleConnector, Timeouts};
use crate::upstream::hubspot::{HubSpotConfig, HubSpotConnector};

/// Longest wait for a connection to an upstream service.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Pause between two tries to open the ledger.
const LEDGER_PAUSE: Duration = Duration::from_secs(5);
/// The same while another operator has it: so soon this one takes over.
const TURN_PAUSE: Duration = Duration::from_millis(500);
/// How often it is looked whether the ledger's lock is still this process's.
const LOCK_CHECK: Duration = Duration::from_secs(1);
/// Longest wait for the ledger to be closed in good order.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// Name of the watch over the ledger's lock among the signs of life.
const LOCK_LOOP: &str = "watch of the ledger's lock";

/// Runs until SIGTERM, SIGINT or SIGHUP.
pub fn run(flags: RunFlags) -> Result<(), CommandError> {
    telemetry::init(flags.log_format.unwrap_or_else(LogFormat::detect), &flags.log_level)?;
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err("another TLS provider is installed already".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_until_stopped(flags))
}

async fn serve_until_stopped(flags: RunFlags) -> Result<(), CommandError> {
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    let metrics = Arc::new(new_metrics(flags.event_metrics));
    metrics.count_panics();
    let probes = Arc::new(Probes::default());
    probes.set_gate("ledger", false);
    let listener = listen::bind(flags.listen).map_err(|e| format!("--listen {}: {e}", flags.listen))?;
    let address = listener.local_addr()?;
    let routes = health::probe_router(probes.clone(), metrics.clone());
    let server = server::serve_apart(listener, routes, stop.child_token())?;
    info!(version = env!("CARGO_PKG_VERSION"), %address, "starting");

    let Some(store) = open_ledger(&flags.ledger_url, &probes, &stop).await? else {
        return Ok(());
    };
    let ledger: Arc<dyn Ledger> = store.clone();
    let watch = watch_lock(store.clone(), stop.clone());
    let watch = tokio::spawn(pulse::run_watched(probes.clone(), LOCK_LOOP.to_owned(), STEP, watch));
    let instance = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).ok();
    let client = controllers::new_client(instance.as_deref(), flags.call_timeout.as_std())
        .await
        .map_err(no_client)?;
    let http = http_client(&flags)?;
    let (registry, wakes) = Registry::new();
    let observer = Arc::new(VendorClock::new(metrics.clone()));
    let clock: Arc<dyn Clock> = observer.clone();
    let sync = SyncContext::new(registry.clone(), ledger.clone(), clock.clone(), flags.sync_settings());
    let watch_loops = Watch {
        probes: probes.clone(),
        metrics: metrics.clone(),
    };
    let sync = Arc::new(sync.with_watchdog(Arc::new(watch_loops), STEP));
    let parts = Parts {
        client,
        registry,
        ledger,
        google: Arc::new(GoogleConnector::new(
            google_config(&flags),
            http.clone(),
            observer.clone(),
        )),
        crm: Arc::new(HubSpotConnector::new(hubspot_config(&flags), http, observer)),
        clock,
        settings: flags.controller_settings(),
        metrics,
        probes,
        namespaces: flags.watch_namespaces.clone(),
        instance,
    };
    let loops = tokio::spawn(supervisor::run(sync, stop.clone()));
    controllers::run_controllers(parts, EventController::default(), wakes, stop.clone()).await;
    stop.cancel();
    wait_for_end("sync loops", loops).await;
    // So that a copy of the file alone is a whole backup.
    if tokio::time::timeout(CLOSE_LIMIT, store.close()).await.is_err() {
        error!("the ledger was not closed in time; nothing is lost, its write-ahead log stays beside it");
    }
    if server.await.is_err() {
        error!("health and metrics ended unexpectedly");
    }
    watch
        .await
        .map_err(|error| format!("the watch of the ledger's lock {}", telemetry::how_it_ended(&error)))??;
    info!("stopped");
    Ok(())
}

/// Ends the work of a process whose lock on the ledger somebody took away. The ledger refuses its writes at once; this
/// ends what it does to Google and Kubernetes too.
async fn watch_lock(ledger: Arc<SqlLedger>, stop: CancellationToken) -> Result<(), LedgerError> {
    // However it ends: nothing is to go on without it.
    let _stop = stop.clone().drop_guard();
    while stop.run_until_cancelled(tokio::time::sleep(LOCK_CHECK)).await.is_some() {
        pulse::beat();
        if let Err(lost) = ledger.still_ours() {
            error!(error = %lost, "stopping");
            stop.cancel();
            return Err(lost);
        }
    }
    Ok(())
}

async fn wait_for_end(what: &str, task: tokio::task::JoinHandle<()>) {
    if let Err(error) = task.await {
        error!(what, how = telemetry::how_it_ended(&error), "ended unexpectedly");
    }
}

/// A ledger that can't be opened, or is another operator's, is tried again: meanwhile nothing is read, sent or written, and
/// the process is not ready and says why. A URL that can never work ends the process.
async fn open_ledger(
    url: &str,
    probes: &Probes,
    stop: &CancellationToken,
) -> Result<Option<Arc<SqlLedger>>, CommandError> {
    if !["sqlite:", "postgres:", "postgresql:"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err("--ledger-url must begin with sqlite:// or postgres://".into());
    }
    let mut waits = false;
    loop {
        let failure = match SqlLedger::open(url).await {
            Ok(ledger) => {
                probes.set_gate("ledger", true);
                return Ok(Some(Arc::new(ledger)));
            }
            Err(failure) => failure,
        };
        let (in_use, why) = match failure {
            OpenError::InUse(_) => (true, failure.to_string()),
            OpenError::Failed(error) => (false, error.message),
        };
        probes.close_gate("ledger", why.as_str());
        let pause = if in_use {
            if !waits {
                warn!(why, "waiting for the ledger, nothing is read or sent");
            }
            TURN_PAUSE
        } else {
            error!(error = why, "the ledger can't be opened, nothing is read or sent");
            LEDGER_PAUSE
        };
        waits = in_use;
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(None);
        }
    }
}

fn stop_on_signals(stop: &CancellationToken) -> Result<(), CommandError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A terminal that closes is no reason to break off what is half done.
    let mut hangup = signal(SignalKind::hangup())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        info!("stopping");
        stop.cancel();
    });
    Ok(())
}

fn new_metrics(events: bool) -> Metrics {
    let metrics = Metrics::new();
    if events { metrics.with_events() } else { metrics }
}

/// The client of all calls to HubSpot and Google.
fn http_client(flags: &RunFlags) -> Result<reqwest::Client, CommandError> {
    let endpoints = [
        flags.google_ads_endpoint.as_str(),
        &flags.data_manager_endpoint,
        &flags.google_token_endpoint,
        &flags.hubspot_endpoint,
    ];
    upstream::client_builder(&endpoints)
        .connect_timeout(CONNECT_LIMIT)
        .user_agent(concat!("adconversion-operator/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| without_tls(&error).into())
}

/// Why the Kubernetes API can't be asked.
fn no_client(error: controllers::ClientError) -> CommandError {
    match error {
        controllers::ClientError::Client(error) if matches!(*error, kube::Error::RustlsTls(_)) => {
            without_tls(&error).into()
        }
        error => error.into(),
    }
}

/// Nothing but the certificates of this host can keep the client from being made: names the way out.
fn without_tls(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        words = error.to_string();
        inner = error.source();
    }
    format!(
        "no HTTPS is possible: {words}. Where the host has no CA certificates, install its package ca-certificates, or name a \
         PEM file of them in SSL_CERT_FILE or a directory in SSL_CERT_DIR"
    )
}

fn google_config(flags: &RunFlags) -> GoogleConfig {
    let base = |url: &str| url.trim_end_matches('/').to_owned();
    GoogleConfig {
        ads_endpoint: base(&flags.google_ads_endpoint),
        ads_version: flags.google_ads_version.clone(),
        data_manager_endpoint: base(&flags.data_manager_endpoint),
        token_endpoint: flags.google_token_endpoint.clone(),
        timeouts: Timeouts::default().at_most(flags.call_timeout.as_std()),
        ambient_namespaces: flags.ambient_credentials_namespaces.clone(),
        token_directory: flags.external_account_token_dir.clone(),
    }
}

fn hubspot_config(flags: &RunFlags) -> HubSpotConfig {
    let usual = HubSpotConfig::default();
    HubSpotConfig {
        endpoint: flags.hubspot_endpoint.trim_end_matches('/').to_owned(),
        version: flags.hubspot_version.clone(),
        timeout: usual.timeout.min(flags.call_timeout.as_std()),
        ..usual
    }
}
