//! Opening the database: connections, schema, identity.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Connection};

use super::database::{Conn, Database};
use crate::domain::outcome::reason;
use crate::ledger::columns::{json_list, texts, to_millis};
use crate::ports::ledger::{LedgerId, LedgerResult};

/// How long a caller waits for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(30);

/// Connections for the counting reads while the feed and the uploaders look up rows.
pub(crate) const READERS: u32 = 4;

/// Longest wait for an answer's sake that is believed at the start, with some time for a clock that was set back.
const ASKED: SignedDuration = SignedDuration::from_hours(2);
/// The same of waits that follow from flags.
const OWN: SignedDuration = SignedDuration::from_hours(24 * 30);

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
    ];
    for statement in statements {
        sqlx::query(statement).execute(&mut *conn).await?;
    }
    pull_back(conn, Timestamp::now()).await
}

/// Ends waits in the ledger that are too long to be meant. A wait that a service asked for is an hour at most, all others
/// follow from flags; a ledger written before that was so, or under a clock that was wrong, may hold rows and requests that
/// would not be looked at for years.
async fn pull_back(conn: &mut Conn, now: Timestamp) -> LedgerResult<()> {
    let far = |wait: SignedDuration| now.saturating_add(wait).map_or(i64::MAX, to_millis);
    let asked = [
        reason::QUOTA_EXHAUSTED,
        reason::UPSTREAM_UNAVAILABLE,
        reason::ACCOUNT_NOT_READY,
    ];
    let rows = sqlx::query(concat!(
        "UPDATE conversions SET due = $1 WHERE state = 'Waiting' AND (due > $3 OR (due > $2 AND reason IN ",
        texts!("$4"),
        "))"
    ))
    .bind(to_millis(now))
    .bind(far(ASKED))
    .bind(far(OWN))
    .bind(json_list(asked)?)
    .execute(&mut *conn)
    .await?;
    let polls = sqlx::query("UPDATE requests SET poll_at = $1 WHERE poll_at > $2")
        .bind(to_millis(now))
        .bind(far(OWN))
        .execute(conn)
        .await?;
    let (rows, polls) = (rows.rows_affected(), polls.rows_affected());
    if rows + polls > 0 {
        tracing::warn!(rows, requests = polls, "waits in the ledger that are too long are over");
    }
    Ok(())
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
