//! The ledger in `SQLite`: implements the port [`crate::ports::ledger::Ledger`].
//!
//! All SQL of the program is in this module. Times are epoch milliseconds, amounts canonical text, reasons numbers of a
//! small table. Bulk statements get their rows as one JSON array. Every write is one transaction on the only writing
//! connection; reads run beside it and see the last committed state.
//!
//! A crash of the process loses no write. A power cut may lose the latest ones, in order, down to the last that waited for
//! the disk: a batch does before it is sent, and counts do before they are told. What is lost is found or sent again.

mod archive;
mod batches;
mod bulk_lookup;
mod canonical_contacts;
mod columns;
mod connect;
mod counts;
mod erase;
mod error;
mod lock;
mod looks;
mod observe;
mod orphans;
mod requests;
mod rows;
mod streams;
#[cfg(test)]
mod tests;
mod updates;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Sqlite, Transaction};
use tokio::sync::Mutex;

use self::lock::FileLock;
pub use self::lock::OpenError;

use crate::domain::ids::{AdAccountKey, ContactId, ObjectKey, PortalId};
use crate::ports::ledger::{
    ActionKey, BatchId, BatchResult, BatchRow, Erased, Ledger, LedgerId, LedgerResult, Look, LookRound, Looker,
    LookerId, NewRow, OpenRequest, OrphanNote, Roots, Row, RowCounts, RowUpdate, Sender, StatusResult, StreamId,
    StreamRequest, Watermark,
};

/// One write: all of it or nothing. It locks at once: a lock taken later could fail halfway.
macro_rules! write {
    ($self:ident, $disk:expr, |$tx:ident| $call:expr) => {{
        let (mut connection, begin) = $self.writer($disk).await?;
        let mut transaction = connection.begin_with(begin).await?;
        let $tx = &mut *transaction;
        let result = $call.await?;
        transaction.commit().await?;
        LedgerResult::Ok(result)
    }};
}

/// Reads of one moment.
macro_rules! read {
    ($self:ident, |$tx:ident| $call:expr) => {{
        let mut transaction = $self.read().await?;
        let $tx = &mut *transaction;
        let result = $call.await?;
        transaction.commit().await?;
        LedgerResult::Ok(result)
    }};
}

/// A ledger in a file, or in memory for tests. Only one process at a time opens the file: a lock keeps the others out.
///
/// Dropping it at any moment is safe: a write that was not committed did not happen.
pub struct SqliteLedger {
    pools: connect::Pools,
    /// `None`: in memory.
    lock: Option<FileLock>,
    /// There may be writes that the disk does not have yet.
    unsynced: AtomicBool,
    /// Held while they are brought to the disk.
    syncing: Mutex<()>,
    /// The writing connection was told not to wait for the disk. A new connection waits.
    relaxed: AtomicBool,
}

/// Whether a write waits for the disk.
#[derive(Clone, Copy)]
enum Disk {
    /// All writes so far are on the disk when this one returns.
    Wait,
    /// The next one that waits takes this one along.
    Later,
}

impl SqliteLedger {
    /// Opens `sqlite:///path/to/file` (made when it does not exist, its directory is not) or `sqlite::memory:`, and
    /// brings the schema up to date.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] while another process has it open. Else when the directory is missing or not writable, the file
    /// is damaged or of a newer version, the disk is full, the file system has no locks. Files up to 256 MiB are checked
    /// completely.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let target = connect::target(url)?;
        let lock = target.file.as_deref().map(FileLock::take).transpose()?;
        Ok(Self {
            pools: connect::open(target).await?,
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
        if let Some(lock) = &self.lock {
            lock.release();
        }
    }

    /// Fails where the lock file is no longer the one that this process holds, so that another one may write too.
    ///
    /// # Errors
    /// Says which file, and what to do.
    pub fn still_ours(&self) -> LedgerResult<()> {
        self.lock.as_ref().map_or(Ok(()), FileLock::check)
    }

    /// The writing connection, nobody else's until it is dropped, and how to begin a write that waits for the disk or not.
    async fn writer(&self, disk: Disk) -> LedgerResult<(PoolConnection<Sqlite>, &'static str)> {
        self.still_ours()?;
        let connection = self.pools.writer.acquire().await?;
        if matches!(disk, Disk::Wait) {
            self.relaxed.store(false, Ordering::SeqCst);
            return Ok((connection, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE"));
        }
        // Before the write can be seen: who counts it has it synced.
        self.unsynced.store(true, Ordering::SeqCst);
        // Only where it changes something: it has all statements prepared anew.
        let begin = if self.relaxed.swap(true, Ordering::SeqCst) {
            "BEGIN IMMEDIATE"
        } else {
            "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE"
        };
        Ok((connection, begin))
    }

    /// Begins reads that see one moment.
    async fn read(&self) -> LedgerResult<Transaction<'static, Sqlite>> {
        Ok(self.pools.readers.begin().await?)
    }

    /// Has the disk keep everything written so far.
    async fn sync(&self) -> LedgerResult<()> {
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
impl Ledger for SqliteLedger {
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
        write!(self, Disk::Wait, |tx| archive::fold(tx, &ids))
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
