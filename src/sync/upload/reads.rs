//! Reads of HubSpot for an uploader: each portal by itself, side by side, with its share of a request. One that answers
//! slowly is not waited for: what it had comes once it is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout_at};
use tracing::error;

use crate::domain::ids::ObjectKey;
use crate::ports::UpstreamError;
use crate::ports::ledger::LedgerError;
use crate::ports::pulse;
use crate::registry::Notice;
use crate::registry::sync_error::SyncError;
use crate::sync::context::SyncContext;
use crate::sync::prepare::{EligibleEvent, PreparedRow};

/// How long the rows of other portals wait for one that has just been asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// Fewest rows a portal is asked about at once: those of one read.
const LEAST: usize = 50;

/// What a read of one portal brought.
#[derive(Default)]
pub(crate) struct ReadRows {
    /// Rows that may go.
    pub ready: Vec<PreparedRow>,
    /// Events whose reads failed; their rows wait.
    pub failed: Vec<(EligibleEvent, UpstreamError)>,
    /// The ledger failed.
    pub ledger: Option<LedgerError>,
}

impl ReadRows {
    /// What the read for one event brought; where it failed, that is noted instead.
    pub fn note_failure<T>(&mut self, sendable: &EligibleEvent, read: Result<T, SyncError>) -> Option<T> {
        match read {
            Ok(read) => return Some(read),
            Err(SyncError::Upstream(error)) => self.failed.push((sendable.clone(), error)),
            // Only feeds record what is new.
            Err(SyncError::LedgerFull) => {}
            Err(SyncError::Ledger(error)) => self.ledger = Some(error),
        }
        None
    }
}

/// What a read of due rows of one portal brought.
pub(crate) struct PortalRows {
    /// Rows to send, and what failed.
    pub read: ReadRows,
    portal: ObjectKey,
    /// Rows that were looked at.
    asked: usize,
    /// More may be due.
    more: bool,
}

/// Which portals are asked for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortalChoice {
    /// All that are not being asked already.
    All,
    /// Those that had more rows than their share, or were not waited for.
    Unfinished,
}

/// A read that is under way.
struct OpenRead {
    portal: ObjectKey,
    began: Instant,
}

/// The reads of one uploader.
#[derive(Default)]
pub(crate) struct PortalReads {
    tasks: JoinSet<PortalRows>,
    open: HashMap<Id, OpenRead>,
    arrived: Vec<PortalRows>,
    /// HubSpot accounts that may have more.
    with_more: BTreeSet<ObjectKey>,
    /// Rows that a portal is asked about at once, if it has shown to be slow.
    paces: BTreeMap<ObjectKey, usize>,
}

impl PortalReads {
    /// Asks the portals of these events for about `fill` rows together. Returns what has come, at the latest after
    /// [`PATIENCE`].
    pub async fn take_rows(
        &mut self,
        ctx: &Arc<SyncContext>,
        open: Vec<EligibleEvent>,
        fill: usize,
        which: PortalChoice,
    ) -> Vec<PortalRows> {
        let mut portals: BTreeMap<ObjectKey, Vec<EligibleEvent>> = BTreeMap::new();
        for sendable in open {
            let portal = sendable.event().hubspot.clone();
            portals.entry(portal).or_default().push(sendable);
        }
        let share = (fill / portals.len().max(1)).max(LEAST);
        self.with_more.retain(|portal| portals.contains_key(portal));
        self.paces.retain(|portal, _| portals.contains_key(portal));
        let mut begun = 0_usize;
        for (portal, events) in portals {
            // What has come and is not sent yet would be read once more.
            if self.arrived.iter().any(|collected| collected.portal == portal) {
                self.with_more.insert(portal);
                continue;
            }
            let asked = self.open.values().any(|open| open.portal == portal);
            if asked || (which == PortalChoice::Unfinished && !self.with_more.contains(&portal)) {
                continue;
            }
            self.with_more.remove(&portal);
            let rows = self.paces.get(&portal).map_or(share, |pace| share.min(*pace));
            self.begin_read(ctx, portal, events, rows);
            begun += 1;
        }
        let until = Instant::now() + PATIENCE;
        while begun > 0 && timeout_at(until, self.wait_for_read(ctx)).await.is_ok() {
            begun -= 1;
        }
        std::mem::take(&mut self.arrived)
    }

