//! Opening a ledger: connections, lock, schema, in this order.

use std::time::Duration;

use super::connect::Pools;
use super::connections::ReturnToPool;
use super::database::{Conn, Database};
use super::error::own_error;
use super::limits::{CALL_LIMIT, within};
use super::lock::OpenError;
use super::migrate::{MIGRATIONS, SchemaChange, SchemaSource, migrate_schema};
use super::write_count::WriteCount;
use super::writer_lock::WriterLock;
use super::{postgres, sqlite};
use crate::ports::ledger::LedgerResult;

/// How a ledger is opened.
pub(super) struct Opening {
    /// The uid of the Lease that makes this process leader; empty: there is none.
    pub(super) lease: String,
    /// A process that has it open in PostgreSQL by the same Lease loses it.
    pub(super) take_over: bool,
    /// Fail where there is no ledger yet, instead of making one.
    pub(super) must_exist: bool,
    /// Where the schema comes from.
    pub(super) changes: &'static [SchemaChange],
    /// Longest wait for a server; a change of the schema may take longer.
    pub(super) limit: Duration,
}

impl Opening {
    pub(super) const USUAL: Self = Self {
        lease: String::new(),
        take_over: false,
        must_exist: false,
        changes: MIGRATIONS,
        limit: CALL_LIMIT,
    };
}

/// A database with the schema of this version, which this process alone writes to.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) pools: Pools,
    pub(super) lock: WriterLock,
    pub(super) writes: WriteCount,
}

impl Opened {
    /// Asks through a reading session whether the database seems older than what this process has written there.
    ///
    /// # Errors
    /// Also where another process writes, or may write.
    pub(super) async fn seems_older(&self, conn: &mut Conn) -> LedgerResult<bool> {
        self.lock.confirm_epoch(conn).await?;
        self.writes.seems_older(conn).await
    }

    /// Closes all connections cleanly, then releases the lock for the next process.
    pub(super) async fn close(&self) {
        self.pools.readers.close().await;
        if self.database == Database::Postgres
            && let Ok(mut writer) = self.pools.writer.acquire().await
        {
            // The server ends a session, and its lock with it, only some time after the connection was closed. Where
            // the release fails, that still frees the lock.
            let _ = sqlx::raw_sql("SELECT pg_advisory_unlock_all()")
                .execute(&mut **writer)
                .await;
            writer.give_back();
        }
        self.pools.writer.close().await;
        self.lock.release();
    }
}

/// Connects, takes the lock, and brings the schema up to date; changes nothing else in the database.
pub(super) async fn open_database(url: &str, opening: Opening) -> Result<Opened, OpenError> {
    sqlx::any::install_default_drivers();
    let database = database_of(url)?;
    if opening.must_exist && database == Database::Sqlite {
        sqlite::refuse_missing(url)?;
    }
    let (pools, lock) = match database {
        Database::Sqlite => {
            let (pools, lock) = sqlite::open(url).await?;
            (pools, lock.map_or(WriterLock::None, WriterLock::File))
        }
        Database::Postgres => {
            let opened = postgres::open(url, &opening.lease, opening.take_over);
            let (pools, lock) = within(opening.limit, opened).await?;
            (pools, WriterLock::Session(lock))
        }
    };
    let mut writer = pools.writer.acquire().await?;
    let made = SchemaSource {
        changes: opening.changes,
        must_exist: opening.must_exist,
    };
    migrate_schema(database, &mut writer, made, opening.limit).await?;
    within(opening.limit, lock.raise_epoch(&mut writer)).await?;
    writer.give_back();
    Ok(Opened {
        database,
        pools,
        lock,
        writes: WriteCount::default(),
    })
}

/// The database that a URL names.
pub(super) fn database_of(url: &str) -> LedgerResult<Database> {
    Database::of_url(url).ok_or_else(|| {
        // No more of the text than is certainly no password.
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        let scheme = scheme.filter(|scheme| scheme.len() <= 16 && scheme.bytes().all(|b| b.is_ascii_lowercase()));
        let what = scheme.map_or("not a URL of a database".to_owned(), |scheme| {
            format!("unsupported database {scheme:?}")
        });
        own_error(format!(
            "{what}: give sqlite:///path/to/file or postgres://user:password@host/database"
        ))
    })
}
