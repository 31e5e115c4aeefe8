//! The sync loops over a world in memory, as a test runs and watches them.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use adconversion_operator::domain::ids::ObjectKey;
use adconversion_operator::domain::outcome::Outcome;
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ports::ledger::{Ledger, RowCounts};
use adconversion_operator::ports::pulse::{Unwatched, Watchdog};
use adconversion_operator::registry::{Event, Registry};
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::supervisor;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::memory::{Memory, Now, Sink, set_up, settings, tally_of};
use super::wait::until;

/// Longest wait for what must come.
const LIMIT: Duration = Duration::from_secs(30);

/// An empty ledger in memory.
pub async fn ledger() -> Arc<dyn Ledger> {
    Arc::new(SqlLedger::open("sqlite::memory:").await.expect("a ledger"))
}

/// A world that is set up, its loops not yet running.
pub struct World {
    pub registry: Registry,
    pub ledger: Arc<dyn Ledger>,
    pub sink: Arc<Sink>,
}

impl World {
    /// One event over all contacts of this portal, `count` of them.
    pub fn new(ledger: Arc<dyn Ledger>, portal: Memory, count: usize) -> Self {
        let (registry, _wakes) = Registry::new();
        let sink = Arc::new(Sink::remembering());
        set_up(&registry, count as u64, sink.clone());
        let mut account = registry
            .hubspot_account(&ObjectKey::new("b", "hubspot"))
            .expect("the account");
        account.crm = Some(Arc::new(portal));
        registry.set_hubspot(account);
        Self { registry, ledger, sink }
    }

    /// The event.
    pub fn event(&self) -> Event {
        super::memory::event(&self.registry)
    }

    /// Begins to work.
    pub fn run(self) -> Running {
        self.run_watched(Arc::new(Unwatched))
    }

    /// As [`Self::run`]; whoever watches is told of signs of life.
    pub fn run_watched(self, watchdog: Arc<dyn Watchdog>) -> Running {
        let context = SyncContext::new(self.registry.clone(), self.ledger.clone(), Arc::new(Now), settings());
        let context = context.with_watchdog(watchdog, LIMIT);
        let stop = CancellationToken::new();
        let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
        Running {
            world: self,
            stop,
            loops,
        }
    }
}

/// Loops at work.
pub struct Running {
    pub world: World,
    stop: CancellationToken,
    loops: JoinHandle<()>,
}

impl Running {
    /// Waits until so many conversions were sent.
    pub async fn sent(&self, count: usize) {
        self.until(count, || async { self.world.sink.rows.load(Ordering::Relaxed) })
            .await;
    }

    /// Waits until so many conversions of an event are noted.
    pub async fn noted(&self, event: &ObjectKey, count: usize) {
        self.until(count, || async { self.count(event, |_| true).await }).await;
    }

    /// Waits until so many conversions of an event are skipped.
    pub async fn skipped(&self, event: &ObjectKey, count: usize) {
        let skipped = |outcome| outcome == Outcome::Skipped;
        self.until(count, || async { self.count(event, skipped).await }).await;
    }

    async fn count(&self, event: &ObjectKey, wanted: impl Fn(Outcome) -> bool) -> usize {
        let tally = tally_of(&self.world.registry, self.world.ledger.as_ref(), event).await;
        let classes = tally.unwrap_or_else(RowCounts::default).classes;
        let counts = classes
            .iter()
            .filter(|class| wanted(class.outcome))
            .map(|class| class.count);
        usize::try_from(counts.sum::<u64>()).expect("a small number")
    }

    /// Waits until there are at least so many.
    pub async fn until<T: PartialOrd + Debug, F: Future<Output = T>>(&self, wanted: T, mut now: impl FnMut() -> F) {
        let enough = async || match now().await {
            there if there >= wanted => Ok(()),
            there => Err((there, self.world.sink.taken().len())),
        };
        until(&format!("{wanted:?}, beside it how many were sent"), LIMIT, enough).await;
    }

    /// Ends the loops in good order.
    pub async fn stop(self) -> World {
        self.stop.cancel();
        self.loops.await.expect("the loops end");
        self.world
    }
}
