//! The ledger in `SQLite`: implements the port [`crate::sync::ports::ledger::Ledger`].
//!
//! All SQL of the program is in this module. Times are epoch milliseconds, amounts canonical text, reasons numbers of a
//! small table. Bulk statements get their rows as one JSON array. Every write is one transaction on the only writing
//! connection; reads run beside it and see the last committed state.

mod batches;
mod convert;
mod error;
mod fold;
mod observe;
mod open;
mod orphans;
mod requests;
mod roots;
mod rows;
mod tally;
#[cfg(test)]
mod tests;
mod tracks;
mod updates;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use crate::domain::ids::{ActionId, ContactId, CustomerId, ObjectKey, PortalId};
use crate::sync::ports::ledger::{
    ActionKey, BatchId, BatchResult, BatchRow, FeedMark, Ledger, LedgerId, LedgerResult, NewRow, OpenRequest,
    OrphanNote, Row, RowUpdate, StatusResult, Tally, TrackId, TrackRequest,
};

/// A ledger in a file, or in memory for tests. Only one process may use the file.
///
/// Dropping it at any moment is safe: a write that was not committed did not happen.
pub struct SqliteLedger {
    pools: open::Pools,
}

type Tx = Transaction<'static, Sqlite>;

impl SqliteLedger {
    /// Opens `sqlite:///path/to/file` (made when it does not exist, its directory is not) or `sqlite::memory:`, and
    /// brings the schema up to date.
    ///
    /// # Errors
    ///
    /// When the directory is missing or not writable, the file is damaged or of a newer version, the disk is full.
    /// Files up to 256 MiB are checked completely.
    pub async fn open(url: &str) -> LedgerResult<Self> {
        Ok(Self {
            pools: open::open(url).await?,
        })
    }

    /// Closes all connections in good order and folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.pools.readers.close().await;
        self.pools.writer.close().await;
    }

    /// Begins a write. It locks at once: a lock taken later could fail halfway.
    async fn write(&self) -> LedgerResult<Tx> {
        Ok(self.pools.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Begins reads that see one moment.
    async fn read(&self) -> LedgerResult<Tx> {
        Ok(self.pools.readers.begin().await?)
    }
}

/// One write: all of it or nothing.
macro_rules! write {
    ($self:ident, |$tx:ident| $call:expr) => {{
        let mut transaction = $self.write().await?;
        let $tx = &mut *transaction;
        let result = $call.await?;
        transaction.commit().await?;
        Ok(result)
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

#[async_trait]
impl Ledger for SqliteLedger {
    async fn id(&self) -> LedgerResult<LedgerId> {
        read!(self, |tx| open::id(tx))
    }

    async fn track(&self, request: &TrackRequest) -> LedgerResult<TrackId> {
        write!(self, |tx| tracks::track(tx, request))
    }

    async fn roots(&self, portal: PortalId, lineages: &[Vec<ContactId>]) -> LedgerResult<Vec<ContactId>> {
        write!(self, |tx| roots::roots(tx, portal, lineages))
    }

    async fn known_roots(&self, portal: PortalId, lineages: &[Vec<ContactId>]) -> LedgerResult<Vec<Vec<ContactId>>> {
        read!(self, |tx| roots::known_roots(tx, portal, lineages))
    }

    async fn observe(&self, track: TrackId, rows: &[NewRow]) -> LedgerResult<usize> {
        write!(self, |tx| observe::observe(tx, track, rows))
    }

    async fn due(&self, track: TrackId, since: Timestamp, now: Timestamp, limit: usize) -> LedgerResult<Vec<Row>> {
        read!(self, |tx| rows::due(tx, track, since, now, limit))
    }

    async fn settle(&self, updates: &[RowUpdate], now: Timestamp) -> LedgerResult<()> {
        write!(self, |tx| updates::apply(tx, updates, None, now))
    }

    async fn resume(&self, track: TrackId, skip: bool, now: Timestamp) -> LedgerResult<usize> {
        write!(self, |tx| rows::resume(tx, track, skip, now))
    }

    async fn release(&self, track: TrackId, reasons: &[&str], now: Timestamp) -> LedgerResult<()> {
        write!(self, |tx| rows::release(tx, track, reasons, now))
    }

    async fn begin(
        &self,
        account: &ObjectKey,
        destinations: &[ActionKey],
        rows: &[(BatchRow, usize)],
        now: Timestamp,
    ) -> LedgerResult<BatchId> {
        write!(self, |tx| batches::begin(tx, account, destinations, rows, now))
    }

    async fn finish(&self, batch: BatchId, result: &BatchResult, now: Timestamp) -> LedgerResult<()> {
        write!(self, |tx| batches::finish(tx, batch, result, now))
    }

    async fn recover(&self, now: Timestamp) -> LedgerResult<usize> {
        write!(self, |tx| batches::recover(tx, now))
    }

    async fn open_requests(&self, account: &ObjectKey, now: Timestamp, limit: usize) -> LedgerResult<Vec<OpenRequest>> {
        read!(self, |tx| requests::open_requests(tx, account, now, limit))
    }

    async fn adopt_requests(
        &self,
        account: &ObjectKey,
        customer: &CustomerId,
        accounts: &[ObjectKey],
    ) -> LedgerResult<usize> {
        write!(self, |tx| requests::adopt(tx, account, customer, accounts))
    }

    async fn next_poll(&self, account: &ObjectKey) -> LedgerResult<Option<Timestamp>> {
        read!(self, |tx| requests::next_poll(tx, account))
    }

    async fn record_status(&self, result: &StatusResult, now: Timestamp) -> LedgerResult<()> {
        write!(self, |tx| requests::record_status(tx, result, now))
    }

    async fn tally(&self, track: TrackId, since: Timestamp, now: Timestamp) -> LedgerResult<Tally> {
        read!(self, |tx| tally::tally(tx, track, since, now))
    }

    async fn fold(&self, before: Timestamp, limit: usize) -> LedgerResult<usize> {
        let ids: Vec<i64> = read!(self, |tx| fold::settled(tx, before, limit))?;
        if ids.is_empty() {
            return Ok(0);
        }
        write!(self, |tx| fold::fold(tx, &ids))
    }

    async fn feed_marks(&self, tracks: &[TrackId]) -> LedgerResult<Vec<Option<FeedMark>>> {
        read!(self, |tx| tracks::marks(tx, tracks))
    }

    async fn set_feed_marks(&self, marks: &[(TrackId, FeedMark)]) -> LedgerResult<()> {
        write!(self, |tx| tracks::set_marks(tx, marks))
    }

    async fn last_sweep(&self, hubspot: &ObjectKey) -> LedgerResult<Option<Timestamp>> {
        read!(self, |tx| tracks::last_sweep(tx, hubspot))
    }

    async fn set_last_sweep(&self, hubspot: &ObjectKey, at: Timestamp) -> LedgerResult<()> {
        write!(self, |tx| tracks::set_last_sweep(tx, hubspot, at))
    }

    async fn note_orphan(&self, note: &OrphanNote) -> LedgerResult<()> {
        write!(self, |tx| orphans::note(tx, note))
    }

    async fn orphans(&self, customer: &CustomerId) -> LedgerResult<Vec<OrphanNote>> {
        read!(self, |tx| orphans::of(tx, customer))
    }

    async fn forget_orphan(&self, customer: &CustomerId, action: ActionId) -> LedgerResult<()> {
        write!(self, |tx| orphans::forget(tx, customer, action))
    }
}
