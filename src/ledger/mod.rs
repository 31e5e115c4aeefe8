//! The ledger: implements the port [`crate::ports::ledger::Ledger`] over SQLite and PostgreSQL.
//!
//! All SQL of the program is in this module: one schema (`migrations/`), one body of statements, and [`database`] for what
//! the two databases do differently. Times are epoch milliseconds, amounts canonical text. Bulk statements get their rows
//! as one JSON array. Every write is one transaction on the only writing connection; reads run beside it and see the last
//! committed state.
//!
//! A crash of the process loses no write. A power cut may lose the latest ones of a file, in order, down to the last that
//! waited for the disk: a batch does before it is sent, and counts do before they are told. What is lost is found or sent
//! again. PostgreSQL has every write on its disk.

mod archive;
mod batches;
mod canonical_contacts;
mod columns;
mod connect;
mod counts;
mod database;
mod erase;
mod error;
mod lock;
mod looks;
mod observe;
mod orphans;
mod postgres;
mod requests;
mod rows;
mod session_lock;
mod sqlite;
mod streams;
#[cfg(test)]
mod tests;
mod updates;
mod writer_lock;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sqlx::pool::PoolConnection;
use sqlx::{Any, Connection};
use tokio::sync::Mutex;

use self::database::{Database, Disk};
use self::error::failed;
pub use self::lock::OpenError;
use self::writer_lock::WriterLock;

use crate::domain::ids::{AdAccountKey, ContactId, ObjectKey, PortalId};
use crate::ports::ledger::{
    ActionKey, BatchId, BatchResult, BatchRow, Erased, Ledger, LedgerError, LedgerId, LedgerResult, Look, LookRound,
    Looker, LookerId, NewRow, OpenRequest, OrphanNote, Roots, Row, RowCounts, RowUpdate, Sender, StatusResult,
    StreamId, StreamRequest, Watermark,
};

/// Longest wait for one call. The server gives up before (see [`session_lock`]): only a network that swallows everything
/// lets it come to this.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// One write: all of it or nothing.
macro_rules! write {
    ($self:ident, $disk:expr, |$tx:ident| $call:expr) => {{
        let (mut connection, begin) = $self.writer($disk).await?;
        let written = limited(async {
            let mut transaction = connection.begin_with(begin).await?;
            let $tx = &mut *transaction;
            $self.lock.confirm($tx).await?;
            let result = $call.await?;
            transaction.commit().await?;
            LedgerResult::Ok(result)
        });
        let written = written.await;
        written.unwrap_or_else(|| Err(given_up(&mut connection)))
    }};
}

/// Reads of one moment.
macro_rules! read {
    ($self:ident, |$tx:ident| $call:expr) => {{
        let mut connection = $self.pools.readers.acquire().await?;
        let read = limited(async {
            let mut transaction = connection.begin_with($self.database.begin_read()).await?;
            let $tx = &mut *transaction;
            let result = $call.await?;
            transaction.commit().await?;
            LedgerResult::Ok(result)
        });
        let read = read.await;
        read.unwrap_or_else(|| Err(given_up(&mut connection)))
    }};
}

/// `None` where it takes too long.
async fn limited<T>(call: impl Future<Output = LedgerResult<T>> + Send) -> Option<LedgerResult<T>> {
    tokio::time::timeout(CALL_LIMIT, call).await.ok()
}

/// A connection that does not answer is not used again.
fn given_up(connection: &mut PoolConnection<Any>) -> LedgerError {
    connection.close_on_drop();
    failed("the database does not answer")
}

/// A ledger in a database. Only one process at a time writes to it: a lock keeps the others out.
///
/// Dropping it at any moment is safe: a write that was not committed did not happen.
pub struct SqlLedger {
    database: Database,
    pools: connect::Pools,
    lock: WriterLock,
    /// There may be writes that the disk does not have yet.
    unsynced: AtomicBool,
    /// Held while they are brought to the disk.
    syncing: Mutex<()>,
    /// The writing connection was told not to wait for the disk. A new connection waits.
    relaxed: AtomicBool,
}

