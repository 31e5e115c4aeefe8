//! The ledger: row-level truth about every occurrence. Holds ids, times and codes only: neither personal data, nor
//! click ids, nor hashes of identifiers.
//!
//! Words: a **stream** is the rows of one conversion action and one trigger (portal, and stage or form). While the
//! action of an event is not known, its rows are kept on a stream of the event and move when it is. A **batch** is one
//! upload request, written before it is sent.

mod aside;
mod ids;
mod looks;
mod requests;
mod rows;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use self::aside::AsideContact;
pub use self::ids::{BatchId, LookerId, RowId, Sender, StreamId};
pub use self::looks::{Erased, Look, LookRound, Looker};
pub use self::requests::{BatchResult, BatchRow, OpenRequest, OpenRow, StatusResult};
pub use self::rows::{NewRow, Row, RowUpdate};
use crate::domain::counts::ClassCount;
pub use crate::domain::coverage::Watermark;

pub use crate::domain::ids::ActionKey;
use crate::domain::ids::{AdAccountKey, ContactId, ObjectKey, PortalId};
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
    /// When this operator created it (then `deletionPolicy: Delete` may remove it later); `None` for a stranger's.
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
    /// the smallest id. It is remembered for all ids of the lineage and never changes for an id that has one. So that
    /// they are one contact's is to be certain before ([`crate::domain::lineage`]).
    async fn canonical_contacts(&self, portal: PortalId, lineages: &[Vec<ContactId>]) -> LedgerResult<Vec<Canonical>>;

    /// All ids of every lineage that one of these belongs to, each with its canonical contact. Ids
    /// that were never met are in none.
    async fn known_lineages(&self, portal: PortalId, ids: &[ContactId]) -> LedgerResult<CanonicalById>;

    /// Notes occurrences; those known already (under any candidate id, or another time, see [`NewRow::shown`]) only get
    /// their contact id brought up to date, where it is not [`ContactId::UNKNOWN`]; a row whose contact becomes known
    /// that way is due at once. Returns how many were new.
    async fn record_occurrences(&self, stream: StreamId, rows: &[NewRow]) -> LedgerResult<usize>;

    /// Those of these streams that have a row which waits and is due at `now`, whenever it occurred. One question for
    /// all: most of thousands of streams have none.
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

    /// After a resume: skips the pending rows seen while suspended (`skip`), or lets them go. Returns how many skipped.
    async fn resume_rows(&self, stream: StreamId, skip: bool, now: Timestamp) -> LedgerResult<usize>;

    /// Makes all waiting rows of a stream with one of these reasons due now (an account was mended).
    async fn release_rows(&self, stream: StreamId, reasons: &[&str], now: Timestamp) -> LedgerResult<()>;

    /// Writes a batch before it is sent: rows become pending `InFlight`, in this order, with these values.
    /// Fails if one of them neither waits nor has a final outcome (which it keeps).
    async fn begin_batch(
        &self,
        sender: &Sender,
        destinations: &[ActionKey],
        rows: &[(BatchRow, usize)],
        now: Timestamp,
    ) -> LedgerResult<BatchId>;

    /// Records the answer to a batch.
    async fn finish_batch(&self, batch: BatchId, result: &BatchResult, now: Timestamp) -> LedgerResult<()>;

    /// Batches that were begun and will never be finished: all of them at start (the process died), those of a `sender`
    /// that was not told that one had begun. Their rows become pending `UpstreamUnavailable`, due now, and
    /// keep their values for the repeat. Returns how many rows.
    async fn recover_batches(&self, sender: Option<&Sender>, now: Timestamp) -> LedgerResult<usize>;

    /// Open requests of a sender whose next look is due.
    async fn open_requests(&self, sender: &Sender, now: Timestamp, limit: usize) -> LedgerResult<Vec<OpenRequest>>;

    /// The account objects, other than that of `sender`, that open requests to `owner` are of.
    async fn other_senders(&self, sender: &Sender, owner: &AdAccountKey) -> LedgerResult<Vec<ObjectKey>>;

    /// Takes over the open requests to `owner` of account objects that are `gone`: somebody must ask what became of
    /// them.
    async fn adopt_requests(&self, sender: &Sender, owner: &AdAccountKey, gone: &[ObjectKey]) -> LedgerResult<usize>;

    /// Earliest next look among the open requests of a sender.
    async fn next_poll(&self, sender: &Sender) -> LedgerResult<Option<Timestamp>>;

    /// Records what a status look said.
    async fn record_status(&self, result: &StatusResult, now: Timestamp) -> LedgerResult<()>;

    /// Counts of a stream's rows that occurred at or after `since`; `now` decides which are due.
    async fn count_rows(&self, stream: StreamId, since: Timestamp, now: Timestamp) -> LedgerResult<RowCounts>;

    /// Makes everything due now that waits for longer than anything is meant to wait, from now and from the occurrence
    /// on: the clock was wrong when that was written. Nothing was first seen later than now. Returns how much there
    /// was.
    async fn end_long_waits(&self, longest: SignedDuration, now: Timestamp) -> LedgerResult<u64>;

    /// How many rows the events of each namespace have, if the ledger's volume has less left than the reserve
    /// ([`crate::domain::ledger_room`]); `None` if there is room, or nobody can tell.
    async fn rows_if_low(&self) -> LedgerResult<Option<BTreeMap<String, u64>>>;

    /// Folds rows that were settled for good before this time into totals, at most `limit`; returns how many. Counts
    /// stay as they are, and none of these occurrences is ever new again.
    async fn archive_rows(&self, before: Timestamp, limit: usize) -> LedgerResult<usize>;

    /// How far the feed has come for each of these streams. If rows moved from an event's stream to its action's, the
    /// moved mark wins.
    async fn feed_marks(&self, streams: &[StreamId]) -> LedgerResult<Vec<Option<Watermark>>>;

    /// Remembers how far the feed has come.
    async fn set_feed_marks(&self, marks: &[(StreamId, Watermark)]) -> LedgerResult<()>;

    /// When the feed of this HubSpot account object made its last full scan; `None`: never.
    async fn last_full_scan(&self, hubspot: &ObjectKey) -> LedgerResult<Option<Timestamp>>;

    /// Remembers a full scan, so that a process that is restarted often makes them all the same.
    async fn set_last_full_scan(&self, hubspot: &ObjectKey, at: Timestamp) -> LedgerResult<()>;

    /// Contacts that the feed of this HubSpot account object has put aside, since they could not be read, or not as a
    /// search showed them: the feed marks have moved past them, so nothing but this list brings them back.
    async fn put_aside(&self, hubspot: &ObjectKey) -> LedgerResult<Vec<AsideContact>>;

    /// Remembers which contacts are put aside now.
    async fn set_put_aside(&self, hubspot: &ObjectKey, contacts: &[AsideContact]) -> LedgerResult<()>;

    /// How far an account's round over the contacts of its portal has come; `None`: none has begun.
    async fn look_round(&self, looker: &Looker) -> LedgerResult<Option<LookRound>>;

    /// Begins a round over the contacts of a portal.
    async fn begin_look_round(&self, looker: &Looker, now: Timestamp) -> LedgerResult<()>;

    /// Contacts of a portal that lineages or rows name, behind this one, ascending.
    async fn contacts_behind(&self, portal: PortalId, after: ContactId, limit: usize) -> LedgerResult<Vec<ContactId>>;

    /// Contacts that this account's looks have found, the latest first, without these.
    async fn last_seen(&self, looker: &Looker, without: &[ContactId], limit: usize) -> LedgerResult<Vec<ContactId>>;

    /// Notes a look for the contacts `asked`: who was seen is missing no longer, also those that were not asked for;
    /// who is missing has been so since the first look that missed it. Nothing follows for the looks of other accounts.
    async fn note_look(&self, looker: &Looker, asked: &[ContactId], look: &Look) -> LedgerResult<()>;

    /// Erases lineages all of whose contacts have been missing for so long, behind this look, looking at `limit`
    /// contacts at most. Missing is a contact that one account's looks have missed all the while, up to its latest one,
    /// and that no account's look has found in that time; looks older than that count neither way. Rows that still wait
    /// are skipped as `ContactDeleted`; all their rows become totals, so counts stay and no occurrence is new again. A
    /// lineage stays meanwhile if Google has a row of it in its hands, or a row may still be sent: one that is open and
    /// younger than [`LONGEST_WINDOW`].
    async fn erase_contacts(
        &self,
        missing_for: SignedDuration,
        behind: Option<(LookerId, ContactId)>,
        limit: usize,
        now: Timestamp,
    ) -> LedgerResult<Erased>;

    /// Forgets the looks of accounts that have not looked since `before`, at most `limit` lines; returns how many.
    async fn forget_looks(&self, before: Timestamp, limit: usize) -> LedgerResult<usize>;

    /// Notes an action left behind.
    async fn note_orphan(&self, note: &OrphanNote) -> LedgerResult<()>;

    /// All notes about an account's actions, oldest first.
    async fn orphan_notes(&self, owner: &AdAccountKey) -> LedgerResult<Vec<OrphanNote>>;

    /// Forgets a note (adopted again, or gone from Google).
    async fn forget_orphan(&self, action: &ActionKey) -> LedgerResult<()>;
}
