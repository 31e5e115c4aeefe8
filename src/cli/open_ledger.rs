//! Opening the ledger, and watching that it stays this process's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::command_error::CommandError;
use super::process::Process;
use crate::ledger::{OpenError, SqlLedger};
use crate::ops::health::Probes;
use crate::ports::ledger::LedgerError;
use crate::ports::pulse;

/// Pause between two tries to open the ledger.
const LEDGER_PAUSE: Duration = Duration::from_secs(5);
/// The same while another operator has it: so soon this one takes over.
const TURN_PAUSE: Duration = Duration::from_millis(500);
/// How long a leader leaves the ledger to the one before, which may be about to end its work.
const MAKE_WAY: Duration = Duration::from_secs(1);
/// Longest wait for what the database says of its writer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How often it is looked whether the ledger's lock is still this process's.
const LOCK_CHECK: Duration = Duration::from_secs(1);

/// Refuses a URL that can never work.
pub(super) fn check_scheme(url: &str) -> Result<(), CommandError> {
    let known = ["sqlite:", "postgres:", "postgresql:"];
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    Err("--ledger-url must begin with sqlite:// or postgres://".into())
}

/// A ledger that can't be opened, or is another operator's, is tried again: meanwhile nothing is read, sent or written, and
/// the process is not ready and says why. `lease`: the uid of the Lease that makes this process leader. `None`: the process
/// is to end.
///
/// # Errors
/// Where a leader cannot open it for so long that another replica is to try.
pub(super) async fn wait_until_opened(
    process: &Process,
    lease: Option<&str>,
) -> Result<Option<Arc<SqlLedger>>, CommandError> {
    let Process {
        flags, probes, stop, ..
    } = process;
    let begun = Instant::now();
    let mut waits = false;
    loop {
        let opened = match lease {
            None => SqlLedger::open(&flags.ledger_url).await,
            Some(lease) if begun.elapsed() < MAKE_WAY => SqlLedger::open_as_leader(&flags.ledger_url, lease).await,
            Some(lease) => SqlLedger::take_over(&flags.ledger_url, lease).await,
        };
        let failure = match opened {
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
            let patience = flags.leader.ledger_patience();
            if patience.is_some_and(|patience| begun.elapsed() >= patience) {
                return Err(format!("{why}: another replica is to try").into());
            }
            LEDGER_PAUSE
        };
        waits = in_use;
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(None);
        }
    }
}

/// Waits until the ledger could be opened if nobody had it: whoever cannot reach it is no candidate, and not ready. False:
/// the process is to end.
pub(super) async fn wait_until_reached(url: &str, probes: &Probes, stop: &CancellationToken) -> bool {
    while let Err(error) = SqlLedger::check_reachable(url).await {
        probes.close_gate("ledger", error.message.as_str());
        error!(
            error = error.message,
            "the ledger can't be reached, this process does not stand by"
        );
        if stop
            .run_until_cancelled(tokio::time::sleep(LEDGER_PAUSE))
            .await
            .is_none()
        {
            return false;
        }
    }
    probes.set_gate("ledger", true);
    true
}

/// Ends the work of a process whose lock on the ledger somebody took away. The ledger refuses its writes at once; this
/// ends what it does to Google and Kubernetes too. `patience`: how long a leader that cannot reach the ledger stays leader,
/// where others might.
pub(super) async fn watch_lock(
    ledger: Arc<SqlLedger>,
    patience: Option<Duration>,
    stop: CancellationToken,
    lost: CancellationToken,
) -> Result<(), LedgerError> {
    // However it ends: nothing is to go on without it.
    let _stop = stop.clone().drop_guard();
    let mut answered = Instant::now();
    while stop.run_until_cancelled(tokio::time::sleep(LOCK_CHECK)).await.is_some() {
        pulse::beat();
        let asked = tokio::time::timeout(patience.unwrap_or(ANSWER_LIMIT), ledger.confirm_writer());
        match stop.run_until_cancelled(asked).await {
            None => return Ok(()),
            Some(Ok(Ok(()))) => answered = Instant::now(),
            Some(Ok(Err(_)) | Err(_)) => {}
        }
        let unreached = patience.is_some_and(|patience| answered.elapsed() >= patience);
        let failure = match ledger.still_ours() {
            Ok(()) if !unreached => continue,
            Ok(()) => LedgerError {
                message: "the database could not be reached for too long, so that another replica is to try".to_owned(),
            },
            Err(failure) => failure,
        };
        error!(error = %failure, "stopping");
        lost.cancel();
        return Err(failure);
    }
    Ok(())
}
