//! The calls of the port: each is one transaction, see `write!` and `read!`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sqlx::Connection;

use super::database::Disk;
use super::{
    SqlLedger, archive, aside, batches, canonical_contacts, connect, counts, end_call, erase, full_scans,
    known_entries, limited, long_waits, looks, observe, orphans, requests, room, rows, streams, updates, view,
};
use crate::api::ResumePolicy;
use crate::domain::ids::{AdAccountKey, ContactId, ObjectKey, OccurrenceKey, PortalId};
use crate::domain::lineage::CanonicalById;
use crate::ports::ledger::view::{ConversionPage, ConversionQuery, DayCount, LedgerView};
use crate::ports::ledger::{
    ActionKey, AsideContact, BatchId, BatchResult, BatchRow, Canonical, EntryTime, Erased, KnownEntries, Ledger,
    LedgerId, LedgerResult, LookResult, LookRound, Looker, LookerId, NewRow, OpenRequest, OrphanNote, Row, RowCounts,
    RowUpdate, Sender, StatusResult, StreamId, StreamRequest, Watermark,
};

#[async_trait]
impl Ledger for SqlLedger {
    async fn ledger_id(&self) -> LedgerResult<LedgerId> {
        read!(self, |tx| connect::read_ledger_id(tx))
    }

    async fn stream_for(&self, request: &StreamRequest) -> LedgerResult<StreamId> {
        // Even if there is nothing to write: so every poll finds out whether the ledger can be written.
        write!(self, Disk::Wait, |tx| streams::stream_for(tx, request))
    }

    async fn last_portal(&self, events: &[(ObjectKey, String)]) -> LedgerResult<Option<PortalId>> {
        if events.is_empty() {
            return Ok(None);
        }
        read!(self, |tx| streams::last_portal(tx, events))
    }

    async fn canonical_contacts(&self, portal: PortalId, lineages: &[Vec<ContactId>]) -> LedgerResult<Vec<Canonical>> {
        write!(self, Disk::Later, |tx| canonical_contacts::canonical_contacts(
            tx, portal, lineages
        ))
    }

    async fn known_lineages(&self, portal: PortalId, ids: &[ContactId]) -> LedgerResult<CanonicalById> {
        if ids.is_empty() {
            return Ok(CanonicalById::default());
        }
        read!(self, |tx| canonical_contacts::known_lineages(tx, portal, ids))
    }

    async fn known_entries(&self, times: &BTreeSet<EntryTime>) -> LedgerResult<KnownEntries> {
        if times.is_empty() {
            return Ok(KnownEntries::default());
        }
        read!(self, |tx| known_entries::known_entries(tx, times))
    }

    async fn known_occurrences(&self, asked: &[(EntryTime, Vec<OccurrenceKey>)]) -> LedgerResult<BTreeSet<usize>> {
        if asked.is_empty() {
            return Ok(BTreeSet::new());
        }
        read!(self, |tx| known_entries::known_occurrences(tx, asked))
    }

    async fn record_occurrences(&self, stream: StreamId, rows: &[NewRow]) -> LedgerResult<usize> {
        let Some(now) = rows.iter().map(|row| row.first_seen).max() else {
            return Ok(0);
        };
        write!(self, Disk::Later, by now, |tx| observe::record_occurrences(
            tx, stream, rows
        ))
    }

    async fn streams_with_due_rows(&self, streams: &[StreamId], now: Timestamp) -> LedgerResult<BTreeSet<StreamId>> {
        if streams.is_empty() {
            return Ok(BTreeSet::new());
        }
        read!(self, |tx| rows::streams_with_due_rows(tx, streams, now))
    }

    async fn due_rows(
        &self,
        stream: StreamId,
        since: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> LedgerResult<Vec<Row>> {
        read!(self, |tx| rows::due_rows(tx, stream, since, now, limit))
    }

    async fn apply_updates(&self, updates: &[RowUpdate], now: Timestamp) -> LedgerResult<()> {
        if updates.is_empty() {
            return Ok(());
        }
        write!(self, Disk::Later, by now, |tx| updates::apply_updates(tx, updates, None, now))
    }

    async fn resume_rows(&self, stream: StreamId, policy: ResumePolicy, now: Timestamp) -> LedgerResult<usize> {
        write!(self, Disk::Later, by now, |tx| rows::resume_rows(tx, stream, policy, now))
    }

    async fn release_rows(&self, stream: StreamId, reasons: &[&str], now: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, by now, |tx| rows::release_rows(tx, stream, reasons, now))
    }

