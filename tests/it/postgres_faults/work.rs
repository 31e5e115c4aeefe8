//! The whole work of a process on a ledger that has faults, with HubSpot and Google in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use adconversion_operator::domain::ids::ObjectKey;
use adconversion_operator::domain::outcome::Outcome;
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ports::ledger::{Ledger, RowCounts};
use adconversion_operator::registry::Registry;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::supervisor;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::support::memory::{Now, Sink, set_up, settings, start};
use crate::support::wait::until;

/// More than are noted at once.
const CONTACTS: usize = 1_100;
const LIMIT: Duration = Duration::from_mins(1);

/// Opens a ledger, as often as that takes.
pub async fn open(url: &str) -> SqlLedger {
    until("the ledger", LIMIT, async || SqlLedger::open(url).await).await
}

/// Observed, and those of each outcome.
fn counted(tally: &RowCounts) -> (u64, BTreeMap<Outcome, u64>) {
    let mut of = BTreeMap::new();
    for class in &tally.classes {
        *of.entry(class.outcome).or_default() += class.count;
    }
    (of.values().sum(), of)
}

async fn tally(registry: &Registry, ledger: &SqlLedger) -> Option<RowCounts> {
    let stream = registry.event_report(&ObjectKey::new("b", "event")).stream?;
    let since = start() - SignedDuration::from_hours(1);
    ledger.count_rows(stream, since, Timestamp::now()).await.ok()
}

/// Works until Google has every conversion; checks that it has them with one value, and that no count went down
/// meanwhile. Returns how many rows were sent in all.
pub async fn work_through(url: &str) -> usize {
    let sink = Arc::new(Sink::remembering());
    let ledger = Arc::new(open(url).await);
    let (registry, _wakes) = Registry::new();
    set_up(&registry, CONTACTS as u64, sink.clone());
    let context = SyncContext::new(registry.clone(), ledger.clone(), Arc::new(Now), settings());
    let stop = CancellationToken::new();
    let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
    let finals = [Outcome::Uploaded, Outcome::Skipped, Outcome::Rejected];
    let (mut observed, mut seen) = (0, BTreeMap::new());
    let all_counted = async || {
        ledger.still_ours().expect("nobody else writes");
        let Some(now) = tally(&registry, &ledger).await else {
            return Err((observed, seen.clone()));
        };
        let (all, of) = counted(&now);
        assert!(all >= observed, "{observed} observed, then {all}");
        for outcome in finals {
            assert!(of.get(&outcome) >= seen.get(&outcome), "{seen:?}, then {of:?}");
        }
        (observed, seen) = (all, of);
        if seen.get(&Outcome::Uploaded) == Some(&(CONTACTS as u64)) {
            Ok(seen.clone())
        } else {
            Err((observed, seen.clone()))
        }
    };
    let counts = until("all to be uploaded", LIMIT, all_counted).await;
    assert_eq!(counts, BTreeMap::from([(Outcome::Uploaded, CONTACTS as u64)]));
    stop.cancel();
    loops.await.expect("the loops end");
    ledger.close().await;
    let taken = sink.taken();
    assert_eq!(taken.len(), CONTACTS);
    let value = Some("250".parse().expect("a number"));
    for (id, values) in &taken {
        assert!(values.iter().all(|v| *v == value), "{id} {values:?}");
    }
    sink.rows.load(Ordering::Relaxed)
}
