//! Watching that the ledger stays this process's, and that it can be written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::ledger::SqlLedger;
use crate::ops::health::Probes;
use crate::ops::metrics::Metrics;
use crate::ports::ledger::{LedgerError, LedgerResult};
use crate::ports::pulse;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);
/// How long a process whose ledger cannot be written stays ready: a fail-over of the database takes some seconds.
const READY_FOR: Duration = Duration::from_secs(15);

/// What the watch looks at, and what it tells.
pub(super) struct LedgerWatch {
    pub(super) ledger: Arc<SqlLedger>,
    /// Not ready while the ledger cannot be written for some time, and says why. Alive all the same: a new start would not
    /// help.
    pub(super) probes: Arc<Probes>,
    /// Nobody works while the ledger cannot be written for so long.
    pub(super) metrics: Arc<Metrics>,
    /// How long a leader whose ledger cannot be written stays leader, where others might write; `None` where nobody else could.
    pub(super) patience: Option<Duration>,
    /// The process is to end.
    pub(super) stop: CancellationToken,
    /// It must not work any more: another one may.
    pub(super) lost: CancellationToken,
}

impl LedgerWatch {
    /// Ends the work of a process whose lock on the ledger somebody took away, whose database is older than what it remembers,
    /// or that is leader and cannot write. The ledger refuses its writes at once; this ends what it does to Google and
    /// Kubernetes too.
    pub(super) async fn run(self) -> Result<(), LedgerError> {
        // However it ends: nothing is to go on without it.
        let _stop = self.stop.clone().drop_guard();
        let mut well = Instant::now();
        while self.stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            pulse::beat();
            let Some(answer) = self.stop.run_until_cancelled(self.ask()).await else {
                return Ok(());
            };
            let failure = match self.ledger.still_ours() {
                Err(failure) => failure,
                Ok(()) => match self.judge(answer, &mut well) {
                    None => continue,
                    Some(failure) => failure,
                },
            };
            error!(error = %failure, "stopping");
            self.lost.cancel();
            return Err(failure);
        }
        Ok(())
    }

    /// Whether the ledger is still this process's, and can be written.
    async fn ask(&self) -> LedgerResult<()> {
        let asked = async {
            self.ledger.confirm_writer().await?;
            self.ledger.confirm_writes().await
        };
        let limit = self.patience.map_or(READY_FOR, |patience| patience.min(READY_FOR));
        let answer = tokio::time::timeout(limit, asked).await;
        answer.unwrap_or_else(|_| {
            Err(LedgerError {
                message: "the database does not answer".to_owned(),
            })
        })
    }

    /// Tells the probes; returns why a leader must make way. `well`: the last time that all was well.
    fn judge(&self, answer: LedgerResult<()>, well: &mut Instant) -> Option<LedgerError> {
        let Err(LedgerError { message }) = answer else {
            // The end of the work is told by who ends it, so this tells only what it has told otherwise before.
            if well.elapsed() >= READY_FOR {
                self.metrics.set_leader(true);
            }
            *well = Instant::now();
            self.probes.set_gate("ledger", true);
            return None;
        };
        if well.elapsed() >= READY_FOR {
            self.probes.close_gate("ledger", message.as_str());
            self.metrics.set_leader(false);
        }
        self.patience
            .is_some_and(|patience| well.elapsed() >= patience)
            .then(|| LedgerError {
                message: format!(
                    "the ledger could not be written for too long, so another replica should try: {message}"
                ),
            })
    }
}