impl SqlLedger {
    /// Opens `sqlite:///path/to/file` (made when it does not exist, its directory is not), `sqlite::memory:`, or
    /// `postgres://user:password@host/database`, and brings the schema up to date.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] while another process has it open. Else when the directory is missing or not writable, the file
    /// is damaged, the disk is full, the file system has no locks; when the server can't be reached, refuses the user, is too
    /// old, can't be written, or a pooler stands before it; when the schema is of a newer version. Files up to 256 MiB are
    /// checked completely.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_as(url, false).await
    }

    /// Opens it as the leader: who has it open in PostgreSQL loses it. For a process that others have made the only one to
    /// work, where the one before may not have noticed.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn take_over(url: &str) -> Result<Self, OpenError> {
        Self::open_as(url, true).await
    }

    async fn open_as(url: &str, take_over: bool) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let Some(database) = Database::of(url) else {
            let scheme = url.split(':').next().unwrap_or_default();
            return Err(failed(format!(
                "unsupported database {scheme:?}: give sqlite:///path/to/file or postgres://user:password@host/database"
            ))
            .into());
        };
        let (pools, lock) = match database {
            Database::Sqlite => {
                let (pools, lock) = sqlite::open(url).await?;
                (pools, lock.map_or(WriterLock::None, WriterLock::File))
            }
            Database::Postgres => {
                let (pools, lock) = postgres::open(url, take_over).await?;
                (pools, WriterLock::Session(lock))
            }
        };
        let mut writer = pools.writer.acquire().await.map_err(LedgerError::from)?;
        connect::prepare(database, &mut writer).await?;
        lock.raise_epoch(&mut writer).await?;
        drop(writer);
        Ok(Self {
            database,
            pools,
            lock,
            unsynced: AtomicBool::new(false),
            syncing: Mutex::default(),
            relaxed: AtomicBool::new(false),
        })
    }

    /// Closes all connections in good order, folds the write-ahead log into the file, and lets the next process open it.
    pub async fn close(&self) {
        self.pools.readers.close().await;
        self.pools.writer.close().await;
        self.lock.release();
    }

    /// Fails where another process writes, or may write: the lock file is no longer the one that this process holds, or
    /// a write found that the lock or the epoch is another's.
    ///
    /// # Errors
    /// Says how, and what to do.
    pub fn still_ours(&self) -> LedgerResult<()> {
        self.lock.check()
    }

    /// The writing connection, nobody else's until it is dropped, and how to begin a write that waits for the disk or not.
    async fn writer(&self, disk: Disk) -> LedgerResult<(PoolConnection<Any>, &'static str)> {
        self.still_ours()?;
        let connection = self.pools.writer.acquire().await?;
        if disk == Disk::Wait {
            self.relaxed.store(false, Ordering::SeqCst);
            return Ok((connection, self.database.begin_write(disk, true)));
        }
        // Before the write can be seen: who counts it has it synced.
        self.unsynced.store(true, Ordering::SeqCst);
        let changed = !self.relaxed.swap(true, Ordering::SeqCst);
        Ok((connection, self.database.begin_write(disk, changed)))
    }

    /// Has the disk keep everything written so far.
    async fn sync(&self) -> LedgerResult<()> {
        if self.database == Database::Postgres {
            return Ok(());
        }
        // Who finds nothing left to do must not return before whoever does it.
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
        write!(self, Disk::Wait, |tx| connect::touch(tx))
    }
}

#[async_trait]
impl Ledger for SqlLedger {
    async fn id(&self) -> LedgerResult<LedgerId> {
        read!(self, |tx| connect::id(tx))
    }

    async fn track(&self, request: &StreamRequest) -> LedgerResult<StreamId> {
        // Also where there is nothing to write: so every poll finds out whether the ledger can be written.
        write!(self, Disk::Wait, |tx| streams::track(tx, request))
    }

    async fn roots(&self, portal: PortalId, lineages: &[Vec<ContactId>]) -> LedgerResult<Vec<Roots>> {
        write!(self, Disk::Later, |tx| canonical_contacts::roots(tx, portal, lineages))
    }

    async fn observe(&self, track: StreamId, rows: &[NewRow]) -> LedgerResult<usize> {
        write!(self, Disk::Later, |tx| observe::observe(tx, track, rows))
    }

    async fn due(&self, track: StreamId, since: Timestamp, now: Timestamp, limit: usize) -> LedgerResult<Vec<Row>> {
        read!(self, |tx| rows::due(tx, track, since, now, limit))
    }

    async fn settle(&self, updates: &[RowUpdate], now: Timestamp) -> LedgerResult<()> {
        if updates.is_empty() {
            return Ok(());
        }
        write!(self, Disk::Later, |tx| updates::apply(tx, updates, None, now))
    }

    async fn resume(&self, track: StreamId, skip: bool, now: Timestamp) -> LedgerResult<usize> {
        write!(self, Disk::Later, |tx| rows::resume(tx, track, skip, now))
    }

