//! `adconversion run`: starts what the process has as long as it lives, waits its turn, works, and stops in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::field::display;
use tracing::{error, info};

use super::cluster::install_tls;
use super::command_error::CommandError;
use super::flags::RunFlags;
use super::process::Process;
use super::work::work_until_stopped;
use super::{candidate, open_ledger};
use crate::admin::{Admin, admin_router};
use crate::controller::runtime::WarmCaches;
use crate::ops::health::{self, Probes};
use crate::ops::metrics::Metrics;
use crate::ops::telemetry::{self, LogFormat};
use crate::ops::{listen, server};

/// Runs until SIGTERM, SIGINT or SIGHUP.
pub fn run(flags: RunFlags) -> Result<(), CommandError> {
    telemetry::init(flags.log_format.unwrap_or_else(LogFormat::detect), &flags.log_level)?;
    install_tls()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_until_stopped(flags))
}

async fn serve_until_stopped(flags: RunFlags) -> Result<(), CommandError> {
    flags.leader.check_durations()?;
    open_ledger::check_scheme(&flags.ledger_url)?;
    if flags.admin_listen.is_taken_by(flags.listen) {
        let port = flags.listen.port();
        return Err(format!("--listen and --admin-listen both name port {port}. Give one of them another port").into());
    }
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    let metrics = Arc::new(new_metrics(flags.event_metrics));
    metrics.count_panics();
    let probes = Arc::new(Probes::default());
    probes.close_gate("ledger", "it is being opened; the database has not answered yet");
    let listener = listen::bind(flags.listen).map_err(|e| format!("--listen {}: {e}", flags.listen))?;
    let address = listener.local_addr()?;
    let routes = health::probe_router(probes.clone(), metrics.clone());
    let server = server::serve_apart(listener, routes, stop.child_token())?;
    let admin = Admin::default();
    let asked_at = serve_admin(&flags, &admin, &stop)?.map(display);
    info!(version = env!("CARGO_PKG_VERSION"), %address, admin = asked_at, "starting");

    let process = Process {
        flags,
        probes,
        metrics,
        admin,
        stop,
        lost: CancellationToken::new(),
    };
    let ended = if process.flags.leader.leader_elect {
        Box::pin(candidate::run_candidate(&process)).await
    } else {
        work_without_election(&process).await
    };
    process.metrics.set_leader(false);
    process.stop.cancel();
    if server.await.is_err() {
        error!("health and metrics ended unexpectedly");
    }
    if ended.is_ok() {
        info!("stopped");
    }
    ended
}

/// Works without leader election, as soon as no other operator has the ledger.
async fn work_without_election(process: &Process) -> Result<(), CommandError> {
    let Some(store) = open_ledger::wait_until_opened(process, None).await? else {
        return Ok(());
    };
    let (client, instance) = process.new_client().await?;
    let warm = WarmCaches::new(&process.flags.watch_namespaces);
    work_until_stopped(process, store, client, instance, warm).await
}

/// Longest life of a connection to the admin API: an answer may wait for HubSpot.
const ADMIN_LIFE: Duration = Duration::from_secs(90);

/// Answers people who ask, until `stop`. Returns where, unless it is turned off.
fn serve_admin(flags: &RunFlags, admin: &Admin, stop: &CancellationToken) -> Result<Option<SocketAddr>, CommandError> {
    let Some(wanted) = flags.admin_listen.0 else {
        return Ok(None);
    };
    let listener = listen::bind(wanted).map_err(|e| {
        format!("--admin-listen {wanted}: {e}. Name another address, or turn the admin API off with an empty value")
    })?;
    let address = listener.local_addr()?;
    let routes = admin_router(admin.clone());
    tokio::spawn(server::serve_http(listener, routes, ADMIN_LIFE, stop.child_token()));
    Ok(Some(address))
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
