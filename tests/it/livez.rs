//! A loop that hangs is named, and nobody else is: not those at work for long, and not those at rest.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use adconversion_operator::domain::ids::{ContactId, ObjectKey};
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ops::health::Probes;
use adconversion_operator::ports::ledger::Ledger;
use adconversion_operator::registry::Registry;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::{retention, supervisor};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ledger_faults::faulty::{Faulty, How};
use crate::support::memory::{Memory, Now, Sink, set_up, settings};
use crate::support::wait::{is_so, until};

/// Longest step of a loop; on a busy machine a step of these tests takes some milliseconds.
const STEP: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_mins(1);
const FEED: &str = "feed of the HubSpotAccount b/hubspot";
const UPLOADER: &str = "uploader of the GoogleAdsAccount b/google";
const POLLER: &str = "status poller of the GoogleAdsAccount b/google";
const RETENTION: &str = "retention";
const SUPERVISOR: &str = "supervisor of the sync loops";

/// Running loops over memory.
struct Loops {
    probes: Arc<Probes>,
    sink: Arc<Sink>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Loops {
    async fn start(portal: Memory, count: u64, sink: Sink, fault: Option<(usize, How)>) -> Self {
        let inner: Arc<dyn Ledger> = Arc::new(SqlLedger::open("sqlite::memory:").await.expect("a ledger"));
        let ledger = Arc::new(Faulty::new(inner, fault));
        let (registry, _wakes) = Registry::new();
        let sink = Arc::new(sink);
        set_up(&registry, count, sink.clone());
        let mut account = registry
            .hubspot_account(&ObjectKey::new("b", "hubspot"))
            .expect("the account");
        account.crm = Some(Arc::new(portal));
        registry.set_hubspot(account);
        let probes = Arc::new(Probes::default());
        let context = SyncContext::new(registry, ledger, Arc::new(Now), settings());
        let context = Arc::new(context.with_watchdog(probes.clone(), STEP));
        let stop = CancellationToken::new();
        let task = tokio::spawn(supervisor::run(context, stop.clone()));
        Self {
            probes,
            sink,
            stop,
            task,
        }
    }

    /// Waits until a loop hangs; its name.
    async fn stuck(&self) -> Vec<String> {
        let stuck = async || match self.probes.stuck_loops() {
            stuck if stuck.is_empty() => Err(self.probes.watched_loops()),
            stuck => Ok(stuck),
        };
        until("a loop that hangs", LIMIT, stuck).await
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_feed_that_hangs_is_named() {
    let mut portal = Memory::new(500);
    portal.silent = Some(ContactId(400));
    let loops = Loops::start(portal, 500, Sink::default(), None).await;
    assert_eq!(loops.stuck().await, [FEED]);
}

#[tokio::test]
async fn an_uploader_that_hangs_is_named() {
    let sink = Sink::default();
    sink.never_answers.store(true, Ordering::Relaxed);
    let loops = Loops::start(Memory::new(20), 20, sink, None).await;
    assert_eq!(loops.stuck().await, [UPLOADER]);
}

#[tokio::test]
async fn a_status_poller_that_hangs_is_named() {
    let sink = Sink::default();
    sink.never_tells.store(true, Ordering::Relaxed);
    let loops = Loops::start(Memory::new(20), 20, sink, None).await;
    assert_eq!(loops.stuck().await, [POLLER]);
}

/// The first call of the process: what was in flight when it ended.
#[tokio::test]
async fn a_ledger_that_hangs_is_noticed_before_any_loop_begins() {
    let loops = Loops::start(Memory::new(20), 20, Sink::default(), Some((1, How::EndsBefore))).await;
    assert_eq!(loops.stuck().await, [SUPERVISOR]);
}

/// Nobody would miss it: the loops would be gone, and with them whoever shows no signs of life.
#[tokio::test]
async fn a_supervisor_that_breaks_is_started_again_with_its_loops() {
    let loops = Loops::start(Memory::new(20), 20, Sink::default(), Some((1, How::Breaks))).await;
    let all_sent = async || is_so(loops.sink.rows.load(Ordering::Relaxed) >= 20);
    until("all to be sent", LIMIT, all_sent).await;
    assert!(loops.probes.watched_loops().contains(&SUPERVISOR.to_owned()));
    assert_eq!(loops.probes.stuck_loops(), [""; 0]);
}

#[tokio::test]
async fn a_retention_that_hangs_is_named() {
    let inner: Arc<dyn Ledger> = Arc::new(SqlLedger::open("sqlite::memory:").await.expect("a ledger"));
    let ledger = Arc::new(Faulty::new(inner, Some((1, How::EndsBefore))));
    let (registry, _wakes) = Registry::new();
    let probes = Arc::new(Probes::default());
    let context = SyncContext::new(registry, ledger, Arc::new(Now), settings());
    let context = Arc::new(context.with_watchdog(probes.clone(), STEP / 10));
    let work = retention::run_retention(context.clone(), CancellationToken::new());
    let named = async {
        let hangs = async || is_so(!probes.stuck_loops().is_empty());
        until("a loop that hangs", LIMIT, hangs).await;
        probes.stuck_loops()
    };
    tokio::select! {
        () = context.run_watched(RETENTION.to_owned(), work) => panic!("it hangs"),
        stuck = named => assert_eq!(stuck, [RETENTION]),
    }
}

#[tokio::test]
async fn work_of_many_steps_and_rest_are_no_hang() {
    let pages = 30;
    let mut portal = Memory::new(200 * pages);
    portal.pace = STEP / 10;
    let loops = Loops::start(portal, 200 * pages, Sink::default(), None).await;
    let begun = Instant::now();
    let all_sent = async || {
        assert_eq!(loops.probes.stuck_loops(), [""; 0], "while it reads");
        is_so(loops.sink.rows.load(Ordering::Relaxed) as u64 >= 200 * pages)
    };
    until("all to be sent", LIMIT, all_sent).await;
    assert!(begun.elapsed() > STEP * 2, "reading took longer than a step may");
    let rest = Instant::now();
    while rest.elapsed() < STEP * 2 {
        assert_eq!(loops.probes.stuck_loops(), [""; 0], "at rest");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        loops.probes.watched_loops(),
        [FEED, RETENTION, POLLER, SUPERVISOR, UPLOADER]
    );
    loops.stop.cancel();
    let ended = async || is_so(loops.task.is_finished());
    until("the end of the loops", LIMIT, ended).await;
    assert_eq!(loops.probes.watched_loops(), [""; 0], "who has ended is not waited for");
}
