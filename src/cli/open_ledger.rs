//! Opening the ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::command_error::CommandError;
use super::process::Process;
use crate::ledger::{OpenError, SqlLedger};
use crate::ops::health::Probes;

/// Pause between two tries to open the ledger.
const LEDGER_PAUSE: Duration = Duration::from_secs(5);
/// The same while another operator has it: so soon this one takes over.
const TURN_PAUSE: Duration = Duration::from_millis(500);
/// How long a leader leaves the ledger to the one before, which may be about to end its work.
const MAKE_WAY: Duration = Duration::from_secs(1);

/// Refuses a URL that can never work.
pub(super) fn check_scheme(url: &str) -> Result<(), CommandError> {
    let known = ["sqlite:", "postgres:", "postgresql:"];
    if known.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    Err("--ledger-url must begin with sqlite:// or postgres://".into())
}

/// Opens the ledger. If it can't be opened, or is another operator's, it is tried again. Meanwhile nothing is read,
/// sent or written; the process says why, and is not ready unless it stands by with a Lease. `lease`: the uid of the
/// Lease that makes this process leader. Returns `None` if the process is to end.
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
    // The last time that the database let another operator have the ledger: it can be reached.
    let mut answered = begun;
    let mut waits = false;
    loop {
        let patience = flags.leader.ledger_patience();
        let left = patience.unwrap_or_default().saturating_sub(answered.elapsed());
        let opened = open_once(&flags.ledger_url, lease, begun, left);
        let Some(opened) = stop.run_until_cancelled(opened).await else {
            return Ok(None);
        };
        let failure = match opened {
            Ok(ledger) => {
                probes.set_gate("ledger", true);
                probes.set_remark("ledger", None);
                return Ok(Some(Arc::new(ledger)));
            }
            Err(failure) => failure,
        };
        let (in_use, why) = match failure {
            OpenError::InUse(_) => (true, failure.to_string()),
            OpenError::Failed(error) => (false, error.message),
        };
        say_why(probes, &why, in_use && lease.is_some());
        let pause = if in_use {
            if waits {
                debug!(why, "still waiting for the ledger");
            } else {
                warn!(why, "waiting for the ledger, nothing is read or sent");
            }
            answered = Instant::now();
            TURN_PAUSE
        } else {
            error!(error = why, "the ledger can't be opened, nothing is read or sent");
            if patience.is_some_and(|patience| answered.elapsed() >= patience) {
                return Err(format!("{why}; another replica should try").into());
            }
            let left = patience.map_or(LEDGER_PAUSE, |patience| patience.saturating_sub(answered.elapsed()));
            left.min(LEDGER_PAUSE)
        };
        waits = in_use;
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(None);
        }
    }
}

/// A leader that waits for another operator stands by like any other replica: where election was switched on, the
/// rollout that ends the operator without it waits for this one to be ready.
fn say_why(probes: &Probes, why: &str, stands_by: bool) {
    if stands_by {
        probes.set_gate("ledger", true);
        probes.set_remark("ledger", Some(format!("ledger: {why}")));
    } else {
        probes.close_gate("ledger", why);
        probes.set_remark("ledger", None);
    }
}

/// One try. `begun`: when this process began to; `limit`: how long a leader may wait for an answer.
async fn open_once(url: &str, lease: Option<&str>, begun: Instant, limit: Duration) -> Result<SqlLedger, OpenError> {
    match lease {
        None => SqlLedger::open(url).await,
        Some(lease) if begun.elapsed() < MAKE_WAY => SqlLedger::open_as_leader(url, lease, limit).await,
        Some(lease) => SqlLedger::take_over(url, lease, limit).await,
    }
}

/// Waits until the ledger could be opened if nobody had it: whoever cannot
/// reach it is no candidate, and not ready. False: the process is to end.
pub(super) async fn wait_until_reached(url: &str, probes: &Probes, stop: &CancellationToken) -> bool {
    loop {
        let error = match stop.run_until_cancelled(SqlLedger::check_reachable(url)).await {
            None => return false,
            Some(Ok(())) => break,
            Some(Err(error)) => error,
        };
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