    async fn release(&self, track: StreamId, reasons: &[&str], now: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| rows::release(tx, track, reasons, now))
    }

    async fn begin(
        &self,
        sender: &Sender,
        destinations: &[ActionKey],
        rows: &[(BatchRow, usize)],
        now: Timestamp,
    ) -> LedgerResult<BatchId> {
        write!(self, Disk::Wait, |tx| batches::begin(
            tx,
            sender,
            destinations,
            rows,
            now
        ))
    }

    async fn finish(&self, batch: BatchId, result: &BatchResult, now: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| batches::finish(tx, batch, result, now))
    }

    async fn recover(&self, sender: Option<&Sender>, now: Timestamp) -> LedgerResult<usize> {
        write!(self, Disk::Wait, |tx| batches::recover(tx, sender, now))
    }

    async fn open_requests(&self, sender: &Sender, now: Timestamp, limit: usize) -> LedgerResult<Vec<OpenRequest>> {
        read!(self, |tx| requests::open_requests(tx, sender, now, limit))
    }

    async fn adopt_requests(
        &self,
        sender: &Sender,
        owner: &AdAccountKey,
        accounts: &[ObjectKey],
    ) -> LedgerResult<usize> {
        write!(self, Disk::Wait, |tx| requests::adopt(tx, sender, owner, accounts))
    }

    async fn next_poll(&self, sender: &Sender) -> LedgerResult<Option<Timestamp>> {
        read!(self, |tx| requests::next_poll(tx, sender))
    }

    async fn record_status(&self, result: &StatusResult, now: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| requests::record_status(tx, result, now))
    }

    async fn tally(&self, track: StreamId, since: Timestamp, now: Timestamp) -> LedgerResult<RowCounts> {
        let tally = read!(self, |tx| counts::tally(tx, track, since, now))?;
        // What was counted once is told, and must not be less after a power cut.
        self.sync().await?;
        Ok(tally)
    }

    async fn fold(&self, before: Timestamp, limit: usize) -> LedgerResult<usize> {
        let ids: Vec<i64> = read!(self, |tx| archive::settled(tx, before, limit))?;
        if ids.is_empty() {
            return Ok(0);
        }
        write!(self, Disk::Wait, |tx| archive::archive(tx, &ids))
    }

    async fn feed_marks(&self, tracks: &[StreamId]) -> LedgerResult<Vec<Option<Watermark>>> {
        read!(self, |tx| streams::marks(tx, tracks))
    }

    async fn set_feed_marks(&self, marks: &[(StreamId, Watermark)]) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| streams::set_marks(tx, marks))
    }

    async fn last_sweep(&self, hubspot: &ObjectKey) -> LedgerResult<Option<Timestamp>> {
        read!(self, |tx| streams::last_sweep(tx, hubspot))
    }

    async fn set_last_sweep(&self, hubspot: &ObjectKey, at: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| streams::set_last_sweep(tx, hubspot, at))
    }

    async fn put_aside(&self, hubspot: &ObjectKey) -> LedgerResult<Vec<ContactId>> {
        read!(self, |tx| streams::put_aside(tx, hubspot))
    }

    async fn set_put_aside(&self, hubspot: &ObjectKey, contacts: &[ContactId]) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| streams::set_put_aside(tx, hubspot, contacts))
    }

    async fn look_round(&self, looker: &Looker) -> LedgerResult<Option<LookRound>> {
        read!(self, |tx| looks::round(tx, looker))
    }

    async fn begin_look_round(&self, looker: &Looker, now: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| looks::begin(tx, looker, now)).map(drop)
    }

    async fn contacts_behind(&self, portal: PortalId, after: ContactId, limit: usize) -> LedgerResult<Vec<ContactId>> {
        read!(self, |tx| looks::next(tx, portal, after, limit))
    }

    async fn last_seen(&self, looker: &Looker, without: &[ContactId], limit: usize) -> LedgerResult<Vec<ContactId>> {
        read!(self, |tx| looks::last_seen(tx, looker, without, limit))
    }

    async fn note_look(&self, looker: &Looker, asked: &[ContactId], look: &Look) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| looks::note(tx, looker, asked, look))
    }

    async fn erase(
        &self,
        missing_for: SignedDuration,
        behind: Option<(LookerId, ContactId)>,
        limit: usize,
        now: Timestamp,
    ) -> LedgerResult<Erased> {
        write!(self, Disk::Wait, |tx| erase::erase(tx, missing_for, behind, limit, now))
    }

    async fn forget_looks(&self, before: Timestamp, limit: usize) -> LedgerResult<usize> {
        write!(self, Disk::Later, |tx| looks::forget(tx, before, limit))
    }

    async fn note_orphan(&self, note: &OrphanNote) -> LedgerResult<()> {
        write!(self, Disk::Wait, |tx| orphans::note(tx, note))
    }

    async fn orphans(&self, owner: &AdAccountKey) -> LedgerResult<Vec<OrphanNote>> {
        read!(self, |tx| orphans::of(tx, owner))
    }

    async fn forget_orphan(&self, action: &ActionKey) -> LedgerResult<()> {
        write!(self, Disk::Wait, |tx| orphans::forget(tx, action))
    }
}