    async fn begin_batch(
        &self,
        sender: &Sender,
        destinations: &[ActionKey],
        rows: &[(BatchRow, usize)],
        now: Timestamp,
    ) -> LedgerResult<BatchId> {
        write!(self, Disk::Wait, |tx| batches::begin_batch(
            tx,
            sender,
            destinations,
            rows,
            now
        ))
    }

    async fn finish_batch(&self, batch: BatchId, result: &BatchResult, now: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, by now, |tx| batches::finish_batch(tx, batch, result, now))
    }

    async fn recover_batches(&self, sender: Option<&Sender>, now: Timestamp) -> LedgerResult<usize> {
        write!(self, Disk::Wait, by now, |tx| batches::recover_batches(tx, sender, now))
    }

    async fn open_requests(&self, sender: &Sender, now: Timestamp, limit: usize) -> LedgerResult<Vec<OpenRequest>> {
        read!(self, |tx| requests::open_requests(tx, sender, now, limit))
    }

    async fn other_senders(&self, sender: &Sender, owner: &AdAccountKey) -> LedgerResult<Vec<ObjectKey>> {
        read!(self, |tx| requests::other_senders(tx, sender, owner))
    }

    async fn adopt_requests(&self, sender: &Sender, owner: &AdAccountKey, gone: &[ObjectKey]) -> LedgerResult<usize> {
        write!(self, Disk::Wait, |tx| requests::adopt_requests(tx, sender, owner, gone))
    }

    async fn next_poll(&self, sender: &Sender) -> LedgerResult<Option<Timestamp>> {
        read!(self, |tx| requests::next_poll(tx, sender))
    }

    async fn record_status(&self, result: &StatusResult, now: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, by now, |tx| requests::record_status(tx, result, now))
    }

    async fn count_rows(&self, stream: StreamId, since: Timestamp, now: Timestamp) -> LedgerResult<RowCounts> {
        let counts = read!(self, |tx| counts::count_rows(tx, stream, since, now))?;
        // Counts that were reported once must not be less after a power cut.
        self.sync().await?;
        Ok(counts)
    }

    async fn end_long_waits(&self, longest: SignedDuration, now: Timestamp) -> LedgerResult<u64> {
        write!(self, Disk::Later, by now, |tx| long_waits::end_long_waits(tx, longest, now))
    }

    async fn waits_set_by(&self) -> LedgerResult<Option<Timestamp>> {
        read!(self, |tx| long_waits::waits_set_by(tx))
    }

    async fn bring_forward(&self, ahead: SignedDuration, now: Timestamp) -> LedgerResult<u64> {
        write!(self, Disk::Later, |tx| long_waits::bring_forward(tx, ahead, now))
    }

    async fn rows_if_low(&self) -> LedgerResult<Option<BTreeMap<String, u64>>> {
        // A PostgreSQL server does not say how much room it has.
        let Some(file) = self.opened.lock.ledger_file() else {
            return Ok(None);
        };
        let Some(volume) = room::ask_volume(&file).await else {
            return Ok(None);
        };
        if !read!(self, |tx| room::is_low(tx, &volume))? {
            return Ok(None);
        }
        read!(self, |tx| room::rows_by_namespace(tx)).map(Some)
    }

    async fn archive_rows(&self, before: Timestamp, limit: usize) -> LedgerResult<usize> {
        let ids: Vec<i64> = read!(self, |tx| archive::archivable_rows(tx, before, limit))?;
        if ids.is_empty() {
            return Ok(0);
        }
        write!(self, Disk::Wait, |tx| archive::archive_rows(tx, &ids))
    }

    async fn feed_marks(&self, streams: &[StreamId]) -> LedgerResult<Vec<Option<Watermark>>> {
        read!(self, |tx| streams::feed_marks(tx, streams))
    }

    async fn set_feed_marks(&self, marks: &[(StreamId, Watermark)]) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| streams::set_feed_marks(tx, marks))
    }

    async fn last_full_scans(
        &self,
        hubspot: &ObjectKey,
        streams: &[StreamId],
    ) -> LedgerResult<BTreeMap<StreamId, Timestamp>> {
        if streams.is_empty() {
            return Ok(BTreeMap::new());
        }
        read!(self, |tx| full_scans::last_full_scans(tx, hubspot, streams))
    }

    async fn set_last_full_scans(&self, hubspot: &ObjectKey, streams: &[StreamId], at: Timestamp) -> LedgerResult<()> {
        if streams.is_empty() {
            return Ok(());
        }
        write!(self, Disk::Later, |tx| full_scans::set_last_full_scans(
            tx, hubspot, streams, at
        ))
    }

    async fn owe_full_scans(&self, portal: PortalId, present: &[StreamId], since: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| full_scans::owe_full_scans(
            tx, portal, present, since
        ))
    }

    async fn first_noted(&self, streams: &[StreamId]) -> LedgerResult<BTreeMap<StreamId, Timestamp>> {
        if streams.is_empty() {
            return Ok(BTreeMap::new());
        }
        read!(self, |tx| full_scans::first_noted(tx, streams))
    }

    async fn put_aside(&self, hubspot: &ObjectKey) -> LedgerResult<Vec<AsideContact>> {
        read!(self, |tx| aside::put_aside(tx, hubspot))
    }

    async fn set_put_aside(&self, hubspot: &ObjectKey, contacts: &[AsideContact]) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| aside::set_put_aside(tx, hubspot, contacts))
    }

    async fn look_round(&self, looker: &Looker) -> LedgerResult<Option<LookRound>> {
        read!(self, |tx| looks::look_round(tx, looker))
    }

    async fn begin_look_round(&self, looker: &Looker, now: Timestamp) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| looks::begin_look_round(tx, looker, now)).map(drop)
    }

    async fn contacts_after(&self, portal: PortalId, after: ContactId, limit: usize) -> LedgerResult<Vec<ContactId>> {
        read!(self, |tx| looks::next_contacts(tx, portal, after, limit))
    }

    async fn last_seen(&self, looker: &Looker, without: &[ContactId], limit: usize) -> LedgerResult<Vec<ContactId>> {
        read!(self, |tx| looks::last_seen(tx, looker, without, limit))
    }

    async fn record_look(&self, looker: &Looker, asked: &[ContactId], look: &LookResult) -> LedgerResult<()> {
        write!(self, Disk::Later, |tx| looks::record_look(tx, looker, asked, look))
    }

    async fn erase_contacts(
        &self,
        missing_for: SignedDuration,
        behind: Option<(LookerId, ContactId)>,
        limit: usize,
        now: Timestamp,
    ) -> LedgerResult<Erased> {
        write!(self, Disk::Wait, |tx| erase::erase_contacts(
            tx,
            missing_for,
            behind,
            limit,
            now
        ))
    }

    async fn forget_looks(&self, before: Timestamp, limit: usize) -> LedgerResult<usize> {
        write!(self, Disk::Later, |tx| looks::forget_looks(tx, before, limit))
    }

    async fn note_orphan(&self, note: &OrphanNote) -> LedgerResult<()> {
        write!(self, Disk::Wait, |tx| orphans::note_orphan(tx, note))
    }

    async fn orphan_notes(&self, owner: &AdAccountKey) -> LedgerResult<Vec<OrphanNote>> {
        read!(self, |tx| orphans::orphan_notes(tx, owner))
    }

    async fn forget_orphan(&self, action: &ActionKey) -> LedgerResult<()> {
        write!(self, Disk::Wait, |tx| orphans::forget_orphan(tx, action))
    }
}

#[async_trait]
impl LedgerView for SqlLedger {
    async fn list_conversions(&self, query: &ConversionQuery) -> LedgerResult<ConversionPage> {
        read!(self, |tx| view::list_conversions(tx, query))
    }

    async fn count_days(&self, stream: StreamId, since: Timestamp) -> LedgerResult<Vec<DayCount>> {
        read!(self, |tx| view::count_days(tx, stream, since))
    }
}
