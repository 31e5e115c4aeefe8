//! The ledger: implements the port [`crate::ports::ledger::Ledger`] over SQLite and PostgreSQL.
//!
//! All SQL of the program is in this module: one schema (`migrations/`), one body of statements, and [`database`] for
//! what the two databases do differently. Times are epoch milliseconds, amounts canonical text. Bulk statements get
//! their rows as one JSON array. Every write is one transaction on the only writing connection; reads run beside it and
//! see the last committed state.
//!
//! A crash of the process loses no write. A power cut may lose the latest ones of a file, in order, down to the last
//! that waited for the disk: a batch does before it is sent, and counts do before they are reported. What is lost is
//! found or sent again. PostgreSQL has every write on its disk.

mod archive;
mod aside;
mod batches;
mod canonical_contacts;
mod columns;
mod connect;
mod connections;
mod copy;
mod counts;
mod database;
mod elsewhere;
mod erase;
mod error;
mod full_scans;
mod known_entries;
mod limits;
mod lock;
mod long_waits;
mod looks;
mod migrate;
mod observe;
mod open;
mod orphans;
mod postgres;
mod requests;
mod room;
mod rows;
mod session_lock;
mod shifted;
mod sqlite;
mod streams;
mod tables;
#[cfg(test)]
mod tests;
mod updates;
mod view;
mod write_count;
mod write_health;
mod writer_lock;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Connection;
use tokio::sync::Mutex;

use self::connections::{HeldConnection, ReturnToPool};
#[cfg(test)]
pub(crate) use self::copy::TableCopy;
pub(crate) use self::copy::{CopyError, CopyProgress, LedgerCopy, copy_ledger};
use self::database::{Database, Disk};
use self::error::own_error;
use self::limits::{CALL_LIMIT, within};
pub use self::lock::OpenError;
use self::open::{Opened, Opening};
use self::write_health::{WriteHealth, WriteTrouble};

use crate::ports::ledger::LedgerResult;
use crate::ports::work_permit::{NoPermit, WorkPermit};

/// Runs one write transaction: all of it or nothing is committed. One that may set when something is due says by which
/// time it does: see [`long_waits::note_time`].
macro_rules! write {
    ($self:ident, $disk:expr, by $now:expr, |$tx:ident| $call:expr) => {
        write!($self, $disk, |$tx| async {
            long_waits::note_time($tx, $now).await?;
            $call.await
        })
    };
    ($self:ident, $disk:expr, |$tx:ident| $call:expr) => {{
        let attempt = $self.health.begin();
        let written = async {
            let (mut connection, begin) = $self.writer($disk).await?;
            let written = limited(async {
                let mut transaction = connection.begin_with(begin).await?;
                let $tx = &mut *transaction;
                $self.opened.lock.confirm($tx).await?;
                let number = $self.opened.writes.raise($tx).await?;
                let result = $call.await?;
                transaction.commit().await?;
                $self.opened.writes.remember(number);
                LedgerResult::Ok(result)
            });
            let written = written.await;
            end_call(connection, written)
        };
        let written = written.await;
        attempt.end(&written);
        written
    }};
}

/// Runs reads that all see the same state.
macro_rules! read {
    ($self:ident, |$tx:ident| $call:expr) => {{
        let mut connection = $self.opened.pools.readers.acquire().await?;
        let read = limited(async {
            let mut transaction = connection.begin_with($self.opened.database.begin_read()).await?;
            let $tx = &mut *transaction;
            let result = $call.await?;
            transaction.commit().await?;
            LedgerResult::Ok(result)
        });
        let read = read.await;
        end_call(connection, read)
    }};
}

// After the macros that it is written with.
mod port;

/// `None` if it takes too long.
async fn limited<T>(call: impl Future<Output = LedgerResult<T>> + Send) -> Option<LedgerResult<T>> {
    tokio::time::timeout(CALL_LIMIT, call).await.ok()
}

/// Ends a call and returns its result; `None` if it took too long. A connection that does not answer is not used again,
/// and one whose call failed only if it still answers.
fn end_call<T>(connection: HeldConnection, ended: Option<LedgerResult<T>>) -> LedgerResult<T> {
    match ended {
        Some(Ok(result)) => {
            connection.give_back();
            Ok(result)
        }
        Some(Err(error)) => Err(error),
        None => {
            connection.give_up();
            Err(own_error("the database does not answer"))
        }
    }
}

/// A ledger in a database. Only one process at a time writes to it: a lock keeps the others out.
///
/// Dropping it at any moment is safe: a write that was not committed did not happen.
pub struct SqlLedger {
    opened: Opened,
    /// True while writes may not be on the disk yet.
    unsynced: AtomicBool,
    /// Held while they are synced to the disk.
    syncing: Mutex<()>,
    /// True if the writing connection is set not to wait for the disk. A new connection waits.
    relaxed: AtomicBool,
    health: WriteHealth,
}

