//! Opening a ledger: connections, lock, schema, in this order.

use std::time::Duration;

use super::connect::Pools;
use super::connections::Ended;
use super::database::{Conn, Database};
use super::error::own_error;
use super::limits::{CALL_LIMIT, within};
use super::lock::OpenError;
use super::migrate::{MIGRATIONS, Made, SchemaChange, migrate_schema};
use super::write_count::WriteCount;
use super::writer_lock::WriterLock;
use super::{postgres, sqlite};
use crate::ports::ledger::LedgerResult;

/// How a ledger is opened.
pub(super) struct Opening {
    /// The uid of the Lease that makes this process leader; empty: there is none.
    pub(super) lease: String,
    /// Who has it open in PostgreSQL by the same Lease loses it.
    pub(super) take_over: bool,
    /// One that is not there is not made.
    pub(super) must_exist: bool,
    /// What its schema is made by.
    pub(super) changes: &'static [SchemaChange],
    /// Longest wait for a server, but for a change of the schema.
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

/// A database that this process alone writes to, with the schema of this version.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) pools: Pools,
    pub(super) lock: WriterLock,
    pub(super) writes: WriteCount,
}

impl Opened {
    /// By a session that reads: whether the database seems older than what this process has written there.
    ///
    /// # Errors
    /// Also where another process writes, or may.
    pub(super) async fn seems_older(&self, conn: &mut Conn) -> LedgerResult<bool> {
        self.lock.confirm_epoch(conn).await?;
        self.writes.seems_older(conn).await
    }

    /// Closes all connections in good order, and lets the next process have it.
    pub(super) async fn close(&self) {
        self.pools.readers.close().await;
        if self.database == Database::Postgres
            && let Ok(mut writer) = self.pools.writer.acquire().await
        {
            // The server ends a session, and its lock with it, only some time after it was told to. Where this fails, it does.
            let _ = sqlx::raw_sql("SELECT pg_advisory_unlock_all()")
                .execute(&mut **writer)
                .await;
            writer.give_back();
        }
        self.pools.writer.close().await;
        self.lock.release();
    }
}

/// Connects, takes the lock, and brings the schema up to date; changes nothing else of it.
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
    let made = Made {
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

/// Which database a URL leads to.
pub(super) fn database_of(url: &str) -> LedgerResult<Database> {
    Database::of_url(url).ok_or_else(|| {
        let scheme = url.split(':').next().unwrap_or_default();
        own_error(format!(
            "unsupported database {scheme:?}: give sqlite:///path/to/file or postgres://user:password@host/database"
        ))
    })
}
