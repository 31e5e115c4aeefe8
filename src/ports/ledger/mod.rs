//! The ledger: row-level truth about every occurrence. Holds ids, times and codes only: neither personal data, nor
//! click ids, nor hashes of identifiers.
//!
//! Words: a **stream** is the rows of one conversion action and one trigger (portal, and stage or form). While the
//! action of an event is not known, its rows are kept on a stream of the event and move when it is. A **batch** is one
//! upload request, written before it is sent.

mod aside;
mod entries;
mod ids;
mod looks;
mod requests;
mod rows;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use self::aside::AsideContact;
pub use self::entries::{EntryTime, KnownEntries};
pub use self::ids::{BatchId, LookerId, RowId, Sender, StreamId};
pub use self::looks::{Erased, LookResult, LookRound, Looker};
pub use self::requests::{BatchResult, BatchRow, OpenRequest, OpenRow, StatusResult};
pub use self::rows::{NewRow, Row, RowUpdate};
use crate::api::ResumePolicy;
use crate::domain::counts::ClassCount;
pub use crate::domain::coverage::Watermark;

pub use crate::domain::ids::ActionKey;
use crate::domain::ids::{AdAccountKey, ContactId, ObjectKey, OccurrenceKey, PortalId};
pub use crate::domain::lineage::CanonicalById;
use crate::domain::trigger::Trigger;

/// The ledger failed: disk full, damaged, not reachable. Nothing may be sent while it does.
#[derive(Debug, Clone, thiserror::Error)]
#[error("ledger: {message}")]
pub struct LedgerError {
    /// What the database said; holds no data of rows.
    pub message: String,
}

/// Result of a ledger call.
pub type LedgerResult<T> = Result<T, LedgerError>;

/// Identity of the database itself, in `status.sync.ledgerId`. Changes only when the ledger was lost and rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerId(pub String);

/// Asks for the stream of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRequest {
    pub event: ObjectKey,
    /// Its uid: a re-created event without an action yet does not inherit rows of its namesake.
    pub event_uid: String,
    /// The portal of the trigger.
    pub portal: PortalId,
    /// [`crate::domain::trigger::Trigger::ledger_key`].
    pub trigger: String,
    /// The action, once known.
    pub action: Option<ActionKey>,
}

impl StreamRequest {
    /// Asks for the stream of this event.
    pub fn new(
        event: ObjectKey,
        event_uid: String,
        portal: PortalId,
        trigger: &Trigger,
        action: Option<ActionKey>,
    ) -> Self {
        Self {
            event,
            event_uid,
            portal,
            trigger: trigger.ledger_key(),
            action,
        }
    }
}

/// The canonical contact of a lineage of merged contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The id that stands for the lineage.
    pub contact: ContactId,
    /// Further ids that ever stood for a contact of it: occurrences may be known under them.
    pub others: Vec<ContactId>,
}

/// The counts of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowCounts {
    /// One entry per outcome, reason and detail.
    pub classes: Vec<ClassCount>,
    /// `occurred_at` of the oldest pending row.
    pub oldest_pending: Option<Timestamp>,
    /// `first_seen` of the pending row that has waited longest, without those that wait as long as they should: for the
    /// settle delay, or for a visitor's consent.
    pub waiting_since: Option<Timestamp>,
    /// When rows of this stream were last accepted by Google.
    pub last_upload: Option<Timestamp>,
    /// Earliest due time among rows that wait: pending and not in flight, or `OutcomeUnknown`.
    pub next_due: Option<Timestamp>,
    /// The last rows that were rejected, newest first, at most [`MAX_REJECTIONS`].
    pub rejections: Vec<Rejection>,
    /// Rows whose outcome is not known although they were sent again several times over more than a day.
    pub long_unknown: u64,
}

/// From a click to its conversion at most, whatever window the action has (docs/reference/google.md 4.6). An open row
/// of an occurrence that is older is not kept for the sake of being sent.
pub const LONGEST_WINDOW: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Most rejections of a [`RowCounts`].
pub const MAX_REJECTIONS: usize = 5;

