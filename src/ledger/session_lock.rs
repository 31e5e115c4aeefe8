//! One process at a time, in PostgreSQL: an advisory lock of the session that writes, and an epoch that every new
//! writer raises and every write checks.
//!
//! The lock says who writes. It ends with its session, which the server may end without the process noticing: after a
//! cut in the network or a restart of the server, or because another operator became leader and took the lock away. So
//! every write first checks that its session has the lock and that the epoch is still this process's; the check also
//! keeps the epoch from being raised until the write has ended.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::database::Conn;
use super::error::own_error;
use super::lock::OpenError;
use crate::ports::ledger::{LedgerError, LedgerResult};

/// `SQLSTATE` of a table that does not exist (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
const UNDEFINED_TABLE: &str = "42P01";

/// Locks of this program, in the upper half of a lock's number; the schema's own number is the lower half.
const OURS: i64 = 0x6164_6376;

/// Settings of the session. A server that does not hear from a client for this long takes it for gone and frees its
/// lock, and a write that was begun and not continued (because its process was stopped) blocks others for no longer.
/// Limits that would end an idle session or a long migration are off (the second exists from version 17 on). A pooler
/// would share these settings with its other clients; sessions of a pooler are refused before.
pub(crate) const SESSION: &str = "SET application_name = 'adconversion-operator'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
    SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '20s'; SET statement_timeout = '25s';
    SET synchronous_commit = on;
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')";

/// Selects the server's process that serves this session.
pub(crate) async fn backend(conn: &mut Conn) -> LedgerResult<i64> {
    // Without parameters, since a pooler may not support prepared statements.
    let row = sqlx::raw_sql("SELECT CAST(pg_backend_pid() AS BIGINT)")
        .fetch_one(conn)
        .await?;
    Ok(sqlx::Row::try_get(&row, 0)?)
}

/// The lock, as this process holds it.
pub(crate) struct SessionLock {
    key: i64,
    /// The server's process of the session that holds it.
    backend: AtomicI64,
    epoch: AtomicI64,
    lost: AtomicBool,
    /// The uid of the Lease that made this process leader; empty without leader election.
    lease: String,
}

impl SessionLock {
    /// Takes the lock of the schema that the session's `search_path` names, for the holder of the Lease with this uid
    /// (empty: there is none).
    ///
    /// # Errors
    /// [`OpenError::InUse`] while another session holds it.
    pub(crate) async fn take(conn: &mut Conn, lease: &str) -> Result<Self, OpenError> {
        let schema: Option<(String, i64)> = sqlx::query_as(
            "SELECT CAST(nspname AS TEXT), CAST(oid AS BIGINT) FROM pg_namespace WHERE nspname = current_schema()",
        )
        .fetch_optional(&mut *conn)
        .await
        .map_err(LedgerError::from)?;
        let Some((name, number)) = schema else {
            return Err(own_error(
                "no schema of the search_path exists, or the user may not use it: create it, grant USAGE on it, or name another one in \
                 --ledger-url",
            )
            .into());
        };
        let lock = Self {
            key: (OURS << 32) | number,
            backend: AtomicI64::new(backend(conn).await?),
            epoch: AtomicI64::new(0),
            lost: AtomicBool::new(false),
            lease: lease.to_owned(),
        };
        if lock.try_lock(conn).await? {
            return Ok(lock);
        }
        Err(OpenError::InUse(lock.holder(conn, &name).await?))
    }

    async fn try_lock(&self, conn: &mut Conn) -> LedgerResult<bool> {
        Ok(sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(self.key)
            .fetch_one(conn)
            .await?)
    }