impl SqlLedger {
    /// Opens `sqlite:///path/to/file` (made when it does not exist, its directory is not), `sqlite::memory:`, or
    /// `postgres://user:password@host/database`, and brings the schema up to date.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] while another process has it open. Else when the directory is missing or not writable, the
    /// file is damaged, the disk is full, the file system has no locks; when the server can't be reached, refuses the
    /// user, is too old, can't be written, or a pooler stands before it; when the schema is of a newer version. Files
    /// up to 256 MiB are checked completely.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::start(url, Opening::USUAL).await
    }

    /// As [`Self::open`], as the holder of the Lease with this uid. `limit`: longest wait for a server that does not
    /// answer; a change of the schema may take longer.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn open_as_leader(url: &str, lease: &str, limit: Duration) -> Result<Self, OpenError> {
        let as_leader = Opening {
            lease: lease.to_owned(),
            limit,
            ..Opening::USUAL
        };
        Self::start(url, as_leader).await
    }

    /// The same, and takes the ledger from a process that was leader before by the same Lease and may not have noticed
    /// yet that it no longer is. Only PostgreSQL can take it away.
    ///
    /// # Errors
    /// Those of [`Self::open`]; [`OpenError::InUse`] where the process that has it works by another Lease or by none.
    pub async fn take_over(url: &str, lease: &str, limit: Duration) -> Result<Self, OpenError> {
        let take_over = Opening {
            lease: lease.to_owned(),
            take_over: true,
            limit,
            ..Opening::USUAL
        };
        Self::start(url, take_over).await
    }

    /// Finds out whether the database can be reached, for a process that stands by. Takes no lock and writes nothing.
    ///
    /// # Errors
    /// Where the server can't be reached, refuses the user or is too old.
    pub async fn check_reachable(url: &str) -> LedgerResult<()> {
        sqlx::any::install_default_drivers();
        if open::database_of(url)? == Database::Sqlite {
            return Ok(());
        }
        limited(postgres::check_reachable(url))
            .await
            .unwrap_or_else(|| Err(own_error("the database does not answer")))
    }

    async fn start(url: &str, opening: Opening) -> Result<Self, OpenError> {
        let limit = opening.limit;
        let opened = open::open_database(url, opening).await?;
        let mut writer = opened.pools.writer.acquire().await?;
        within(limit, connect::begin_start(opened.database, &mut writer)).await?;
        writer.give_back();
        Ok(Self {
            opened,
            unsynced: AtomicBool::new(false),
            syncing: Mutex::default(),
            relaxed: AtomicBool::new(false),
            health: WriteHealth::default(),
        })
    }

    /// Closes all connections, folds the write-ahead log into the file, and lets the next process open it.
    pub async fn close(&self) {
        self.opened.close().await;
    }

    /// Fails if another process writes, or may write: the lock file is no longer the one that this process holds, or
    /// a write found that the lock or the epoch is another's. Also once a write found the database older than what this
    /// process has written there.
    ///
    /// # Errors
    /// Names the reason and what to do.
    pub fn still_ours(&self) -> LedgerResult<()> {
        self.opened.lock.check()?;
        self.opened.writes.check()
    }

    /// As [`Self::still_ours`], and asks the database too: a process that was stopped for so long that another one took
    /// over finds out here.
    ///
    /// # Errors
    /// Also where the database can't be asked.
    pub async fn confirm_writer(&self) -> LedgerResult<()> {
        self.still_ours()?;
        if self.opened.database == Database::Sqlite {
            return Ok(());
        }
        if read!(self, |tx| self.opened.seems_older(tx))? {
            // Only a write proves it.
            return self.touch().await;
        }
        Ok(())
    }

    /// Fails while writes fail, or take long although the database is not working on them, and none has succeeded
    /// since. If no write is under way, one is tried.
    ///
    /// # Errors
    /// The reason of the last failure.
    pub async fn confirm_writes(&self) -> LedgerResult<()> {
        let since = match self.health.trouble() {
            None => return Ok(()),
            Some(WriteTrouble::Failed) => return self.touch().await,
            Some(WriteTrouble::Slow(since)) => since,
        };
        if let Some(failure) = self.health.failure() {
            return Err(failure);
        }
        if read!(self, |tx| self.opened.lock.is_at_work(tx))? {
            return Ok(());
        }
        let seconds = since.as_secs();
        Err(own_error(format!(
            "the database has not answered a write for {seconds} s"
        )))
    }

    /// The writing connection, held exclusively until it is dropped, and the statement that begins a write with this
    /// `disk`.
    async fn writer(&self, disk: Disk) -> LedgerResult<(HeldConnection, &'static str)> {
        self.still_ours()?;
        let connection = self.opened.pools.writer.acquire().await?;
        if disk == Disk::Wait {
            self.relaxed.store(false, Ordering::SeqCst);
            return Ok((connection, self.opened.database.begin_write(disk, true)));
        }
        // Set before the write can be seen, so that a count that includes it waits for the disk.
        self.unsynced.store(true, Ordering::SeqCst);
        let changed = !self.relaxed.swap(true, Ordering::SeqCst);
        Ok((connection, self.opened.database.begin_write(disk, changed)))
    }

    /// Syncs everything written so far to the disk.
    async fn sync(&self) -> LedgerResult<()> {
        if self.opened.database == Database::Postgres {
            return Ok(());
        }
        // A caller that finds nothing left to sync must not return before the one that is syncing.
        let _one = self.syncing.lock().await;
        if !self.unsynced.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let synced = self.touch().await;
        if synced.is_err() {
            self.unsynced.store(true, Ordering::SeqCst);
        }
        synced
    }

    async fn touch(&self) -> LedgerResult<()> {
        write!(self, Disk::Wait, |tx| connect::touch_database(tx))
    }
}

#[async_trait]
impl WorkPermit for SqlLedger {
    async fn confirm_permit(&self) -> Result<(), NoPermit> {
        self.confirm_writer()
            .await
            .map_err(|error| NoPermit { why: error.message })
    }
}
