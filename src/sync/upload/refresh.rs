//! Rows on their way to the ad network whose contacts were read too long ago: these are read again, each portal by
//! itself, while other rows go. A portal that does not answer in time keeps nobody else's rows waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinSet;
use tracing::error;

use super::reads::ReadRows;
use crate::domain::ids::ObjectKey;
use crate::ports::budget;
use crate::ports::sink::RouteInfo;
use crate::sync::context::SyncContext;
use crate::sync::prepare::{EligibleEvent, PreparedRow};

/// How long a portal may take for the rows of one request: forty reads of fifty histories, at nine a second.
const SHARE: Duration = Duration::from_secs(10);

/// What a second read of rows of one portal brought.
pub(crate) struct Refreshed {
    /// The route the rows go.
    pub route: RouteInfo,
    /// Rows of one request that may still go, and what failed.
    pub read: ReadRows,
    portal: ObjectKey,
}

/// The reads of one round.
#[derive(Default)]
pub(crate) struct Refreshes {
    tasks: JoinSet<Refreshed>,
    failed: FailedPortals,
}

/// Portals that failed in this round: they are not asked again in it, and their rows stay due.
#[derive(Default)]
struct FailedPortals(BTreeSet<ObjectKey>);

impl FailedPortals {
    /// A read of this portal has ended, and so many of its events could not be read.
    fn note(&mut self, portal: &ObjectKey, events: usize) {
        if events > 0 {
            self.0.insert(portal.clone());
        }
    }

    /// The rows of the events of each portal that has not failed. Rows of no event are left out.
    fn others<E: Clone, R>(
        &self,
        events: &[E],
        mut rows: Vec<R>,
        portal_of: impl Fn(&E) -> &ObjectKey,
        is_of: impl Fn(&E, &R) -> bool,
    ) -> BTreeMap<ObjectKey, Vec<(E, Vec<R>)>> {
        let mut portals: BTreeMap<ObjectKey, Vec<(E, Vec<R>)>> = BTreeMap::new();
        for event in events {
            let (own, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| is_of(event, row));
            rows = others;
            let portal = portal_of(event);
            if !own.is_empty() && !self.0.contains(portal) {
                portals.entry(portal.clone()).or_default().push((event.clone(), own));
            }
        }
        portals
    }
}

impl Refreshes {
    /// Begins to read again for these rows of one request, which belong to these events.
    pub fn begin_refresh(
        &mut self,
        ctx: &Arc<SyncContext>,
        route: RouteInfo,
        open: &[EligibleEvent],
        stale: Vec<PreparedRow>,
    ) {
        let portals = self.failed.others(
            open,
            stale,
            |sendable| &sendable.event().hubspot,
            EligibleEvent::takes_row,
        );
        for (portal, events) in portals {
            let read = refresh_rows(Arc::clone(ctx), route, portal, events);
            self.tasks.spawn(budget::with_budget(SHARE, read));
        }
    }

    /// Waits for the next read to end; `None` if none is under way.
    pub async fn next_ended(&mut self) -> Option<Refreshed> {
        loop {
            match self.tasks.join_next().await? {
                Ok(refreshed) => {
                    self.failed.note(&refreshed.portal, refreshed.read.failed.len());
                    return Some(refreshed);
                }
                Err(error) => {
                    error!(
                        cancelled = error.is_cancelled(),
                        "a read of HubSpot ended unexpectedly, its rows are read again"
                    );
                }
            }
        }
    }

    /// A read that has ended already.
    pub fn take_ended(&mut self) -> Option<Refreshed> {
        self.next_ended().now_or_never().flatten()
    }
}

async fn refresh_rows(
    ctx: Arc<SyncContext>,
    route: RouteInfo,
    portal: ObjectKey,
    events: Vec<(EligibleEvent, Vec<PreparedRow>)>,
) -> Refreshed {
    let mut all = Refreshed {
        route,
        read: ReadRows::default(),
        portal,
    };
    for (sendable, rows) in events {
        let refreshed = sendable.refresh_rows(&ctx, rows).await;
        let ready = all.read.note_failure(&sendable, refreshed);
        all.read.ready.extend(ready.unwrap_or_default());
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
    fn a_portal_that_failed_is_not_asked_again_in_the_round_and_others_are() {
        let portal = |name: &str| ObjectKey::new("ns", name);
        // Events by their portal, and rows by the number of their event.
        let events = [(1, portal("a")), (2, portal("b")), (3, portal("a")), (4, portal("c"))];
        let asked = |failed: &FailedPortals| -> Vec<(String, Vec<u32>)> {
            let found = failed.others(
                &events,
                vec![1, 3, 2, 1, 9],
                |event| &event.1,
                |event, row| event.0 == *row,
            );
            let rows = |events: Vec<(_, Vec<u32>)>| events.into_iter().flat_map(|(_, rows)| rows).collect();
            found
                .into_iter()
                .map(|(portal, events)| (portal.name, rows(events)))
                .collect()
        };
        let of_a = ("a".to_owned(), vec![1, 1, 3]);
        let of_b = ("b".to_owned(), vec![2]);
        let mut failed = FailedPortals::default();
        failed.note(&portal("a"), 0);
        assert_eq!(asked(&failed), [of_a, of_b.clone()]);
        failed.note(&portal("a"), 1);
        failed.note(&portal("a"), 0);
        assert_eq!(asked(&failed), [of_b]);
    }
}
