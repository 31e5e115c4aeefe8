//! Asks now and then how much room the ledger has, and who may go on recording.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::ledger_room::holds_too_much;
use crate::ports::ledger::Ledger;
use crate::registry::sync_error::SyncError;

/// How long an answer holds. A feed records some megabytes in that time.
const HOLDS: Duration = Duration::from_secs(1);

/// The rows of each namespace, if there is little room.
type RowsByNamespace = Option<Arc<BTreeMap<String, u64>>>;

/// The last answer, and when it was given.
#[derive(Default)]
pub(crate) struct LedgerRoom(Mutex<Option<(Instant, RowsByNamespace)>>);

impl LedgerRoom {
    /// Fails if the events of this namespace must not record more, because the room left in the ledger is for others.
    pub(crate) async fn may_record(&self, ledger: &dyn Ledger, namespace: &str) -> Result<(), SyncError> {
        let last = self.0.lock().clone();
        let rows = if let Some((_, rows)) = last.filter(|(at, _)| at.elapsed() < HOLDS) {
            rows
        } else {
            let rows = ledger.rows_if_low().await?.map(Arc::new);
            *self.0.lock() = Some((Instant::now(), rows.clone()));
            rows
        };
        if rows.is_some_and(|rows| holds_too_much(namespace, &rows)) {
            return Err(SyncError::LedgerFull);
        }
        Ok(())
    }
}
