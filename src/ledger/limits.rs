//! How long the ledger waits for a database that does not answer.

use std::future::Future;
use std::time::Duration;

use super::error::own_error;
use crate::ports::ledger::LedgerError;

/// Longest wait for one call. The server gives up earlier (see `session_lock.rs`), so only a network that swallows
/// everything makes a call wait this long.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A server that falls silent keeps nobody waiting for longer than this.
pub(super) async fn within<T, E: From<LedgerError>>(
    limit: Duration,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let ended = tokio::time::timeout(limit, step).await;
    ended.unwrap_or_else(|_| Err(own_error("the database does not answer").into()))
}
