//! Events that join or come back, and what was read of their streams before.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Feed;
use super::pass::Member;
use super::recent_entries::APART;
use crate::ports::ledger::StreamId;
use crate::registry::sync_error::SyncError;
use crate::sync::feed::bounds::Tracked;

impl Feed {
    /// A pass begins. Of a first read that another process has begun, or that begins earlier than the one before, the
    /// ledger says what was noted.
    pub(super) async fn begin_reads(&mut self, events: &[Tracked]) -> Result<(), SyncError> {
        let backfills = events.iter().filter(|tracked| tracked.is_backfill());
        let backfills: BTreeSet<StreamId> = backfills.map(|tracked| tracked.stream).collect();
        let first_reads = &mut self.history.first_reads;
        let unknown = backfills.iter().filter(|stream| !first_reads.is_backfill(**stream));
        let unknown: Vec<_> = unknown.copied().collect();
        let noted = self.ctx.ledger.first_noted(&unknown).await?;
        let now = self.ctx.clock.now();
        let began = |stream| {
            let first: Option<&Timestamp> = noted.get(stream);
            first.map_or(now, |first| {
                first.saturating_sub(APART).unwrap_or(Timestamp::MIN).min(now)
            })
        };
        let begun = backfills.iter().map(|stream| (*stream, began(stream)));
        first_reads.begin_pass(&begun.collect());
        self.ctx.recent_entries.forget_old(now);
        self.history.read_any = false;
        Ok(())
    }

    /// If an event joins or comes back, or an action of another id replaces the old one, nothing that was read before
    /// counts for it.
    pub(super) fn restart_for_newcomers(&mut self, events: &[Tracked]) {
        let newcomer = |t: &Tracked| {
            let member = Member::new(&t.event);
            let served = self.served.get_key_value(&member);
            served.is_none_or(|(before, stream)| {
                *stream != t.stream && (t.is_backfill() || !member.keeps_stream_of(before))
            })
        };
        if events.iter().any(newcomer) {
            self.history.forget_all();
            self.portal_clock.forget_reached();
            self.last_wide = None;
        }
        self.served = events.iter().map(|t| (Member::new(&t.event), t.stream)).collect();
    }
}
