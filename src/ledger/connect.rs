//! Opening the database: connections, schema, identity.

use std::sync::Arc;

use jiff::Timestamp;

use super::connections::Connections;
use super::database::{Conn, Database};
use crate::ledger::{long_waits, write_count};
use crate::ports::ledger::{LedgerId, LedgerResult};

/// Connections for the counting reads while the feed and the uploaders look up rows.
pub(crate) const READERS: u32 = 4;

/// One connection that writes, whose session holds the writer's lock, and some that read beside it.
pub(crate) struct Pools {
    pub(crate) writer: Arc<Connections>,
    pub(crate) readers: Arc<Connections>,
}

/// Gives a new database its identity, and ends waits that are too long. Called by the writer only.
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

/// Makes a write that changes nothing.
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