/// A row that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its contact; [`ContactId::UNKNOWN`] if a submission's contact was not found.
    pub contact: ContactId,
    /// Reason, Google's code in CamelCase.
    pub reason: String,
    /// The verbatim code.
    pub detail: String,
    pub at: Timestamp,
}

/// An action left behind by a deleted event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanNote {
    pub action: ActionKey,
    /// Its name then.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// The event, `namespace/name`.
    pub former_event: String,
    /// When this operator created it (then `deletionPolicy: Delete` may remove it later); `None` if it did not.
    pub created_at: Option<Timestamp>,
    pub at: Timestamp,
}

/// The ledger. All methods are atomic: they took effect wholly or not at all. Written before status; counts come from
/// it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Identity of the database; made when the database is.
    async fn ledger_id(&self) -> LedgerResult<LedgerId>;

    /// The stream of an event; made when there is none. Once `action` is known, rows kept under the event (same uid)
    /// move to the action's stream, which is the event's from then on, even if a later request knows no action. Where
    /// that has a row of the same transaction id, the one further along stays (uploaded, rejected, processing, in
    /// flight, skipped, sent before, pending), at a draw the action's.
    async fn stream_for(&self, request: &StreamRequest) -> LedgerResult<StreamId>;

    /// The portal that the events with these uids got conversions from last, or were to get them from; `None` if none
    /// of them ever had a stream.
    async fn last_portal(&self, events: &[(ObjectKey, String)]) -> LedgerResult<Option<PortalId>>;

    /// The canonical contact of each lineage, in order: the smallest of those that are known for any of its ids, else
    /// the smallest id. It is remembered for all ids of the lineage and never changes for an id that has one. So the
    /// caller must be certain that the ids belong to one contact ([`crate::domain::lineage`]).
    async fn canonical_contacts(&self, portal: PortalId, lineages: &[Vec<ContactId>]) -> LedgerResult<Vec<Canonical>>;

    /// All ids of every lineage that one of these ids belongs to, each with its canonical contact. An id that the
    /// ledger has never met is in no lineage.
    async fn known_lineages(&self, portal: PortalId, ids: &[ContactId]) -> LedgerResult<CanonicalById>;

    /// Who is known to have entered at these times: of the rows of each stream at its times, and of what is archived.
    /// Those that have moved from the stream of an event to that of its action count for both. It reads all rows, so it
    /// is for the few entries that should have been read before.
    async fn known_entries(&self, times: &BTreeSet<EntryTime>) -> LedgerResult<KnownEntries>;

    /// Which of these occurrences (by their place) their stream knows under one of their keys, as a row or archived.
    async fn known_occurrences(&self, asked: &[(EntryTime, Vec<OccurrenceKey>)]) -> LedgerResult<BTreeSet<usize>>;

    /// Records occurrences. Those that are known already (under any of their keys, or under another time, see
    /// [`NewRow::shown`]) only get the contact id of the new row, unless that is [`ContactId::UNKNOWN`]; a row whose
    /// contact becomes known in that way is due at once. Returns how many were new.
    async fn record_occurrences(&self, stream: StreamId, rows: &[NewRow]) -> LedgerResult<usize>;

    /// Which of these streams have a row that waits and is due at `now`, whenever it occurred. One query for all of
    /// them, because most of thousands of streams have none.
    async fn streams_with_due_rows(&self, streams: &[StreamId], now: Timestamp) -> LedgerResult<BTreeSet<StreamId>>;

    /// Rows of a stream that may be sent now: pending (not in flight) or `OutcomeUnknown`, due at `now`, occurred at or
    /// after `since`, oldest due first.
    async fn due_rows(
        &self,
        stream: StreamId,
        since: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> LedgerResult<Vec<Row>>;

    /// Brings rows that wait up to date. Others are left alone: a final outcome stays, and about rows in flight or
    /// awaiting a result the answer to their batch decides.
    async fn apply_updates(&self, updates: &[RowUpdate], now: Timestamp) -> LedgerResult<()>;

    /// After a resume: skips the pending rows that were seen while suspended, or makes them due, as the policy says.
    /// Returns how many it skipped.
    async fn resume_rows(&self, stream: StreamId, policy: ResumePolicy, now: Timestamp) -> LedgerResult<usize>;

    /// Makes all waiting rows of a stream with one of these reasons due now (an account works again).
    async fn release_rows(&self, stream: StreamId, reasons: &[&str], now: Timestamp) -> LedgerResult<()>;

    /// Writes a batch before it is sent: rows become pending `InFlight`, in this order, with these values.
    /// A row that has become final keeps its outcome. Fails if any other row does not wait.
    async fn begin_batch(
        &self,
        sender: &Sender,
        destinations: &[ActionKey],
        rows: &[(BatchRow, usize)],
        now: Timestamp,
    ) -> LedgerResult<BatchId>;

    /// Records the answer to a batch.
    async fn finish_batch(&self, batch: BatchId, result: &BatchResult, now: Timestamp) -> LedgerResult<()>;

    /// Closes batches that were begun and will never be finished: all of them at start (the process died), or those of
    /// a `sender` whose uploader ended. Their rows become pending `UpstreamUnavailable`, due now, and keep their values
    /// for the repeat. Returns how many rows there were.
    async fn recover_batches(&self, sender: Option<&Sender>, now: Timestamp) -> LedgerResult<usize>;

    /// Open requests of a sender whose next look is due.
    async fn open_requests(&self, sender: &Sender, now: Timestamp, limit: usize) -> LedgerResult<Vec<OpenRequest>>;

    /// The account objects other than that of `sender` that have open requests to `owner`.
    async fn other_senders(&self, sender: &Sender, owner: &AdAccountKey) -> LedgerResult<Vec<ObjectKey>>;

    /// Takes over the open requests to `owner` of account objects that are `gone`, so that `sender` asks what became of
    /// them. Returns how many there were.
    async fn adopt_requests(&self, sender: &Sender, owner: &AdAccountKey, gone: &[ObjectKey]) -> LedgerResult<usize>;

    /// Earliest next look among the open requests of a sender.
    async fn next_poll(&self, sender: &Sender) -> LedgerResult<Option<Timestamp>>;

    /// Records what a status look said.
    async fn record_status(&self, result: &StatusResult, now: Timestamp) -> LedgerResult<()>;

    /// Counts of a stream's rows that occurred at or after `since`; `now` decides which are due.
    async fn count_rows(&self, stream: StreamId, since: Timestamp, now: Timestamp) -> LedgerResult<RowCounts>;

    /// Makes due now whatever waits longer than `longest`, counted both from now and from the occurrence: the clock was
    /// wrong when that wait was written. A row that was first seen in the future was first seen now. Returns how many
    /// rows and requests there were.
    async fn end_long_waits(&self, longest: SignedDuration, now: Timestamp) -> LedgerResult<u64>;

    /// The clock was ahead by this: whatever waits is due as much earlier, but not before now. A wait that was written
    /// before costs a look too early. A row that was first seen in the future was first seen now. Returns how many rows
    /// and requests there were.
    async fn bring_forward(&self, ahead: SignedDuration, now: Timestamp) -> LedgerResult<u64>;

    /// The latest time by which anything was set due since all was brought forward: rows and requests. One that has not
    /// come tells that a process before did so by a clock that was ahead.
    async fn waits_set_by(&self) -> LedgerResult<Option<Timestamp>>;

    /// How many rows the events of each namespace have, if the ledger's volume has less left than the reserve
    /// ([`crate::domain::ledger_room`]); `None` if there is room, or that is not known.
    async fn rows_if_low(&self) -> LedgerResult<Option<BTreeMap<String, u64>>>;

    /// Archives rows that were settled before this time, at most `limit`: they become totals. Returns how many. Counts
    /// stay as they are, and none of these occurrences is ever new again.
    async fn archive_rows(&self, before: Timestamp, limit: usize) -> LedgerResult<usize>;

    /// How far the feed has come for each of these streams. If rows moved from an event's stream to its action's, the
    /// moved mark wins.
    async fn feed_marks(&self, streams: &[StreamId]) -> LedgerResult<Vec<Option<Watermark>>>;

    /// Remembers how far the feed has come.
    async fn set_feed_marks(&self, marks: &[(StreamId, Watermark)]) -> LedgerResult<()>;

    /// When each of these streams took part in a full scan of this account object last; those that never did are left out.
    async fn last_full_scans(
        &self,
        hubspot: &ObjectKey,
        streams: &[StreamId],
    ) -> LedgerResult<BTreeMap<StreamId, Timestamp>>;

    /// Remembers a full scan in which these streams took part, so that a process that is restarted often still makes
    /// them. If rows move from an event's stream to its action's, the time moves with the mark.
    async fn set_last_full_scans(&self, hubspot: &ObjectKey, streams: &[StreamId], at: Timestamp) -> LedgerResult<()>;

    /// Has all streams of the portal but these looked for since then, once their events come back: something was
    /// noted for these alone that the marks of the others may have moved past.
    async fn owe_full_scans(&self, portal: PortalId, present: &[StreamId], since: Timestamp) -> LedgerResult<()>;

    /// When the first row of each of these streams was noted; of a stream with archived rows nobody knows any more, and
    /// it is [`Timestamp::MIN`]. Those without rows are left out. It reads all rows of the streams.
    async fn first_noted(&self, streams: &[StreamId]) -> LedgerResult<BTreeMap<StreamId, Timestamp>>;

    /// Contacts that the feed of this HubSpot account object has put aside, since they could not be read, or not as a
    /// search showed them: the feed marks have moved past them, so nothing but this list brings them back.
    async fn put_aside(&self, hubspot: &ObjectKey) -> LedgerResult<Vec<AsideContact>>;

    /// Remembers which contacts are put aside now.
    async fn set_put_aside(&self, hubspot: &ObjectKey, contacts: &[AsideContact]) -> LedgerResult<()>;

    /// How far an account's round over the contacts of its portal has come; `None`: none has begun.
    async fn look_round(&self, looker: &Looker) -> LedgerResult<Option<LookRound>>;

    /// Begins a round over the contacts of a portal.
    async fn begin_look_round(&self, looker: &Looker, now: Timestamp) -> LedgerResult<()>;

    /// Contacts of a portal that lineages or rows name, with ids above `after`, ascending.
    async fn contacts_after(&self, portal: PortalId, after: ContactId, limit: usize) -> LedgerResult<Vec<ContactId>>;

    /// Contacts that this account's looks have found, the latest first, but none of `without`.
    async fn last_seen(&self, looker: &Looker, without: &[ContactId], limit: usize) -> LedgerResult<Vec<ContactId>>;

    /// Records a look for the contacts `asked`. A contact that was seen is no longer missing, even if it was not asked
    /// for. A contact that is missing counts as missing since the first look that missed it. Looks of other accounts
    /// are not affected.
    async fn record_look(&self, looker: &Looker, asked: &[ContactId], look: &LookResult) -> LedgerResult<()>;

    /// Erases lineages all of whose contacts have been missing for `missing_for`. Goes on behind the look `behind` and
    /// looks at `limit` contacts at most. A contact counts as missing if one account's looks have missed it all the
    /// time, up to its latest look, and no account's look has found it in that time; older looks do not count. Rows
    /// that still wait are skipped as `ContactDeleted`. All rows of the lineage become totals, so counts stay, and no
    /// occurrence is new again. A lineage stays for now if one of its rows is in a request, or may still be sent: it is
    /// open and younger than [`LONGEST_WINDOW`].
    async fn erase_contacts(
        &self,
        missing_for: SignedDuration,
        behind: Option<(LookerId, ContactId)>,
        limit: usize,
        now: Timestamp,
    ) -> LedgerResult<Erased>;

    /// Forgets the looks of accounts that have not looked since `before`, at most `limit` of them; returns how many.
    async fn forget_looks(&self, before: Timestamp, limit: usize) -> LedgerResult<usize>;

    /// Notes an action left behind.
    async fn note_orphan(&self, note: &OrphanNote) -> LedgerResult<()>;

    /// All notes about an account's actions, oldest first.
    async fn orphan_notes(&self, owner: &AdAccountKey) -> LedgerResult<Vec<OrphanNote>>;

    /// Forgets a note (adopted again, or gone from Google).
    async fn forget_orphan(&self, action: &ActionKey) -> LedgerResult<()>;
}
