//! A count of the writes of a database: a number in `meta` that every write raises, and that the process remembers once
//! the write is committed. A database with a smaller number is older than what this process has seen there.
//!
//! That happens after a fail-over to a standby that lagged behind, or when a back-up is restored under a running
//! operator. The process then remembers contacts, streams and requests that the ledger does not have, and would never
//! read, make or ask about them again. So it ends, and starts as after a restore.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::database::Conn;
use super::error::own_error;
use crate::ports::ledger::{LedgerError, LedgerResult};

/// Run at each start, so that a ledger of the version before has a count too.
pub(crate) const BEGIN: &str = "INSERT INTO meta (name, value) VALUES ('writes', '1')
    ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)";
const RAISE: &str = "UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'writes'
    RETURNING CAST(value AS BIGINT)";
const READ: &str = "SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'writes'";

/// The highest count that this process has seen.
#[derive(Debug, Default)]
pub(crate) struct WriteCount {
    /// The number of the latest write that was committed; 0 before the first.
    seen: AtomicI64,
    is_older: AtomicBool,
}

impl WriteCount {
    /// Raises the number, in a transaction that writes. Returns what [`Self::remember`] wants once it is committed.
    ///
    /// # Errors
    /// Where the database is older than what this process has seen there.
    pub(crate) async fn raise(&self, conn: &mut Conn) -> LedgerResult<i64> {
        let raised: Option<i64> = sqlx::query_scalar(RAISE).fetch_optional(conn).await?;
        // A commit whose answer was lost is not remembered, and the number may be higher than the next one.
        match raised {
            Some(raised) if raised > self.seen.load(Ordering::SeqCst) => Ok(raised),
            Some(_) | None => {
                self.is_older.store(true, Ordering::SeqCst);
                Err(older())
            }
        }
    }

    /// Remembers that the write with this number is committed.
    pub(crate) fn remember(&self, number: i64) {
        self.seen.fetch_max(number, Ordering::SeqCst);
    }

    /// Whether the database seems older, by what this connection reads. Not a proof: a standby that is about to catch
    /// up may have answered.
    pub(crate) async fn seems_older(&self, conn: &mut Conn) -> LedgerResult<bool> {
        // Taken before the query, so that a write that is committed meanwhile does not count.
        let seen = self.seen.load(Ordering::SeqCst);
        let found: Option<i64> = sqlx::query_scalar(READ).fetch_optional(conn).await?;
        Ok(found.unwrap_or_default() < seen)
    }

    /// Fails once a write has found the database older.
    pub(crate) fn check(&self) -> LedgerResult<()> {
        if self.is_older.load(Ordering::SeqCst) {
            return Err(older());
        }
        Ok(())
    }
}

fn older() -> LedgerError {
    own_error(
        "the database is older than what this process has written to it: a fail-over lost the last writes, or a back-up was \
         restored. This process writes and sends nothing any more and ends; the next start finds in HubSpot what the ledger \
         does not know",
    )
}
