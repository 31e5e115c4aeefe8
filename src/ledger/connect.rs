//! Opening the database: connections, schema, identity.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Connection};

use super::database::{Conn, Database};
use crate::ledger::{long_waits, write_count};
use crate::ports::ledger::{LedgerId, LedgerResult};

/// How long a caller waits for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(30);

/// Connections for the counting reads while the feed and the uploaders look up rows.
pub(crate) const READERS: u32 = 4;

/// One connection that writes, whose session holds what keeps others from writing, and some that read beside it.
pub(crate) struct Pools {
    pub(crate) writer: AnyPool,
    pub(crate) readers: AnyPool,
}

/// Connections stay: closing the only one would drop a database in memory. But one whose transaction could not be ended is
/// of no more use: on a full disk SQLite rolls back by itself, so that the rollback that follows fails, and the
/// connection counts as inside a transaction for ever.
pub(crate) fn pool_options(size: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .acquire_timeout(CONNECTION_WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                // The ping waits for a rollback that was begun when the transaction was dropped.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}

/// Gives a new database its identity, and ends waits that are too long. By the writer alone.
pub(crate) async fn begin_start(database: Database, conn: &mut Conn) -> LedgerResult<()> {
    // Writes at every start, so that a database that can't be written is found at once.
    let statements = [
        database.new_identity(),
        "INSERT INTO meta (name, value) VALUES ('starts', '1')
         ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)",
        write_count::BEGIN,
    ];
    for statement in statements {
        sqlx::query(statement).execute(&mut *conn).await?;
    }
    long_waits::end_old_waits(conn, Timestamp::now()).await
}

/// Writes, and changes nothing.
pub(crate) async fn touch_database(conn: &mut Conn) -> LedgerResult<()> {
    sqlx::query("UPDATE meta SET value = value WHERE name = 'ledger_id'")
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::ports::ledger::Ledger::ledger_id`].
pub(crate) async fn read_ledger_id(conn: &mut Conn) -> LedgerResult<LedgerId> {
    let id = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'ledger_id'")
        .fetch_one(conn)
        .await?;
    Ok(LedgerId(id))
}