    /// True if a portal had more than its share.
    pub fn has_more(&self) -> bool {
        !self.with_more.is_empty()
    }

    /// True if a read is under way, or has come and was not taken.
    pub fn is_any_open(&self) -> bool {
        !self.tasks.is_empty() || !self.arrived.is_empty()
    }

    /// Waits until a read that the round did not wait for has come;
    /// for ever while there is none. May be dropped at any time.
    pub async fn wait_for_read(&mut self, ctx: &SyncContext) {
        let Some(joined) = self.tasks.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let (id, collected) = match joined {
            Ok((id, collected)) => (id, Some(collected)),
            Err(error) => (error.id(), None),
        };
        let Some(open) = self.open.remove(&id) else { return };
        let Some(mut collected) = collected else {
            error!(hubspot = %open.portal, "a read of HubSpot ended unexpectedly, its rows are read again");
            return;
        };
        let took = open.began.elapsed();
        self.adjust_pace(ctx, &collected, took);
        let now = ctx.clock.now();
        if collected.asked <= LEAST {
            // However long the answer took, it has just come, and the portal knows no quicker one.
            collected.read.ready.iter_mut().for_each(|row| row.read = now);
        }
        // What is older is read again, in a smaller share: consent is a matter of the moment.
        let ready = &mut collected.read.ready;
        let (age, before) = (ctx.settings.read_age(), ready.len());
        ready.retain(|row| now.duration_since(row.read) <= age);
        if collected.more || ready.len() < before {
            self.with_more.insert(open.portal);
        }
        self.arrived.push(collected);
    }

    /// A portal that needs longer than half of the time that a read may be old is asked about fewer rows at once.
    fn adjust_pace(&mut self, ctx: &SyncContext, collected: &PortalRows, took: Duration) {
        let limit = Duration::try_from(ctx.settings.read_age() / 2).unwrap_or_default();
        let portal = &collected.portal;
        if took > limit {
            self.paces
                .insert(portal.clone(), paced_rows(collected.asked, took, limit));
        } else if let Some(pace) = self.paces.get_mut(portal) {
            *pace = pace.saturating_mul(2);
        }
    }

    fn begin_read(&mut self, ctx: &Arc<SyncContext>, portal: ObjectKey, events: Vec<EligibleEvent>, rows: usize) {
        let task = self
            .tasks
            .spawn(collect_rows(Arc::clone(ctx), portal.clone(), events, rows));
        let began = Instant::now();
        self.open.insert(task.id(), OpenRead { portal, began });
    }
}

/// How many rows a portal is asked about next, if so many took longer than the limit.
fn paced_rows(asked: usize, took: Duration, limit: Duration) -> usize {
    let fit = asked as u128 * limit.as_millis() / took.as_millis().max(1);
    usize::try_from(fit).unwrap_or(usize::MAX).max(LEAST)
}

/// Takes due rows of a portal's events until there are so many.
async fn collect_rows(ctx: Arc<SyncContext>, portal: ObjectKey, events: Vec<EligibleEvent>, rows: usize) -> PortalRows {
    let mut all = PortalRows {
        read: ReadRows::default(),
        portal,
        asked: 0,
        more: false,
    };
    for sendable in events {
        pulse::beat();
        let room = rows.saturating_sub(all.read.ready.len());
        if room == 0 {
            all.more = true;
            break;
        }
        let prepared = sendable.prepare_rows(&ctx, room).await;
        if let Some((ready, looked_at)) = all.read.note_failure(&sendable, prepared) {
            if looked_at > ready.len() {
                ctx.registry.update_report(&sendable.event().key, |_| Notice::Soon);
            }
            all.asked += looked_at;
            all.more |= looked_at == room;
            all.read.ready.extend(ready);
        }
        if all.read.ledger.is_some() {
            break;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_portal_is_asked_about_fewer_rows() {
        let limit = Duration::from_secs(35);
        assert_eq!(paced_rows(2000, Duration::from_secs(70), limit), 1000);
        assert_eq!(paced_rows(60, Duration::from_secs(80), limit), LEAST);
        assert_eq!(paced_rows(0, Duration::from_secs(80), limit), LEAST);
    }
}
