//! Rows on their way to Google whose contacts were read too long ago: these are read again, each portal by itself, while
//! other rows go. A portal that does not answer in time keeps nobody else's rows waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinSet;
use tracing::error;

use crate::domain::ids::ObjectKey;
use crate::ports::ledger::LedgerError;
use crate::ports::sink::RouteInfo;
use crate::ports::{UpstreamError, budget};
use crate::registry::sync_error::SyncError;
use crate::sync::context::SyncContext;
use crate::sync::prepare::{EligibleEvent, PreparedRow};

/// How long a portal may take for the rows of one request: forty reads of fifty histories, at nine a second.
const SHARE: Duration = Duration::from_secs(10);

/// What a read of one portal brought.
pub(crate) struct Refreshed {
    /// The route the rows go.
    pub route: RouteInfo,
    /// Rows that may still go, of one request.
    pub ready: Vec<PreparedRow>,
    /// Events whose reads failed; their rows wait.
    pub failed: Vec<(EligibleEvent, UpstreamError)>,
    /// The ledger failed.
    pub ledger: Option<LedgerError>,
    portal: ObjectKey,
}

/// The reads of one round.
#[derive(Default)]
pub(crate) struct Refreshes {
    tasks: JoinSet<Refreshed>,
    /// Portals that failed in this round: they are not asked again in it, and their rows stay due.
    failed: BTreeSet<ObjectKey>,
}

impl Refreshes {
    /// Begins to read again for these rows of one request, which belong to these events.
    pub fn begin(
        &mut self,
        ctx: &Arc<SyncContext>,
        route: RouteInfo,
        open: &[EligibleEvent],
        mut stale: Vec<PreparedRow>,
    ) {
        let mut portals: BTreeMap<ObjectKey, Vec<(EligibleEvent, Vec<PreparedRow>)>> = BTreeMap::new();
        for sendable in open {
            let (own, others): (Vec<_>, Vec<_>) = stale.into_iter().partition(|row| sendable.sends(row));
            stale = others;
            let portal = &sendable.event().hubspot;
            if !own.is_empty() && !self.failed.contains(portal) {
                portals.entry(portal.clone()).or_default().push((sendable.clone(), own));
            }
        }
        for (portal, events) in portals {
            let read = refresh(Arc::clone(ctx), route, portal, events);
            self.tasks.spawn(budget::spend(SHARE, read));
        }
    }

    /// Waits for the next read to end; `None` where none is under way.
    pub async fn next(&mut self) -> Option<Refreshed> {
        loop {
            match self.tasks.join_next().await? {
                Ok(refreshed) => {
                    if !refreshed.failed.is_empty() {
                        self.failed.insert(refreshed.portal.clone());
                    }
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
    pub fn ended(&mut self) -> Option<Refreshed> {
        self.next().now_or_never().flatten()
    }
}

async fn refresh(
    ctx: Arc<SyncContext>,
    route: RouteInfo,
    portal: ObjectKey,
    events: Vec<(EligibleEvent, Vec<PreparedRow>)>,
) -> Refreshed {
    let mut all = Refreshed {
        route,
        ready: Vec::new(),
        failed: Vec::new(),
        ledger: None,
        portal,
    };
    for (sendable, rows) in events {
        match sendable.refresh(&ctx, rows).await {
            Ok(ready) => all.ready.extend(ready),
            Err(SyncError::Upstream(error)) => all.failed.push((sendable, error)),
            Err(SyncError::Ledger(error)) => {
                all.ledger = Some(error);
                break;
            }
        }
    }
    all
}
