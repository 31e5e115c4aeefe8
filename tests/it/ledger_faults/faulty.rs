//! A ledger of which one call fails, or is the last one of the process, or has something happen just before it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use adconversion_operator::api::ResumePolicy;
use adconversion_operator::domain::ids::{AdAccountKey, ContactId, ObjectKey, OccurrenceKey, PortalId};
use adconversion_operator::ports::ledger::{
    ActionKey, AsideContact, BatchId, BatchResult, BatchRow, Canonical, CanonicalById, EntryTime, Erased, KnownEntries,
    Ledger, LedgerError, LedgerId, LedgerResult, LookResult, LookRound, Looker, LookerId, NewRow, OpenRequest,
    OrphanNote, Row, RowCounts, RowUpdate, Sender, StatusResult, StreamId, StreamRequest, Watermark,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It fails and did not take effect.
    FailsBefore,
    /// It fails, but took effect.
    FailsAfter,
    /// It breaks whoever calls.
    Breaks,
    /// The process ends before it takes effect.
    EndsBefore,
    /// The process ends once it took effect, before anybody is told.
    EndsAfter,
}

/// Numbers all calls and has a fault happen to one.
pub struct Faulty {
    inner: Arc<dyn Ledger>,
    fault: Option<(usize, How)>,
    calls: AtomicUsize,
    /// What happens before the next call of this name.
    before: Mutex<Option<(&'static str, Box<dyn FnOnce() + Send>)>>,
    /// Notified where the process is to end.
    pub ends: Notify,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Ledger>, fault: Option<(usize, How)>) -> Self {
        Self {
            inner,
            fault,
            calls: AtomicUsize::new(0),
            before: Mutex::default(),
            ends: Notify::new(),
        }
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Has this happen before the next call of this name.
    pub fn before(&self, call: &'static str, happens: impl FnOnce() + Send + 'static) {
        *self.before.lock() = Some((call, Box::new(happens)));
    }

    fn happens(&self, call: &str) {
        let hook = self.before.lock().take_if(|(name, _)| *name == call);
        if let Some((_, happens)) = hook {
            happens();
        }
    }

    async fn pass<T>(&self, call: impl Future<Output = LedgerResult<T>>) -> LedgerResult<T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let failure = || LedgerError {
            message: "as the test wants it".to_owned(),
        };
        let how = self.fault.filter(|(at, _)| *at == number).map(|(_, how)| how);
        match how {
            Some(How::FailsBefore) => return Err(failure()),
            Some(How::Breaks) => panic!("as the test wants it"),
            Some(How::EndsBefore) => return self.end().await,
            _ => {}
        }
        let result = call.await?;
        match how {
            Some(How::FailsAfter) => Err(failure()),
            Some(How::EndsAfter) => self.end().await,
            _ => Ok(result),
        }
    }

    async fn end<T>(&self) -> T {
        self.ends.notify_one();
        std::future::pending().await
    }
}

macro_rules! pass {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl Ledger for Faulty {
            $(async fn $name(&self, $($argument: $type),*) -> LedgerResult<$result> {
                self.happens(stringify!($name));
                self.pass(self.inner.$name($($argument),*)).await
            })*
        }
    };
}

pass! {
    ledger_id() -> LedgerId;
    stream_for(request: &StreamRequest) -> StreamId;
    last_portal(events: &[(ObjectKey, String)]) -> Option<PortalId>;
    canonical_contacts(portal: PortalId, lineages: &[Vec<ContactId>]) -> Vec<Canonical>;
    known_lineages(portal: PortalId, ids: &[ContactId]) -> CanonicalById;
    known_entries(times: &BTreeSet<EntryTime>) -> KnownEntries;
    record_occurrences(stream: StreamId, rows: &[NewRow]) -> usize;
    streams_with_due_rows(streams: &[StreamId], now: Timestamp) -> BTreeSet<StreamId>;
    due_rows(stream: StreamId, since: Timestamp, now: Timestamp, limit: usize) -> Vec<Row>;
    apply_updates(updates: &[RowUpdate], now: Timestamp) -> ();
    resume_rows(stream: StreamId, policy: ResumePolicy, now: Timestamp) -> usize;
    release_rows(stream: StreamId, reasons: &[&str], now: Timestamp) -> ();
    begin_batch(sender: &Sender, destinations: &[ActionKey], rows: &[(BatchRow, usize)], now: Timestamp) -> BatchId;
    finish_batch(batch: BatchId, result: &BatchResult, now: Timestamp) -> ();
    recover_batches(sender: Option<&Sender>, now: Timestamp) -> usize;
    open_requests(sender: &Sender, now: Timestamp, limit: usize) -> Vec<OpenRequest>;
    other_senders(sender: &Sender, owner: &AdAccountKey) -> Vec<ObjectKey>;
    adopt_requests(sender: &Sender, owner: &AdAccountKey, gone: &[ObjectKey]) -> usize;
    next_poll(sender: &Sender) -> Option<Timestamp>;
    record_status(result: &StatusResult, now: Timestamp) -> ();
    count_rows(stream: StreamId, since: Timestamp, now: Timestamp) -> RowCounts;
    end_long_waits(longest: SignedDuration, now: Timestamp) -> u64;
    waits_set_by() -> Option<Timestamp>;
    bring_forward(ahead: SignedDuration, now: Timestamp) -> u64;
    rows_if_low() -> Option<BTreeMap<String, u64>>;
    archive_rows(before: Timestamp, limit: usize) -> usize;
    feed_marks(streams: &[StreamId]) -> Vec<Option<Watermark>>;
    set_feed_marks(marks: &[(StreamId, Watermark)]) -> ();
    last_full_scans(hubspot: &ObjectKey, streams: &[StreamId]) -> BTreeMap<StreamId, Timestamp>;
    set_last_full_scans(hubspot: &ObjectKey, streams: &[StreamId], at: Timestamp) -> ();
    owe_full_scans(portal: PortalId, present: &[StreamId], since: Timestamp) -> ();
    known_occurrences(asked: &[(EntryTime, Vec<OccurrenceKey>)]) -> BTreeSet<usize>;
    first_noted(streams: &[StreamId]) -> BTreeMap<StreamId, Timestamp>;
    put_aside(hubspot: &ObjectKey) -> Vec<AsideContact>;
    set_put_aside(hubspot: &ObjectKey, contacts: &[AsideContact]) -> ();
    look_round(looker: &Looker) -> Option<LookRound>;
    begin_look_round(looker: &Looker, now: Timestamp) -> ();
    contacts_after(portal: PortalId, after: ContactId, limit: usize) -> Vec<ContactId>;
    last_seen(looker: &Looker, without: &[ContactId], limit: usize) -> Vec<ContactId>;
    record_look(looker: &Looker, asked: &[ContactId], look: &LookResult) -> ();
    erase_contacts(missing_for: SignedDuration, behind: Option<(LookerId, ContactId)>, limit: usize, now: Timestamp) -> Erased;
    forget_looks(before: Timestamp, limit: usize) -> usize;
    note_orphan(note: &OrphanNote) -> ();
    orphan_notes(owner: &AdAccountKey) -> Vec<OrphanNote>;
    forget_orphan(action: &ActionKey) -> ();
}