    /// A description of the session that holds the lock.
    async fn holder(&self, conn: &mut Conn, schema: &str) -> LedgerResult<String> {
        let found: Option<(i64, Option<String>)> = sqlx::query_as(
            "SELECT CAST(l.pid AS BIGINT), CAST(a.client_addr AS TEXT) FROM pg_locks l
                 LEFT JOIN pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND CAST(l.classid AS BIGINT) = $1 AND CAST(l.objid AS BIGINT) = $2
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .bind(self.key >> 32)
        .bind(self.key & 0xffff_ffff)
        .fetch_optional(conn)
        .await?;
        let session = match found {
            Some((pid, Some(address))) => format!(" as session {pid} from {address}"),
            Some((pid, None)) => format!(" as session {pid}"),
            None => String::new(),
        };
        Ok(format!("the lock of schema {schema:?}{session}"))
    }

    /// Ends the session that holds the lock, if its process was leader before by the same Lease; it can then write no
    /// more. A process that works by another Lease, or by none, keeps the lock. The server has two seconds to end the
    /// session.
    pub(crate) async fn end_holder(conn: &mut Conn, lease: &str) -> LedgerResult<()> {
        let opened_before: bool = sqlx::query_scalar("SELECT to_regclass('meta') IS NOT NULL")
            .fetch_one(&mut *conn)
            .await?;
        if !opened_before {
            return Ok(());
        }
        sqlx::query(
            "SELECT count(CASE WHEN pg_terminate_backend(l.pid, 2000) THEN 1 END) FROM pg_locks l
             WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()
               AND CAST(l.classid AS BIGINT) = $1
               AND CAST(l.objid AS BIGINT) = (SELECT CAST(oid AS BIGINT) FROM pg_namespace WHERE nspname = current_schema())
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND EXISTS (SELECT 1 FROM meta WHERE name = 'lease' AND value = $2)",
        )
        .bind(OURS)
        .bind(lease)
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Raises the epoch, so that a process that wrote before can write no more. Waits for a write of that process that
    /// is under way.
    pub(crate) async fn raise_epoch(&self, conn: &mut Conn) -> LedgerResult<()> {
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ('lease', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(self.lease.as_str())
        .execute(&mut *conn)
        .await?;
        let epoch: i64 = sqlx::query_scalar(
            "INSERT INTO meta (name, value) VALUES ('epoch', '1')
             ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)
             RETURNING CAST(value AS BIGINT)",
        )
        .fetch_one(conn)
        .await?;
        self.epoch.store(epoch, Ordering::SeqCst);
        Ok(())
    }

    /// Must be called first in every write.
    ///
    /// # Errors
    /// Where another process writes, or may write: this one must not any more.
    pub(crate) async fn confirm(&self, conn: &mut Conn) -> LedgerResult<()> {
        let found: Option<(i64, i64)> = sqlx::query_as(
            "SELECT CAST(pg_backend_pid() AS BIGINT), CAST(value AS BIGINT) FROM meta WHERE name = 'epoch' FOR SHARE",
        )
        .fetch_optional(&mut *conn)
        .await
        .map_err(|error| self.explain_missing(error))?;
        let Some((backend, epoch)) = found else {
            return Err(self.lose("the ledger's tables were made again"));
        };
        if epoch != self.epoch.load(Ordering::SeqCst) {
            return Err(self.lose("another operator has taken over the ledger"));
        }
        if backend != self.backend.load(Ordering::SeqCst) {
            // A new connection after the old one broke: nobody wrote in between, as the epoch says.
            if !self.try_lock(conn).await? && !self.take_from_old_session(conn).await? {
                return Err(self.lose("another operator holds the ledger's lock"));
            }
            self.backend.store(backend, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Takes the lock back from this process's own earlier session, whose broken connection the server may not have
    /// noticed yet. False if another session holds the lock.
    async fn take_from_old_session(&self, conn: &mut Conn) -> LedgerResult<bool> {
        sqlx::query(
            "SELECT count(CASE WHEN pg_terminate_backend(pid, 2000) THEN 1 END) FROM pg_locks
             WHERE locktype = 'advisory' AND granted AND CAST(pid AS BIGINT) = $1
               AND CAST(classid AS BIGINT) = $2 AND CAST(objid AS BIGINT) = $3
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .bind(self.backend.load(Ordering::SeqCst))
        .bind(self.key >> 32)
        .bind(self.key & 0xffff_ffff)
        .execute(&mut *conn)
        .await?;
        self.try_lock(conn).await
    }

    /// Whether the server is executing a statement of the writing session, or has it wait for a lock: then it is slow,
    /// not gone.
    pub(crate) async fn is_at_work(&self, conn: &mut Conn) -> LedgerResult<bool> {
        let active =
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE CAST(pid AS BIGINT) = $1 AND state = 'active')";
        let active = sqlx::query_scalar(active).bind(self.backend.load(Ordering::SeqCst));
        Ok(active.fetch_one(conn).await?)
    }

    /// Checks through any session that the epoch is still this process's. It may be raised right afterwards.
    ///
    /// # Errors
    /// Where another process writes, or may write: this one must change nothing outside any more.
    pub(crate) async fn confirm_epoch(&self, conn: &mut Conn) -> LedgerResult<()> {
        let epoch: Option<i64> = sqlx::query_scalar("SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'epoch'")
            .fetch_optional(conn)
            .await
            .map_err(|error| self.explain_missing(error))?;
        match epoch {
            Some(epoch) if epoch == self.epoch.load(Ordering::SeqCst) => Ok(()),
            Some(_) => Err(self.lose("another operator has taken over the ledger")),
            None => Err(self.lose("the ledger's tables were made again")),
        }
    }

    /// A database without the ledger's tables is not the one that this process has written to: it has lost all of it.
    fn explain_missing(&self, error: sqlx::Error) -> LedgerError {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.as_deref() == Some(UNDEFINED_TABLE) {
            return self.lose("the database has lost the ledger's tables");
        }
        error.into()
    }

    fn lose(&self, how: &str) -> LedgerError {
        self.lost.store(true, Ordering::SeqCst);
        own_error(format!("{how}: this one writes and sends nothing any more"))
    }

    /// Fails once a write found out that another process writes.
    pub(crate) fn check(&self) -> LedgerResult<()> {
        if self.lost.load(Ordering::SeqCst) {
            return Err(own_error(
                "another operator writes to this ledger now, or the database has lost it: this one sends nothing any more and ends",
            ));
        }
        Ok(())
    }
}
